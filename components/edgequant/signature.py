"""A model's signature: the names, dtypes and shapes of what goes in and what comes out."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from edgequant.errors import ModelError

SUPPORTED_DTYPES = ("float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: Its name in the signature.
        dtype: Its NumPy dtype name.
        shape: Its dimensions, the batch first; None where a dimension is not fixed. None altogether when the rank is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def example_shape(self) -> tuple[int | None, ...] | None:
        """The shape of one example: without the batch dimension."""
        return None if self.shape is None else self.shape[1:]

    def allows(self, example_shape: tuple[int, ...]) -> bool:
        """Returns whether an example may have a shape (without the batch dimension)."""
        expected = self.example_shape
        return expected is None or (
            len(expected) == len(example_shape)
            and all(size in (None, actual) for size, actual in zip(expected, example_shape, strict=True))
        )

    def __str__(self) -> str:
        shape = "?" if self.shape is None else ", ".join("N" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{shape}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSignature:
    """The inputs and outputs of one signature of a model.

    Attributes:
        key: The signature's key, such as ``serving_default``.
        inputs: The inputs, sorted by name.
        outputs: The outputs, sorted by name.
    """

    key: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> str:
        """Returns the signature as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the signature that `to_json` wrote.

        Raises:
            ModelError: The text is not a signature.
        """
        try:
            fields = json.loads(text)
            return cls(
                key=fields["key"],
                inputs=tuple(_spec(item) for item in fields["inputs"]),
                outputs=tuple(_spec(item) for item in fields["outputs"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"signature: {text[:200]!r} is not what the describe step writes ({error})") from error


def _spec(fields: dict[str, object]) -> TensorSpec:
    shape = fields["shape"]
    if shape is not None and not isinstance(shape, list):
        raise TypeError(f"shape is {shape!r}")
    return TensorSpec(
        name=str(fields["name"]), dtype=str(fields["dtype"]), shape=None if shape is None else tuple(shape)
    )
