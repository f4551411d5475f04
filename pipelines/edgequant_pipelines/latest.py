"""The pipeline that a cluster runs again and again: what its names stand for is looked up when it runs.

KFP's cache goes by names. A run on this machine is given the digests of what the names stand for; a recurring run, or one
that a person starts on KFP's page, has nobody to compute them, and digests of the day it was scheduled would serve
yesterday's model from the cache forever. So two quick steps that are never cached go first.
"""

import inspect
from typing import Any

from kfp import dsl

from edgequant.fingerprinting.component import fingerprint
from edgequant.pinning.component import pin
from edgequant_pipelines.pipeline import quantize_model

# What the two steps find out, so that nobody gives it.
FOUND = ("model_digest", "baseline_digest", "examples_digest")

_SIGNATURE = inspect.signature(quantize_model.pipeline_func)
_PARAMETERS = [parameter for name, parameter in _SIGNATURE.parameters.items() if name not in FOUND]


def _latest(*values: Any) -> Any:
    given = dict(zip((parameter.name for parameter in _PARAMETERS), values, strict=True))
    pinned = pin(model_uri=given["model"], baseline_uri=given["baseline"], tracking_uri=given["tracking_uri"])
    pinned.set_caching_options(enable_caching=False)
    files = fingerprint(
        calibration_examples=given["calibration_examples"],
        evaluation_examples=given["evaluation_examples"],
        preprocess=given["preprocess"],
        preprocess_source=given["preprocess_source"],
    )
    files.set_caching_options(enable_caching=False)
    found = {name: pinned.outputs[name] for name in ("model", "model_digest", "baseline", "baseline_digest")}
    return quantize_model(**{**given, **found, "examples_digest": files.output}).output


def _described() -> str:
    """Returns the docstring of `quantize_model` without what is not given here: KFP reads descriptions from it."""
    lines = inspect.getdoc(quantize_model.pipeline_func) or ""
    return "\n".join(line for line in lines.splitlines() if not line.strip().startswith(tuple(f"{n}:" for n in FOUND)))


# The parameters of `quantize_model` but for three, each with its type and default, rather than a third copy of them.
_latest.__signature__ = _SIGNATURE.replace(parameters=_PARAMETERS)  # type: ignore[attr-defined]
_latest.__doc__ = _described()

quantize_latest = dsl.pipeline(
    _latest,
    name="quantize-latest",
    description="Looks up which model and examples its names stand for now, and quantizes the model.",
)
