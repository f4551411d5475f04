"""The history of a model's variants, read from MLflow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from edgequant.errors import TrackingError, did_you_mean
from edgequant.tracking import tags
from edgequant.tracking.reading.mlflow_client import all_pages, connected_client, existing, listed

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One variant of one pipeline run; None for unknown values.

    Attributes:
        pipeline_run: What identifies the pipeline run.
        recorded: When it was recorded, in UTC, ISO 8601.
        source_model: The source model's URI.
        variant: The variant.
        verdict: Its verdict.
        gate: The gate of its verdict, such as ``max_drop_points=1.0``; "" for none.
        examples: The number of evaluation examples that were compared.
        size_bytes: The size of its file.
        metric: The name of the main metric, as recorded.
        value: Its value.
        drop_points: The drop of the main metric against float32, in percentage points.
        drop_low_points: The lower end of the drop's confidence interval.
        drop_high_points: The upper end.
        latency_p50_ms: The median latency.
        registered: ``NAME/VERSION``, possibly of an earlier pipeline run with the same file; None if not registered or deleted.
        aliases: The current aliases of this version.
        run_id: The variant's run.
    """

    pipeline_run: str
    recorded: str
    source_model: str
    variant: str
    verdict: str
    gate: str
    examples: float | None
    size_bytes: float | None
    metric: str
    value: float | None
    drop_points: float | None
    drop_low_points: float | None
    drop_high_points: float | None
    latency_p50_ms: float | None
    registered: str | None
    aliases: tuple[str, ...]
    run_id: str


def history(name: str, last: int, uri: str = "") -> list[HistoryRow]:
    """Returns the variants of the last pipeline runs, the newest run first.

    Args:
        name: The name of a quantization, or of a registered model with its variants.
        last: The number of pipeline runs.
        uri: The MLflow tracking URI; "" for the environment's, or a database of a run in this directory.

    Raises:
        ConfigError: No tracking URI is set.
        TrackingError: MLflow has no variants of this name, or does not answer.
    """
    with connected_client(existing(uri, name)) as client:
        experiments = [str(experiment.experiment_id) for experiment in all_pages(client.search_experiments)]
        names = {name, *_names_of(client, name)}
        runs = _last([run for each in sorted(names) for run in _runs(client, experiments, each)], last)
        if not runs:
            known = sorted({run.data.tags[tags.NAME] for run in _in_role(client, experiments, tags.SUMMARY_ROLE)})
            raise TrackingError(
                f"MLflow has no variants of {name!r}; it has those of {listed(known)}{did_you_mean(name, known)}"
            )
        versions = _versions(client, names)
        return [_row(run, versions) for run in runs]


def _names_of(client: "MlflowClient", name: str) -> set[str]:
    """Returns the quantizations whose variants are versions of a registered model."""
    versions = all_pages(client.search_model_versions, f"name = '{_quoted(name)}'")
    return {version.tags[tags.NAME] for version in versions if tags.NAME in version.tags}


def _runs(client: "MlflowClient", experiments: list[str], name: str) -> list[Any]:
    """Returns the variants' runs of a quantization."""
    return _in_role(client, experiments, tags.VARIANT_ROLE, f" AND tags.`{tags.NAME}` = '{_quoted(name)}'")


def _in_role(client: "MlflowClient", experiments: list[str], role: str, extra_filter: str = "") -> list[Any]:
    return all_pages(partial(client.search_runs, experiments), f"tags.`{tags.ROLE}` = '{role}'{extra_filter}")


def _last(runs: Iterable[Any], count: int) -> list[Any]:
    """Returns the runs of the last pipeline runs: the newest pipeline run first, its runs in the order in which they started.

    All runs are read: the runs of a pipeline run that was recorded in several attempts may lie between those of others. A result
    recorded in two experiments counts twice.
    """
    by_recording: dict[tuple[str, str], list[Any]] = {}
    for run in sorted(runs, key=_start):
        by_recording.setdefault((run.data.tags[tags.KEY], str(run.info.experiment_id)), []).append(run)
    groups = sorted(by_recording.values(), key=lambda group: _start(group[-1]), reverse=True)
    return [run for group in groups[:count] for run in group]


def _start(run: Any) -> int:
    return int(run.info.start_time)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    """The existing registered versions.

    Attributes:
        by_run: ``NAME/VERSION`` by the run that the version was created from.
        by_result: The same by result and variant, for results that were recorded again elsewhere or whose run was deleted.
        aliases: The aliases of each version, by ``NAME/VERSION``.
    """

    by_run: dict[str, str]
    by_result: dict[tuple[str, ...], str]
    aliases: dict[str, tuple[str, ...]]

    def of(self, run: Any) -> str | None:
        """Returns the version created from a run, else an earlier one of the same file; None without one, or once deleted."""
        run_tags = run.data.tags
        earlier = run_tags.get(tags.EARLIER_VERSION)
        made = self.by_run.get(str(run.info.run_id)) or self.by_result.get(_variant_of(run_tags))
        return made or (earlier if earlier in self.aliases else None)


def _variant_of(run_tags: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the key of a variant of a result; it is the same wherever the result is recorded."""
    return tuple(run_tags.get(name, "") for name in (tags.KEY, tags.RESULT_DIGEST, tags.VARIANT))


def _versions(client: "MlflowClient", names: set[str]) -> _Versions:
    """Returns the registered versions of quantizations."""
    versions = [
        version
        for name in names
        for version in all_pages(client.search_model_versions, f"tags.`{tags.NAME}` = '{_quoted(name)}'")
    ]
    aliases = {name: client.get_registered_model(name).aliases for name in {version.name for version in versions}}
    on = {
        f"{version.name}/{version.version}": tuple(
            alias for alias, number in aliases[version.name].items() if str(number) == str(version.version)
        )
        for version in versions
    }
    return _Versions(
        by_run={str(version.run_id): f"{version.name}/{version.version}" for version in versions},
        by_result={_variant_of(version.tags): f"{version.name}/{version.version}" for version in versions},
        aliases=on,
    )


def _row(run: Any, versions: _Versions) -> HistoryRow:
    registered = versions.of(run)
    run_tags, metrics = run.data.tags, run.data.metrics
    recorded = datetime.fromtimestamp(run.info.start_time / _MILLISECONDS, tz=UTC)
    metric = run_tags.get(tags.MAIN_METRIC, "")
    return HistoryRow(
        pipeline_run=run_tags[tags.PIPELINE_RUN],
        recorded=recorded.isoformat(timespec="seconds"),
        source_model=run_tags[tags.SOURCE_MODEL],
        variant=run_tags[tags.VARIANT],
        verdict=run_tags[tags.VERDICT],
        gate=run_tags.get(tags.GATE, ""),
        examples=metrics.get("examples"),
        size_bytes=metrics.get("size_bytes"),
        metric=metric,
        value=metrics.get(metric),
        drop_points=metrics.get("drop_points"),
        drop_low_points=metrics.get("drop_low_points"),
        drop_high_points=metrics.get("drop_high_points"),
        latency_p50_ms=metrics.get("latency_p50_ms"),
        registered=registered,
        aliases=versions.aliases[registered] if registered else (),
        run_id=str(run.info.run_id),
    )


def _quoted(text: str) -> str:
    """Returns a text for use between single quotes in an MLflow filter, which has no escape for a quote: quotes are removed."""
    return text.replace("'", "")
