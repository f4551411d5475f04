"""The step that reads a model's signature."""
