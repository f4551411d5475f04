"""The step that compares each variant with the baseline and gives its verdict."""
