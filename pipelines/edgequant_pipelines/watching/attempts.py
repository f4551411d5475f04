"""The attempts in hand: each is claimed, started, followed and ended here, and has exactly one run.

A claim is written to the version before its run is started, under a name that follows from the claim. Before a run is started, one of
that name is looked for, where it may be; what may have been started elsewhere is left alone.
"""

from dataclasses import replace
from functools import partial

from edgequant.errors import ConfigError, EdgequantError
from edgequant.steps import describe
from edgequant_pipelines.watching.change_notices import ChangeNotices
from edgequant_pipelines.watching.claims import CLAIMED, OPEN, RETRY, SUBMITTED, Claim
from edgequant_pipelines.watching.context import WatchContext
from edgequant_pipelines.watching.launchers.availability import Availability
from edgequant_pipelines.watching.launchers.base import (
    ForbiddenRunError,
    LaunchedRun,
    LauncherError,
    Progress,
    UnansweredError,
    UnreadableRunError,
)
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.preparation import Ready, prepare
from edgequant_pipelines.watching.rules.rules import LOCAL, RulesFile

# Versions to be retried that are kept in mind; a sweep finds the others when their time has come.
_MOST_RETRYING = 1000
Key = tuple[str, str, str, str]


class Attempts:
    """What is under way, and what is to be retried.

    Args:
        rules: The rules' file.
        context: What it works with.
        availability: The launchers.

    Attributes:
        open: The claims whose runs are under way.
        retrying: Those whose last attempt failed.
    """

    def __init__(self, rules: RulesFile, context: WatchContext, availability: Availability) -> None:
        self._file = rules
        self._context = context
        self._availability = availability
        self._notices = ChangeNotices(context.show)
        self._failing: set[str] = set()
        self.open: dict[Key, Claim] = {}
        self.retrying: dict[Key, Claim] = {}

    def begin(self) -> None:
        """Begins a look."""
        self._failing.clear()

    def forget(self) -> None:
        """Says again, for other rules, what is left alone."""
        self._notices.forget()

    def adopt(self, claim: Claim) -> None:
        """Takes up a claim that a tag holds, unless it is in hand or has ended."""
        if claim.rule not in self._file.rules.rules and not (
            claim.state == SUBMITTED and self._availability.has(claim.launcher, claim.place)
        ):
            # Not ours to start or to end: other rules made it. A run that one of ours started, which is gone now, is followed.
            return
        if claim.state in OPEN:
            self.retrying.pop(claim.key, None)
            self.open.setdefault(claim.key, claim)
        elif claim.state == RETRY and claim.key not in self.open and len(self.retrying) < _MOST_RETRYING:
            self.retrying[claim.key] = claim

    def follow(self, claim: Claim) -> None:
        """Takes a claim that is under way a step further.

        Raises:
            LauncherError: The launcher cannot be asked.
            UnreadableRunError: It answers, and cannot tell of this run.
        """
        if claim.state == CLAIMED:
            self._launch(claim, find=True)
            return
        try:
            run = self._availability[claim.launcher].state(claim.run_id)
        except ForbiddenRunError:
            if not self._is_elsewhere(claim):
                raise
            self._leave(claim)
            return
        except UnreadableRunError as error:
            if claim.launcher in self._availability.answered:
                raise
            raise LauncherError(str(error)) from error
        if run.progress is Progress.SUCCEEDED:
            self._end(claim.succeeded())
            self._context.measures.succeeded.labels(claim.rule).inc()
            outcome = run.outcome or "MLflow has its verdict"
            self._context.show(f"{claim}: run {claim.run_name} ended: {outcome}: {run.shown}")
        elif run.progress is Progress.FAILED:
            self._failed(replace(claim, unanswered=0), run.reason, final=run.final)
        elif run.progress is Progress.INTERRUPTED:
            self._launch(claim, find=False)
        elif run.progress is Progress.GONE:
            self._look_for(claim)

    def moved(self, claim: Claim) -> Claim:
        """Returns a claim with what its rule says now that runs are started with.

        A run whose creation was not answered may yet be made: the next attempt looks for it, and goes on, where that was.
        """
        rule = self._file.rules.rules.get(claim.rule)
        return claim if rule is None or claim.unanswered else replace(claim, launcher=rule.submit)

    def retry(self, claim: Claim) -> None:
        """Begins the next attempt of a claim."""
        if (
            claim.unanswered
            and self._is_elsewhere(claim)
            and self._availability[claim.launcher].find(claim.run_name) is None
        ):
            self._leave(claim)
            return
        self.claim(claim.next_attempt())

    def claim(self, claim: Claim, version: ModelVersion | None = None) -> None:
        """Writes a claim, and starts its run."""
        ready = self._prepared(claim, version)
        if ready is None:
            return
        claim = replace(claim, place=self._availability[claim.launcher].place, tags=ready.tags)
        written = self._context.registry.write(claim)
        self._drop(claim)
        if written:
            self.open[claim.key] = claim
            self._submit(claim, ready)

    def _launch(self, claim: Claim, *, find: bool) -> None:
        """Starts the run of a claim that is written, unless there is one, or may be one where this watcher does not look."""
        run = self._availability[claim.launcher].find(claim.run_name) if find else None
        if run is not None:
            self._note(claim, run)
            return
        moved = self.moved(claim)
        if claim.launcher == LOCAL != moved.launcher:
            # It ended with its watcher, and its rule says something else now.
            step = partial(self.claim, replace(moved, state=CLAIMED, run_id=""))
            self._availability.guarded(moved.launcher, step)
            return
        if self._is_elsewhere(claim):
            self._leave(claim)
            return
        ready = self._prepared(claim)
        if ready is not None:
            self._submit(claim, ready)

    def _look_for(self, claim: Claim) -> None:
        """Looks by its name for a run that is not there by its identifier: one answer alone does not make a second run."""
        run = self._availability[claim.launcher].find(claim.run_name)
        if run is not None:
            if run.run_id != claim.run_id:
                self._note(claim, run)
        elif self._is_elsewhere(claim):
            self._leave(claim)
        else:
            self._failed(replace(claim, unanswered=0), "the run was deleted")

    def _is_elsewhere(self, claim: Claim) -> bool:
        """Tells whether what a claim began may go on in another place: runs on a machine end with their watcher."""
        return claim.launcher != LOCAL and claim.place not in ("", self._availability[claim.launcher].place)

    def _leave(self, claim: Claim) -> None:
        """Lets a claim go as it is, and says so once."""
        self._drop(claim)
        where = "is" if claim.state == SUBMITTED else "may have been started"
        here = self._availability[claim.launcher].place
        self._notices.tell(
            (claim.key, claim.place),
            f"{claim}: its run {claim.run_name} {where} at {claim.place}, and this is {here}: left alone; "
            f"to run it here, delete the tag {claim.tag} of the version",
        )

    def _prepared(self, claim: Claim, version: ModelVersion | None = None) -> Ready | None:
        """Returns what a run needs; None when it cannot run: then the claim is ended, or let go when it is nobody's here."""
        prepared = prepare(self._file.rules, self._context.registry, claim, version)
        if isinstance(prepared, Ready):
            return prepared
        if prepared.reason:
            self._failed(replace(claim, tags=prepared.tags), prepared.reason, final=prepared.final)
        else:
            self._drop(claim)
        return None

    def _submit(self, claim: Claim, ready: Ready) -> None:
        claim = replace(claim, tags=ready.tags)
        try:
            run = self._availability[claim.launcher].submit(ready.config, claim.run_name)
        except LauncherError:
            raise
        except UnansweredError as error:
            if claim.launcher in self._failing:
                # No run of this look could be started: it is the launcher rather than the version, which is not counted against.
                raise LauncherError(str(error)) from error
            self._failing.add(claim.launcher)
            self._failed(claim.unsure(), describe(error))
            return
        except (EdgequantError, OSError) as error:
            self._failed(claim, describe(error), final=isinstance(error, ConfigError))
            return
        self._failing.discard(claim.launcher)
        if claim.attempt == 1:
            self._context.measures.lag.observe(max(0.0, self._context.clock() - ready.version.created))
        self._context.measures.submitted.labels(claim.rule).inc()
        self._note(claim, run)

    def _note(self, claim: Claim, run: LaunchedRun) -> None:
        """Writes that a claim's run was started."""
        self.open[claim.key] = claim
        noted = claim.submitted(run.run_id)
        if not self._context.registry.write(noted):
            self._drop(claim)
            return
        self.open[claim.key] = noted
        self._context.show(f"{claim}: run {claim.run_name} started: {run.shown}")

    def _failed(self, claim: Claim, reason: str, *, final: bool = False) -> None:
        """Writes that an attempt failed, and whether there will be another."""
        rule = self._file.rules.rules.get(claim.rule)
        ended = claim.given_up(reason) if final else claim.after_failure(rule, reason, self._context.clock())
        recorded = self._end(ended)
        self._context.measures.failed.labels(claim.rule).inc()
        if not recorded:
            return
        if ended.retry_at:
            if len(self.retrying) < _MOST_RETRYING:
                self.retrying[ended.key] = ended
            wait = ended.retry_at - self._context.clock()
            self._context.show(f"{claim}: attempt {claim.attempt} failed, the next in {wait:.0f} s: {reason}")
        else:
            self._context.measures.given_up.labels(claim.rule).inc()
            until = "; it is retried when the tags that fill it in change" if ended.tags else ""
            self._context.show(
                f"{claim}: given up after {claim.attempt} attempt{'s' * (claim.attempt > 1)}: {reason}{until}"
            )

    def _end(self, claim: Claim) -> bool:
        """Writes a claim that is no longer under way, and tells whether its version is there."""
        version = self._context.registry.version(claim.name, claim.version)
        # There may be another of its name and number.
        recorded = version is not None and claim.is_of(version) and self._context.registry.write(claim)
        self._drop(claim)
        return recorded

    def _drop(self, claim: Claim) -> None:
        self.open.pop(claim.key, None)
        self.retrying.pop(claim.key, None)
