"""Untrusted text in Markdown, read by an independent implementation: it is text, and the same."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgequant.tracking.markdown import literal, plain

_READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_MARKUP = st.text(alphabet="ab1 _*`[]()<>&|~!#+-.:;=\\/@'\"\n\t", max_size=40)
_EVIL = "![b](http://h/beacon.png) <img src=x onerror=y> [click](http://h) **blessed** `x` ~~y~~ &lt; | www.h.example"


def _tokens(markdown: str) -> Iterator[Token]:
    for token in _READER.parse(markdown):
        yield from token.children if token.children is not None else [token]


def _inline(markdown: str) -> tuple[set[str], str]:
    """Returns the kinds of what is in a paragraph, and its text."""
    tokens = list(_tokens(markdown))
    return {token.type for token in tokens}, "".join(token.content for token in tokens)


@given(st.one_of(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"]), max_size=60), _MARKUP))
@example(_EVIL)
@example("1. one")
@example("12) twelve")
@example("- - -")
@example("__init__ _a_ a_b")
@example("&#42;b&#42;")
def test_text_is_shown_as_it_is(text: str) -> None:
    """Also where it begins a paragraph, stands between our own bold text, or in a table: one line of text, the same."""
    line = " ".join(text.split())
    assert plain(literal(text)) == line
    if line:
        assert _inline(literal(text)) == ({"paragraph_open", "text", "paragraph_close"}, line)
    kinds, shown = _inline(f"**x**: {literal(text)} [ours](http://h)")
    assert kinds <= {
        *("paragraph_open", "paragraph_close", "text"),
        *("strong_open", "strong_close", "link_open", "link_close"),
    }
    assert " ".join(shown.split()) == " ".join(f"x: {line} ours".split())
    cells = [token.content for token in _tokens(f"| a | b |\n| --- | --- |\n| {literal(text)} | c |") if token.content]
    assert cells == ["a", "b", *([line] if line else []), "c"]


@pytest.mark.parametrize(
    "text",
    [
        "class_3",
        "50.1%",
        "a drop of 0.33 points (at worst 1.54 lost, 95% one-sided); 2 of 3",
        "models:/digits/3",
        "Zürich",
    ],
)
def test_ordinary_text_stays_readable(text: str) -> None:
    """Nothing is written otherwise that is no markup."""
    assert literal(text) == text


def test_addresses_are_no_links() -> None:
    """MLflow's pages make links of addresses, of @names and pictures of :names: by themselves."""
    assert literal("http://h www.h me@h :tada:") == "http&#58;//h www&#46;h me&#64;h &#58;tada:"


def test_what_hides_is_shown() -> None:
    """A character that turns the direction of writing, or is not seen, is told by a sign."""
    assert literal("a\u202eb\x00c\u200bd") == "a\ufffdb\ufffdc\ufffdd"
