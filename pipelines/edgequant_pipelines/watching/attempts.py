"""The current attempts: each is claimed, started, followed and ended here, and has exactly one run.

A claim is written to the version before its run is started, and determines the run's name. Before a run is started, a run of that
name is looked up, so that none is started twice. Runs that may have been started at another server are left alone.
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

# The limit of versions to be retried that are kept in memory; a sweep finds the others when they are due.
_MOST_RETRYING = 1000
Key = tuple[str, str, str, str]


class Attempts:
    """The claims under way and those to be retried.

    Args:
        rules: The rules' file.
        context: The watcher's dependencies.
        availability: The launchers.

    Attributes:
        open: The claims whose runs are under way.
        retrying: The claims whose last attempt failed.
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
        """Begins a poll."""
        self._failing.clear()

    def forget(self) -> None:
        """Resets the notices about runs that are left alone, after the rules changed."""
        self._notices.forget()

    def adopt(self, claim: Claim) -> None:
        """Adds a claim from a tag, unless it is known or has ended."""
        if claim.rule not in self._file.rules.rules and not (
            claim.state == SUBMITTED and self._availability.has(claim.launcher, claim.place)
        ):
            # A claim of other rules is left alone. A run that a removed rule started with our launcher is still followed.
            return
        if claim.state in OPEN:
            self.retrying.pop(claim.key, None)
            self.open.setdefault(claim.key, claim)
        elif claim.state == RETRY and claim.key not in self.open and len(self.retrying) < _MOST_RETRYING:
            self.retrying[claim.key] = claim

    def follow(self, claim: Claim) -> None:
        """Advances a claim that is under way.

        Raises:
            LauncherError: The launcher is unavailable.
            UnreadableRunError: The launcher answers, but cannot read this run.
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
        """Returns a claim with the launcher that its rule names now.

        If the creation of its run was not answered, the run may exist: then the claim stays with its launcher.
        """
        rule = self._file.rules.rules.get(claim.rule)
        return claim if rule is None or claim.unanswered else replace(claim, launcher=rule.submit)

    def retry(self, claim: Claim) -> None:
        """Starts the next attempt of a claim."""
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
        """Starts the run of a written claim, unless it exists, or may exist at another server."""
        run = self._availability[claim.launcher].find(claim.run_name) if find else None
        if run is not None:
            self._note(claim, run)
            return
        moved = self.moved(claim)
        if claim.launcher == LOCAL != moved.launcher:
            # The local run ended with its watcher, and the rule names another launcher now.
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
        """Looks up a run by its name if its identifier is unknown: a single wrong answer must not start a second run."""
        run = self._availability[claim.launcher].find(claim.run_name)
        if run is not None:
            if run.run_id != claim.run_id:
                self._note(claim, run)
        elif self._is_elsewhere(claim):
            self._leave(claim)
        else:
            self._failed(replace(claim, unanswered=0), "the run was deleted")

    def _is_elsewhere(self, claim: Claim) -> bool:
        """Returns whether the run of a claim may exist in another place; local runs end with their watcher."""
        return claim.launcher != LOCAL and claim.place not in ("", self._availability[claim.launcher].place)

    def _leave(self, claim: Claim) -> None:
        """Leaves a claim unchanged, and reports that once."""
        self._drop(claim)
        where = "is" if claim.state == SUBMITTED else "may have been started"
        here = self._availability[claim.launcher].place
        self._notices.tell(
            (claim.key, claim.place),
            f"{claim}: its run {claim.run_name} {where} at {claim.place}, and this is {here}: left alone; "
            f"to run it here, delete the tag {claim.tag} of the version",
        )

    def _prepared(self, claim: Claim, version: ModelVersion | None = None) -> Ready | None:
        """Returns the prerequisites of a run; None if it cannot run: then the claim is ended, or dropped if not ours."""
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
                # No run of this poll could be started: the launcher is at fault, so the version's attempt does not count.
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
        """Records that a claim's run was started."""
        self.open[claim.key] = claim
        noted = claim.submitted(run.run_id)
        if not self._context.registry.write(noted):
            self._drop(claim)
            return
        self.open[claim.key] = noted
        self._context.show(f"{claim}: run {claim.run_name} started: {run.shown}")

    def _failed(self, claim: Claim, reason: str, *, final: bool = False) -> None:
        """Records that an attempt failed, and whether it will be retried."""
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
        """Writes a claim that is no longer under way, and returns whether its version exists."""
        version = self._context.registry.version(claim.name, claim.version)
        # A recreated model may have another version with the same number.
        recorded = version is not None and claim.is_of(version) and self._context.registry.write(claim)
        self._drop(claim)
        return recorded

    def _drop(self, claim: Claim) -> None:
        self.open.pop(claim.key, None)
        self.retrying.pop(claim.key, None)
