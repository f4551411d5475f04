"""The step that computes a digest of the example files, to detect changes."""
