"""The step that resolves the model URIs of a run to fixed versions."""
