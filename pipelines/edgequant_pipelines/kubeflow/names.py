"""Names at a server: which are allowed, and exact look-ups by name.

KFP's database compares names without case, accents and trailing blanks, so that a look-up of ``digits`` also returns ``Digits``.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError, request_errors

# In characters; the server fails on longer names.
LONGEST = {"pipeline": 127, "pipeline version": 127, "experiment": 128, "run": 255}
PAGE = 100
_CONFLICT = 409
# The database's character set (utf8mb3) has at most three bytes per character.
_LAST_CHARACTER = 0xFFFF

ListPage = Callable[..., Any]


class SameNameError(KubeflowError):
    """No object has the requested name, but one has a name that the server's database considers equal."""


def check_name(kind: str, name: str) -> None:
    """Checks a name before it is sent to the server.

    Args:
        kind: The kind of object, a key of `LONGEST`.
        name: The name.

    Raises:
        ConfigError: The server does not allow it.
    """
    longest = LONGEST[kind]
    if not name.strip():
        raise ConfigError(f"{kind} name: {name!r} is no name")
    if len(name) > longest:
        raise ConfigError(f"{kind} name: {name!r} has {len(name)} characters; {longest} are allowed")
    if name != name.strip():
        raise ConfigError(
            f"{kind} name: {name!r} begins or ends with white space, which Kubeflow's database does not tell apart"
        )
    wrong = next(filter(_not_storable, name), "")
    if wrong:
        raise ConfigError(
            f"{kind} name: {name!r} has the character {wrong!r}, which Kubeflow's database cannot hold; "
            "letters, digits, punctuation and others up to U+FFFF are allowed, control characters and emoji are not"
        )


def _not_storable(character: str) -> bool:
    return ord(character) > _LAST_CHARACTER or unicodedata.category(character) in ("Cc", "Cs")


def named(name: str) -> str:
    """Returns the filter for objects whose display name equals a name by the database's comparison."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def each(connection: Connection, what: str, list_page: ListPage, items: str, **query: Any) -> Iterator[Any]:
    """Yields the items of all pages of a list request.

    Args:
        connection: The server.
        what: The failed operation, for the message, such as "the runs cannot be listed".
        list_page: Requests a page.
        items: The name of the list in a page.
        query: Further arguments of the request.
    """
    token = ""
    while True:
        with request_errors(what, connection.host):
            page = list_page(**{"page_size": PAGE, "page_token": token, **query}, **connection.request())
        yield from getattr(page, items) or []
        token = page.next_page_token or ""
        if not token:
            return


def exactly(items: Iterable[Any], name: str) -> tuple[Any | None, str]:
    """Returns the first item of exactly this name; without one, the name of the first other item, or ""."""
    other = ""
    for item in items:
        if item.display_name == name:
            return item, ""
        other = other or str(item.display_name)
    return None, other


def check_other(connection: Connection, kind: str, name: str, other: str) -> None:
    """Checks that no other name exists that the database considers equal.

    Raises:
        SameNameError: Such a name exists.
    """
    if other:
        raise SameNameError(
            f"{kind}: there is no {name!r} at {connection.host}, and there is {other!r}, which Kubeflow's database takes for the same "
            "name, as it compares without case, accents and blanks at the end; nothing was changed: give that name, or another",
            _CONFLICT,
        )
