"""Finds the versions that rules select, with few requests and little memory.

Every poll requests only the newest versions, unfinished training runs, and aliases. A periodic sweep reads all versions of the
rules' models: it finds changes that a poll does not see, such as new tags on old versions, and claims of earlier watchers.
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

# The clocks of the registry's servers may differ, so that a version may appear after a newer one.
_OVERLAP_SECONDS = 60.0
_NEWEST_PAGE = 200
# A sweep finds versions beyond these limits again.
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
    """Returns whether a version has no claim of a rule, or one that failed with tags that have changed since."""
    key = tag_key(rule.name, template.digest)
    if not is_claimed(version, key):
        return True
    claim = claim_of(version, key) if template.tags else None
    return claim is not None and claim.is_outdated(template.tags_of(version))


def _only(alias: str, aliases: Mapping[str, Mapping[str, str]]) -> Aliases:
    """Returns, by registered model, the version that has an alias; models without the alias are left out."""
    return {name: {alias: versions[alias]} for name, versions in aliases.items() if alias in versions}


class Discovery:
    """The state of the registry that is kept between polls.

    Args:
        registry: The registry.
        measures: The Prometheus metrics.
        show: Prints a line.

    Attributes:
        backlog: Selected versions whose run was not started, in the order in which they were found.
        incomplete: Whether there were more versions than the backlog holds.
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
        """Resets the state, after the rules changed."""
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
            RegistryError: MLflow does not answer.
        """
        claims: list[Claim] = []
        before = self._newest
        # Before the sweep: versions that are created during the sweep are newer than this mark.
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
        # Once the newest version has been known for a while, no older one can appear any more.
        since = (known or 0.0) - (_OVERLAP_SECONDS if timestamp < self._newest_since + _OVERLAP_SECONDS else 0.0)
        newest = known or 0.0
        claims: list[Claim] = []
        for page in self._registry.versions(page_size=_NEWEST_PAGE):
            newest = max([newest, *(version.created for version in page)])
            if known is None:
                # The first sweep, which follows, reads all versions.
                break
            fresh = [version for version in page if version.created > since]
            self._count(fresh, rules.rules.values(), known)
            claims += self._consider(fresh, rules, rules.rules.values())
            if len(fresh) < len(page):
                break
        # Set last, so that a failed poll is repeated.
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
            # Not filtered by tags: a claim continues even if a tag that the rule requires was changed since.
            for page in self._registry.versions(name_filter(rule)):
                tags.add(page)
                if counted_until is None:
                    self._count(page, [rule], 0.0)
                claims += self._consider(page, rules, [rule])
                # The first sweep also finds claims from before `created_after` was set to a later date.
                if self._next_sweep and page and page[-1].created < oldest(rule):
                    break
            self._warnings.tell(rule, "tags", tags.missing())
            unnamed = {} if tags.looked else missing_name(rule, self._registry.aliases(""))
            self._warnings.tell(rule, "registered_model", unnamed)
        return claims

    def _look_at_waiting(self, rules: Rules) -> list[Claim]:
        """Checks the versions whose training run was not finished."""
        runs = self._registry.runs(self._waiting.values())
        ended = [
            key for key, run_id in self._waiting.items() if run_id not in runs or runs[run_id].status not in UNFINISHED
        ]
        return self._look_at(ended, rules, rules.rules.values())

    def _look_at_aliases(self, rules: Rules) -> list[Claim]:
        """Checks the versions that received an alias since the last poll."""
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
        """Adds versions that rules select to the backlog, and returns the unfinished claims in the versions' tags."""
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
        """Returns, by registered model, the version that has the rule's alias."""
        return _only(rule.alias, self._registry.aliases(name_filter(rule)))

    def _count(self, versions: list[ModelVersion], some: Iterable[Rule], since: float) -> None:
        some = list(some)
        self._measures.seen.inc(
            sum(version.created > since and any(matches(rule, version.name) for rule in some) for version in versions)
        )
