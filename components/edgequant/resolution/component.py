"""The resolve step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("tracking"), install_kfp_package=False)
def resolve(model_uri: str, model_digest: str, tracking_uri: str, model: dsl.Output[dsl.Model]) -> None:
    """Turns a model's URI into its files.

    Args:
        model_uri: A path, models:/NAME/VERSION, models:/NAME@ALIAS or runs:/ID/PATH.
        model_digest: Identifies the model's content, for the cache key.
        tracking_uri: The MLflow server; empty: that of the environment.
        model: The SavedModel, or a directory with the .keras file.
    """
    from pathlib import Path

    from edgequant.resolution.step import resolve as run
    from edgequant.steps import step

    with step("resolve"):
        run(model_uri, tracking_uri, Path(model.path))
