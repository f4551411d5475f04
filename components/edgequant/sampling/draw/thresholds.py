"""Ranks above which nothing that is still to be read can be drawn, or is likely to be.

Portions are read apart, and each could fill a sample of its own, to be copied to where they are merged and thrown away
there. A process that remembers the ranks that it kept of earlier portions keeps of the next ones only what is lower. That
changes nothing of what is drawn: what is left out here has enough lower ones in a portion that is merged too.
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
# How much input is worth looking at a few records of it first, and in how many files.
_WORTH_A_LOOK = 64 << 20
_LOOKS = 5
# A worker may outlive many draws.
_MOST_DRAWS = 4
_LOCK = threading.Lock()
_NOWHERE = Stored("", 0, 0)
_DRAWS: OrderedDict[str, dict[str, Drawn]] = OrderedDict()


def likely(files: Sequence[SourceFile], rule: DrawRule) -> dict[str, float]:
    """Returns ranks by purpose that those drawn are nearly sure to stay below; none where that is not known.

    Ranks are uniform: of n different records, the k-th lowest is near k / n. Twice that is enough unless half of the records
    are duplicates, or records are twice as large as those looked at here. What is drawn must be compared with it.

    Args:
        files: The files.
        rule: How to draw.
    """
    total = sum(file.size_bytes for file in files)
    # Of an archive, the first record costs as much as all.
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
    """Returns the mean size of the first records of a file, the largest of a few files; without any, one that tells nothing."""
    some = files[:: max(len(files) // _LOOKS, 1)][:_LOOKS]
    sizes: list[float] = []
    for file in some:
        try:
            batch = next(read_piece(Piece(file.path, file.size_bytes), rule.columns), None)
        except ExamplesError:  # Whoever reads the file tells.
            continue
        if batch is not None and len(batch.payloads):
            sizes.append(batch.size_bytes / len(batch.payloads))
    return max(sizes, default=math.inf)


def tighten(draw: str, scan: Scan, expected: Mapping[str, float]) -> None:
    """Has a scan keep nothing that cannot be drawn any more.

    Args:
        draw: What identifies the draw.
        scan: What is about to read a portion.
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
                    # Without identities, different records of one rank count as one: the bound is no lower for it.
                    pool.add(Candidate(candidate.rank, b"", 0, _NOWHERE, "", candidate.label))
