"""One look at the registry after another: follows the runs under way, finds versions, starts runs.

Exactly one run for each attempt: a claim is written to the version before its run is started, under a name that follows from the
claim. A watcher that finds a claim without a run looks for a run of that name before it starts one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from edgequant.errors import ConfigError, EdgequantError
from edgequant.steps import describe
from edgequant_pipelines.watching.claims import CLAIMED, OPEN, SUBMITTED, Claim, claim_of, claims_of, tag_key
from edgequant_pipelines.watching.discovery import Candidate, Discovery
from edgequant_pipelines.watching.launchers import LaunchedRun, LauncherError, Progress
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.preparation import Ready, prepare
from edgequant_pipelines.watching.reach import Reach
from edgequant_pipelines.watching.registry import RegistryError
from edgequant_pipelines.watching.room import Room
from edgequant_pipelines.watching.rules import LOCAL, RulesFile
from edgequant_pipelines.watching.selection import is_candidate
from edgequant_pipelines.watching.surroundings import Surroundings

# Versions to be tried again that are kept in mind; a sweep finds the others when their time has come.
_MOST_RETRYING = 1000


class Watcher:
    """Watches a registry by the rules of a file.

    Args:
        rules: The file.
        surroundings: What it works with.

    Attributes:
        open: The claims whose runs are under way.
    """

    def __init__(self, rules: RulesFile, surroundings: Surroundings) -> None:
        self._file = rules
        self._is = surroundings
        self._discovery = Discovery(surroundings.registry, surroundings.measures, surroundings.show)
        self._retrying: dict[tuple[str, str, str], Claim] = {}
        self._reach = Reach(surroundings.launchers, surroundings.measures, surroundings.show, once=surroundings.once)
        self._room = Room(surroundings.show)
        self.open: dict[tuple[str, str, str], Claim] = {}
        surroundings.measures.rules_valid.set(1)
        surroundings.measures.expect(rules.rules.rules, rules.rules.launchers())

    @property
    def more(self) -> bool:
        """Whether another look would start something at once."""
        waiting = self._discovery.backlog or self._discovery.incomplete
        return bool(waiting) and self._free > 0 and not self._reach.silent

    @property
    def attached(self) -> bool:
        """Whether a run is under way that ends with the watcher."""
        return any(claim.launcher == LOCAL for claim in self.open.values())

    @property
    def later(self) -> str:
        """What is left for another look because its time has not come, or ""."""
        if not self._retrying:
            return ""
        versions = "1 version is" if len(self._retrying) == 1 else f"{len(self._retrying)} versions are"
        wait = min(claim.retry_at for claim in self._retrying.values()) - self._is.clock()
        return f"{versions} to be tried again, in {max(0.0, wait):.0f} s at the earliest"

    @property
    def problem(self) -> str:
        """What is wrong with the rules' file now, or ""."""
        return self._file.problem

    @property
    def silence(self) -> str:
        """Why launchers could not be asked when they were last, or ""."""
        return self._reach.silence

    def poll(self) -> None:
        """Looks once.

        Raises:
            RegistryError: MLflow cannot be asked; the next look goes on.
        """
        self._reload()
        self._reach.begin(self._file.rules.launchers())
        known = list(self.open.values())
        for claim in known:
            self._guarded(claim, self._follow)
        held = set(self.open) | {claim.key for claim in known}
        for claim in self._discovery.look(self._file.rules, self._is.clock()):
            self._adopt(claim)
        # What an earlier watcher began: this look may be the only one.
        for claim in [claim for key, claim in self.open.items() if key not in held]:
            self._guarded(claim, self._follow)
        self._start()
        self._is.measures.running.set(len(self.open))
        self._is.measures.backlog.set(len(self._discovery.backlog))
        self._room.tell(
            waiting=len(self._discovery.backlog) + len(self._due()),
            under_way=len(self.open),
            allowed=self._file.rules.concurrency,
        )
        self._reach.end()

    def _reload(self) -> None:
        before = self._file.problem
        if self._file.reload():
            self._discovery.forget()
            self._is.measures.expect(self._file.rules.rules, self._file.rules.launchers())
            self._is.show("the rules were changed: the new ones are in force")
        if self._file.problem and self._file.problem != before:
            self._is.show(
                f"the rules were changed and are wrong, so the earlier ones stay in force: {self._file.problem}"
            )
        elif before and not self._file.problem:
            self._is.show("the rules are right again")
        self._is.measures.rules_valid.set(not self._file.problem)

    def _adopt(self, claim: Claim) -> None:
        """Takes up a claim that a tag holds, unless it is in hand."""
        if claim.rule not in self._file.rules.rules and not (
            claim.state == SUBMITTED and self._reach.has(claim.launcher, claim.place)
        ):
            # Not ours to start or to end: other rules made it. A run that one of ours started, which is gone now, is followed.
            return
        if claim.state in OPEN:
            self._retrying.pop(claim.key, None)
            self.open.setdefault(claim.key, claim)
        elif claim.key not in self.open and len(self._retrying) < _MOST_RETRYING:
            self._retrying[claim.key] = claim

    def _follow(self, claim: Claim) -> None:
        """Takes a claim that is under way a step further."""
        if claim.state == CLAIMED:
            self._launch(claim, find=True)
            return
        run = self._reach[claim.launcher].state(claim.run_id)
        if run.progress is Progress.SUCCEEDED:
            self._end(claim.succeeded())
            self._is.measures.succeeded.labels(claim.rule).inc()
            outcome = run.outcome or "MLflow has its verdict"
            self._is.show(f"{claim}: run {claim.run_name} ended: {outcome}: {run.shown}")
        elif run.progress is Progress.FAILED:
            self._failed(claim, run.reason, final=run.final)
        elif run.progress is Progress.INTERRUPTED:
            self._launch(claim, find=False)

    @property
    def _free(self) -> int:
        return self._file.rules.concurrency - len(self.open)

    def _due(self) -> list[Claim]:
        return [claim for claim in self._retrying.values() if claim.retry_at <= self._is.clock()]

    def _start(self) -> None:
        """Starts what is due, as many as may be under way."""
        due = self._due()
        while due and self._free > 0 and not self._is.stopping():
            self._guarded(due.pop(), self._retry)
        backlog = self._discovery.backlog
        for candidate in list(backlog):
            if self._free <= 0 or self._is.stopping():
                return
            if self._file.rules.rules[candidate.rule].submit in self._reach.silent:
                continue
            try:
                self._begin(candidate)
            except RegistryError:
                # The next look begins with another, so that one version cannot hold up the rest.
                backlog[candidate] = backlog.pop(candidate)
                raise
            del backlog[candidate]

    def _begin(self, candidate: Candidate) -> None:
        """Claims a version and starts its run, if it is still what its rule selects."""
        rule = self._file.rules.rules[candidate.rule]
        template = self._file.rules.templates[candidate.rule]
        version = self._is.registry.version(candidate.name, candidate.version)
        if version is None or not is_candidate(rule, template, version):
            return
        key = tag_key(rule.name, template.digest)
        earlier = claim_of(version, key)
        if earlier is not None and earlier.is_outdated(template.tags_of(version)):
            claim = replace(earlier.next_attempt(), launcher=rule.submit)
        elif key in version.tags:
            for claim in claims_of(version):
                self._adopt(claim)
            return
        else:
            claim = Claim(
                name=version.name,
                version=version.version,
                rule=rule.name,
                digest=template.digest,
                launcher=rule.submit,
                state=CLAIMED,
            )
        self._guarded(claim, partial(self._claim, version=version))

    def _retry(self, claim: Claim) -> None:
        self._claim(claim.next_attempt())

    def _claim(self, claim: Claim, version: ModelVersion | None = None) -> None:
        """Writes a claim, and starts its run."""
        ready = self._prepared(claim, version)
        if ready is None:
            return
        claim = replace(claim, place=self._reach[claim.launcher].place, tags=ready.tags)
        written = self._is.registry.write(claim)
        self._drop(claim)
        if written:
            self.open[claim.key] = claim
            self._submit(claim, ready)

    def _launch(self, claim: Claim, *, find: bool) -> None:
        """Starts the run of a claim that is written, unless there is one."""
        run = self._reach[claim.launcher].find(claim.run_name) if find else None
        if run is not None:
            self._note(claim, run)
            return
        ready = self._prepared(claim)
        if ready is not None:
            self._submit(claim, ready)

    def _prepared(self, claim: Claim, version: ModelVersion | None = None) -> Ready | None:
        """Returns what a run needs; None when it cannot run: then the claim is ended, or let go when it is nobody's here."""
        found = prepare(self._file.rules, self._is.registry, claim, version)
        if isinstance(found, Ready):
            return found
        if found.reason:
            self._failed(replace(claim, tags=found.tags), found.reason, final=found.final)
        else:
            self._drop(claim)
        return None

    def _submit(self, claim: Claim, ready: Ready) -> None:
        claim = replace(claim, tags=ready.tags)
        try:
            run = self._reach[claim.launcher].submit(ready.config, claim.run_name)
        except LauncherError:
            raise
        except (EdgequantError, OSError) as error:
            self._failed(claim, describe(error), final=isinstance(error, ConfigError))
            return
        if claim.attempt == 1:
            self._is.measures.lag.observe(max(0.0, self._is.clock() - ready.version.created))
        self._is.measures.submitted.labels(claim.rule).inc()
        self._note(claim, run)

    def _note(self, claim: Claim, run: LaunchedRun) -> None:
        """Writes that a claim's run was started."""
        self.open[claim.key] = claim
        noted = claim.submitted(run.run_id)
        if not self._is.registry.write(noted):
            self._drop(claim)
            return
        self.open[claim.key] = noted
        self._is.show(f"{claim}: run {claim.run_name} started: {run.shown}")

    def _failed(self, claim: Claim, reason: str, *, final: bool = False) -> None:
        """Writes that an attempt failed, and whether there will be another."""
        rule = self._file.rules.rules.get(claim.rule)
        ended = claim.given_up(reason) if final else claim.after_failure(rule, reason, self._is.clock())
        self._end(ended)
        self._is.measures.failed.labels(claim.rule).inc()
        if ended.retry_at:
            if len(self._retrying) < _MOST_RETRYING:
                self._retrying[ended.key] = ended
            wait = ended.retry_at - self._is.clock()
            self._is.show(f"{claim}: attempt {claim.attempt} failed, the next in {wait:.0f} s: {reason}")
        else:
            self._is.measures.given_up.labels(claim.rule).inc()
            until = "; it is tried again when the tags that fill it in change" if ended.tags else ""
            self._is.show(
                f"{claim}: given up after {claim.attempt} attempt{'s' * (claim.attempt > 1)}: {reason}{until}"
            )

    def _end(self, claim: Claim) -> None:
        """Writes a claim that is no longer under way."""
        self._is.registry.write(claim)
        self._drop(claim)

    def _drop(self, claim: Claim) -> None:
        self.open.pop(claim.key, None)
        self._retrying.pop(claim.key, None)

    def _guarded(self, claim: Claim, step: Callable[[Claim], None]) -> None:
        """Takes a step unless the claim's launcher was found silent in this look."""
        self._reach.guarded(claim.launcher, partial(step, claim))
