"""The step that records everything in MLflow."""
