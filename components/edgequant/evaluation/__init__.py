"""The step that runs one variant on the LiteRT interpreter over the evaluation set."""
