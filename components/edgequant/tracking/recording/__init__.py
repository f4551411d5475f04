"""What the track step writes to MLflow."""
