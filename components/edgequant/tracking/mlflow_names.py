"""The names and texts that MLflow allows: unique metric names, and nothing longer than its limits.

Servers differ in how they treat longer texts: some truncate them, some accept them, and some refuse the request, as PostgreSQL does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgequant.metric_table import BY_NAME, SHARE

# A test compares these with MLflow's constants in `mlflow.utils.validation`; importing those takes a second.
TAG_CHARACTERS = 8000
PARAMETER_CHARACTERS = 6000
METRIC_NAME_CHARACTERS = 250
# The size of the database column for a run's name.
RUN_NAME_CHARACTERS = 250
DATASET_SOURCE_CHARACTERS = 65535
# The size of the database column for a version's description.
DESCRIPTION_CHARACTERS = 5000
PERCENT = 100.0
# Metrics that every variant has, for any task: a metric of the task with one of these names is recorded under another name.
OWN = (
    "drop_points",
    "drop_low_points",
    "drop_high_points",
    "agreement_percent",
    "agreement_low_percent",
    "agreement_high_percent",
    "size_bytes",
    "peak_memory_bytes",
    "examples",
    "drop_vs_champion_points",
    "drop_vs_champion_low_points",
    "drop_vs_champion_high_points",
    "flips",
    "right_to_wrong",
    "wrong_to_right",
    "divergence_nats",
    "sqnr_db",
    "cosine",
    "largest_error",
    "worst_channel_sqnr_db",
    "worst_channel_cosine",
    "worst_channel_agreement_percent",
    "constant_channels",
    "worst_class_drop_points",
    "worst_class_drop_low_points",
    "worst_class_drop_high_points",
    "latency_ratio",
    "latency_ratio_low",
    "latency_ratio_high",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
)

_FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)
# Leaves room for the longest suffix and a number.
_STEM_CHARACTERS = METRIC_NAME_CHARACTERS - 30


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricName:
    """The MLflow names of a metric.

    Attributes:
        stem: The common beginning of all its names.
        is_share: Whether it is a fraction of 1, which is recorded in percent, because charts round to two decimals.
    """

    stem: str
    is_share: bool = False

    @property
    def value(self) -> str:
        """The name of its value."""
        return f"{self.stem}{self._unit}"

    @property
    def ends(self) -> tuple[str, str]:
        """The names of the ends of its confidence interval."""
        return f"{self.stem}_low{self._unit}", f"{self.stem}_high{self._unit}"

    @property
    def drop(self) -> str:
        """The name of its drop against float32."""
        return f"{self.stem}_drop_points"

    @property
    def drop_ends(self) -> tuple[str, str]:
        """The names of the ends of the drop's interval."""
        return f"{self.stem}_drop_low_points", f"{self.stem}_drop_high_points"

    @property
    def scale(self) -> float:
        """The factor that its values are multiplied by."""
        return PERCENT if self.is_share else 1.0

    @property
    def all(self) -> frozenset[str]:
        """All its possible names."""
        return frozenset((self.value, *self.ends, self.drop, *self.drop_ends))

    @property
    def _unit(self) -> str:
        return "_percent" if self.is_share else ""


def metric_names(metrics: Iterable[str]) -> dict[str, MetricName]:
    """Returns the MLflow names of each metric; a name that is already taken gets a number as suffix.

    Args:
        metrics: The metrics of one variant. Names that MLflow allows are never changed in favour of others.
    """
    taken = set(OWN)
    names: dict[str, MetricName] = {}
    for metric in sorted(dict.fromkeys(metrics), key=lambda metric: _allowed(metric) != metric):
        name, number = _name(metric), 1
        while taken & name.all:
            number += 1
            name = _name(metric, f"_{number}")
        taken |= name.all
        names[metric] = name
    return names


def output_names(outputs: Iterable[str], metrics: Iterable[str]) -> dict[str, str]:
    """Returns the beginning of the metric names of each output, ``output/NAME``; one that is already taken gets a number as suffix.

    Args:
        outputs: The names of the outputs.
        metrics: The metrics of the variant.
    """
    taken = {name for metric in metric_names(metrics).values() for name in metric.all}
    names: dict[str, str] = {}
    for output in outputs:
        name, number = f"output/{_allowed(output)}", 1
        while name in names.values() or any(other.startswith(f"{name}/") for other in taken):
            number += 1
            name = f"output/{_allowed(output)}_{number}"
        names[output] = name
    return names


def _name(metric: str, suffix: str = "") -> MetricName:
    return MetricName(stem=f"{_allowed(metric)}{suffix}", is_share=metric in BY_NAME and BY_NAME[metric].unit == SHARE)


def _allowed(metric: str) -> str:
    """Returns a name that MLflow allows: allowed characters, not too long, and a normalized path if it has slashes."""
    text = _FORBIDDEN.sub("_", metric)[:_STEM_CHARACTERS].lstrip("./")
    return "/".join(part for part in text.split("/") if part not in ("", ".", "..")) or "metric"


def cut(text: str, characters: int) -> str:
    """Returns a text, truncated to a number of characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"


def cut_tags(values: dict[str, str]) -> dict[str, str]:
    """Returns tags, their values truncated to the length that MLflow allows."""
    return {name: cut(value, TAG_CHARACTERS) for name, value in values.items()}
