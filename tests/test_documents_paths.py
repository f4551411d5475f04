"""What contributors are pointed to exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/glossary.md",
    *(f"docs/decisions/{path.name}" for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))),
]
# A path from the root of the repository, with or without a slash at its end.
_PATH = re.compile(
    r"`((?:\.ci|\.github|benchmarks|components|docs|examples|findings|manifests|pipelines|scripts|tests)/[\w./-]*|[A-Z]+\.md|[\w-]+\.(?:toml|txt))`"
)
_TARGET = re.compile(r"`make ([a-z-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_in_a_document_exists(document: str) -> None:
    """Paths in backquotes count from the root of the repository."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert not [name for name in _PATH.findall(text) if not (ROOT / name).exists()]


def test_paths_are_recognized() -> None:
    """The test above reads the documents: each guide of CONTRIBUTING.md names files."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for title in ("Add a metric", "Add a variant", "Add a source format", "Add a gate check"):
        guide = text.split(f"## {title}\n")[1].split("\n## ")[0]
        named = _PATH.findall(guide)
        assert any(name.startswith("components/") for name in named), title
        assert any(name.startswith("tests/") for name in named), title


def test_every_make_target_exists() -> None:
    """CONTRIBUTING.md names no command that the Makefile does not have."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(_TARGET.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    assert {"lint", "test-fast"} <= named
    assert [name for name in sorted(named) if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("finding", sorted((ROOT / "findings").glob("*.sh")), ids=lambda path: path.stem)
def test_a_finding_says_what_it_is(finding: Path) -> None:
    """Each script of findings/ can be run, and starts with the library, the behaviour, the guess and where it is documented."""
    text = finding.read_text(encoding="utf-8")
    header = text.split("\nset -euo pipefail\n")[0]
    for field in ("Library", "Behaviour", "A careful engineer would guess", "Documented"):
        assert f"\n# {field}: " in header
    assert finding.stat().st_mode & 0o111
    requirements = re.search(r"^requirements=\((.+)\)$", text, re.MULTILINE)
    assert requirements
    assert all("==" in requirement for requirement in requirements[1].split())
