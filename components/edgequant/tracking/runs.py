"""Records a result in MLflow: a flat run and a logged model per variant, and one summary run.

Everything is looked up by the result's key before it is made, and a run is finished last: killed at any point and run
again, the recording ends with one run per variant, one summary and one version of each variant that is registered.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from edgequant.artifacts.result import Result, Tracked
from edgequant.errors import TrackingError
from edgequant.mlflow_access.retries import Patience, PatientClient
from edgequant.tracking import entries, pages, source, summary
from edgequant.tracking.datasets import datasets
from edgequant.tracking.figures import metrics
from edgequant.tracking.logged_models import LoggedModels
from edgequant.tracking.registry import ALREADY_THERE, Registry
from edgequant.tracking.uploads import Upload, Uploader, complete

_FINISHED = "FINISHED"
_ACTIVE = "active"
_SUMMARY = ""
# So much of a digest tells two apart.
_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a result is recorded.

    Attributes:
        uri: The MLflow tracking URI.
        given_run_id: The run that KFP's plugin gave, which is then the summary run; "" for none.
    """

    uri: str
    given_run_id: str = ""


class Recorder:
    """Records one result, in one attempt or more.

    Args:
        result: The result.
        place: Where to.
        patience: How long requests are repeated, and who is told what a reader should know and is no failure.
    """

    def __init__(self, result: Result, place: Place, patience: Patience) -> None:
        self._result = result
        self._place = place
        self._patience = patience
        self._tell = patience.tell
        self._client = PatientClient(MlflowClient(tracking_uri=place.uri, registry_uri=place.uri), patience)
        # The summary run that an earlier attempt has uploaded the files of.
        self._with_files = ""

    def record(self, *, again: bool) -> Tracked:
        """Records everything that is not recorded yet, and returns where it is.

        Args:
            again: Whether an earlier attempt may have made what it got no answer for.

        Raises:
            TrackingError: The experiment or the given run was deleted.
        """
        models = LoggedModels(self._client, self._result, self._experiment_id)
        earlier = self._found()
        runs = {variant: earlier.get(variant) or self._create(variant) for variant in self._result.verdict.variants}
        summary_run = self._summary_run(earlier.get(_SUMMARY))
        open_runs = {variant: run for variant, run in runs.items() if run.info.status != _FINISHED}
        logged = models.of(runs, open_runs, are_new=not earlier and not again)
        self._fill(open_runs, summary_run, models, logged)
        registry = Registry(self._client, self._result, self._source.run_id)
        registered = registry.register(runs, lambda variant: logged.get(variant) or self._model_of(runs[variant]))
        self._finish_summary(summary_run, runs, registered)
        source.link(self._client, self._source, self._result.verdict.name, summary_run.info.run_id, self._tell)
        if again:
            self._tidy(models, runs, registry if registered.versions else None)
        return self._tracked(summary_run, runs, registered.versions, registry)

    def _tracked(self, summary_run: Run, runs: dict[str, Run], versions: dict[str, str], registry: Registry) -> Tracked:
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
            alias_version=registry.alias_version() if version else None,
            links=summary.links(self._base, self._experiment_id, summary_id, list(run_ids.values()), page),
        )

    @property
    def _base(self) -> str:
        return pages.base(self._place.uri)

    @cached_property
    def _task_run(self) -> Run | None:
        """The run that KFP's plugin gave this task, or None."""
        if not self._place.given_run_id:
            return None
        run = self._client.get_run(self._place.given_run_id)
        if run.info.lifecycle_stage != _ACTIVE:
            raise TrackingError(f"MLFLOW_RUN_ID: the run {run.info.run_id} at {self._place.uri} was deleted")
        return run

    @cached_property
    def _given(self) -> Run | None:
        """The run that KFP's plugin gave, unless another result has it for its summary already."""
        run = self._task_run
        if run is not None and run.data.tags.get(entries.KEY, self._key) != self._key:
            self._tell(f"the run {run.info.run_id} is the summary of {run.data.tags[entries.NAME]!r}: another is made")
            return None
        return run

    @cached_property
    def _key(self) -> str:
        return entries.key(self._result)

    @cached_property
    def _experiment_id(self) -> str:
        if self._task_run is not None:
            return str(self._task_run.info.experiment_id)
        name = self._result.content.settings.experiment
        found = self._client.get_experiment_by_name(name) or self._new_experiment(name)
        if found.lifecycle_stage != _ACTIVE:
            raise TrackingError(
                f"tracking.experiment: {name!r} at {self._place.uri} was deleted; restore it, or name another"
            )
        return str(found.experiment_id)

    def _new_experiment(self, name: str) -> Any:
        try:
            self._client.create_experiment(name, artifact_location=artifact_location(self._place.uri))
        except MlflowException as error:  # Another pipeline run made it in between.
            if error.error_code != ALREADY_THERE:
                raise
        return self._client.get_experiment_by_name(name)

    @cached_property
    def _source(self) -> source.SourceRun:
        return source.find(self._client, self._result.content.settings.model_uri, self._tell)

    def _found(self) -> dict[str, Run]:
        """Returns the runs that this result has, by variant; one that was made twice, since an answer was late, is kept once."""
        found = self._client.search_runs([self._experiment_id], f"tags.`{entries.KEY}` = '{self._key}'")
        self._refuse_another_result(found)
        kept: dict[str, Run] = {}
        for run in sorted(found, key=self._rank):
            role = run.data.tags.get(entries.ROLE)
            variant = run.data.tags[entries.VARIANT] if role == entries.VARIANT_ROLE else _SUMMARY
            if role not in (entries.VARIANT_ROLE, entries.SUMMARY_ROLE):
                continue
            if variant not in kept:
                kept[variant] = run
            elif variant == _SUMMARY and self._given is not None:
                # Not ours to delete: of KFP's earlier attempts.
                self._client.set_tag(run.info.run_id, entries.ROLE, entries.SUPERSEDED_ROLE)
            else:
                self._client.delete_run(run.info.run_id)
        return kept

    def _refuse_another_result(self, found: Iterable[Run]) -> None:
        """Raises an error when a run of this key is of another result: it would pass for this one's."""
        for run in found:
            digest = run.data.tags.get(entries.RESULT_DIGEST, self._result.digest)
            if digest != self._result.digest:
                raise TrackingError(
                    f"pipeline_run: {self._result.content.settings.pipeline_run!r} is taken: run {run.info.run_id} at"
                    f" {self._place.uri} is of the result {digest[:_SHOWN]}, and {self._result.path} is"
                    f" {self._result.digest[:_SHOWN]}; give each result a pipeline run of its own"
                )

    def _rank(self, run: Run) -> tuple[bool, bool, bool, int, str]:
        """Returns what sorts the runs of one role: the one to keep first, which is the one that is furthest."""
        info, outputs = run.info, run.outputs.model_outputs if run.outputs else []
        return (
            info.run_id != self._place.given_run_id,
            info.status != _FINISHED,
            not outputs,
            info.start_time,
            info.run_id,
        )

    def _create(self, variant: str) -> Run:
        """Returns a new run, of a variant or the summary."""
        name = f"{entries.source(self._result)} · {variant or entries.SUMMARY_ROLE}"
        own = entries.variant_tags(self._result, variant) if variant else {entries.ROLE: entries.SUMMARY_ROLE}
        ours = {**entries.tags(self._result, self._source.run_id), **own}
        tags = {**ours, **entries.MLFLOW_SOURCE, "mlflow.runName": name}
        return self._client.create_run(self._experiment_id, run_name=name, tags=tags)

    def _summary_run(self, earlier: Run | None) -> Run:
        """Returns the run that KFP gave, else the summary that there is, else a new one."""
        if self._given is None:
            return earlier or self._create(_SUMMARY)
        if earlier is not None and earlier.info.run_id != self._given.info.run_id:
            self._client.set_tag(earlier.info.run_id, entries.ROLE, entries.SUPERSEDED_ROLE)
        return self._given

    def _fill(
        self, open_runs: dict[str, Run], summary_run: Run, models: LoggedModels, logged: dict[str, LoggedModel]
    ) -> None:
        """Uploads all files, and finishes each variant as soon as its own are there: whatever fails then, it is done."""
        with (
            tempfile.TemporaryDirectory(prefix="edgequant-") as scratch,
            Uploader(self._place.uri, self._patience) as uploader,
        ):
            packages = models.package(logged, Path(scratch) / "models")
            copies = {variant: uploader.begin(files) for variant, files in packages}
            if not self._is_finished(summary_run) and summary_run.info.run_id != self._with_files:
                files = Path(scratch) / "summary"
                summary.write_files(self._result, files)
                copies[_SUMMARY] = uploader.begin(Upload(directory=files, location=summary_run.info.artifact_uri))
            for variant, run in open_runs.items():
                complete(copies.get(variant, ()))
                self._finish_variant(variant, run, models, logged.get(variant))
            complete(copies.get(_SUMMARY, ()))
            self._with_files = summary_run.info.run_id

    def _is_finished(self, summary_run: Run) -> bool:
        """Tells whether a summary was finished by us: the end of a run that KFP gave is KFP's business."""
        return summary_run.info.status == _FINISHED and self._given is None

    def _finish_variant(self, variant: str, run: Run, models: LoggedModels, model: LoggedModel | None) -> None:
        run_id = str(run.info.run_id)
        if model is not None:
            models.finish(model, run)
        values = metrics(self._result.verdict.variants[variant], self._result.verdict.main_metric)
        self._client.log_batch(
            run_id,
            metrics=self._metrics(run, values, model.model_id if model else None),
            params=[Param(name, value) for name, value in entries.parameters(self._result, variant).items()],
        )
        self._client.log_inputs(run_id, datasets=datasets(self._result.content))
        self._client.set_terminated(run_id, _FINISHED)

    def _metrics(self, run: Run, values: dict[str, float], model_id: str | None) -> list[Metric]:
        """Returns metrics stamped with the run's start, so that logging them twice adds nothing."""
        facts = self._result.content.evaluation
        stamp = run.info.start_time
        name, digest = facts.provenance.purpose, entries.dataset_digest(facts)
        return [Metric(key, value, stamp, 0, model_id, name, digest, run.info.run_id) for key, value in values.items()]

    def _model_of(self, run: Run) -> LoggedModel:
        """Returns the logged model of a run that was finished before."""
        return self._client.get_logged_model(run.outputs.model_outputs[0].model_id)

    def _finish_summary(self, run: Run, runs: dict[str, Run], registered: summary.Registered) -> None:
        said = summary.registration(self._result, registered)
        if registered.earlier or registered.holder:
            self._tell(said)
        source_link = (
            summary.run_page(self._base, self._source.experiment_id, self._source.run_id) if self._source.run_id else ""
        )
        tags = {
            **(entries.tags(self._result, self._source.run_id) if self._given is not None else {}),
            **summary.tags(self._result, said),
            summary.NOTE_TAG: summary.note(self._result, said, source_link),
            **{f"{entries.RUN_OF}{variant}": str(found.info.run_id) for variant, found in runs.items()},
        }
        # Also of a run that was finished before: another setting may have registered more since.
        self._client.log_batch(run.info.run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        if self._is_finished(run):
            return
        self._client.log_inputs(run.info.run_id, datasets=datasets(self._result.content))
        if self._given is None:
            self._client.set_terminated(run.info.run_id, _FINISHED)

    def _tidy(self, models: LoggedModels, runs: dict[str, Run], registry: Registry | None) -> None:
        """Removes what a request made of which the answer never came, and which was not there yet when looked for."""
        self._found()
        models.of(runs, runs, are_new=False)
        if registry is not None:
            registry.found()


def artifact_location(uri: str) -> str | None:
    """Returns where a new experiment's artifacts go: beside a SQLite file; elsewhere the server decides."""
    if uri.startswith("sqlite:///"):
        return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts").as_uri()
    return None
