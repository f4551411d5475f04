"""Submits, follows and schedules runs at a Kubeflow Pipelines server, with KFP's own client."""

from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError, connect
from edgequant_pipelines.kubeflow.named_runs import submit
from edgequant_pipelines.kubeflow.submission import SubmittedRun, check_access, find_run, prepare_run, start, state_of

__all__ = [
    "Connection",
    "KubeflowError",
    "SubmittedRun",
    "check_access",
    "connect",
    "find_run",
    "prepare_run",
    "start",
    "state_of",
    "submit",
]
