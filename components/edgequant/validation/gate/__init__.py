"""The gate: its checks, the verdict of each variant, and their wording."""
