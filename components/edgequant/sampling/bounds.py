"""What one process has learned of a draw: ranks above which nothing it still reads can be drawn.

Portions are read apart, and each could fill a sample of its own, to be copied to where they are merged and thrown away
there. A process that remembers the ranks that it kept of earlier portions keeps of the next ones only what is lower. That
changes nothing of what is drawn: what is left out here has enough lower ones in a portion that is merged too.
"""

import threading
from collections import OrderedDict

from edgequant.sampling.bottom_k import Candidate
from edgequant.sampling.scanning import Drawn, Scan

# A worker may outlive many draws.
_MOST_DRAWS = 4
_LOCK = threading.Lock()
_KNOWN: OrderedDict[str, dict[str, Drawn]] = OrderedDict()


def tighten(draw: str, scan: Scan) -> None:
    """Has a scan keep nothing that cannot be drawn any more.

    Args:
        draw: What identifies the draw.
        scan: What is about to read a portion.
    """
    with _LOCK:
        for purpose, known in _KNOWN.get(draw, {}).items():
            scan.drawn[purpose].tighten(known)


def learn(draw: str, scan: Scan) -> None:
    """Remembers the ranks that a scan has kept."""
    with _LOCK:
        known = _KNOWN.setdefault(draw, {purpose: drawn.empty() for purpose, drawn in scan.drawn.items()})
        _KNOWN.move_to_end(draw)
        while len(_KNOWN) > _MOST_DRAWS:
            _KNOWN.popitem(last=False)
        for purpose, drawn in scan.drawn.items():
            for pool, kept in ((known[purpose].lowest, drawn.lowest), (known[purpose].shares, drawn.shares)):
                for candidate in kept:
                    # Without the payload, different records of one rank count as one: the bound is no lower for it.
                    pool.add(Candidate(candidate.rank, b"", "", candidate.label))
