"""The result of a run, typed: what `run` returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgequant.artifacts.directory import read_json
from edgequant.artifacts.result import Tracked
from edgequant.artifacts.verdict import VariantVerdict, Verdict, load_verdict

RESULTS = "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a run.

    Attributes:
        directory: The work directory.
        verdict: The complete verdict, with its notes and the champion.
        tracking: Where it is recorded in MLflow; None if MLflow could not be reached.
    """

    directory: Path
    verdict: Verdict
    tracking: Tracked | None

    @property
    def outcome(self) -> str:
        """``blessed`` when a variant is, else ``inconclusive`` when one is, else ``rejected``; ``not gated`` without a gate.

        ``invalid reference`` when float32 is not fit to compare with: `verdict.reference` has the reason.
        """
        return self.verdict.outcome

    @property
    def best(self) -> str | None:
        """The best blessed variant; None without one."""
        return self.verdict.best

    @property
    def why(self) -> str:
        """One sentence: what to ship and what it costs, or why nothing is blessed."""
        return self.verdict.why

    @property
    def variants(self) -> Mapping[str, VariantVerdict]:
        """Each variant's metrics, drop, latency, checks and verdict, in the configured order."""
        return self.verdict.variants

    def model(self, variant: str) -> Path:
        """Returns the ``.tflite`` file of a variant.

        Raises:
            KeyError: There is no such variant, or its conversion failed.
        """
        if self.variants[variant].size_bytes is None:
            raise KeyError(f"{variant}: its conversion failed: {self.variants[variant].reason}")
        return self.directory / RESULTS / "variants" / variant / "model.tflite"

    @property
    def report(self) -> Path:
        """The report, ``report.html``."""
        return self.directory / "report.html"


def load_run(directory: Path) -> Result:
    """Returns the result that a run left in its work directory.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    fields: dict[str, Any] = read_json(directory / "result.json")
    tracking = fields["tracking"]
    return Result(
        directory=directory,
        verdict=load_verdict(directory / RESULTS / "verdict"),
        tracking=Tracked(**tracking, run_ids=_run_ids(fields)) if tracking else None,
    )


def _run_ids(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: variant["run_id"] for name, variant in fields["variants"].items() if variant["run_id"]}
