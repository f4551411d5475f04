"""Watching MLflow's model registry: a quantization for every new version that a rule selects."""
