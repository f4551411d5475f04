"""Claims: what a tag says, the names of runs, and when to retry."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgequant_pipelines.watching.claims import CLAIMED, FAILED, RETRY, Claim, claims_of
from edgequant_pipelines.watching.model_registry import ModelRegistry
from edgequant_pipelines.watching.model_version import ModelVersion, TrainingRun
from edgequant_pipelines.watching.rules.rules import Bound, Rule
from edgequant_pipelines.watching.rules.version_selection import Choice, judge, matches, name_filter, nearest

CLAIM = Claim(
    name="digits", version="3", rule="nightly", digest="0123456789ab", launcher="local", state=CLAIMED, attempt=1
)


def rule(**values: Any) -> Rule:
    """Returns a rule."""
    return Rule(**{"name": "nightly", "registered_model": "*", "config": "c.yaml", **values})


def test_a_tag_says_all_of_a_claim() -> None:
    """What is written is read again; tags of others and broken ones are passed by."""
    claim = replace(CLAIM, origin="0").submitted("run-9").after_failure(rule(), "no node", 1000.0)
    tags = {
        claim.tag: claim.value(),
        "edgequant.watch.broken.0": "{",
        "edgequant.watch.other.0": '{"state": "resting", "attempt": 1, "launcher": "local"}',
        "edgequant.watch.list.0": "[]",
        "edgequant.watch.": "{}",
        "stage": "prod",
    }
    version = ModelVersion(name="digits", version="3", run_id="", created=0.0, tags=tags)
    assert list(claims_of(version)) == [claim]
    assert claim.tag == "edgequant.watch.nightly.0123456789ab"


@pytest.mark.parametrize(
    ("attempt", "retries", "expected"),
    [(1, 3, 60), (2, 3, 120), (3, 3, 240), (4, 3, None), (7, 99, 3600), (99, 99, 3600), (1, 0, None)],
)
def test_pauses_double_up_to_an_hour(attempt: int, retries: int, expected: float | None) -> None:
    """After 60 s, 120 s, 240 s, …, never more than an hour, and not at all after the last retry."""
    claim = Claim(
        name="digits", version="3", rule="nightly", digest="0", launcher="local", state=CLAIMED, attempt=attempt
    )
    after = claim.after_failure(rule(retries=retries), "why", 1000.0)
    assert (after.state, after.retry_at) == ((RETRY, 1000.0 + expected) if expected else (FAILED, 0.0))


def test_a_pause_longer_than_an_hour_is_kept() -> None:
    """What the rule asks for is the least."""
    assert CLAIM.after_failure(rule(retry_seconds=7200), "why", 0.0).retry_at == 7200.0


def test_run_names_tell_claims_apart() -> None:
    """A name has the rule, the model, its version, a digest of the claim (`sha256sum` of its JSON), and the attempt."""
    assert CLAIM.run_name == "nightly-digits-3-a4c7ca88818c-1"
    # These read alike in the characters that KFP allows, or differ in what the name does not spell out.
    alike = [replace(CLAIM, name=name) for name in ("a b", "a-b", "A-B", "a_b", "a--b", "ä", "ö", "a" * 40, "a" * 41)]
    others = [
        replace(CLAIM, version="4"),
        replace(CLAIM, attempt=2),
        replace(CLAIM, rule="weekly"),
        replace(CLAIM, digest="0123456789ac"),
        replace(CLAIM, origin="0"),
    ]
    claims = [CLAIM, *alike, *others]
    assert len({claim.run_name for claim in claims}) == len(claims)


@given(st.text(min_size=1), st.integers(1, 99_999), st.integers(1, 9))
def test_run_names_are_allowed_on_kubeflow(name: str, version: int, attempt: int) -> None:
    """A run's name is of lower-case letters, digits and dashes, and short enough for KFP."""
    claim = replace(CLAIM, name=name, version=str(version), rule="r" * 40, attempt=attempt)
    assert re.fullmatch("[a-z0-9-]{1,127}", claim.run_name)


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        ("FINISHED", 0.9, Choice.SELECTED),
        ("FINISHED", 0.89, Choice.NO),
        ("FINISHED", float("nan"), Choice.NO),
        ("RUNNING", 0.99, Choice.WAITING),
        ("SCHEDULED", 0.99, Choice.WAITING),
        ("KILLED", 0.99, Choice.NO),
    ],
)
def test_a_run_decides(status: str, value: float, expected: Choice) -> None:
    """Only a finished run's metric counts; one that has not ended may still reach it."""
    bounded = rule(metrics={"accuracy": Bound(at_least=0.9)})
    assert judge(bounded, TrainingRun(status=status, metrics={"accuracy": value})) is expected
    assert judge(bounded, TrainingRun(status="FINISHED", metrics={})) is Choice.NO
    assert judge(bounded, None) is Choice.NO


def test_what_a_quantization_made_is_not_quantized() -> None:
    """Its runs carry a tag, whichever model their results were copied to."""
    run = TrainingRun(status="FINISHED", metrics={}, tags={"edgequant.variant": "float16"})
    assert judge(rule(run="any"), run) is Choice.NO


def test_nearest_names() -> None:
    """The pattern's own letters count."""
    assert nearest("digit-*", ["digits", "faces", "digits-cnn"]) == ["digits", "digits-cnn"]
    assert nearest("zzz", ["digits"]) == []


NAMES = [
    "digits-cnn",
    "digits_cnn",
    "Digits-cnn",
    "o'hara",
    'say "hi"',
    "a%b",
    "50%",
    "näme",
    "x" * 200,
    "d[1]",
    "a b.c-d",
    "[]",
    "[!]",
    "]x",
    "ax",
]
PATTERNS = [
    *NAMES,
    "[]a]x",
    "[!]b]x",
    "[]*",
    "[!]*",
    "[]-a]*",
    "*[]]*",
    "*",
    "digits-*",
    "d*",
    "*'*",
    "d[ei]gits?cnn",
    "?'hara",
    "[!x]*",
    "a%*",
    "*_*",
    "d[[]1]",
    'say*"*',
]


def test_the_server_filters_no_more_than_the_rule(scene: Any) -> None:
    """For every pattern, MLflow's own filter lets all versions pass that the pattern matches."""
    for name in NAMES:
        scene.client.create_registered_model(name)
        scene.client.create_model_version(name, str(scene.folder), None)
    registry = ModelRegistry(scene.uri)
    for pattern in PATTERNS:
        patterned = rule(registered_model=pattern)
        expected = {name for name in NAMES if matches(patterned, name)}
        names = {version.name for page in registry.versions(name_filter(patterned)) for version in page}
        assert names >= expected, pattern
    exact = [
        version.name for page in registry.versions(name_filter(rule(registered_model="digits-cnn"))) for version in page
    ]
    assert exact == ["digits-cnn"]
