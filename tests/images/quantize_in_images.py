"""Runs a compiled pipeline with KFP's DockerRunner: `quantize_in_images.py PIPELINE.yaml CONFIG.yaml ROOT LABEL`.

Prints the path of the result. What the configuration names must be below the configuration's directory, which is mounted.
"""

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from docker.models.containers import Container, ContainerCollection
from docker.types import Mount
from kfp import components, local

from edgequant_pipelines.arguments import local_tracking_uri, pipeline_arguments
from edgequant_pipelines.config import load_config

_run = ContainerCollection.run


def _run_and_keep(self: ContainerCollection, *arguments: Any, auto_remove: bool, **options: Any) -> Container:
    """Runs a container that the engine keeps when it has ended.

    KFP has the engine remove it, and takes a step whose container is gone before it has asked how it ended for a success
    (kubeflow/pipelines, issue 13332). Kept, it is asked in time; and the tests can ask for themselves.
    """
    assert auto_remove
    return _run(self, *arguments, **options)


def main(pipeline: Path, config_path: Path, root: Path, label: str) -> None:
    """Runs the pipeline in containers that have the label."""
    config = load_config(config_path)
    folder = config_path.parent
    runner = local.DockerRunner(
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - in the container
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mounts=[Mount(target=str(folder), source=str(folder), type="bind")],
        labels=dict([label.split("=")]),
    )
    local.init(runner, pipeline_root=str(root))
    quantize_model = components.load_component_from_file(str(pipeline))
    with patch.object(ContainerCollection, "run", _run_and_keep):
        task = quantize_model(**pipeline_arguments(config, local_tracking_uri(config, folder)))
    # Loop iterations that overlap leave KFP's own print, which indents, in the place of the built-in one.
    sys.stdout.write(f"result: {task.output.path}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
