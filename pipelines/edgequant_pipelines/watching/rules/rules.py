"""RULES.yaml: which model versions are quantized, and how."""

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from edgequant.errors import ConfigError
from edgequant_pipelines.installation import missing_module
from edgequant_pipelines.watching.rules.template import Template, load_template
from edgequant_pipelines.watching.rules.template_check import check, check_for_cluster
from edgequant_pipelines.yaml_files import explain, joined, read_mapping

LOCAL, KUBEFLOW = "local", "kubeflow"
_EXPERIMENT = "edgequant"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
Text = Annotated[str, Field(min_length=1)]


def _date(value: object) -> object:
    """Returns a date, also for one in quotes, which YAML reads as a string."""
    return date.fromisoformat(value) if isinstance(value, str) else value


class _RuleSection(BaseModel):
    """A section of the file: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Bound(_RuleSection):
    """The allowed range of a metric."""

    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Returns whether a value is within the range; NaN never is."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Rule(_RuleSection):
    """Selects versions, and names their configuration and launcher."""

    name: str
    registered_model: Text
    tags: dict[str, str] = {}
    alias: str = ""
    run: Literal["finished", "any"] = "finished"
    metrics: dict[str, Bound] = {}
    created_after: Annotated[date | None, BeforeValidator(_date)] = None
    config: Text
    submit: Literal["local", "kubeflow"] = "local"
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    retry_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class KubeflowServer(_RuleSection):
    """The server of rules with ``submit: kubeflow``; an empty host means the cluster in which the watcher runs."""

    host: str = ""
    namespace: str = ""
    experiment: Annotated[str, AfterValidator(lambda name: name or _EXPERIMENT)] = _EXPERIMENT


class _RulesContent(_RuleSection):
    """The content of RULES.yaml."""

    rules: Annotated[list[Rule], Field(min_length=1)]
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 2
    sweep_seconds: Annotated[float, Field(ge=1)] = 600.0
    kubeflow: KubeflowServer = KubeflowServer()


class Rules(BaseModel):
    """The rules, with the configurations that they name.

    Attributes:
        rules: By name, in the order of the file.
        templates: Each rule's configuration.
        concurrency: The limit of concurrent runs.
        sweep_seconds: The interval of sweeps through the registry.
        kubeflow: The Kubeflow Pipelines server.
        digest: The digest of the rules and their configurations.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    rules: dict[str, Rule]
    templates: dict[str, Template]
    concurrency: int
    sweep_seconds: float
    kubeflow: KubeflowServer
    digest: str

    def launchers(self) -> set[str]:
        """Returns the names of the launchers that the rules need."""
        return {rule.submit for rule in self.rules.values()}


def load_rules(path: Path, tracking_uri: str = "") -> Rules:
    """Returns the rules in a file.

    Args:
        path: The file.
        tracking_uri: The MLflow server of configurations without one; "" if unknown.

    Raises:
        ConfigError: The file or a configuration that it names is missing, is not YAML, or holds a value that is not allowed.
    """
    values = read_mapping(path, list(_RulesContent.model_fields))
    try:
        file = _RulesContent.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {'; '.join(explain(error, _RulesContent))}") from error
    folder = path.resolve().parent
    templates: dict[str, Template] = {}
    for index, rule in enumerate(file.rules):
        try:
            _check(rule, set(templates))
            templates[rule.name] = load_template(joined(folder, rule.config))
            check(templates[rule.name])
            if rule.submit == KUBEFLOW:
                check_for_cluster(templates[rule.name], tracking_uri)
        except ConfigError as error:
            raise ConfigError(f"{path}: rules.{index}: {error}") from error
    _check_experiment(path, file)
    parts = [file.model_dump_json(), *(template.digest for template in templates.values())]
    return Rules(
        rules={rule.name: rule for rule in file.rules},
        templates=templates,
        concurrency=file.concurrency,
        sweep_seconds=file.sweep_seconds,
        kubeflow=file.kubeflow,
        digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
    )


class RulesFile:
    """RULES.yaml, reloaded when it is edited: the last valid rules, and the error in newer ones.

    Args:
        path: The file.
        tracking_uri: The MLflow server of configurations without one; "" if unknown.

    Attributes:
        path: The file.
        rules: The last valid rules.
        problem: The error in the current file, or "".
    """

    def __init__(self, path: Path, tracking_uri: str = "") -> None:
        self.path = path
        self._tracking_uri = tracking_uri
        self.rules = load_rules(path, tracking_uri)
        self.problem = ""

    def reload(self) -> bool:
        """Reads the file and its configurations again, and returns whether the rules changed."""
        try:
            rules = load_rules(self.path, self._tracking_uri)
        except ConfigError as error:
            self.problem = str(error)
            return False
        self.problem = ""
        if rules.digest == self.rules.digest:
            return False
        self.rules = rules
        return True


def _check_experiment(path: Path, file: _RulesContent) -> None:
    """Checks the name of the experiment at Kubeflow, if a rule uses Kubeflow: it does not depend on versions."""
    if all(rule.submit != KUBEFLOW for rule in file.rules):
        return
    from edgequant_pipelines.kubeflow.names import check_name

    try:
        check_name("experiment", file.kubeflow.experiment)
    except ConfigError as error:
        raise ConfigError(f"{path}: kubeflow.experiment: {error}") from error


def _check(rule: Rule, names: set[str]) -> None:
    if not _NAME.fullmatch(rule.name):
        raise ConfigError(f"name: {rule.name!r} is not allowed; lower-case letters, digits and '-', at most 40, are")
    if rule.name in names:
        raise ConfigError(f"name: {rule.name!r} is another rule's; names tell the rules' runs apart")
    for metric, bound in rule.metrics.items():
        if bound.at_least is None and bound.at_most is None:
            raise ConfigError(f"metrics.{metric}: has no bound; at_least or at_most is needed")
        if bound.at_least is not None and bound.at_most is not None and bound.at_least > bound.at_most:
            raise ConfigError(
                f"metrics.{metric}: at_least {bound.at_least:g} is above at_most {bound.at_most:g}: no value is within"
            )
    if rule.submit == LOCAL and (missing := missing_module()):
        raise ConfigError(
            f"submit: {LOCAL!r} runs every step on this machine, and {missing} is not installed; pip install 'edgequant[all]', or take {KUBEFLOW!r}"
        )
    if rule.metrics and rule.run == "any":
        raise ConfigError("run: 'any' is given with metrics, which are final only once a run is finished")
