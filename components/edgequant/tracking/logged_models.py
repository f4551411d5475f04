"""The logged model of each variant: its files, and its place beside the variant's run."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Run

from edgequant.artifacts.result import Result
from edgequant.tracking import entries
from edgequant.tracking.uploads import Upload

READY = "READY"


class LoggedModels:
    """The logged models of a result's runs.

    Args:
        client: MLflow's client.
        result: The result.
        experiment_id: The experiment of the runs.
    """

    def __init__(self, client: MlflowClient, result: Result, experiment_id: str) -> None:
        self._client = client
        self._result = result
        self._experiment_id = experiment_id

    def of(self, runs: Mapping[str, Run], variants: Iterable[str], *, are_new: bool) -> dict[str, LoggedModel]:
        """Returns the logged model of each variant that has a file which runs: the one there is, or a new one.

        Args:
            runs: The run of every variant.
            variants: The variants.
            are_new: Whether all runs were made just now, so that none can have a model yet.
        """
        wanted = [name for name in variants if self._has_model(name)]
        found = {} if are_new or not wanted else self._found({run.info.run_id for run in runs.values()})
        return {name: found.get(runs[name].info.run_id) or self._create(name, runs[name]) for name in wanted}

    def _has_model(self, variant: str) -> bool:
        return bool(self._result.variants[variant].sha256) and self._result.verdict.variants[variant].reason is None

    def _found(self, run_ids: Collection[str]) -> dict[str, LoggedModel]:
        """Returns the models of these runs by run.

        One that was made twice, since an answer was late, is kept once; one of a run that is gone for that reason goes too.
        """
        models = self._client.search_logged_models(
            [self._experiment_id], f"tags.`{entries.KEY}` = '{entries.key(self._result)}'"
        )
        kept: dict[str, LoggedModel] = {}
        for model in sorted(
            models, key=lambda model: (str(model.status) != READY, model.creation_timestamp, model.model_id)
        ):
            if model.source_run_id in kept or model.source_run_id not in run_ids:
                self._client.delete_logged_model(model.model_id)
            else:
                kept[model.source_run_id] = model
        return kept

    def _create(self, variant: str, run: Run) -> LoggedModel:
        return self._client.create_logged_model(
            self._experiment_id,
            name=entries.logged_model_name(self._result, variant),
            source_run_id=str(run.info.run_id),
            tags={
                entries.KEY: entries.key(self._result),
                entries.VARIANT: variant,
                entries.TFLITE_SHA256: self._result.variants[variant].sha256 or "",
            },
            model_type="tflite",
        )

    def package(self, models: Mapping[str, LoggedModel], folder: Path) -> Iterator[tuple[str, Upload]]:
        """Writes the files of each model that is not finished, and yields its variant and what is to be uploaded."""
        # MLflow's packaging takes a second to import, which a result that is recorded already does not need.
        from edgequant.tracking.packaging import package

        for variant, model in models.items():
            if str(model.status) != READY:
                target = folder / variant
                tflite, resolver = self._result.variants.model(variant), self._result.verdict.environment.resolver
                package(tflite, self._result.example, model, target, resolver)
                yield variant, Upload(directory=target, location=model.artifact_location)

    def finish(self, model: LoggedModel, run: Run) -> None:
        """Ends a model's making once its files are there, and names it as the output of its run."""
        if str(model.status) != READY:
            self._client.finalize_logged_model(model.model_id, READY)
        outputs = run.outputs.model_outputs if run.outputs else []
        if model.model_id not in [output.model_id for output in outputs]:
            self._client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
