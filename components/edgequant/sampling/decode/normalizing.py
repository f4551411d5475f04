"""Normalizes values as Keras's ``preprocess_input`` does, or by a mean and a standard deviation for each channel."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.errors import ConfigError, did_you_mean

MODES = ("tf", "torch", "caffe")
_KEYS = ("mode", "mean", "std")


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalize:
    """(values − mean) / std in each channel of the last axis, after its order is reversed where `reverse` says so.

    Attributes:
        mean: One number, or one for each channel.
        std: One number, or one for each channel.
        reverse: Whether red, green, blue become blue, green, red first.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    reverse: bool = False

    @property
    def channels(self) -> int | None:
        """How many channels it is for; None: any number."""
        count = max(len(self.mean), len(self.std))
        return count if count > 1 else None

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Returns values normalized, float32."""
        ordered = values[..., ::-1] if self.reverse else values
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.asarray((ordered.astype(np.float32) - mean) / std, np.float32)


# What `keras.applications.imagenet_utils.preprocess_input` does to values from 0 to 255.
_OF_MODE = {
    "tf": Normalize(mean=(127.5,), std=(127.5,)),
    "torch": Normalize(mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), std=(0.229 * 255, 0.224 * 255, 0.225 * 255)),
    "caffe": Normalize(mean=(103.939, 116.779, 123.68), reverse=True),
}


def parse_normalize(declared: object, where: str) -> Normalize | None:
    """Returns how to normalize; None when nothing is declared.

    Args:
        declared: A mapping of `mode`, or of `mean` and `std`.
        where: The key, for messages.

    Raises:
        ConfigError: A key is unknown or a value is not allowed.
    """
    if declared is None:
        return None
    if not isinstance(declared, Mapping) or not declared:
        raise ConfigError(f"{where}: {declared!r} is not a mapping of mode, or of mean and std")
    for key in declared:
        if key not in _KEYS:
            raise ConfigError(
                f"{where}: unknown key {key!r}; allowed are {', '.join(_KEYS)}{did_you_mean(str(key), _KEYS)}"
            )
    if "mode" in declared:
        mode = declared["mode"]
        if mode not in MODES:
            raise ConfigError(f"{where}.mode: {mode!r} is unknown; choose from {', '.join(MODES)}")
        if len(declared) > 1:
            raise ConfigError(f"{where}: mode: {mode} has its own mean and std; give either mode, or mean and std")
        return _OF_MODE[mode]
    mean, std = _numbers(declared.get("mean", 0.0), f"{where}.mean"), _numbers(declared.get("std", 1.0), f"{where}.std")
    if min(std) <= 0:
        raise ConfigError(f"{where}.std: {declared['std']!r} is not allowed; numbers above 0 are")
    if 1 not in (len(mean), len(std)) and len(mean) != len(std):
        raise ConfigError(
            f"{where}: mean has {len(mean)} numbers and std {len(std)}; one, or one for each channel, is needed"
        )
    return Normalize(mean=mean, std=std)


def number(declared: object, where: str) -> float:
    """Returns a finite number.

    Raises:
        ConfigError: It is none.
    """
    try:
        # YAML reads 1e-3 as text.
        value = float(declared) if isinstance(declared, int | float | str) else math.nan
    except (ValueError, OverflowError):
        value = math.nan
    if isinstance(declared, bool) or not math.isfinite(value):
        raise ConfigError(f"{where}: {declared!r} is not a number")
    return value


def _numbers(declared: object, where: str) -> tuple[float, ...]:
    if isinstance(declared, list | tuple):
        if not declared:
            raise ConfigError(f"{where}: is empty; a number, or one for each channel, is needed")
        return tuple(number(value, where) for value in declared)
    return (number(declared, where),)
