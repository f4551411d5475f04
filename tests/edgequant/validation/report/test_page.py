"""The report: one page that needs no network, on real verdicts and on verdicts made by hand."""

import base64
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from edgequant.artifacts.comparison import (
    ChannelDrift,
    Confusion,
    Drop,
    Flip,
    Flips,
    Measured,
    OutputDrift,
    Slice,
    SliceValue,
)
from edgequant.artifacts.example_set import ClassCount, InputSpread, Representativeness, SourceFile, load_example_set
from edgequant.artifacts.verdict import Champion, Check, Verdict, load_verdict
from edgequant.inspection import Inspection, OperatorCount, Tensor
from edgequant.validation.report.flip_pictures import pictures
from edgequant.validation.report.markdown_summary import summary
from edgequant.validation.report.page import render, write_report
from edgequant.validation.report.reproduction import reproduction
from edgequant_pipelines.config import load_config

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]>--> $x_1$ \x00\x07\u202e\ud800 {{ 7*7 }}"
SHOWN = HOSTILE.replace("\x00\x07\u202e\ud800", "\ufffd" * 4)
LARGEST_BYTES = 1_500_000
Handmade = Callable[..., Verdict]


class Page(HTMLParser):
    """Collects a page's tags, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keeps text."""
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        """Returns the attributes of every tag of a name."""
        return [attributes for tag, attributes in self.tags if tag == name]


def headings(text: str) -> list[str]:
    """Returns the texts of a page's headings of the second level."""
    return re.findall("<h2>(.*?)</h2>", text)


def test_the_report_begins_with_the_verdict_and_needs_no_network(digits_sets: Any) -> None:
    """The first paragraph is the verdict's sentence; every variant is shown; nothing is loaded from anywhere."""
    text = (digits_sets.verdict / "report.html").read_text(encoding="utf-8")
    verdict = load_verdict(digits_sets.verdict)
    page = Page(text)
    lead = text.partition('<p class="lead">')[2].partition("</p>")[0]
    assert html.unescape(lead) == verdict.why
    for name, variant in verdict.variants.items():
        assert f'<th scope="row">{name}' in text
        assert f"{variant.size_bytes:,}" in page.text
        assert all(check.sentence in page.text for check in variant.checks)
    assert headings(text) == [
        "Variants",
        "Why",
        "Where each variant loses most",
        "Variant by variant",
        "What it was calibrated and evaluated on",
        "What each file holds",
        "Reproduction",
    ]
    assert "://" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\((.*?)\)", text))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert all((attributes["href"] or "").startswith("#") for _, attributes in page.tags if "href" in attributes)


def test_every_chart_is_in_the_page_and_in_a_file(digits_sets: Any) -> None:
    """Charts are PNG files beside the page, named in its manifest, and in the page with a text that says the same."""
    files = json.loads((digits_sets.verdict / "manifest.json").read_text())["files"]
    charts = sorted(name for name in files if name.endswith(".png"))
    expected = ["calibration.png", "drops.png", "size_metric.png"]
    expected += [f"class_drops_{name}.png" for name in ("weights_only", "full_int8", "integer_only")]
    assert set(expected) <= set(charts)
    for name in charts:
        with Image.open(digits_sets.verdict / name) as image:
            assert image.width >= 800
    drawn = Page((digits_sets.verdict / "report.html").read_text(encoding="utf-8")).all("svg")
    assert len(drawn) == len(charts)
    assert all(len(svg["aria-label"] or "") > 40 for svg in drawn)


def test_identifiers_are_those_of_one_element(digits_sets: Any) -> None:
    """Two charts never define the same identifier, and each that is used is defined."""
    text = (digits_sets.verdict / "report.html").read_text(encoding="utf-8")
    defined = [attributes["id"] for _, attributes in Page(text).tags if "id" in attributes]
    assert len(defined) == len(set(defined))
    assert set(re.findall(r'(?:url\(|href=")#(\w+)', text)) == set(defined)


def _hostile(verdict: Verdict) -> Verdict:
    """Returns a verdict in which every text is hostile."""
    tensor = Tensor(name=HOSTILE, dtype=HOSTILE, shape=(1,))
    operators = {HOSTILE: OperatorCount(count=1, types={HOSTILE: 1})}
    value = SliceValue(
        value=HOSTILE, examples=9, reference=1.0, variant=0.5, drop_points=50.0, drop_interval_points=(1.0, 60.0)
    )
    flip = Flip(example=1, label=HOSTILE, reference=HOSTILE, variant=HOSTILE)
    measured = Measured(value=0.5, interval=(0.4, 0.6), drop=Drop(points=1.0, note=HOSTILE))
    variant = replace(
        verdict.variants["full_int8"],
        verdict=HOSTILE,
        reasons=(HOSTILE,),
        notes=(HOSTILE,),
        metrics={HOSTILE: 0.5},
        measures={HOSTILE: measured},
        checks=(Check(name=HOSTILE, limit=HOSTILE, measured=HOSTILE, verdict=HOSTILE, sentence=HOSTILE),),
        flips=Flips(changed=1, right_to_wrong=1, wrong_to_right=0, lost=(flip,)),
        drift={HOSTILE: OutputDrift(sqnr_db=9.0, cosine=1.0, largest_error=1.0)},
        confusion=Confusion(examples=2, counts=((1, 1), (0, 0))),
        slices=tuple(Slice(name=n, total=1, values=(value,), worst_interval_points=None) for n in ("class", HOSTILE)),
        inspection=Inspection(
            kind=HOSTILE, inputs=(tensor,), outputs=(tensor,), ops=operators, flex=(HOSTILE,), custom=(HOSTILE,)
        ),
    )
    reference = replace(verdict.variants["float32"], confusion=Confusion(examples=2, counts=((2, 0), (0, 0))))
    ends = (0.0, 1.0)
    spread = InputSpread(
        range=ends,
        halves=(ends, ends),
        reservoir_range=ends,
        outside_share=0.0,
        edges=(0.0, 0.5, 1.0),
        counts=(1, 2),
        reservoir_counts=(3, 4),
    )
    calibration = replace(
        verdict.calibration.provenance,
        rule=HOSTILE,
        skipped={HOSTILE: 1},
        sources=(SourceFile(path=HOSTILE, size_bytes=1),),
        classes={HOSTILE: ClassCount(wanted=1, available=1, taken=1)},
        representativeness=Representativeness(
            reservoir=9, inputs={HOSTILE: spread}, balance={HOSTILE: (0.5, 0.5)}, sentence=HOSTILE
        ),
    )
    return replace(
        verdict,
        name=HOSTILE,
        outcome=HOSTILE,
        why=HOSTILE,
        main_metric=HOSTILE,
        notes=(HOSTILE,),
        best=HOSTILE,
        variants={"float32": reference, HOSTILE: variant},
        gate={HOSTILE: HOSTILE},
        champion=Champion(
            uri=HOSTILE, status="evaluated", reason=HOSTILE, size_bytes=5, examples=9, measures={HOSTILE: measured}
        ),
        environment=replace(verdict.environment, cpu=HOSTILE, runtime=HOSTILE, delegate=HOSTILE, resolver=HOSTILE),
        calibration=replace(verdict.calibration, digest=HOSTILE, provenance=calibration),
        made_from={HOSTILE: HOSTILE},
    )


def test_everything_in_the_report_is_escaped(handmade: Handmade, digits_sets: Any, tmp_path: Path) -> None:
    """Text that comes from models, data and users never becomes markup, in the page, in its charts and in Markdown."""
    verdict = _hostile(handmade())
    examples = load_example_set(digits_sets.evaluation_set)
    write_report(tmp_path, verdict, examples)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in {tag for tag, _ in page.tags}
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert len(page.all("img")) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count(SHOWN) >= 40
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\u202e]", text)
    assert len(page.all("svg")) == len(list(tmp_path.glob("*.png"))) == 6
    markdown = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "<script" not in markdown
    tables = [part.splitlines() for part in markdown.split("\n\n") if part.startswith("|")]
    assert [len({line.replace("\\|", "").count("|") for line in table}) for table in tables] == [1, 1]


def test_outputs_and_their_worst_numbers_are_shown(handmade: Handmade) -> None:
    """The page has a row for each output and one for the number of it that agrees least; the summary has both in one."""
    worst = ChannelDrift(number=4, axis=1, channels=7, spread=0.3, sqnr_db=0.0, cosine=0.25, agreement=0.125)
    drift = {
        "boxes": OutputDrift(sqnr_db=53.06, cosine=0.99998, largest_error=1.25, agreement=0.75, worst=worst),
        "same": OutputDrift(sqnr_db=None, cosine=1.0, largest_error=0.0, agreement=1.0),
        **{f"more{n}": OutputDrift(sqnr_db=9.0, cosine=1.0, largest_error=1.0) for n in range(4)},
    }
    verdict = handmade(variant={"drift": drift})
    rows = [re.sub("<[^>]*>", " ", row).split() for row in render(verdict)[0].split("<tr>")]
    assert ["boxes", "53.1", "0.999980", "75.00", "%", "1.25"] in rows
    assert ["its", "number", "4", "on", "axis", "1", "0.0", "0.250000", "12.50", "%", "–"] in rows
    assert ["same", "equal", "1.000000", "100.00", "%", "0"] in rows
    markdown = summary(verdict)
    assert (
        r"| full\_int8 | boxes | 53.1 | 0.999980 | 75.00 % | number 4 on axis 1\: 12.50 %, 0.0 dB, 0.250000 |"
        in markdown
    )
    assert r"| full\_int8 | 2 more | – | – | – | – |" in markdown


def test_no_gate(handmade: Handmade) -> None:
    """Without a gate the page says so, shows the numbers, and nothing in it reads blessed."""
    verdict = handmade(
        variant={"verdict": "not gated", "reasons": ("no gate is set",)},
        gate={},
        outcome="not gated",
        best=None,
        why="No gate is set: nothing was judged, and nothing is promoted.",
    )
    text = render(verdict)[0].partition("<main>")[2]
    assert "None of the variants is judged: no gate is set." in text
    assert "0.8900" in text
    assert "blessed" not in text


def test_nothing_labelled(handmade: Handmade) -> None:
    """Without labels agreement is what is charted, and the flips say that there are no labels."""
    verdict = handmade(
        variant={"metrics": {}, "measures": {}, "metric_interval": None, "flips": Flips(changed=3)},
        main_metric="agreement",
        labelled=False,
    )
    text, charts = render(verdict)
    assert [chart.name for chart in charts] == ["size_metric", "drops"]
    assert "full_int8 1.0 kB, 0.9700" in text
    assert "It decides 3 of 100 examples otherwise than float32; there are no labels" in text


def test_all_variants_failed(handmade: Handmade) -> None:
    """Variants that failed are shown with their reasons, in a page without their charts."""
    verdict = handmade(
        variant={
            "status": "failed",
            "reason": "the converter died",
            "size_bytes": None,
            "examples": 0,
            "metrics": {},
            "measures": {},
            "metric_interval": None,
            "drop_points": None,
            "drop_interval_points": None,
            "agreement": None,
            "flips": None,
            "verdict": "rejected",
            "reasons": ("failed: the converter died",),
        },
        outcome="rejected",
        best=None,
        why="No variant is blessed.",
    )
    text, charts = render(verdict)
    assert "failed: the converter died" in text
    assert [chart.name for chart in charts] == ["size_metric"]
    nothing = replace(verdict, variants={"full_int8": verdict.variants["full_int8"]})
    assert render(nothing)[1] == []
    assert "failed: the converter died" in render(nothing)[0]


def test_one_class(handmade: Handmade) -> None:
    """A single class has a drop, and a confusion that does not differ."""
    value = SliceValue(
        value="0", examples=100, reference=1.0, variant=1.0, drop_points=0.0, drop_interval_points=(-2.0, 2.0)
    )
    part = Slice(name="class", total=1, values=(value,), worst_interval_points=(-2.0, 2.0))
    same = Confusion(examples=100, counts=((100,),))
    verdict = handmade(variant={"confusion": same, "slices": (part,)})
    variants = {**verdict.variants, "float32": replace(verdict.variants["float32"], confusion=same)}
    text, charts = render(replace(verdict, variants=variants))
    assert [chart.name for chart in charts] == ["size_metric", "drops", "class_drops_full_int8"]
    assert "Its confusion matrix is equal to float32&#39;s." in text


def test_a_thousand_classes(handmade: Handmade) -> None:
    """Of many classes the twelve worst are charted, and mistakes are a list."""
    values = tuple(
        SliceValue(
            value=str(number),
            examples=10,
            reference=1.0,
            variant=0.5,
            drop_points=50.0 - number,
            drop_interval_points=(-5.0, 80.0),
        )
        for number in range(50)
    )
    part = Slice(name="class", total=1000, values=values, worst_interval_points=(0.0, 90.0))
    mistakes = tuple((number, number + 1, 60 - number) for number in range(50))
    verdict = handmade(variant={"slices": (part,), "confusion": Confusion(examples=100, mistakes=mistakes)})
    reference_matrix = Confusion(examples=100, mistakes=((0, 1, 55), (1, 2, 59)))
    variants = {**verdict.variants, "float32": replace(verdict.variants["float32"], confusion=reference_matrix)}
    text, charts = render(replace(verdict, variants=variants))
    assert [chart.name for chart in charts] == ["size_metric", "drops", "class_drops_full_int8"]
    assert "11 (10)" in charts[-1].svg
    assert "12 (10)" not in charts[-1].svg
    assert "<li>2 taken for 3: 0 → 58</li>" in text
    assert "Of so many classes only the 50 most frequent mistakes of each are compared." in text
    assert "drop in accuracy by class, 12 of 1,000" in text


def test_regression(handmade: Handmade) -> None:
    """Errors are the better the lower, and nothing is said of flips, classes and confusion."""
    measured = {"mae": Measured(value=0.2, interval=(0.1, 0.3), higher_is_better=False)}
    numbers = {"metrics": {"mae": 0.2}, "measures": measured, "metric_interval": (0.1, 0.3), "flips": None}
    verdict = handmade(variant=numbers, task="regression", main_metric="mae")
    larger = {"mae": replace(measured["mae"], value=0.3)}
    reference = replace(verdict.variants["float32"], metrics={"mae": 0.3}, measures=larger)
    text, charts = render(replace(verdict, variants={**verdict.variants, "float32": reference}))
    assert [chart.name for chart in charts] == ["size_metric", "drops"]
    assert "On the Pareto front: full_int8." in text
    assert "hundredths of the labels&#39; standard deviation." in text
    assert "<h4>Flips</h4>" not in text


def test_pictures_are_the_examples_that_flip(handmade: Handmade, digits_sets: Any) -> None:
    """A flip of a model of images is shown as its pixels, from the least value of the calibration set to the greatest."""
    examples = load_example_set(digits_sets.evaluation_set)
    spread = load_verdict(digits_sets.verdict).calibration.provenance.representativeness
    assert spread is not None
    assert spread.inputs["pixels"].range == (0.0, 16.0)
    images = Page(render(handmade(), pictures(examples, spread))[0]).all("img")
    assert [image["alt"] for image in images] == [
        "example 4, label 1",
        "example 7, label 0",
        "example 9, label 1",
    ]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode((images[1]["src"] or "").partition(",")[2]))))
    assert pixels.tolist() == np.round(examples.inputs["pixels"][7, ..., 0] * 255 / 16).tolist()


def test_flips_of_what_is_no_image_are_listed(handmade: Handmade) -> None:
    """Without pictures the flips still say what was decided."""
    page = Page(render(handmade())[0])
    assert not page.all("img")
    assert "2 from right to wrong, 1 from wrong to right." in page.text
    assert "label 1: 1 → 0" in page.text


def test_the_page_is_light(handmade: Handmade, sets: Any) -> None:
    """Six variants, each with many flips of large pictures of noise and many classes, make a page of less than 1.5 MB."""
    flips = tuple(Flip(example=row, label="1", reference="1", variant="0") for row in range(50))
    counts = np.random.default_rng(2).integers(0, 99, (2, 30, 30))
    reference_matrix, variant_matrix = (
        Confusion(examples=9, counts=tuple(map(tuple, matrix.tolist()))) for matrix in counts
    )
    verdict = handmade(
        variant={"flips": Flips(changed=100, right_to_wrong=50, wrong_to_right=50, lost=flips, gained=flips)}
    )
    first = replace(verdict.variants["float32"], confusion=reference_matrix)
    other = replace(verdict.variants["full_int8"], confusion=variant_matrix)
    names = ("float16", "weights_only", "full_int8", "integer_only", "int16x8")
    verdict = replace(verdict, variants={"float32": first, **dict.fromkeys(names, other)})

    folder = sets.examples({"image": np.random.default_rng(1).random((50, 224, 224, 3), np.float32)})
    text, _ = render(verdict, pictures(load_example_set(folder), None))
    assert len(Page(text).all("img")) == 5 * 12
    assert len(text.encode()) < LARGEST_BYTES


def test_the_model_in_production(handmade: Handmade) -> None:
    """It is shown with its numbers and in the chart, or with why there is none."""
    measures = {"accuracy": Measured(value=0.88, interval=(0.8, 0.93))}
    champion = Champion(
        uri="models:/flowers@champion",
        version="models:/flowers/3",
        status="evaluated",
        size_bytes=1200,
        examples=100,
        measures=measures,
    )
    text, _ = render(handmade(champion=champion))
    assert "<h2>The champion</h2>" in text
    assert "0.8800 (0.8000 to 0.9300)" in text
    assert "models:/flowers/3 1.2 kB, 0.8800" in text
    missing = Champion(uri="models:/flowers@champion", status="missing", reason="there is no alias 'champion'")
    assert "there is no alias &#39;champion&#39;" in render(handmade(champion=missing))[0]


def test_the_configuration_to_start_from_is_one(handmade: Handmade, tmp_path: Path) -> None:
    """What the page gives as a configuration loads as one, with the seed, the counts and the gate of the run."""
    verdict = handmade()
    instructions = reproduction(replace(verdict, environment=replace(verdict.environment, resolver="builtin")))
    (tmp_path / "flowers.yaml").write_text(instructions.config, encoding="utf-8")
    config = load_config(tmp_path / "flowers.yaml")
    assert (config.name, config.sampling.seed, config.sampling.calibration) == ("flowers", 17, 100)
    assert config.resolver == "builtin"
    assert config.examples.evaluation == ["/data/evaluation.npz"]
    assert config.gate == {"max_drop_points": 5.0, "confidence": 0.95, "prefer": "size_bytes"}
    assert instructions.facts["model, SHA-256"] == "m" * 64
    expected = "# in a checkout of edgequant 0.1.0\npip install -c constraints.txt '.[all]'\nedgequant run flowers.yaml"
    assert instructions.command == expected


def test_the_configuration_is_the_one_of_the_draw(handmade: Handmade, tmp_path: Path) -> None:
    """With what the sample step recorded it has inputs, label, names, slices and the rule: nothing is left to be added."""
    verdict = handmade()
    recipe: dict[str, dict[str, Any]] = {
        "examples": {
            "calibration": ["/data/train-*.tfrecord"],
            "evaluation": ["/data/test-*.tfrecord"],
            "inputs": {"x": {"feature": "image", "decode": "image"}},
            "label": "label",
            "classes": ["cat", "dog"],
            "slice": ["camera"],
            "preprocess": "scale.py:scale",
        },
        "sampling": {
            "calibration": 100,
            "evaluation": 90,
            "stratify": "proportional",
            "minimum_per_class": 0,
            "seed": 3,
        },
    }
    provenance = replace(verdict.calibration.provenance, recipe=recipe)
    drawn = replace(verdict, calibration=replace(verdict.calibration, provenance=provenance))
    instructions = reproduction(replace(drawn, made_from={**verdict.made_from, "model": "models:/flowers/3"}))
    assert [line for line in instructions.config.splitlines() if line.startswith("#")] == [
        "# Add tracking.uri, unless MLFLOW_TRACKING_URI is set: where the MLflow is that has the model.",
        "# Put scale.py beside this file.",
    ]
    (tmp_path / "flowers.yaml").write_text(instructions.config, encoding="utf-8")
    config = load_config(tmp_path / "flowers.yaml")
    assert config.model_dump()["examples"] == {
        **recipe["examples"],
        "group": "",
        "keep": [],
        "sequence": {},
        "classes_file": "",
        "preprocess": f"{tmp_path / 'scale.py'}:scale",
    }
    assert {key: config.model_dump()["sampling"][key] for key in recipe["sampling"]} == recipe["sampling"]
    assert config.model == "models:/flowers/3"


@pytest.mark.parametrize(
    ("model", "shown", "said"),
    [
        ("", "model", "Put the model at model, or name its place"),
        ("models:/flowers@champion", "models:/flowers@champion", "What an alias names may have changed"),
    ],
)
def test_a_model_that_may_be_another_is_told_of(handmade: Handmade, model: str, shown: str, said: str) -> None:
    """Without its place the configuration asks for it; of an alias it says that the digest tells which model it was."""
    verdict = handmade()
    made_from = {**verdict.made_from, **({"model": model} if model else {})}
    config = reproduction(replace(verdict, made_from=made_from)).config
    assert yaml.safe_load(config)["model"] == shown
    assert config.startswith(f"# {said}")


def test_what_is_lost_by_feature_is_in_a_table(handmade: Handmade) -> None:
    """The value of each feature that a variant loses most on stands above the variants' own parts, with its interval."""
    worst = SliceValue(
        value="<night>", examples=40, reference=0.9, variant=0.8, drop_points=10.0, drop_interval_points=(2.0, 19.0)
    )
    part = Slice(name="camera", total=7, values=(worst,), worst_interval_points=(2.0, 19.0))
    text = render(handmade(variant={"slices": (part,)}))[0]
    start = text.index("<h2>Where each variant loses most</h2>")
    assert start < text.index("<h2>Variant by variant</h2>")
    row = Page(text[start:]).text
    for shown in ("camera", "full_int8", "<night>", "10.00", "(2.00 to 19.00)"):
        assert shown in row
    assert "<h2>Where each variant loses most</h2>" not in render(handmade())[0]


def test_a_hostile_name_is_one_word_of_the_command(handmade: Handmade) -> None:
    """What is made to be copied into a shell quotes the name."""
    instructions = reproduction(handmade(name="a; rm -rf ~"))
    assert instructions.command.endswith("edgequant run 'a; rm -rf ~.yaml'")
    text = "".join(line for line in instructions.config.splitlines(keepends=True) if not line.startswith("#"))
    assert yaml.safe_load(text)["name"] == "a; rm -rf ~"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", "a\\|b"),
        ("weights_only", "weights\\_only"),
        ("two\nlines", "two lines"),
        ("<b> & [x](y)", "&lt;b&gt; &amp; \\[x\\]\\(y\\)"),
    ],
)
def test_names_are_no_markdown(handmade: Handmade, text: str, expected: str) -> None:
    """The summary's table has one line for each variant, whatever it is called."""
    verdict = handmade()
    markdown = summary(replace(verdict, why=text, variants={text: verdict.variants["full_int8"]}))
    assert f"\n{expected}\n" in markdown
    assert f"| {expected} | 1,000 | 0.8900" in markdown
