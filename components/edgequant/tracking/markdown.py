"""Escapes users' text in Markdown."""

import re
import unicodedata
from html import unescape

# Characters that begin markup anywhere. An underscore within a word does not, and is common in names.
_ANYWHERE = r"[\\`*\[\]<>&|~$@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
# Dialects turn URLs into links, and :names: into emoji.
_LINKS = r":(?=//|[\w+-])|(?<=\bwww)\.|(?<=\bWWW)\."
# Characters that begin a heading, a quotation, a list or an underline at the start of a line.
_FIRST = r"^[#+=:-]|^[0-9]{1,9}[.)](?=\s|$)"
_MARKUP = re.compile(f"{_ANYWHERE}|{_LINKS}|{_FIRST}")
# Unicode categories of control, format, surrogate, private-use and unassigned characters.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


def literal(text: str) -> str:
    """Returns a text escaped for Markdown, on one line: no markup, HTML, links or images.

    Markup is escaped by HTML character references, which all dialects support; backslash escapes are not supported for all of it.
    """
    line = " ".join(text.split())
    shown = "".join("\ufffd" if unicodedata.category(each) in _HIDDEN else each for each in line)
    return _MARKUP.sub(lambda match: f"{match[0][:-1]}&#{ord(match[0][-1])};", shown)


def plain(markdown: str) -> str:
    """Returns the text that `literal` escaped, on one line."""
    return unescape(markdown)
