"""Finds the versions that rules select, in few requests and in little memory.

Every look asks for the newest versions alone, and of the rest only what may have changed: runs that were not finished, and
aliases. Once in a while a sweep goes through all versions of the rules' models: it finds what a look cannot, such as a tag that
an old version was given, and what an earlier watcher began.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from edgequant_pipelines.watching.claims import OPEN, RETRY, Claim, claim_of, claims_of, is_claimed, tag_key
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun
from edgequant_pipelines.watching.prometheus import Measures
from edgequant_pipelines.watching.rules.rule_warnings import (
    RuleWarnings,
    SeenMetrics,
    SeenTags,
    missing_alias,
    missing_name,
)
from edgequant_pipelines.watching.rules.rules import Rule, Rules
from edgequant_pipelines.watching.rules.template import Template
from edgequant_pipelines.watching.rules.version_selection import (
    UNFINISHED,
    Choice,
    is_candidate,
    judge,
    matches,
    name_filter,
    oldest,
    with_alias,
)

# Clocks of the registry's servers may differ, and a version may be seen later than one that is newer.
_OVERLAP_SECONDS = 60.0
_NEWEST_PAGE = 200
# What is more than this is found again by a sweep.
_MOST_BACKLOG = 1000
_MOST_WAITING = 1000

Aliases = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCandidate:
    """A version that a rule selects.

    Attributes:
        rule: The rule's name.
        name: The registered model.
        version: The version.
    """

    rule: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} version {self.version} (rule {self.rule})"


def _is_free(rule: Rule, template: Template, version: ModelVersion) -> bool:
    """Tells whether a version has no claim of a rule, or one that was given up for tags that have changed since."""
    key = tag_key(rule.name, template.digest)
    if not is_claimed(version, key):
        return True
    claim = claim_of(version, key) if template.tags else None
    return claim is not None and claim.is_outdated(template.tags_of(version))


def _only(alias: str, aliases: Mapping[str, Mapping[str, str]]) -> Aliases:
    """Returns the version that one alias stands for, of each registered model that has it."""
    return {name: {alias: versions[alias]} for name, versions in aliases.items() if alias in versions}


class Discovery:
    """What is known of the registry between two looks.

    Args:
        registry: The registry.
        measures: What is counted.
        show: Takes a line for people.

    Attributes:
        backlog: Selected versions whose run has not begun, in the order they were found.
        incomplete: Whether there were more than the backlog holds.
    """

    def __init__(self, registry: ModelRegistry, measures: Measures, show: Callable[[str], None]) -> None:
        self._registry = registry
        self._measures = measures
        self._warnings = RuleWarnings(show)
        self._metrics: dict[str, SeenMetrics] = {}
        self._newest: float | None = None
        self._newest_since = 0.0
        self._next_sweep = 0.0
        self._waiting: dict[tuple[str, str], str] = {}
        self._aliases: dict[str, Aliases] = {}
        self.backlog: dict[VersionCandidate, None] = {}
        self.incomplete = False

    def forget(self) -> None:
        """Begins anew, for other rules."""
        self.backlog.clear()
        self._waiting.clear()
        self._aliases.clear()
        self._warnings.forget()
        self._metrics.clear()
        self.incomplete = False
        self._next_sweep = 0.0

    def look(self, rules: Rules, timestamp: float) -> list[Claim]:
        """Adds newly selected versions to the backlog, and returns the claims that are under way or to be retried.

        Args:
            rules: The rules.
            timestamp: The time, in seconds since 1970.

        Raises:
            RegistryError: MLflow cannot be asked.
        """
        claims: list[Claim] = []
        before = self._newest
        # The newest first: what is made during a sweep is newer than this mark.
        claims += self._look_at_newest(rules, timestamp)
        if timestamp >= self._next_sweep or (self.incomplete and not self.backlog):
            self.incomplete = False
            claims += self._sweep(rules, before)
            self._next_sweep = timestamp + rules.sweep_seconds
        else:
            claims += self._look_at_waiting(rules)
            claims += self._look_at_aliases(rules)
        for name, seen in self._metrics.items():
            self._warnings.tell(rules.rules[name], "metrics", seen.missing(rules.rules[name]))
        return claims

    def _look_at_newest(self, rules: Rules, timestamp: float) -> list[Claim]:
        known = self._newest
        # Once the newest has been known for a while, those around it are known too, however many they are.
        since = (known or 0.0) - (_OVERLAP_SECONDS if timestamp < self._newest_since + _OVERLAP_SECONDS else 0.0)
        newest = known or 0.0
        claims: list[Claim] = []
        for page in self._registry.versions(page_size=_NEWEST_PAGE):
            newest = max([newest, *(version.created for version in page)])
            if known is None:
                # Everything is older than the first sweep, which follows.
                break
            fresh = [version for version in page if version.created > since]
            self._count(fresh, rules.rules.values(), known)
            claims += self._consider(fresh, rules, rules.rules.values())
            if len(fresh) < len(page):
                break
        # Only now: a look that fails half-way is repeated.
        if newest != known:
            self._newest, self._newest_since = newest, timestamp
        return claims

    def _sweep(self, rules: Rules, counted_until: float | None) -> list[Claim]:
        claims: list[Claim] = []
        for rule in rules.rules.values():
            if rule.alias:
                aliases = self._registry.aliases(name_filter(rule))
                self._aliases[rule.name] = _only(rule.alias, aliases)
                self._warnings.tell(rule, "alias", missing_alias(rule, aliases))
            tags = SeenTags(rule=rule, template=rules.templates[rule.name])
            # Whatever their tags: what was begun goes on though a tag that the rule asks for was changed since.
            for page in self._registry.versions(name_filter(rule)):
                tags.add(page)
                if counted_until is None:
                    self._count(page, [rule], 0.0)
                claims += self._consider(page, rules, [rule])
                # The first sweep by these rules also finds what was begun before `created_after` was set to a later day.
                if self._next_sweep and page and page[-1].created < oldest(rule):
                    break
            self._warnings.tell(rule, "tags", tags.missing())
            unnamed = {} if tags.looked else missing_name(rule, self._registry.aliases(""))
            self._warnings.tell(rule, "registered_model", unnamed)
        return claims

    def _look_at_waiting(self, rules: Rules) -> list[Claim]:
        """Looks again at the versions whose run was not finished."""
        runs = self._registry.runs(self._waiting.values())
        ended = [
            key for key, run_id in self._waiting.items() if run_id not in runs or runs[run_id].status not in UNFINISHED
        ]
        return self._look_at(ended, rules, rules.rules.values())

    def _look_at_aliases(self, rules: Rules) -> list[Claim]:
        """Looks at the versions that were given an alias since the last look."""
        claims: list[Claim] = []
        for rule in rules.rules.values():
            if rule.alias:
                before, after = self._aliases.get(rule.name, {}), self._aliases_of(rule)
                self._aliases[rule.name] = after
                moved = [(name, aliases[rule.alias]) for name, aliases in after.items() if before.get(name) != aliases]
                claims += self._look_at(moved, rules, [rule])
        return claims

    def _look_at(self, keys: Iterable[tuple[str, str]], rules: Rules, some: Iterable[Rule]) -> list[Claim]:
        claims: list[Claim] = []
        some = list(some)
        for name, number in keys:
            version = self._registry.version(name, number)
            self._waiting.pop((name, number), None)
            if version is not None:
                claims += self._consider([version], rules, some)
        return claims

    def _consider(self, versions: list[ModelVersion], rules: Rules, some: Iterable[Rule]) -> list[Claim]:
        """Adds those that rules select to the backlog, and returns the claims among their tags that are not ended."""
        candidates = [
            (rule, version)
            for rule in some
            for version in versions
            if is_candidate(rule, rules.templates[rule.name], version)
            and _is_free(rule, rules.templates[rule.name], version)
            and with_alias(rule, version, self._aliases.get(rule.name, {}))
        ]
        if candidates and len(self.backlog) >= _MOST_BACKLOG:
            self.incomplete = True
        elif candidates:
            runs = self._registry.runs(version.run_id for _, version in candidates)
            for rule, version in candidates:
                self._metrics.setdefault(rule.name, SeenMetrics()).add(rule, runs.get(version.run_id))
                self._judge(rule, version, runs)
        return [claim for version in versions for claim in claims_of(version) if claim.state in OPEN | {RETRY}]

    def _judge(self, rule: Rule, version: ModelVersion, runs: Mapping[str, TrainingRun]) -> None:
        choice = judge(rule, runs.get(version.run_id))
        if choice is Choice.WAITING and len(self._waiting) < _MOST_WAITING:
            self._waiting[version.key] = version.run_id
        elif choice is Choice.SELECTED:
            candidate = VersionCandidate(rule=rule.name, name=version.name, version=version.version)
            if candidate in self.backlog or len(self.backlog) < _MOST_BACKLOG:
                self.backlog[candidate] = None
            else:
                self.incomplete = True

    def _aliases_of(self, rule: Rule) -> Aliases:
        """Returns the version that the rule's alias stands for, of each of its models that has it."""
        return _only(rule.alias, self._registry.aliases(name_filter(rule)))

    def _count(self, versions: list[ModelVersion], some: Iterable[Rule], since: float) -> None:
        some = list(some)
        self._measures.seen.inc(
            sum(version.created > since and any(matches(rule, version.name) for rule in some) for version in versions)
        )
