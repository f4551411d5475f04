"""The headline of a verdict and the wording of its checks, on tables that can be checked by hand."""

import math
import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgequant.artifacts.benchmark import Latency, Ratio
from edgequant.artifacts.comparison import Drop, Measured
from edgequant.artifacts.verdict import Check, Need, VariantVerdict
from edgequant.gate import Gate
from edgequant.validation.comparison.drop_intervals import PairedDrop, paired_mean
from edgequant.validation.comparison.slices import Sliced, grouped, sliced
from edgequant.validation.gate.checks import Limit, check_drop, check_least
from edgequant.validation.gate.class_check import check_worst_class
from edgequant.validation.gate.headline import headline
from edgequant.validation.statistics import exact_ends, examples_for_share, examples_to_settle

_DROP = Limit(name="max_drop_points", value=1.0, confidence=0.95)
_BY_CLASS = Limit(name="max_worst_class_drop_points", value=5.0, confidence=0.95)
_AGREEMENT = Limit(name="min_agreement", value=0.97, confidence=0.95)


def _drop(points: float, low: float, high: float) -> PairedDrop:
    return PairedDrop(drop=Drop(points=points, interval=(low, high), method="paired proportions"), examples=1000)


def _variant(verdict: str, *checks: Check, **fields: Any) -> VariantVerdict:
    reasons = tuple(check.sentence for check in checks)
    return VariantVerdict(status="converted", verdict=verdict, checks=checks, reasons=reasons, examples=60, **fields)


def _check(name: str, verdict: str, sentence: str, need: Need | None = None) -> Check:
    return Check(name=name, limit=1.0, verdict=verdict, sentence=sentence, need=need)


def _reference() -> VariantVerdict:
    return VariantVerdict(status="converted", verdict="reference", size_bytes=100_000, examples=60)


def test_what_to_ship_is_told_in_a_line() -> None:
    """The headline has size, share, change of the metric, its bound, and that all checks pass."""
    best = _variant(
        "blessed",
        *(_check(str(number), "blessed", "long" * 50) for number in range(5)),
        size_bytes=27_500,
        drop_points=-0.12,
        drop_interval_points=(-0.5, 0.3),
    )
    sentence = headline(
        Gate(max_drop_points=1.0), "accuracy", "blessed", "small", {"float32": _reference(), "small": best}
    )
    assert sentence == (
        "Ship small: 27.5 kB, 0.28×; latency not measured; accuracy gains 0.12 points (at worst 0.30 lost, 95% one-sided)"
        " over 60 examples; all 5 checks pass."
    )


@pytest.mark.parametrize(
    ("ends", "noisy", "words"),
    [
        ((2.05, 2.1, 2.15), False, "2.1× slower here"),
        ((0.24, 0.25, 0.26), False, "4.0× faster here"),
        ((1.03, 1.04, 1.05), False, "1.04× slower here"),
        ((0.98, 1.04, 1.1), False, "as fast as float32 here, within the noise"),
        ((1.2, 2.1, 3.0), True, "about 2.1× slower here"),
    ],
)
def test_the_headline_says_what_it_costs(ends: tuple[float, float, float], noisy: bool, words: str) -> None:
    """A smaller file that is slower than float32 on the benchmark's machine says so beside its size."""
    low, value, high = ends
    ratio = Ratio(value=value, low=low, high=high, confidence=0.95, noisy=noisy, trials=9)
    latency = Latency(p50_ms=1.0, p90_ms=1.0, p99_ms=1.0, runs=100, ratio=ratio)
    best = _variant("blessed", _check("a", "blessed", "fine"), size_bytes=47_000, latency=latency)
    line = headline(Gate(max_drop_points=1.0), "accuracy", "blessed", "s", {"float32": _reference(), "s": best})
    assert line == f"Ship s: 47 kB, 0.47×; {words}; its one check passes."


def test_an_invalid_reference_is_not_to_be_shipped() -> None:
    """The reason is the headline, whatever the gate's checks say."""
    judged = {"float32": _reference(), "small": _variant("invalid reference", _check("a", "blessed", "fine"))}
    sentence = headline(Gate(max_drop_points=1.0), "accuracy", "invalid reference", None, judged, "float32 guesses")
    assert sentence == "Do not ship, nothing is promoted: float32 guesses."


def test_the_number_that_settles_the_variant_is_that_of_the_check_that_takes_most() -> None:
    """With three inconclusive checks the headline names all, and has the number of the one that needs most examples."""
    checks = (
        _check("min_metric", "inconclusive", "about 14,861 would settle it", Need(examples=14_861)),
        _check("max_worst_class_drop_points", "inconclusive", "about 870 would settle it", Need(examples=870)),
        _check("max_drop_points", "inconclusive", "about 288 would settle it", Need(examples=288)),
        _check("max_size_ratio", "blessed", "fine"),
    )
    judged = {"float32": _reference(), "small": _variant("inconclusive", *checks)}
    assert headline(Gate(max_drop_points=1.0), "accuracy", "inconclusive", None, judged) == (
        "No variant is blessed, so nothing is promoted (1 inconclusive over 60 examples); small: 3 of 4 checks are open (min_metric,"
        " max_worst_class_drop_points, max_drop_points), and min_metric takes most to settle: about 14,861 would settle it."
    )


def test_two_checks_are_both() -> None:
    """One passed check reads its one check, two read both checks."""
    for number, sentence in ((1, "its one check passes."), (2, "both checks pass.")):
        best = _variant("blessed", *(_check(str(index), "blessed", "") for index in range(number)), size_bytes=900)
        judged = {"float32": _reference(), "small": best}
        line = headline(Gate(max_size_ratio=1.0), "accuracy", "blessed", "small", judged)
        assert line == f"Ship small: 900 bytes, 0.01×; latency not measured; {sentence}"


def test_all_failing_checks_are_named() -> None:
    """The headline counts and names the rejected checks, and quotes the first in full."""
    checks = (_check("max_drop_points", "rejected", "too much"), _check("max_size_ratio", "rejected", "too large"))
    judged = {"float32": _reference(), "small": _variant("rejected", *checks)}
    assert headline(Gate(max_drop_points=1.0), "accuracy", "rejected", None, judged).endswith(
        "small: 2 of 2 checks fail (max_drop_points, max_size_ratio), first max_drop_points: too much."
    )


@pytest.mark.parametrize(
    ("points", "interval", "beginning"),
    [
        (-0.12, (-0.5, 0.3), "accuracy gains 0.12 points, at most 0.30 lost at 95%, one-sided: within"),
        (-2.0, (-3.0, -1.0), "accuracy gains 2.00 points, at least 1.00 gained at 95%, one-sided: within"),
        (-0.001, (-0.002, -0.0), "accuracy is unchanged, at most 0.00 lost at 95%, one-sided: within"),
        (1.9, (1.2, 3.18), "accuracy drops 1.90 points, at least 1.20 lost at 95%, one-sided: more than the 1 allowed"),
        (1.1, (1.0001, 3.0), "accuracy drops 1.10 points, at least 1.0001 lost at 95%, one-sided: more than the 1"),
        (1.1, (-0.2, 3.0), "accuracy drops 1.10 points (between 0.20 gained and 3.00 lost, each at 95%, one-sided)"),
    ],
)
def test_no_drop_is_told_with_a_minus_sign_and_the_end_that_decides_is_quoted(
    points: float, interval: tuple[float, float], beginning: str
) -> None:
    """A negative drop is a gain; a rejection quotes the lower end, in as many places as tell it from the limit."""
    sentence = check_drop(_DROP, _drop(points, *interval), "accuracy").sentence
    assert sentence.startswith(beginning)
    assert not re.search(r"-\d", sentence)


def _classes(*tables: tuple[str, int, int]) -> Sliced:
    """Returns classes by name, how many examples each has and how many of them the variant loses."""
    keys = np.repeat([name for name, _, _ in tables], [count for _, count, _ in tables])
    variant = np.concatenate([np.repeat([0.0, 1.0], [lost, count - lost]) for _, count, lost in tables])
    return sliced("class", grouped(keys, np.ones(len(keys)), variant), 0.95, len(keys))


def test_a_rejection_by_class_quotes_the_lower_end() -> None:
    """A rejection quotes the lower end of the greatest drop."""
    classes = _classes(("dot", 200, 0), ("square", 200, 40))
    check = check_worst_class(_BY_CLASS, classes)
    assert check.verdict == "rejected"
    assert classes.slice.worst_interval_points is not None
    low, high = classes.slice.worst_interval_points
    assert (
        f"square loses most: 20.00 points, the worst class at least {low:.2f} lost at 95%, one-sided:" in check.sentence
    )
    assert check.sentence.endswith("more than the 5 allowed")
    assert f"{high:.2f}" not in check.sentence


def test_every_open_class_is_settled_by_what_the_check_asks_for() -> None:
    """Three inconclusive classes have a number each, and the number of all examples is enough for each of them."""
    tables = (("dot", 40, 0), ("square", 16, 0), ("stripe_v", 4, 0))
    check = check_worst_class(_BY_CLASS, _classes(*tables))
    each = examples_to_settle(np.zeros(9), 0.05, 0.95, 0.8 ** (1 / 3))
    assert each is not None
    in_all = math.ceil(each * 60 / 4)
    assert (check.verdict, check.need) == ("inconclusive", Need(examples=in_all, group="stripe_v", of_group=each))
    assert "open for 3 classes" in check.sentence
    for name, count, _ in tables:
        assert f"{each} examples of class {name} ({each - count} more than these)" in check.sentence
    assert check.sentence.endswith(f"{in_all:,} in all under the same mix")
    enough = check_worst_class(_BY_CLASS, _classes(*((name, each, 0) for name, _, _ in tables)))
    assert enough.verdict == "blessed"


def test_the_number_for_all_classes_settles_the_check_in_four_of_five_runs() -> None:
    """In 200 simulated sets with the recommended number of examples and the same mix, at least 75% are settled."""
    tables = (("dot", 150, 2), ("square", 90, 2), ("stripe_v", 60, 1))
    need = check_worst_class(_BY_CLASS, _classes(*tables)).need
    assert need is not None
    random = np.random.default_rng(5)
    settled = 0
    for _ in range(200):
        drawn = []
        for name, count, lost in tables:
            of_class = round(need.examples * count / 300)
            drawn.append((name, of_class, int(random.binomial(of_class, lost / count))))
        settled += check_worst_class(_BY_CLASS, _classes(*drawn)).verdict == "blessed"
    assert settled >= 150


def test_what_some_open_check_takes_may_not_be_known() -> None:
    """A noisy latency has no number of examples: the sentence says so, and has the other check's number."""
    checks = (
        _check("max_drop_points", "inconclusive", "about 288 would settle it", Need(examples=288)),
        _check("max_latency_ratio", "inconclusive", "too noisy"),
    )
    judged = {"float32": _reference(), "small": _variant("inconclusive", *checks)}
    sentence = headline(Gate(max_drop_points=1.0), "accuracy", "inconclusive", None, judged)
    assert sentence.endswith("about 288 would settle it; what max_latency_ratio would take is not known.")


def test_a_class_past_the_limit_is_settled_by_a_rejection() -> None:
    """One class that loses 8 points of 5 allowed decides alone: the number is the one of its corrected lower end."""
    check = check_worst_class(_BY_CLASS, _classes(("dot", 100, 0), ("square", 100, 8), ("few", 10, 0)))
    differences = np.repeat([1.0, 0.0], [8, 92])
    needed = examples_to_settle(differences, 0.05, 0.95 ** (1 / 3))
    assert needed is not None
    assert check.need == Need(examples=math.ceil(needed * 210 / 100), group="square", of_group=needed)


@pytest.mark.parametrize(("successes", "count"), [(0, 3), (2, 3), (3, 3), (58, 60), (960, 1000)])
def test_exact_ends_are_those_of_scipy(successes: int, count: int) -> None:
    """The ends are Clopper and Pearson's, one-sided."""
    low = stats.binomtest(successes, count, alternative="greater").proportion_ci(0.95, method="exact").low
    high = stats.binomtest(successes, count, alternative="less").proportion_ci(0.95, method="exact").high
    assert exact_ends(successes, count, 0.95) == pytest.approx((low, high))


def test_one_of_three_that_differs_rejects_nothing() -> None:
    """At an agreement of 0.97, one or more of three differ in 8.7% of runs: that is no rejection at 95%."""
    assert float(stats.binom.sf(0, 3, 0.03)) == pytest.approx(0.087, abs=0.001)
    measured = Measured(value=2 / 3, interval=(0.2077, 0.9385), method="wilson")
    assert check_least(_AGREEMENT, measured, "agreement", 3).verdict == "inconclusive"


@pytest.mark.parametrize("limit", [0.5, 0.9, 0.97, 0.99])
@pytest.mark.parametrize("count", [1, 2, 3, 10, 60, 300])
def test_a_share_at_the_limit_is_settled_in_at_most_one_of_twenty_runs(limit: float, count: int) -> None:
    """By exact summation over all numbers of successes, neither blessing nor rejection is more frequent than 5%."""
    successes = np.arange(count + 1)
    likely = stats.binom.pmf(successes, count, limit)
    ends = np.array([exact_ends(int(number), count, 0.95) for number in successes])
    assert likely[ends[:, 0] > limit].sum() <= 0.05
    assert likely[ends[:, 1] < limit].sum() <= 0.05


@pytest.mark.parametrize(("share", "limit"), [(1.0, 0.99), (0.96, 0.949), (0.9, 0.97)])
def test_the_number_for_a_share_settles_it_in_four_of_five_runs(share: float, limit: float) -> None:
    """With the recommended number it is settled in 80% of runs, with one less it is not."""

    def settled(count: int) -> float:
        successes = np.arange(count + 1)
        ends = np.array([exact_ends(int(number), count, 0.95) for number in successes])
        right = ends[:, 0] >= limit if share > limit else ends[:, 1] < limit
        return float(stats.binom.pmf(successes, count, share)[right].sum())

    needed = examples_for_share(share, limit, 0.95)
    assert needed is not None
    assert settled(needed) >= 0.8 > settled(needed - 1)
    assert examples_for_share(1.0, 0.99, 0.95) == 299
    assert examples_for_share(limit, limit, 0.95) is None


def test_an_open_drop_carries_its_number() -> None:
    """The number in the sentence is also in a field."""
    drop = paired_mean(np.repeat([1.0, -1.0, 0.0], [9, 8, 283]), 0.95)
    check = check_drop(_DROP, drop, "accuracy")
    assert check.need is not None
    assert f"about {check.need.examples:,} evaluation examples would settle it" in check.sentence
