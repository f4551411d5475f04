"""The state of a model version under a rule, stored in a tag of the version: MLflow is the only storage."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.rules.rules import Rule

PREFIX = "edgequant.watch."
CLAIMED, SUBMITTED, RETRY, SUCCEEDED, FAILED = "claimed", "submitted", "retry", "succeeded", "failed"
OPEN = frozenset({CLAIMED, SUBMITTED})
_STATES = frozenset({CLAIMED, SUBMITTED, RETRY, SUCCEEDED, FAILED})
_LONGEST_WAIT_SECONDS = 3600.0
_REASON_CHARACTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One quantization of one version by one rule with one configuration.

    Attributes:
        name: The registered model.
        version: The version.
        rule: The rule's name.
        digest: The digest of the rule's configuration.
        launcher: The name of its launcher.
        place: The launcher's name of the server and namespace, or of the machine.
        state: Its state.
        attempt: The number of the attempt, from 1.
        run_id: The launcher's identifier of the attempt's run, or "".
        reason: Why the last attempt failed, or "".
        retry_at: The earliest time of the next attempt, in seconds since 1970, or 0.
        tags: The digest of the tags that fill in its configuration, or "": a failed claim is retried when they change.
        unanswered: The attempt whose run may exist though its creation failed; later attempts use its run name. 0: none.
        origin: The origin of the version, which differs for a recreated model or another registry with the same name and number.
            "" in claims of releases without this field.
    """

    name: str
    version: str
    rule: str
    digest: str
    launcher: str
    state: str
    place: str = ""
    attempt: int = 1
    run_id: str = ""
    reason: str = ""
    retry_at: float = 0.0
    tags: str = ""
    unanswered: int = 0
    origin: str = ""

    @property
    def tag(self) -> str:
        """The tag's key, unique per version, rule and configuration."""
        return tag_key(self.rule, self.digest)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The unique key of the claim."""
        return self.name, self.version, self.origin, self.tag

    @property
    def run_name(self) -> str:
        """The name of the attempt's run: deterministic, so that a run can be found if its start was not recorded."""
        identity = [self.name, self.version, self.rule, self.digest, *([self.origin] if self.origin else [])]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
        word = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:40].strip("-") or "model"
        return f"{self.rule}-{word}-{self.version}-{digest}-{self.unanswered or self.attempt}"

    def __str__(self) -> str:
        return f"{self.name} version {self.version} (rule {self.rule})"

    def value(self) -> str:
        """Returns the tag's value."""
        shown: dict[str, Any] = {"state": self.state, "attempt": self.attempt, "launcher": self.launcher}
        shown |= {"place": self.place, "run_name": self.run_name}
        if self.run_id:
            shown["run_id"] = self.run_id
        if self.reason:
            shown["reason"] = self.reason[:_REASON_CHARACTERS]
        if self.retry_at:
            shown["retry_at"] = self.retry_at
        if self.tags:
            shown["tags"] = self.tags
        if self.unanswered:
            shown["unanswered"] = self.unanswered
        if self.origin:
            shown["origin"] = self.origin
        return json.dumps(shown)

    def is_of(self, version: ModelVersion) -> bool:
        """Returns whether the claim belongs to a version, and not to a namesake or to the version that it was copied from."""
        return self.origin in ("", version.origin)

    def submitted(self, run_id: str) -> Self:
        """Returns the claim after its run was started."""
        return replace(self, state=SUBMITTED, run_id=run_id)

    def unsure(self) -> Self:
        """Returns the claim after an ambiguous failure of its run's creation: later attempts keep the run's name."""
        return replace(self, unanswered=self.unanswered or self.attempt)

    def succeeded(self) -> Self:
        """Returns the claim after its run succeeded."""
        return replace(self, state=SUCCEEDED, reason="")

    def given_up(self, reason: str) -> Self:
        """Returns the claim after its final failure; it is retried only when the tags change."""
        return replace(self, state=FAILED, reason=reason, retry_at=0.0)

    def after_failure(self, rule: Rule | None, reason: str, timestamp: float) -> Self:
        """Returns the claim after a failed attempt: to be retried with exponential backoff, or failed.

        Args:
            rule: The claim's rule; None if it no longer exists.
            reason: Why the attempt failed.
            timestamp: The time, in seconds since 1970.
        """
        if rule is None or self.attempt > rule.retries:
            return replace(self.given_up(reason), tags="")
        wait = min(rule.retry_seconds * 2.0 ** min(self.attempt - 1, 30), _LONGEST_WAIT_SECONDS)
        return replace(self, state=RETRY, reason=reason, retry_at=timestamp + max(wait, rule.retry_seconds))

    def next_attempt(self) -> Self:
        """Returns the claim of the next attempt."""
        return replace(self, state=CLAIMED, attempt=self.attempt + 1, run_id="", retry_at=0.0)

    def is_outdated(self, tags: str) -> bool:
        """Returns whether the claim failed with tags that have changed since.

        Args:
            tags: The digest of the current tags.
        """
        return self.state == FAILED and self.tags not in ("", tags)


def tag_key(rule: str, digest: str) -> str:
    """Returns the key of the tag for a rule and its configuration."""
    return f"{PREFIX}{rule}.{digest}"


def claim_of(version: ModelVersion, key: str) -> Claim | None:
    """Returns the claim in one tag of a version, or None."""
    return next((claim for claim in claims_of(version) if claim.tag == key), None)


def is_claimed(version: ModelVersion, key: str) -> bool:
    """Returns whether a version has a claim of its own with this key: MLflow copies versions together with their tags."""
    if key not in version.tags:
        return False
    claim = _read(version, key)
    return claim is None or claim.is_of(version)


def claims_of(version: ModelVersion) -> Iterator[Claim]:
    """Yields the claims in a version's tags; other tags, and claims of other versions, are skipped."""
    for key in version.tags:
        claim = _read(version, key)
        if claim is not None and claim.is_of(version):
            yield claim


def _read(version: ModelVersion, key: str) -> Claim | None:
    """Returns the claim in a tag, of any version, or None."""
    rule, dot, digest = key.removeprefix(PREFIX).rpartition(".")
    if not key.startswith(PREFIX) or not dot:
        return None
    try:
        value = json.loads(version.tags[key])
        claim = Claim(
            name=version.name,
            version=version.version,
            rule=rule,
            digest=digest,
            launcher=str(value["launcher"]),
            state=str(value["state"]),
            place=str(value.get("place", "")),
            attempt=int(value["attempt"]),
            run_id=str(value.get("run_id", "")),
            reason=str(value.get("reason", "")),
            retry_at=float(value.get("retry_at", 0.0)),
            tags=str(value.get("tags", "")),
            unanswered=int(value.get("unanswered", 0)),
            origin=str(value.get("origin", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return claim if claim.state in _STATES else None
