"""The content of a result's summary run: its description, tables, files and tags."""

import json
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgequant.artifacts.result import BEST, CONFIGURATION, EVERY_BLESSED, LoadedResult
from edgequant.artifacts.verdict import BLESSED
from edgequant.tracking import mlflow_names, tags
from edgequant.tracking.markdown import literal
from edgequant.tracking.recording.effective_config import as_run
from edgequant.tracking.recording.metrics import main_figures

COMPARISON = "comparison.json"
CLASSES = "per_class_recall.json"
PLOTS = "plots"
# The tag by which MLflow's UI finds tables to compare across runs.
TABLES_TAG = "mlflow.loggedArtifacts"
NOTE_TAG = "mlflow.note.content"
_PERCENT = 100.0
_PLACES = 4

Table = dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The version that keeps an alias, because it was made of a newer version of the source model.

    Attributes:
        version: The version.
        source: The URI of its source model.
    """

    version: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The registered versions of a result.

    Attributes:
        versions: The version of each variant.
        earlier: The variants whose version an earlier pipeline run registered, with the same file.
        holder: The version that keeps the alias instead of the best variant's; None without one.
    """

    versions: dict[str, str] = field(default_factory=dict)
    earlier: frozenset[str] = frozenset()
    holder: Holder | None = None


def write_files(result: LoadedResult, target: Path) -> None:
    """Writes the artifacts of the summary run."""
    target.mkdir(parents=True)
    verdict = result.path / "verdict"
    for name in ("report.html", "verdict.json"):
        shutil.copyfile(verdict / name, target / name)
    for name, table in tables(result).items():
        (target / name).write_text(json.dumps(table), encoding="utf-8")
    plots = sorted(verdict.glob("*.png"))
    if plots:
        (target / PLOTS).mkdir()
    for path in plots:
        shutil.copyfile(path, target / PLOTS / path.name)
    (target / CONFIGURATION).write_text(configuration(result), encoding="utf-8")


def tables(result: LoadedResult) -> dict[str, Table]:
    """Returns the tables by file name, in MLflow's layout: columns and data."""
    tables_by_name = {COMPARISON: comparison(result), CLASSES: classes(result)}
    return {name: table for name, table in tables_by_name.items() if table["data"]}


def summary_tags(result: LoadedResult, registered: str) -> dict[str, str]:
    """Returns the tags of the summary run, without those of every run and the links to the variants' runs.

    Args:
        result: The result.
        registered: The text of `registration`.
    """
    verdict = result.verdict
    values = {
        tags.ROLE: tags.SUMMARY_ROLE,
        tags.OUTCOME: verdict.outcome,
        tags.BEST: verdict.best or "",
        tags.REGISTERED: registered,
        **_invalid_reference(result),
        TABLES_TAG: json.dumps([{"path": name, "type": "table"} for name in tables(result)]),
    }
    return mlflow_names.cut_tags(values)


def _invalid_reference(result: LoadedResult) -> dict[str, str]:
    reference = result.verdict.reference
    return {tags.INVALID_REFERENCE: reference.invalid} if reference and reference.invalid else {}


def registration(result: LoadedResult, registered: Registered) -> str:
    """Returns a text on what was registered, or why nothing was.

    Args:
        result: The result.
        registered: The registered version of each variant that has one.
    """
    settings = result.content.settings
    if not settings.registered_model:
        return "Nothing is registered: no registered model is configured."
    if settings.register not in (BEST, EVERY_BLESSED):
        return f"Nothing is registered: register is {settings.register!r}. No alias was moved."
    model = settings.registered_model
    if not registered.versions:
        return f"Nothing is registered in {model}, and no alias was moved: {result.verdict.why}"
    new = [
        f"{name} as version {version}"
        for name, version in registered.versions.items()
        if name not in registered.earlier
    ]
    known = [
        f"{name}, whose file is that of version {version} already"
        for name, version in registered.versions.items()
        if name in registered.earlier
    ]
    if not new:
        sentence = f"Nothing new is registered in {model}: {'; '.join(known)}."
    else:
        sentence = f"Registered in {model}: {', '.join(new)}." + (f" Not anew: {'; '.join(known)}." if known else "")
    return sentence + _left(result, registered)


def _left(result: LoadedResult, registered: Registered) -> str:
    """Returns a sentence on an alias that a newer source model's version keeps, and on how to move it; "" without one."""
    settings = result.content.settings
    if registered.holder is None:
        return ""
    version = registered.versions[result.verdict.best or ""]
    command = f"edgequant promote {shlex.quote(settings.registered_model)} {version} --alias {settings.alias}"
    return f" Alias {stays(settings.alias, registered.holder)} than {settings.model_uri}; `{command}` moves it."


def stays(alias: str, holder: Holder) -> str:
    """Returns the explanation of why an alias is not moved."""
    return f"{alias} stays on version {holder.version}, whose source {holder.source} is newer"


def note(result: LoadedResult, registered: str, source_link: str = "") -> str:
    """Returns the summary run's description in Markdown; names given by users are escaped.

    Args:
        result: The result.
        registered: The text of `registration`.
        source_link: The page of the run that trained the source model; "" if unknown.
    """
    verdict = result.verdict
    # The reason is already in the line above, and MLflow collapses long descriptions.
    sentence = registered.replace(f": {verdict.why}", ".")
    lines = [f"**{literal(verdict.outcome)}**: {literal(verdict.why)}", "", literal(sentence), ""]
    if source_link:
        model = literal(result.content.settings.model_uri)
        lines += [f"Source: {model}, from [this training run]({source_link}).", ""]
    lines += ["| variant | verdict | why |", "| --- | --- | --- |"]
    lines += [
        f"| {literal(name)} | {literal(variant.verdict)} | {literal('; '.join(variant.reasons))} |"
        for name, variant in verdict.variants.items()
    ]
    return mlflow_names.cut("\n".join(lines), mlflow_names.TAG_CHARACTERS)


def comparison(result: LoadedResult) -> Table:
    """Returns the table of variants, one row each.

    By default, the UI's comparison of runs uses the first column as rows and shows the second: the verdict of each variant, next
    to those of other source models.
    """
    verdict = result.verdict
    names = list(verdict.variants)
    metrics = {name: main_figures(variant, verdict.main_metric) for name, variant in verdict.variants.items()}
    columns = list(dict.fromkeys(column for values in metrics.values() for column in values))
    table: Table = {
        "variant": list(names),
        "verdict": [verdict.variants[name].verdict for name in names],
    }
    table |= {column: [_short(metrics[name].get(column)) for name in names] for column in columns}
    table["source"] = [tags.source(result)] * len(names)
    return {"columns": list(table), "data": [list(row) for row in zip(*table.values(), strict=True)]}


def _short(value: float | None) -> float | None:
    """Returns a number rounded to the width of the UI's columns, which truncate longer ones."""
    if value is None or value.is_integer():
        return value
    return round(value, _PLACES) if abs(value) >= 1 else float(f"{value:.{_PLACES}g}")


def classes(result: LoadedResult) -> Table:
    """Returns the table of classes, one row per variant and class: both recalls, the drop and its confidence interval."""
    columns = ["source", "variant", "class", "examples", "float32_percent", "recall_percent", "drop_points"]
    data = [
        [
            tags.source(result),
            variant,
            value.value,
            value.examples,
            *map(_short, (value.reference * _PERCENT, value.variant * _PERCENT, value.drop_points)),
            *map(_short, value.drop_interval_points or (None, None)),
        ]
        for variant, verdict in result.verdict.variants.items()
        for part in verdict.slices
        if part.name == "class"
        for value in part.values
    ]
    return {"columns": [*columns, "drop_low_points", "drop_high_points"], "data": data}


def configuration(result: LoadedResult) -> str:
    """Returns the configuration as YAML: that in the result, else one from the values that the steps recorded."""
    path = result.path / CONFIGURATION
    if path.is_file():
        return path.read_text(encoding="utf-8")
    return as_run("", result.content.settings, result.variants.content, result.verdict)


def blessed(result: LoadedResult) -> list[str]:
    """Returns the blessed variants, the best one last, so that its version is the newest."""
    best = result.verdict.best
    others = [name for name, variant in result.verdict.variants.items() if variant.verdict == BLESSED and name != best]
    return [*others, *([best] if best else [])]
