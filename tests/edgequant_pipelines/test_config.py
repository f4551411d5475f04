"""The configuration file: what it may hold, and one sentence for each thing that is wrong."""

import math
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from edgequant.errors import ConfigError
from edgequant.gate import Gate
from edgequant_pipelines.config import Config, load_config
from edgequant_pipelines.yaml_files import explain

# The example that the project promises to take as it stands.
PROMISED = """
name: resnet8-cifar10
model: saved_model                    # SavedModel directory, .keras file, or MLflow URI: models:/NAME/VERSION, models:/NAME@ALIAS, runs:/ID/PATH
signature: serving_default
examples:
  calibration: train-*.tfrecord       # pattern or list of patterns; .tfrecord[.gz], .parquet, .npz
  evaluation: test-*.tfrecord         # optional: left out, a disjoint split of the calibration source
  inputs:
    input_1: {feature: image/encoded, decode: image}   # model input: the feature that feeds it; a bare string is the feature's name; default: same name
  label: image/class/label            # optional: without labels, agreement with float stands in for accuracy
  preprocess: preprocess.py:to_inputs # optional: FILE.py:function or package.module:function, (dict of features) -> dict of input arrays
sampling: {calibration: 500, evaluation: 10000, stratify: true, seed: 17}
variants: [float32, float16, weights_only, full_int8, integer_only]
task: classification                  # classification | binary | multilabel | regression | none | package.module:function
gate: {max_drop_points: 1.0, confidence: 0.95, max_size_ratio: 0.5, prefer: size_bytes}
tracking: {uri: "sqlite:///mlflow.db", experiment: resnet8-cifar10, registered_model: resnet8-cifar10-tflite, alias: candidate}
beam: ["--runner=FnApiRunner"]
"""
SAMPLING = {
    "calibration": 500,
    "evaluation": 10_000,
    "stratify": "auto",
    "minimum_per_class": 1,
    "weight": "",
    "extremes": 0.0,
    "check_stability": False,
    "seed": 17,
}
KUBEFLOW = {
    "image_prefix": "",
    "image_tag": "",
    "mounted": [],
    "secrets": {},
    "retries": 3,
    "retry_seconds": 60,
    "parallelism": 4,
    "labels": {},
    "node_selector": {},
    "tolerations": [],
    "steps": {},
}
MINIMAL = {"name": "digits", "model": "digits.keras", "examples": {"calibration": "train.npz"}}


def write(folder: Path, values: object) -> Path:
    """Writes a configuration file."""
    path = folder / "config.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return path


def load(folder: Path, values: object, *overrides: str) -> Config:
    """Returns the configuration of a file with these values."""
    return load_config(write(folder, values), overrides)


def with_value(key: str, value: object) -> dict[str, Any]:
    """Returns the smallest configuration with a value at a dotted key."""
    values: dict[str, Any] = yaml.safe_load(yaml.safe_dump(MINIMAL))
    *parents, last = key.split(".")
    section = values
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return values


def refusal(folder: Path, values: object, *overrides: str) -> str:
    """Returns the message that a configuration is refused with, which is one line, without the file's name."""
    path = write(folder, values)
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_the_promised_example_loads(tmp_path: Path) -> None:
    """The promised example loads as it stands: every value is kept; paths are relative to the file."""
    config = load(tmp_path, PROMISED)
    assert config.model_dump() == {
        "name": "resnet8-cifar10",
        "model": str(tmp_path / "saved_model"),
        "signature": "serving_default",
        "examples": {
            "calibration": [str(tmp_path / "train-*.tfrecord")],
            "evaluation": [str(tmp_path / "test-*.tfrecord")],
            "inputs": {"input_1": {"feature": "image/encoded", "decode": "image"}},
            "label": "image/class/label",
            "classes": [],
            "classes_file": "",
            "slice": [],
            "group": "",
            "sequence": {},
            "keep": [],
            "preprocess": f"{tmp_path}/preprocess.py:to_inputs",
        },
        "sampling": SAMPLING,
        "calibration": {"allow_mismatch": False},
        "variants": ["float32", "float16", "weights_only", "full_int8", "integer_only"],
        "task": "classification",
        "resolver": "xnnpack",
        "evaluation": {"budget_seconds": None},
        "gate": {"max_drop_points": 1.0, "confidence": 0.95, "max_size_ratio": 0.5, "prefer": "size_bytes"},
        "reference": {},
        "champion": "",
        "tracking": {
            "uri": f"sqlite:///{tmp_path}/mlflow.db",
            "experiment": "resnet8-cifar10",
            "registered_model": "resnet8-cifar10-tflite",
            "alias": "candidate",
            "register": "best",
            "retry_seconds": 120.0,
        },
        "beam": ["--runner=FnApiRunner"],
        "kubeflow": KUBEFLOW,
    }


def test_every_key_is_documented() -> None:
    """There is no key but those of the documented table."""
    table = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    documented = re.findall(r"^\| `([\w.]+)` \|", table.partition("\n## ")[0], re.MULTILINE)
    sections = {"examples", "sampling", "calibration", "evaluation", "tracking", "kubeflow"}
    keys = [name for name in Config.model_fields if name not in {*sections, "gate"}]
    for section in sections:
        kind = Config.model_fields[section].annotation
        assert kind is not None
        keys += [f"{section}.{name}" for name in kind.model_fields]
    keys += [f"gate.{name}" for name in Gate.__dataclass_fields__]
    assert sorted(documented) == sorted(keys)


def test_defaults(tmp_path: Path) -> None:
    """A name, a model and examples are enough; the rest is as documented."""
    config = load(tmp_path, MINIMAL)
    assert config.signature == "serving_default"
    assert config.examples.evaluation == []
    assert config.sampling.model_dump() == SAMPLING
    assert config.variants == ["float32", "float16", "weights_only", "full_int8", "integer_only"]
    assert config.task == "classification"
    assert not config.parsed_gate()
    assert config.tracking.model_dump() == {
        "uri": "",
        "experiment": "digits",
        "registered_model": "",
        "alias": "",
        "register": "best",
        "retry_seconds": 120.0,
    }
    assert config.beam == ["--runner=FnApiRunner"]
    assert config.kubeflow.model_dump() == KUBEFLOW


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("tsak", "unknown key 'tsak'; allowed are name, model, signature, examples, {rest}; did you mean 'task'?"),
        ("examples.lable", "unknown key 'examples.lable'; allowed are calibration, {rest}; did you mean 'label'?"),
        ("sampling.sed", "unknown key 'sampling.sed'; allowed are calibration, {rest}; did you mean 'seed'?"),
        ("tracking.url", "unknown key 'tracking.url'; allowed are uri, {rest}; did you mean 'uri'?"),
        (
            "gate.max_drop",
            "gate: unknown key 'max_drop'; allowed are max_drop_points, {rest}; did you mean 'max_drop_points'?",
        ),
        (
            "examples.inputs.x.featur",
            "examples.inputs.x: unknown key 'featur'; allowed are feature, {rest}; did you mean 'feature'?",
        ),
        (
            "kubeflow.retrys",
            "unknown key 'kubeflow.retrys'; allowed are image_prefix, {rest}; did you mean 'retries'?",
        ),
        (
            "kubeflow.steps.convert.cpu",
            "unknown key 'kubeflow.steps.convert.cpu'; allowed are cpu_request, {rest}, tolerations",
        ),
        ("zzz", "unknown key 'zzz'; allowed are name, {rest}, beam, kubeflow"),
    ],
)
def test_unknown_keys(tmp_path: Path, key: str, message: str) -> None:
    """An unknown key, at the top and in each section, is named with those that are allowed and the nearest."""
    start, end = message.split("{rest}")
    refused = refusal(tmp_path, with_value(key, 1))
    assert refused.startswith(start)
    assert refused.endswith(end)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 3, 'name: 3 is wrong: text is needed; write it in quotes, such as "3"'),
        ("name", [3], "name: [3] is wrong: text is needed"),
        ("model", None, "model: is empty; text is needed"),
        (
            "kubeflow.image_tag",
            1.0,
            'kubeflow.image_tag: 1.0 is wrong: text is needed; write it in quotes, such as "1.0"',
        ),
        ("examples.label", True, 'examples.label: True is wrong: text is needed; write it in quotes, such as "true"'),
        (
            "kubeflow.labels.since",
            date(2026, 11, 23),
            'kubeflow.labels.since: 2026-11-23 is wrong: text is needed; write it in quotes, such as "2026-11-23"',
        ),
        (
            "kubeflow.labels",
            {1: "a"},
            'kubeflow.labels: the key 1 is wrong: text is needed; write it in quotes, such as "1"',
        ),
        (
            "examples",
            "train.npz",
            "examples: 'train.npz' is wrong: a mapping of calibration, evaluation, inputs, label, classes, classes_file, slice, group, sequence, keep, preprocess is needed",
        ),
        (
            "kubeflow.steps.convert",
            "8Gi",
            "kubeflow.steps.convert: '8Gi' is wrong: a mapping of cpu_request, cpu_limit, memory_request, memory_limit, timeout_seconds, node_selector, tolerations is needed",
        ),
        ("examples.calibration", 3, "examples.calibration: 3 is wrong: a list is needed"),
        (
            "examples.calibration",
            ["a", 3],
            'examples.calibration.1: 3 is wrong: text is needed; write it in quotes, such as "3"',
        ),
        ("examples.inputs", ["x"], "examples.inputs: ['x'] is wrong: a mapping is needed"),
        ("sampling.calibration", "500", "sampling.calibration: '500' is wrong: a whole number is needed"),
        ("sampling.calibration", 0, "sampling.calibration: 0 is wrong: 1 or more is needed"),
        ("sampling.evaluation", 1.5, "sampling.evaluation: 1.5 is wrong: a whole number is needed"),
        ("sampling.extremes", "all", "sampling.extremes: 'all' is wrong: a number is needed"),
        ("sampling.extremes", math.nan, "sampling.extremes: nan is wrong: a finite number is needed"),
        ("tracking.retry_seconds", math.inf, "tracking.retry_seconds: inf is wrong: a finite number is needed"),
        ("tracking.retry_seconds", math.nan, "tracking.retry_seconds: nan is wrong: a finite number is needed"),
        ("sampling.seed", True, "sampling.seed: True is wrong: a whole number is needed"),
        ("sampling.seed", -1, "sampling.seed: -1 is wrong: 0 or more is needed"),
        (
            "sampling.seed",
            2**53,
            "sampling.seed: 9007199254740992 is wrong: less than 9007199254740992 is needed",
        ),
        ("sampling.stratify", 3, 'sampling.stratify: 3 is wrong: text is needed; write it in quotes, such as "3"'),
        ("sampling.check_stability", "yes", "sampling.check_stability: 'yes' is wrong: true or false is needed"),
        ("calibration.allow_mismatch", 1, "calibration.allow_mismatch: 1 is wrong: true or false is needed"),
        ("variants", "float32", "variants: 'float32' is wrong: a list is needed"),
        ("gate", [1], "gate: [1] is wrong: a mapping is needed"),
        ("tracking.retry_seconds", 1e6, "tracking.retry_seconds: 1000000.0 is wrong: 86400 or less is needed"),
        ("beam", "--runner=X", "beam: '--runner=X' is wrong: a list is needed"),
        (
            "kubeflow.tolerations",
            [{"operator": "Is"}],
            "kubeflow.tolerations.0.operator: 'Is' is wrong: 'Equal' or 'Exists' is needed",
        ),
    ],
)
def test_wrong_types(tmp_path: Path, key: str, value: object, message: str) -> None:
    """A value of another type is named with its key and what is needed; nothing is converted silently."""
    assert refusal(tmp_path, with_value(key, value)) == message


class _Other(BaseModel):
    """What other files than CONFIG.yaml may hold."""

    model_config = ConfigDict(extra="forbid")

    day: Annotated[date | None, BeforeValidator(date.fromisoformat)] = None
    other_day: Annotated[date | None, Field(strict=True)] = None
    share: Annotated[float, Field(gt=0)] = 1.0
    items: Annotated[list[str], Field(min_length=1)] = ["a"]
    text: Annotated[str, Field(min_length=1)] = "a"
    even: Annotated[int, Field(multiple_of=2)] = 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"day": "tomorrow"}, "day: 'tomorrow' is wrong: a date such as 2026-11-23 is needed"),
        ({"other_day": 5}, "other_day: 5 is wrong: a date such as 2026-11-23 is needed"),
        ({"share": 0}, "share: 0 is wrong: more than 0 is needed"),
        ({"items": []}, "items: [] is wrong: at least 1 is needed"),
        ({"text": ""}, "text: '' is wrong: a text of at least 1 is needed"),
        ({"even": 3}, "even: 3 is wrong: input should be a multiple of 2"),
        (
            {1: 2},
            "unknown key '1'; allowed are day, other_day, share, items, text, even",
        ),
    ],
)
def test_wrong_values_of_other_files(values: dict[Any, Any], message: str) -> None:
    """What no key of a configuration can be wrong in is said in sentences too; what has none of its own, in pydantic's."""
    with pytest.raises(ValidationError) as caught:
        _Other.model_validate(values)
    assert list(explain(caught.value, _Other)) == [message]


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ("hunter2", "kubeflow.secrets: a mapping of the secrets' names is needed, {NAME: [KEY]}"),
        ({"good": "hunter2"}, "kubeflow.secrets.good: the names of its keys are needed, never their values: a list"),
        (
            {"good": ["hunter2", 3]},
            "kubeflow.secrets.good: the names of its keys are needed, never their values: a list",
        ),
        (
            {"good": {"hunter2": 3}},
            "kubeflow.secrets.good: the names of its keys are needed, never their values: a list",
        ),
    ],
)
def test_secrets_in_a_wrong_form(tmp_path: Path, secrets: object, message: str) -> None:
    """One sentence with both forms that are allowed, which does not repeat what may be a password."""
    refused = refusal(tmp_path, with_value("kubeflow.secrets", secrets))
    assert refused.startswith(message)
    assert "hunter2" not in refused
    assert ";" not in refused


def test_amounts_may_be_numbers(tmp_path: Path) -> None:
    """What YAML reads as a number is the amount that it looks like; true is none."""
    steps = {"convert": {"cpu_request": 0.5, "cpu_limit": 1, "memory_limit": 8_000_000_000}}
    resources = load(tmp_path, with_value("kubeflow.steps", steps)).kubeflow.step("convert").resources()
    assert resources == {"cpu_request": "0.5", "cpu_limit": "1", "memory_limit": "8000000000"}
    wrong = refusal(tmp_path, with_value("kubeflow.steps.convert.cpu_limit", True))
    assert wrong.startswith("kubeflow.steps.convert.cpu_limit: True is wrong: text is needed")
    wrong = refusal(tmp_path, with_value("kubeflow.steps.convert.memory_limit", 4.5))
    assert wrong == "kubeflow.steps.convert.memory_limit: '4.5' is no amount of memory; '512Mi' and '4Gi' are"


def test_missing_keys(tmp_path: Path) -> None:
    """Each missing key is named in a sentence of its own."""
    assert refusal(tmp_path, {"name": "a"}) == "'model' is missing; 'examples' is missing"
    assert refusal(tmp_path, {**MINIMAL, "examples": {}}) == "'examples.calibration' is missing"


def test_one_sentence_for_each_thing(tmp_path: Path) -> None:
    """Several wrong things are told at once."""
    message = refusal(tmp_path, {"name": 3, "examples": {"calibration": "a.npz", "lable": "y"}})
    assert message == (
        'name: 3 is wrong: text is needed; write it in quotes, such as "3"; '
        "'model' is missing; unknown key 'examples.lable';"
        " allowed are calibration, evaluation, inputs, label, classes, classes_file, slice, group, sequence, keep, preprocess; did you mean 'label'?"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "a b", "name: 'a b' is not allowed; letters, digits, '.', '_' and '-', at most 100, are"),
        ("name", "../a", "name: '../a' is not allowed"),
        ("name", "a" * 101, "name: 'aaaa"),
        ("examples.calibration", [], "examples.calibration: no pattern is given; one or more are needed"),
        (
            "model",
            "",
            "model: is empty; allowed are a path, models:/NAME/VERSION, models:/NAME@ALIAS and runs:/ID/PATH",
        ),
        ("model", "ftp://w/1", "model: 'ftp://w/1' is not a model URI; allowed are a path, models:/NAME/VERSION,"),
        ("model", "models:/w", "model: 'models:/w' is not a model URI; allowed are a path, models:/NAME/VERSION,"),
        ("model", "models:/w/latest", "model: 'models:/w/latest' is not a model URI"),
        ("champion", "models:/w@", "champion: 'models:/w@' is not a model URI"),
        (
            "examples.calibration",
            "https://x/y.npz",
            "examples.calibration: 'https://x/y.npz' is on no file system that is read; paths, s3://BUCKET/PATH and gs://BUCKET/PATH are",
        ),
        (
            "examples.calibration",
            ["a.npz", "s3:/b/c.npz"],
            "examples.calibration: 's3:/b/c.npz' names no files; a pattern is s3",
        ),
        ("examples.calibration", [""], "examples.calibration: a pattern is empty"),
        (
            "examples.calibration",
            ["s3://x/a*", "s3://x/b*.npz", "s3://x/c.parquet"],
            "examples.calibration: s3://x/a*, s3://x/b*.npz, s3://x/c.parquet match files of several formats; draw from one",
        ),
        (
            "examples.evaluation",
            "s3://x/y.csv",
            "examples.evaluation: 's3://x/y.csv' has an unknown format; allowed are .tfrecord, .tfrecord.gz",
        ),
        ("examples.evaluation", "s3://x/[ab]*.csv", "examples.evaluation: 's3://x/[ab]*.csv' has an unknown format"),
        (
            "kubeflow.image_prefix",
            "Registry/x",
            "kubeflow.image_prefix: 'Registry/x' has upper case, which registries refuse",
        ),
        (
            "kubeflow.image_prefix",
            "registry/x:1",
            "kubeflow.image_prefix: 'registry/x:1' has a tag; give it as kubeflow.image_tag: 1",
        ),
        ("kubeflow.image_tag", "a b", "kubeflow.image_tag: 'a b' is not allowed; letters, digits,"),
        (
            "kubeflow.steps.convert.memory_limit",
            "1Gi",
            "kubeflow.steps.convert.memory_limit: '1Gi' is below the memory_request '4Gi', the step's default; give memory_request as well",
        ),
        (
            "kubeflow.steps.convert.memory_request",
            "512K",
            "kubeflow.steps.convert.memory_request: '512K' is no amount of memory; '512Mi' and '4Gi' are",
        ),
        (
            "kubeflow.steps.convert.memory_request",
            "9000M",
            "kubeflow.steps.convert.memory_request: '9000M' is above the memory_limit '8Gi', the step's default; give memory_limit as well",
        ),
        (
            "kubeflow.steps.evaluate",
            {"cpu_request": "1500m", "cpu_limit": "1.25"},
            "kubeflow.steps.evaluate.cpu_limit: '1.25' is below the cpu_request '1500m'",
        ),
        ("examples.inputs", {"x": 3}, "examples.inputs.x: 3 is neither a feature's name nor a mapping of feature"),
        ("examples.inputs", {"x": {"resize": ["a", 1]}}, "examples.inputs.x.resize: ['a', 1] is not [height, width]"),
        ("examples.inputs", {"x": {"scale": "big"}}, "examples.inputs.x.scale: 'big' is not a number"),
        (
            "examples.preprocess",
            "preprocess.py",
            "examples.preprocess: 'preprocess.py' names no function; FILE.py:function or package.module:function does",
        ),
        (
            "examples.preprocess",
            "shelf://book/preprocess.py:to_inputs",
            "examples.preprocess: 'shelf://book/preprocess.py' is on no file system that is read",
        ),
        (
            "examples.classes_file",
            "s3://bucket",
            "examples.classes_file: 's3://bucket' names no files; a pattern is s3://BUCKET/PATH",
        ),
        ("variants", ["full_int8"], "variants: 'float32' is missing from ['full_int8']; it is the reference"),
        ("variants", [], "variants: 'float32' is missing from []; it is the reference"),
        (
            "variants",
            ["float32", "int4"],
            "variants: unknown variant 'int4'; choose from float32, float16, weights_only",
        ),
        ("variants", ["float32", "full_int"], "variants: unknown variant 'full_int'; choose from"),
        ("variants", ["float32", "float32"], "variants: 'float32' is named 2 times; name it once"),
        ("task", "clasification", "task: unknown task 'clasification'; choose from classification, binary, multilabel"),
        (
            "resolver",
            "refrence",
            "resolver: unknown resolver 'refrence'; choose from xnnpack, builtin, reference; did you",
        ),
        ("gate.max_drop_points", "1", "gate.max_drop_points: '1' is not a number of 0 or more"),
        ("gate.max_drop_points", -1, "gate.max_drop_points: -1 is not a number of 0 or more"),
        ("gate.confidence", 95, "gate.confidence: 95 is not between 0.5 and 1; 0.95 is usual"),
        ("gate.prefer", "size", "gate.prefer: unknown 'size'; choose from size_bytes, latency_ms, drop_points"),
        ("gate.min_agreement", 99, "gate.min_agreement: 99 is not a share of 0 to 1; 0.99 is 99%"),
        ("gate.integer_only", "yes", "gate.integer_only: 'yes' is not allowed; required is"),
        ("gate.metric", "macro_f1", "gate.metric: needs labels; without them, and for task: none, there is agreement"),
        ("gate.max_drop_points_vs_champion", 1, "gate.max_drop_points_vs_champion: there is nothing to compare with"),
        ("champion", 3, "champion: 3 is wrong: text is needed"),
        ("tracking.uri", "http://[x", "tracking.uri: 'http://[x' is not a URI"),
        ("tracking.registered_model", "a/b", "tracking.registered_model: 'a/b' holds '/', which MLflow refuses"),
        ("tracking.registered_model", "a:b", "tracking.registered_model: 'a:b' holds ':', which MLflow refuses"),
        ("tracking.register", "all", "tracking.register: unknown value 'all'; choose from best, blessed, none"),
        (
            "tracking.register",
            "bless",
            "tracking.register: unknown value 'bless'; choose from best, blessed, none; did you mean",
        ),
        ("tracking.alias", "best", "tracking.alias: 'best' is given without tracking.registered_model"),
    ],
)
def test_values_that_are_not_allowed(tmp_path: Path, key: str, value: object, message: str) -> None:
    """A value that a step would refuse is refused at once, with its key, the value and what is allowed."""
    assert refusal(tmp_path, with_value(key, value)).startswith(message)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("examples.calibration", "s3://bucket/train-*"),
        ("examples.calibration", "gs://bucket/train-?????-of-00010.tfrecord.gz"),
        ("examples.calibration", "train/*.gz"),
        ("examples.calibration", "train.np[z]"),
        ("kubeflow.steps.convert", {"memory_request": "8G", "memory_limit": "8Gi"}),
        ("kubeflow.steps.convert", {"memory_request": "512k", "memory_limit": "512Ki"}),
        ("kubeflow.steps.convert", {"cpu_request": "500m", "cpu_limit": "0.5"}),
        ("kubeflow.image_prefix", "localhost:5000/x"),
    ],
)
def test_values_that_may_be_right(tmp_path: Path, key: str, value: object) -> None:
    """A pattern that may match files that are read, equal amounts in other words, a registry with a port."""
    load(tmp_path, with_value(key, value))


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V12", "a b", "a/b", "é"])
def test_aliases_that_mlflow_refuses(tmp_path: Path, alias: str) -> None:
    """An alias that MLflow reserves or refuses is refused at once."""
    values = {**MINIMAL, "tracking": {"registered_model": "m", "alias": alias}}
    assert refusal(tmp_path, values).startswith(
        f"tracking.alias: {alias!r} is not allowed; letters, digits, '_' and '-'"
    )


@pytest.mark.parametrize("alias", ["candidate", "v1-beta", "best_of_2"])
def test_aliases(tmp_path: Path, alias: str) -> None:
    """Letters, digits, underscores and hyphens make an alias."""
    config = load(tmp_path, {**MINIMAL, "tracking": {"registered_model": "m", "alias": alias}})
    assert config.tracking.alias == alias


@pytest.mark.parametrize(
    "uri", ["https://me:secret@mlflow.example.com", "postgresql://me:secret@db/mlflow", "http://:secret@h"]
)
def test_a_password_in_the_tracking_uri(tmp_path: Path, uri: str) -> None:
    """A password is refused, with the way to give it, and is not repeated."""
    message = refusal(tmp_path, with_value("tracking.uri", uri))
    assert message.startswith("tracking.uri: holds a password; give credentials in MLFLOW_TRACKING_TOKEN, or")
    assert "secret" not in message


def test_errors_name_the_file(tmp_path: Path) -> None:
    """Whatever is wrong inside of the file, the message begins with its path."""
    for values in ({"name": "a"}, with_value("gate.max_drop", 1)):
        path = write(tmp_path, values)
        with pytest.raises(ConfigError, match=rf"^{path}: "):
            load_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML ("),
        ("a: b: c", "is not YAML ("),
        ("- name", "holds a list; a mapping of name, model, signature, examples, sampling"),
        ("hello", "holds a str; a mapping of name"),
        ("", "is empty; a mapping of name"),
        ("# nothing yet\n", "is empty; a mapping of name"),
        ("name: 2026-13-45", "is not YAML (month must be in 1..12)"),
    ],
)
def test_not_a_mapping(tmp_path: Path, text: str, message: str) -> None:
    """What is not YAML, or not a mapping, is refused."""
    assert refusal(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nmodel: m\nname: b\n", "line 3: the key 'name' already exists, on line 1; keep one"),
        ("gate:\n  a: 1\n  'a': 2\n", "line 3: the key 'a' already exists, on line 2; keep one"),
        ("beam: [{1: a, 1: b}]", "line 1: the key '1' already exists, on line 1; keep one"),
    ],
)
def test_a_key_that_is_there_twice(tmp_path: Path, text: str, message: str) -> None:
    """Of two values for a key none is taken; the message names the key and both lines."""
    assert refusal(tmp_path, text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kubeflow:\n  labels: {team: vision, on: call}\n",
            "line 2: the key 'on' is read as true, and keys are texts; write it in quotes: \"on\"",
        ),
        ("No: 1", "line 1: the key 'No' is read as false, and keys are texts"),
        ("gate:\n  ~: 1\n", "line 2: the key '~' is read as null, and keys are texts"),
        ('model: "a\\0"', "line 1: a text holds the character '\\x00', which no name, path or address does"),
        ('model: a\n"\\0": b', "line 2: a text holds the character '\\x00'"),
        ("[" * 2000, "line 1: is nested more than 50 deep; no key is"),
        ("a: {" * 2000, "line 1: is nested more than 50 deep; no key is"),
        ("\n".join(f"{'  ' * n}a:" for n in range(60)), "line 50: is nested more than 50 deep; no key is"),
        ("gate: &g\n  a: [*g]\n", "line 2: *g stands for what it is part of"),
        ("sampling: {seed: 999999999999999999}", "'name' is missing"),
    ],
)
def test_what_only_a_mistake_can_mean(tmp_path: Path, text: str, message: str) -> None:
    """What is well-formed YAML and nothing that a file needs is refused in words, with its line."""
    assert refusal(tmp_path, text).startswith(message)


def test_an_anchor_that_is_used_elsewhere(tmp_path: Path) -> None:
    """The same value may stand in two places."""
    text = "name: &n digits\nmodel: *n\nexamples: &e {calibration: [&f train.npz, *f]}\n"
    assert len(load(tmp_path, text).examples.calibration) == 2


@pytest.mark.parametrize("key", ["model", "champion", "examples.calibration", "examples.preprocess", "tracking.uri"])
def test_a_home_that_is_not_there(tmp_path: Path, key: str) -> None:
    """A path that begins with the home of nobody is refused, with its key."""
    path = "~nobody-at-all/m.py:f" if key == "examples.preprocess" else "~nobody-at-all/train.npz"
    message = refusal(tmp_path, with_value(key, path))
    assert message.startswith(f"{key}: '~nobody-at-all/")
    assert message.endswith("begins with '~nobody-at-all', which has no home here; write the whole path")


def test_keys_that_are_merged(tmp_path: Path) -> None:
    """What `<<` merges in may be replaced, also where what is merged is itself merged."""
    text = """
name: digits
model: digits.keras
examples:
  calibration: train.npz
  inputs:
    a: &base {feature: x, scale: 2.0}
    b: {<<: [&nested {<<: *base, scale: 3.0}], feature: y}
    c: {<<: *nested, 'scale': 4.0}
"""
    inputs = load(tmp_path, text).examples.inputs
    assert inputs["b"] == {"feature": "y", "scale": 3.0}
    assert inputs["c"] == {"feature": "x", "scale": 4.0}


def test_not_text(tmp_path: Path) -> None:
    """A binary file is refused."""
    path = tmp_path / "model.keras"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(ConfigError, match=rf"^{path}: is not YAML \("):
        load_config(path)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    """A tag that would make a Python object is refused."""
    assert refusal(tmp_path, "name: !!python/object/apply:os.getcwd []").startswith("is not YAML (")


def test_file_missing(tmp_path: Path) -> None:
    """A file that is not there, and a directory, are named with the system's reason."""
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/no.yaml: cannot be read \(No such file or directory\)$"):
        load_config(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match=rf"^{tmp_path}: cannot be read \(Is a directory\)$"):
        load_config(tmp_path)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, patterns, the SQLite file and the preprocess file lie beside the file, wherever the command is run."""
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    values = yaml.safe_load(PROMISED)
    values["examples"].update(calibration=["a.npz", "sub/b-*.npz"], preprocess="code/prepare.py:f")
    write(tmp_path / "project", values)
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_config(Path("../project/config.yaml"))
    folder = str(tmp_path / "project")
    assert config.model == f"{folder}/saved_model"
    assert config.examples.calibration == [f"{folder}/a.npz", f"{folder}/sub/b-*.npz"]
    assert config.examples.evaluation == [f"{folder}/test-*.tfrecord"]
    assert config.examples.preprocess == f"{folder}/code/prepare.py:f"
    assert config.tracking.uri == f"sqlite:///{folder}/mlflow.db"


@pytest.mark.parametrize(
    ("key", "value", "loaded"),
    [
        ("model", "models:/digits@champion", None),
        ("model", "models:/digits/3", None),
        ("model", "runs:/abc/model", None),
        ("model", "/data/model", None),
        ("champion", "models:/digits@champion", None),
        ("champion", "/data/model.tflite", None),
        ("examples.calibration", "gs://bucket/train-*.tfrecord", ["gs://bucket/train-*.tfrecord"]),
        ("examples.calibration", "/data/train-*.tfrecord", ["/data/train-*.tfrecord"]),
        ("examples.preprocess", "package.module:function", None),
        ("examples.preprocess", "/code/prepare.py:f", None),
        ("tracking.uri", "https://mlflow.example.com/x", None),
        ("tracking.uri", "sqlite:////data/mlflow.db", None),
        ("tracking.uri", "databricks", None),
        ("tracking.uri", "file:///data/mlruns", None),
    ],
)
def test_urls_and_absolute_paths_are_kept(tmp_path: Path, key: str, value: str, loaded: object) -> None:
    """URLs, absolute paths and modules are kept as they are."""
    dumped: Any = load(tmp_path, with_value(key, value)).model_dump()
    for part in key.split("."):
        dumped = dumped[part]
    assert dumped == (loaded or value)


def test_a_tracking_folder_is_relative_to_the_file(tmp_path: Path) -> None:
    """A tracking URI that is a plain path is a folder beside the file; home is expanded."""
    assert load(tmp_path, with_value("tracking.uri", "mlruns")).tracking.uri == str(tmp_path / "mlruns")
    assert load(tmp_path, with_value("champion", "now.tflite")).champion == str(tmp_path / "now.tflite")
    assert load(tmp_path, with_value("model", "~/model")).model == str(Path.home() / "model")


def test_overrides(tmp_path: Path) -> None:
    """KEY=VALUE replaces a value, makes the sections it needs, and reads its value as YAML."""
    config = load(
        tmp_path,
        MINIMAL,
        "name=other",
        "gate.max_drop_points=0.5",
        "variants=[float32, full_int8]",
        "sampling.seed=3",
        "examples.inputs.x={feature: f, scale: 1e-3}",
        "examples.inputs.y=g",
        "tracking.uri=sqlite:///a=b.db",
        "sampling.stratify=false",
    )
    assert config.name == "other"
    assert config.parsed_gate().max_drop_points == 0.5
    assert config.variants == ["float32", "full_int8"]
    assert (config.sampling.seed, config.sampling.stratify) == (3, "false")
    assert config.examples.inputs == {"x": {"feature": "f", "scale": "1e-3"}, "y": "g"}
    assert config.tracking.uri == f"sqlite:///{tmp_path}/a=b.db"


def test_an_override_without_a_value(tmp_path: Path) -> None:
    """KEY= removes a key: what is then missing is said, and a default holds where there is one."""
    values = with_value("gate", {"max_drop_points": 1, "max_size_ratio": 0.5}) | {"sampling": {"seed": 3}}
    config = load(tmp_path, values, "gate.max_size_ratio=", "sampling=null")
    assert config.gate == {"max_drop_points": 1}
    assert config.sampling.seed == 17
    assert refusal(tmp_path, values, "name=") == "'name' is missing"
    assert refusal(tmp_path, values, "gate.max_size_rato=").endswith("did you mean 'max_size_ratio'?")


def test_an_override_of_one_of_two_sections_that_share_an_anchor(tmp_path: Path) -> None:
    """The other stays as it is."""
    path = write(tmp_path, MINIMAL)
    with path.open("a") as stream:
        stream.write("kubeflow: {steps: {convert: &big {memory_limit: 8Gi}, evaluate: *big}}\n")
    overrides = ["kubeflow.steps.convert.memory_limit=32Gi", "kubeflow.steps.convert.cpu_limit=8"]
    steps = load_config(path, overrides).kubeflow.steps
    assert {name: step.resources() for name, step in steps.items()} == {
        "convert": {"cpu_limit": "8", "memory_limit": "32Gi"},
        "evaluate": {"memory_limit": "8Gi"},
    }


def test_an_override_beside_a_key_that_is_no_text(tmp_path: Path) -> None:
    """What is to be removed is looked for among all keys."""
    assert refusal(tmp_path, MINIMAL | {1: 2}, "nam=").endswith("which does not exist; did you mean 'name'?")


def test_the_last_override_wins(tmp_path: Path) -> None:
    """Of two overrides of a key the later one counts."""
    assert load(tmp_path, MINIMAL, "sampling.seed=1", "sampling.seed=2").sampling.seed == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("name", "--set: 'name' is not KEY=VALUE, such as gate.max_drop_points=0.5"),
        ("=3", "--set: '=3' is not KEY=VALUE"),
        ("name.first=x", "--set: 'name.first' goes into 'name', which is not a mapping"),
        ("name=[", "--set: the value of 'name=[': is not YAML ("),
        (
            "gate={a: 1, a: 2}",
            "--set: the value of 'gate={a: 1, a: 2}': line 1: the key 'a' already exists, on line 1",
        ),
        ("sampling.sed=3", "unknown key 'sampling.sed'"),
        ("gate.max_drop=3", "gate: unknown key 'max_drop'"),
        ("sampling.sed=", "--set: 'sampling.sed=' removes 'sampling.sed', which does not exist"),
    ],
)
def test_wrong_overrides(tmp_path: Path, override: str, message: str) -> None:
    """An override that is no KEY=VALUE, or sets what is not allowed, is refused."""
    assert refusal(tmp_path, MINIMAL, override).startswith(message)
