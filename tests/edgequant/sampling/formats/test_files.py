"""Files by pattern, and the records of every format."""

import datetime
import gzip
import io
import pickle
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from edgequant.artifacts.example_set import SourceFile
from edgequant.errors import ExamplesError
from edgequant.sampling.formats import files
from edgequant.sampling.formats.features import Features
from edgequant.sampling.formats.files import Piece, file_format, find_files, portions, read_piece

WriteTfrecord = Callable[..., Path]


def features_of(path: Path) -> list[Features]:
    """Returns the features of every record of a file."""
    parse = file_format(str(path)).parse
    return [parse(payload) for _, payload in read_records(str(path))]


def read_records(path: str, **changes: Any) -> Iterator[tuple[str, bytes]]:
    """Yields where each record of a file is, and its payload."""
    for batch in read_piece(Piece(path, 0), **changes):
        assert batch.checksums.tolist() == [google_crc32c.value(payload) for payload in batch.payloads]
        yield from ((batch.where(position), payload) for position, payload in enumerate(batch.payloads))


def plain(features: Features) -> dict[str, Any]:
    """Returns features as lists and tuples, to compare."""
    return {name: value if isinstance(value, tuple) else value.tolist() for name, value in features.items()}


def write_npz(path: Path, **arrays: Any) -> Path:
    """Writes arrays to an .npz file."""
    np.savez(path, **arrays)
    return path


def write_parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Writes columns to a Parquet file."""
    parquet.write_table(pa.table(columns), path, **options)
    return path


def test_finds_files_sorted_and_once(tmp_path: Path) -> None:
    """Files that match any pattern are found once each, by path, with their sizes."""
    for name, size in (("b.npz", 2), ("a.npz", 1), ("c.npz", 3), ("d.txt", 4)):
        (tmp_path / name).write_bytes(bytes(size))
    sources = find_files([str(tmp_path / "[bc].npz"), str(tmp_path / "*.npz")], "calibration")
    assert [(Path(file.path).name, file.size_bytes) for file in sources] == [("a.npz", 1), ("b.npz", 2), ("c.npz", 3)]


def test_no_file_matches(tmp_path: Path) -> None:
    """A pattern that matches nothing is named, though others match."""
    (tmp_path / "a.npz").write_bytes(b"")
    pattern = str(tmp_path / "train-*.tfrecord")
    with pytest.raises(ExamplesError, match=r"^examples.evaluation: no file matches '.*train-\*.tfrecord'$"):
        find_files([str(tmp_path / "a.npz"), pattern], "evaluation")


def test_unknown_format(tmp_path: Path) -> None:
    """A file of another kind is named, with the endings that are allowed."""
    (tmp_path / "a.csv").write_text("1,2\n")
    with pytest.raises(ExamplesError, match=r"a.csv has an unknown format; allowed are .tfrecord, .*.parquet, .npz$"):
        find_files([str(tmp_path / "*")], "calibration")


def test_mixed_formats(tmp_path: Path) -> None:
    """Patterns that match files of two formats are refused; gzipped and plain TFRecords are one format."""
    for name in ("a.tfrecord", "b.tfrecord.gz"):
        (tmp_path / name).write_bytes(b"")
    assert len(find_files([str(tmp_path / "*")], "calibration")) == 2
    (tmp_path / "c.npz").write_bytes(b"")
    with pytest.raises(ExamplesError, match=r"^examples.calibration: .* match files of several formats; draw from one"):
        find_files([str(tmp_path / "*")], "calibration")


def test_unknown_file_system() -> None:
    """A URL of an unknown scheme is an error that names it."""
    with pytest.raises(ExamplesError, match=r"^examples: 'shelf://a/b.npz' is on no file system that is read;"):
        find_files(["shelf://a/b.npz"], "calibration")


def test_file_vanished(tmp_path: Path) -> None:
    """A file that is gone when it is read is an error that names it."""
    with pytest.raises(ExamplesError, match=r"gone.npz: cannot be read \("):
        list(read_records(str(tmp_path / "gone.npz")))


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz", "a.tfrecords", "a.tfrecords.gz"])
def test_tfrecord(tmp_path: Path, name: str, example: Callable[..., bytes], write_tfrecord: WriteTfrecord) -> None:
    """TFRecords are read, plain or gzipped; offsets are those of the uncompressed data."""
    path = write_tfrecord(tmp_path / name, [example({"x": [0.5], "s": [b"cat"]}), example({"x": [1.5], "s": [b""]})])
    assert [plain(features) for features in features_of(path)] == [
        {"x": [0.5], "s": (b"cat",)},
        {"x": [1.5], "s": (b"",)},
    ]
    first, second = (where for where, _ in read_records(str(path)))
    assert first.endswith(f"{name}: record 0 at byte 0")
    assert second.endswith(f"{name}: record 1 at byte {16 + len(example({'x': [0.5], 's': [b'cat']}))}")


def test_gzip_of_several_members(tmp_path: Path, frame: Callable[[bytes], bytes]) -> None:
    """Gzip files that were put together are read to the end."""
    path = tmp_path / "a.tfrecord.gz"
    path.write_bytes(gzip.compress(frame(b"a")) + gzip.compress(frame(b"b")))
    assert [payload for _, payload in read_records(str(path))] == [b"a", b"b"]


def test_gzip_cut_between_records(tmp_path: Path, frame: Callable[[bytes], bytes]) -> None:
    """A gzip file that is cut where a record ends is truncated all the same, and is not taken for a shorter file."""
    squeeze = zlib.compressobj(wbits=31)
    path = tmp_path / "a.tfrecord.gz"
    path.write_bytes(squeeze.compress(frame(b"abc")) + squeeze.flush(zlib.Z_FULL_FLUSH))
    with pytest.raises(
        ExamplesError, match=r"a.tfrecord.gz: the gzip data is damaged or truncated, 0 whole records or more into it"
    ):
        list(read_records(str(path)))


@settings(deadline=None)
@given(cut=st.integers(1, 60))
def test_gzip_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, frame: Callable[[bytes], bytes], cut: int) -> None:
    """A gzip file that lacks its last bytes is an error that names the record."""
    whole = gzip.compress(frame(b"abc") + frame(bytes(range(40))))
    path = tmp_path_factory.mktemp("cut") / "a.tfrecord.gz"
    path.write_bytes(whole[:-cut])
    with pytest.raises(ExamplesError, match=r"a.tfrecord.gz: the gzip data is damaged or truncated, 0 whole records"):
        list(read_records(str(path)))


@pytest.mark.parametrize(
    "damage", [lambda _: b"label,image\n" * 9, lambda data: data[:-8] + bytes(8)], ids=["text", "checksum"]
)
def test_gzip_damaged(tmp_path: Path, frame: Callable[[bytes], bytes], damage: Callable[[bytes], bytes]) -> None:
    """A text file under a gzip's name, and a gzip whose checksum is wrong, are errors that name the record."""
    path = tmp_path / "a.tfrecord.gz"
    path.write_bytes(damage(gzip.compress(frame(b"abc"))))
    with pytest.raises(ExamplesError, match=r"a.tfrecord.gz: the gzip data is damaged or truncated, 0 whole records"):
        list(read_records(str(path)))


def test_npz(tmp_path: Path) -> None:
    """Each row of the arrays is a record: numbers, text and byte strings."""
    path = write_npz(
        tmp_path / "a.npz",
        x=np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
        label=np.array([3, 1]),
        name=np.array(["é", "cat"]),
        raw=np.array([b"ab", b"c"]),
    )
    first, second = features_of(path)
    assert plain(first) == {"x": [[0, 1], [2, 3]], "label": 3, "name": ("é".encode(),), "raw": (b"ab",)}
    assert plain(second) == {"x": [[4, 5], [6, 7]], "label": 1, "name": (b"cat",), "raw": (b"c",)}
    assert [where.rpartition(": ")[2] for where, _ in read_records(str(path))] == ["row 0", "row 1"]


def test_npz_of_different_lengths(tmp_path: Path) -> None:
    """Arrays of different lengths are named with their lengths."""
    path = write_npz(tmp_path / "a.npz", x=np.zeros((3, 2)), label=np.zeros(2))
    with pytest.raises(ExamplesError, match=r"a.npz: its arrays have different lengths \{'x': 3, 'label': 2\}"):
        features_of(path)


def test_npz_of_nothing(tmp_path: Path) -> None:
    """An archive without arrays says so."""
    with pytest.raises(ExamplesError, match=r"a.npz: holds no array; an array per feature is needed"):
        features_of(write_npz(tmp_path / "a.npz"))


class Trap:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("pickled", [False, True], ids=["npz", "bare pickle"])
def test_npz_of_pickled_objects(tmp_path: Path, pickled: bool) -> None:
    """Pickled objects are refused, and never unpickled."""
    path = tmp_path / "a.npz"
    trap = Trap(tmp_path / "sprung")
    if pickled:
        path.write_bytes(pickle.dumps(trap))
    else:
        write_npz(path, x=np.array([trap], dtype=object))
    with pytest.raises(ExamplesError, match=r"a.npz: is not an .npz file of plain arrays \(.*pickle"):
        features_of(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"hello"],
    ids=["half", "empty", "text"],
)
def test_npz_damaged(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged archive is an error that names it."""
    path = write_npz(tmp_path / "a.npz", x=np.arange(100))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ExamplesError, match=r"a.npz: is not an .npz file of plain arrays \("):
        features_of(path)


def test_npz_with_a_changed_byte(tmp_path: Path) -> None:
    """An archive with a changed byte of data is found out by its checksum."""
    path = write_npz(tmp_path / "a.npz", x=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExamplesError, match=r"a.npz: is not an .npz file of plain arrays \(.*CRC"):
        features_of(path)


def test_a_npy_file_is_not_an_archive(tmp_path: Path) -> None:
    """A single array under an archive's name is refused."""
    data = io.BytesIO()
    np.save(data, np.arange(3))
    (tmp_path / "a.npz").write_bytes(data.getvalue())
    with pytest.raises(ExamplesError, match=r"a.npz: is not an .npz file of plain arrays"):
        features_of(tmp_path / "a.npz")


def test_parquet(tmp_path: Path) -> None:
    """Scalars, lists, nested lists, text, binary and lists of them are features."""
    path = write_parquet(
        tmp_path / "a.parquet",
        {
            "scalar": pa.array([1.5, 2.5], pa.float32()),
            "label": pa.array([3, 1], pa.int64()),
            "flag": [True, False],
            "list": pa.array([[1, 2], [3, 4]], pa.list_(pa.int16())),
            "image": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
            "fixed": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2)),
            "text": ["é", ""],
            "binary": [b"\x00a\x00", b"b"],
            "words": [["a", "bc"], ["d", ""]],
            "blobs": [[b"a\x00", b"b"], [b"\x00", b"c"]],
        },
    )
    first, second = features_of(path)
    assert plain(first) == {
        "scalar": 1.5,
        "label": 3,
        "flag": True,
        "list": [1, 2],
        "image": [[1, 2], [3, 4]],
        "fixed": [1.0, 2.0],
        "text": ("é".encode(),),
        "binary": (b"\x00a\x00",),
        "words": (b"a", b"bc"),
        "blobs": (b"a\x00", b"b"),
    }
    assert plain(second)["blobs"] == (b"\x00", b"c")
    assert [where.rpartition(": ")[2] for where, _ in read_records(str(path))] == ["row 0", "row 1"]


def test_parquet_rows_count_across_groups(tmp_path: Path) -> None:
    """A row's number counts from the file's start, whatever its row groups and the reader's batches."""
    path = write_parquet(tmp_path / "a.parquet", {"x": list(range(600))}, row_group_size=100)
    places = [where.rpartition(" ")[2] for where, _ in read_records(str(path))]
    assert places == [str(number) for number in range(600)]
    assert [int(plain(features)["x"]) for features in features_of(path)] == list(range(600))


@pytest.mark.parametrize(
    ("column", "error"),
    [
        ([1, None], "row 1: column 'x' is null"),
        ([[1.0], [1.0, None]], "row 1: column 'x' holds a list with null in it"),
        ([["a", "b"], ["a", None]], "row 1: column 'x' holds a list with null in it"),
        ([[[1], [2]], [[1], [2, 3]]], "row 1: column 'x' holds lists of different lengths"),
        ([{"a": 1}, {"a": 2}], "row 0: column 'x' holds dict; numbers, text or lists of them are needed"),
        ([datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)], "row 0: column 'x' holds date"),
    ],
    ids=["null", "null-in-list", "null-in-words", "ragged", "struct", "date"],
)
def test_parquet_cells_that_are_no_feature(tmp_path: Path, column: Any, error: str) -> None:
    """A null, a ragged list and a cell of another kind are errors that name the row and the column."""
    path = write_parquet(tmp_path / "a.parquet", {"x": column})
    with pytest.raises(ExamplesError, match=rf"a.parquet: {error}"):
        features_of(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda _: b"hello",
        lambda data: data[:8] + bytes(99) + data[107:],
    ],
    ids=["half", "empty", "text", "pages"],
)
def test_parquet_damaged(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged Parquet file is an error that names it."""
    path = write_parquet(tmp_path / "a.parquet", {"x": list(range(1000))})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ExamplesError, match=r"a.parquet: is not a readable Parquet file \("):
        features_of(path)


def test_equal_rows_of_two_formats_have_equal_payloads(tmp_path: Path) -> None:
    """A row of an archive and a row of a Parquet file are the same record when their features are."""
    archive = write_npz(tmp_path / "a.npz", x=np.array([[1.0, 2.0]]), label=np.array([3]), name=np.array(["cat"]))
    table = write_parquet(tmp_path / "a.parquet", {"name": ["cat"], "label": [3], "x": [[1.0, 2.0]]})
    (_, one), (_, other) = *read_records(str(archive)), *read_records(str(table))
    assert one == other


def test_only_the_columns_needed_are_read(tmp_path: Path) -> None:
    """Columns that nothing asks for are not read, whatever they hold, and do not tell two rows apart."""
    table = write_parquet(tmp_path / "a.parquet", {"x": [1.0, 1.0], "id": [1, 2], "when": [None, None]})
    archive = write_npz(tmp_path / "a.npz", x=np.array([1.0, 1.0]), id=np.arange(2), other=np.zeros(7))
    for path in (table, archive):
        (_, one), (_, other) = read_records(str(path), columns=("x",))
        assert one == other
        assert plain(file_format(str(path)).parse(one)) == {"x": 1.0}


def test_a_missing_column(tmp_path: Path) -> None:
    """A column that is not there is named with the file, those that are there, and the nearest."""
    table = write_parquet(tmp_path / "a.parquet", {"image": [1.0], "label": [1]})
    archive = write_npz(tmp_path / "a.npz", image=np.zeros(1), label=np.zeros(1))
    for path in (table, archive):
        message = f"^{path}: has no feature 'lable'; it has image, label; did you mean 'label'\\?$"
        with pytest.raises(ExamplesError, match=message):
            list(read_records(str(path), columns=("lable",)))


def test_columns_of_other_layouts(tmp_path: Path) -> None:
    """Dictionary-encoded text, large lists, half floats and lists of no words are features."""
    path = write_parquet(
        tmp_path / "a.parquet",
        {
            "coded": pa.array(["b", "a"]).dictionary_encode(),
            "large": pa.array([[1, 2], [3]], pa.large_list(pa.uint8())),
            "half": pa.array(np.array([0.5, 1.5], np.float16)),
            "word": pa.array([["a"], ["b"]], pa.large_list(pa.large_string())),
        },
    )
    first, second = features_of(path)
    assert plain(first) == {"coded": (b"b",), "large": [1, 2], "half": 0.5, "word": (b"a",)}
    assert plain(second) == {"coded": (b"a",), "large": [3], "half": 1.5, "word": (b"b",)}


def test_large_parquet_files_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is split by row groups into pieces, which together give each row once, with its number in the file."""
    path = write_parquet(tmp_path / "a.parquet", {"x": np.arange(1000)}, row_group_size=100)
    small = write_parquet(tmp_path / "b.parquet", {"x": np.arange(3)})
    sources = find_files([str(path), str(small)], "calibration")
    assert portions(sources) == [tuple(Piece(file.path, file.size_bytes) for file in sources)]
    monkeypatch.setattr(files, "_PIECE_BYTES", 2000)
    monkeypatch.setattr(files, "_PORTION_BYTES", (3000, 3000))
    result = portions(sources)
    assert len(result) > 2
    rows = [
        batch.where(position)
        for portion in result
        for piece in portion
        for batch in read_piece(piece)
        for position in range(len(batch.payloads))
    ]
    assert rows == [f"{path}: row {number}" for number in range(1000)] + [f"{small}: row {n}" for n in range(3)]


def test_small_files_are_read_together() -> None:
    """Files are put together, in order, until they are worth a worker's while, and so that there is work for 64 workers."""
    files = [SourceFile(path=f"{number:05d}.tfrecord", size_bytes=1 << 20) for number in range(1000)]
    small = portions(files)
    assert [len(portion) for portion in small] == [16] * 62 + [8]
    assert [piece.path for portion in small for piece in portion] == [file.path for file in files]
    large = portions([SourceFile(path=f"{n}.tfrecord", size_bytes=1 << 30) for n in range(3)])
    assert [len(portion) for portion in large] == [1, 1, 1]


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    """A file that was listed and is gone when it is read is an error that names it."""
    with pytest.raises(ExamplesError, match=r"a.tfrecord: cannot be read \("):
        list(read_records(str(tmp_path / "a.tfrecord")))


@pytest.mark.parametrize("columns", [["label", "x"], None])
def test_parquet_columns_of_one_name(columns: list[str] | None, tmp_path: Path) -> None:
    """Two columns of one name, as a join writes them, are an error that names it; unless neither is read."""
    values = [pa.array([1, 2]), pa.array([3, 4]), pa.array([0.5, 1.5])]
    path = tmp_path / "joined.parquet"
    parquet.write_table(pa.Table.from_arrays(values, names=["label", "label", "x"]), path)
    with pytest.raises(ExamplesError, match=r"joined.parquet: has 2 columns named 'label', and which of them"):
        list(read_records(str(path), columns=columns))
    parse = file_format(str(path)).parse
    assert [plain(parse(payload)) for _, payload in read_records(str(path), columns=["x"])] == [{"x": 0.5}, {"x": 1.5}]
