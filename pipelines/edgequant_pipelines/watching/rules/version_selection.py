"""Which versions a rule selects: pure functions over data from the registry."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from difflib import get_close_matches
from enum import Enum
from fnmatch import fnmatchcase

from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun
from edgequant_pipelines.watching.rules.rules import Rule
from edgequant_pipelines.watching.rules.template import Template

# The tag of versions and runs that the track step creates: outputs of a quantization are not quantized again.
OWN = "edgequant.variant"
UNFINISHED = ("RUNNING", "SCHEDULED")
_GLOB = re.compile(r"[*?\[]")
# A character class: a "]" at the beginning, or after "!", does not end it.
_ONE_OF = re.compile(r"\[!?+\]?+[^\]]*\]")
_WORD = re.compile(r"[A-Za-z0-9_./ -]+")


class Choice(Enum):
    """The current decision of a rule about a version."""

    SELECTED = "selected"
    WAITING = "waiting"
    NO = "no"


def matches(rule: Rule, name: str) -> bool:
    """Returns whether a rule matches a registered model."""
    return fnmatchcase(name, rule.registered_model)


def is_candidate(rule: Rule, template: Template, version: ModelVersion) -> bool:
    """Returns whether a rule selects a version by the version's own data: name, status, tags, age."""
    return (
        matches(rule, version.name)
        and version.ready
        and OWN not in version.tags
        and all(version.tags.get(key) == value for key, value in rule.tags.items())
        and all(key in version.tags for key in template.tags)
        and version.created >= oldest(rule)
    )


def judge(rule: Rule, run: TrainingRun | None) -> Choice:
    """Returns the decision about a candidate by its training run.

    Args:
        rule: The rule.
        run: The run; None if it does not exist, or may not be read.
    """
    if run is None:
        return Choice.SELECTED if rule.run == "any" else Choice.NO
    if OWN in run.tags:
        return Choice.NO
    if rule.run == "any":
        return Choice.SELECTED
    if run.status in UNFINISHED:
        return Choice.WAITING
    if run.status != "FINISHED":
        return Choice.NO
    held = all(name in run.metrics and bound.holds(run.metrics[name]) for name, bound in rule.metrics.items())
    return Choice.SELECTED if held else Choice.NO


def oldest(rule: Rule) -> float:
    """Returns the earliest allowed time of creation, in seconds since 1970."""
    if rule.created_after is None:
        return 0.0
    return datetime.combine(rule.created_after, time.min, UTC).timestamp()


def name_filter(rule: Rule) -> str:
    """Returns MLflow's filter for a rule's registered models: a superset of the rule's pattern."""
    pattern = rule.registered_model
    if not _GLOB.search(pattern) and _WORD.fullmatch(pattern):
        return f"name = '{pattern}'"
    text = _ONE_OF.sub("?", pattern)
    # In LIKE, "_" matches any character, also those that cannot be quoted.
    return f"name LIKE '{re.sub(r'[^*A-Za-z0-9./ -]', '_', text).replace('*', '%')}'"


def nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """Returns the names nearest to a pattern that matches none, at most three."""
    return get_close_matches(_GLOB.sub("", pattern), sorted(names), n=3, cutoff=0.4)


def with_alias(rule: Rule, version: ModelVersion, aliases: Mapping[str, Mapping[str, str]]) -> bool:
    """Returns whether a version has the alias that a rule requires, if any.

    Args:
        rule: The rule.
        version: The version.
        aliases: The version of each alias, by registered model.
    """
    return not rule.alias or aliases.get(version.name, {}).get(rule.alias) == version.version
