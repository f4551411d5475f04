"""Checks at the start of a run: all that can be known before a file is read to its end, in one list of all mistakes."""

import inspect
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgequant.child_process import Limits, forkserver, machine_memory
from edgequant.child_process import run as run_in_child
from edgequant.errors import ConfigError, EdgequantError, EvaluationError, ExamplesError, collected, together
from edgequant.mlflow_access.reachability import check_reachable
from edgequant.model_uri import is_path
from edgequant.own_metric import MetricInputs, own_metrics
from edgequant.sampling.first_records import check_first_records
from edgequant.sampling.settings import ExampleSources
from edgequant.signature import ModelSignature
from edgequant.signature_reader import read_signature
from edgequant.task import is_custom, load_function
from edgequant_pipelines.arguments import declared_arguments, local_tracking_uri
from edgequant_pipelines.config import Config
from edgequant_pipelines.example_count import check_example_count

# The user's code runs in a child process: it may hang, crash, or import a framework.
_CODE_SECONDS = 60.0
_MEMORY_SHARE = 0.9
# What a metric raises because of values that are made up, such as all outputs being equal, is no mistake.
_BY_VALUES = ("ValueError", "IndexError", "ArithmeticError")


def check_before_start(config: Config, work: Path) -> str:
    """Returns the MLflow tracking URI of a run on this machine, after all checks that need only a moment.

    These are the values of the configuration; the model's signature; the first record of each source with the inputs, the label and
    the user's functions; the number of examples that the gate needs; and MLflow. Nothing is read to its end, and nothing twice.

    Args:
        config: The configuration, whose values need not be checked.
        work: The work directory.

    Raises:
        EdgequantError: Something is wrong; the message lists all mistakes.
    """
    wrong = config.mistakes()
    sections = {str(error).partition(":")[0].partition(".")[0] for error in wrong}
    uri = ""
    with ThreadPoolExecutor(1) as pool:
        try:
            uri = "" if "tracking" in sections else local_tracking_uri(config, work)
        except EdgequantError as error:
            wrong.append(error)
        reaching = pool.submit(collected, partial(check_reachable, uri)) if uri else None
        signature, unreadable = (None, []) if sections & {"model", "signature"} else _signature(config)
        wrong += unreadable
        if not sections & {"examples", "task", "sampling"}:
            wrong += _of_examples(config, signature)
        if not sections & {"gate", "task"}:
            wrong += collected(partial(check_example_count, config))
        if config.champion and is_path(config.champion) and not Path(config.champion).exists():
            wrong.append(ConfigError(f"champion: {config.champion} does not exist"))
        wrong += reaching.result() if reaching else []
    if wrong:
        raise together(wrong)
    return uri


def _signature(config: Config) -> tuple[ModelSignature | None, list[EdgequantError]]:
    """Returns the signature of a model on this machine, and what is wrong; None of one that is to be downloaded."""
    if not is_path(config.model):
        return None, []
    try:
        return read_signature(Path(config.model), config.signature), []
    except EdgequantError as error:
        return None, [error]


def _of_examples(config: Config, signature: ModelSignature | None) -> list[EdgequantError]:
    """Returns what is wrong with the examples and the user's functions; without a signature, with the task's function."""
    try:
        values = declared_arguments(config)
    except EdgequantError as error:
        return [error]
    sources = None if signature is None else example_sources(values, signature)
    request = CodeRequest(
        task=values["task"],
        task_source=values["task_source"],
        metric=config.gate.get("metric") or "",
        sources=sources,
    )
    limits = Limits(seconds=_CODE_SECONDS, memory_bytes=int(machine_memory() * _MEMORY_SHARE))
    with tempfile.TemporaryDirectory(prefix="edgequant-") as folder:
        log = Path(folder) / "log"
        outcome = run_in_child(forkserver(__name__), examine, (request, str(Path.cwd())), limits, log)
    if outcome.os_error is not None:
        raise outcome.os_error
    if outcome.failure is not None:
        return [
            ExamplesError(
                f"examples: the first record cannot be decoded with {config.examples.preprocess or 'these settings'}"
                f" and the task {config.task!r}: the process failed: {outcome.failure}"
            )
        ]
    found: list[Mistake] = outcome.value
    return [(ConfigError if mistake.wrong_config else ExamplesError)(mistake.text) for mistake in found]


def example_sources(values: dict[str, Any], signature: ModelSignature) -> ExampleSources:
    """Returns the settings of the sample step.

    Args:
        values: The arguments of the pipeline.
        signature: The model's signature.
    """
    names = set(ExampleSources.__dataclass_fields__) - {"signature", "calibration", "evaluation"}
    return ExampleSources(
        signature=signature,
        calibration=values["calibration_examples"],
        evaluation=values["evaluation_examples"],
        **{name: values[name] for name in names},
    )


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What to check in a child process.

    Attributes:
        task: The task.
        task_source: The text of the file that a metric of one's own is in; "" for a module.
        metric: The metric that the gate names, or "".
        sources: The settings of the sample step; None without a signature.
    """

    task: str
    task_source: str
    metric: str
    sources: ExampleSources | None


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake as it is sent between processes."""

    text: str
    wrong_config: bool


def examine(request: CodeRequest, directory: str) -> list[Mistake]:
    """Returns the mistakes of the task and of the first record of each source.

    Args:
        request: What to check.
        directory: The working directory, from which a step imports the user's modules as well.
    """
    sys.path.insert(0, directory)
    wrong, label = [], None
    if request.sources is not None:
        records = check_first_records(request.sources)
        wrong, label = records.mistakes, records.label
    if is_custom(request.task):
        wrong += collected(partial(_try_task, request, label))
    return [Mistake(str(error), isinstance(error, ConfigError)) for error in wrong]


def _try_task(request: CodeRequest, label: NDArray[Any] | None) -> None:
    """Imports a custom metric, and calls it on the label of one record, with outputs of zeros, if both are known.

    Raises:
        ConfigError: There is no such function, or the gate names a metric that it does not return.
        EvaluationError: It cannot be called with outputs and labels, or does not return metrics.
    """
    try:
        function = load_function(request.task, request.task_source)
    except ConfigError as error:
        raise ConfigError(f"task: {error}") from error
    if request.sources is not None and _takes_more(function, request.task, request.sources):
        return
    outputs = () if request.sources is None else request.sources.signature.outputs
    if label is None or not outputs or any(spec.shape is None or None in spec.shape[1:] for spec in outputs):
        return
    made_up = {
        spec.name: np.zeros((1, *(size or 1 for size in (spec.shape or ())[1:])), np.float32) for spec in outputs
    }
    try:
        metrics = own_metrics(request.task, made_up, label[np.newaxis], MetricInputs(source=request.task_source))
    except EvaluationError as error:
        cause = error.__cause__
        if cause is not None and any(kind.__name__ in _BY_VALUES for kind in type(cause).__mro__):
            return
        if cause is None and "finite numbers" in str(error):
            return
        raise
    if request.metric and request.metric not in metrics:
        raise ConfigError(
            f"gate.metric: {request.metric!r} is no metric of {request.task}, which returns {', '.join(metrics)}"
        )


def _takes_more(function: Callable[..., Any], task: str, sources: ExampleSources) -> bool:
    """Tells whether a metric takes more than outputs and labels: it is then not called on made-up values.

    Raises:
        ConfigError: It takes features or groups, and none are configured.
    """
    try:
        names = set(inspect.signature(function).parameters)
    except ValueError:  # A function in C without a signature.
        return False
    if "features" in names and not sources.keep:
        raise ConfigError(f"task: {task} takes features; none is kept (examples.keep)")
    if "groups" in names and not (sources.group or sources.sequence):
        raise ConfigError(f"task: {task} takes groups; the examples have none (examples.group)")
    return bool(names & {"inputs", "features", "groups"})
