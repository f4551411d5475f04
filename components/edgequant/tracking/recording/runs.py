"""The runs of a result: looked up by its key, created if missing, and deduplicated.

MLflow has no request that creates a run only if it does not exist. Two concurrent recordings of one result (such as those of a lost
pod and its replacement), or a request that was retried after a timeout, create duplicates. Every recording ranks them in the same
order, and so keeps the same ones.
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
# The characters of a digest that messages show.
_SHOWN = 12
_SOURCE = "mlflow.source.name"
_OURS = "edgequant "


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where the runs of a result are, and the run that they refer to.

    Attributes:
        uri: The MLflow tracking URI, for messages.
        experiment_id: The experiment.
        source_run: The run that trained the source model; "" if unknown.
    """

    uri: str
    experiment_id: str
    source_run: str


class ResultRuns:
    """The runs of a result.

    Args:
        client: MLflow's client.
        result: The result.
        home: Where the runs are.
        registered: Returns the runs of the result's registered versions; called only if there are duplicate runs.
    """

    def __init__(
        self, client: MlflowClient, result: LoadedResult, home: Home, registered: Callable[[], frozenset[str]]
    ) -> None:
        self._client = client
        self._result = result
        self._home = home
        self._registered = registered

    def existing(self, kfp_run: Run | None = None) -> dict[str, list[Run]]:
        """Returns the existing runs by variant, `SUMMARY` for the summary; of duplicates, the one to keep is first.

        Args:
            kfp_run: The run that KFP's plugin created, to be the summary; it may have no tags yet. None without one.

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
        """Returns whether none of these runs was deleted."""
        return {str(run.info.run_id) for run in self.own()}.issuperset(run_ids)

    def remove_doubles(self, runs_by_variant: Mapping[str, list[Run]]) -> bool:
        """Deletes all runs of each variant but the first, and returns whether there were any; KFP's are only marked superseded."""
        removed = False
        for first, *others in runs_by_variant.values():
            for run in others:
                if is_kfps(first):
                    # KFP's runs of earlier attempts are not ours to delete.
                    self._client.set_tag(run.info.run_id, tags.ROLE, tags.SUPERSEDED_ROLE)
                else:
                    self._client.delete_run(run.info.run_id)
                    removed = True
        return removed

    def create(self, variant: str) -> Run:
        """Returns a new run of a variant or the summary."""
        name = tags.run_name(self._result, variant)
        own = tags.variant_tags(self._result, variant) if variant else {tags.ROLE: tags.SUMMARY_ROLE}
        ours = {**tags.common_tags(self._result, self._home.source_run), **own}
        run_tags = {**ours, **tags.MLFLOW_SOURCE, "mlflow.runName": name}
        return self._client.create_run(self._home.experiment_id, run_name=name, tags=run_tags)

    def own(self) -> list[Run]:
        """Returns the runs of this result under its key.

        Raises:
            TrackingError: Another result has the key: its first run started before this one's.
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
        """Deletes the unfinished runs that were created under another result's key."""
        for run in runs:
            if run.info.status != FINISHED and not is_kfps(run):
                self._client.delete_run(run.info.run_id)

    def _refuse(self, run: Run) -> NoReturn:
        """Raises an error for a run of another result with the same key: it would be taken for one of this result."""
        raise TrackingError(
            f"pipeline_run: {self._result.content.settings.pipeline_run!r} is taken: run {run.info.run_id} at"
            f" {self._home.uri} is of the result {self._digest(run)[:_SHOWN]}, and {self._result.path} is"
            f" {self._result.digest[:_SHOWN]}; give each result a pipeline run of its own"
        )


def _start_order(run: Run) -> tuple[bool, int, str]:
    """Returns the sort key by start, variants' runs before summaries: a summary that KFP created may be older."""
    return run.data.tags.get(tags.ROLE) != tags.VARIANT_ROLE, run.info.start_time, run.info.run_id


def _rank(run: Run, registered: frozenset[str]) -> tuple[bool, bool, bool, int, str]:
    """Returns the sort key of a variant's runs: the run of a registered version first, then the one with the most progress."""
    info, outputs = run.info, run.outputs.model_outputs if run.outputs else []
    return info.run_id not in registered, info.status != FINISHED, not outputs, info.start_time, info.run_id


def _summary_rank(run: Run) -> tuple[bool, int, bool, int, str]:
    """Returns the sort key of summaries: the last that KFP created (that of its last attempt) first, then by progress."""
    info, of_kfp = run.info, is_kfps(run)
    return not of_kfp, -info.start_time if of_kfp else 0, info.status != FINISHED, info.start_time, info.run_id


def is_kfps(run: Run) -> bool:
    """Returns whether KFP's plugin created a run: our own have our name as source."""
    return not run.data.tags.get(_SOURCE, "").startswith(_OURS)
