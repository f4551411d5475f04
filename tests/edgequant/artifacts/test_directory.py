"""Directories that are written whole or not at all, and read back only as they were written."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgequant.artifacts.directory import (
    file_digest,
    file_name,
    finite,
    inside,
    link_tree,
    load_array,
    manifest_digest,
    new_directory,
    read_json,
    read_manifest,
    tree_digest,
    write_json,
    write_manifest,
)
from edgequant.errors import ArtifactError

SCHEMA = "edgequant/note/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What the manifests of these tests hold."""

    title: str
    pages: tuple[int, ...] = ()


def write_note(path: Path, text: str = "hello") -> Path:
    """Writes a directory with a text, a nested file and a manifest."""
    with new_directory(path, SCHEMA) as draft:
        (draft / "text.txt").write_text(text)
        (draft / "more").mkdir()
        (draft / "more" / "data.bin").write_bytes(bytes(3))
        write_manifest(draft, SCHEMA, Note(title="a", pages=(1, 2)))
    return path


def write_half_a_note(path: Path) -> None:
    """Writes a file, and raises."""
    with new_directory(path, SCHEMA) as draft:
        (draft / "text.txt").write_text("half")
        raise KeyError("boom")


def fill_the_disk(path: Path) -> None:
    """Writes a file, and another one that there is no space for."""
    with new_directory(path, SCHEMA) as draft:
        (draft / "text.txt").write_text("hello")
        (draft / "full").symlink_to("/dev/full")
        (draft / "full").write_text("x")


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a directory's manifest."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_written_whole(tmp_path: Path) -> None:
    """A directory that is written comes with its parents, names every file with size and SHA-256, and reads back."""
    path = write_note(tmp_path / "a" / "b" / "note")
    assert sorted(item.name for item in path.parent.iterdir()) == ["note"]
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["schema"] == SCHEMA
    assert manifest["files"] == {
        "more/data.bin": {"bytes": 3, "sha256": sha256(bytes(3)).hexdigest()},
        "text.txt": {"bytes": 5, "sha256": sha256(b"hello").hexdigest()},
    }
    assert read_manifest(path, SCHEMA, Note) == Note(title="a", pages=(1, 2))
    assert manifest_digest(path) == sha256((path / "manifest.json").read_bytes()).hexdigest()


def test_nothing_after_an_exception(tmp_path: Path) -> None:
    """A body that raises leaves nothing, and what it raised goes on."""
    with pytest.raises(KeyError, match=r"boom"):
        write_half_a_note(tmp_path / "note")
    assert list(tmp_path.iterdir()) == []


def test_the_earlier_attempt_stays_after_an_exception(tmp_path: Path) -> None:
    """A body that raises leaves the directory of an earlier attempt as it was."""
    path = write_note(tmp_path / "note")
    with pytest.raises(KeyError, match=r"boom"):
        write_half_a_note(path)
    assert read_manifest(path, SCHEMA, Note).title == "a"
    assert [item.name for item in tmp_path.iterdir()] == ["note"]


def test_replaces_an_earlier_attempt(tmp_path: Path) -> None:
    """A directory with a manifest is replaced, files and all."""
    path = write_note(tmp_path / "note")
    with new_directory(path, SCHEMA) as draft:
        write_manifest(draft, SCHEMA, Note(title="b"))
    assert [item.name for item in path.iterdir()] == ["manifest.json"]
    assert read_manifest(path, SCHEMA, Note) == Note(title="b")


def test_replaces_no_other_kind(tmp_path: Path) -> None:
    """The output of another step, such as the input that the command reads, or any program's manifest.json stays as it is."""
    path = tmp_path / "note"
    for manifest in ('{"schema": "edgequant/other/1"}', '{"name": "a web application"}', "[]", "no JSON"):
        path.mkdir(exist_ok=True)
        (path / "manifest.json").write_text(manifest)
        with pytest.raises(ArtifactError, match=r"note: already exists; an output directory must be new, empty or of"):
            write_note(path)
        assert (path / "manifest.json").read_text() == manifest


def test_takes_an_empty_directory(tmp_path: Path) -> None:
    """An empty directory, such as KFP may make, is taken."""
    (tmp_path / "note").mkdir()
    assert read_manifest(write_note(tmp_path / "note"), SCHEMA, Note).title == "a"


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_leaves_what_is_not_its_own(tmp_path: Path, kind: str) -> None:
    """A file, and a directory that no attempt made, are not overwritten."""
    path = tmp_path / "note"
    precious = path if kind == "file" else path / "thesis.tex"
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("years of work")
    with pytest.raises(ArtifactError, match=rf"^{path}: already exists; an output directory must be new, empty or"):
        write_note(path)
    assert precious.read_text() == "years of work"


def test_nothing_when_the_disk_is_full(tmp_path: Path) -> None:
    """A write that fails for want of space (ENOSPC, by the full device) leaves nothing."""
    with pytest.raises(OSError, match=r"No space left on device"):
        fill_the_disk(tmp_path / "note")
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from edgequant.artifacts.directory import new_directory, write_manifest
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with new_directory(Path(sys.argv[1]), "s/1") as draft:
    (draft / "large.bin").write_bytes(bytes(10_000))
    write_manifest(draft, "s/1", {})
"""


def test_nothing_when_a_file_may_not_grow(tmp_path: Path) -> None:
    """A write that the system cuts short, in the middle of a file, leaves nothing."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "note")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def change_byte(path: Path) -> None:
    """Changes a byte and keeps the size."""
    (path / "text.txt").write_text("jello")


def grow(path: Path) -> None:
    """Adds a byte."""
    (path / "text.txt").write_text("hello!")


def remove(path: Path) -> None:
    """Removes a file."""
    (path / "text.txt").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_byte, "text.txt: is not the file that its manifest describes; it changed after it was written"),
        (grow, "text.txt: is not the file that its manifest describes; it changed after it was written"),
        (remove, "text.txt: is named in the manifest and missing"),
    ],
)
def test_damage_is_found(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    """A file that changed or is missing is refused by name."""
    path = write_note(tmp_path / "note")
    damage(path)
    with pytest.raises(ArtifactError, match=rf"^{path}/{message}$"):
        read_manifest(path, SCHEMA, Note)


def test_unverified_files_are_there_and_of_their_size(tmp_path: Path) -> None:
    """Without verification digests are not computed; sizes and presence still count."""
    path = write_note(tmp_path / "note")
    change_byte(path)
    assert read_manifest(path, SCHEMA, Note, verify=False).title == "a"
    for damage in (grow, remove):
        damage(path)
        with pytest.raises(ArtifactError):
            read_manifest(path, SCHEMA, Note, verify=False)


@pytest.mark.parametrize("name", ["../x", "more/../../x", "/etc/passwd", ".."])
def test_names_that_lead_outside(tmp_path: Path, name: str) -> None:
    """A name that points outside of the directory is refused, by itself and in a manifest."""
    path = write_note(tmp_path / "note")
    with pytest.raises(ArtifactError, match=rf"^{path}: the name '{name}' points outside of the directory$"):
        inside(path, name)
    edit(path, lambda manifest: manifest["files"].update({name: {"bytes": 1, "sha256": "0"}}))
    with pytest.raises(ArtifactError, match=r"points outside of the directory"):
        read_manifest(path, SCHEMA, Note)


def test_names_inside(tmp_path: Path) -> None:
    """A name of a nested file is a path inside."""
    assert inside(tmp_path, "more/data.bin") == tmp_path / "more" / "data.bin"


def test_another_schema(tmp_path: Path) -> None:
    """A directory of another kind is refused, with both schemas named."""
    path = write_note(tmp_path / "note")
    with pytest.raises(ArtifactError, match=rf"^{path}: its schema is '{SCHEMA}'; 'edgequant/other/1' is needed$"):
        read_manifest(path, "edgequant/other/1", Note)


def test_no_manifest(tmp_path: Path) -> None:
    """A directory without a manifest, one that does not exist, and a file are refused."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(ArtifactError, match=rf"^{path}/manifest.json: not found; is {path} the output of a"):
            read_manifest(path, SCHEMA, Note)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"manifest.json: is not JSON \("),
        ("\udcff", r"manifest.json: is not JSON \("),
        ("[]", r"its schema is None; 'edgequant/note/1' is needed"),
        ('{"schema": "edgequant/note/1"}', r"manifest.json: Input should be a valid dictionary"),
        ('{"schema": "edgequant/note/1", "files": []}', r"manifest.json: Input should be a valid dictionary"),
        ('{"schema": "edgequant/note/1", "files": {"a": 1}}', r"manifest.json: a: Input should be"),
        ('{"schema": "edgequant/note/1", "files": {}}', r"manifest.json: Input should be"),
        ('{"schema": "edgequant/note/1", "files": {}, "content": {"title": 1}}', r"manifest.json: title: Input should"),
        ('{"schema": "edgequant/note/1", "files": {}, "content": {}}', r"manifest.json: title: .*required"),
    ],
)
def test_damaged_manifest(tmp_path: Path, text: str, message: str) -> None:
    """A manifest that is not JSON, or holds other than it should, is refused and says where."""
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArtifactError, match=message):
        read_manifest(tmp_path, SCHEMA, Note)


def test_array_survives(tmp_path: Path) -> None:
    """A plain array is memory-mapped, read-only."""
    np.save(tmp_path / "a.npy", np.arange(6).reshape(2, 3))
    array = load_array(tmp_path / "a.npy")
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


class Trap:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def write_objects(path: Path) -> None:
    """Writes an array of an object, which NumPy pickles."""
    with path.open("wb") as stream:
        np.save(stream, np.array([Trap(path.with_name("sprung"))], dtype=object))


def write_archive(path: Path) -> None:
    """Writes an archive of arrays."""
    with path.open("wb") as stream:
        np.savez(stream, a=np.arange(3))


def write_half(path: Path) -> None:
    """Writes an array without its last bytes."""
    np.save(path, np.arange(100))
    path.write_bytes(path.read_bytes()[:-8])


def write_nothing(path: Path) -> None:
    """Writes an empty file."""
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    """Writes a text."""
    path.write_text("hello")


@pytest.mark.parametrize("write", [write_objects, write_archive, write_half, write_nothing, write_text])
def test_what_is_no_plain_array(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Pickled objects, archives and damaged files are refused by name, and nothing is unpickled."""
    path = tmp_path / "a.npy"
    write(path)
    with pytest.raises(ArtifactError, match=rf"^{path}: is not a plain .npy file \("):
        load_array(path)
    assert not (tmp_path / "sprung").exists()


def test_array_missing(tmp_path: Path) -> None:
    """An array that is not there is refused by name."""
    with pytest.raises(ArtifactError, match=rf"^{tmp_path / 'a.npy'}: not found"):
        load_array(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("tensor", "file"),
    [
        ("input_1", "input_1.npy"),
        ("StatefulPartitionedCall:0", "StatefulPartitionedCall%3A0.npy"),
        ("a/b", "a%2Fb.npy"),
        ("..", "...npy"),
        ("é", "%C3%A9.npy"),
    ],
)
def test_file_names_of_tensors(tensor: str, file: str) -> None:
    """A tensor's name is a file's, with slashes and what else a file name cannot hold percent-encoded."""
    assert file_name(tensor) == file


@settings(deadline=None)
@given(names=st.sets(st.text(max_size=8), max_size=5))
def test_file_names_are_distinct_and_inside(names: set[str]) -> None:
    """Different tensors have different files, none of them outside of their folder."""
    files = {file_name(name) for name in names}
    assert len(files) == len(names)
    assert all(os.sep not in file and inside(Path("d"), file).parent == Path("d") for file in files)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    """NaN and infinity, which JSON has not, are refused, and the file of before stays."""
    write_json(tmp_path / "a.json", {"value": 1.5})
    with pytest.raises(ValueError, match=r"JSON compliant"):
        write_json(tmp_path / "a.json", {"value": value})
    assert read_json(tmp_path / "a.json") == {"value": 1.5}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]
    assert finite(value) is None
    assert finite(1.5) == 1.5


def test_tree_digest(tmp_path: Path) -> None:
    """A tree's digest depends on names and contents, and on nothing else; a file's is its own."""
    one, other = write_note(tmp_path / "one"), write_note(tmp_path / "other")
    os.utime(other / "text.txt", (1, 1))
    assert tree_digest(one) == tree_digest(other)
    (other / "text.txt").rename(other / "text.md")
    renamed = tree_digest(other)
    (other / "text.md").write_text("jello")
    assert len({tree_digest(one), renamed, tree_digest(other)}) == 3
    assert tree_digest(one / "text.txt") == file_digest(one / "text.txt") == sha256(b"hello").hexdigest()


def test_link_tree(tmp_path: Path) -> None:
    """A linked copy holds the same files, takes no space of its own, and outlives the original."""
    source, target = write_note(tmp_path / "source"), tmp_path / "target"
    link_tree(source, target)
    assert (source / "text.txt").samefile(target / "text.txt")
    (source / "text.txt").unlink()
    assert read_manifest(target, SCHEMA, Note).title == "a"
