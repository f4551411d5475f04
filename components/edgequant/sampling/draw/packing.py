"""What was drawn, as bytes: what workers hand on, and the file that the result comes back in.

Bytes pass from stage to stage of a runner untouched, where objects are taken apart and put together again at each, and are
never changed once they are given on.
"""

import json
from dataclasses import asdict
from operator import attrgetter

from edgequant.sampling.draw.bottom_k import Candidate
from edgequant.sampling.draw.rule import Keep
from edgequant.sampling.draw.scan import Drawn
from edgequant.sampling.draw.spool import Stored

# In columns, which are quicker to make than rows.
_FIELDS = ("rank", "checksum", "stored", "origin", "label", "copies")


def pack(drawn: Drawn) -> bytes:
    """Returns what was drawn as bytes."""
    content = {
        "keep": asdict(drawn.keep),
        "seed": drawn.seed,
        "lowest": _columns(list(drawn.lowest)),
        "shared": _columns(list(drawn.shares)),
        "cap": drawn.shares.cap,
        "closed": sorted(drawn.shares.closed),
        "records": drawn.records,
        "left_out": drawn.left_out,
        "watched": sorted(identity.hex() for identity in drawn.watched),
        "groups": sorted(drawn.groups),
        "pieces": drawn.pieces,
        "error": drawn.error,
    }
    return json.dumps(content).encode()


def unpack(data: bytes) -> Drawn:
    """Returns what `pack` was given."""
    content = json.loads(data)
    drawn = Drawn(Keep(**content["keep"]), content["seed"])
    for name, add in (("lowest", drawn.lowest.add), ("shared", drawn.shares.add)):
        for rank, checksum, stored, origin, label, copies, identity in zip(*content[name], strict=True):
            add(Candidate(rank, bytes.fromhex(identity), checksum, Stored(*stored), origin, label, copies))
    drawn.shares.cap = content["cap"]
    drawn.shares.close(content["closed"])
    drawn.records.update(content["records"])
    drawn.left_out.update(content["left_out"])
    drawn.watched.update(map(bytes.fromhex, content["watched"]))
    drawn.groups.update(content["groups"])
    drawn.pieces = content["pieces"]
    drawn.error = content["error"]
    return drawn


def _columns(rows: list[Candidate]) -> list[list[object]]:
    columns: list[list[object]] = [list(map(attrgetter(field), rows)) for field in _FIELDS]
    return [*columns, [candidate.identity.hex() for candidate in rows]]
