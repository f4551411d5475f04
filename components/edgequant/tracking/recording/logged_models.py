"""The logged model of each variant: its files, and its place beside the variant's run."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Run

from edgequant.artifacts.result import LoadedResult
from edgequant.tracking import tags
from edgequant.tracking.recording.uploads import Upload

READY = "READY"


class LoggedModels:
    """The logged models of a result's runs.

    Args:
        client: MLflow's client.
        result: The result.
        experiment_id: The experiment of the runs.
        registered: Gives where the files of the result's registered versions are; asked only where a model is there twice, or
            is about to go.
    """

    def __init__(
        self, client: MlflowClient, result: LoadedResult, experiment_id: str, registered: Callable[[], frozenset[str]]
    ) -> None:
        self._client = client
        self._result = result
        self._experiment_id = experiment_id
        self._registered = registered

    def has_model(self, variant: str) -> bool:
        """Tells whether a variant has a file which runs."""
        return bool(self._result.variants[variant].sha256) and self._result.verdict.variants[variant].reason is None

    def existing(self, runs: Mapping[str, Run]) -> dict[str, LoggedModel]:
        """Returns the logged models of a result's runs, by variant."""
        by_run = self._by_run()
        return {
            name: by_run[run.info.run_id][0]
            for name, run in runs.items()
            if self.has_model(name) and run.info.run_id in by_run
        }

    def remove_doubles(self, runs: Mapping[str, Run]) -> bool:
        """Removes the models that were made twice, or of a run that is none of these, and tells whether there were any.

        That of a registered version stays, also where somebody removed its run: the version has no other files.
        """
        kept = {run.info.run_id for run in runs.values()}
        by_run = self._by_run()
        doubles = [model for run_id, models in by_run.items() for model in models[1 if run_id in kept else 0 :]]
        registered = self._registered() if doubles else frozenset()
        removed = [model for model in doubles if model.artifact_location not in registered]
        for model in removed:
            self._client.delete_logged_model(model.model_id)
        return bool(removed)

    def _by_run(self) -> dict[str, list[LoggedModel]]:
        """Returns the models of this result by run, that to keep first: a registered one, else the first that is whole."""
        models_of_key = self._client.search_logged_models(
            [self._experiment_id], f"tags.`{tags.KEY}` = '{tags.key(self._result)}'"
        )
        by_run: dict[str, list[LoggedModel]] = {}
        digest = self._result.digest
        for model in (each for each in models_of_key if each.tags.get(tags.RESULT_DIGEST, digest) == digest):
            by_run.setdefault(str(model.source_run_id), []).append(model)
        registered = self._registered() if any(len(models) > 1 for models in by_run.values()) else frozenset()

        def rank(model: LoggedModel) -> tuple[bool, bool, int, str]:
            is_registered = model.artifact_location in registered
            return not is_registered, str(model.status) != READY, model.creation_timestamp, model.model_id

        return {run_id: sorted(models, key=rank) for run_id, models in by_run.items()}

    def create(self, variant: str, run: Run) -> LoggedModel:
        """Returns a new model of a variant's run, whose files are still to be written."""
        return self._client.create_logged_model(
            self._experiment_id,
            name=tags.logged_model_name(self._result, variant),
            source_run_id=str(run.info.run_id),
            tags={
                tags.KEY: tags.key(self._result),
                tags.RESULT_DIGEST: self._result.digest,
                tags.VARIANT: variant,
                tags.TFLITE_SHA256: self._result.variants[variant].sha256 or "",
            },
            model_type="tflite",
        )

    def package(self, models: Mapping[str, LoggedModel], folder: Path) -> Iterator[tuple[str, Upload]]:
        """Writes the files of each model that is not finished, and yields its variant and what is to be uploaded."""
        # MLflow's packaging takes a second to import, which a result that is recorded already does not need.
        from edgequant.tracking.recording.packaging import package

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
