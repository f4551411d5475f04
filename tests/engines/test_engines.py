"""The same sample on every engine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]
ENGINES = ("multi_processing", "portable", "dask", "prism", "flink")


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> list[str]:
    """Beam's options for an engine that runs."""
    options: list[str] = request.getfixturevalue(request.param)
    return options


@pytest.mark.parametrize("case", ["split", "separate"])
def test_every_engine_draws_the_same(
    engine: list[str],
    case: str,
    digests: Callable[[str, Sequence[str]], dict[str, str]],
    embedded: Mapping[str, dict[str, str]],
) -> None:
    """Both manifests, which hold the digest of every file, are byte for byte those of the embedded runner."""
    assert digests(case, engine) == embedded[case]


def test_the_two_cases_differ(embedded: Mapping[str, dict[str, str]]) -> None:
    """What is compared tells draws apart."""
    assert len({digest for sets in embedded.values() for digest in sets.values()}) == 4


def test_what_is_drawn_goes_by_the_temp_location(
    portable: list[str],
    digests: Callable[[str, Sequence[str]], dict[str, str]],
    embedded: Mapping[str, dict[str, str]],
    tmp_path: Path,
) -> None:
    """With --temp_location, for workers that do not share this disk, the sample is the same and nothing stays there."""
    assert digests("split", [*portable, f"--temp_location={tmp_path}"]) == embedded["split"]
    assert list(tmp_path.iterdir()) == []
