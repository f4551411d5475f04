"""The track step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("tracking"), install_kfp_package=False)
def track(
    variant_set: dsl.Input[dsl.Model],
    verdict: dsl.Input[dsl.Artifact],
    calibration_set: dsl.Input[dsl.Dataset],
    evaluation_set: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    experiment: str,
    registered_model: str,
    alias: str,
    register: str,
    retry_seconds: float,
    model_uri: str,
    pipeline_run: str,
    kfp_run: str,
    configuration: str,
    result: dsl.Output[dsl.Artifact],
) -> None:
    """Gathers the results and records them in MLflow: a run and a logged model per variant, a summary run, versions.

    Args:
        variant_set: The variant set.
        verdict: The verdict.
        calibration_set: The calibration set.
        evaluation_set: The evaluation set.
        tracking_uri: The MLflow server; empty: that of the environment.
        experiment: The experiment's name; "" for that of the quantization.
        registered_model: The registered model that gets the best blessed variant; empty: none.
        alias: The alias to give the new version; empty: none.
        register: Which blessed variants become versions: best, blessed (all of them) or none.
        retry_seconds: How long to retry while MLflow does not answer.
        model_uri: The URI of the source model.
        pipeline_run: Identifies the pipeline run; empty: KFP's run on a cluster, elsewhere the results.
        kfp_run: The identifier of KFP's run.
        configuration: The configuration as YAML, for the record, which tells what ran where that differs; empty: what the steps know.
        result: Everything recorded, and result.json.
    """
    from pathlib import Path

    from edgequant.artifacts.result import TrackingSettings
    from edgequant.steps import step
    from edgequant.tracking.step import TrackInputs, kfp_view
    from edgequant.tracking.step import pipeline_run as identify
    from edgequant.tracking.step import track as run

    with step("track"):
        tracked = run(
            TrackingSettings(
                uri=tracking_uri,
                experiment=experiment,
                registered_model=registered_model,
                alias=alias,
                register=register,
                retry_seconds=retry_seconds,
                model_uri=model_uri,
                pipeline_run=identify(pipeline_run, kfp_run),
            ),
            TrackInputs(
                variant_set=Path(variant_set.path),
                verdict=Path(verdict.path),
                calibration_set=Path(calibration_set.path),
                evaluation_set=Path(evaluation_set.path),
                configuration=configuration,
            ),
            Path(result.path),
        )
        result.metadata.update(kfp_view(tracked))
