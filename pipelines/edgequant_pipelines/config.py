"""The configuration of a quantization: one YAML file, on a laptop and on a cluster."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from edgequant.artifacts.result import BEST, REGISTER
from edgequant.errors import ConfigError, EdgequantError, collected, did_you_mean, together
from edgequant.gate import Gate, check_gate, parse_gate
from edgequant.litert_interpreter import XNNPACK
from edgequant.model_uri import check_alias, check_model_uri
from edgequant.reference import Expected, check_reference, parse_reference
from edgequant.resolvers import check_resolver
from edgequant.sampling.decode.preprocessing import input_source
from edgequant.sampling.draw.selection import AUTO, FALSE
from edgequant.sampling.formats.files import check_patterns
from edgequant.sampling.formats.remote import wrong_place
from edgequant.sampling.referenced_files import remote_file
from edgequant.sampling.settings import check_sequence, check_settings
from edgequant.task import check_task_name
from edgequant.tracking.setting_checks import check_experiment, check_registered_model
from edgequant.tracking_uri import check_tracking_uri
from edgequant.variants import VARIANTS, check_variants
from edgequant_pipelines.deployment import Kubeflow
from edgequant_pipelines.yaml_files import explain, joined, read_mapping, read_yaml

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_SQLITE = "sqlite:///"
# Tracking URIs of MLflow that are neither URLs nor paths.
_NAMED_STORES = ("databricks", "databricks-uc")


def _word(value: object) -> object:
    """Returns the strings that YAML's true and false stand for; other values unchanged."""
    return {True: AUTO, False: FALSE}[value] if isinstance(value, bool) else value


Patterns = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """A section of the file: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Examples(_Section):
    """The sources of the examples, and how they become model inputs."""

    calibration: Patterns
    evaluation: Patterns = []
    inputs: dict[str, Any] = {}
    label: str = ""
    classes: list[str] = []
    classes_file: str = ""
    slice: Patterns = []
    group: str = ""
    sequence: dict[str, str] = {}
    keep: Patterns = []
    preprocess: str = ""


class Sampling(_Section):
    """The number of examples to draw, and the sampling rule."""

    calibration: Count = 500
    evaluation: Count = 10_000
    stratify: Annotated[str, BeforeValidator(_word)] = AUTO
    minimum_per_class: Annotated[int, Field(ge=0)] = 1
    weight: str = ""
    extremes: float = 0.0
    check_stability: bool = False
    # KFP passes numbers as doubles.
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 17


class Calibration(_Section):
    """What is allowed of the calibration set."""

    allow_mismatch: bool = False


class EvaluationSettings(_Section):
    """How the variants are evaluated."""

    # KFP passes numbers as doubles.
    budget_seconds: Annotated[float, Field(gt=0, le=86_400)] | None = None


with warnings.catch_warnings():
    # Pydantic warns that `register` shadows a method of ABCMeta, which is never called on a section.
    warnings.filterwarnings("ignore", message='Field name "register"', category=UserWarning)

    class Tracking(_Section):
        """Where results are recorded; an empty uri means the environment's."""

        uri: str = ""
        experiment: str = ""
        registered_model: str = ""
        alias: str = ""
        register: str = BEST
        # KFP passes numbers as doubles.
        retry_seconds: Annotated[float, Field(ge=0, le=86_400)] = 120.0


class Config(_Section):
    """The configuration of a quantization. Paths are absolute after loading."""

    name: str
    model: str
    signature: str = "serving_default"
    examples: Examples
    sampling: Sampling = Sampling()
    calibration: Calibration = Calibration()
    variants: list[str] = [name for name in VARIANTS if name != "int16x8"]
    task: str = "classification"
    resolver: str = XNNPACK
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: dict[str, Any] = {}
    reference: dict[str, Any] = {}
    champion: str = ""
    tracking: Tracking = Tracking()
    beam: list[str] = ["--runner=FnApiRunner"]
    kubeflow: Kubeflow = Kubeflow()

    def checked(self) -> Self:
        """Returns the configuration after checking that the steps allow every value.

        Raises:
            ConfigError: A value is not allowed; the message lists all that are not.
        """
        wrong = self.mistakes()
        if wrong:
            raise together(wrong)
        return self

    def mistakes(self) -> list[EdgequantError]:
        """Returns the errors of all values that the steps do not allow."""
        examples = self.examples
        return collected(
            self.check_name,
            lambda: check_model_uri("model", self.model),
            lambda: self.champion and check_model_uri("champion", self.champion),
            lambda: self._check_patterns("calibration", examples.calibration),
            lambda: check_patterns("examples.evaluation", examples.evaluation),
            lambda: check_variants(self.variants),
            lambda: check_task_name(self.task),
            lambda: check_resolver(self.resolver),
            self._check_sampling,
            self._check_gate,
            self._check_reference,
            *(partial(input_source, name, declared) for name, declared in examples.inputs.items()),
            self._check_referenced_files,
            self._check_preprocess,
            *self._tracking_checks(),
            self.kubeflow.checked,
        )

    def check_name(self) -> None:
        """Checks the name, which files and folders get as well.

        Raises:
            ConfigError: It is not allowed.
        """
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"name: {self.name!r} is not allowed; letters, digits, '.', '_' and '-', at most 100, are"
            )

    def _check_patterns(self, key: str, patterns: list[str]) -> None:
        if not patterns:
            raise ConfigError(f"examples.{key}: no pattern is given; one or more are needed")
        check_patterns(f"examples.{key}", patterns)

    def _check_sampling(self) -> None:
        check_settings(
            stratify=self.sampling.stratify,
            weight=self.sampling.weight,
            minimum=self.sampling.minimum_per_class,
            extremes=self.sampling.extremes,
            label=self.examples.label,
            task=self.task,
        )
        check_sequence(
            self.examples.sequence,
            stratify=self.sampling.stratify,
            weight=self.sampling.weight,
            extremes=self.sampling.extremes,
        )

    def _check_gate(self) -> None:
        gate = self.parsed_gate()
        check_task_name(self.task)
        check_gate(gate, self.task, labelled=bool(self.examples.label), champion=bool(self.champion))

    def _check_reference(self) -> None:
        check_task_name(self.task)
        check_reference(self.parsed_reference(), self.task, labelled=bool(self.examples.label))

    def _check_preprocess(self) -> None:
        if self.examples.preprocess and ":" not in self.examples.preprocess:
            raise ConfigError(
                f"examples.preprocess: {self.examples.preprocess!r} names no function; FILE.py:function or package.module:function does"
            )

    def parsed_gate(self) -> Gate:
        """Returns the gate."""
        return parse_gate(self.gate)

    def parsed_reference(self) -> Expected:
        """Returns what is expected of the reference."""
        return parse_reference(self.reference)

    def _check_referenced_files(self) -> None:
        examples = self.examples
        if examples.classes and examples.classes_file:
            raise ConfigError(
                f"examples.classes_file: {examples.classes_file!r} is given, and examples.classes as well; one of them is allowed"
            )
        for key, file in (("classes_file", examples.classes_file), ("preprocess", remote_file(examples.preprocess))):
            wrong = wrong_place(file) if file else ""
            if wrong:
                raise ConfigError(f"examples.{key}: {wrong}")

    def _tracking_checks(self) -> list[Callable[[], object]]:
        tracking = self.tracking
        return [
            lambda: check_tracking_uri("tracking.uri", tracking.uri),
            lambda: check_registered_model("tracking.registered_model", tracking.registered_model),
            lambda: check_experiment("tracking.experiment", tracking.experiment),
            self._check_alias,
            self._check_register,
        ]

    def _check_alias(self) -> None:
        tracking = self.tracking
        if tracking.alias and not tracking.registered_model:
            raise ConfigError(f"tracking.alias: {tracking.alias!r} is given without tracking.registered_model")
        if tracking.alias:
            check_alias("tracking.alias", tracking.alias)

    def _check_register(self) -> None:
        tracking = self.tracking
        if tracking.register not in REGISTER:
            raise ConfigError(
                f"tracking.register: unknown value {tracking.register!r}; choose from {', '.join(REGISTER)}"
                f"{did_you_mean(tracking.register, REGISTER)}"
            )


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Returns the configuration in a file.

    Args:
        path: The YAML file; relative paths in it are relative to it.
        overrides: ``KEY=VALUE`` texts that replace values, such as ``gate.max_drop_points=0.5``, or remove keys: ``champion=``.

    Raises:
        ConfigError: The file is missing, not YAML, or holds a key or a value that is not allowed.
    """
    config = read_config(path, overrides)
    wrong = config.mistakes()
    if wrong:
        raise together(wrong, str(path))
    return config


def read_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Returns the configuration in a file; checks only keys and types, so that the values are checked with all else.

    Args:
        path: The YAML file; relative paths in it are relative to it.
        overrides: As of `load_config`.

    Raises:
        ConfigError: The file is missing, not YAML, or holds an unknown key or a value of another type.
    """
    values = read_mapping(path, list(Config.model_fields))
    for text in overrides:
        _override(values, text)
    try:
        return _absolute(parse_config(values), path.resolve().parent)
    except ConfigError as error:
        raise together([error], str(path)) from error


def make_config(values: Mapping[str, Any], folder: Path) -> Config:
    """Returns the configuration of a file's values.

    Args:
        values: The content of the file.
        folder: The base of relative paths.

    Raises:
        ConfigError: A key or a value is not allowed.
    """
    return _absolute(parse_config(values), folder).checked()


def parse_config(values: Mapping[str, Any]) -> Config:
    """Returns the configuration of a file's values; checks only keys and types.

    Raises:
        ConfigError: A key is not allowed, or a value is of another type.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise together([ConfigError(text) for text in explain(error, Config)]) from error


def _override(values: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: {text!r} is not KEY=VALUE, such as gate.max_drop_points=0.5")
    *parents, last = key.split(".")
    for parent in parents:
        inner = values.get(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set: {key!r} goes into {parent!r}, which is not a mapping")
        # Copied, since a YAML anchor may share it with another section.
        values[parent] = dict(inner)
        values = values[parent]
    try:
        parsed = read_yaml(value)
    except ConfigError as error:
        raise ConfigError(f"--set: the value of {text!r}: {error}") from error
    if parsed is not None:
        values[last] = parsed
    elif last in values:
        del values[last]
    else:
        raise ConfigError(
            f"--set: {text!r} removes {key!r}, which does not exist{did_you_mean(last, map(str, values))}"
        )


def _absolute(config: Config, folder: Path) -> Config:
    """Returns the configuration with its relative paths joined to a folder.

    Raises:
        ConfigError: A path begins with the home directory of an unknown user.
    """

    def path(key: str, text: str) -> str:
        try:
            return text if not text or _URL.match(text) else str(joined(folder, text))
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from error

    examples = config.examples
    preprocess = examples.preprocess
    file, colon, function = preprocess.rpartition(":")
    if file.endswith(".py"):
        preprocess = path("examples.preprocess", file) + colon + function
    task_file, task_colon, task_function = config.task.rpartition(":")
    task = config.task
    if task_file.endswith(".py"):
        task = path("task", task_file) + task_colon + task_function
    uri = config.tracking.uri
    if uri.startswith(_SQLITE):
        uri = _SQLITE + path("tracking.uri", uri.removeprefix(_SQLITE))
    elif uri not in _NAMED_STORES:
        uri = path("tracking.uri", uri)
    return config.model_copy(
        update={
            "model": path("model", config.model),
            "champion": path("champion", config.champion),
            "task": task,
            "examples": examples.model_copy(
                update={
                    "calibration": [path("examples.calibration", pattern) for pattern in examples.calibration],
                    "evaluation": [path("examples.evaluation", pattern) for pattern in examples.evaluation],
                    "classes_file": path("examples.classes_file", examples.classes_file),
                    "preprocess": preprocess,
                }
            ),
            "tracking": config.tracking.model_copy(
                update={"uri": uri, "experiment": config.tracking.experiment or config.name}
            ),
        }
    )
