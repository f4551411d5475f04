"""What the track step is told: checked before anything is written, as a pipeline that nests has no configuration file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.edgequant.tracking.recordings import is_empty

from edgequant.artifacts.result import TrackingSettings
from edgequant.errors import ConfigError
from edgequant.tracking.setting_checks import check_tracking_settings
from edgequant.tracking.step import TrackInputs, record, track
from edgequant.tracking.ui_links import PUBLIC_URI, base

_SETTINGS = TrackingSettings(uri="", experiment="digits", registered_model="digits-tflite", alias="candidate")


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (
            "digits",
            {"registered_model": "o'brien"},
            """registered_model: "o'brien" holds "'", which MLflow refuses; all characters but / : ' are allowed""",
        ),
        ("digits", {"registered_model": "a/b"}, "registered_model: 'a/b' holds '/', which MLflow refuses; all"),
        (
            "digits",
            {"pipeline_run": "night's"},
            """pipeline_run: "night's" holds "'", which MLflow refuses; all characters but ' are allowed""",
        ),
        ("digits", {"pipeline_run": "x" * 251}, "… has 251 characters; 250 are allowed at most"),
        ("o'brien", {}, """name: "o'brien" holds "'", which MLflow refuses"""),
        (
            "digits",
            {"registered_model": "a\\"},
            r"registered_model: 'a\\' ends in a backslash, which escapes the closing quote in MLflow's searches",
        ),
        ("digits", {"pipeline_run": "night\\"}, r"pipeline_run: 'night\\' ends in a backslash"),
        ("digits\\", {}, r"name: 'digits\\' ends in a backslash"),
        ("digits", {"experiment": "x" * 501}, "… has 501 characters; 500 are allowed at most"),
        (
            "digits",
            {"alias": "a" * 256},
            "is not allowed; letters, digits, '_' and '-' are, 255 at most, but not 'latest'",
        ),
        ("digits", {"alias": "v1"}, "alias: 'v1' is not allowed; letters, digits,"),
    ],
)
def test_what_mlflow_could_not_take_or_find_is_told(name: str, given: dict[str, Any], message: str) -> None:
    """The error names the setting, its value and what is allowed."""
    with pytest.raises(ConfigError) as raised:
        check_tracking_settings(replace(_SETTINGS, **given), name)
    assert message in str(raised.value)
    check_tracking_settings(_SETTINGS, "digits")


def test_settings_are_checked_before_anything_is_written(digits_sets: Any, tmp_path: Path) -> None:
    """The step says at once what would end the recording: there is no result, and nothing in MLflow."""
    inputs = TrackInputs(
        variant_set=digits_sets.variant_set,
        verdict=digits_sets.verdict,
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
    )
    settings = replace(_SETTINGS, uri=f"sqlite:///{tmp_path / 'mlflow.db'}", pipeline_run="night's")
    with pytest.raises(ConfigError, match="pipeline_run"):
        track(settings, inputs, tmp_path / "result")
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_that_a_pipeline_leaves_open(digits_sets: Any, tmp_path: Path) -> None:
    """It has the name of the quantization, as where a configuration names none."""
    inputs = TrackInputs(
        variant_set=digits_sets.variant_set,
        verdict=digits_sets.verdict,
        calibration_set=digits_sets.calibration_set,
        evaluation_set=digits_sets.evaluation_set,
    )
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracked = track(TrackingSettings(uri=uri, experiment=""), inputs, tmp_path / "result")
    assert MlflowClient(tracking_uri=uri).get_experiment(tracked.experiment_id).name == "digits"


@pytest.mark.parametrize(
    ("public", "uri", "expected"),
    [
        ("", "http://mlflow.mlflow.svc:5000/", "http://mlflow.mlflow.svc:5000"),
        ("", "sqlite:///mlflow.db", "http://127.0.0.1:5000"),
        ("https://mlflow.example.com/ml/", "http://mlflow.mlflow.svc:5000", "https://mlflow.example.com/ml"),
        ("https://mlflow.example.com", "sqlite:///mlflow.db", "https://mlflow.example.com"),
    ],
)
def test_links_are_to_where_the_pages_are(
    public: str, uri: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin with the public address, where one is given, else with that of the server."""
    monkeypatch.setenv(PUBLIC_URI, public)
    assert base(uri) == expected


def test_a_result_has_links_that_open_outside_of_the_cluster(
    results: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every stored link is to the public address; one that is none is told before anything is recorded."""
    path = results()
    for wrong, message in (
        ("mlflow.example.com", "is not allowed; an address that begins with"),
        ("http://a:b@c", ""),
        ("https://mlflow.example.com/#/", "holds '#', with which the addresses of pages go on"),
    ):
        monkeypatch.setenv(PUBLIC_URI, wrong)
        with pytest.raises(ConfigError, match=f"EDGEQUANT_MLFLOW_PUBLIC_URI: .*{message}"):
            record(path)
    assert is_empty(tmp_path / "mlflow.db")
    monkeypatch.setenv(PUBLIC_URI, "https://mlflow.example.com")
    record(path)
    links = json.loads((path / "result.json").read_text())["tracking"]["links"]
    assert set(links) == {"experiment", "summary", "compare", "version"}
    assert all(link.startswith("https://mlflow.example.com/#/") for link in links.values())
