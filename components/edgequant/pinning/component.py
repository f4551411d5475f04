"""The step that looks up which models the URIs of a run stand for now, as a KFP component."""

from typing import NamedTuple

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("tracking"), install_kfp_package=False)
def pin(model_uri: str, champion_uri: str, tracking_uri: str) -> NamedTuple(  # type: ignore[valid-type]  # the form that KFP reads
    "Pinned",
    [
        ("model", str),
        ("model_digest", str),
        ("training_metrics", dict),
        ("champion", str),
        ("champion_digest", str),
    ],
):
    """Looks up which models the URIs stand for now: the version that an alias is on, and what identifies its content.

    Args:
        model_uri: A path, models:/NAME/VERSION, models:/NAME@ALIAS or runs:/ID/PATH.
        champion_uri: The champion, by a URI of the same kinds or the path of a .tflite file; empty: none.
        tracking_uri: The MLflow server; empty: that of the environment.

    Returns:
        The URIs without aliases, the digests that the later steps' cache keys cover, and the metrics that the training run logged.
    """
    from edgequant.pinning.step import pin as run
    from edgequant.steps import step

    with step("pin"):
        return run(model_uri, champion_uri, tracking_uri)
