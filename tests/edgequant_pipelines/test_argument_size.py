"""How large the arguments of a run on a cluster may be."""

import json
import re

import pytest

from edgequant.errors import ConfigError
from edgequant_pipelines.argument_size import MOST_BYTES, check_argument_size


def test_the_bytes_of_the_json_count() -> None:
    """As many bytes as are allowed are taken, one more is refused; a letter beyond ASCII is as many bytes as it has in UTF-8."""
    room = MOST_BYTES - len(json.dumps({"name": ""}))
    check_argument_size({"name": "a" * room})
    check_argument_size({"name": "é" * (room // 2)})
    with pytest.raises(
        ConfigError, match=rf"^the run's arguments take {MOST_BYTES + 1:,} bytes; {MOST_BYTES:,} are allowed"
    ):
        check_argument_size({"name": "a" * (room + 1)})


def test_the_largest_are_named_first_with_what_to_do() -> None:
    """The keys are the configuration's; what is small, and the configuration's own text, are not named."""
    files = [f"s3://bucket/train-{number:05}.tfrecord" for number in range(500)]
    arguments = {
        "name": "digits",
        "classes": ["name"] * 200,
        "calibration_examples": files,
        "gate": {"x" * 600: 1},
        "configuration": "text" * 5000,
    }
    with pytest.raises(ConfigError) as error:
        check_argument_size(arguments)
    _, _, largest = str(error.value).partition("command line: ")
    assert re.sub(r"takes [\d,]+", "takes N", largest) == (
        "examples.calibration takes N: name the files by fewer patterns, with wildcards; "
        "examples.classes takes N: put the names into a text file, one on each line, that pods can read, and name it: "
        "examples.classes_file: s3://BUCKET/FILE.txt; "
        "gate takes N: shorten it"
    )
