"""The step that tells whether the files of examples are still the same."""
