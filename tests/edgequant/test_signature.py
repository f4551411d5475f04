"""A signature as a value: its words, and its JSON form."""

import pytest

from edgequant.errors import ModelError
from edgequant.signature import ModelSignature, TensorSpec

_SIGNATURE = ModelSignature(
    key="serving_default",
    inputs=(
        TensorSpec(name="image", dtype="uint8", shape=(None, 8, None, 3)),
        TensorSpec(name="loose", dtype="float32", shape=None),
    ),
    outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, 10)),),
)


def test_json_brings_a_signature_back() -> None:
    """What `to_json` writes, `from_json` reads: open dimensions and open ranks included."""
    assert ModelSignature.from_json(_SIGNATURE.to_json()) == _SIGNATURE


def test_equal_signatures_have_equal_json() -> None:
    """The text does not depend on how the signature was made, so that KFP's cache sees equal inputs."""
    again = ModelSignature.from_json(_SIGNATURE.to_json())
    assert again.to_json() == _SIGNATURE.to_json()


@pytest.mark.parametrize(
    ("spec", "words", "example"),
    [
        (_SIGNATURE.inputs[0], "image uint8 [N, 8, N, 3]", (8, None, 3)),
        (_SIGNATURE.inputs[1], "loose float32 [?]", None),
        (TensorSpec(name="x", dtype="bool", shape=()), "x bool []", ()),
        (TensorSpec(name="x", dtype="int64", shape=(1,)), "x int64 [1]", ()),
    ],
)
def test_a_tensor_in_words(spec: TensorSpec, words: str, example: tuple[int | None, ...] | None) -> None:
    """A tensor reads as name, dtype and shape; an example's shape is without the batch."""
    assert str(spec) == words
    assert spec.example_shape == example


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        '{"key": "a", "inputs": [], "outputs": 3}',
        '{"key": "a", "inputs": [{}], "outputs": []}',
        '{"key": "a", "inputs": [{"name": "x", "dtype": "float32", "shape": "none"}], "outputs": []}',
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """Text that the describe step did not write ends in one line."""
    with pytest.raises(ModelError, match="is not what the describe step writes"):
        ModelSignature.from_json(text)
