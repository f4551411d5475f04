"""The comparison of a calibration set with an evaluation set (convert → validate, track)."""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelComparison:
    """The values of one channel (one index of the last axis) of an input in both sets.

    Attributes:
        channel: Its index in the last axis.
        calibration: The minimum and maximum in the calibration set.
        evaluation: Those in the evaluation set.
        outside_share: The share of its evaluation values outside of its calibrated range.
        quantile_distance: The largest distance between equal quantiles of both sets, as a share of the evaluation set's range from
            the 1% to the 99% quantile; None where channels are too many to tell, or nothing varies.
    """

    channel: int
    calibration: Range
    evaluation: Range
    outside_share: float
    quantile_distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputComparison:
    """The values of one input in both sets.

    Attributes:
        calibration: The minimum and maximum in the calibration set.
        evaluation: Those in the evaluation set.
        outside_share: The share of evaluation values outside of the calibrated range.
        outside_examples: The share of evaluation examples with such a value.
        range_used: The share of the calibrated range that the evaluation values span.
        quantile_distance: As of a channel.
        quantiles: The value at some probabilities, as (probability, in the calibration set, in the evaluation set).
        channels: The channels with the most values outside, the worst first; empty for an input with one channel.
        channel_count: How many channels the input has.
    """

    calibration: Range
    evaluation: Range
    outside_share: float
    outside_examples: float
    range_used: float
    quantile_distance: float | None
    quantiles: tuple[tuple[float, float, float], ...]
    channels: tuple[ChannelComparison, ...] = ()
    channel_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationComparison:
    """How a calibration set compares with the evaluation set.

    Attributes:
        calibration_examples: The size of the calibration set.
        evaluation_examples: The size of the evaluation set.
        inputs: The comparison of each input.
        only_evaluation: The classes without a calibration example.
        only_calibration: The classes without an evaluation example.
        mismatches: What is plainly wrong, a sentence each, the likeliest mistake first; calibrated variants are then blocked.
        remarks: What is odd, a sentence each; it blocks nothing.
        allowed: Whether `calibration.allow_mismatch` is set: mismatches do not block.
        sentence: The result in one sentence.
    """

    calibration_examples: int
    evaluation_examples: int
    inputs: dict[str, InputComparison]
    only_evaluation: tuple[str, ...] = ()
    only_calibration: tuple[str, ...] = ()
    mismatches: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    allowed: bool = False
    sentence: str

    @property
    def blocks(self) -> bool:
        """Whether the calibrated variants must not be made."""
        return bool(self.mismatches) and not self.allowed

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the verdict must know, a sentence each."""
        if not self.mismatches:
            return self.remarks
        how = (
            "used all the same, since calibration.allow_mismatch is true"
            if self.allowed
            else "the calibrated variants were not converted"
        )
        first = f"the calibration set does not match the evaluation set ({how}): {'; '.join(self.mismatches)}"
        return (first, *self.remarks)
