"""The configuration's section `kubeflow`: how the steps run on a cluster."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgequant.errors import ConfigError, did_you_mean
from edgequant_pipelines.image_names import check_image_prefix, check_image_tag
from edgequant_pipelines.step_defaults import PARALLELISM, RESOURCES, STEPS, TABLE
from edgequant_pipelines.yaml_files import UNREPEATED

_CPU = re.compile(r"(?:[0-9]*\.)?[0-9]+m?")
# Kubernetes writes a thousand with a small k.
_MEMORY = re.compile(r"[0-9]+(?:[EPTGM]i?|Ki|k)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")

Seconds = Annotated[int, Field(ge=1)]


def _written(value: object) -> object:
    """Returns an amount as the text that Kubernetes reads, also if YAML read it as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _secrets(value: object) -> object:
    """Returns the secrets by name.

    Raises:
        PydanticCustomError: The value is not a mapping; it is not repeated, since it may be a password.
    """
    if not isinstance(value, dict):
        raise PydanticCustomError(UNREPEATED, "a mapping of the secrets' names is needed, {NAME: [KEY]}")
    return value


def _secret_keys(value: object) -> object:
    """Returns the keys of a secret.

    Raises:
        PydanticCustomError: The value is neither a list nor a mapping of strings; it is not repeated, as it may be a password.
    """
    texts = [*value, *value.values()] if isinstance(value, dict) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError(
            UNREPEATED,
            "the names of its keys are needed, never their values: a list of them, [KEY], or a mapping to the environment variables that they become, {KEY: VARIABLE}",
        )
    return value


Amount = Annotated[str, BeforeValidator(_written)]
SecretKeys = Annotated[list[str] | dict[str, str], BeforeValidator(_secret_keys)]


class _KubeflowSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Toleration(_KubeflowSection):
    """A taint that a pod tolerates."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class StepSettings(_KubeflowSection):
    """The settings of one step that differ from its defaults; empty values mean the default."""

    cpu_request: Amount = ""
    cpu_limit: Amount = ""
    memory_request: Amount = ""
    memory_limit: Amount = ""
    timeout_seconds: Seconds | None = None
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []

    def resources(self) -> dict[str, str]:
        """Returns the resources that differ, by the names of their parameters."""
        return {name: value for name in RESOURCES if (value := getattr(self, name))}


class Kubeflow(_KubeflowSection):
    """How the compiled pipeline runs."""

    image_prefix: str = ""
    image_tag: str = ""
    mounted: list[str] = []
    secrets: Annotated[dict[str, SecretKeys], BeforeValidator(_secrets)] = {}
    retries: Annotated[int, Field(ge=0, le=20)] = 3
    retry_seconds: Seconds = 60
    parallelism: Annotated[int, Field(ge=1)] = PARALLELISM
    labels: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    steps: dict[str, StepSettings] = {}

    def step(self, name: str) -> StepSettings:
        """Returns the settings of a step that differ from its defaults."""
        return self.steps.get(name, StepSettings())

    def secret_variables(self) -> dict[str, dict[str, str]]:
        """Returns, by secret, the environment variable that each of its keys becomes."""
        return {
            secret: dict(keys) if isinstance(keys, Mapping) else {key: key for key in keys}
            for secret, keys in self.secrets.items()
        }

    def checked(self) -> Self:
        """Returns the section after checking that registries and Kubernetes allow every value.

        Raises:
            ConfigError: A value is not allowed.
        """
        if self.image_prefix:
            check_image_prefix("kubeflow.image_prefix", self.image_prefix, "kubeflow.image_tag: ")
        if self.image_tag:
            check_image_tag("kubeflow.image_tag", self.image_tag)
        for name, step in self.steps.items():
            if name not in STEPS:
                raise ConfigError(
                    f"kubeflow.steps: unknown step {name!r}; choose from {', '.join(STEPS)}{did_you_mean(name, STEPS)}"
                )
            _check_resources(f"kubeflow.steps.{name}", step)
            _check_room(f"kubeflow.steps.{name}", step.resources(), TABLE[name].resources())
            _check_labels(f"kubeflow.steps.{name}.node_selector", step.node_selector)
            _check_tolerations(f"kubeflow.steps.{name}.tolerations", step.tolerations)
        for path in self.mounted:
            if not path.startswith("/") or path.strip("/") == "":
                raise ConfigError(f"kubeflow.mounted: {path!r} is not allowed; the absolute path of a folder is")
        _check_labels("kubeflow.labels", self.labels)
        _check_labels("kubeflow.node_selector", self.node_selector)
        _check_tolerations("kubeflow.tolerations", self.tolerations)
        self._check_secrets()
        return self

    def _check_secrets(self) -> None:
        seen: dict[str, str] = {}
        for secret, variables in self.secret_variables().items():
            if not _SUBDOMAIN.fullmatch(secret) or len(secret) > 253:
                raise ConfigError(
                    f"kubeflow.secrets: {secret!r} cannot be the name of a secret; small letters, digits, '-' and '.' can"
                )
            for key, variable in variables.items():
                # The value may be a misplaced password, so the message does not repeat it.
                if not _KEY.fullmatch(key) or not _VARIABLE.fullmatch(variable):
                    raise ConfigError(
                        f"kubeflow.secrets.{secret}: holds what is no environment variable's name, or a key that no secret can have; name its keys, never their values"
                    )
                if variable in seen:
                    raise ConfigError(
                        f"kubeflow.secrets: {variable} is in {seen[variable]!r} and in {secret!r}; one of them can give it"
                    )
                seen[variable] = secret


def _check_resources(where: str, step: StepSettings) -> None:
    for name, value in step.model_dump(include={"cpu_request", "cpu_limit"}).items():
        if value and not _CPU.fullmatch(value):
            raise ConfigError(f"{where}.{name}: {value!r} is no amount of CPU; '2', '0.5' and '500m' are")
    for name, value in step.model_dump(include={"memory_request", "memory_limit"}).items():
        if value and not _MEMORY.fullmatch(value):
            raise ConfigError(f"{where}.{name}: {value!r} is no amount of memory; '512Mi' and '4Gi' are")


def _check_room(where: str, own: Mapping[str, str], default: Mapping[str, str]) -> None:
    """Checks that a step's requests do not exceed its limits.

    Args:
        where: The key of the step's settings.
        own: The configured resources.
        default: The step's default resources.

    Raises:
        ConfigError: A request exceeds its limit; Kubernetes would refuse the pod.
    """
    for kind in ("cpu", "memory"):
        request, limit = f"{kind}_request", f"{kind}_limit"
        if not own.keys() & {request, limit}:
            continue
        # The import takes a second.
        from kubernetes.utils.quantity import parse_quantity

        requested, allowed = ({**default, **own}[name] for name in (request, limit))
        if parse_quantity(requested) <= parse_quantity(allowed):
            continue
        if limit not in own:
            raise ConfigError(
                f"{where}.{request}: {requested!r} is above the {limit} {allowed!r}, the step's default; give {limit} as well"
            )
        whose = "" if request in own else f", the step's default; give {request} as well"
        raise ConfigError(f"{where}.{limit}: {allowed!r} is below the {request} {requested!r}{whose}")


def _check_labels(where: str, labels: Mapping[str, str]) -> None:
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _WORD.fullmatch(name) or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            raise ConfigError(
                f"{where}: {key!r} cannot be a label's key; NAME and PREFIX/NAME of at most 63 characters can"
            )
        if value and not _WORD.fullmatch(value):
            raise ConfigError(
                f"{where}: {value!r} cannot be a label's value; letters, digits, '-', '_' and '.', at most 63, can"
            )


def _check_tolerations(where: str, tolerations: list[Toleration]) -> None:
    for toleration in tolerations:
        if toleration.operator == "Exists" and toleration.value:
            raise ConfigError(f"{where}: operator Exists takes no value, and {toleration.value!r} is given")
        if not toleration.key and toleration.operator != "Exists":
            raise ConfigError(f"{where}: without a key, operator must be Exists")
