"""Links between documents lead somewhere: to files that exist, and to headings that they have."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PATTERNS = ("*.md", "docs/**/*.md", "components/**/*.md", "examples/**/*.md", "findings/*.md", "manifests/**/*.md")
DOCUMENTS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))


def tokens(text: str) -> Iterator[Token]:
    """Yields the tokens of a Markdown text, those inside of paragraphs, tables and headings too."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or ()


def links(text: str) -> list[str]:
    """Returns the targets of a text's links and pictures, but for those that leave the repository."""
    targets = [str(token.attrs.get("href", token.attrs.get("src", ""))) for token in tokens(text)]
    return [target for target in targets if target and not urlsplit(target).scheme]


def anchors(text: str) -> set[str]:
    """Returns the anchors that GitHub gives to a text's headings."""
    blocks = MarkdownIt("commonmark").parse(text)
    repeated: Counter[str] = Counter()
    names = set()
    for heading, content in pairwise(blocks):
        if heading.type == "heading_open":
            title = "".join(part.content for part in content.children or ())
            name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            names.add(f"{name}-{repeated[name]}" if repeated[name] else name)
            repeated[name] += 1
    return names


def broken(document: Path) -> list[str]:
    """Returns the links of a document that lead nowhere."""
    wrong = []
    for link in links(document.read_text(encoding="utf-8")):
        name, _, anchor = unquote(link).partition("#")
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    """Its file exists, and so does the heading that it names."""
    assert broken(document) == []


@pytest.mark.parametrize("document", sorted(DOCS.rglob("*.md")), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_pages_of_the_site_link_to_pages_of_the_site(document: Path) -> None:
    """What is outside of docs/ is no page of the site: a link to it would be broken there."""
    targets = [(document.parent / link.partition("#")[0]).resolve() for link in links(document.read_text("utf-8"))]
    assert [target for target in targets if not target.is_relative_to(DOCS)] == []


def test_broken_links_are_recognized(tmp_path: Path) -> None:
    """Missing files and headings are, links in code and to other hosts are not, and anchors are those of GitHub."""
    (tmp_path / "other.md").write_text("# `a.json`, and: *More*\n## Options\n## Options\n```\n# Code\n```\n")
    document = tmp_path / "document.md"
    document.write_text(
        "[1](other.md) [2](other.md#ajson-and-more) [3](other.md#options-1) [4](https://example.org/x) `[5](code.md)`\n\n"
        "| a |\n| --- |\n| [6](gone.md) ![7](gone.png) |\n\n[8](other.md#options-2) [9](other.md#code) [10](#none)\n\n"
        "    [11](code.md)\n"
    )
    assert broken(document) == ["gone.md", "gone.png", "other.md#options-2", "other.md#code", "#none"]
