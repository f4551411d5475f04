"""A server that is reached by a name which it does not allow: MLflow refuses that with 403, whoever asks."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edgequant.artifacts.result import TrackingSettings
from edgequant.errors import ModelError, TrackingError
from edgequant.mlflow_access.lookup import Waiting
from edgequant.model_uri import pin
from edgequant.tracking.step import TrackInputs, track
from edgequant_pipelines.cli import main
from edgequant_pipelines.watching.model_registry import ModelRegistry, RefusedError, RegistryError

REFUSAL = "it refuses requests for this host name (403 Invalid Host header); add the name, with its port, to `--allowed-hosts`"


@pytest.fixture
def elsewhere(server: str) -> str:
    """The server by another form of its address, which is not among the hosts that MLflow allows by itself."""
    return server.replace("127.0.0.1", "127.1")


def test_track_names_the_option(elsewhere: str, digits_sets: Any, tmp_path: Path) -> None:
    """Recording ends at once, with the option that allows the name."""
    inputs = TrackInputs(
        variant_set=digits_sets.variant_set,
        verdict=digits_sets.verdict,
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
    )
    settings = TrackingSettings(uri=elsewhere, experiment="digits", retry_seconds=60)
    with pytest.raises(TrackingError) as raised:
        track(settings, inputs, tmp_path / "result")
    assert str(raised.value).startswith(f"MLflow at {elsewhere} did not accept the results ({REFUSAL}")


def test_pin_names_the_option(elsewhere: str) -> None:
    """A model that cannot be looked up for this reason is not asked for again."""
    said: list[str] = []
    with pytest.raises(ModelError) as raised:
        pin("models:/digits/1", elsewhere, Waiting(tell=said.append))
    assert f"cannot be looked up in MLflow at {elsewhere}: {REFUSAL}" in str(raised.value)
    assert said == []


@pytest.mark.parametrize("command", [("compare", "digits"), ("promote", "digits", "1", "--alias", "champion")])
def test_commands_name_the_option(command: tuple[str, ...], elsewhere: str) -> None:
    """What reads MLflow's records says it in one line."""
    done = CliRunner().invoke(main, [*command, "--tracking-uri", elsewhere])
    assert done.exit_code == 1
    assert f"MLflow at {elsewhere} cannot be asked ({REFUSAL}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_watch_names_the_option(elsewhere: str) -> None:
    """A look at the registry says it; it counts against no version, as it holds for every one."""
    with pytest.raises(RegistryError, match=re.escape(f"MLflow: {REFUSAL}")) as raised:
        next(ModelRegistry(elsewhere).versions())
    assert not isinstance(raised.value, RefusedError)
