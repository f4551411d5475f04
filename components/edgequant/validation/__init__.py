"""The step that compares each variant with the reference and gives its verdict."""
