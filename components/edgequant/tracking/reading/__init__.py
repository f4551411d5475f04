"""What compare, promote and submit --wait read from MLflow."""
