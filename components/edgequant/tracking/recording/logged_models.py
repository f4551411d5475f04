"""The logged model of each variant, and its link to the variant's run."""

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
        registered: Returns the locations of the files of the result's registered versions; called only if there are duplicate
            models, or one is to be deleted.
    """

    def __init__(
        self, client: MlflowClient, result: LoadedResult, experiment_id: str, registered: Callable[[], frozenset[str]]
    ) -> None:
        self._client = client
        self._result = result
        self._experiment_id = experiment_id
        self._registered = registered

    def has_model(self, variant: str) -> bool:
        """Returns whether a variant has a file that runs."""
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
        """Deletes duplicate models and those of other runs, and returns whether there were any.

        The model of a registered version stays, even if somebody deleted its run: the version has no other files.
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
        """Returns the models of this result by run, the one to keep first: a registered one, else the first complete one."""
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
        """Returns a new logged model of a variant's run; its files are not uploaded yet."""
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
        """Writes the files of each unfinished model, and yields its variant and its upload."""
        # MLflow's packaging takes a second to import; a result that is already recorded does not need it.
        from edgequant.tracking.recording.packaging import package

        for variant, model in models.items():
            if str(model.status) != READY:
                target = folder / variant
                tflite, resolver = self._result.variants.model(variant), self._result.verdict.environment.resolver
                package(tflite, self._result.example, model, target, resolver)
                yield variant, Upload(directory=target, location=model.artifact_location)

    def finish(self, model: LoggedModel, run: Run) -> None:
        """Finalizes a model once its files are uploaded, and logs it as an output of its run."""
        if str(model.status) != READY:
            self._client.finalize_logged_model(model.model_id, READY)
        outputs = run.outputs.model_outputs if run.outputs else []
        if model.model_id not in [output.model_id for output in outputs]:
            self._client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, step=0)])
