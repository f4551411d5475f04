"""Tracks a result as one would by hand: a run per variant, a call per parameter and metric, `log_model`, `register_model`.

Run by `tracking.py` in a process of its own. What is recorded is the same, and comes from the package's own functions.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import edgequant.tracking
from edgequant import litert_interpreter
from edgequant.artifacts.result import LoadedResult, load_result
from edgequant.tracking import tags
from edgequant.tracking.recording import summary
from edgequant.tracking.recording.metrics import metrics

PYFUNC = Path(edgequant.tracking.__file__).with_name("pyfunc_model.py")


def track(directory: Path, uri: str) -> None:
    """Records the result in a directory."""
    import mlflow

    result = load_result(directory)
    settings = result.content.settings
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment(settings.experiment)
    models = {variant: _variant(result, variant) for variant in result.verdict.variants}
    with mlflow.start_run(run_name=f"{tags.source(result)} · summary"):
        for path in sorted((result.path / "verdict").glob("*.png")):
            mlflow.log_artifact(str(path), "plots")
        for name in ("report.html", "verdict.json"):
            mlflow.log_artifact(str(result.path / "verdict" / name))
        mlflow.log_text(summary.configuration(result), "config.yaml")
        for name, table in summary.tables(result).items():
            columns = dict(zip(table["columns"], zip(*table["data"], strict=True), strict=True))
            mlflow.log_table({key: list(values) for key, values in columns.items()}, name)
        for name, value in {**tags.common_tags(result), **summary.summary_tags(result, "")}.items():
            mlflow.set_tag(name, value)
        _inputs(result)
    best = result.verdict.best
    if best is not None:
        made = mlflow.register_model(models[best], settings.registered_model, tags=tags.version_tags(result, best))
        mlflow.MlflowClient().set_registered_model_alias(settings.registered_model, settings.alias, made.version)


def _variant(result: LoadedResult, variant: str) -> str:
    """Records one variant, and returns the URI of its logged model."""
    import mlflow
    from mlflow.models import infer_signature

    tflite = result.variants.model(variant)
    with mlflow.start_run(run_name=f"{tags.source(result)} · {variant}"):
        for name, value in {**tags.common_tags(result), **tags.variant_tags(result, variant)}.items():
            mlflow.set_tag(name, value)
        for name, value in tags.parameters(result, variant).items():
            mlflow.log_param(name, value)
        model = litert_interpreter.Model(tflite)
        model.invoke(model.prepare({name: values[0] for name, values in result.example.items()}))
        outputs = {name: value[None] for name, value in model.results().items()}
        logged = mlflow.pyfunc.log_model(
            name=tags.logged_model_name(result, variant),
            python_model=str(PYFUNC),
            code_paths=[litert_interpreter.__file__],
            artifacts={"tflite": str(tflite)},
            signature=infer_signature(result.example, outputs),
            input_example=result.example,
            pip_requirements=[
                f"{name}=={version(name)}" for name in ("mlflow-skinny", "pandas", "numpy", "ai-edge-litert")
            ],
        )
        for name, number in metrics(result.verdict.variants[variant], result.verdict.main_metric).items():
            mlflow.log_metric(name, number, model_id=logged.model_id)
        _inputs(result)
    return str(logged.model_uri)


def _inputs(result: LoadedResult) -> None:
    """Names the data sets of the run that is open."""
    import mlflow
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    for facts in (result.content.calibration, result.content.evaluation):
        source = resolve_dataset_source(facts.provenance.sources[0].path)
        data = MetaDataset(source, name=facts.provenance.purpose, digest=tags.dataset_digest(facts))
        mlflow.log_input(data, context=facts.provenance.purpose)


if __name__ == "__main__":
    track(Path(sys.argv[1]), sys.argv[2])
