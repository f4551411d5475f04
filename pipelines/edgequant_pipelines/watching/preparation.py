"""The prerequisites of a claim's run, or the reason why it cannot run."""

from dataclasses import dataclass

from edgequant.errors import ConfigError
from edgequant.steps import describe
from edgequant_pipelines.config import Config
from edgequant_pipelines.watching.claims import Claim
from edgequant_pipelines.watching.model_registry import ModelRegistry, RegistryError
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.rules.rules import Rules

_GONE = "the version's files are gone"
_CHANGED = "its rule's configuration was changed while it was under way"


@dataclass(frozen=True, slots=True)
class Ready:
    """The prerequisites of a run.

    Attributes:
        version: The current state of the version.
        config: Its configuration.
        tags: The digest of the tags that filled in the configuration.
    """

    version: ModelVersion
    config: Config
    tags: str


@dataclass(frozen=True, slots=True)
class NotReady:
    """Why a claim cannot run.

    Attributes:
        reason: The message; "" if the claim's rule or version no longer exists, so that it is dropped.
        final: Whether a retry would fail with the same error.
        tags: The digest of the tags that may be the cause, or "".
    """

    reason: str = ""
    final: bool = True
    tags: str = ""


def prepare(
    rules: Rules, registry: ModelRegistry, claim: Claim, version: ModelVersion | None = None
) -> Ready | NotReady:
    """Returns the prerequisites of a claim's run, or the reason why it cannot run.

    Args:
        rules: The current rules.
        registry: The registry.
        claim: The claim.
        version: The current state of the version; None to request it.

    Raises:
        RegistryError: MLflow does not answer.
    """
    if claim.rule not in rules.rules:
        return NotReady()
    template = rules.templates[claim.rule]
    if template.digest != claim.digest:
        return NotReady(_CHANGED)
    version = version or registry.version(claim.name, claim.version)
    if version is None or not claim.is_of(version):
        return NotReady()
    try:
        files_exist = registry.has_files(version)
    except RegistryError as error:
        # The error may concern only this version; if MLflow is down, writing the claim fails, too.
        return NotReady(f"its files cannot be listed: {error}", final=False)
    if not files_exist:
        return NotReady(_GONE)
    tags = template.tags_of(version)
    try:
        return Ready(version, template.fill(version), tags)
    except ConfigError as error:
        return NotReady(describe(error), tags=tags)
    except KeyError as error:
        return NotReady(f"it has no tag {error}", tags=tags)
