"""Channels of a variant's outputs that are constant where the reference's are not: a check of the gate, or notes."""

from collections.abc import Mapping

from edgequant.artifacts.comparison import Constants, OutputDrift
from edgequant.artifacts.verdict import REJECTED, Check
from edgequant.gate import Gate
from edgequant.variants import REFERENCE

CONSTANT_CHANNELS = "constant_channels"
_ALLOWED = "none"
_OUTPUT_CAUSE = (
    "All numbers of a tensor share one scale in int8: where some are much larger than others, as columns in their own units are,"
    " scale the inputs before the model (examples.inputs: scale, offset, or examples.preprocess)"
)
_CHANNELS_CAUSE = (
    "All numbers of a tensor share one scale in int8: where others are much larger, give these an output of their own, or bring all"
    " to one unit"
)


def check_constant_channels(gate: Gate, drift: Mapping[str, OutputDrift], *, labelled: bool) -> Check | None:
    """Returns the rejection of a variant with channels that are constant where the reference's are not; None without any.

    A metric of labels says how much such a channel matters, and a note is enough. Without labels, or where the gate limits the
    agreement, the variant is to be like the reference in every part: the mean over the examples does not see a channel that is
    constant in the reference, too, for nearly all of them.

    Args:
        gate: The gate.
        drift: The difference of each output from the reference's.
        labelled: Whether a metric of labels is judged.
    """
    lost = {name: each.constants for name, each in drift.items() if each.constants is not None and each.constants.lost}
    if not lost or (labelled and gate.min_agreement is None):
        return None
    return Check(
        name=CONSTANT_CHANNELS,
        limit=_ALLOWED,
        measured=float(sum(constants.lost for constants in lost.values())),
        verdict=REJECTED,
        sentence="; ".join(_lost(name, constants) for name, constants in lost.items()),
    )


def constant_notes(drift: Mapping[str, OutputDrift], examples: int) -> tuple[str, ...]:
    """Returns a note on the constant channels of each output, with the usual cause.

    Args:
        drift: The difference of each output from the reference's.
        examples: The number of examples.
    """
    notes = []
    for name, constants in ((name, each.constants) for name, each in drift.items()):
        if constants is None:
            continue
        if constants.lost == constants.channels:
            notes.append(
                f"output {name!r} is the same for all {examples:,} examples; {REFERENCE}'s is not. {_OUTPUT_CAUSE}"
            )
        elif constants.lost:
            notes.append(f"{_lost(name, constants)}. {_CHANNELS_CAUSE}")
        if constants.faint:
            which = _numbers(name, constants, constants.faint, constants.faint_numbers)
            notes.append(f"{which}; {REFERENCE}'s vary by less than a step of an 8-bit output")
    return tuple(notes)


def _lost(name: str, constants: Constants) -> str:
    if constants.lost == constants.channels:
        return f"output {name!r} is constant; {REFERENCE}'s is not"
    verb = "is" if constants.lost == 1 else "are"
    return f"{_numbers(name, constants, constants.lost, constants.lost_numbers)}; {REFERENCE}'s {verb} not"


def _numbers(name: str, constants: Constants, count: int, numbers: str) -> str:
    along = f" on axis {constants.axis}" if constants.axis > 0 else ""
    what, verb = ("number", "is") if count == 1 else ("numbers", "are")
    return f"{what} {numbers}{along} of {name} {verb} constant"
