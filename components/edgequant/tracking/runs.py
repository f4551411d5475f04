"""Records a result in MLflow: a flat run and a logged model per variant, and one summary run.

Everything is looked up by the result's key before it is made, and a run is finished last: killed at any point and run
again, the recording ends with one run per variant, one summary and one registered version.
"""

import json
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, Param, Run, RunTag

from edgequant.artifacts.example_set import DatasetFacts
from edgequant.artifacts.result import Result, Tracked
from edgequant.tracking import entries

_FINISHED = "FINISHED"
_READY = "READY"
_TABLE = "comparison.json"
# The tag by which MLflow's UI finds tables to compare across runs.
_TABLES_TAG = "mlflow.loggedArtifacts"


class Recorder:
    """Records one result.

    Args:
        result: The result.
        uri: The MLflow tracking URI.
    """

    def __init__(self, result: Result, uri: str) -> None:
        self._result = result
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def record(self) -> Tracked:
        """Records everything that is not recorded yet, and returns where it is."""
        run_ids = {name: self._variant_run(name) for name in self._result.verdict.variants}
        model_version = self._register(run_ids)
        summary = self._summary_run(run_ids)
        base = self._uri.rstrip("/") if self._uri.startswith("http") else "http://127.0.0.1:5000"
        return Tracked(
            uri=self._uri,
            experiment_id=self._experiment_id,
            summary_run_id=summary,
            run_ids=run_ids,
            model_version=model_version,
            alias_version=self._alias_version() if model_version else None,
            links=entries.links(base, self._experiment_id, summary, list(run_ids.values())),
        )

    @cached_property
    def _experiment_id(self) -> str:
        name = self._result.content.settings.experiment
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=artifact_location(self._uri)))
        return str(found.experiment_id)

    def _run(self, name: str, role: str, tags: dict[str, str]) -> Run:
        """Returns the run of a role for this result: the one there is, or a new one."""
        key = entries.key(self._result)
        found = self._client.search_runs(
            [self._experiment_id],
            f"tags.`{entries.KEY}` = '{key}' AND tags.`{entries.ROLE}` = '{role}'"
            + (f" AND tags.`{entries.VARIANT}` = '{tags[entries.VARIANT]}'" if entries.VARIANT in tags else ""),
        )
        if found:
            return found[0]
        everything = {**entries.tags(self._result), **tags, entries.ROLE: role, "mlflow.runName": name}
        return self._client.create_run(self._experiment_id, run_name=name, tags=everything)

    def _variant_run(self, variant: str) -> str:
        found = self._result.verdict.variants[variant]
        sha256 = self._result.variants[variant].sha256
        tags = entries.variant_tags(variant, found, sha256)
        run = self._run(f"{entries.source(self._result)} · {variant}", "variant", tags)
        run_id = str(run.info.run_id)
        if run.info.status == _FINISHED:
            return run_id
        model_id = self._logged_model(run, variant) if sha256 and found.reason is None else None
        self._client.log_batch(
            run_id,
            metrics=self._metrics(run, entries.metrics(found), model_id),
            params=[Param(name, value) for name, value in entries.parameters(self._result, variant).items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._log_datasets(run_id)
        self._client.set_terminated(run_id, _FINISHED)
        return run_id

    def _metrics(self, run: Run, values: dict[str, float], model_id: str | None) -> list[Metric]:
        """Returns metrics stamped with the run's start, so that logging them twice adds nothing."""
        facts = self._result.content.evaluation
        stamp = run.info.start_time
        name, digest = facts.provenance.purpose, entries.dataset_digest(facts)
        return [Metric(key, value, stamp, 0, model_id, name, digest, run.info.run_id) for key, value in values.items()]

    def _log_datasets(self, run_id: str) -> None:
        content = self._result.content
        inputs = [
            DatasetInput(_dataset(facts), [InputTag("mlflow.data.context", facts.provenance.purpose)])
            for facts in (content.calibration, content.evaluation)
        ]
        self._client.log_inputs(run_id, datasets=inputs)

    def _logged_model(self, run: Run, variant: str) -> str:
        """Returns the logged model of a variant's run: the finished one there is, or a new one."""
        run_id = str(run.info.run_id)
        model_id = self._finished_model(run_id) or self._new_model(run_id, variant)
        if model_id not in [output.model_id for output in (run.outputs.model_outputs if run.outputs else [])]:
            self._client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
        return model_id

    def _finished_model(self, run_id: str) -> str | None:
        """Returns the finished logged model of a run, or None; one that was left unfinished is deleted."""
        for model in self._client.search_logged_models([self._experiment_id], f"source_run_id = '{run_id}'"):
            if str(model.status) == _READY:
                return str(model.model_id)
            self._client.delete_logged_model(model.model_id)
        return None

    def _new_model(self, run_id: str, variant: str) -> str:
        logged = self._client.create_logged_model(
            self._experiment_id,
            name=entries.logged_model_name(self._result, variant),
            source_run_id=run_id,
            tags={entries.VARIANT: variant, "edgequant.tflite_sha256": self._result.variants[variant].sha256 or ""},
            model_type="tflite",
        )
        # MLflow's packaging takes a second to import, which a result that is recorded already does not need.
        from edgequant.tracking.packaging import package

        with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
            files = Path(folder) / "model"
            package(self._result.variants.model(variant), self._result.example, logged, files)
            self._client.log_model_artifacts(logged.model_id, str(files))
        self._client.finalize_logged_model(logged.model_id, _READY)
        return str(logged.model_id)

    def _summary_run(self, run_ids: dict[str, str]) -> str:
        verdict = self._result.verdict
        tags = {"edgequant.outcome": verdict.outcome, "edgequant.best": verdict.best or ""}
        run = self._run(f"{entries.source(self._result)} · summary", "summary", tags)
        run_id = str(run.info.run_id)
        if run.info.status == _FINISHED:
            return run_id
        self._client.log_artifact(run_id, str(self._result.path / "verdict" / "report.html"))
        self._client.log_artifact(run_id, str(self._result.path / "verdict" / "verdict.json"))
        # Not by `log_table`, which appends to the table that a killed recording left.
        self._client.log_text(run_id, json.dumps(entries.comparison(self._result)), _TABLE)
        self._client.log_batch(
            run_id,
            tags=[
                RunTag(_TABLES_TAG, json.dumps([{"path": _TABLE, "type": "table"}])),
                RunTag("mlflow.note.content", entries.note(self._result)),
                *(RunTag(f"edgequant.run.{variant}", found) for variant, found in run_ids.items()),
            ],
        )
        self._log_datasets(run_id)
        self._client.set_terminated(run_id, _FINISHED)
        return run_id

    def _register(self, run_ids: dict[str, str]) -> str | None:
        """Returns the registered version of the best variant, made and given its alias once; None without either."""
        settings = self._result.content.settings
        best = self._result.verdict.best
        if best is None or not settings.registered_model:
            return None
        name = settings.registered_model
        self._ensure_registered_model(name)
        found = self._client.search_model_versions(
            f"name = '{name}' AND tags.`{entries.KEY}` = '{entries.key(self._result)}'"
        )
        made = found[0] if found else self._new_version(name, best, run_ids[best])
        if settings.alias and entries.ALIASED not in made.tags:
            self._client.set_registered_model_alias(name, settings.alias, made.version)
            self._client.set_model_version_tag(name, made.version, entries.ALIASED, settings.alias)
        return str(made.version)

    def _alias_version(self) -> str | None:
        """Returns the version that the alias is on now: a later result may have taken it."""
        settings = self._result.content.settings
        if not settings.alias:
            return None
        aliases = self._client.get_registered_model(settings.registered_model).aliases
        return str(aliases[settings.alias]) if settings.alias in aliases else None

    def _ensure_registered_model(self, name: str) -> None:
        if not self._client.search_registered_models(f"name = '{name}'"):
            self._client.create_registered_model(name)

    def _new_version(self, name: str, best: str, run_id: str) -> Any:
        found = self._result.verdict.variants[best]
        model_id = self._logged_model(self._client.get_run(run_id), best)
        tags = {
            **entries.tags(self._result),
            **entries.variant_tags(best, found, self._result.variants[best].sha256),
            "edgequant.drop_points": f"{found.drop_points:.4f}" if found.drop_points is not None else "",
        }
        logged = self._client.get_logged_model(model_id)
        return self._client.create_model_version(
            name,
            source=logged.artifact_location,
            run_id=run_id,
            tags=tags,
            model_id=model_id,
            description=self._result.verdict.why,
        )


def artifact_location(uri: str) -> str | None:
    """Returns where a new experiment's artifacts go: beside a SQLite file; elsewhere the server decides."""
    if uri.startswith("sqlite:///"):
        return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts").as_uri()
    return None


def _dataset(facts: DatasetFacts) -> Dataset:
    source = {"files": [file.path for file in facts.provenance.sources], "rule": facts.provenance.rule}
    profile = {"examples": facts.examples, "records_read": facts.provenance.records_read}
    return Dataset(
        name=facts.provenance.purpose,
        digest=entries.dataset_digest(facts),
        source_type="local",
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
