"""The configuration in the record of a run: what it was given, with what it did otherwise in its place."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgequant.artifacts.result import TrackingSettings
from edgequant.artifacts.variant_set import Stability, VariantSetContent, load_variant_set
from edgequant.artifacts.verdict import Champion, Verdict, load_verdict
from edgequant.errors import ConfigError
from edgequant.tracking.recording.effective_config import as_run
from edgequant.tracking.step import TrackInputs, track
from edgequant.validation.report.reproduction import reproduction
from edgequant_pipelines.config import Config, load_config, make_config

SETTINGS = TrackingSettings(
    uri="sqlite:////data/mlflow.db",
    experiment="digits",
    registered_model="digits-tflite",
    alias="candidate",
    model_uri="models:/waves/2",
)
# As `declared_arguments` writes it.
Values = dict[str, Any]
AsRun = Callable[..., str]


def written(values: Values) -> str:
    """Returns the text that the pipeline's argument `configuration` has."""
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def comments(text: str) -> list[str]:
    """Returns the comments at the top of a text."""
    return [line for line in text.splitlines() if line.startswith("#")]


@pytest.fixture(scope="module")
def verdict(digits_sets: Any) -> Verdict:
    """The verdict on the digits model."""
    return load_verdict(digits_sets.verdict)


@pytest.fixture(scope="module")
def content(digits_sets: Any) -> VariantSetContent:
    """The manifest of its variant set."""
    return load_variant_set(digits_sets.variant_set).content


@pytest.fixture
def ran(verdict: Verdict, content: VariantSetContent) -> AsRun:
    """Returns the configuration of the digits run, given one."""

    def make(given: str, verdict: Verdict = verdict, content: VariantSetContent = content, **settings: Any) -> str:
        return as_run(given, replace(SETTINGS, **settings), content, verdict)

    return make


@pytest.fixture(scope="module")
def values(digits: Path) -> Values:
    """The whole configuration that the digits run does what it says of."""
    config = make_config(
        {
            "name": "digits",
            "model": "models:/waves/2",
            "examples": {
                "calibration": str(digits / "train.npz"),
                "evaluation": str(digits / "test.npz"),
                "label": "digit",
            },
            "sampling": {"calibration": 60, "evaluation": 300},
            "variants": ["float32", "weights_only", "full_int8", "integer_only"],
            "gate": {"max_drop_points": 5},
            "tracking": {"registered_model": "digits-tflite", "alias": "candidate"},
            "beam": ["--runner=DirectRunner"],
        },
        digits,
    )
    return config.model_dump()


def load(text: str, folder: Path) -> Config:
    """Returns the configuration that `edgequant run` reads of a text."""
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return load_config(folder / "config.yaml")


def test_what_ran_as_configured_stays_as_it_is(ran: AsRun, values: Values) -> None:
    """To the letter: the gate's defaults, an empty tracking URI and the order of variants make no difference."""
    assert ran(written(values)) == written(values)
    text = "# mine\n" + written({**values, "variants": values["variants"][::-1]})
    assert ran(text) == text


def test_replaced_arguments_are_in_their_place(ran: AsRun, values: Values, tmp_path: Path) -> None:
    """A compiled default tells of another model, gate, draw and registered model: the record tells of the run's, and loads."""
    compiled = {
        **values,
        "model": "models:/waves/1",
        "signature": "other",
        "examples": {**values["examples"], "label": "", "classes": ["a", "b"], "calibration": ["gs://waves/*.npz"]},
        "sampling": {**values["sampling"], "calibration": 500, "seed": 3, "check_stability": True, "weight": "share"},
        "variants": ["float32", "float16"],
        "task": "none",
        "resolver": "builtin",
        "gate": {"max_size_ratio": 0.5},
        "champion": "models:/digits-tflite@production",
        "tracking": {**values["tracking"], "uri": "http://mlflow.example.com", "alias": "live", "register": "none"},
    }
    effective = ran(written(compiled))
    assert comments(effective) == [
        "# Not as configured but as run: model, signature, examples.calibration, examples.label, examples.classes,"
        " sampling.calibration, sampling.seed, sampling.weight, sampling.check_stability, variants, task, resolver, gate,"
        " champion, tracking.uri, tracking.alias, tracking.register."
    ]
    gate = {"max_drop_points": 5.0, "confidence": 0.95, "prefer": "size_bytes"}
    expected = {**values, "gate": gate, "tracking": {**values["tracking"], "uri": SETTINGS.uri}}
    assert load(effective, tmp_path).model_dump() == expected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "models:/waves@candidate"),
        ("gate", {"max_drop_points": 5, "prefer": "latency_ms"}),
        ("gate", {"max_drop_points": "none"}),
        ("gate", "none"),
        ("variants", "float32"),
    ],
)
def test_one_key_is_replaced(ran: AsRun, values: Values, key: str, value: object, tmp_path: Path) -> None:
    """Also one whose value is not allowed, and an alias: the version that it stood for is recorded."""
    effective = ran(written({**values, key: value}))
    assert comments(effective) == [f"# Not as configured but as run: {key}."]
    assert load(effective, tmp_path).gate["max_drop_points"] == 5
    assert load(effective, tmp_path).model == "models:/waves/2"


def test_spellings_of_the_same(ran: AsRun, values: Values, verdict: Verdict, digits: Path) -> None:
    """One pattern as a text, YAML's true, a preprocess function's folder: nothing is replaced for that."""
    provenance = verdict.calibration.provenance
    examples = {**provenance.recipe["examples"], "preprocess": "prepare.py:scale", "slice": ["digit"]}
    recipe = {**provenance.recipe, "examples": examples}
    other = replace(verdict, calibration=replace(verdict.calibration, provenance=replace(provenance, recipe=recipe)))
    given = {
        **values,
        "examples": {
            "calibration": str(digits / "train.npz"),
            "evaluation": str(digits / "test.npz"),
            "label": "digit",
            "slice": "digit",
            "preprocess": "/mine/prepare.py:scale",
        },
        "sampling": {**values["sampling"], "stratify": True},
    }
    assert ran(written(given), other) == written(given)
    given["examples"]["preprocess"] = "/mine/prepare.py:crop"
    assert comments(ran(written(given), other)) == [
        "# Not as configured but as run: examples.preprocess.",
        "# Put prepare.py beside this file.",
    ]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "none was given"),
        ("- a list\n", "what was given is no YAML mapping"),
        ("{", "what was given is no YAML mapping"),
    ],
)
def test_without_a_configuration_the_steps_tell(
    ran: AsRun, values: Values, content: VariantSetContent, given: str, why: str, tmp_path: Path
) -> None:
    """As a pipeline that is nested: what they recorded loads, label and all; what they did not is said."""
    effective = ran(given, model_uri="")
    assert comments(effective) == [
        f"# What the steps recorded of the configuration, as {why}. They do not record beam and kubeflow.",
        "# Where the model was is not recorded, and model may not be its place: the SHA-256 of its files is"
        f" {content.model_sha256}.",
    ]
    config = load(effective, tmp_path).model_dump()
    assert config["model"] == str(tmp_path / "model")
    assert config["gate"] == {"max_drop_points": 5, "confidence": 0.95, "prefer": "size_bytes"}
    assert config["tracking"] == {**values["tracking"], "uri": SETTINGS.uri}
    for key in ("name", "signature", "examples", "sampling", "variants", "task", "resolver", "champion"):
        assert config[key] == values[key]


def test_a_configured_model_may_not_be_the_one(ran: AsRun, values: Values, content: VariantSetContent) -> None:
    """A nested pipeline with a configuration gets its model from the step before: that is said above the text."""
    effective = ran(written(values), model_uri="")
    assert effective.removeprefix(comments(effective)[0] + "\n") == written(values)
    assert comments(effective)[0].endswith(f"{content.model_sha256}.")


def test_an_alias_without_a_registered_model(ran: AsRun, values: Values, tmp_path: Path) -> None:
    """It had no effect on the run and is refused in a configuration: it is left out."""
    for given in ("", written(values)):
        config = load(ran(given, registered_model=""), tmp_path)
        assert (config.tracking.registered_model, config.tracking.alias) == ("", "")


def test_examples_without_a_recipe(ran: AsRun, values: Values, verdict: Verdict, tmp_path: Path) -> None:
    """Of sets that do not tell what was asked for, patterns stay; without any, the files that were read stand for them."""
    provenance = replace(verdict.calibration.provenance, recipe={})
    other = replace(verdict, calibration=replace(verdict.calibration, provenance=provenance))
    given = {**values, "examples": {**values["examples"], "calibration": ["/data/*.npz"]}}
    assert ran(written(given), other) == written(given)
    effective = ran("", other)
    assert comments(effective)[-1].startswith("# Of the examples, the files that were read")
    assert load(effective, tmp_path).examples.evaluation == values["examples"]["evaluation"]


def test_what_a_draw_was_asked_for_in_full(
    ran: AsRun, values: Values, verdict: Verdict, content: VariantSetContent, tmp_path: Path
) -> None:
    """A zero that is no default is kept, and so are the check of stability and the version of the champion."""
    provenance = verdict.calibration.provenance
    sampling = {**provenance.recipe["sampling"], "stratify": "proportional", "minimum_per_class": 0}
    recipe = {**provenance.recipe, "sampling": sampling}
    other = replace(
        verdict,
        calibration=replace(verdict.calibration, provenance=replace(provenance, recipe=recipe)),
        champion=Champion(uri="models:/digits-tflite@live", version="models:/digits-tflite/4", status="evaluated"),
    )
    stable = replace(content, stability=Stability(sentence="it is"))
    for given in ("", written(values)):
        config = load(ran(given, other, stable), tmp_path)
        assert (config.sampling.stratify, config.sampling.minimum_per_class) == ("proportional", 0)
        assert config.sampling.check_stability
        assert config.champion == "models:/digits-tflite/4"


def test_the_report_and_the_record_agree(ran: AsRun, values: Values, verdict: Verdict) -> None:
    """Every value of the configuration that the report gives is that of the record, whatever was configured."""
    other = replace(verdict, made_from={**verdict.made_from, "model": SETTINGS.model_uri})
    report = yaml.safe_load(reproduction(other).config)
    for given in ("", written({**values, "gate": {}, "model": "models:/waves/1", "sampling": {"seed": 1}})):
        record = yaml.safe_load(ran(given, other))
        for section in ("examples", "sampling"):
            assert {**record[section], **report[section]} == record[section]
        assert {**record, **report, "examples": {}, "sampling": {}} == {**record, "examples": {}, "sampling": {}}


def test_a_password_is_written_nowhere(digits_sets: Any, tmp_path: Path) -> None:
    """A tracking URI with one is refused before there is a result that holds it."""
    names = ("variant_set", "verdict", "calibration_set", "evaluation_set")
    inputs = TrackInputs(**{name: getattr(digits_sets, name) for name in names})
    with pytest.raises(ConfigError, match=r"^tracking.uri: holds a password"):
        track(replace(SETTINGS, uri="http://me:secret@mlflow"), inputs, tmp_path / "result")
    assert list(tmp_path.iterdir()) == []
