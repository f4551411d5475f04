"""Records a result in MLflow: a flat run and a logged model per variant, and one summary run.

Everything is looked up by the result's key before it is created, and a run is finished last. So a recording that is killed at any
point and repeated ends with one run per variant, one summary run, and one version per registered variant. At the end it removes
duplicates of concurrent recordings or repeated requests; all recordings keep the same ones.
"""

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow.entities import LoggedModel, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import LoadedResult, Tracked
from edgequant.errors import TrackingError
from edgequant.mlflow_access.client import new_client
from edgequant.mlflow_access.failures import is_transient
from edgequant.mlflow_access.retries import RetryingClient, RetryPolicy
from edgequant.tracking import mlflow_names, tags, ui_links
from edgequant.tracking.recording import source_model, summary
from edgequant.tracking.recording.datasets import datasets
from edgequant.tracking.recording.experiments import find_experiment, kfp_run
from edgequant.tracking.recording.logged_models import LoggedModels
from edgequant.tracking.recording.metrics import metrics
from edgequant.tracking.recording.previous_versions import NOT_THERE
from edgequant.tracking.recording.registry import Registry
from edgequant.tracking.recording.runs import FAILED, FINISHED, SUMMARY, Home, ResultRuns, is_kfps
from edgequant.tracking.recording.shared_view import share_view
from edgequant.tracking.recording.uploads import Upload, Uploader, complete

# How often a recording restarts because of a concurrent one; each restart uses what the other has created.
_ROUNDS = 10
# MLflow's error codes for a run, model or version that was deleted.
_OF_REMOVED = (NOT_THERE, "INVALID_PARAMETER_VALUE", "INVALID_STATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a result is recorded.

    Attributes:
        uri: The MLflow tracking URI.
        kfp_run_id: The run that KFP's plugin created, which becomes the summary run; "" for none.
    """

    uri: str
    kfp_run_id: str = ""


class Recorder:
    """Records one result, in one attempt or more.

    Args:
        result: The result.
        place: Where to record it.
        policy: How long requests are retried, and the callback for messages that are not errors.
    """

    def __init__(self, result: LoadedResult, place: Place, policy: RetryPolicy) -> None:
        self._result = result
        self._place = place
        self._policy = policy
        self._tell = policy.tell
        self._client = RetryingClient(new_client(place.uri), policy)
        # The summary run whose files an earlier attempt has uploaded.
        self._with_files = ""
        # The runs of this attempt, except one that KFP created, which may have no key yet.
        self._in_use: list[str] = []
        self._summary_run_id = ""

    def record(self, *, again: bool) -> Tracked:
        """Records everything that is not recorded yet, and returns where it is.

        Args:
            again: Whether an earlier attempt may have created things without getting an answer.

        Raises:
            TrackingError: The experiment or KFP's run was deleted, or other recordings of the same result keep interfering.
        """
        for number in range(_ROUNDS):
            tracked = self._attempt(again=again or number > 0)
            if tracked is not None:
                return tracked
        raise TrackingError(
            f"{self._result.path}: other recordings of the same result at {self._place.uri} keep interfering; wait for them,"
            " and finish with `edgequant track`"
        )

    def _attempt(self, *, again: bool) -> Tracked | None:
        """Returns where everything is; None if a concurrent recording of the same result created or deleted some of it."""
        self._in_use = []
        try:
            return self._record(again=again)
        except MlflowException as error:
            if is_transient(error) or not self._lost_runs(error):
                raise
            self._tell(
                "another recording of the same result has removed runs of this one, and goes before it: its own are used"
            )
            return None

    def give_up(self, why: str) -> None:
        """Marks an unfinished summary run as failed, if MLflow accepts that; KFP ends the run that it created itself.

        Args:
            why: The reason, for the run's tag.
        """
        if not self._summary_run_id:
            return
        with suppress(MlflowException, OSError):
            run = self._client.get_run(self._summary_run_id)
            # A finished summary is that of an earlier or a concurrent recording.
            if run.info.status != FINISHED:
                self._client.set_tag(
                    run.info.run_id, tags.REGISTERED, mlflow_names.cut(why, mlflow_names.TAG_CHARACTERS)
                )
                if not is_kfps(run):
                    self._client.set_terminated(run.info.run_id, FAILED)

    def _lost_runs(self, error: MlflowException) -> bool:
        """Returns whether an error was caused by a concurrent recording that deleted this one's runs and kept its own."""
        is_of_removed = bool(self._in_use) and error.error_code in _OF_REMOVED
        return is_of_removed and not self._result_runs.all_exist(self._in_use)

    def _record(self, *, again: bool) -> Tracked | None:
        existing = {variant: runs[0] for variant, runs in self._result_runs.existing(self._kfp_summary).items()}
        are_new = not (existing.keys() - {SUMMARY}) and not again
        runs = {
            variant: existing.get(variant) or self._result_runs.create(variant)
            for variant in self._result.verdict.variants
        }
        summary_run = existing.get(SUMMARY) or self._result_runs.create(SUMMARY)
        if not existing.keys() >= {*runs, SUMMARY}:
            # Checked before files are sent: a concurrent recording of another result may have the same key.
            self._result_runs.own()
        self._summary_run_id = str(summary_run.info.run_id)
        used = {self._summary_run_id, *(str(run.info.run_id) for run in runs.values())}
        self._in_use = sorted(used - {self._place.kfp_run_id})
        logged = {} if are_new else self._models.existing(runs)
        without = [variant for variant in runs if self._models.has_model(variant) and variant not in logged]
        open_runs = {variant: run for variant, run in runs.items() if run.info.status != FINISHED or variant in without}
        if without:
            made = {variant: self._models.create(variant, runs[variant]) for variant in without}
            # A concurrent recording with the same runs may have created some; a logged output cannot be removed from a run.
            logged = {**made, **self._models.existing(runs)}
        self._fill(open_runs, summary_run, logged)
        registered = self._registry.register(runs, logged)
        self._finish_summary(summary_run, runs, registered)
        source_model.link(self._client, self._source, self._result.verdict.name, summary_run.info.run_id, self._tell)
        if not self._is_alone(runs, summary_run, again=again):
            return None
        return self._tracked(summary_run, runs, registered.versions)

    def _is_alone(self, runs: dict[str, Run], summary_run: Run, *, again: bool) -> bool:
        """Removes duplicates, and returns whether there were none and the remaining runs are those recorded here."""
        if again:
            # Removes duplicate versions of our own repeated requests; a concurrent recording finds ours, which has a lower number.
            self._registry.existing()
        runs_by_variant = self._result_runs.existing()
        doubles = self._result_runs.remove_doubles(runs_by_variant)
        left = {variant: str(each[0].info.run_id) for variant, each in runs_by_variant.items()}
        recorded = {variant: str(run.info.run_id) for variant, run in {**runs, SUMMARY: summary_run}.items()}
        if doubles | self._models.remove_doubles({variant: each[0] for variant, each in runs_by_variant.items()}):
            self._tell("some of it was there twice, of two recordings at once or a late request: one of each is kept")
            return False
        return left == recorded

    def _references(self) -> frozenset[str]:
        """Returns the runs of the result's registered versions, and the locations of their files."""
        return frozenset(str(each) for version in self._registry.kept() for each in (version.run_id, version.source))

    @cached_property
    def _result_runs(self) -> ResultRuns:
        home = Home(uri=self._place.uri, experiment_id=self._experiment_id, source_run=self._source.run_id)
        return ResultRuns(self._client, self._result, home, self._references)

    @cached_property
    def _models(self) -> LoggedModels:
        return LoggedModels(self._client, self._result, self._experiment_id, self._references)

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self._client, self._result, self._source.run_id)

    def _tracked(self, summary_run: Run, runs: dict[str, Run], versions: dict[str, str]) -> Tracked:
        run_ids = {variant: str(run.info.run_id) for variant, run in runs.items()}
        version = versions.get(self._result.verdict.best or "")
        name = self._result.content.settings.registered_model
        summary_id = str(summary_run.info.run_id)
        page = f"{name}/{version}" if version else ""
        return Tracked(
            uri=self._place.uri,
            experiment_id=self._experiment_id,
            summary_run_id=summary_id,
            run_ids=run_ids,
            model_version=version,
            versions=versions,
            alias_version=self._registry.alias_version(),
            links=ui_links.links(
                self._base,
                ui_links.Recorded(
                    experiment_id=self._experiment_id,
                    summary_run_id=summary_id,
                    run_ids=tuple(run_ids.values()),
                    version=page,
                    view=share_view(self._client, self._experiment, self._result, self._tell),
                ),
            ),
        )

    @property
    def _base(self) -> str:
        return ui_links.base(self._place.uri)

    @cached_property
    def _task_run(self) -> Run | None:
        """The run that KFP's plugin created for this task, or None."""
        return kfp_run(self._client, self._place.kfp_run_id, self._place.uri)

    @cached_property
    def _kfp_summary(self) -> Run | None:
        """The run that KFP's plugin created, unless it is already the summary of another result."""
        run = self._task_run
        if run is not None and run.data.tags.get(tags.KEY, self._key) != self._key:
            self._tell(f"the run {run.info.run_id} is the summary of {run.data.tags[tags.NAME]!r}: another is made")
            return None
        return run

    @cached_property
    def _key(self) -> str:
        return tags.key(self._result)

    @cached_property
    def _experiment(self) -> Any:
        if self._task_run is not None:
            return self._client.get_experiment(self._task_run.info.experiment_id)
        return find_experiment(self._client, self._result.content.settings.experiment, self._place.uri)

    @property
    def _experiment_id(self) -> str:
        return str(self._experiment.experiment_id)

    @property
    def experiment(self) -> str:
        """The name of the experiment: that of the run that KFP created, else the configured one."""
        return str(self._experiment.name)

    @cached_property
    def _source(self) -> source_model.SourceRun:
        return source_model.find(self._client, self._result.content.settings, self._place.uri, self._tell)

    def _fill(self, open_runs: dict[str, Run], summary_run: Run, logged: dict[str, LoggedModel]) -> None:
        """Uploads all files, and finishes each variant as soon as its own are uploaded, so that later errors do not affect it."""
        with (
            tempfile.TemporaryDirectory(prefix="edgequant-") as scratch,
            Uploader(self._place.uri, self._policy) as uploader,
        ):
            packages = self._models.package(logged, Path(scratch) / "models")
            copies = {variant: uploader.begin(files) for variant, files in packages}
            if not self._is_finished(summary_run) and summary_run.info.run_id != self._with_files:
                files = Path(scratch) / "summary"
                summary.write_files(self._result, files)
                copies[SUMMARY] = uploader.begin(Upload(directory=files, location=summary_run.info.artifact_uri))
            for variant, run in open_runs.items():
                complete(copies.get(variant, ()))
                self._finish_variant(variant, run, logged.get(variant))
            complete(copies.get(SUMMARY, ()))
            self._with_files = summary_run.info.run_id

    def _is_finished(self, summary_run: Run) -> bool:
        """Returns whether we finished the summary run; KFP finishes the run that it created itself."""
        return summary_run.info.status == FINISHED and self._kfp_summary is None

    def _finish_variant(self, variant: str, run: Run, model: LoggedModel | None) -> None:
        run_id = str(run.info.run_id)
        if model is not None:
            self._models.finish(model, run)
        values = metrics(self._result.verdict.variants[variant], self._result.verdict.main_metric)
        self._client.log_batch(
            run_id,
            metrics=self._metrics(run, values, model.model_id if model else None),
            params=[Param(name, value) for name, value in tags.parameters(self._result, variant).items()],
        )
        self._client.log_inputs(run_id, datasets=datasets(self._result.content))
        self._client.set_terminated(run_id, FINISHED)

    def _metrics(self, run: Run, values: dict[str, float], model_id: str | None) -> list[Metric]:
        """Returns metrics stamped with the run's start, so that logging them twice adds nothing."""
        facts = self._result.content.evaluation
        stamp = run.info.start_time
        name, digest = facts.provenance.purpose, tags.dataset_digest(facts)
        return [Metric(key, value, stamp, 0, model_id, name, digest, run.info.run_id) for key, value in values.items()]

    def _finish_summary(self, run: Run, runs: dict[str, Run], registered: summary.Registered) -> None:
        sentence = summary.registration(self._result, registered)
        if registered.earlier or registered.holder:
            self._tell(sentence)
        source_link = (
            ui_links.run_page(self._base, self._source.experiment_id, self._source.run_id)
            if self._source.run_id
            else ""
        )
        summary_tags = {
            **(tags.common_tags(self._result, self._source.run_id) if self._kfp_summary is not None else {}),
            **summary.summary_tags(self._result, sentence),
            summary.NOTE_TAG: summary.note(self._result, sentence, source_link),
            **{f"{tags.RUN_OF}{variant}": str(run_of_variant.info.run_id) for variant, run_of_variant in runs.items()},
        }
        # Also for a finished run: with another setting, more versions may have been registered.
        self._client.log_batch(run.info.run_id, tags=[RunTag(name, value) for name, value in summary_tags.items()])
        if self._is_finished(run):
            return
        self._client.log_inputs(run.info.run_id, datasets=datasets(self._result.content))
        if self._kfp_summary is None:
            self._client.set_terminated(run.info.run_id, FINISHED)
