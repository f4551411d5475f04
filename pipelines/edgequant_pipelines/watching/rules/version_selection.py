"""Which versions a rule selects: decisions over what the registry said, without asking it."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time
from difflib import get_close_matches
from enum import Enum
from fnmatch import fnmatchcase

from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun
from edgequant_pipelines.watching.rules.rules import Rule
from edgequant_pipelines.watching.rules.template import Template

# On the versions and the runs that the track step makes: what came out of a quantization does not go into one.
OWN = "edgequant.variant"
UNFINISHED = ("RUNNING", "SCHEDULED")
_GLOB = re.compile(r"[*?\[]")
# What stands for one character: a bracket that comes first, also after "!", does not end it.
_ONE_OF = re.compile(r"\[!?+\]?+[^\]]*\]")
_WORD = re.compile(r"[A-Za-z0-9_./ -]+")


class Choice(Enum):
    """What a rule says of a version now."""

    SELECTED = "selected"
    WAITING = "waiting"
    NO = "no"


def matches(rule: Rule, name: str) -> bool:
    """Tells whether a rule is about a registered model."""
    return fnmatchcase(name, rule.registered_model)


def is_candidate(rule: Rule, template: Template, version: ModelVersion) -> bool:
    """Tells whether a rule selects a version as far as the version itself shows: name, tags, age."""
    return (
        matches(rule, version.name)
        and version.ready
        and OWN not in version.tags
        and all(version.tags.get(key) == value for key, value in rule.tags.items())
        and all(key in version.tags for key in template.tags)
        and version.created >= oldest(rule)
    )


def judge(rule: Rule, run: TrainingRun | None) -> Choice:
    """Returns what a rule says of a candidate by the run that made it.

    Args:
        rule: The rule.
        run: The run; None when there is none, or none that may be read.
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
    """Returns the time, in seconds since 1970, that versions must not be older than."""
    if rule.created_after is None:
        return 0.0
    return datetime.combine(rule.created_after, time.min, UTC).timestamp()


def name_filter(rule: Rule) -> str:
    """Returns MLflow's filter for a rule's registered models; it may let more pass than the rule's pattern, never less."""
    pattern = rule.registered_model
    if not _GLOB.search(pattern) and _WORD.fullmatch(pattern):
        return f"name = '{pattern}'"
    text = _ONE_OF.sub("?", pattern)
    # In LIKE, "_" stands for any character, also for those that cannot be written between quotes.
    return f"name LIKE '{re.sub(r'[^*A-Za-z0-9./ -]', '_', text).replace('*', '%')}'"


def nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """Returns the names nearest to a pattern that matches none, at most three."""
    return get_close_matches(_GLOB.sub("", pattern), sorted(names), n=3, cutoff=0.4)


def with_alias(rule: Rule, version: ModelVersion, aliases: Mapping[str, Mapping[str, str]]) -> bool:
    """Tells whether a version has the alias that a rule asks for.

    Args:
        rule: The rule.
        version: The version.
        aliases: The version that each alias of each registered model stands for.
    """
    return not rule.alias or aliases.get(version.name, {}).get(rule.alias) == version.version
