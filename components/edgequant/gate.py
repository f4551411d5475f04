"""The gate as configured: what a variant must hold to be blessed."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgequant.errors import ConfigError, did_you_mean

PREFERENCES = ("size_bytes", "latency_ms", "drop_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a variant must hold.

    Attributes:
        max_drop_points: How many percentage points of the main metric it may lose to the baseline, or None.
        confidence: How sure one must be that it loses no more.
        max_size_ratio: How large its file may be, as a share of the baseline's, or None.
        prefer: What the best blessed variant has least of: ``size_bytes``, ``latency_ms`` or ``drop_points``.
    """

    max_drop_points: float | None = None
    confidence: float = 0.95
    max_size_ratio: float | None = None
    prefer: str = "size_bytes"

    def __bool__(self) -> bool:
        return self.max_drop_points is not None or self.max_size_ratio is not None

    def asked(self) -> dict[str, float | str]:
        """Returns the gate as configured, without what is not asked for."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def parse_gate(values: Mapping[str, Any]) -> Gate:
    """Returns the gate that a mapping describes.

    Raises:
        ConfigError: A key is unknown, or a value is not allowed.
    """
    allowed = tuple(Gate.__dataclass_fields__)
    for key in values:
        if key not in allowed:
            raise ConfigError(
                f"gate: unknown key {key!r}; allowed are {', '.join(allowed)}{did_you_mean(str(key), allowed)}"
            )
    gate = Gate(**{key: value for key, value in values.items() if value is not None})
    for key in ("max_drop_points", "max_size_ratio", "confidence"):
        value = getattr(gate, key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise ConfigError(f"gate.{key}: {value!r} is not a number of 0 or more")
    if not 0.5 < gate.confidence < 1:
        raise ConfigError(f"gate.confidence: {gate.confidence} is not between 0.5 and 1; 0.95 is usual")
    if gate.prefer not in PREFERENCES:
        raise ConfigError(f"gate.prefer: unknown {gate.prefer!r}; choose from {', '.join(PREFERENCES)}")
    return gate
