"""Drawing records from files, on the real FnApiRunner."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edgequant.errors import ConfigError, ExamplesError
from edgequant.sampling.bottom_k import identify
from edgequant.sampling.drawing import CALIBRATION, EVALUATION, Drawn, Rule, draw, parse_options

WriteTfrecord = Callable[..., Path]
OPTIONS = ["--runner=FnApiRunner"]


def run(rule: Rule, scratch: Path, *files: Path) -> dict[str, Drawn]:
    """Returns what a rule draws from files."""
    scratch.mkdir(exist_ok=True)
    return draw([str(file) for file in files], rule, parse_options(OPTIONS), scratch)


def payloads(drawn: Drawn) -> dict[str, list[bytes]]:
    """Returns the payloads drawn, by class."""
    return {label: [item.payload for item in kept] for label, kept in drawn.by_class.items()}


def test_one_purpose_takes_the_whole_source(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """With one purpose every record serves it; equal ones of several files count once, with the first origin."""
    records = points(6)
    one = write_tfrecord(tmp_path / "a.tfrecord", [*records, records[0]])
    two = write_tfrecord(tmp_path / "b.tfrecord", records[:2])
    drawn = run(Rule(sizes={EVALUATION: 10}, seed=1), tmp_path / "scratch", two, one)[EVALUATION]
    assert sorted(payloads(drawn)[""]) == sorted(records)
    assert drawn.available == Counter({"": 9})
    copies = {item.payload: (item.copies, item.origin) for item in drawn.by_class[""]}
    assert copies[records[0]] == (3, f"{one}: record 0 at byte 0")
    assert copies[records[5]][0] == 1


def test_two_purposes_split_the_source(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """With two purposes every distinct record serves exactly one of them: about a fifth of them, calibration."""
    records = points(500)
    file = write_tfrecord(tmp_path / "a.tfrecord", records)
    drawn = run(Rule(sizes={CALIBRATION: 1000, EVALUATION: 1000}, seed=1), tmp_path / "scratch", file)
    calibration, evaluation = payloads(drawn[CALIBRATION])[""], payloads(drawn[EVALUATION])[""]
    assert sorted(calibration + evaluation) == sorted(records)
    assert 60 <= len(calibration) <= 140


def test_the_split_does_not_depend_on_the_numbers_asked(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """Asking for another calibration set leaves the evaluation set as it was; asking for fewer gives a prefix."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(200))
    large = run(Rule(sizes={CALIBRATION: 30, EVALUATION: 50}, seed=1), tmp_path / "one", file)
    small = run(Rule(sizes={CALIBRATION: 3, EVALUATION: 20}, seed=1), tmp_path / "two", file)
    for purpose, count in ((CALIBRATION, 3), (EVALUATION, 20)):
        assert payloads(small[purpose])[""] == payloads(large[purpose])[""][:count]


def test_classes_are_drawn_apart(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """Calibration records are drawn from each class; the evaluation draw has no classes."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(200))
    rule = Rule(sizes={CALIBRATION: 5, EVALUATION: 7}, seed=1, stratify_by="label")
    drawn = run(rule, tmp_path / "scratch", file)
    assert {label: len(kept) for label, kept in drawn[CALIBRATION].by_class.items()} == dict.fromkeys("0123", 5)
    assert {label: len(kept) for label, kept in drawn[EVALUATION].by_class.items()} == {"": 7}
    assert drawn[CALIBRATION].available.total() + drawn[EVALUATION].available[""] == 200


def test_excluded_records_are_counted(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """A record whose identity is excluded is not drawn, and each of its copies is counted."""
    records = points(4)
    file = write_tfrecord(tmp_path / "a.tfrecord", [*records, records[0]])
    rule = Rule(sizes={CALIBRATION: 9}, seed=1, exclude=frozenset([identify(records[0])]))
    drawn = run(rule, tmp_path / "scratch", file)[CALIBRATION]
    assert sorted(payloads(drawn)[""]) == sorted(records[1:])
    assert drawn.excluded == 2


def test_the_first_damaged_file_is_named(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """Of several damaged files the first by name is reported, whichever is read first."""
    whole = write_tfrecord(tmp_path / "a.tfrecord", points(3))
    for name in ("c.tfrecord", "b.tfrecord"):
        (tmp_path / name).write_bytes(whole.read_bytes()[:-1])
    files = [tmp_path / name for name in ("c.tfrecord", "a.tfrecord", "b.tfrecord")]
    with pytest.raises(ExamplesError, match=r"^.*b.tfrecord: record 2 at byte \d+: the file ends after"):
        run(Rule(sizes={CALIBRATION: 9}, seed=1), tmp_path / "scratch", *files)


def test_a_scratch_that_cannot_be_written(
    tmp_path: Path, points: Callable[[int], list[bytes]], write_tfrecord: WriteTfrecord
) -> None:
    """A worker that fails is one message with the worker's own reason."""
    file = write_tfrecord(tmp_path / "a.tfrecord", points(3))
    with pytest.raises(
        ExamplesError, match=r"^the Beam runner failed: FileNotFoundError: .*drawn-calibration"
    ) as caught:
        draw([str(file)], Rule(sizes={CALIBRATION: 9}, seed=1), parse_options(OPTIONS), tmp_path / "gone")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--rnner=FnApiRunner", r"beam: '--rnner=FnApiRunner' is not an option of Beam; options look like --runner=Fn"),
        ("runner=FnApiRunner", r"beam: 'runner=FnApiRunner' is not an option of Beam"),
        ("--help", r"beam: '--help' is not an option of Beam"),
        ("--direct_num_workers=two", r"beam: \['--direct_num_workers=two'\]: argument .*: invalid int value: 'two'"),
        ("--direct_running_mode=fast", r"beam: .*: invalid choice: 'fast' \(choose from .*multi_processing"),
        ("--runner=Foo", r"beam: \['--runner=Foo'\]: Unexpected pipeline runner: Foo. Valid values are .*FnApiRunner"),
        ("--runner=no.such.Runner", r"beam: \['--runner=no.such.Runner'\]: No module named 'no'"),
    ],
)
def test_wrong_beam_options(option: str, message: str) -> None:
    """An unknown option, and a wrong value of a known one, is an error that names it and what is allowed."""
    with pytest.raises(ConfigError, match=f"^{message}"):
        parse_options([option])


@pytest.mark.parametrize("options", [[], ["--direct_num_workers=1"]])
def test_the_embedded_runner_is_the_default(options: list[str]) -> None:
    """Options that name no runner stand for the embedded one: Beam's own default would download another."""
    assert parse_options(options).get_all_options()["runner"] == "FnApiRunner"
