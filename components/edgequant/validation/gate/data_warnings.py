"""Warnings about the evaluation set that limit what a verdict means."""

from dataclasses import dataclass

import numpy as np

from edgequant.artifacts.comparison import class_name
from edgequant.gate import Gate
from edgequant.metric_table import BY_NAME, METRICS
from edgequant.task import BINARY, CLASSIFICATION, DECIDING, MULTILABEL, NONE, REGRESSION
from edgequant.validation.comparison.compare import ComparisonSettings, Run
from edgequant.validation.comparison.slices import WITHOUT
from edgequant.validation.gate.chance import classes_of
from edgequant.validation.gate.wording import FEWEST_INFLUENTIAL, listed, scaled
from edgequant.validation.statistics import (
    POWER,
    exact_ends,
    examples_for_share,
    examples_to_settle,
    paired_drop_interval,
)
from edgequant.validation.statistics.worst_case import UnseenChanges, mean_worst_case

_POINTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """The labels of the evaluation set.

    Attributes:
        counts: The number of examples by class; empty for tasks without classes, and without labels.
        examples: The number of examples.
        shared: Whether an example may have several classes or none (multilabel).
    """

    counts: dict[str, int]
    examples: int
    shared: bool = False

    @property
    def missing(self) -> str:
        """A sentence on the classes without an example; "" if there are none."""
        names = [name for name, count in self.counts.items() if not count]
        if not names:
            return ""
        verb = "have" if len(names) > 1 else "has"
        return f"{len(names):,} of {len(self.counts):,} classes {verb} no evaluation example: {listed(names)}"

    @property
    def everywhere(self) -> str:
        """A sentence on multilabel classes that every example has, so that none shows false alarms; "" if there are none."""
        names = [name for name, count in self.counts.items() if self.shared and count == self.examples]
        return f"every evaluation example has {listed(names)}, and none is without" if names else ""

    @property
    def groups(self) -> dict[str, int]:
        """The number of examples with each class, and for multilabel without it; empty groups are left out."""
        without = {f"{WITHOUT}{name}": self.examples - count for name, count in self.counts.items() if self.shared}
        return {name: count for name, count in {**self.counts, **without}.items() if count}


def label_counts(settings: ComparisonSettings, run: Run, count: int) -> LabelCounts:
    """Returns the number of examples of each class among the first examples."""
    if settings.labels is None or settings.task not in DECIDING:
        return LabelCounts(counts={}, examples=count)
    labels = np.asarray(settings.labels[:count])
    if settings.task == MULTILABEL:
        counts = labels.sum(axis=0)
    else:
        counts = np.bincount(labels.astype(np.int64), minlength=classes_of(settings, run))
    return LabelCounts(
        counts={class_name(number, settings.classes): int(size) for number, size in enumerate(counts)},
        examples=count,
        shared=settings.task == MULTILABEL,
    )


def caveats(gate: Gate, settings: ComparisonSettings, run: Run) -> tuple[str, ...]:
    """Returns the warnings, a sentence each.

    Args:
        gate: The gate.
        settings: The settings of the comparison.
        run: The reference's outputs.
    """
    known = label_counts(settings, run, len(run))
    notes = (
        known.missing,
        known.everywhere,
        _constant_labels(settings),
        _too_few(gate, settings, known, run),
    )
    return tuple(note for note in notes if note)


def _constant_labels(settings: ComparisonSettings) -> str:
    """Returns a warning if numbers of the label are constant, so that drops cannot be in their standard deviation; else ""."""
    if settings.labels is None or settings.task != REGRESSION:
        return ""
    numbers = [str(number) for number in np.flatnonzero(~settings.varies)]
    if not numbers:
        return ""
    if len(settings.varies) == 1:
        return "the label is the same in all examples: for want of a standard deviation, drops are in hundredths of its own unit"
    which = f"number {numbers[0]} of a label is" if len(numbers) == 1 else f"numbers {listed(numbers)} of a label are"
    return f"{which} the same in all examples: for want of a standard deviation, its errors count in its own unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shortage:
    """A limit that no variant can be shown to hold with so few examples.

    Attributes:
        sentence: The limit and the number of examples that it takes.
        needed: That number, of all examples; None if no number is enough.
        rejectable: Whether so few can reject a variant.
        alone: Whether the sentence names the number.
    """

    sentence: str
    needed: int | None
    rejectable: bool
    alone: bool = True


def _too_few(gate: Gate, settings: ComparisonSettings, known: LabelCounts, run: Run) -> str:
    """Returns a warning if there are too few examples to bless even a variant that equals the reference; else ""."""
    count = len(run)
    shortages = [
        *_too_few_for_drops(gate, settings, run),
        *_too_few_for_agreement(gate, count),
        *_too_few_of_a_class(gate, known, count),
    ]
    if not shortages:
        return ""
    what = "bless a variant" if any(shortage.rejectable for shortage in shortages) else "bless or reject a variant"
    parts = [shortage.sentence for shortage in shortages]
    needs = [shortage.needed for shortage in shortages if shortage.needed is not None]
    # One number for all limits, where the sentences do not give one and the same already.
    if len(needs) == len(shortages) and not (len(set(needs)) == 1 and all(shortage.alone for shortage in shortages)):
        parts.append(f"{max(needs):,} are needed in all")
    return f"{count:,} examples are too few to {what}, even one that changes nothing: {'; '.join(parts)}"


def _too_few_for_agreement(gate: Gate, count: int) -> list[_Shortage]:
    limit, confidence = gate.min_agreement, gate.confidence
    if limit is None or exact_ends(count, count, confidence)[0] >= limit:
        return []
    needed = examples_for_share(1.0, limit, confidence)
    return [
        _Shortage(
            sentence=f"min_agreement of {limit:g} takes {needed:,}" if needed else "no number shows min_agreement of 1",
            needed=needed,
            rejectable=exact_ends(0, count, confidence)[1] < limit,
        )
    ]


def _too_few_of_a_class(gate: Gate, known: LabelCounts, count: int) -> list[_Shortage]:
    limit, counts = gate.max_worst_class_drop_points, known.groups
    if limit is None or not counts:
        return []
    fewest = min(counts, key=lambda name: counts[name])
    needed = _unchanged_needs(limit, counts[fewest], gate.confidence)
    if not needed:
        return []
    return [
        _Shortage(
            sentence=(
                f"max_worst_class_drop_points of {limit:g} takes {needed:,} of each {'group' if known.shared else 'class'};"
                f" {fewest} has {counts[fewest]:,}"
            ),
            needed=scaled(needed, counts[fewest], count),
            rejectable=count > 1,
            alone=False,
        )
    ]


def _too_few_for_drops(gate: Gate, settings: ComparisonSettings, run: Run) -> list[_Shortage]:
    """Returns the limits on drops that so few examples cannot show."""
    shortages, count, confidence = [], len(run), gate.confidence
    decided = settings.task in (CLASSIFICATION, BINARY)
    shares = decided and (
        settings.labels is None or (settings.metric in BY_NAME and BY_NAME[settings.metric].of_examples)
    )
    figure = run.figures(settings, count).get(settings.metric)
    # Without labels, the drop is that of agreement, a mean of values.
    worst_case = mean_worst_case if settings.labels is None else None if figure is None else figure.judged.worst_case
    for key in ("max_drop_points", "max_drop_points_vs_champion"):
        limit, needed = getattr(gate, key), None
        if limit is not None and shares:
            needed = _unchanged_needs(limit, count, confidence)
        elif limit is not None:
            unseen = UnseenChanges(examples=count, worst_case=worst_case, unit=_POINTS)
            needed = unseen.examples_to_leave(limit, confidence)
        if limit is not None and needed is not None and needed > count:
            # The extreme variant loses every example; a bootstrap interval also needs five influential examples.
            rejectable = paired_drop_interval(count, 0, count, confidence)[0] * _POINTS > limit and (
                shares or count >= FEWEST_INFLUENTIAL
            )
            shortages.append(
                _Shortage(sentence=f"{key} of {limit:g} takes {needed:,}", needed=needed, rejectable=rejectable)
            )
    return shortages


def least_examples(gate: Gate, task: str, *, labelled: bool) -> dict[str, int]:
    """Returns the number of examples from which each limit can bless a variant that decides every example as float32 does.

    Only limits whose number does not depend on the examples: on accuracy, and on agreement.

    Args:
        gate: The gate.
        task: The task.
        labelled: Whether the examples have labels.
    """
    needs: dict[str, int | None] = {}
    metric = gate.metric or (METRICS[task][0] if task in METRICS else "")
    of_decisions = task in (CLASSIFICATION, BINARY) and metric in BY_NAME and BY_NAME[metric].of_examples
    if not labelled or task == NONE or of_decisions:
        for key in ("max_drop_points", "max_drop_points_vs_champion"):
            limit = getattr(gate, key)
            needs[key] = None if limit is None else _unchanged_needs(limit, 1, gate.confidence)
    if gate.min_agreement is not None and task in DECIDING:
        needs["min_agreement"] = examples_for_share(1.0, gate.min_agreement, gate.confidence)
    return {key: needed for key, needed in needs.items() if needed is not None}


def _unchanged_needs(limit: float, count: int, confidence: float) -> int | None:
    """Returns the number of unchanged examples whose interval is within a limit; None if the given number is enough."""
    if _POINTS * paired_drop_interval(0, 0, count, confidence)[1] <= limit:
        return None
    return examples_to_settle(np.zeros(count), limit / _POINTS, confidence, POWER)
