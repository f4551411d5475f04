"""The gate: its checks, the verdict of each variant, and the sentences of both."""
