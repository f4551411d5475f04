"""The step that copies the files of a model that a URI refers to."""
