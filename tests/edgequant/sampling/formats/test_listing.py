"""Which files a pattern matches: one rule for the reader and for the cache key."""

import sys
from pathlib import Path

import pytest

from edgequant.errors import ExamplesError
from edgequant.sampling.formats.files import find_files
from edgequant.sampling.formats.listing import ListedFile, _regex, list_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of files at several depths, with hidden files, brackets, and links."""
    for name in (
        "top/a.npz",
        "top/.hidden.npz",
        "top/sub/b1.npz",
        "top/sub/deep/c.npz",
        "top/.git/d.npz",
        "set [v2]/train-0.npz",
        "set v/train-1.npz",
        "mac/train-0.npz",
        "mac/._train-0.npz",
        "space é/train 0.npz",
        "elsewhere/e.npz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "links" / "loop").symlink_to(tmp_path / "links")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("top/*.npz", ["top/a.npz"]),
        ("top/**/*.npz", ["top/a.npz", "top/sub/b1.npz", "top/sub/deep/c.npz"]),
        ("top/**.npz", ["top/a.npz", "top/sub/b1.npz", "top/sub/deep/c.npz"]),
        ("top/**", ["top/a.npz", "top/sub/b1.npz", "top/sub/deep/c.npz"]),
        ("**/deep/*.npz", ["top/sub/deep/c.npz"]),
        ("top/*/*.npz", ["top/sub/b1.npz"]),
        ("top/sub/b?.npz", ["top/sub/b1.npz"]),
        ("top/sub?b1.npz", []),
        ("top/.*.npz", ["top/.hidden.npz"]),
        ("top/.git/*", ["top/.git/d.npz"]),
        ("mac/*.npz", ["mac/train-0.npz"]),
        ("set [v2]/train-0.npz", ["set [v2]/train-0.npz"]),
        ("set [v2]/*.npz", ["set [v2]/train-0.npz"]),
        ("set [[]v2]/train-[0-9].npz", ["set [v2]/train-0.npz"]),
        ("set [uv]/train-[!0].npz", ["set v/train-1.npz"]),
        ("space é/train *.npz", ["space é/train 0.npz"]),
        ("links/*/e.npz", ["links/one/e.npz"]),
        ("links/**/*.npz", ["links/one/e.npz"]),
        ("top/{a,b}.npz", []),
        ("top/a.npz/*", []),
        ("nowhere/*.npz", []),
        ("top", []),
    ],
)
def test_what_a_pattern_matches(pattern: str, expected: list[str], tree: Path) -> None:
    """The files, sorted by path, each once; never a folder."""
    assert [file.path for file in list_files(f"{tree}/{pattern}")] == [f"{tree}/{name}" for name in expected]


def test_relative_patterns(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative pattern gives relative paths."""
    monkeypatch.chdir(tree)
    assert list_files("top/*.npz") == [ListedFile(path="top/a.npz", size_bytes=0)]


def test_a_pattern_is_matched_in_buckets_as_in_folders() -> None:
    """The regular expression that objects' names are matched with agrees with the folders' listing."""
    matches = _regex("s3://b/top/**/*.npz", choices=False).fullmatch
    assert [bool(matches(f"s3://b/top/{name}")) for name in ("a.npz", "x/y/a.npz", ".a.npz", ".x/a.npz", "a.txt")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_only_hidden_files_are_explained(tmp_path: Path) -> None:
    """If all files that would match begin with a dot, the message says that they are not matched."""
    (tmp_path / ".a.npz").write_bytes(b"")
    with pytest.raises(
        ExamplesError, match=r"no file matches '.*/\*\.npz'; a wildcard matches no name that begins with"
    ):
        find_files([f"{tmp_path}/*.npz"], "calibration")


def test_a_dangling_link_is_an_error(tmp_path: Path) -> None:
    """A shard whose link leads nowhere is not left out in silence."""
    (tmp_path / "a.npz").write_bytes(b"")
    (tmp_path / "b.npz").symlink_to(tmp_path / "gone.npz")
    with pytest.raises(ExamplesError, match=r"b\.npz is a link to a file that does not exist"):
        list_files(f"{tmp_path}/*.npz")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """A name of arbitrary bytes is listed, and its fingerprint can be computed."""
    from edgequant.sampling.fingerprint import fingerprint

    (tmp_path / "caf\udce9.npz").write_bytes(b"")
    assert len(list_files(f"{tmp_path}/*.npz")) == 1
    assert fingerprint([f"{tmp_path}/*.npz"])
