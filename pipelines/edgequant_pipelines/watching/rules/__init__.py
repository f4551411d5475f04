"""The rules: which model versions run, and with which configuration."""
