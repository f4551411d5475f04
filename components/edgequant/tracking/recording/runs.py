"""The runs of a result: looked up by its key, made, and kept once each.

MLflow has no request that makes a run only where there is none. So two recordings of one result at once, as by a pod that was
given up and the one in its place, and a request whose answer came late, leave runs twice. All who look then rank them alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from mlflow import MlflowClient
from mlflow.entities import Run

from edgequant.artifacts.result import LoadedResult
from edgequant.errors import TrackingError
from edgequant.tracking import tags

FINISHED = "FINISHED"
FAILED = "FAILED"
SUMMARY = ""
# So much of a digest tells two apart.
_SHOWN = 12
_SOURCE = "mlflow.source.name"
_OURS = "edgequant "


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a result's runs are, and what they refer to.

    Attributes:
        uri: The MLflow tracking URI, for messages.
        experiment_id: The experiment.
        source_run: The run that trained the source model; "" where it is not known.
    """

    uri: str
    experiment_id: str
    source_run: str


class ResultRuns:
    """The runs of a result.

    Args:
        client: MLflow's client.
        result: The result.
        home: Where they are.
        registered: Gives the runs of the result's registered versions; asked only where a run is there twice.
    """

    def __init__(
        self, client: MlflowClient, result: LoadedResult, home: Home, registered: Callable[[], frozenset[str]]
    ) -> None:
        self._client = client
        self._result = result
        self._home = home
        self._registered = registered

    def existing(self, kfp_run: Run | None = None) -> dict[str, list[Run]]:
        """Returns the runs that there are by variant, `SUMMARY` for the summary, of each the one to keep first.

        Args:
            kfp_run: The run that KFP gave to be the summary, which may have no tags yet; None without one.

        Raises:
            TrackingError: Another result has this one's key.
        """
        by_role: dict[str, list[Run]] = {}
        for run in self.own():
            role = run.data.tags.get(tags.ROLE)
            if role in (tags.VARIANT_ROLE, tags.SUMMARY_ROLE):
                variant = run.data.tags[tags.VARIANT] if role == tags.VARIANT_ROLE else SUMMARY
                by_role.setdefault(variant, []).append(run)
        summaries = by_role.get(SUMMARY, [])
        if kfp_run is not None and kfp_run.info.run_id not in {run.info.run_id for run in summaries}:
            by_role[SUMMARY] = [*summaries, kfp_run]
        variants_twice = any(len(runs) > 1 for variant, runs in by_role.items() if variant != SUMMARY)
        registered = self._registered() if variants_twice else frozenset()
        return {
            variant: sorted(runs, key=_summary_rank if variant == SUMMARY else lambda run: _rank(run, registered))
            for variant, runs in by_role.items()
        }

    def all_exist(self, run_ids: Iterable[str]) -> bool:
        """Tells whether none of these runs was removed."""
        return {str(run.info.run_id) for run in self.own()}.issuperset(run_ids)

    def remove_doubles(self, runs_by_variant: Mapping[str, list[Run]]) -> bool:
        """Removes all runs of each variant but the first, and tells whether there were any; one of KFP's stays, as superseded."""
        removed = False
        for first, *others in runs_by_variant.values():
            for run in others:
                if is_kfps(first):
                    # Not ours to delete: of KFP's earlier attempts, or made when there was none.
                    self._client.set_tag(run.info.run_id, tags.ROLE, tags.SUPERSEDED_ROLE)
                else:
                    self._client.delete_run(run.info.run_id)
                    removed = True
        return removed

    def create(self, variant: str) -> Run:
        """Returns a new run, of a variant or the summary."""
        name = f"{tags.source(self._result)} · {variant or tags.SUMMARY_ROLE}"
        own = tags.variant_tags(self._result, variant) if variant else {tags.ROLE: tags.SUMMARY_ROLE}
        ours = {**tags.common_tags(self._result, self._home.source_run), **own}
        run_tags = {**ours, **tags.MLFLOW_SOURCE, "mlflow.runName": name}
        return self._client.create_run(self._home.experiment_id, run_name=name, tags=run_tags)

    def own(self) -> list[Run]:
        """Returns the runs of this result under its key.

        Raises:
            TrackingError: Another result has the key: its first run began before this one's.
        """
        query = f"tags.`{tags.KEY}` = '{tags.key(self._result)}'"
        runs = list(self._client.search_runs([self._home.experiment_id], query))
        own = [run for run in runs if self._digest(run) == self._result.digest]
        first = min(runs, key=_start_order, default=None)
        if first is not None and first not in own:
            self._withdraw(own)
            self._refuse(first)
        return own

    def _digest(self, run: Run) -> str:
        return str(run.data.tags.get(tags.RESULT_DIGEST, self._result.digest))

    def _withdraw(self, runs: Iterable[Run]) -> None:
        """Removes what was begun under another result's key."""
        for run in runs:
            if run.info.status != FINISHED and not is_kfps(run):
                self._client.delete_run(run.info.run_id)

    def _refuse(self, run: Run) -> NoReturn:
        """Raises an error for a run of another result that has this one's key: it would pass for this one's."""
        raise TrackingError(
            f"pipeline_run: {self._result.content.settings.pipeline_run!r} is taken: run {run.info.run_id} at"
            f" {self._home.uri} is of the result {self._digest(run)[:_SHOWN]}, and {self._result.path} is"
            f" {self._result.digest[:_SHOWN]}; give each result a pipeline run of its own"
        )


def _start_order(run: Run) -> tuple[bool, int, str]:
    """Returns what sorts the runs of a key by their beginning, those of variants before: a summary may be KFP's, and older."""
    return run.data.tags.get(tags.ROLE) != tags.VARIANT_ROLE, run.info.start_time, run.info.run_id


def _rank(run: Run, registered: frozenset[str]) -> tuple[bool, bool, bool, int, str]:
    """Returns what sorts a variant's runs: that of a registered version, which names it for good, then the one that is furthest."""
    info, outputs = run.info, run.outputs.model_outputs if run.outputs else []
    return info.run_id not in registered, info.status != FINISHED, not outputs, info.start_time, info.run_id


def _summary_rank(run: Run) -> tuple[bool, int, bool, int, str]:
    """Returns what sorts summaries: the last that KFP gave, which is its last attempt's, then the one that is furthest."""
    info, of_kfp = run.info, is_kfps(run)
    return not of_kfp, -info.start_time if of_kfp else 0, info.status != FINISHED, info.start_time, info.run_id


def is_kfps(run: Run) -> bool:
    """Tells whether KFP's plugin made a run: those that are made here say so."""
    return not run.data.tags.get(_SOURCE, "").startswith(_OURS)
