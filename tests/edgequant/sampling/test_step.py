"""The whole sample step, from files to both example sets."""

import dataclasses
import io
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from edgequant.artifacts.example_set import ClassCount, ExampleSet, recipe_of_both
from edgequant.errors import ConfigError, ExamplesError
from edgequant.sampling.decode import rows as decoding
from edgequant.signature import ModelSignature, TensorSpec

DrawSets = Callable[..., tuple[ExampleSet, ExampleSet]]
Points = Callable[[int], list[bytes]]
WriteTfrecord = Callable[..., Path]
RowsOf = Callable[[ExampleSet], set[tuple[float, ...]]]
MakeExample = Callable[..., bytes]


@pytest.fixture
def shard(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord) -> Path:
    """A file of 200 points."""
    return write_tfrecord(tmp_path / "train.tfrecord", points(200))


@pytest.fixture
def refused(tmp_path: Path, draw_sets: DrawSets) -> Callable[..., str]:
    """Runs the step, which must fail and leave nothing behind, and returns the message."""

    def run(**changes: Any) -> str:
        with pytest.raises((ExamplesError, ConfigError)) as caught:
            draw_sets(**changes)
        left = list((tmp_path / "sets").rglob("*"))
        assert left == []
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


def scoring(units: int | None) -> ModelSignature:
    """Returns the signature of a model from x, float32 [N, 2], to some scores."""
    return ModelSignature(
        key="serving_default",
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2)),),
        outputs=(TensorSpec(name="scores", dtype="float32", shape=(None, units)),),
    )


def contents(examples: ExampleSet) -> tuple[dict[str, bytes], object]:
    """Returns an example set's files, and what its manifest says apart from the files it was drawn from."""
    files = {
        path.relative_to(examples.path).as_posix(): path.read_bytes()
        for path in examples.path.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    return files, (dataclasses.replace(examples.provenance, sources=(), recipe={}), examples.identities)


def test_draws_both_sets(shard: Path, draw_sets: DrawSets, rows_of: RowsOf) -> None:
    """Inputs, labels, identities and provenance of both sets are those of records of the file; no record is in both."""
    calibration, evaluation = draw_sets()
    for examples, purpose, count in ((calibration, "calibration", 8), (evaluation, "evaluation", 20)):
        points = np.asarray(examples.inputs["x"])
        assert (points.dtype, points.shape) == (np.dtype(np.float32), (count, 2))
        assert np.array_equal(points[:, 0], -points[:, 1])
        assert examples.labels is not None
        assert np.array_equal(examples.labels, points[:, 0] % 4)
        assert len(set(examples.identities)) == count
        provenance = examples.provenance
        assert (provenance.purpose, provenance.signature, provenance.seed) == (purpose, "serving_default", 17)
        assert provenance.requested == count
        assert [(Path(file.path), file.size_bytes) for file in provenance.sources] == [(shard, shard.stat().st_size)]
    assert calibration.provenance.records_read + evaluation.provenance.records_read == 200
    assert not rows_of(calibration) & rows_of(evaluation)
    assert not set(calibration.identities) & set(evaluation.identities)


def test_calibration_is_stratified(shard: Path, draw_sets: DrawSets) -> None:
    """Calibration examples come in equal numbers from each class, and the manifest counts them."""
    del shard
    calibration, evaluation = draw_sets(calibration_count=10)
    assert calibration.labels is not None
    taken = np.bincount(calibration.labels).tolist()
    assert sorted(taken) == [2, 2, 3, 3]
    assert {label: count.taken for label, count in calibration.provenance.classes.items()} == dict(
        zip("0123", taken, strict=True)
    )
    assert sum(count.available for count in calibration.provenance.classes.values()) == (
        calibration.provenance.records_read
    )
    assert evaluation.provenance.classes == {}


def test_short_classes_give_all_they_have(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A class with fewer than its share gives all; the others fill up; the shortage is recorded and said."""
    records = points(200)
    write_tfrecord(tmp_path / "train.tfrecord", [records[1], *records[0:40:4], *records[2:40:4]])
    write_tfrecord(tmp_path / "test.tfrecord", records[100:104])
    calibration, _ = draw_sets(
        calibration=[str(tmp_path / "train.tfrecord")],
        evaluation=[str(tmp_path / "test.tfrecord")],
        calibration_count=9,
    )
    assert calibration.provenance.classes == {
        "0": ClassCount(wanted=3, available=10, taken=4),
        "1": ClassCount(wanted=3, available=1, taken=1),
        "2": ClassCount(wanted=3, available=10, taken=4),
    }
    assert "edgequant: sample: class 1: wanted 3, found 1 for calibration, took 1\n" in capsys.readouterr().out


def test_unstratified(shard: Path, draw_sets: DrawSets) -> None:
    """Without stratification there are no classes; the evaluation set stays as it was."""
    del shard
    _, before = draw_sets()
    calibration, evaluation = draw_sets(to="other", stratify="false")
    assert calibration.provenance.classes == {}
    assert contents(evaluation) == contents(before)


def test_the_calibration_set_tells_what_was_asked_for(shard: Path, draw_sets: DrawSets) -> None:
    """In the configuration's words; the evaluation set, which no rule of calibration changes, tells none of it."""
    calibration, evaluation = draw_sets(stratify="false", seed=5)
    recipe = calibration.provenance.recipe
    assert recipe["examples"]["calibration"] == [str(shard.parent / "*.tfrecord")]
    assert "classes" not in recipe["examples"]
    assert recipe["sampling"] == {
        "calibration": 8,
        "stratify": "false",
        "minimum_per_class": 1,
        "extremes": 0.0,
        "seed": 5,
    }
    assert evaluation.provenance.recipe == {"examples": {}, "sampling": {"evaluation": 20}}


def test_the_calibration_set_does_not_hang_on_the_evaluation_files(
    shard: Path, draw_sets: DrawSets, write_tfrecord: WriteTfrecord, example: MakeExample
) -> None:
    """Evaluation files of another path, content and number of examples leave the calibration set's manifest as it is."""
    digests = []
    for number in (1, 2):
        records = [example({"x": [float(number), float(row)], "label": [row % 2]}) for row in range(10)]
        held_out = write_tfrecord(shard.parent / f"test-{number}.tfrecord", records)
        calibration, evaluation = draw_sets(
            to=f"sets-{number}", calibration=[str(shard)], evaluation=[str(held_out)], evaluation_count=number
        )
        digests.append((calibration.digest, evaluation.digest))
        assert recipe_of_both(calibration.provenance, evaluation.provenance)["examples"]["evaluation"] == [
            str(held_out)
        ]
    assert digests[0][0] == digests[1][0]
    assert digests[0][1] != digests[1][1]


def test_without_labels(shard: Path, draw_sets: DrawSets) -> None:
    """Without a label there are no labels and no classes."""
    del shard
    calibration, evaluation = draw_sets(label="")
    assert calibration.labels is None
    assert evaluation.labels is None
    assert calibration.provenance.classes == {}


@pytest.mark.parametrize("seed", [0, 17])
def test_order_and_sharding_do_not_count(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, draw_sets: DrawSets, seed: int
) -> None:
    """The same records in another order, other shards, gzipped or not, and read by two workers, give the same bytes."""
    records = [*points(120), *points(7)]
    (tmp_path / "one").mkdir()
    write_tfrecord(tmp_path / "one" / "all.tfrecord", records)
    records = [records[place] for place in np.random.default_rng(seed).permutation(len(records))]
    (tmp_path / "many").mkdir()
    for number in range(5):
        suffix = ".gz" if number == 2 else ""
        write_tfrecord(tmp_path / "many" / f"{number}.tfrecord{suffix}", records[number::5])
    one = draw_sets(to="a", calibration=[str(tmp_path / "one" / "*")], seed=seed)
    workers = ["--runner=FnApiRunner", "--direct_running_mode=multi_threading", "--direct_num_workers=2"]
    many = draw_sets(to="b", calibration=[str(tmp_path / "many" / "*")], seed=seed, beam_options=workers)
    assert [contents(examples) for examples in one] == [contents(examples) for examples in many]
    assert sum(examples.provenance.duplicates for examples in one) <= 7
    assert len(many[0].provenance.sources) == 5


def test_large_records_are_decoded_in_threads_to_the_same_sets(
    tmp_path: Path, draw_sets: DrawSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records worth a thread each give what they give one after the other, in the same order."""
    random = np.random.default_rng(3)
    x = random.normal(size=(200, 2)).astype(np.float32)
    arrays: dict[str, Any] = {"x": x, "label": np.arange(200) % 3, "blob": np.zeros((200, 4096))}
    np.savez(tmp_path / "large.npz", allow_pickle=False, **arrays)
    threads = draw_sets(to="threads", calibration=[str(tmp_path / "large.npz")])
    monkeypatch.setattr(decoding, "_WORTH_A_THREAD", 1 << 30)
    serial = draw_sets(to="serial", calibration=[str(tmp_path / "large.npz")])
    assert [contents(examples) for examples in threads] == [contents(examples) for examples in serial]


def test_another_seed_is_another_sample(shard: Path, draw_sets: DrawSets) -> None:
    """Another seed draws other records, for both sets."""
    del shard
    one, other = draw_sets(to="a"), draw_sets(to="b", seed=18)
    for before, after in zip(one, other, strict=True):
        assert set(before.identities) != set(after.identities)


def test_duplicates_never_straddle_the_split(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, draw_sets: DrawSets, rows_of: RowsOf
) -> None:
    """Records that occur three times, in three files, are drawn once, for one purpose."""
    for name in "abc":
        write_tfrecord(tmp_path / f"{name}.tfrecord", points(60))
    calibration, evaluation = draw_sets(calibration_count=60, evaluation_count=60)
    assert len(calibration.identities) + len(evaluation.identities) == 60
    assert not rows_of(calibration) & rows_of(evaluation)
    assert calibration.provenance.duplicates + evaluation.provenance.duplicates == 120


def test_sources_that_share_records(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    rows_of: RowsOf,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the evaluation files hold is left out of calibration, and counted, in the manifest and in the log."""
    records = points(40)
    train = write_tfrecord(tmp_path / "train.tfrecord", records)
    test = write_tfrecord(tmp_path / "test.tfrecord", records[30:] + points(60)[50:])
    calibration, evaluation = draw_sets(
        calibration=[str(train)], evaluation=[str(test)], calibration_count=100, evaluation_count=100
    )
    assert len(evaluation.identities) == 20
    assert rows_of(calibration) == {(float(number), float(-number)) for number in range(30)}
    assert calibration.provenance.skipped == {"also in the evaluation files": 10}
    assert "30 of 40 records (requested 100, found 30, used 30); 10 left out: also in the evaluation files" in (
        capsys.readouterr().out
    )


def test_the_same_source_for_both(shard: Path, refused: Callable[..., str]) -> None:
    """A calibration source that lies wholly in the evaluation set leaves nothing to calibrate on, and says so."""
    message = refused(evaluation=[str(shard)], evaluation_count=200)
    assert message == (
        "examples.calibration: all 200 examples drawn are also in the evaluation files; calibrate on others"
    )


def test_the_wrong_feature_that_all_files_hold(tmp_path: Path, refused: Callable[..., str]) -> None:
    """A column of few values is the same records everywhere; what is said is that it is no input of the model."""
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", x=np.arange(30, dtype=np.float32) % 3, label=np.arange(30) % 3)
    message = refused(
        calibration=[str(tmp_path / "train.npz")], evaluation=[str(tmp_path / "test.npz")], inputs={"x": "x"}
    )
    assert message.endswith("input 'x' has the shape [] in an example; the model takes x float32 [N, 2]")


def test_fewer_than_asked(shard: Path, draw_sets: DrawSets, capsys: pytest.CaptureFixture[str]) -> None:
    """Fewer examples than asked are used, and said and recorded: asked, found, used."""
    del shard
    calibration, evaluation = draw_sets(calibration_count=500, evaluation_count=10_000)
    counts = [len(examples.identities) for examples in (calibration, evaluation)]
    assert sum(counts) == 200
    assert (calibration.provenance.requested, evaluation.provenance.requested) == (500, 10_000)
    output = capsys.readouterr().out
    assert (
        f"calibration: {counts[0]} of {counts[0]} records (requested 500, found {counts[0]}, used {counts[0]})"
        in output
    )
    assert f"evaluation: {counts[1]} of {counts[1]} records (requested 10,000, found {counts[1]}" in output


def write_npz(folder: Path, points: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> str:
    """Writes points to an .npz file, and returns its path."""
    np.savez(folder / "points.npz", x=points, label=labels)
    return str(folder / "points.npz")


def write_parquet(folder: Path, points: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> str:
    """Writes points to a Parquet file, and returns its path."""
    parquet.write_table(pa.table({"x": points.tolist(), "label": labels}), folder / "points.parquet")
    return str(folder / "points.parquet")


@pytest.mark.parametrize("write", [write_npz, write_parquet])
def test_other_formats(tmp_path: Path, write: Callable[..., str], draw_sets: DrawSets, rows_of: RowsOf) -> None:
    """The points of an archive and of a Parquet file, wherever they are drawn, are the model's inputs and labels."""
    numbers = np.arange(30)
    file = write(tmp_path, np.stack([numbers, -numbers], axis=1).astype(np.float32), numbers % 4)
    calibration, evaluation = draw_sets(calibration=[file], calibration_count=30, evaluation_count=30)
    assert rows_of(calibration) | rows_of(evaluation) == {(float(number), float(-number)) for number in range(30)}
    for examples in (calibration, evaluation):
        assert examples.labels is not None
        assert np.array_equal(examples.labels, examples.inputs["x"][:, 0] % 4)


def test_sets_of_two_formats(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """Calibration and evaluation may be of different formats."""
    write_tfrecord(tmp_path / "a.tfrecord", points(20))
    file = write_npz(tmp_path, np.ones((3, 2), np.float32) * np.arange(3)[:, np.newaxis], np.arange(3))
    calibration, evaluation = draw_sets(evaluation=[file])
    assert len(calibration.identities) == 8
    assert sorted(np.asarray(evaluation.inputs["x"])[:, 0].tolist()) == [0, 1, 2]


def test_images_and_two_inputs(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """PNG bytes and a number feed two inputs, each as declared."""
    signature = ModelSignature(
        key="serving_default",
        inputs=(
            TensorSpec(name="age", dtype="float32", shape=(None, 1)),
            TensorSpec(name="pixels", dtype="uint8", shape=(None, 2, 2, 1)),
        ),
        outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 1)),),
    )
    records = []
    for number in range(12):
        data = io.BytesIO()
        Image.fromarray(np.full((2, 2), number, np.uint8)).save(data, "PNG")
        records.append(example({"image/encoded": [data.getvalue()], "age": [number], "label": [number % 2]}))
    write_tfrecord(tmp_path / "a.tfrecord", records)
    calibration, evaluation = draw_sets(
        signature=signature,
        inputs={"pixels": {"feature": "image/encoded", "decode": "image"}},
        task="binary",
        calibration_count=12,
        evaluation_count=12,
    )
    ages = []
    for examples in (calibration, evaluation):
        for pixels, age in zip(examples.inputs["pixels"], examples.inputs["age"], strict=True):
            assert np.array_equal(pixels, np.full((2, 2, 1), age[0]))
            ages.append(int(age[0]))
    assert sorted(ages) == list(range(12))


def test_preprocess_makes_all_inputs(shard: Path, draw_sets: DrawSets, rows_of: RowsOf) -> None:
    """A user's function makes the inputs of both sets."""
    del shard
    source = "def to_inputs(features):\n    return {'x': features['x'] * 2 + 1}\n"
    calibration, _ = draw_sets(preprocess="preprocess.py:to_inputs", preprocess_source=source)
    assert all(first + second == 2 and first % 2 == 1 for first, second in rows_of(calibration))


def test_preprocess_gets_the_declared_inputs(shard: Path, draw_sets: DrawSets, rows_of: RowsOf) -> None:
    """Beside the features, a user's function gets the declared inputs as they are made, under their names."""
    del shard
    source = "def to_inputs(features):\n    return {'x': features['x'] + [features['number'][0], 0]}\n"
    calibration, _ = draw_sets(
        inputs={"x": {"feature": "x", "scale": 10}},
        preprocess="preprocess.py:to_inputs",
        preprocess_source=source,
    )
    assert all(first * 10 == -second * 11 for first, second in rows_of(calibration))


@pytest.mark.parametrize(
    ("task", "labels", "stored"),
    [
        ("classification", [3], np.array(3)),
        ("binary", [1], np.array(1)),
        ("multilabel", [0, 1, 1, 0], np.array([0, 1, 1, 0])),
        ("regression", [2.5], np.array(2.5)),
        ("none", [2.5, 1.5], np.array([2.5, 1.5], np.float32)),
        ("package.module:metric", [7, 8], np.array([7, 8])),
    ],
)
def test_labels_of_each_task(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    task: str,
    labels: list[Any],
    stored: np.ndarray[Any, Any],
) -> None:
    """A label is stored as its task takes it, though stratification, the default, is asked for."""
    write_tfrecord(
        tmp_path / "a.tfrecord",
        [example({"x": [float(number), 0.0], "label": labels}) for number in range(30)],
    )
    calibration, evaluation = draw_sets(task=task, signature=scoring(1 if task in ("binary", "regression") else 4))
    for examples in (calibration, evaluation):
        assert examples.labels is not None
        assert examples.labels.dtype == stored.dtype
        assert np.array_equal(examples.labels, np.broadcast_to(stored, (len(examples.identities), *stored.shape)))


def test_regression_is_not_stratified(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """Numbers are no classes: a regression's calibration examples are drawn from the whole range."""
    write_tfrecord(
        tmp_path / "a.tfrecord",
        [example({"x": [float(number), 0.0], "label": [float(number)]}) for number in range(1000, 1300)],
    )
    calibration, _ = draw_sets(task="regression", calibration_count=20)
    assert calibration.provenance.classes == {}
    assert calibration.labels is not None
    assert calibration.labels.max() > 1200


@pytest.mark.parametrize(
    ("task", "label", "message"),
    [
        ("classification", [4], "label 4 is out of range; the model's output allows 0 to 3"),
        ("classification", [-1], "label -1 is out of range; the model's output allows 0 to 3"),
        ("classification", [0.5], "is not an integer; classification takes class numbers"),
        ("classification", [b"cat"], "label 'label' is text; a class number is needed"),
        ("binary", [2], "label 2 is out of range; task 'binary' takes 0 to 1"),
        (
            "multilabel",
            [0, 1],
            "label has 2 values; task 'multilabel' takes a 0 or a 1 for each of the model's 4 outputs",
        ),
        ("multilabel", [0, 1, 2, 0], "label holds [0, 1, 2]; multilabel takes a 0 or a 1 per class"),
    ],
)
def test_labels_that_the_task_does_not_allow(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    refused: Callable[..., str],
    task: str,
    label: list[Any],
    message: str,
) -> None:
    """A label that the task does not allow is an error that names the record, the label and what is allowed."""
    write_tfrecord(tmp_path / "a.tfrecord", [example({"x": [float(n), 0.0], "label": label}) for n in range(30)])
    error = refused(task=task, signature=scoring(1 if task == "binary" else 4))
    assert f"{tmp_path / 'a.tfrecord'}: record " in error
    assert " at byte " in error
    assert message in error


def test_a_label_beyond_the_named_classes_names_its_record(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """Where the signature leaves the output's size open, the names of the classes tell it."""
    write_tfrecord(tmp_path / "a.tfrecord", [example({"x": [float(n), 0.0], "label": [n % 4]}) for n in range(30)])
    message = refused(task="classification", signature=scoring(None), classes=["ant", "bee", "cat"])
    assert f"{tmp_path / 'a.tfrecord'}: record " in message
    assert "label 3 is out of range; the model's output allows 0 to 2" in message


def test_label_missing(
    tmp_path: Path, points: Points, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """A record without a label is an error that names it, its place and the features it has, stratified or not."""
    records = points(3)
    bad = write_tfrecord(tmp_path / "a.tfrecord", [*records, example({"x": [0.0, 0.0], "lable": [1]})])
    good = write_tfrecord(tmp_path / "b.tfrecord", points(9)[5:])
    offset = sum(len(record) + 16 for record in records)
    expected = f"{bad}: record 3 at byte {offset}: has no feature 'label'; it has lable, x; did you mean 'lable'?"
    for stratify in ("equal", "false"):
        assert refused(calibration=[str(bad)], evaluation=[str(good)], stratify=stratify) == expected


def test_feature_missing_from_some_records(
    tmp_path: Path, points: Points, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """A record without the feature of an input is an error that names it and its place."""
    write_tfrecord(tmp_path / "a.tfrecord", [example({"x1": [0.0, 0.0], "label": [1]}), *points(9)])
    assert refused(calibration_count=20, evaluation_count=20) == (
        f"{tmp_path / 'a.tfrecord'}: record 0 at byte 0: has no feature 'x'; it has label, x1; did you mean 'x1'?"
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, 2.0, 3.0], "input 'x' has the shape [3] in an example; the model takes x float32 [N, 2]"),
        ([b"1", b"2"], "feature 'x' is bytes or text; input 'x' takes float32 (decode: image turns PNG and JPEG"),
        ([2**24 + 1, 0], "input 'x' holds values from 0 to 16777217 that float32 cannot hold"),
    ],
    ids=["shape", "dtype", "range"],
)
def test_inputs_that_do_not_fit(
    tmp_path: Path,
    points: Points,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    refused: Callable[..., str],
    x: list[Any],
    message: str,
) -> None:
    """A record of the wrong dtype or shape is an error that names the record, the input, what was found and is allowed."""
    write_tfrecord(tmp_path / "a.tfrecord", [*points(1), example({"x": x, "label": [1]}), *points(9)])
    error = refused(calibration_count=20, evaluation_count=20)
    assert error.startswith(f"{tmp_path / 'a.tfrecord'}: record 1 at byte {len(points(1)[0]) + 16}: ")
    assert message in error


def test_images_of_several_sizes(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Where the signature leaves a size open, an example of another size than the first is an error, not stretched."""
    signature = ModelSignature(
        key="serving_default",
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, None)),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 4)),),
    )
    for count in (1, 2):
        parquet.write_table(
            pa.table({"x": [[float(number)] * count for number in range(9)], "label": [1] * 9}),
            tmp_path / f"{count}.parquet",
        )
    message = refused(signature=signature, calibration=[str(tmp_path / "*.parquet")], evaluation_count=20)
    assert "'x' is float32 [" in message
    assert ": row " in message
    assert "in the first example it is float32 [" in message
    assert "and all must be alike" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_percent_may_be_not_finite(
    tmp_path: Path,
    points: Points,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    capsys: pytest.CaptureFixture[str],
    value: float,
) -> None:
    """One record in a hundred that holds NaN or infinity is left out, counted and said."""
    write_tfrecord(tmp_path / "train.tfrecord", points(20))
    write_tfrecord(
        tmp_path / "test.tfrecord", [*points(199)[100:], example({"x": [1.0, value], "label": [1], "number": [5]})]
    )
    _, evaluation = draw_sets(
        calibration=[str(tmp_path / "train.tfrecord")],
        evaluation=[str(tmp_path / "test.tfrecord")],
        evaluation_count=100,
    )
    assert len(evaluation.identities) == 99
    assert np.asarray(evaluation.inputs["x"]).shape == (99, 2)
    assert np.isfinite(evaluation.inputs["x"]).all()
    assert evaluation.labels is not None
    assert np.array_equal(evaluation.labels, evaluation.inputs["x"][:, 0] % 4)
    assert evaluation.provenance.skipped == {"NaN or infinity": 1}
    assert "99 of 100 records (requested 100, found 100, used 99); 1 left out: NaN or infinity" in (
        capsys.readouterr().out
    )


def test_more_than_one_percent_not_finite(
    tmp_path: Path, points: Points, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """Two records in a hundred that hold NaN are an error that counts them and names the first drawn."""
    write_tfrecord(tmp_path / "train.tfrecord", points(20))
    bad = [example({"x": [float("nan"), float(number)], "label": [1]}) for number in range(2)]
    write_tfrecord(tmp_path / "test.tfrecord", [*bad, *points(198)[100:]])
    message = refused(
        calibration=[str(tmp_path / "train.tfrecord")],
        evaluation=[str(tmp_path / "test.tfrecord")],
        evaluation_count=100,
    )
    assert message.startswith(
        "examples.evaluation: 2 of 100 sampled records hold NaN or infinity; 1% are allowed. The first: "
    )
    assert f"{tmp_path / 'test.tfrecord'}: record " in message
    assert message.endswith("input 'x' holds NaN or infinity")


def test_a_label_that_is_not_finite(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """NaN in a label counts like NaN in an input."""
    write_tfrecord(
        tmp_path / "a.tfrecord", [example({"x": [float(n), 0.0], "label": [float("nan")]}) for n in range(9)]
    )
    message = refused(task="regression", label="label")
    assert "sampled records hold NaN or infinity; 1% are allowed" in message
    assert message.endswith("label 'label' holds NaN or infinity")


def test_a_label_that_no_metric_reads_may_be_anything(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """A user's own metric gets labels as they are, NaN included, which may stand for a missing one."""
    write_tfrecord(
        tmp_path / "a.tfrecord", [example({"x": [float(n), 0.0], "label": [float("nan")]}) for n in range(30)]
    )
    _, evaluation = draw_sets(task="package.module:metric")
    assert evaluation.labels is not None
    assert np.isnan(evaluation.labels).all()


def test_undecodable_image(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """An image that cannot be decoded is an error that names the record and the feature."""
    write_tfrecord(
        tmp_path / "a.tfrecord", [example({"x": [b"\x89PNG not"], "label": [n % 4], "n": [n]}) for n in range(40)]
    )
    message = refused(inputs={"x": {"decode": "image"}})
    assert f"{tmp_path / 'a.tfrecord'}: record " in message
    assert "feature 'x' is not a PNG or JPEG image that can be decoded" in message


def test_preprocess_that_raises(shard: Path, refused: Callable[..., str]) -> None:
    """A user's function that raises is an error with its own message and the record's place."""
    source = "def to_inputs(features):\n    raise ValueError('no such color')\n"
    message = refused(preprocess="preprocess.py:to_inputs", preprocess_source=source)
    assert message.startswith(f"{shard}: record ")
    assert message.endswith("preprocess.py:to_inputs raised ValueError: no such color")


def test_preprocess_with_a_syntax_error(shard: Path, refused: Callable[..., str]) -> None:
    """A user's file that is not Python is an error that names the file and the line."""
    del shard
    message = refused(preprocess="preprocess.py:to_inputs", preprocess_source="def to_inputs(:\n")
    assert message == (
        "examples.preprocess: preprocess.py cannot be run: SyntaxError: invalid syntax (preprocess.py, line 1)"
    )


def test_input_names_that_do_not_match(shard: Path, refused: Callable[..., str]) -> None:
    """A declared input that is not the model's is an error that names the model's."""
    del shard
    assert refused(inputs={"xx": "x"}) == (
        "examples.inputs: 'xx' is not an input of the model; its inputs are x; did you mean 'x'?"
    )


def test_truncated_file(shard: Path, refused: Callable[..., str]) -> None:
    """A truncated file is an error that names the record and its byte offset."""
    content = shard.read_bytes()
    shard.write_bytes(content[:-3])
    message = refused()
    assert message.startswith(f"{shard}: record 199 at byte ")
    assert message.endswith("it is truncated")


def test_no_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    """A pattern without files is an error that names the pattern."""
    assert refused() == f"examples.calibration: no file matches '{tmp_path / '*.tfrecord'}'"


def test_no_record(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Files of no records are an error that counts the files."""
    file = write_npz(tmp_path, np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
    assert refused(calibration=[file]) == "examples.calibration: the files hold no record; one or more are needed"


def test_too_few_to_split(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """A source so small that the split leaves one of the sets empty is an error, and the other set is not left behind."""
    write_tfrecord(tmp_path / "a.tfrecord", points(1))
    assert refused() == (
        "examples.evaluation: none of the 1 records falls into its share of the split;"
        " give more records, or examples.evaluation of its own"
    )


def test_unknown_beam_option(shard: Path, refused: Callable[..., str]) -> None:
    """A Beam option with a typo is an error before anything is read, in one list with what is wrong with the first record."""
    shard.write_bytes(b"damaged")
    assert refused(beam_options=["--rnner=FnApiRunner"]) == (
        "beam: '--rnner=FnApiRunner' is not an option of Beam; options look like --runner=FnApiRunner;"
        f" {shard}: record 0 at byte 0: the file ends inside the record's header; it is truncated"
    )


def test_neither_set_is_left_when_the_second_fails(
    tmp_path: Path, points: Points, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """A bad record of the evaluation set, met after the calibration set is done, leaves neither set behind."""
    train = write_tfrecord(tmp_path / "train.tfrecord", points(20))
    test = write_tfrecord(tmp_path / "test.tfrecord", [example({"x": [0.0], "label": [1]})])
    message = refused(calibration=[str(train)], evaluation=[str(test)])
    assert message.startswith(f"{test}: record 0 at byte 0: input 'x' has the shape [1]")


def test_sets_of_before_are_kept_when_a_draw_fails(shard: Path, draw_sets: DrawSets) -> None:
    """A draw that fails leaves the sets of an earlier one as they were."""
    before = [contents(examples) for examples in draw_sets()]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-3])
    with pytest.raises(ExamplesError):
        draw_sets()
    shard.write_bytes(whole)
    assert [contents(examples) for examples in draw_sets(to="sets")] == before


def test_proportional_with_a_minimum(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """Of 800, 150 and 50 records, 20 examples are 16, 3 and 1; with a minimum of 3, the rare class gives 3."""
    labels = [0] * 800 + [1] * 150 + [2] * 50
    records = [example({"x": [float(n), float(-n)], "label": [label]}) for n, label in enumerate(labels)]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    write_tfrecord(tmp_path / "b.npz.tfrecord", [example({"x": [0.5, 0.5], "label": [0]})])
    where = {"calibration": [str(tmp_path / "a.tfrecord")], "evaluation": [str(tmp_path / "b.npz.tfrecord")]}
    for minimum, expected in ((1, [16, 3, 1]), (3, [14, 3, 3])):
        calibration, _ = draw_sets(
            to=str(minimum), stratify="proportional", minimum_per_class=minimum, calibration_count=20, **where
        )
        assert calibration.labels is not None
        assert np.bincount(calibration.labels).tolist() == expected
        assert [count.taken for count in calibration.provenance.classes.values()] == expected
        spread = calibration.provenance.representativeness
        assert spread is not None
        assert np.allclose(spread.balance["0"], (0.8, expected[0] / 20))


def test_weights(tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets) -> None:
    """Records of weight 9 are nine times as likely to be drawn first; those of weight 0 never are, and are counted."""
    weights = [9.0] * 500 + [1.0] * 500 + [0.0] * 100
    records = [example({"x": [w, float(n)], "label": [n % 4], "w": [w]}) for n, w in enumerate(weights)]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    other = write_tfrecord(tmp_path / "b.tfrecord.gz", [example({"x": [2.0, 0.0], "label": [0], "w": [1.0]})])
    calibration, evaluation = draw_sets(
        calibration=[str(tmp_path / "a.tfrecord")],
        evaluation=[str(other)],
        weight="w",
        stratify="false",
        calibration_count=200,
    )
    drawn = np.asarray(calibration.inputs["x"])[:, 0]
    # Without replacement, 200 of 500 · 9 + 500 · 1: about 179 expected, with a deviation of about 4.
    assert 160 <= (drawn == 9).sum() <= 194
    assert (drawn == 0).sum() == 0
    assert calibration.provenance.skipped == {"weight of 0": 100}
    assert "weighted by w" in calibration.provenance.rule
    assert "weighted" not in evaluation.provenance.rule


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([-1.0], r"record 0 at byte 0: feature 'w' is -1; a weight is a number of 0 or more$"),
        ([float("nan")], r"record 0 at byte 0: feature 'w' is nan; a weight is"),
        ([float("inf")], r"record 0 at byte 0: feature 'w' is inf; a weight is"),
        ([1.0, 2.0], r"record 0 at byte 0: feature 'w' is not one number; a weight is$"),
        ([b"heavy"], r"record 0 at byte 0: feature 'w' is not one number; a weight is$"),
    ],
)
def test_weights_that_are_none(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    refused: Callable[..., str],
    weight: list[Any],
    message: str,
) -> None:
    """A negative weight, NaN, and what is no number are errors that name the record."""
    records = [example({"x": [1.0, 2.0], "label": [0], "w": weight})]
    one = write_tfrecord(tmp_path / "a.tfrecord", records)
    assert re.search(message, refused(calibration=[str(one)], evaluation=[str(one)], weight="w"))


def test_extremes(tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, draw_sets: DrawSets) -> None:
    """A tenth of the set is taken for its values: of points [n, -n] those of the greatest n are in it."""
    one = write_tfrecord(tmp_path / "a.tfrecord", points(1000))
    other = write_tfrecord(tmp_path / "b.tfrecord", points(1001)[1000:])
    where = {"calibration": [str(one)], "evaluation": [str(other)], "calibration_count": 40}
    without, _ = draw_sets(to="without", **where)
    with_them, _ = draw_sets(to="with", extremes=0.1, **where)
    numbers = sorted(np.asarray(with_them.inputs["x"])[:, 0].tolist())
    assert len(numbers) == 40
    assert numbers[-4:] == [996.0, 997.0, 998.0, 999.0]
    assert with_them.provenance.extremes == 4
    assert "4 of them for their least and greatest values" in with_them.provenance.rule
    assert len(set(with_them.identities) - set(without.identities)) >= 3


@pytest.mark.parametrize("apart", [False, True])
def test_no_group_is_in_both_sets(
    apart: bool, tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """Records of 60 speakers over several files: all of a speaker's are for one purpose, however the files are cut."""

    def spoken(speakers: Iterable[int], first: int) -> list[bytes]:
        return [
            example({"x": [float(speaker), float(first + n)], "label": [n % 4], "speaker": [f"s{speaker}".encode()]})
            for n in range(10)
            for speaker in speakers
        ]

    records = spoken(range(60), 0)
    evaluation = []
    if apart:
        # Speakers 40 to 59 are in both, with other records.
        (tmp_path / "held_out").mkdir()
        evaluation = [str(write_tfrecord(tmp_path / "held_out" / "a.tfrecord", spoken(range(40, 80), 100)))]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    whole = draw_sets(group="speaker", evaluation=evaluation, stratify="false")
    (tmp_path / "a.tfrecord").unlink()
    for part in range(3):
        write_tfrecord(tmp_path / f"{part}.tfrecord", records[part::3])
    parts = draw_sets(group="speaker", evaluation=evaluation, stratify="false")
    assert [one.identities for one in whole] == [one.identities for one in parts]
    for examples in whole:
        assert examples.groups is not None
        assert examples.groups.tolist() == [f"s{int(speaker)}" for speaker in examples.inputs["x"][:, 0]]
        assert len(set(examples.groups.tolist())) > 1
    calibration, held_out = (set(examples.inputs["x"][:, 0].tolist()) for examples in whole)
    assert not calibration & held_out
    if apart:
        assert calibration <= set(range(40))
        assert whole[0].provenance.skipped == {"of a group of the evaluation files": 200}
        assert whole[0].provenance.records_read == 600


def test_sequences_are_whole_and_in_order(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    refused: Callable[..., str],
) -> None:
    """Of 40 recordings of six frames in any order, 20 examples are three recordings, and two more frames of none."""
    records = [
        example({"x": [float(key), float(at)], "label": [0], "clip": [f"c{key}".encode()], "at": [at]})
        for key in range(40)
        for at in range(6)
    ]
    write_tfrecord(tmp_path / "a.tfrecord", list(np.random.default_rng(1).permutation(np.array(records, object))))
    sequence = {"key": "clip", "order": "at"}
    assert "5 examples are fewer than the first sequence has" in refused(sequence=sequence, evaluation_count=5)
    assert "sampling.stratify: 'equal' does not go with examples.sequence" in refused(
        sequence=sequence, stratify="equal"
    )
    sets = draw_sets(sequence=sequence)
    assert [len(examples) for examples in sets] == [6, 18]
    for examples in sets:
        assert examples.starts is not None
        assert examples.groups is not None
        assert examples.starts.tolist() == ([True] + [False] * 5) * (len(examples) // 6)
        assert examples.inputs["x"][:, 1].tolist() == list(range(6)) * (len(examples) // 6)
        assert len(set(examples.groups.tolist())) == len(examples) // 6


def test_features_are_kept_for_a_metric(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    refused: Callable[..., str],
) -> None:
    """Numbers stay numbers, text stays text; one of another shape is refused."""
    records = [
        example({"x": [float(n), 1.0], "label": [n % 4], "size": [n, n + 1], "name": [f"n{n}".encode()]})
        for n in range(60)
    ]
    others = [example({"x": [float(n), 2.0], "label": [0], "size": [n], "name": [b""]}) for n in range(60)]
    write_tfrecord(tmp_path / "a.tfrecord", [*records, *others])
    assert "kept features must be alike (examples.keep)" in refused(keep=["size"], stratify="false")
    write_tfrecord(tmp_path / "a.tfrecord", records)
    for examples in draw_sets(keep=["size", "name"], stratify="false"):
        first = examples.inputs["x"][:, 0].astype(int)
        assert examples.features["size"].tolist() == [[n, n + 1] for n in first]
        assert examples.features["name"].tolist() == [f"n{n}" for n in first]


def test_a_group_is_one_value(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """A record without its group, or with two, is named."""
    write_tfrecord(tmp_path / "a.tfrecord", [example({"x": [0.0, 1.0], "label": [1], "speaker": [b"a", b"b"]})])
    assert re.search(
        r"a\.tfrecord: record 0 at byte 0: feature 'speaker' has 2 values; a group is one value \(examples\.group\)",
        refused(group="speaker", stratify="false"),
    )
    assert "has no feature 'speakr'" in refused(group="speakr", stratify="false")


def test_labels_in_text(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """Labels in text are classes, and become the numbers of their names; slices are kept as text."""
    names = ["ant", "bee", "cat", "dog"]
    records = [
        example({"x": [float(n % 4), float(n)], "label": [names[n % 4].encode()], "site": [f"site {n % 3}".encode()]})
        for n in range(200)
    ]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    calibration, evaluation = draw_sets(classes=names, slices=["site", "label"])
    for examples in (calibration, evaluation):
        assert examples.labels is not None
        assert np.array_equal(examples.labels, examples.inputs["x"][:, 0])
        sites = [f"site {int(n) % 3}" for n in examples.inputs["x"][:, 1]]
        assert examples.slices["site"].tolist() == sites
        assert examples.slices["label"].tolist() == [names[label] for label in examples.labels]
    assert list(calibration.provenance.classes) == names
    (tmp_path / "labels.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*names, ""]).encode())
    of_file, _ = draw_sets(classes_file=str(tmp_path / "labels.txt"), slices=["site", "label"])
    assert of_file.labels is not None
    assert calibration.labels is not None
    assert np.array_equal(of_file.labels, calibration.labels)
    assert of_file.provenance.class_names == calibration.provenance.class_names == tuple(names)
    assert of_file.provenance.recipe["examples"]["classes_file"] == str(tmp_path / "labels.txt")
    assert "classes" not in of_file.provenance.recipe["examples"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^examples.classes_file: .*labels.txt is empty; it must hold the name of a class on each line$"),
        (b"ant\n\nbee\n", "^examples.classes_file: line 2 of .*labels.txt is empty; each line is the name of a class$"),
        (b"ant\n\xff\n", "^examples.classes_file: .*labels.txt is not a text file in UTF-8"),
        (None, "^.*labels.txt: cannot be read"),
        (b"ant\n", "^examples.classes: 1 names are given; the model's output has 4 classes$"),
    ],
)
def test_a_file_of_class_names_that_is_wrong(
    tmp_path: Path, shard: Path, refused: Callable[..., str], content: bytes | None, message: str
) -> None:
    """A file without a name on each line is refused, with the line."""
    del shard
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)
    assert re.search(message, refused(classes_file=str(tmp_path / "labels.txt")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "label 'label' is text; a class number is needed, or the names of the classes"),
        (
            {"classes": ["ant", "be", "cat", "dog"]},
            "label 'label' is 'bee', which is none of the 4 names in .*mean 'be'",
        ),
        ({"classes": ["ant"]}, "^examples.classes: 1 names are given; the model's output has 4 classes$"),
        (
            {"stratify": "equally"},
            "^sampling.stratify: 'equally' is unknown; choose from auto, equal, proportional, false",
        ),
        ({"stratify": "equal", "label": ""}, "^sampling.stratify: 'equal' needs classes: examples.label, and the task"),
        ({"stratify": "proportional", "weight": "w"}, "^sampling.weight: 'w' does not go with stratify: proportional"),
        ({"extremes": 0.6}, "^sampling.extremes: 0.6 is not a share of the calibration set from 0 to 0.5"),
        ({"minimum_per_class": -1, "stratify": "proportional"}, "^sampling.minimum_per_class: -1 is negative"),
        (
            {"minimum_per_class": 2},
            "^sampling.minimum_per_class: 2 goes with stratify: proportional; stratify is 'auto'",
        ),
        (
            {"classes": ["ant", "bee", "cat", "dog"], "slices": ["long"]},
            "feature 'long' has a value of 200 characters; a value to slice",
        ),
        (
            {"classes": ["ant", "bee", "cat", "dog"], "slices": ["sit"]},
            "has no feature 'sit'; it has label, long, site, x; did you mean 'site'",
        ),
    ],
)
def test_rules_that_do_not_go_together(
    tmp_path: Path,
    example: MakeExample,
    write_tfrecord: WriteTfrecord,
    refused: Callable[..., str],
    changes: dict[str, Any],
    message: str,
) -> None:
    """Settings that are wrong, or do not suit the examples, are one sentence."""
    names = [b"ant", b"bee", b"cat", b"dog"]
    records = [
        example({"x": [float(n), 0.0], "label": [names[n % 4]], "site": [n], "long": [b"a" * 200]}) for n in range(100)
    ]
    write_tfrecord(tmp_path / "a.tfrecord", records)
    assert re.search(message, refused(**changes))


def test_one_example_that_is_all(
    tmp_path: Path, points: Points, write_tfrecord: WriteTfrecord, draw_sets: DrawSets
) -> None:
    """A source of equal records is one example, and says how many copies it has."""
    one = write_tfrecord(tmp_path / "a.tfrecord", points(1) * 50)
    other = write_tfrecord(tmp_path / "b.tfrecord", points(2)[1:])
    calibration, _ = draw_sets(calibration=[str(one)], evaluation=[str(other)])
    assert len(calibration) == 1
    assert calibration.provenance.duplicates == 49
    assert calibration.provenance.classes == {"0": ClassCount(wanted=8, available=50, taken=1)}


def test_a_record_without_its_label(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str], points: Points
) -> None:
    """One record of many that has no label is an error that names it, though it would never be drawn."""
    write_tfrecord(tmp_path / "a.tfrecord", [*points(100), example({"x": [1.0, 2.0]}), *points(200)[100:]])
    other = write_tfrecord(tmp_path / "b.tfrecord.gz", points(300)[200:])
    message = refused(calibration=[str(tmp_path / "a.tfrecord")], evaluation=[str(other)])
    assert re.search(r"a.tfrecord: record 100 at byte \d+: has no feature 'label'; it has x$", message)


def test_files_of_two_schemas(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Of files that do not all have the columns needed, the one without is named, with what it has."""
    parquet.write_table(pa.table({"x": [[1.0, 2.0]] * 9, "label": [0] * 9}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"x": [[1.0, 2.0]] * 9, "lable": [0] * 9}), tmp_path / "b.parquet")
    message = refused(calibration=[str(tmp_path / "*.parquet")])
    assert message == f"{tmp_path / 'b.parquet'}: has no feature 'label'; it has lable, x; did you mean 'lable'?"


def test_ten_thousand_classes(tmp_path: Path, draw_sets: DrawSets) -> None:
    """Of 10,000 classes an equal draw of 50 takes one of each of 50, in an order of the seed, and counts them all."""
    labels = np.repeat(np.arange(10_000), 2)
    np.savez(
        tmp_path / "a.npz",
        allow_pickle=False,
        x=np.stack([labels, np.arange(20_000)], 1).astype(np.float32),
        label=labels,
    )
    np.savez(tmp_path / "b.npz", allow_pickle=False, x=np.full((1, 2), -1.0, np.float32), label=np.zeros(1, np.int64))
    taken = []
    for seed in (1, 2):
        calibration, _ = draw_sets(
            to=str(seed),
            calibration=[str(tmp_path / "a.npz")],
            evaluation=[str(tmp_path / "b.npz")],
            signature=scoring(10_000),
            calibration_count=50,
            seed=seed,
        )
        assert calibration.labels is not None
        assert len(set(calibration.labels.tolist())) == 50
        assert len(calibration.provenance.classes) == 10_000
        taken.append(frozenset(calibration.labels.tolist()))
    assert len(taken[0] & taken[1]) < 5


def test_a_wrong_weight_of_a_record_that_is_not_calibrated_on(
    tmp_path: Path, example: MakeExample, write_tfrecord: WriteTfrecord, refused: Callable[..., str]
) -> None:
    """In a source that is split, a wrong weight is an error wherever it is."""
    for place in range(8):
        weights = [1.0] * 50
        weights[place * 6] = -1.5
        records = [example({"x": [float(n), 0.0], "label": [n % 4], "w": [w]}) for n, w in enumerate(weights)]
        write_tfrecord(tmp_path / "a.tfrecord", records)
        assert f"record {place * 6} at byte" in refused(weight="w")


def test_settings_that_cannot_be_met_are_said(
    tmp_path: Path,
    points: Points,
    write_tfrecord: WriteTfrecord,
    draw_sets: DrawSets,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """More classes than examples, a minimum that is too much for all, and a share of less than one example are said."""
    write_tfrecord(tmp_path / "a.tfrecord", points(300))
    draw_sets(to="a", calibration_count=3, extremes=0.1)
    output = capsys.readouterr().out
    assert "edgequant: sample: sampling.calibration: 3 examples leave 1 of 4 classes without any\n" in output
    assert "edgequant: sample: sampling.extremes: 0.1 of 3 examples is less than one; none is taken\n" in output
    draw_sets(to="b", stratify="proportional", minimum_per_class=5)
    assert (
        "sampling.minimum_per_class: 5 of each of 4 classes are more than 8 examples; each gets"
        in capsys.readouterr().out
    )


def test_nothing_is_left_in_the_temporary_directory(
    tmp_path: Path, shard: Path, draw_sets: DrawSets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Beam and the draw write for the time being is gone at the end."""
    del shard
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    draw_sets()
    assert list((tmp_path / "tmp").iterdir()) == []
