"""Text that users named, as Markdown that shows it as it is."""

import re
import unicodedata
from html import unescape

# What begins markup wherever it stands. An underscore within a word does not, and names are full of them.
_ANYWHERE = r"[\\`*\[\]<>&|~$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
# What some make links and pictures of: addresses, and :names:.
_LINKS = r":(?=//|[\w+-])|(?<=\bwww)\.|(?<=\bWWW)\."
# What begins a heading, a quotation, a list or a line below a heading where it is the first of a line.
_FIRST = r"^[#+=:-]|^[0-9]{1,9}[.)](?=\s|$)"
_MARKUP = re.compile(f"{_ANYWHERE}|{_LINKS}|{_FIRST}")
# Control characters, those that turn the direction of writing or are not seen, and halves of characters.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def literal(text: str) -> str:
    """Returns a text as Markdown, on one line, that shows it and nothing else: no markup, no HTML, no link and no picture.

    Markup is written as HTML's character references, which all dialects know; not all know a backslash before all of it.
    """
    line = " ".join(text.split())
    shown = "".join("\ufffd" if unicodedata.category(each) in _HIDDEN else each for each in line)
    return _MARKUP.sub(lambda match: f"{match[0][:-1]}&#{ord(match[0][-1])};", shown)


def plain(markdown: str) -> str:
    """Returns the text that `literal` was given, on one line."""
    return unescape(markdown)
