"""Builds the pipelines with what their steps need on a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp.dsl import pipeline_context

from edgequant.resolution.component import resolve
from edgequant_pipelines import pipeline
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.compilation.options import CompileOptions
from edgequant_pipelines.compilation.placement import Placement
from edgequant_pipelines.latest import FOUND, look_up
from edgequant_pipelines.signatures import Parameter, make_pipeline, parameters_of, with_defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipelines:
    """The two pipelines.

    Attributes:
        quantize: Takes the model as an artifact, so that it nests in a training pipeline.
        quantize_model: Takes the model's URI, and looks up what its names stand for when it runs.
    """

    quantize: Any
    quantize_model: Any


def build_pipelines(options: CompileOptions) -> Pipelines:
    """Returns the pipelines with a registry's images and all that `kubeflow` of the configuration says.

    Raises:
        ConfigError: The file that the configuration's `preprocess` names cannot be read.
    """
    placement = Placement(options=options)
    quantize = _quantize(placement)
    defaults = declared_arguments(options.config) if options.config and options.defaults else {}
    parameters = [item for item in parameters_of(pipeline.quantize_model) if item.name not in FOUND]
    return Pipelines(
        quantize=quantize,
        quantize_model=make_pipeline(
            pipeline.quantize_model.name,
            pipeline.quantize_model.description,
            [*with_defaults(parameters, defaults), *placement.parameters()],
            lambda given: _quantize_model(given, quantize, placement),
        ),
    )


def _quantize(placement: Placement) -> Any:
    own = parameters_of(pipeline.quantize)
    resources = [item for item in placement.parameters() if not _of_outer(item)]

    def body(given: Mapping[str, Any]) -> Any:
        output = pipeline.quantize.pipeline_func(**{item.name: given[item.name] for item in own})
        _place_all(placement, given)
        return output

    return make_pipeline(pipeline.quantize.name, pipeline.quantize.description, [*own, *resources], body)


def _of_outer(parameter: Parameter) -> bool:
    """Whether a parameter is of a step that only `quantize_model` has."""
    return parameter.name.startswith(("pin_", "fingerprint_", "resolve_"))


def _quantize_model(given: Mapping[str, Any], quantize: Any, placement: Placement) -> Any:
    """Makes the tasks of `quantize_model`, and returns its output."""
    known = {**given, **look_up(given)}
    resolved = resolve(model_uri=known["model"], model_digest=known["model_digest"], tracking_uri=given["tracking_uri"])
    _place_all(placement, given)
    passed = {name: value for name, value in known.items() if name in quantize.component_spec.inputs}
    return quantize(**{**passed, "saved_model": resolved.outputs["model"], "model_uri": known["model"]}).output


def _place_all(placement: Placement, given: Mapping[str, Any]) -> None:
    """Places every task made so far in the pipeline that is being made."""
    for task in pipeline_context.Pipeline.get_default_pipeline().tasks.values():
        placement.place(task, given)
