"""Warnings about rules that require a tag, metric, alias or model that does not exist, with the nearest existing names.

This is usually a mistake in the rule, and otherwise invisible: no version is selected.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun
from edgequant_pipelines.watching.rules.rules import Rule
from edgequant_pipelines.watching.rules.template import Template
from edgequant_pipelines.watching.rules.version_selection import OWN, matches, nearest

_OURS = "edgequant."
# The limit of words that are kept for suggestions: a tag may have as many values as there are versions.
_MOST_WORDS = 1000
_MOST_SHOWN = 3
_LONGEST_SHOWN = 60


@dataclass(slots=True, kw_only=True)
class SeenTags:
    """The tags of the versions in a sweep, compared with the tags that a rule requires.

    Attributes:
        rule: The rule.
        template: Its configuration, which may require tags, too.
        keys: The existing keys.
        values: The existing values, by required key.
        held: The required keys that some version has, with the rule's value if the rule names one.
        whole: Whether some version has all of them.
        looked: Whether there was a version.
    """

    rule: Rule
    template: Template
    keys: set[str] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    whole: bool = False
    looked: bool = False

    def add(self, versions: Iterable[ModelVersion]) -> None:
        """Adds versions, except those of other models and those that a quantization registered."""
        for version in versions:
            if not matches(self.rule, version.name) or OWN in version.tags:
                continue
            self.looked = True
            held = {key for key, value in self.rule.tags.items() if version.tags.get(key) == value}
            held |= {key for key in self.template.tags - set(self.rule.tags) if key in version.tags}
            self.held |= held
            self.whole = self.whole or held >= self.required
            _keep(self.keys, (key for key in version.tags if not key.startswith(_OURS)))
            for key in self.rule.tags:
                _keep(self.values.setdefault(key, set()), [version.tags[key]] if key in version.tags else [])

    @property
    def required(self) -> set[str]:
        """The keys that the rule or its configuration requires."""
        return {*self.rule.tags, *self.template.tags}

    def missing(self) -> dict[str, str]:
        """Returns a message for each tag that no version has, by the requiring key."""
        problems = {}
        for key in sorted(self.required - self.held) if self.looked else ():
            where, value = f"tags.{key}", self.rule.tags.get(key)
            if value is not None and self.values.get(key):
                problems[where] = (
                    f"no version of its models has the tag {key}: {value!r}{_hint(value, self.values[key])}"
                )
            else:
                whose = f", which {self.template.path.name} asks for" if value is None else ""
                problems[where] = f"no version of its models has a tag {key!r}{whose}{_hint(key, self.keys)}"
        if self.looked and not problems and not self.whole:
            problems["tags"] = (
                f"no version of its models has all of the tags {', '.join(sorted(self.required))} as asked for"
            )
        return problems


@dataclass(slots=True)
class SeenMetrics:
    """The metrics of the finished training runs of a rule's candidates.

    Attributes:
        names: The names of all metrics.
        held: The names among the rule's bounds.
        looked: Whether there was a run.
    """

    names: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    looked: bool = False

    def add(self, rule: Rule, run: TrainingRun | None) -> None:
        """Adds a run, if it is a finished training run."""
        if run is not None and run.status == "FINISHED" and OWN not in run.tags:
            self.looked = True
            self.held |= run.metrics.keys() & rule.metrics.keys()
            _keep(self.names, run.metrics)

    def missing(self, rule: Rule) -> dict[str, str]:
        """Returns a message for each metric that no run has, by the requiring key."""
        return {
            f"metrics.{name}": f"no finished run that was looked at has a metric {name!r}{_hint(name, self.names)}"
            for name in sorted(rule.metrics.keys() - self.held if self.looked else ())
        }


def missing_name(rule: Rule, names: Collection[str]) -> dict[str, str]:
    """Returns a message, by key, if a rule matches none of the registered models."""
    if any(matches(rule, name) for name in names):
        return {}
    near = nearest(rule.registered_model, names)
    hint = f"; the nearest are {', '.join(near)}" if near else f"; there are {len(names)} registered models"
    return {"registered_model": f"no registered model matches {rule.registered_model!r}{hint}"}


def missing_alias(rule: Rule, aliases_by_model: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Returns a message, by key, if none of a rule's models has its alias.

    Args:
        rule: The rule.
        aliases_by_model: The version of each alias, by registered model.
    """
    own = [aliases for name, aliases in aliases_by_model.items() if matches(rule, name)]
    if not rule.alias or not own or any(rule.alias in aliases for aliases in own):
        return {}
    available = {alias for aliases in own for alias in aliases}
    return {"alias": f"no version of its models has the alias {rule.alias!r}{_hint(rule.alias, available)}"}


class RuleWarnings:
    """Shows the warnings about rules.

    Args:
        show: Prints a line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._notices = ChangeNotices(show)

    def forget(self) -> None:
        """Resets the warnings, after the rules changed."""
        self._notices.forget()

    def tell(self, rule: Rule, kind: str, missing: Mapping[str, str]) -> None:
        """Shows the messages about a rule that were not shown before.

        Args:
            rule: The rule.
            kind: The key of the rule that was checked.
            missing: The messages, by the requiring key; a message that disappeared may be shown again.
        """
        self._notices.keep(lambda subject: subject[:2] != (rule.name, kind) or subject[2] in missing)
        for where, text in missing.items():
            self._notices.tell((rule.name, where.partition(".")[0], where), f"warning: rule {rule.name}: {text}")


def _keep(words: set[str], more: Iterable[str]) -> None:
    for word in more:
        if len(words) >= _MOST_WORDS:
            return
        words.add(word)


def _hint(word: str, words: Collection[str]) -> str:
    """Returns a suggestion: the nearest existing words, or some of them if none is near."""
    near = nearest(word, words)
    if near:
        return f"; the nearest are {', '.join(map(_shown, near))}"
    some = sorted(words)[:_MOST_SHOWN]
    more = f" and {len(words) - len(some)} more" if len(words) > len(some) else ""
    return f"; there are {', '.join(map(_shown, some))}{more}" if some else "; there is none"


def _shown(word: str) -> str:
    """Returns a tag's word, escaped and truncated for a line."""
    if len(word) <= _LONGEST_SHOWN and word.isprintable():
        return word
    return f"{word[:_LONGEST_SHOWN]!r}{'…' * (len(word) > _LONGEST_SHOWN)}"
