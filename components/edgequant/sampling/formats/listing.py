"""Lists the files that a pattern matches, by one rule for every store.

The reader and the cache key of the sample step both use it, so that no file is read that the key does not cover.

- ``*`` and ``?`` match any characters of one name, and ``[abc]`` or ``[!abc]`` one of these; ``**`` crosses folders, and as a
  whole part, ``top/**/x``, it stands for any number of folders, also none.
- A wildcard does not match a dot at the beginning of a name (``._train.npz``, ``.crc``), nor folders of such names.
- Brackets are taken literally first, since folders have names such as ``set [v2]``, and as a choice of characters when no file
  has that name.
- Links are followed, also those of folders behind a wildcard.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.remote import list_objects, wrong_place

_ANY = re.compile(r"[*?]")
_ANY_OR_CHOICE = re.compile(r"[*?\[]")
_CHOICE = re.compile(r"\[(!?)(\]?[^\]]*)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file that a pattern matches.

    Attributes:
        path: Its path.
        size_bytes: Its size.
        version: What its store has that identifies the content, such as an ETag; "" for a local file, whose content is digested.
    """

    path: str
    size_bytes: int
    version: str = ""


def list_files(pattern: str) -> list[ListedFile]:
    """Returns the files that a pattern matches, sorted by path; none: an empty list.

    Raises:
        ExamplesError: The file system is unknown, cannot be reached, or a folder or a link cannot be read.
    """
    wrong = wrong_place(pattern)
    if wrong:
        raise ExamplesError(f"examples: {wrong}")
    for choices in (False, True) if "[" in pattern else (False,):
        listed = list(_remote(pattern, choices=choices) if "://" in pattern else _local(pattern, choices=choices))
        if listed:
            break
    return sorted(listed, key=lambda file: file.path)


def hidden_hint(pattern: str) -> str:
    """Returns that a pattern would match a file if it matched hidden names, as the end of a message; "" if it would not."""
    if "://" in pattern:
        return ""
    folder, name = os.path.split(pattern)
    # The dot goes before the first wildcard of the last part.
    hidden = os.path.join(folder, f".{name}")  # noqa: PTH118 - a pattern is no path
    if not _ANY.match(name) or not list_files(hidden):
        return ""
    return "; a wildcard matches no name that begins with a dot"


def _remote(pattern: str, *, choices: bool) -> Iterator[ListedFile]:
    special = _wildcards(choices)
    end = special.search(pattern)
    matches = _regex(pattern, choices=choices).fullmatch
    for path, size, version in list_objects(pattern[: end.start()] if end else pattern):
        # A key that ends in a slash is a console's placeholder of a folder.
        if not path.endswith("/") and matches(path):
            yield ListedFile(path=path, size_bytes=size, version=version)


def _local(pattern: str, *, choices: bool) -> Iterator[ListedFile]:
    root = "/" if pattern.startswith("/") else "."
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    for path in _descend(root, parts, choices=choices):
        try:
            facts = os.stat(path)  # noqa: PTH116 - paths are texts here
        except FileNotFoundError as error:
            if not os.path.islink(path):  # noqa: PTH114
                continue
            raise ExamplesError(f"examples: {path} is a link to a file that does not exist") from error
        except OSError as error:
            raise ExamplesError(f"examples: {path} cannot be read ({error.strerror})") from error
        if not os.path.isdir(path):  # noqa: PTH112
            yield ListedFile(path=path.removeprefix("./"), size_bytes=facts.st_size)


def _descend(folder: str, parts: Sequence[str], *, choices: bool) -> Iterator[str]:
    """Yields the paths below a folder that the parts of a pattern match."""
    if not parts:
        yield folder
        return
    part, *rest = parts
    if "**" in part:
        matches = _regex("/".join(parts), choices=choices).fullmatch
        yield from (_join(folder, name) for name in _walk(folder) if matches(name))
    elif _wildcards(choices).search(part):
        matches = _regex(part, choices=choices).fullmatch
        for name in _names(folder):
            path = _join(folder, name)
            if matches(name) and (not rest or os.path.isdir(path)):  # noqa: PTH112
                yield from _descend(path, rest, choices=choices)
    else:
        yield from _descend(_join(folder, part), rest, choices=choices)


def _walk(folder: str, prefix: str = "", above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yields the names of all files below a folder, relative to it; a link to a folder above is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    for name in _names(folder):
        path = _join(folder, name)
        if os.path.isdir(path):  # noqa: PTH112
            if not name.startswith("."):
                yield from _walk(path, f"{prefix}{name}/", above | {real})
        else:
            yield prefix + name


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ExamplesError(f"examples: {folder} cannot be listed ({error.strerror})") from error


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _wildcards(choices: bool) -> re.Pattern[str]:
    return _ANY_OR_CHOICE if choices else _ANY


@cache
def _regex(pattern: str, *, choices: bool) -> re.Pattern[str]:
    """Returns the regular expression of a pattern."""
    result = ""
    at = 0
    while at < len(pattern):
        begins_name = at == 0 or pattern[at - 1] == "/"
        visible = r"(?![.])" if begins_name else ""
        choice = _CHOICE.match(pattern, at) if choices else None
        if begins_name and pattern.startswith("**/", at):
            result += r"(?:(?![.])[^/]+/)*"
            at += 3
        elif pattern.startswith("**", at):
            result += visible + r"(?:(?!/[.]).)*"
            at += 2
        elif pattern[at] in "*?":
            result += visible + ("[^/]*" if pattern[at] == "*" else "[^/]")
            at += 1
        elif choice:
            negated, characters = choice.groups()
            escaped = re.sub(r"([\\^\[\]&~|])", r"\\\1", characters)
            result += visible + f"(?!/)[{'^' if negated else ''}{escaped}]"
            at = choice.end()
        else:
            result += re.escape(pattern[at])
            at += 1
    return re.compile(result, re.DOTALL)
