"""What was drawn, as bytes: what workers hand on, and the file that the result comes back in.

A line of JSON, then all payloads. Bytes pass from stage to stage of a runner untouched, where objects are taken apart and put
together again at each, and are never changed once they are given on.
"""

import json
from dataclasses import asdict
from typing import Any

from edgequant.sampling.bottom_k import Candidate
from edgequant.sampling.rule import Keep
from edgequant.sampling.scanning import Drawn


def pack(drawn: Drawn) -> bytes:
    """Returns what was drawn as bytes."""
    kept = {"lowest": list(drawn.lowest), "shared": list(drawn.shares)}
    header = {
        "keep": asdict(drawn.keep),
        "seed": drawn.seed,
        **{name: [_facts(candidate) for candidate in rows] for name, rows in kept.items()},
        "cap": drawn.shares.cap,
        "closed": sorted(drawn.shares.closed),
        "found": drawn.found,
        "left_out": drawn.left_out,
        "watched": sorted(identity.hex() for identity in drawn.watched),
        "pieces": drawn.pieces,
        "error": drawn.error,
    }
    payloads = (candidate.payload for rows in kept.values() for candidate in rows)
    return b"".join([json.dumps(header).encode(), b"\n", *payloads])


def unpack(data: bytes) -> Drawn:
    """Returns what `pack` was given."""
    start = data.index(b"\n") + 1
    header = json.loads(data[:start])
    drawn = Drawn(Keep(**header["keep"]), header["seed"])
    for name, add in (("lowest", drawn.lowest.add), ("shared", drawn.shares.add)):
        for rank, size, origin, label, copies in header[name]:
            add(Candidate(rank, data[start : start + size], origin, label, copies))
            start += size
    drawn.shares.cap = header["cap"]
    drawn.shares.close(header["closed"])
    drawn.found.update(header["found"])
    drawn.left_out.update(header["left_out"])
    drawn.watched.update(map(bytes.fromhex, header["watched"]))
    drawn.pieces = header["pieces"]
    drawn.error = header["error"]
    return drawn


def _facts(candidate: Candidate) -> list[Any]:
    return [candidate.rank, len(candidate.payload), candidate.origin, candidate.label, candidate.copies]
