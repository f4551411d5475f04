"""Each variant compared with the reference, example by example."""
