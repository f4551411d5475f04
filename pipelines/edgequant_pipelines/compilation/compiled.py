"""A compiled pipeline, and what identifies it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgequant.errors import ConfigError

# Says which KFP compiled it; the same pipeline compiled by a later one is the same pipeline.
_NOISE = "sdkVersion"
# Lists whose order means nothing.
_SETS = {"dependentTasks"}


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
        """The SHA-256 of what is compiled: the same for the same options in any process."""
        canonical = json.dumps(_canonical(self.documents), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def write(self, path: Path) -> None:
        """Writes the YAML.

        Raises:
            ConfigError: The file cannot be written.
        """
        write_text(path, self.text)


def write_text(path: Path, text: str) -> None:
    """Writes a file, with the folders it is in.

    Raises:
        ConfigError: It cannot be written.
    """
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
