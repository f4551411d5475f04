"""The rule of a draw: which records are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CALIBRATION = "calibration"
EVALUATION = "evaluation"
# When one source serves both purposes, this share of it is for calibration. It does not depend on the requested numbers,
# so that another calibration set does not change the evaluation set, nor any metric computed on it.
CALIBRATION_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much to keep for one purpose.

    Attributes:
        lowest: How many candidates of lowest rank.
        shared: How many candidates to divide equally among the classes; 0: none.
        most_of_a_class: How many of those one class may hold.
    """

    lowest: int
    shared: int = 0
    most_of_a_class: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRule:
    """How to draw.

    Attributes:
        keep: How much to keep, by purpose. With both purposes, the source is split between them.
        seed: The seed.
        classes: The feature whose values are the classes that calibration records are drawn from; "" for none.
        weight: The feature by which calibration records are weighted; "" for none.
        exclude: Identities that must not be drawn.
        watch: Identities to search for, by the checksum of their records.
        group: The feature whose values are groups, all of whose records have one purpose; "" for none.
        sequence: The feature whose values are the keys of sequences, which are drawn as a whole; "" for none.
        exclude_groups: Groups whose records must not be drawn.
        note_groups: Whether to return the groups of all records read.
        columns: The columns to read of a format that has columns; None: all.
    """

    keep: Mapping[str, Keep]
    seed: int
    classes: str = ""
    weight: str = ""
    exclude: frozenset[bytes] = frozenset()
    watch: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    group: str = ""
    sequence: str = ""
    exclude_groups: frozenset[str] = frozenset()
    note_groups: bool = False
    columns: tuple[str, ...] | None = None
