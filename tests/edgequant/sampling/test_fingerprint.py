"""What identifies the contents of files and code for the cache."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgequant.errors import ExamplesError
from edgequant.sampling.fingerprint import code_digest, fingerprint


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A folder of two shards."""
    for number in range(2):
        (tmp_path / f"train-{number}.tfrecord").write_bytes(b"shard %d" % number)
    return tmp_path


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source file of an importable module."""
    path = tmp_path / "edgequant_test_metric.py"
    path.write_text("def score(outputs, labels):\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield path
    sys.modules.pop(path.stem, None)


def test_same_files_have_the_same_fingerprint(shards: Path) -> None:
    """Nothing changed, so the fingerprint is the same, and a SHA-256."""
    first = fingerprint([str(shards / "*.tfrecord")])
    assert first == fingerprint([str(shards / "*.tfrecord")])
    assert len(first) == 64


def test_changes_when_a_shard_is_added_or_removed(shards: Path) -> None:
    """A shard more or fewer is another fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    (shards / "train-2.tfrecord").write_bytes(b"new")
    added = fingerprint(pattern)
    (shards / "train-0.tfrecord").unlink()
    assert len({before, added, fingerprint(pattern)}) == 3


def test_changes_when_a_shard_is_replaced_under_the_same_name(shards: Path) -> None:
    """A shard of another size is another fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    (shards / "train-0.tfrecord").write_bytes(b"another content")
    assert fingerprint(pattern) != before


def test_changes_when_size_and_time_are_kept(shards: Path) -> None:
    """A shard replaced by one of the same size and time of modification, as rsync does, is another fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    old = shards / "train-0.tfrecord"
    new = shards / "new"
    new.write_bytes(b"SHARD 0")
    shutil.copystat(old, new)
    new.replace(old)
    assert fingerprint(pattern) != before


def test_changes_when_a_shard_is_touched(shards: Path) -> None:
    """A later time of modification is another fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    os.utime(shards / "train-0.tfrecord", (1, 1))
    assert fingerprint(pattern) != before


def test_other_files_do_not_count(shards: Path) -> None:
    """A file that no pattern matches changes nothing."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    (shards / "notes.txt").write_text("hello")
    assert fingerprint(pattern) == before


def test_an_unknown_file_system_is_refused() -> None:
    """A URL that Beam has no file system for is an error that names it."""
    with pytest.raises(ExamplesError, match=r"examples: 'shelf://book/\*.tfrecord' cannot be listed \("):
        fingerprint(["shelf://book/*.tfrecord"])


def test_code_counts(shards: Path, module: Path) -> None:
    """The source of the function that makes the inputs is a part of the fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    name = f"{module.stem}:score"
    before = fingerprint(pattern, name)
    module.write_text("def score(outputs, labels):\n    return {'a': 1.0}\n")
    assert fingerprint(pattern, name) != before != fingerprint(pattern)


def test_code_digest_is_of_the_source(module: Path) -> None:
    """The digest changes with the module's source, not with the function that is named."""
    before = code_digest(f"{module.stem}:score")
    assert before == code_digest(f"{module.stem}:other")
    module.write_text("def score(outputs, labels):\n    return None\n")
    assert code_digest(f"{module.stem}:score") not in ("", before)


@pytest.mark.parametrize("name", ["", "classification", "no_such_module:f", "sys:exit", ":f", "no.such.module:f"])
def test_no_source_is_no_digest(name: str) -> None:
    """What names no module with a source file has no digest."""
    assert code_digest(name) == ""


def test_a_package_that_cannot_be_imported_has_no_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that raises while it is imported is left for the step that runs it to report."""
    package = tmp_path / "edgequant_test_broken"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('boom')\n")
    (package / "metric.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert code_digest("edgequant_test_broken.metric:score") == ""
