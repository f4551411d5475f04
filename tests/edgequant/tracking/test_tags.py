"""What is recorded, as plain values."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.utils import validation

from edgequant.artifacts.result import LoadedResult, load_result
from edgequant.tracking import mlflow_names, tags, ui_links
from edgequant.tracking.recording import registry, summary
from edgequant.tracking.recording.shared_view import shared_view


@pytest.fixture
def result(results: Callable[..., Path]) -> LoadedResult:
    """A result of the digits model."""
    return load_result(results())


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("models:/digits/3", "digits v3"),
        ("models:/digits@champion", "digits @champion"),
        ("runs:/0123/model", "digits"),
        ("saved_model", "digits"),
        ("", "digits"),
    ],
)
def test_runs_are_named_after_the_source_model(results: Callable[..., Path], uri: str, name: str) -> None:
    """A registered version or alias is part of the name; a path is not."""
    result = load_result(results(model_uri=uri))
    assert tags.source(result) == name
    assert not set("/:.%\"' ") & set(tags.logged_model_name(result, "full_int8"))


@pytest.mark.parametrize(
    ("variant", "changes", "name"),
    [
        ("full_int8", {"verdict": "rejected", "drop_points": 2.14}, "digits · full_int8 · rejected −2.1"),
        ("full_int8", {"verdict": "blessed", "drop_points": -0.26}, "digits · full_int8 · blessed +0.3"),
        ("full_int8", {"verdict": "inconclusive", "drop_points": 0.04}, "digits · full_int8 · inconclusive −0.04"),
        ("full_int8", {"verdict": "blessed", "drop_points": 0.0}, "digits · full_int8 · blessed 0.0"),
        ("full_int8", {"verdict": "not gated", "drop_points": None}, "digits · full_int8 · not gated"),
        (
            "full_int8",
            {"verdict": "rejected", "drop_points": None, "reason": "killed"},
            "digits · full_int8 · rejected, failed",
        ),
        ("float32", {}, "digits · float32 · reference"),
        ("", {}, "digits · summary · blessed"),
    ],
)
def test_runs_are_named_after_verdict_and_drop(
    results: Callable[..., Path], variant: str, changes: dict[str, Any], name: str
) -> None:
    """The name says what was decided, and how many points the main metric gained or lost."""
    result = load_result(results(model_uri=""))
    if changes:
        changed = {**result.verdict.variants, variant: replace(result.verdict.variants[variant], **changes)}
        result = replace(result, verdict=replace(result.verdict, variants=changed))
    assert tags.run_name(result, variant) == name


def test_a_long_name_keeps_its_verdict(result: LoadedResult) -> None:
    """MLflow's database allows 250 characters: the source model's name is cut, and the verdict is not."""
    name = tags.run_name(replace(result, verdict=replace(result.verdict, name="d" * 400)))
    assert len(name) == 250
    assert name.endswith("d… · summary · blessed")


def test_the_shared_view_is_one_for_equal_columns() -> None:
    """Equal columns have one key, so that an experiment gets the view once; it fits into the tag column of older databases."""
    view = shared_view("accuracy_percent")
    assert view == shared_view("accuracy_percent")
    assert view.key != shared_view("r2").key
    kept = json.loads(view.value(17))
    assert (kept["name"], kept["createdAt"], kept["updatedAt"]) == ("edgequant: accuracy_percent", 17, 17)
    assert json.loads(kept["state"])["selectedColumns"][:5] == [
        "tags.`edgequant.verdict`",
        "metrics.`accuracy_percent`",
        "metrics.`drop_points`",
        "metrics.`drop_low_points`",
        "metrics.`drop_high_points`",
    ]
    assert len(view.value(10**13)) <= 5000
    assert "metrics.`agreement_percent`" in shared_view("").state


def test_a_result_is_identified_by_its_run_or_by_its_content(results: Callable[..., Path]) -> None:
    """A pipeline run names its results; without one, equal results have one key and others another."""
    assert tags.key(load_result(results("a", pipeline_run="run-7"))) == "run-7:digits"
    first, again, other = (
        load_result(results(name, model_uri=uri)) for name, uri in [("b", ""), ("c", ""), ("d", "x")]
    )
    assert tags.key(first) == tags.key(again)
    assert tags.key(first) != tags.key(other)


def test_the_note_is_a_table_that_nothing_breaks(result: LoadedResult) -> None:
    """The note has a row of three cells per variant, whatever a reason holds."""
    variants = {name: replace(verdict, reasons=("a | b", "c")) for name, verdict in result.verdict.variants.items()}
    note = summary.note(replace(result, verdict=replace(result.verdict, variants=variants)), "Nothing.")
    rows = [line for line in note.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 4
    assert all(row.count("|") == 4 for row in rows)
    assert rows[1] == "| weights_only | blessed | a &#124; b; c |"


def test_what_users_named_is_no_markup(result: LoadedResult) -> None:
    """A class may be called anything: the note and the description show it, and load, run and mark up nothing of it."""
    evil = "![b](http://h/beacon.png) <img src=x onerror=y> [click](http://h) **blessed** `code` a|b\n\n# big"
    variants = {name: replace(variant, reasons=(evil,)) for name, variant in result.verdict.variants.items()}
    settings = replace(result.content.settings, model_uri=evil, registered_model=evil, register="none")
    verdict = replace(result.verdict, variants=variants, why=evil)
    named = replace(result, verdict=verdict, content=replace(result.content, settings=settings))
    line = " ".join(evil.split())
    said = summary.note(named, f"Registered in {evil}.", "http://mlflow/#/run")
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = [token for block in reader.parse(said) for token in (block.children or [block])]
    kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
    assert kinds == {"paragraph", "text", "strong", "link", "table", "thead", "tbody", "tr", "th", "td"}
    texts = [token.content for token in tokens if token.type == "text" and token.content]
    assert texts[:4] == [verdict.outcome, f": {line}", f"Registered in {line}.", f"Source: {line}, from "]
    assert [token.attrs["href"] for token in tokens if token.type == "link_open"] == ["http://mlflow/#/run"]
    assert texts.count(line) == len(variants)
    for variant in variants:
        assert MarkdownIt().renderInline(registry.description(named, variant)) == escape(line)


def test_no_text_is_longer_than_mlflow_takes(result: LoadedResult) -> None:
    """However long a reason, a sentence, a path or a gate is, it is cut to end in an ellipsis: PostgreSQL refuses what is longer."""
    assert mlflow_names.TAG_CHARACTERS == validation.MAX_TAG_VAL_LENGTH
    assert mlflow_names.PARAMETER_CHARACTERS == validation.MAX_PARAM_VAL_LENGTH
    assert mlflow_names.METRIC_NAME_CHARACTERS == validation.MAX_ENTITY_KEY_LENGTH
    assert mlflow_names.DATASET_SOURCE_CHARACTERS == validation.MAX_DATASET_SOURCE_SIZE
    assert SqlModelVersion.description.type.length == mlflow_names.DESCRIPTION_CHARACTERS
    long = "long " * 4000
    variants = {
        name: replace(variant, reason=long, reasons=(long,)) for name, variant in result.verdict.variants.items()
    }
    verdict = replace(result.verdict, variants=variants, why=long, gate={"metric": long}, task=long)
    content = replace(result.content, settings=replace(result.content.settings, model_uri=long))
    lengthy = replace(result, verdict=verdict, content=content)
    every_tag = [
        tags.common_tags(lengthy, "run"),
        tags.variant_tags(lengthy, "full_int8"),
        tags.version_tags(lengthy, "full_int8"),
        summary.summary_tags(lengthy, long),
        {"note": summary.note(lengthy, long)},
    ]
    parameters = tags.parameters(lengthy, "full_int8")
    descriptions = [registry.description(lengthy, variant) for variant in variants]
    for texts, limit in (
        ([text for values in every_tag for text in values.values()], 8000),
        (list(parameters.values()), 6000),
        (descriptions, 5000),
    ):
        assert max(map(len, texts)) == limit
        assert all(text.endswith("…") for text in texts if len(text) == limit)
    assert (parameters["task"], every_tag[1]["edgequant.reason"]) == (long[:5999] + "…", long[:7999] + "…")


def test_the_comparison_has_a_row_per_variant(result: LoadedResult) -> None:
    """Columns are named once, what a variant lacks is empty, and numbers are as short as the UI's columns."""
    table = summary.comparison(result)
    # By default the UI has a row for each value of the first, and shows the second.
    assert table["columns"][:3] == ["variant", "verdict", "accuracy_percent"]
    assert table["columns"][-1] == "source"
    assert all(len(str(value)) <= 9 for row in table["data"] for value in row if isinstance(value, float))
    assert len(table["data"]) == 4
    reference = dict(zip(table["columns"], table["data"][0], strict=True))
    assert (reference["variant"], reference["verdict"]) == ("float32", "reference")
    assert reference["drop_low_points"] is None
    assert reference["drop_points"] == 0.0


def test_links_open_the_machine_learning_pages() -> None:
    """The experiment's link opens its shared view on the machine-learning page, and the comparison names every run."""
    recorded = ui_links.Recorded(experiment_id="3", summary_run_id="s", run_ids=("a", "b"), view="0123")
    links = ui_links.links("http://host", recorded)
    page = "http://host/#/experiments/3/runs?"
    assert links["experiment"] == f"{page}viewStateShareKey=0123&workflowType=machine_learning"
    without = ui_links.links("http://host", replace(recorded, view=""))
    assert without["experiment"] == f"{page}workflowType=machine_learning"
    assert links["summary"] == "http://host/#/experiments/3/runs/s?workflowType=machine_learning"
    assert (
        unquote(links["compare"])
        == 'http://host/#/compare-runs?runs=["a","b"]&experiments=["3"]&workflowType=machine_learning'
    )


def test_every_tag_is_documented() -> None:
    """docs/mlflow.md has a row for every tag, and for no other; a tag that ends in a name says of what."""
    text = (Path(__file__).parents[3] / "docs" / "mlflow.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `(edgequant\.[\w.]+)` \|", text, re.MULTILINE)
    constants = {name: value for name, value in vars(tags).items() if name.isupper() and isinstance(value, str)}
    in_code = [value for value in constants.values() if value.startswith("edgequant.")]
    assert sorted(re.sub(r"[A-Z]+$", "", tag) for tag in documented) == sorted(in_code)
