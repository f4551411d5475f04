"""A record's features as canonical bytes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.features import Feature, Features, decode, encode, row, take

NUMBERS = arrays.arrays(
    dtype=st.sampled_from(["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]),
    shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
FEATURES = st.dictionaries(
    st.text(max_size=5), st.one_of(NUMBERS, st.lists(st.binary(max_size=5), max_size=3).map(tuple)), max_size=4
)


def same(one: Feature, other: Feature) -> bool:
    """Tells whether two features hold the same bytes of the same dtype and shape."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        return isinstance(one, tuple) and isinstance(other, tuple) and one == other
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@settings(deadline=None)
@given(features=FEATURES)
def test_decode_returns_what_was_encoded(features: Features) -> None:
    """Names, dtypes, shapes and values survive, NaN and empty arrays included."""
    decoded = decode(encode(features))
    assert decoded.keys() == features.keys()
    assert all(same(decoded[name], feature) for name, feature in features.items())


@settings(deadline=None)
@given(features=FEATURES)
def test_equal_features_have_equal_bytes(features: Features) -> None:
    """The order in which features stand, and how an array lies in memory, do not count."""
    backwards: Features = {
        name: feature if isinstance(feature, tuple) else feature.copy(order="F")
        for name, feature in reversed(features.items())
    }
    assert encode(backwards) == encode(features)


def test_unequal_features_have_unequal_bytes() -> None:
    """Where one value ends and the next begins counts, and so do dtype and shape."""
    alike: list[Features] = [
        {"a": (b"xy", b"z")},
        {"a": (b"x", b"yz")},
        {"a": (b"xyz",)},
        {"b": (b"xyz",)},
        {"a": np.zeros(2, np.float32)},
        {"a": np.zeros(1, np.float64)},
        {"a": np.zeros((2, 1), np.float32)},
    ]
    assert len({encode(features) for features in alike}) == len(alike)


def test_decoded_arrays_can_be_changed() -> None:
    """A user's function may change an array in place."""
    feature = decode(encode({"a": np.arange(3)}))["a"]
    assert isinstance(feature, np.ndarray)
    feature += 1
    assert feature.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "feature"),
    [
        (np.asarray("é"), ("é".encode(),)),
        (np.array(["a", "bc"]), (b"a", b"bc")),
        (np.asarray(b"raw"), (b"raw",)),
    ],
)
def test_text_becomes_bytes(value: Any, feature: Feature) -> None:
    """Text is UTF-8 bytes, one for each value."""
    assert row(value) == feature


def test_take_names_what_there_is() -> None:
    """A missing feature is an error that names the others and the nearest."""
    with pytest.raises(ExamplesError, match=r"has no feature 'lable'; it has image, label; did you mean 'label'\?"):
        take({"label": (b"1",), "image": (b"",)}, "lable")
    with pytest.raises(ExamplesError, match=r"has no feature 'label'; it has none"):
        take({}, "label")
