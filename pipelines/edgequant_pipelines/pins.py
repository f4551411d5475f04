"""Resolves names to versions and digests at the start of a run on a cluster.

The keys of KFP's cache are made of arguments. A run on this machine gets the digests of its inputs as arguments. For a recurring
run, or one started on KFP's page, nobody computes them, and digests from the day of scheduling would serve an outdated model from
the cache forever. So two quick steps, which are never cached, run first.
"""

from collections.abc import Mapping
from typing import Any

from edgequant.fingerprinting.component import fingerprint
from edgequant.pinning.component import pin

# The parameters of `quantize_model` that the two steps compute, so that the compiled pipeline has no such parameters.
LOOKED_UP = ("model_digest", "training_metrics", "champion_digest", "examples_digest")


def look_up(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the two steps to the pipeline being built, and returns the arguments of `quantize_model` that they compute.

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
    names = ("model", "model_digest", "training_metrics", "champion", "champion_digest")
    outputs = {name: pinned.outputs[name] for name in names}
    return {**outputs, "examples_digest": files.output}
