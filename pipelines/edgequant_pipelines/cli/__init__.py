"""The command line; its import does not import TensorFlow, Beam, MLflow or KFP."""

from edgequant_pipelines.cli import cluster, compilation, records, running, step_commands, watching
from edgequant_pipelines.cli.program import main

__all__ = ["cluster", "compilation", "main", "records", "running", "step_commands", "watching"]
