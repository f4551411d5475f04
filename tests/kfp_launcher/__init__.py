"""A stand-in for the driver and the launcher of Kubeflow Pipelines: it runs a compiled pipeline as a cluster's backend does.

The local runner of KFP hands components other inputs than the backend: typed artifacts, folders that exist, files that stay. This one
does what the driver (`backend/src/v2/driver`) and the launcher (`backend/src/v2/component`) of 2.17 do: every task is a process of
its own, started by the command line of the compiled YAML with its placeholders replaced, and sees of the run only copies of its
inputs. Where the backend warns, as of an output that no file was written for, this one fails.
"""

from tests.kfp_launcher.artifact_types import ArtifactTyping
from tests.kfp_launcher.backend import Backend, backend_for_digits, configuration
from tests.kfp_launcher.driver import Driver, Outputs
from tests.kfp_launcher.launcher import Container, Launcher, Pod, TaskError, run_process

__all__ = [
    "ArtifactTyping",
    "Backend",
    "Container",
    "Driver",
    "Launcher",
    "Outputs",
    "Pod",
    "TaskError",
    "backend_for_digits",
    "configuration",
    "run_process",
]
