"""Promoting a registered version, and a model's history: the functions and the commands."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from edgequant.tracking.reading.history import history
from edgequant.tracking.step import record
from edgequant_pipelines.cli import main

NAME = "digits-tflite"
VARIANTS = ["float32", "weights_only", "full_int8", "integer_only"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Two pipeline runs in a database.

    Attributes:
        uri: The tracking URI.
        client: A client of it.
        first: Where the first was recorded; its best is version 1.
        second: Where the second was; its best is version 2.
    """

    uri: str
    client: MlflowClient
    first: Any
    second: Any


@pytest.fixture
def both(results: Callable[..., Path]) -> Recorded:
    """Two pipeline runs of the digits model."""
    first = record(results("first", pipeline_run="run-1", model_uri="models:/digits/1"))
    second = record(results("second", pipeline_run="run-2", model_uri="models:/digits/2"))
    client = MlflowClient(tracking_uri=first.uri, registry_uri=first.uri)
    return Recorded(uri=first.uri, client=client, first=first, second=second)


def run(*arguments: str) -> Result:
    """Runs a command."""
    return CliRunner().invoke(main, list(arguments))


def test_a_variant_of_an_invalid_reference_is_not_promoted(both: Recorded) -> None:
    """Registered by hand, such a variant has the verdict of its run: promotion is refused with the reason; force leaves its tag."""
    run_id = both.first.run_ids["full_int8"]
    both.client.set_tag(run_id, "edgequant.verdict", "invalid reference")
    both.client.set_tag(run_id, "edgequant.invalid_reference", "float32 guesses")
    version = both.client.create_model_version(NAME, source="file:///by/hand", run_id=run_id).version
    command = ("promote", NAME, str(version), "--alias", "champion", "--tracking-uri", both.uri)
    refused = run(*command)
    assert refused.exit_code == 1
    assert "its verdict is 'invalid reference' (float32 guesses); --force promotes it all the same" in refused.stderr
    assert "champion" not in both.client.get_registered_model(NAME).aliases
    assert run(*command, "--force").exit_code == 0
    tags = both.client.get_model_version(NAME, str(version)).tags
    assert tags["edgequant.forced.champion"] == "promoted with --force; the verdict was invalid reference"


def test_promoting(both: Recorded) -> None:
    """An alias moves to a blessed version; to another only by force, which leaves a tag; what is asked wrongly is explained."""
    at = ("--tracking-uri", both.uri)
    client = both.client
    done = run("promote", NAME, "1", "--alias", "champion", *at)
    assert (done.exit_code, done.stdout) == (0, "digits-tflite version 1 has the alias champion (it is new)\n")
    done = run("promote", NAME, "2", "--alias", "champion", *at)
    assert done.stdout == "digits-tflite version 2 has the alias champion (it was on version 1)\n"
    assert client.get_registered_model(NAME).aliases == {"candidate": 2, "champion": 2}

    client.set_model_version_tag(NAME, "1", "edgequant.verdict", "rejected")
    refused = run("promote", NAME, "1", "--alias", "champion", *at)
    assert refused.exit_code == 1
    assert refused.stderr == (
        "edgequant: version 1 of 'digits-tflite' was not blessed: its verdict is 'rejected';"
        " --force promotes it all the same\n"
    )
    assert client.get_registered_model(NAME).aliases["champion"] == 2
    assert "edgequant.forced.champion" not in client.get_model_version(NAME, "1").tags
    forced = run("promote", NAME, "1", "--alias", "champion", "--force", *at)
    assert forced.exit_code == 0
    assert forced.stderr == "its verdict is overridden: rejected\n"
    assert client.get_registered_model(NAME).aliases["champion"] == 1
    tags = client.get_model_version(NAME, "1").tags
    assert tags["edgequant.forced.champion"] == "promoted with --force; the verdict was rejected"

    client.delete_model_version_tag(NAME, "2", "edgequant.verdict")
    client.create_registered_model("other")
    for arguments, code, message in (
        ((NAME, "2", "--alias", "champion"), 1, "was not blessed: it has no tag edgequant.verdict; --force"),
        ((NAME, "7", "--alias", "champion"), 1, "'digits-tflite' has no version 7; it has 1, 2\n"),
        (("digits-tfite", "1", "--alias", "a"), 1, "there are digits-tflite, other; did you mean 'digits-tflite'?"),
        ((NAME, "one", "--alias", "champion"), 2, "VERSION: 'one' is not a version; a number, such as 3, is"),
        ((NAME, "01", "--alias", "champion"), 2, "VERSION: '01' is not a version; a number, such as 3, is"),
        ((NAME, "٣", "--alias", "champion"), 2, "VERSION: '٣' is not a version; a number, such as 3, is"),
        ((NAME, "9" * 11, "--alias", "champion"), 2, "is not a version; a number, such as 3, is"),
        ((NAME, "1", "--alias", "latest"), 2, "--alias: 'latest' is not allowed; letters, digits,"),
    ):
        done = run("promote", *arguments, *at)
        assert (done.exit_code, done.stdout) == (code, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_where_commands_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, a file that is not there and a server that does not answer are one sentence each."""
    monkeypatch.chdir(tmp_path)
    for uri, code, message in (
        ((), 2, "--tracking-uri: none is given, MLFLOW_TRACKING_URI is not set, and there is no mlflow.db here"),
        (("--tracking-uri", "sqlite:///none.db"), 2, "--tracking-uri: none.db does not exist"),
        (("--tracking-uri", "sqlite:///none.db?timeout=30"), 2, "--tracking-uri: none.db does not exist"),
        (
            ("--tracking-uri", "http://me:secret@127.0.0.1:9"),
            2,
            "--tracking-uri: holds a password; give credentials in",
        ),
        (("--tracking-uri", "http://127.0.0.1:9"), 1, "MLflow at http://127.0.0.1:9 cannot be asked"),
    ):
        for command in (("compare", "digits"), ("promote", NAME, "1", "--alias", "champion")):
            done = run(*command, *uri)
            assert (done.exit_code, done.stdout) == (code, "")
            assert message in done.stderr
            assert "secret" not in done.stderr
            assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_comparing(both: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variant of the last runs is a row, the newest run first, with its figures, its version and where aliases are now."""
    rows = history("digits", 10, both.uri)
    assert [row.pipeline_run for row in rows] == ["run-2"] * 4 + ["run-1"] * 4
    assert [row.variant for row in rows] == VARIANTS * 2
    by_run = {row.run_id: row for row in rows}
    for tracked, number, aliases in ((both.first, "1", ()), (both.second, "2", ("candidate",))):
        registered = [by_run[run_id] for run_id in tracked.run_ids.values() if by_run[run_id].registered]
        assert [(row.registered, row.aliases) for row in registered] == [(f"{NAME}/{number}", aliases)]
        for run_id in tracked.run_ids.values():
            metrics = both.client.get_run(run_id).data.metrics
            row = by_run[run_id]
            assert (row.metric, row.value) == ("accuracy_percent", metrics["accuracy_percent"])
            assert (row.size_bytes, row.drop_points) == (metrics["size_bytes"], metrics["drop_points"])
            assert row.drop_high_points == metrics.get("drop_high_points")
    assert history(NAME, 1, both.uri) == rows[:4]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", both.uri)
    printed = json.loads(run("compare", "digits", "--last", "1", "--json").stdout)
    assert [row["variant"] for row in printed] == VARIANTS
    assert printed[0]["source_model"] == "models:/digits/2"
    shown = run("compare", NAME).stdout
    assert shown.index("models:/digits/2") < shown.index("models:/digits/1")
    assert shown.count("weights_only") == 2
    assert f"{NAME}/2 @candidate" in shown
    assert run("compare", NAME, "--tracking-uri", f"{both.uri}?timeout=30").stdout == shown
    unknown = run("compare", "digit")
    assert unknown.exit_code == 1
    assert unknown.stderr == (
        "edgequant: MLflow has no variants of 'digit'; it has those of digits; did you mean 'digits'?\n"
    )


def test_comparing_what_was_not_registered_anew(results: Callable[..., Path]) -> None:
    """A night without a change shows the version that has its file, with the aliases it has; once it is deleted, none."""
    first, second = (record(results(f"night-{number}", pipeline_run=f"night-{number}")) for number in (1, 2))
    client = MlflowClient(tracking_uri=first.uri, registry_uri=first.uri)
    assert first.model_version == second.model_version == "1"

    def shown() -> list[tuple[str | None, tuple[str, ...]]]:
        best = {first.run_ids["weights_only"], second.run_ids["weights_only"]}
        return [(row.registered, row.aliases) for row in history("digits", 2, first.uri) if row.run_id in best]

    assert shown() == [(f"{NAME}/1", ("candidate",))] * 2
    client.delete_model_version(NAME, "1")
    assert shown() == [(None, ())] * 2


def test_comparing_what_was_recorded_in_another_experiment(results: Callable[..., Path]) -> None:
    """The version is the result's, and shown with both of its recordings."""
    first, second = (record(results(name, pipeline_run="night", experiment=name)) for name in ("here", "there"))
    assert first.versions == second.versions
    shown = [(row.variant, row.aliases) for row in history("digits", 2, first.uri) if row.registered == f"{NAME}/1"]
    assert shown == [("weights_only", ("candidate",))] * 2
