"""The step that measures the latency of all variants interleaved."""
