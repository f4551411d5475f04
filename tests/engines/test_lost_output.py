"""A runner that loses data and ends as if nothing were wrong."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engines, pytest.mark.timeout(120)]
RunSample = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def refused(
    run_sample: RunSample,
    message: Callable[[subprocess.CompletedProcess[str]], str],
    configs: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str, str], str]:
    """Draws a case on a lossy runner, which must fail and leave nothing behind, and returns the message."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")

    def run(case: str, runner: str) -> str:
        done = run_sample(configs[case], tmp_path / "sets", [f"--runner=lossy_runners.{runner}"])
        assert done.returncode == 1, done.stdout + done.stderr
        assert not list(tmp_path.rglob("*"))
        return message(done)

    return run


@pytest.mark.parametrize("case", ["split", "separate"])
def test_input_that_was_never_read(refused: Callable[[str, str], str], case: str) -> None:
    """Fewer pieces of input come back than were given: the sample would be one of a part of the examples."""
    found = refused(case, "LosesAShard")
    assert "the Beam runner gave back 5 of 6 pieces of the input for calibration" in found


def test_a_set_that_never_came_back(refused: Callable[[str, str], str]) -> None:
    """One of the two sets is not written, as where a runner runs only one of two branches."""
    found = refused("split", "LosesCalibration")
    assert "the Beam runner ended without giving back what it drew for calibration" in found
