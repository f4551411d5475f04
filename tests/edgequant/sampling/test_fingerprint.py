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
from edgequant.sampling.formats.files import find_files


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


def test_changes_when_size_and_times_are_kept(shards: Path) -> None:
    """A shard overwritten in place by as many bytes, its time of modification set back, is another fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    shard = shards / "train-0.tfrecord"
    facts = shard.stat()
    shard.write_bytes(b"SHARD 0")
    os.utime(shard, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert fingerprint(pattern) != before


def test_stays_when_only_the_time_changes(shards: Path) -> None:
    """A shard that was touched, or copied anew with the same content, is the same fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    os.utime(shards / "train-0.tfrecord", (1, 1))
    shutil.copyfile(shards / "train-1.tfrecord", shards / "new")
    (shards / "new").replace(shards / "train-1.tfrecord")
    assert fingerprint(pattern) == before


@pytest.mark.parametrize("pattern", ["**.tfrecord", "**/*.tfrecord", "*/deep-?.tfrecord", "set [[]v2]/*.tfrecord"])
def test_covers_every_file_that_is_read(pattern: str, tmp_path: Path) -> None:
    """Each file that the reader takes for a pattern changes the fingerprint, below folders and links as well."""
    for name in ("a.tfrecord", "sub/deep-1.tfrecord", "sub/deeper/c.tfrecord", "set [v2]/d.tfrecord"):
        (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / name).write_bytes(b"0")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "deep-2.tfrecord").write_bytes(b"0")
    (tmp_path / "top" / "link").symlink_to(tmp_path / "elsewhere")
    patterns = [str(tmp_path / "top" / pattern)]
    sources = find_files(patterns, "calibration")
    for source in sources:
        before = fingerprint(patterns)
        Path(source.path).write_bytes(b"1")
        assert fingerprint(patterns) != before


def test_other_files_do_not_count(shards: Path) -> None:
    """A file that no pattern matches changes nothing."""
    pattern = [str(shards / "*.tfrecord")]
    before = fingerprint(pattern)
    (shards / "notes.txt").write_text("hello")
    assert fingerprint(pattern) == before


def test_an_unknown_file_system_is_refused() -> None:
    """A URL of a scheme that is not read is an error that names it."""
    with pytest.raises(ExamplesError, match=r"examples: 'shelf://book/\*.tfrecord' is on no file system that is read"):
        fingerprint(["shelf://book/*.tfrecord"])


def test_code_counts(shards: Path, module: Path) -> None:
    """The source of the function that makes the inputs is a part of the fingerprint."""
    pattern = [str(shards / "*.tfrecord")]
    name = f"{module.stem}:score"
    before = fingerprint(pattern, name)
    module.write_text("def score(outputs, labels):\n    return {'a': 1.0}\n")
    assert fingerprint(pattern, name) != before != fingerprint(pattern)


def test_code_digest_is_of_the_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that the function's module imports from its own package counts as well."""
    package = tmp_path / "edgequant_test_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "metric.py").write_text("from edgequant_test_package.weights import W\n")
    (package / "weights.py").write_text("W = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    before = code_digest("edgequant_test_package.metric:score")
    (package / "weights.py").write_text("W = 2\n")
    assert code_digest("edgequant_test_package.metric:score") not in ("", before)


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
