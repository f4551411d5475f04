"""RULES.yaml and the configurations that its rules name: what is allowed, what is filled in, what is refused."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from edgequant.errors import ConfigError
from edgequant_pipelines.watching.model_version import ModelVersion
from edgequant_pipelines.watching.rules.rules import RulesFile, load_rules
from edgequant_pipelines.watching.rules.template import load_template

CONFIG: dict[str, Any] = {
    "name": "{name}-v{version}",
    "model": "models:/{name}/{version}",
    "examples": {"calibration": "train.npz"},
}
RULE: dict[str, Any] = {"name": "digits", "registered_model": "digits-*", "config": "config.yaml"}


def write(folder: Path, rules: object, config: dict[str, Any] | None = None) -> Path:
    """Writes the two files, and returns the path of the rules."""
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **(config or {})}))
    path = folder / "RULES.yaml"
    path.write_text(yaml.safe_dump(rules))
    return path


def test_defaults(tmp_path: Path) -> None:
    """A rule needs a name, a pattern and a configuration; the rest is as documented."""
    rules = load_rules(write(tmp_path, {"rules": [RULE]}))
    rule = rules.rules["digits"]
    assert (rule.run, rule.submit, rule.retries, rule.retry_seconds) == ("finished", "local", 3, 60.0)
    assert (rules.concurrency, rules.sweep_seconds, rules.kubeflow.experiment) == (2, 600.0, "edgequant")
    named = {"rules": [{**RULE, "metrics": {"a": {"at_least": 1, "at_most": 1}}}], "kubeflow": {"experiment": ""}}
    assert load_rules(write(tmp_path, named)).kubeflow.experiment == "edgequant"


@pytest.mark.parametrize(
    ("rules", "texts"),
    [
        ({}, ["'rules' is missing"]),
        ({"rules": []}, ["rules: [] is wrong", "at least 1"]),
        ({"rules": [{**RULE, "registerd_model": "x"}]}, ["unknown key 'rules.0.registerd_model'", "did you mean 'registered_model'?"]),
        ({"rules": [{"name": "a"}]}, ["'rules.0.registered_model' is missing", "'rules.0.config' is missing"]),
        ({"rules": [RULE, RULE]}, ["rules.1: name: 'digits' is another rule's"]),
        ({"rules": [{**RULE, "name": "Digits!"}]}, ["rules.0: name: 'Digits!' is not allowed"]),
        ({"rules": [{**RULE, "metrics": {"accuracy": {}}}]}, ["metrics.accuracy: has no bound; at_least or at_most is needed"]),
        ({"rules": [{**RULE, "metrics": {"a": {"at_least": 0.9, "at_most": 0.1}}}]}, ["rules.0: metrics.a: at_least 0.9 is above at_most 0.1"]),
        ({"rules": [{**RULE, "metrics": {"accuracy": {"min": 1}}}]}, ["unknown key 'rules.0.metrics.accuracy.min'; allowed are at_least, at_most"]),
        ({"rules": [{**RULE, "metrics": {"accuracy": ">= 0.9"}}]}, ["rules.0.metrics.accuracy: '>= 0.9' is wrong"]),
        ({"rules": [{**RULE, "metrics": {"accuracy": 0.9}}]}, ["rules.0.metrics.accuracy: 0.9 is wrong: a mapping of at_least, at_most is"]),
        ({"rules": [{**RULE, "metrics": {"a": {"at_least": 1}}, "run": "any"}]}, ["run: 'any' is given with metrics"]),
        ({"rules": [{**RULE, "tags": {"go": True}}]}, ["rules.0.tags.go: True is wrong", 'in quotes, such as "true"']),
        ({"rules": [{**RULE, "submit": "kubflow"}]}, ["rules.0.submit: 'kubflow' is wrong", "'local' or 'kubeflow'"]),
        ({"rules": [{**RULE, "retries": -1}]}, ["rules.0.retries: -1 is wrong"]),
        ({"rules": [{**RULE, "created_after": "soon"}]}, ["rules.0.created_after: 'soon' is wrong: a date such as 2026-"]),
        ({"rules": [{**RULE, "config": "other.yaml"}]}, ["rules.0", "other.yaml: cannot be read"]),
        ({"rules": [RULE], "concurrency": 0}, ["concurrency: 0 is wrong"]),
        ({"rules": [RULE], "sweep_seconds": math.nan}, ["sweep_seconds: nan is wrong: a finite number is needed"]),
        ({"rules": [RULE], "sweep_seconds": math.inf}, ["sweep_seconds: inf is wrong: a finite number is needed"]),
        ({"rules": [{**RULE, "retry_seconds": math.inf}]}, ["rules.0.retry_seconds: inf is wrong: a finite number is needed"]),
        ({"rules": [{**RULE, "retry_seconds": math.nan}]}, ["rules.0.retry_seconds: nan is wrong: a finite number is needed"]),
        ({"rules": [{**RULE, "retry_seconds": 1e300}]}, ["rules.0.retry_seconds: 1e+300 is wrong: 86400 or less is needed"]),
        ({"rules": [{**RULE, "metrics": {"a": {"at_least": math.nan}}}]}, ["rules.0.metrics.a.at_least: nan is wrong: a finite number is needed"]),
        ({"rules": [{**RULE, "metrics": {"a": {"at_most": math.inf}}}]}, ["rules.0.metrics.a.at_most: inf is wrong: a finite number is needed"]),
        ({"rules": [RULE], "kubeflow": {"hots": "x"}}, ["unknown key 'kubeflow.hots'", "did you mean 'host'?"]),
        ([1], ["holds a list; a mapping of rules, concurrency, sweep_seconds, kubeflow is needed"]),
    ],
)  # fmt: skip
def test_wrong_rules(tmp_path: Path, rules: object, texts: list[str]) -> None:
    """The message names the file, what is wrong, and what is allowed."""
    path = write(tmp_path, rules)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(caught.value).startswith(f"{path}: ")
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"name": "{nam}"}, "name: unknown place {nam}; {name}, {version}, {run_id} and {tags.KEY} are, and '{{' for a brace; did you mean 'name'?"),
        ({"name": "{}"}, "unknown place {}"),
        ({"name": "{tags.}"}, "unknown place {tags.}"),
        ({"name": "{name.__class__}"}, "unknown place {name.__class__}"),
        ({"name": "{version!r}"}, "unknown place {version!r}"),
        ({"model": "a{b"}, "model: 'a{b' has a lone '{'; write '{{' for the character"),
        ({"model": "a}b"}, "has a lone '}'"),
        ({"examples": {"calibration": ["x.npz", "{split}.npz"]}}, "examples.calibration: unknown place {split}"),
        ({"task": "{tags.task}"}, "task: {tags.task} is not allowed here"),
        ({"examples": {"calibration": "x", "preprocess": "{name}.py:f"}}, "examples.preprocess: {name} is not allowed here"),
        ({"beam": ["--setup_file={tags.x}"]}, "beam: {tags.x} is not allowed here"),
        ({"tracking": {"uri": "https://{tags.x}"}}, "tracking.uri: {tags.x} is not allowed here"),
        ({"kubeflow": {"image_prefix": "{tags.registry}"}}, "kubeflow.image_prefix: {tags.registry} is not allowed here"),
        ({"kubeflow": {"image_tag": "{tags.x}"}}, "kubeflow.image_tag: {tags.x} is not allowed here"),
        ({"kubeflow": {"secrets": {"mlflow": ["{tags.x}"]}}}, "kubeflow.secrets: {tags.x} is not allowed here"),
        ({"tsak": "classification"}, "unknown key 'tsak'"),
        ({"name": "{tags.x}", "variants": ["int4"], "task": 1}, "task: 1 is wrong"),
        ({"variants": ["int4"]}, "unknown variant 'int4'"),
    ],
)  # fmt: skip
def test_wrong_configurations(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    """What is wrong whatever is filled in is said when the rules are read."""
    path = write(tmp_path, {"rules": [RULE]}, config)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert f"{path}: rules.0: {tmp_path / 'config.yaml'}: " in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "config", "text"),
    [
        ({"submit": "kubeflow"}, {"kubeflow": {"image_prefix": "Registry/x"}}, "image_prefix: 'Registry/x' has upper case"),
        ({}, {"model": "models:/{name}"}, "model: 'models:/model' "),
        ({}, {"model": "s4://bucket/{name}"}, "model: 's4://bucket/model' "),
        ({}, {"kubeflow": {"steps": {"convert": {"memory_limit": "1Gi"}}}}, "kubeflow.steps.convert.memory_limit: '1Gi' "),
        ({}, {"examples": {"calibration": "train.png"}}, "examples.calibration: "),
        ({}, {"variants": ["int4"]}, "variants: unknown variant 'int4'"),
        ({}, {"examples": {"calibration": "train.npz", "preprocess": "gone.py:f"}}, "gone.py cannot be read"),
        # A tag elsewhere whose made-up value is wrong hides nothing.
        ({}, {"name": "{tags.site} x", "variants": ["{tags.v}"], "resolver": "fast"}, "resolver: unknown resolver 'fast'"),
        # Nor does one beside it.
        ({}, {"tracking": {"experiment": "{tags.site}", "registered_model": "a/b"}}, "tracking.registered_model: 'a/b' holds '/'"),
        ({}, {"examples": {"calibration": "train.png", "label": "{tags.l}"}}, "examples.calibration: "),
        ({}, {"gate": {"metric": "{tags.m}", "prefer": "no"}}, "gate.prefer: unknown 'no'"),
        ({}, {"kubeflow": {"labels": {"a": "{tags.a}!"}, "mounted": ["data"]}}, "kubeflow.mounted: 'data' is not allowed"),
        ({}, {"examples": {"calibration": "{tags.a}", "inputs": {"x": {"decode": "{tags.d}"}}}, "gate": {"prefer": "no"}}, "gate.prefer: unknown 'no'"),
    ],
)  # fmt: skip
def test_what_no_tag_can_make_right(tmp_path: Path, rule: dict[str, Any], config: dict[str, Any], text: str) -> None:
    """A mistake in a key that no tag fills in is the rules', though tags fill in others."""
    remote = {"examples": {"calibration": "s3://bucket/train.npz"}, "tracking": {"experiment": "{tags.site}"}}
    path = write(tmp_path, {"rules": [{**RULE, **rule}]}, {**remote, **config})
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert str(caught.value).startswith(f"{path}: rules.0: {tmp_path / 'config.yaml'}: ")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"name": "{tags.site} x"},
        {"model": "models:/{tags.site}"},
        {"variants": ["float32", "{tags.v}"]},
        {"kubeflow": {"labels": {"site": "{tags.site}!"}}},
        {"kubeflow": {"steps": {"convert": {"memory_request": "{tags.m}", "memory_limit": "1Gi"}}}},
        {"examples": {"calibration": "{tags.site}"}},
        {"examples": {"calibration": "s3://b/a.npz", "label": "{tags.l}"}, "gate": {"max_drop_points": 1.0}},
        {"sampling": {"stratify": "{tags.s}", "weight": "w"}},
        {"tracking": {"registered_model": "{tags.site}/x", "alias": "champion"}},
        {"gate": {"metric": "{tags.m}"}},
    ],
)
@pytest.mark.parametrize("submit", ["local", "kubeflow"])
def test_what_a_tag_may_make_right(tmp_path: Path, config: dict[str, Any], submit: str) -> None:
    """A key that a tag fills in, and what is beside it, is judged when there is a version."""
    remote = {"examples": {"calibration": "s3://bucket/train.npz"}, "tracking": {"uri": "https://mlflow.example.com"}}
    assert load_rules(write(tmp_path, {"rules": [{**RULE, "submit": submit}]}, {**remote, **config})).rules


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"kubeflow": {"secrets": {"mlflow": {"KEY": "hunter{2"}}}}, "kubeflow.secrets: has a lone '{'; write '{{' for"),
        ({"kubeflow": {"secrets": {"mlflow": {"hunter2": "a}"}}}}, "kubeflow.secrets: has a lone '}'; write '}}' for"),
        ({"kubeflow": {"secrets": {"mlflow": ["hunt{er}2"]}}}, "kubeflow.secrets: unknown place; {name}, {version}"),
        ({"tracking": {"uri": "https://me:hunter{2@host"}}, "tracking.uri: has a lone '{'; write '{{' for the character"),
        ({"tracking": {"uri": "https://me:hunt{er}2@host"}}, "tracking.uri: unknown place; {name}, {version}"),
    ],
)  # fmt: skip
def test_a_password_in_a_wrong_place_is_not_repeated(tmp_path: Path, config: dict[str, Any], text: str) -> None:
    """Only the key is said."""
    path = write(tmp_path, {"rules": [RULE]}, config)
    with pytest.raises(ConfigError) as caught:
        load_rules(path)
    assert f"{path}: rules.0: {tmp_path / 'config.yaml'}: {text}" in str(caught.value)
    assert "hunt" not in str(caught.value)
    assert "{er}" not in str(caught.value)


@given(st.text())
def test_what_is_filled_in_stays_one_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever a tag holds, quotes, braces, new lines or YAML, it becomes that text and nothing else."""
    folder = tmp_path_factory.mktemp("template", numbered=True)
    write(
        folder,
        {},
        {
            "tracking": {"experiment": "a {tags.x} {{tags.x}} {tags.x}"},
            "examples": {"calibration": "x.npz", "label": "{tags.x}"},
        },
    )
    version = ModelVersion(name="digits", version="7", run_id="r", created=0.0, tags={"x": text})
    config = load_template(folder / "config.yaml").fill(version)
    assert config.tracking.experiment == f"a {text} {{tags.x}} {text}"
    assert config.examples.label == text
    assert (config.name, config.model) == ("digits-v7", "models:/digits/7")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "config.yaml",
            "kubeflow:\n  labels: {team: vision, on: call}",
            "rules.0: {config}: line 2: the key 'on' is read as true, and keys are texts; write it in quotes: \"on\"",
        ),
        (
            "config.yaml",
            "kubeflow: {labels: {team: vision, 1: call}}",
            'rules.0: {config}: kubeflow.labels: the key 1 is wrong: text is needed; write it in quotes, such as "1"',
        ),
        (
            "config.yaml",
            "kubeflow: {secrets: {team: {12345: A, b: B}}}",
            "rules.0: {config}: kubeflow.secrets.team: a key is wrong: text is needed; write it in quotes",
        ),
        ("config.yaml", "variants: [{1: a, b: c}]", "rules.0: {config}: variants: the key 1 is wrong"),
        ("config.yaml", "1: a\nb: c", "rules.0: {config}: at the top: the key 1 is wrong"),
        ("config.yaml", "gate: " + "[" * 1000, "rules.0: {config}: line 1: is nested more than 50 deep"),
        ("RULES.yaml", 'rules: [{name: a, registered_model: a, config: "\\0"}]', "line 1: a text holds the character '\\x00'"),
        ("RULES.yaml", 'rules: [{name: a, registered_model: a, alias: "\\ud800"}]', "line 1: a text holds the character '\\ud800'"),
        ("RULES.yaml", "rules: " + "[" * 1000, "line 1: is nested more than 50 deep"),
        ("RULES.yaml", "rules: [{name: a, registered_model: a, config: ~nobody-at-all/c.yaml}]", "rules.0: '~nobody-at-all/c.yaml' begins"),
        ("RULES.yaml", "rules: [{name: a, registered_model: a, config: a.yaml, tags: {on: a}}]", "line 1: the key 'on' is read as true"),
    ],
)  # fmt: skip
def test_an_edit_that_is_wrong_keeps_the_rules(tmp_path: Path, file: str, text: str, message: str) -> None:
    """Whatever was written while watching, the reason is said in words, and the earlier rules stay."""
    path = write(tmp_path, {"rules": [RULE]})
    rules = RulesFile(path)
    before = rules.rules
    (tmp_path / file).write_text(text)
    assert not rules.reload()
    assert rules.rules is before
    assert rules.problem.startswith(f"{path}: {message.replace('{config}', str(tmp_path / 'config.yaml'))}")
    assert "12345" not in rules.problem


def test_keys_are_not_filled_in(tmp_path: Path) -> None:
    """Only values are: a key is what the file's author wrote."""
    write(tmp_path, {}, {"examples": {"calibration": "x.npz", "inputs": {"{name}": "{name}"}}})
    version = ModelVersion(name="digits", version="7", run_id="r", created=0.0)
    assert load_template(tmp_path / "config.yaml").fill(version).examples.inputs == {"{name}": "digits"}


def test_the_digest_is_of_values(tmp_path: Path) -> None:
    """Comments and the order of keys do not change it; a value does."""
    path = tmp_path / "config.yaml"
    digests = []
    for text in ("a: 1\nname: x\n", "# night\nname: x\na: 1\n", "a: 2\nname: x\n"):
        rest = yaml.safe_dump({"model": "m", "examples": {"calibration": "c.npz"}})
        path.write_text(text.replace("a: ", "signature: s") + rest)
        digests.append(load_template(path).digest)
    assert digests[0] == digests[1] != digests[2]


def test_a_file_that_is_edited(tmp_path: Path) -> None:
    """Right rules replace the earlier; wrong ones, and a configuration that is gone, do not."""
    path = write(tmp_path, {"rules": [RULE]})
    file = RulesFile(path)
    assert not file.reload()
    write(tmp_path, {"rules": [{**RULE, "name": "other"}]})
    assert file.reload()
    assert list(file.rules.rules) == ["other"]
    (tmp_path / "config.yaml").unlink()
    assert not file.reload()
    assert "config.yaml: cannot be read" in file.problem
    assert list(file.rules.rules) == ["other"]
    write(tmp_path, {"rules": [{**RULE, "name": "other"}]}, {"resolver": "builtin"})
    assert file.reload()
    assert file.problem == ""
