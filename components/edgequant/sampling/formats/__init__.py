"""What is in the files: formats, features and class labels."""
