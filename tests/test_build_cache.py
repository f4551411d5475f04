"""What the tests keep for later runs is never stale, half built, or changed."""

from pathlib import Path

import pytest
from tests.build_cache import cached


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source file, with a cache of its own."""
    monkeypatch.setenv("EDGEQUANT_TEST_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "make.py"
    path.write_text("one")
    return path


def write(folder: Path) -> None:
    """Builds an entry: a file whose content tells how often it was built beside its folder."""
    count = folder.parent / "count"
    count.write_text(count.read_text() + "x" if count.exists() else "x")
    (folder / "model").write_text("built")


def builds(folder: Path) -> int:
    """Returns how often entries were built."""
    return len((folder.parent / "count").read_text())


def test_an_entry_is_built_once(source: Path) -> None:
    """The second call returns the same directory as it is."""
    first = cached("model", [source], write, "float32")
    assert cached("model", [source], write, "float32") == first
    assert (first / "model").read_text() == "built"
    assert builds(first) == 1


def test_another_argument_is_another_entry(source: Path) -> None:
    """What is built from other arguments is kept beside the first."""
    first = cached("model", [source], write, "float32")
    assert cached("model", [source], write, "int8") != first
    assert builds(first) == 2


def test_another_source_is_another_entry(source: Path, tmp_path: Path) -> None:
    """A changed file, or a file more in a directory of sources, makes another entry."""
    other = tmp_path / "other.py"
    other.write_text("two")
    package = tmp_path / "package"
    package.mkdir()
    assert cached("model", [source], write) != cached("model", [other], write)
    empty = cached("model", [package], write)
    (tmp_path / "wider").mkdir()
    (tmp_path / "wider" / "module.py").write_text("three")
    assert cached("model", [tmp_path / "wider"], write) != empty


def test_a_changed_entry_is_built_again(source: Path) -> None:
    """A test that writes to an entry does not change what later runs see."""
    first = cached("model", [source], write)
    (first / "model").write_text("changed")
    assert (cached("model", [source], write) / "model").read_text() == "built"
    assert builds(first) == 2


def test_an_interrupted_build_is_begun_anew(source: Path) -> None:
    """What a build left that failed is removed before the next one."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        cached("model", [source], fail)
    entry = cached("model", [source], write)
    assert sorted(path.name for path in entry.iterdir()) == [".complete", "model"]
