"""The describe step as a KFP component."""

from kfp import dsl

from edgequant.images import image


@dsl.component(base_image=image("tracking"), install_kfp_package=False)
def describe(model: dsl.Input[dsl.Model], signature: str) -> str:
    """Reads a model's signature, so that the steps that need only that do not depend on the model's weights.

    Args:
        model: The model.
        signature: The signature's key.

    Returns:
        The signature as JSON text.
    """
    from pathlib import Path

    from edgequant.signature_reader import read_signature
    from edgequant.steps import step

    with step("describe"):
        return read_signature(Path(model.path), signature).to_json()
