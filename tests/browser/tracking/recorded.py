"""What was recorded on an MLflow server, as the tests of its pages expect it."""

from dataclasses import dataclass
from typing import Any

EXPERIMENT, REGISTERED, ALIAS = "digits", "digits-tflite", "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """What the quantization of a source model left.

    Attributes:
        source: The source model's name for people.
        result: What ``result.json`` holds.
    """

    source: str
    result: dict[str, Any]

    @property
    def links(self) -> dict[str, str]:
        """The stored pages by name."""
        links: dict[str, str] = self.result["tracking"]["links"]
        return links

    @property
    def version(self) -> str | None:
        """The registered version, if there is one."""
        version: str | None = self.result["tracking"]["model_version"]
        return version

    def run_name(self, variant: str) -> str:
        """Returns the name of a variant's run: source model, variant, verdict, and the points gained or lost to one place."""
        values = self.result["variants"][variant]
        drop = values["drop_points"]
        known = values["verdict"] != "reference" and drop is not None
        if known and 0.005 <= abs(drop) < 0.1:
            change = f" {-drop:+.2f}"
        else:
            change = f" {-drop:+.1f}" if known and drop else " 0.0" if known else ""
        return f"{self.source} · {variant} · {values['verdict']}{change.replace('-', '−')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An MLflow server with everything that was recorded.

    Attributes:
        address: The server's address.
        quantized: The quantizations, the oldest first.
    """

    address: str
    quantized: tuple[Quantized, ...]
