"""Beam's options as configured."""

import pytest

from edgequant.errors import ConfigError
from edgequant.sampling.beam_options import parse_options


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--rnner=FnApiRunner", r"beam: '--rnner=FnApiRunner' is not an option of Beam; options look like --runner=Fn"),
        ("runner=FnApiRunner", r"beam: 'runner=FnApiRunner' is not an option of Beam"),
        ("--help", r"beam: '--help' is not an option of Beam"),
        ("--direct_num_workers=two", r"beam: \['--direct_num_workers=two'\]: argument .*: invalid int value: 'two'"),
        ("--direct_running_mode=fast", r"beam: .*: invalid choice: 'fast' \(choose from .*multi_processing"),
        ("--runner=Foo", r"beam: \['--runner=Foo'\]: Unexpected pipeline runner: Foo. Valid values are .*FnApiRunner"),
        ("--runner=no.such.Runner", r"beam: \['--runner=no.such.Runner'\]: No module named 'no'"),
    ],
)
def test_wrong_beam_options(option: str, message: str) -> None:
    """An unknown option, and a wrong value of a known one, is an error that names it and what is allowed."""
    with pytest.raises(ConfigError, match=f"^{message}"):
        parse_options([option])


@pytest.mark.parametrize("options", [[], ["--direct_num_workers=1"]])
def test_the_embedded_runner_is_the_default(options: list[str]) -> None:
    """Options that name no runner stand for the embedded one: Beam's own default would download another."""
    assert parse_options(options).get_all_options()["runner"] == "FnApiRunner"
