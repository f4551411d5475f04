"""How MLflow is asked by the steps that need it: its client's settings, and waiting for it."""
