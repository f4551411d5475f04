"""Names at a server: which it can hold, and which of those that its database takes for the same is meant.

KFP's database compares names without case, accents and blanks at the end, so that a look-up of ``digits`` also brings ``Digits``.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from edgequant.errors import ConfigError
from edgequant_pipelines.kubeflow.connection import Connection, KubeflowError, request_errors

# In characters; what is longer is an error of the server.
LONGEST = {"pipeline": 127, "pipeline version": 127, "experiment": 128, "run": 255}
PAGE = 100
_CONFLICT = 409
# The database's character set has three bytes for a character.
_LAST_CHARACTER = 0xFFFF

ListPage = Callable[..., Any]


class SameNameError(KubeflowError):
    """There is none of the name that was given, and one of a name that the server's database takes for the same."""


def check_name(kind: str, name: str) -> None:
    """Checks a name before anything is sent.

    Args:
        kind: What is named, a key of `LONGEST`.
        name: The name.

    Raises:
        ConfigError: The server cannot hold it.
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
    """Returns the filter for things that the database takes for things of this display name."""
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})


def each(connection: Connection, what: str, list_page: ListPage, items: str, **query: Any) -> Iterator[Any]:
    """Yields what a server lists, from all of its pages.

    Args:
        connection: The server.
        what: What could not be done when it fails, such as "the runs cannot be listed".
        list_page: Requests a page.
        items: The name of the list in a page.
        query: What else is requested.
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
    """Returns the first of exactly this name; without one, the name of the first that the database takes for it, or ""."""
    other = ""
    for item in items:
        if item.display_name == name:
            return item, ""
        other = other or str(item.display_name)
    return None, other


def check_other(connection: Connection, kind: str, name: str, other: str) -> None:
    """Checks that there is no other name that the database takes for one that is not there.

    Raises:
        SameNameError: There is.
    """
    if other:
        raise SameNameError(
            f"{kind}: there is no {name!r} at {connection.host}, and there is {other!r}, which Kubeflow's database takes for the same "
            "name, as it compares without case, accents and blanks at the end; nothing was changed: give that name, or another",
            _CONFLICT,
        )
