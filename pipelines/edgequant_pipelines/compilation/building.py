"""Builds the pipelines with the settings that their steps need on a cluster."""

from collections.abc import Mapping
from typing import Any

from kfp.dsl import pipeline_context, tasks_group

from edgequant.resolution.component import resolve
from edgequant_pipelines import pipeline
from edgequant_pipelines.argument_size import check_argument_size
from edgequant_pipelines.arguments import declared_arguments
from edgequant_pipelines.compilation.options import CompileOptions
from edgequant_pipelines.compilation.placement import Placement
from edgequant_pipelines.pins import LOOKED_UP, look_up
from edgequant_pipelines.pipeline_parameters import Parameter, make_pipeline, parameters_of, with_defaults


def build_quantize(options: CompileOptions) -> Any:
    """Returns the pipeline that takes the model as an artifact, so that it nests in a training pipeline.

    It has the images and all settings of the configuration's section `kubeflow`.

    Raises:
        ConfigError: The file that the configuration's `preprocess` names cannot be read, or the parameters' defaults are too large.
    """
    return _quantize(Placement(options=options), _defaults(options))


def build_quantize_model(options: CompileOptions) -> Any:
    """Returns the pipeline that takes a model's URI; it resolves names to digests when it runs.

    Raises:
        ConfigError: The file that the configuration's `preprocess` names cannot be read, or the parameters' defaults are too large.
    """
    placement = Placement(options=options)
    # The outer pipeline passes every argument, so that the inner one needs no defaults.
    quantize = _quantize(placement, {})
    parameters = [item for item in parameters_of(pipeline.quantize_model) if item.name not in LOOKED_UP]
    return make_pipeline(
        pipeline.quantize_model.name,
        pipeline.quantize_model.description,
        [*with_defaults(parameters, _defaults(options)), *placement.parameters()],
        lambda arguments: _quantize_model(arguments, quantize, placement),
    )


def _defaults(options: CompileOptions) -> dict[str, Any]:
    if not options.config or not options.defaults:
        return {}
    defaults = declared_arguments(options.config)
    # The backend passes the defaults to a driver on a command line, too.
    check_argument_size(defaults)
    return defaults


def _quantize(placement: Placement, defaults: Mapping[str, Any]) -> Any:
    own = with_defaults(parameters_of(pipeline.quantize), defaults)
    resources = [item for item in placement.parameters() if not _of_outer(item)]

    def body(parameters: Mapping[str, Any]) -> Any:
        output = pipeline.quantize.pipeline_func(**{item.name: parameters[item.name] for item in own})
        _place_all(placement, parameters)
        _limit_loops(placement.settings.parallelism)
        return output

    return make_pipeline(pipeline.quantize.name, pipeline.quantize.description, [*own, *resources], body)


def _of_outer(parameter: Parameter) -> bool:
    """Returns whether a parameter belongs to a step that only `quantize_model` has."""
    return parameter.name.startswith(("pin_", "fingerprint_", "resolve_"))


def _quantize_model(parameters: Mapping[str, Any], quantize: Any, placement: Placement) -> Any:
    """Creates the tasks of `quantize_model`, and returns its output."""
    known = {**parameters, **look_up(parameters)}
    resolved = resolve(
        model_uri=known["model"], model_digest=known["model_digest"], tracking_uri=parameters["tracking_uri"]
    )
    _place_all(placement, parameters)
    passed = {name: value for name, value in known.items() if name in quantize.component_spec.inputs}
    return quantize(**{**passed, "saved_model": resolved.outputs["model"], "model_uri": known["model"]}).output


def _place_all(placement: Placement, parameters: Mapping[str, Any]) -> None:
    """Applies the placement to every task created so far in the pipeline being built."""
    for task in pipeline_context.Pipeline.get_default_pipeline().tasks.values():
        placement.place(task, parameters)


def _limit_loops(parallelism: int) -> None:
    """Limits the concurrent iterations of each loop of the pipeline being built."""
    for group in pipeline_context.Pipeline.get_default_pipeline().groups[-1].groups:
        if isinstance(group, tasks_group.ParallelFor):
            group.parallelism_limit = parallelism
