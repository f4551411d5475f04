"""Looks up, in a run on a cluster, what its names stand for at that moment.

KFP's cache goes by names. A run on this machine is given the digests of what the names stand for; a recurring run, or one
that a person starts on KFP's page, has nobody to compute them, and digests of the day it was scheduled would serve
yesterday's model from the cache forever. So two quick steps that are never cached go first.
"""

from collections.abc import Mapping
from typing import Any

from edgequant.fingerprinting.component import fingerprint
from edgequant.pinning.component import pin

# The parameters of `quantize_model` that the two steps find out, so that nobody gives them.
LOOKED_UP = ("model_digest", "champion_digest", "examples_digest")


def look_up(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the two steps in the pipeline that is being built, and returns the arguments of `quantize_model` that they give.

    Args:
        parameters: The other parameters of the pipeline, by name.
    """
    pinned = pin(
        model_uri=parameters["model"], champion_uri=parameters["champion"], tracking_uri=parameters["tracking_uri"]
    )
    files = fingerprint(
        calibration_examples=parameters["calibration_examples"],
        evaluation_examples=parameters["evaluation_examples"],
        classes_file=parameters["classes_file"],
        preprocess=parameters["preprocess"],
    )
    for task in (pinned, files):
        task.set_caching_options(enable_caching=False)
    outputs = {name: pinned.outputs[name] for name in ("model", "model_digest", "champion", "champion_digest")}
    return {**outputs, "examples_digest": files.output}
