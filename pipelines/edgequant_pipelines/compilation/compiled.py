"""A compiled pipeline and its digest."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgequant.errors import ConfigError

# The KFP version that compiled it; the digest must not depend on it.
_NOISE = "sdkVersion"
# Lists whose order has no meaning.
_SETS = {"dependentTasks"}
_VERSION_DIGITS = 12
_API_GROUP = "pipelines.kubeflow.org"
# The parser in C, where PyYAML was built with it, is ten times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPipeline:
    """A compiled pipeline.

    Attributes:
        documents: The YAML documents: the pipeline spec, and the platform spec where there is one.
        text: The YAML.
    """

    documents: tuple[dict[str, Any], ...]
    text: str

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.documents[0]["pipelineInfo"]["name"])

    @property
    def digest(self) -> str:
        """The SHA-256 of the compiled pipeline: reproducible for the same options in any process."""
        canonical = json.dumps(_canonical(self.documents), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def version(self) -> str:
        """The name of this version of the pipeline: the pipeline's name and the beginning of the digest."""
        return f"{self.name}-{self.digest[:_VERSION_DIGITS]}"

    def write(self, path: Path) -> None:
        """Writes the YAML.

        Raises:
            ConfigError: The file cannot be written, or is something else than a compiled pipeline.
        """
        _write(path, self.text, "a compiled pipeline", _is_pipeline)

    @property
    def manifests(self) -> tuple[dict[str, Any], ...]:
        """The Kubernetes resources Pipeline and PipelineVersion; the latter is named after the digest."""
        spec, *platforms = self.documents
        description = str(spec["pipelineInfo"].get("description", ""))
        return (
            _manifest("Pipeline", self.name, {"description": description, "displayName": self.name}),
            _manifest(
                "PipelineVersion",
                self.version,
                {
                    "description": description,
                    "displayName": self.version,
                    "pipelineName": self.name,
                    "pipelineSpec": spec,
                    **({"platformSpec": platforms[0]} if platforms else {}),
                },
            ),
        )

    def write_manifests(self, path: Path) -> None:
        """Writes the Kubernetes resources.

        Raises:
            ConfigError: The file cannot be written, or is something else than such manifests.
        """
        _write(path, yaml.safe_dump_all(self.manifests, width=120), "manifests of a pipeline", _is_manifest)


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": f"{_API_GROUP}/v2beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _is_pipeline(document: object) -> bool:
    return isinstance(document, dict) and "pipelineInfo" in document and "deploymentSpec" in document


def _is_manifest(document: object) -> bool:
    return (
        isinstance(document, dict)
        and str(document.get("apiVersion", "")).startswith(f"{_API_GROUP}/")
        and document.get("kind") in ("Pipeline", "PipelineVersion")
    )


def _check_replaceable(path: Path, kind: str, is_of_kind: Callable[[object], bool]) -> None:
    """Checks that a file does not exist yet, is empty, or is of the kind that is written.

    Raises:
        ConfigError: It is something else, such as a configuration.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # The first document tells the kind, and comes soon; a platform spec may follow.
        first = next(iter(yaml.load_all(text, Loader=_LOADER)), None) if text.strip() else None
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError, yaml.YAMLError):
        first, text = None, "unknown"
    if text.strip() and not is_of_kind(first):
        raise ConfigError(f"{path}: already exists and is not {kind}; give another --output, or delete it")


def _write(path: Path, text: str, kind: str, is_of_kind: Callable[[object], bool]) -> None:
    _check_replaceable(path, kind, is_of_kind)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted(item) if key in _SETS else _canonical(item) for key, item in value.items() if key != _NOISE}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
