"""The step that fetches the champion, as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("tracking"), install_kfp_package=False)
def fetch_champion(champion_uri: str, champion_digest: str, tracking_uri: str, champion: dsl.Output[dsl.Model]) -> None:
    """Fetches the champion, the quantized model in production; without one it says why, and is done at once.

    Args:
        champion_uri: models:/NAME@ALIAS, models:/NAME/VERSION, runs:/ID/PATH or a path of a .tflite file; empty: none.
        champion_digest: Identifies the model's content, for the cache key.
        tracking_uri: The MLflow server; empty: that of the environment.
        champion: A variant set of the one variant champion, or of none.
    """
    from pathlib import Path

    from edgequant.champion.step import fetch_champion as run
    from edgequant.steps import step

    with step("champion", quiet=not champion_uri):
        run(champion_uri, tracking_uri, Path(champion.path))
