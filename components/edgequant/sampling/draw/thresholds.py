"""Ranks above which records can no longer be drawn, or are unlikely to be.

Portions are read separately, and each could fill a whole sample, most of which the merge would discard. A process that
remembers the ranks that it kept of earlier portions keeps only lower ones of the next. That does not change the draw, since
enough records with lower ranks are in a portion that is merged as well.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from edgequant.artifacts.example_set import SourceFile
from edgequant.errors import ExamplesError
from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.rule import CALIBRATION, CALIBRATION_SHARE, EVALUATION, DrawRule
from edgequant.sampling.draw.scan import Drawn, Scan
from edgequant.sampling.draw.spool import Stored
from edgequant.sampling.formats.files import NPZ, Piece, file_format, read_piece

_SHARES = {CALIBRATION: CALIBRATION_SHARE, EVALUATION: 1 - CALIBRATION_SHARE}
_MARGIN = 2.0
# From how much input on a few records are inspected first, and in how many files.
_WORTH_A_LOOK = 64 << 20
_LOOKS = 5
# A worker may outlive many draws.
_MOST_DRAWS = 4
_LOCK = threading.Lock()
_NOWHERE = Stored("", 0, 0)
_DRAWS: OrderedDict[str, dict[str, Drawn]] = OrderedDict()


def likely(files: Sequence[SourceFile], rule: DrawRule) -> dict[str, float]:
    """Returns by purpose a rank that drawn records almost certainly do not exceed; none where that is not known.

    Ranks are uniform: of n different records, the k-th lowest is near k / n. Twice that suffices unless half of the records
    are duplicates, or records are twice as large as the inspected ones. The caller must check that the draw is full.

    Args:
        files: The files.
        rule: How to draw.
    """
    total = sum(file.size_bytes for file in files)
    # Reading the first record of an archive costs as much as reading all.
    if total < _WORTH_A_LOOK or rule.weight or file_format(files[0].path) is NPZ:
        return {}
    largest = _record_bytes(files, rule)
    ranks = {}
    for purpose, keep in rule.keep.items():
        part = 1.0 if len(rule.keep) == 1 else _SHARES[purpose]
        rank = _MARGIN * (keep.lowest + 6 * math.sqrt(keep.lowest)) * largest / (total * part)
        if 0 < rank < 1:
            ranks[purpose] = rank
    return ranks


def _record_bytes(files: Sequence[SourceFile], rule: DrawRule) -> float:
    """Returns the mean size of the first records of a file, the largest of a few files; infinity without any."""
    some = files[:: max(len(files) // _LOOKS, 1)][:_LOOKS]
    sizes: list[float] = []
    for file in some:
        try:
            batch = next(read_piece(Piece(file.path, file.size_bytes), rule.columns), None)
        except ExamplesError:  # The scan of the file reports it.
            continue
        if batch is not None and len(batch.payloads):
            sizes.append(batch.size_bytes / len(batch.payloads))
    return max(sizes, default=math.inf)


def tighten(draw: str, scan: Scan, expected: Mapping[str, float]) -> None:
    """Makes a scan exclude records that can no longer be drawn.

    Args:
        draw: Identifies the draw.
        scan: The scan of the next portion.
        expected: From `likely`.
    """
    for purpose, rank in expected.items():
        scan.drawn[purpose].lowest.threshold = min(scan.drawn[purpose].lowest.threshold, rank)
    with _LOCK:
        for purpose, drawn in _DRAWS.get(draw, {}).items():
            scan.drawn[purpose].tighten(drawn)


def learn(draw: str, scan: Scan) -> None:
    """Remembers the ranks that a scan has kept."""
    with _LOCK:
        remembered = _DRAWS.setdefault(draw, {purpose: drawn.empty() for purpose, drawn in scan.drawn.items()})
        _DRAWS.move_to_end(draw)
        while len(_DRAWS) > _MOST_DRAWS:
            _DRAWS.popitem(last=False)
        for purpose, drawn in scan.drawn.items():
            for pool, kept in ((remembered[purpose].lowest, drawn.lowest), (remembered[purpose].shares, drawn.shares)):
                for candidate in kept:
                    # Without identities, different records of one rank count as one, which does not lower the threshold.
                    pool.add(Candidate(candidate.rank, b"", 0, _NOWHERE, "", candidate.label))
