"""Polls the registry: follows the runs under way, finds versions, and starts runs.

The state machine of a selected version is in `attempts`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from edgequant_pipelines.watching.attempts import Attempts, Key
from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.claims import CLAIMED, Claim, claim_of, claims_of, is_claimed, tag_key
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.discovery import Discovery, VersionCandidate
from edgequant_pipelines.watching.launchers.availability import Availability
from edgequant_pipelines.watching.model_registry import RegistryError
from edgequant_pipelines.watching.notices import BlockedVersions, ConcurrencyNotice
from edgequant_pipelines.watching.rules.rules import LOCAL, RulesFile
from edgequant_pipelines.watching.rules.version_selection import is_candidate


class Watcher:
    """Watches a registry by the rules of a file.

    Args:
        rules: The file.
        context: The watcher's dependencies.
    """

    def __init__(self, rules: RulesFile, context: WatchContext) -> None:
        self._file = rules
        self._context = context
        self._discovery = Discovery(context.registry, context.measures, context.show)
        self._availability = Availability(context.launchers, context.measures, context.show, once=context.once)
        self._attempts = Attempts(rules, context, self._availability)
        self._blocked = BlockedVersions(context.measures, context.show, once=context.once)
        self._concurrency_notice = ConcurrencyNotice(context.show)
        self._notices = ChangeNotices(context.show)
        context.measures.rules_valid.set(1)
        context.measures.expect(rules.rules.rules, rules.rules.launchers())

    @property
    def open(self) -> dict[Key, Claim]:
        """The claims whose runs are under way."""
        return self._attempts.open

    @property
    def more(self) -> bool:
        """Whether another poll would start a run at once."""
        backlog = self._discovery.backlog
        waiting = (
            any(candidate not in self._blocked for candidate in backlog) if backlog else self._discovery.incomplete
        )
        return waiting and self._free > 0 and not self._availability.silent

    @property
    def attached(self) -> bool:
        """Whether a local run is under way, which would end with the watcher."""
        return any(claim.launcher == LOCAL for claim in self.open.values())

    @property
    def later(self) -> str:
        """A message on the versions whose retry is not due yet, or ""."""
        retrying = self._attempts.retrying
        if not retrying:
            return ""
        versions = "1 version is" if len(retrying) == 1 else f"{len(retrying)} versions are"
        wait = min(claim.retry_at for claim in retrying.values()) - self._context.clock()
        return f"{versions} to be retried, in {max(0.0, wait):.0f} s at the earliest"

    @property
    def problem(self) -> str:
        """The error in the current rules' file, or ""."""
        return self._file.problem

    @property
    def silence(self) -> str:
        """Why launchers are unavailable since their last check, or ""."""
        return self._availability.silence

    @property
    def held_up(self) -> str:
        """The versions that failed in the last poll with their reasons, or ""."""
        return self._blocked.reasons

    def poll(self) -> None:
        """Polls once.

        Raises:
            RegistryError: MLflow does not answer; the next poll continues.
        """
        self._reload()
        self._attempts.begin()
        self._blocked.begin()
        self._availability.begin(self._file.rules.launchers())
        known = list(self.open.values())
        for claim in known:
            self._guarded(claim, self._attempts.follow)
        held = set(self.open) | {claim.key for claim in known}
        for claim in self._discovery.look(self._file.rules, self._context.clock()):
            self._attempts.adopt(claim)
        # Also the claims of an earlier watcher that this poll found: it may be the only poll.
        for claim in [claim for key, claim in self.open.items() if key not in held]:
            self._guarded(claim, self._attempts.follow)
        self._start()
        self._context.measures.running.set(len(self.open))
        self._context.measures.backlog.set(len(self._discovery.backlog))
        self._concurrency_notice.tell(
            waiting=len(self._discovery.backlog) + len(self._due()),
            under_way=len(self.open),
            allowed=self._file.rules.concurrency,
        )
        self._availability.end()
        self._blocked.end()

    def _reload(self) -> None:
        if self._file.reload():
            self._discovery.forget()
            self._attempts.forget()
            self._context.measures.expect(self._file.rules.rules, self._file.rules.launchers())
            self._context.show("the rules were changed: the new ones are in force")
        if self._file.problem:
            line = f"the rules were changed and are wrong, so the earlier ones stay in force: {self._file.problem}"
            self._notices.tell(RulesFile, line)
        else:
            self._notices.end(RulesFile, "the rules are right again")
        self._context.measures.rules_valid.set(not self._file.problem)

    @property
    def _free(self) -> int:
        return self._file.rules.concurrency - len(self.open)

    def _due(self) -> list[Claim]:
        return [claim for claim in self._attempts.retrying.values() if claim.retry_at <= self._context.clock()]

    def _start(self) -> None:
        """Starts the due runs, up to the concurrency limit."""
        due = self._due()
        while due and self._free > 0 and not self._context.stopping():
            self._guarded(self._attempts.moved(due.pop()), self._attempts.retry)
        backlog = self._discovery.backlog
        for candidate in list(backlog):
            if self._free <= 0 or self._context.stopping():
                return
            if self._file.rules.rules[candidate.rule].submit in self._availability.silent:
                continue
            with self._blocked.isolated(candidate, self._file.rules.rules[candidate.rule].submit):
                self._take(candidate)

    def _take(self, candidate: VersionCandidate) -> None:
        """Starts the run of a version of the backlog; the version stays there if MLflow does not accept its claim."""
        backlog = self._discovery.backlog
        try:
            self._begin(candidate)
        except RegistryError:
            del backlog[candidate]
            if not self._is_open(candidate):
                # Moved to the end, so that one version cannot block the others.
                backlog[candidate] = None
            raise
        del backlog[candidate]

    def _is_open(self, candidate: VersionCandidate) -> bool:
        """Returns whether a version's run is under way with the current rule."""
        tag = tag_key(candidate.rule, self._file.rules.templates[candidate.rule].digest)
        return any(
            (claim.name, claim.version, claim.tag) == (candidate.name, candidate.version, tag)
            for claim in self.open.values()
        )

    def _begin(self, candidate: VersionCandidate) -> None:
        """Claims a version and starts its run, if its rule still selects it."""
        rule = self._file.rules.rules[candidate.rule]
        template = self._file.rules.templates[candidate.rule]
        version = self._context.registry.version(candidate.name, candidate.version)
        if version is None or not is_candidate(rule, template, version) or rule.alias not in {"", *version.aliases}:
            return
        key = tag_key(rule.name, template.digest)
        earlier = claim_of(version, key)
        if earlier is not None and earlier.is_outdated(template.tags_of(version)):
            claim = replace(earlier.next_attempt(), launcher=rule.submit)
        elif is_claimed(version, key):
            for claim in claims_of(version):
                self._attempts.adopt(claim)
            return
        else:
            claim = Claim(
                name=version.name,
                version=version.version,
                rule=rule.name,
                digest=template.digest,
                launcher=rule.submit,
                state=CLAIMED,
                origin=version.origin,
            )
        self._availability.guarded(claim.launcher, partial(self._attempts.claim, claim, version))

    def _guarded(self, claim: Claim, step: Callable[[Claim], None]) -> None:
        """Executes a step unless the claim's launcher did not answer in this poll; errors of one claim do not affect others."""
        with self._blocked.isolated(claim, claim.launcher):
            self._availability.guarded(claim.launcher, partial(step, claim))
