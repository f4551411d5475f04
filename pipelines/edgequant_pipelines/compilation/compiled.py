"""A compiled pipeline and its digest."""

import hashlib
import json
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
            ConfigError: The file cannot be written.
        """
        _write(path, self.text)

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
            ConfigError: The file cannot be written.
        """
        _write(path, yaml.safe_dump_all(self.manifests, width=120))


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "pipelines.kubeflow.org/v2beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _write(path: Path, text: str) -> None:
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
