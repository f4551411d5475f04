"""Walks the graph of a compiled pipeline and resolves what each task is given."""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

_CHANNEL = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")
_RUN_ID_PLACEHOLDER = "{{$.pipeline_job_uuid}}"
_NUMBERS = {pb.ParameterType.NUMBER_DOUBLE, pb.ParameterType.NUMBER_INTEGER}
_KINDS = {
    "string_value": {pb.ParameterType.STRING},
    "number_value": _NUMBERS,
    "bool_value": {pb.ParameterType.BOOLEAN},
    "list_value": {pb.ParameterType.LIST},
    "struct_value": {pb.ParameterType.STRUCT},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a task or a graph is given: as protocol buffers hold it, in which every number is a double."""

    parameters: dict[str, Value] = field(default_factory=dict)
    artifacts: dict[str, list[pb.RuntimeArtifact]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a task or a graph has made."""

    parameters: dict[str, Value] = field(default_factory=dict)
    artifacts: dict[str, list[pb.RuntimeArtifact]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerTask:
    """A task that a container runs.

    Attributes:
        name: Its name in its graph.
        component: What it is an instance of.
        container: The image, the command and the arguments.
        inputs: What it is given.
        cached: Whether what an equal task has made may stand for its own outputs.
    """

    name: str
    component: pb.ComponentSpec
    container: pb.PipelineDeploymentConfig.PipelineContainerSpec
    inputs: Inputs
    cached: bool


class Driver:
    """Runs a compiled pipeline, one task after another."""

    def __init__(self, spec: Mapping[str, Any], launch: Callable[[ContainerTask], Outputs]) -> None:
        """Reads the pipeline.

        Args:
            spec: The first document of the compiled YAML; what KFP's protocol buffers do not know is an error.
            launch: Runs a task in a container.
        """
        self._spec = json_format.ParseDict(dict(spec), pb.PipelineSpec())
        self._deployment = json_format.ParseDict(
            json_format.MessageToDict(self._spec.deployment_spec), pb.PipelineDeploymentConfig()
        )
        self._launch = launch
        self._run_id = ""

    def run(self, arguments: Mapping[str, Any]) -> Outputs:
        """Runs the pipeline with the arguments of a run, and returns its outputs."""
        self._run_id = str(uuid.uuid4())
        root = self._spec.root
        unknown = arguments.keys() - root.input_definitions.parameters.keys()
        assert not unknown, f"the pipeline has no parameters {sorted(unknown)}"
        given = {name: json_format.ParseDict(value, Value()) for name, value in arguments.items()}
        return self._graph(root, _checked(Inputs(parameters=given), root, with_defaults=True))

    def _graph(self, component: pb.ComponentSpec, inputs: Inputs) -> Outputs:
        done: dict[str, Outputs] = {}
        tasks = component.dag.tasks
        for name in TopologicalSorter({name: set(task.dependent_tasks) for name, task in tasks.items()}).static_order():
            done[name] = self._task(name, tasks[name], inputs, done)
        selected = {
            name: [
                artifact
                for selector in output.artifact_selectors
                for artifact in done[selector.producer_subtask].artifacts[selector.output_artifact_key]
            ]
            for name, output in component.dag.outputs.artifacts.items()
        }
        return Outputs(artifacts=selected, parameters=dict(_graph_parameters(component, done)))

    def _task(self, name: str, task: pb.PipelineTaskSpec, outer: Inputs, done: Mapping[str, Outputs]) -> Outputs:
        assert not task.trigger_policy.condition, f"{name}: conditions are not supported here"
        component = self._spec.components[task.component_ref.name]
        inputs = self._resolved(task, outer, done)
        if task.HasField("parameter_iterator"):
            return _collected(component, [self._graph(component, each) for each in _iterations(task, inputs)])
        if component.HasField("dag"):
            return self._graph(component, _checked(inputs, component, with_defaults=True))
        executor = self._deployment.executors[component.executor_label]
        assert executor.HasField("container"), f"{name}: only containers are supported here"
        return self._launch(
            ContainerTask(
                name=name,
                component=component,
                container=executor.container,
                # Defaults are not the driver's business but the launcher's.
                inputs=_checked(inputs, component, with_defaults=False),
                cached=task.caching_options.enable_cache,
            )
        )

    def _resolved(self, task: pb.PipelineTaskSpec, outer: Inputs, done: Mapping[str, Outputs]) -> Inputs:
        parameters = {
            name: value
            for name, source in task.inputs.parameters.items()
            if (value := self._parameter(source, task, outer, done)) is not None
        }
        artifacts = {}
        for name, source in task.inputs.artifacts.items():
            if source.WhichOneof("kind") == "task_output_artifact":
                output = source.task_output_artifact
                artifacts[name] = done[output.producer_task].artifacts[output.output_artifact_key]
            elif source.component_input_artifact in outer.artifacts:
                artifacts[name] = outer.artifacts[source.component_input_artifact]
        return Inputs(parameters=parameters, artifacts=artifacts)

    def _parameter(
        self,
        source: pb.TaskInputsSpec.InputParameterSpec,
        task: pb.PipelineTaskSpec,
        outer: Inputs,
        done: Mapping[str, Outputs],
    ) -> Value | None:
        """Returns the value of an input, or None where an optional one is left out."""
        assert not source.parameter_expression_selector, "expressions are not supported here"
        match source.WhichOneof("kind"):
            case "component_input_parameter":
                value = outer.parameters.get(source.component_input_parameter)
                return None if value is None or value.HasField("null_value") else value
            case "task_output_parameter":
                output = source.task_output_parameter
                return done[output.producer_task].parameters[output.output_parameter_key]
            case "runtime_value":
                constant = source.runtime_value.constant
                if constant.string_value == _RUN_ID_PLACEHOLDER:
                    return Value(string_value=self._run_id)
                channel = _CHANNEL.fullmatch(constant.string_value)
                return self._parameter(task.inputs.parameters[channel[1]], task, outer, done) if channel else constant
            case kind:
                raise AssertionError(f"inputs by {kind} are not supported here")


def _checked(inputs: Inputs, component: pb.ComponentSpec, *, with_defaults: bool) -> Inputs:
    """Returns inputs as a component declares them: another value than a text becomes one for a text, others are refused."""
    values = dict(inputs.parameters)
    for name, declared in component.input_definitions.parameters.items():
        if name not in values:
            assert declared.is_optional or declared.HasField("default_value"), f"the parameter {name!r} is missing"
            if with_defaults and declared.HasField("default_value"):
                values[name] = declared.default_value
            continue
        kind = values[name].WhichOneof("kind")
        if declared.parameter_type == pb.ParameterType.STRING and kind != "string_value":
            values[name] = Value(string_value=json.dumps(json_format.MessageToDict(values[name])))
        else:
            assert declared.parameter_type in _KINDS[str(kind)], f"the parameter {name!r} is of the wrong type, {kind}"
    for name, artifact in component.input_definitions.artifacts.items():
        assert name in inputs.artifacts or artifact.is_optional, f"the artifact {name!r} is missing"
    return Inputs(parameters=values, artifacts=inputs.artifacts)


def _iterations(task: pb.PipelineTaskSpec, inputs: Inputs) -> Iterator[Inputs]:
    items = task.parameter_iterator.items
    rest = dict(inputs.parameters)
    if items.WhichOneof("kind") == "raw":
        values = json_format.Parse(items.raw, Value()).list_value.values
    else:
        values = rest.pop(items.input_parameter).list_value.values
    for value in values:
        yield Inputs(parameters={**rest, task.parameter_iterator.item_input: value}, artifacts=inputs.artifacts)


def _collected(component: pb.ComponentSpec, iterations: list[Outputs]) -> Outputs:
    """Returns what a loop has made: of each output a list, in the order of the iterations."""
    artifacts = {
        name: [artifact for outputs in iterations for artifact in outputs.artifacts[name]]
        for name in component.output_definitions.artifacts
    }
    assert not component.output_definitions.parameters, "loops over parameters are not supported here"
    return Outputs(artifacts=artifacts)


def _graph_parameters(component: pb.ComponentSpec, done: Mapping[str, Outputs]) -> Iterator[tuple[str, Value]]:
    for name, output in component.dag.outputs.parameters.items():
        selector = output.value_from_parameter
        yield name, done[selector.producer_subtask].parameters[selector.output_parameter_key]
