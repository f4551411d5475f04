"""The step that turns a model's URI into its files."""
