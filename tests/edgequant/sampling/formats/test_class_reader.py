"""Telling a record's class without parsing it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.class_reader import _Memory, class_name, class_reader, find_layout
from edgequant.sampling.formats.features import Feature, Features
from edgequant.sampling.formats.tfrecord import parse_example

MakeExample = Callable[[Any], bytes]
VALUES = st.one_of(
    st.lists(st.integers(-5, 300), min_size=1, max_size=2),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=2),
    st.lists(st.binary(max_size=6), min_size=1, max_size=2),
)
FEATURES = st.dictionaries(st.sampled_from(["label", "labe", "x", "image"]), VALUES, max_size=4)


@pytest.mark.parametrize(
    ("feature", "name"),
    [(np.array([3]), "3"), (np.asarray(7), "7"), ((b"cat",), "cat"), (np.array([2.0], np.float32), "2.0")],
)
def test_class_name_is_the_one_value(feature: Feature, name: str) -> None:
    """The class of a record is the one value of a feature, as text."""
    assert class_name({"label": feature}, "label") == name


def test_class_name_of_other_than_one_value() -> None:
    """A record without the feature, or with several values of it, is an error."""
    with pytest.raises(ExamplesError, match=r"^has no feature 'label'; it has x$"):
        class_name({"x": np.asarray(1)}, "label")
    with pytest.raises(ExamplesError, match=r"^feature 'x' has 2 values.*sampling.stratify: false"):
        class_name({"x": np.arange(2)}, "x")


def class_or_error(reader: Callable[[bytes], str], payload: bytes) -> str:
    """Returns what a reader returns for a payload: the class, or the error."""
    try:
        return f"class {reader(payload)}"
    except ExamplesError as error:
        return f"error {error}"


@settings(deadline=None, max_examples=300)
@given(records=st.lists(FEATURES, max_size=8), noise=st.lists(st.binary(max_size=20), max_size=4))
def test_tells_what_parsing_tells(example: MakeExample, records: list[Any], noise: list[bytes]) -> None:
    """Whatever records come in whatever order, each seen three times, the reader tells what a parse of each tells."""
    reader = class_reader(parse_example, "label", examples=True)
    payloads = [*(example(features) for features in records), *noise] * 3
    for payload in payloads:
        assert class_or_error(reader, payload) == class_or_error(
            lambda data: class_name(parse_example(data), "label"), payload
        )


def test_records_of_one_layout_are_not_parsed(example: MakeExample) -> None:
    """Of a thousand records that differ in values only, those are parsed whose class or layout was not seen before."""
    parsed = 0

    def parse(payload: bytes) -> Features:
        nonlocal parsed
        parsed += 1
        return parse_example(payload)

    reader = class_reader(parse, "label", examples=True)
    random = np.random.default_rng(1)
    for number in range(1000):
        assert reader(example({"image": [random.bytes(50)], "label": [number % 10], "x": [1.5]})) == str(number % 10)
    assert parsed == 11


def test_a_record_inside_a_record_is_not_taken_for_it(example: MakeExample) -> None:
    """An image whose bytes look like a label, of a record that has none, is an error though the layout's length is known."""
    reader = class_reader(parse_example, "label", examples=True)
    whole = example({"image": [b"12345678901234567890"], "label": [3]})
    inner = example({"label": [5]})
    for _ in range(3):
        assert reader(whole) == "3"
    trap = example({"image": [bytes(len(whole) - len(example({"image": [inner]}))) + inner]})
    assert abs(len(trap) - len(whole)) <= 2
    for padding in range(5):
        payload = example({"image": [bytes(padding + len(whole) - len(inner) - 16) + inner]})
        with pytest.raises(ExamplesError, match="has no feature 'label'; it has image"):
            reader(payload)


def test_a_feature_given_twice_is_left_to_the_parser(example: MakeExample) -> None:
    """Of a feature that a record holds twice the last counts, as protocol buffers have it."""
    one, other = example({"label": [3]}), example({"label": [4]})
    twice = b"\n" + bytes([len(one[2:] + other[2:])]) + one[2:] + other[2:]
    assert find_layout(twice, b"label") is None
    assert class_reader(parse_example, "label", examples=True)(twice) == "4"


def test_lengths_of_their_own_cost_little(example: MakeExample) -> None:
    """Records that all differ in length are told right, and what is remembered of them stays bounded."""
    reader = class_reader(parse_example, "label", examples=True)
    memory = _Memory(b"label")
    for size in range(3000):
        payload = example({"image": [bytes(size)], "label": [size % 7]})
        assert reader(payload) == str(size % 7)
        memory.learn(payload, str(size % 7))
    assert len(memory._lengths) <= 1024
