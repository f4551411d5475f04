"""What a claim's run needs before it is started, or why it cannot run."""

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
    """What a run needs.

    Attributes:
        version: The version as it is now.
        config: Its configuration.
        tags: The digest of the tags that it was filled in from.
    """

    version: ModelVersion
    config: Config
    tags: str


@dataclass(frozen=True, slots=True)
class NotReady:
    """Why a claim cannot run.

    Attributes:
        reason: For people; "" when the claim is nobody's here: its rule or its version is gone.
        final: Whether another attempt would fail alike.
        tags: The digest of the tags that may be what is wrong, or "".
    """

    reason: str = ""
    final: bool = True
    tags: str = ""


def prepare(
    rules: Rules, registry: ModelRegistry, claim: Claim, version: ModelVersion | None = None
) -> Ready | NotReady:
    """Returns what a claim's run needs, or why it cannot run.

    Args:
        rules: The rules in force.
        registry: The registry.
        claim: The claim.
        version: The version as it is now; None to ask for it.

    Raises:
        RegistryError: MLflow cannot be asked for the version.
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
        # It may be this version's alone; when all of MLflow is silent, the claim cannot be written either.
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
