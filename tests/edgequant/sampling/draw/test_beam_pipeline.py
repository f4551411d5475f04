"""Drawing records from files, on the real FnApiRunner."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import google_crc32c
import pytest

from edgequant.errors import ExamplesError
from edgequant.sampling.beam_options import parse_options
from edgequant.sampling.draw import beam_pipeline, thresholds
from edgequant.sampling.draw.beam_pipeline import Engine, draw
from edgequant.sampling.draw.ranks import identify
from edgequant.sampling.draw.rule import CALIBRATION, EVALUATION, DrawRule, Keep
from edgequant.sampling.draw.scan import Drawn
from edgequant.sampling.draw.spool import Spool, Stored
from edgequant.sampling.formats import files
from edgequant.sampling.formats.features import Batch
from edgequant.sampling.formats.files import find_files

WriteTfrecord = Callable[..., Path]
Points = Callable[[int], list[bytes]]
OPTIONS = ["--runner=FnApiRunner"]


def run(rule: DrawRule, scratch: Path, *files: Path, options: list[str] = OPTIONS) -> dict[str, Drawn]:
    """Returns what a rule draws from files."""
    scratch.mkdir(exist_ok=True)
    sources = find_files([str(file) for file in files], CALIBRATION)
    return draw(sources, rule, Engine(parse_options(options), scratch))


def identities(drawn: Drawn) -> list[bytes]:
    """Returns the identities of those of lowest rank."""
    return [item.identity for item in drawn.lowest]


def test_one_purpose_takes_the_whole_source(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """With one purpose every record serves it; equal ones of several files count once, with the first origin."""
    records = points(6)
    one = write_tfrecord(tmp_path / "a.tfrecord", [*records, records[0]])
    two = write_tfrecord(tmp_path / "b.tfrecord", records[:2])
    drawn = run(DrawRule(keep={EVALUATION: Keep(lowest=10)}, seed=1), tmp_path / "scratch", two, one)[EVALUATION]
    assert sorted(identities(drawn)) == sorted(map(identify, records))
    assert drawn.records == Counter({"": 9})
    spool = Spool(tmp_path / "scratch")
    copies = {spool.read(item.stored): (item.copies, item.origin) for item in drawn.lowest}
    assert sorted(copies) == sorted(records)
    assert copies[records[0]] == (3, f"{one}: record 0 at byte 0")
    assert copies[records[5]][0] == 1


def test_two_purposes_split_the_source(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """With two purposes every distinct record serves exactly one of them: about a fifth of them, calibration."""
    records = points(500)
    file = write_tfrecord(tmp_path / "a.tfrecord", records)
    keep = {CALIBRATION: Keep(lowest=1000), EVALUATION: Keep(lowest=1000)}
    drawn = run(DrawRule(keep=keep, seed=1), tmp_path / "scratch", file)
    calibration, evaluation = identities(drawn[CALIBRATION]), identities(drawn[EVALUATION])
    assert sorted(calibration + evaluation) == sorted(map(identify, records))
    assert 60 <= len(calibration) <= 140


def test_the_split_does_not_depend_on_the_numbers_asked(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord
) -> None:
    """Asking for another calibration set leaves the evaluation set as it was; asking for fewer gives a prefix."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(200))

    def keeping(calibration: int, evaluation: int) -> DrawRule:
        return DrawRule(keep={CALIBRATION: Keep(lowest=calibration), EVALUATION: Keep(lowest=evaluation)}, seed=1)

    large = run(keeping(30, 50), tmp_path / "one", file)
    small = run(keeping(3, 20), tmp_path / "two", file)
    for purpose, count in ((CALIBRATION, 3), (EVALUATION, 20)):
        assert identities(small[purpose]) == identities(large[purpose])[:count]


def test_classes_are_drawn_apart(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """Calibration records are kept and counted by class; the evaluation draw knows no classes."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(200))
    keep = {CALIBRATION: Keep(lowest=50, shared=8, most_of_a_class=8), EVALUATION: Keep(lowest=7)}
    drawn = run(DrawRule(keep=keep, seed=1, classes="label"), tmp_path / "scratch", file)
    assert {label: len(kept) for label, kept in drawn[CALIBRATION].shares.classes.items()} == dict.fromkeys("0123", 3)
    assert sorted(drawn[CALIBRATION].records) == list("0123")
    assert len(drawn[EVALUATION].lowest) == 7
    assert drawn[CALIBRATION].records.total() + drawn[EVALUATION].records[""] == 200


def test_excluded_records_are_not_drawn(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """A record whose identity is excluded is not drawn, however often it occurs."""
    records = points(4)
    file = write_tfrecord(tmp_path / "a.tfrecord", [*records, records[0]])
    rule = DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1, exclude=frozenset([identify(records[0])]))
    drawn = run(rule, tmp_path / "scratch", file)[CALIBRATION]
    assert sorted(identities(drawn)) == sorted(map(identify, records[1:]))
    assert drawn.records.total() == 5


def test_watched_records_are_seen(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """Records looked out for are found wherever they are; one that only shares a checksum with them is not."""
    records = points(4)
    file = write_tfrecord(tmp_path / "a.tfrecord", records[:2])
    watch = {google_crc32c.value(record): frozenset([identify(record)]) for record in records[1:]}
    watch[google_crc32c.value(records[0])] = frozenset([identify(b"another record of this checksum")])
    rule = DrawRule(keep={EVALUATION: Keep(lowest=0)}, seed=1, watch=watch)
    assert run(rule, tmp_path / "scratch", file)[EVALUATION].watched == {identify(records[1])}


def test_the_first_damaged_file_is_named(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """Of several damaged files the first by name is reported, whichever is read first."""
    whole = write_tfrecord(tmp_path / "a.tfrecord", points(3))
    for name in ("c.tfrecord", "b.tfrecord"):
        (tmp_path / name).write_bytes(whole.read_bytes()[:-1])
    files = [tmp_path / name for name in ("c.tfrecord", "a.tfrecord", "b.tfrecord")]
    with pytest.raises(ExamplesError, match=r"^.*b.tfrecord: record 2 at byte \d+: the file ends after"):
        run(DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1), tmp_path / "scratch", *files)


def test_a_file_that_vanishes_before_it_is_read(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """A shard that was listed and is gone when a worker opens it is an error that names it."""
    files = [write_tfrecord(tmp_path / f"{name}.tfrecord", points(3)) for name in "ab"]
    sources = find_files([str(file) for file in files], CALIBRATION)
    files[1].unlink()
    with pytest.raises(ExamplesError, match=r"b.tfrecord: cannot be read \("):
        draw(sources, DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1), Engine(parse_options(OPTIONS), tmp_path))


def test_workers_that_cannot_write(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """A place for results that workers cannot write to is one message with the worker's own reason."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(3))
    (tmp_path / "file").write_text("")
    with pytest.raises(ExamplesError, match=r"^the Beam runner failed: NotADirectoryError: .*/below'") as caught:
        run(
            DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1),
            tmp_path,
            file,
            options=[*OPTIONS, f"--temp_location={tmp_path / 'file' / 'below'}"],
        )
    assert "\n" not in str(caught.value)


def test_results_go_by_the_shared_location(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """With --temp_location workers write there, and nothing stays behind but what others wrote."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(3))
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "drawn-another-draw").write_bytes(b"of another run at the same time")
    options = [*OPTIONS, f"--temp_location={shared}"]
    drawn = run(DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1), tmp_path / "scratch", file, options=options)
    spool = Spool(tmp_path / "scratch")
    assert sorted(spool.read(item.stored) for item in drawn[CALIBRATION].lowest) == sorted(points(3))
    assert [path.name for path in shared.iterdir()] == ["drawn-another-draw"]


def test_a_failed_draw_leaves_nothing_behind(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> None:
    """What workers wrote before a damaged file was found is removed from the shared location; so it is when nothing is kept."""
    whole = write_tfrecord(tmp_path / "a.tfrecord", points(30))
    (tmp_path / "b.tfrecord").write_bytes(whole.read_bytes()[:-1])
    shared = tmp_path / "shared"
    shared.mkdir()
    options = [*OPTIONS, f"--temp_location={shared}"]
    with pytest.raises(ExamplesError, match=r"b.tfrecord: record 29 at byte \d+: the file ends after"):
        run(
            DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1),
            tmp_path / "one",
            whole,
            tmp_path / "b.tfrecord",
            options=options,
        )
    assert list(shared.iterdir()) == []
    drawn = run(DrawRule(keep={EVALUATION: Keep(lowest=0)}, seed=1), tmp_path / "two", whole, options=options)
    assert (len(drawn[EVALUATION].lowest), drawn[EVALUATION].records.total()) == (0, 30)
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("lost", [1, 3])
def test_a_runner_that_loses_input(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """A part of the input that never reaches the sample, or all of it, is an error that says how much."""
    paths = [write_tfrecord(tmp_path / f"{name}.tfrecord", points(5)) for name in "abc"]
    monkeypatch.setattr(files, "_PORTION_BYTES", (1, 1))
    monkeypatch.setattr(beam, "Reshuffle", lambda: beam.Filter(_seen, paths[: 3 - lost]))
    message = {
        1: "the Beam runner gave back 2 of 3 pieces of the input for calibration; the sample would not be one of all",
        3: "the Beam runner ended without giving back what it drew for calibration; workers on other machines need",
    }
    with pytest.raises(ExamplesError, match=f"^{message[lost]}"):
        run(DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1), tmp_path / "scratch", *paths)


def _seen(portion: tuple[files.Piece, ...], files: list[Path]) -> bool:
    return Path(portion[0].path) in files


def test_progress_is_said(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While a local run reads, it says how many records were read, how fast, and how much there is; at the end, the total."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(40))
    real = files.read_piece

    def slow(*arguments: object) -> Iterator[Batch]:
        for batch in real(*arguments):  # type: ignore[arg-type]
            for start in range(0, 40, 10):
                time.sleep(0.4)
                part = slice(start, start + 10)
                yield dataclasses.replace(batch, payloads=list(batch.payloads)[part], checksums=batch.checksums[part])

    monkeypatch.setattr(beam_pipeline, "read_piece", slow)
    monkeypatch.setattr(beam_pipeline, "_REPORT_SECONDS", 0.3)
    monkeypatch.setattr(beam_pipeline, "_TICK_SECONDS", 0.0)
    run(DrawRule(keep={CALIBRATION: Keep(lowest=9)}, seed=1), tmp_path / "scratch", file)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("edgequant: sample: read 20 records, 0 MB, in ") for line in lines)
    assert lines[0].endswith(" MB in all")
    assert lines[-1].startswith("edgequant: sample: read 40 records, 0 MB, in ")
    assert lines[-1].endswith(" a second")


def spread(points: Points, write_tfrecord: WriteTfrecord, folder: Path, copies: int) -> list[Path]:
    """Writes 2,000 points to four files, each so many times."""
    records = points(2000)
    return [
        write_tfrecord(folder / f"{part}.tfrecord", [r for r in records[part::4] for _ in range(copies)])
        for part in range(4)
    ]


@pytest.mark.parametrize(("copies", "draws"), [(1, 1), (20, 2)])
def test_what_is_likely_changes_nothing(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    monkeypatch: pytest.MonkeyPatch,
    copies: int,
    draws: int,
) -> None:
    """Leaving out at once what ranks too high to be likely gives the same; where that was wrong, the files are read again."""
    files = spread(points, write_tfrecord, tmp_path, copies)
    rule = DrawRule(keep={CALIBRATION: Keep(lowest=30), EVALUATION: Keep(lowest=100)}, seed=1)
    expected = run(rule, tmp_path / "scratch", *files)
    runs = []
    real = beam_pipeline._draw

    def counted(*arguments: Any) -> dict[str, Drawn]:
        runs.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(beam_pipeline, "_draw", counted)
    monkeypatch.setattr(thresholds, "_WORTH_A_LOOK", 1)
    result = run(rule, tmp_path / "scratch", *files)
    assert len(runs) == draws
    for purpose, drawn in result.items():
        assert [(c.identity, c.copies) for c in drawn.lowest] == [
            (c.identity, c.copies) for c in expected[purpose].lowest
        ]
        assert drawn.records == expected[purpose].records


def test_a_spool_that_is_cut_short(tmp_path: Path) -> None:
    """Bytes that are not all there any more are an error."""
    (tmp_path / "spool-1").write_bytes(b"abc")
    assert Spool(tmp_path).read(Stored("spool-1", 1, 2)) == b"bc"
    with pytest.raises(ExamplesError, match="spool-1: holds less than the workers wrote"):
        Spool(tmp_path).read(Stored("spool-1", 1, 3))
    with pytest.raises(ExamplesError, match="what the workers drew cannot be read"):
        Spool(tmp_path).read(Stored("spool-2", 0, 1))
    with pytest.raises(ExamplesError, match="what the workers drew cannot be read from"):
        Spool(tmp_path).fetch(str(tmp_path / "gone"), ["spool-1"])
