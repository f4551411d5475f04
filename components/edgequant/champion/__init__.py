"""The step that fetches the model in production, to compare with."""
