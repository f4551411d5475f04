"""The step that measures the latency of all variants side by side."""
