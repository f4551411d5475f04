"""The arguments of a run on a cluster, without paths or servers that exist only on this machine."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from edgequant.errors import ConfigError, EdgequantError, collected, together
from edgequant.sampling.decode.preprocessing import check_source
from edgequant.sampling.fingerprint import code_digest
from edgequant_pipelines.argument_size import check_argument_size
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.config import Config
from edgequant_pipelines.example_count import check_example_count

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104 - compared, not bound

# The configuration as text, for the record: the run depends on the other arguments only. It holds absolute paths.
_RECORD = "configuration"


def cluster_arguments(config: Config) -> dict[str, Any]:
    """Returns the arguments of the pipeline compiled for a cluster.

    They hold no digests: the run resolves names when it starts, with the cluster's credentials.

    Raises:
        ConfigError: A key names a path of this machine, which pods do not have, the preprocess file is no Python, the gate needs
            more examples than are drawn, or the arguments are too large; the message lists all mistakes.
    """
    wrong: list[EdgequantError] = [
        *map(ConfigError, only_here(config)),
        *collected(partial(check_example_count, config)),
    ]
    try:
        values = declared_arguments(config)
        wrong += collected(partial(check_source, values["preprocess"], values["preprocess_source"]))
    except ConfigError as error:
        wrong.append(error)
    if wrong:
        raise together(wrong)
    arguments = {**values, "task_digest": code_digest(config.task)}
    check_argument_size(arguments)
    return arguments


def differing(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Returns the sorted names of the arguments that differ; the configuration's text is ignored."""
    names = (existing.keys() | wanted.keys()) - {_RECORD}
    return sorted(
        name for name in names if (name in existing) != (name in wanted) or existing.get(name) != wanted.get(name)
    )


def only_here(config: Config) -> Iterator[str]:
    """Yields a message for each key that names a path of this machine or a server on it."""
    for key, path in _paths(config):
        if not any(PurePosixPath(path).is_relative_to(mount) for mount in config.kubeflow.mounted):
            yield (
                f"{key}: {path!r} is a path of this machine, which a pod does not have; {_advice(key)}, "
                "or name the folder in kubeflow.mounted if every pod has it there"
            )
    if urlsplit(config.tracking.uri).hostname in _HERE:
        yield f"tracking.uri: {config.tracking.uri!r} is this machine; for a pod that is the pod itself. Name the server as pods reach it; `submit --wait` takes --tracking-uri to reach it from here"


def _paths(config: Config) -> Iterator[tuple[str, str]]:
    """Yields each key that holds a path of this machine, and the path."""
    yield from (
        (key, value) for key, value in (("model", config.model), ("champion", config.champion)) if _local(value)
    )
    examples = config.examples
    for key, patterns in (("calibration", examples.calibration), ("evaluation", examples.evaluation)):
        yield from ((f"examples.{key}", pattern) for pattern in patterns if _local(pattern))
    if _local(examples.classes_file):
        yield "examples.classes_file", examples.classes_file
    uri = config.tracking.uri
    if uri.startswith("sqlite:"):
        yield "tracking.uri", "/" + uri.partition(":")[2].lstrip("/")
    elif _local(uri):
        yield "tracking.uri", uri.removeprefix("file:")


def _local(value: str) -> bool:
    return value.startswith(("/", "file:"))


def _advice(key: str) -> str:
    if key == "tracking.uri":
        return "name an MLflow server, or leave it out where MLFLOW_TRACKING_URI is set in the pods"
    return (
        "use gs:// or s3://"
        if key.startswith("examples")
        else "register the model in MLflow and use models:/NAME/VERSION or models:/NAME@ALIAS"
    )
