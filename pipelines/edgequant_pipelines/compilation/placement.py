"""Sets the images, resources, secrets and nodes of a pipeline's tasks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl, kubernetes

from edgequant_pipelines.compilation.options import CompileOptions
from edgequant_pipelines.deployment import Kubeflow, Toleration
from edgequant_pipelines.pipeline_parameters import Parameter
from edgequant_pipelines.step_defaults import RESOURCES, TABLE

# KFP appends a number to the name of a component's second task.
_NUMBER = re.compile(r"-\d+$")
_COMPONENTS = {"fetch-champion": "champion"}
_MEANINGS = {
    "cpu_request": "The CPU that {} asks for, such as 500m or 2.",
    "cpu_limit": "The most CPU that {} may use.",
    "memory_request": "The memory that {} asks for, such as 512Mi or 4Gi.",
    "memory_limit": "The most memory that {} may use.",
}
_LABEL = "app.kubernetes.io/part-of"
_STEP_LABEL = "app.kubernetes.io/component"
_BACKOFF_FACTOR = 2.0
# Argo stops retrying after this time, which includes the attempts themselves: longer than any step's timeout.
_RETRY_WINDOW = "86400s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The placement of tasks: images, resources, nodes, secrets.

    Attributes:
        options: The options of the compilation.
    """

    options: CompileOptions

    @property
    def settings(self) -> Kubeflow:
        """The configuration's section `kubeflow`."""
        return self.options.kubeflow

    def parameters(self) -> list[Parameter]:
        """Returns the pipeline parameters that hold the steps' resources."""
        return [
            Parameter(name=f"{step}_{name}", annotation=str, meaning=_MEANINGS[name].format(step), default=value)
            for step, default in TABLE.items()
            for name, value in {**default.resources(), **self.settings.step(step).resources()}.items()
        ]

    def place(self, task: dsl.PipelineTask, resources: Mapping[str, Any]) -> None:
        """Sets a task's image, resources, timeout, retries, secrets, nodes and labels.

        Args:
            task: A task of one of the steps.
            resources: The pipeline's parameters, by name, among them the step's resources.
        """
        step = step_of(task)
        default, own = TABLE[step], self.settings.step(step)
        task.set_container_image(self.options.image(task.container_spec.image))
        for name in RESOURCES:
            getattr(task, f"set_{name}")(resources[f"{step}_{name}"])
        # KFP 2.17 does not register them, so that a loop around the task would not receive them.
        task.register_pipeline_channels([resources[f"{step}_{name}"] for name in RESOURCES])
        kubernetes.set_timeout(task, own.timeout_seconds or default.timeout_seconds)
        if default.outside:
            self._reach_outside(task)
        for key, value in {**self.settings.node_selector, **own.node_selector}.items():
            kubernetes.add_node_selector(task, key, value)
        for toleration in (*self.settings.tolerations, *own.tolerations):
            _tolerate(task, toleration)
        for key, value in {**self.settings.labels, _LABEL: "edgequant", _STEP_LABEL: step}.items():
            kubernetes.add_pod_label(task, key, value)

    def _reach_outside(self, task: dsl.PipelineTask) -> None:
        if self.settings.retries:
            task.set_retry(
                self.settings.retries,
                backoff_duration=f"{self.settings.retry_seconds}s",
                backoff_factor=_BACKOFF_FACTOR,
                backoff_max_duration=_RETRY_WINDOW,
            )
        for secret, variables in self.settings.secret_variables().items():
            kubernetes.use_secret_as_env(task, secret_name=secret, secret_key_to_env=variables)


def step_of(task: dsl.PipelineTask) -> str:
    """Returns the configuration's name of a task's step."""
    return step_named(str(task.name))


def step_named(name: str) -> str:
    """Returns the configuration's name of a step, from the name of its component or task."""
    component = _NUMBER.sub("", name)
    return _COMPONENTS.get(component, component)


def _tolerate(task: dsl.PipelineTask, toleration: Toleration) -> None:
    fields = {name: value for name, value in toleration.model_dump().items() if value}
    kubernetes.add_toleration(task, **fields)
