"""An installed Chromium, and reports to open in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgequant.artifacts.comparison import Confusion, Flip, Flips, Slice, SliceValue
from edgequant.artifacts.verdict import Champion, VariantVerdict, Verdict, load_verdict
from edgequant.validation.report.flip_pictures import data_uri
from edgequant.validation.report.page import render

# Set by `make test-browser`: a missing browser or database fails its tests, where they are skipped otherwise.
REQUIRE = "EDGEQUANT_REQUIRE_BROWSER"
BROWSER = "EDGEQUANT_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "<script>console.error('in')</script>\"'><img src='http://example.invalid/x' onerror=console.error(1)>"
_CLASSES = 28


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless browser, as Playwright drives it."""
    command = os.environ.get(BROWSER) or next(filter(None, map(shutil.which, NAMES)), None)
    if command is None:
        _lack(f"no browser is on the path under the names {', '.join(NAMES)}, and {BROWSER} names none")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _lack("playwright is not installed; `make test-browser` installs it")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=command, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def lack() -> Callable[[str], None]:
    """Returns a function that ends a test for lack of a program: as failed where it is required, else as skipped."""
    return _lack


def _lack(why: str) -> None:
    (pytest.fail if os.environ.get(REQUIRE) else pytest.skip)(why)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, Verdict]]:
    """Pages and their verdicts: the demonstration's, also by a gate that blesses nothing; one with much of everything, one of hostile names."""
    folder = tmp_path_factory.mktemp("reports")
    demo, work = folder / "demo", folder / "demo" / "work"
    _edgequant("demo", "--directory", demo)
    verdict = load_verdict(work / "results" / "verdict")
    found = {"demo": (folder / "demo.html", verdict)}
    shutil.copyfile(work / "report.html", found["demo"][0])
    gate = "gate={max_drop_points: 0.1, max_size_ratio: 0.25, min_agreement: 0.999, max_worst_class_drop_points: 2}"
    _edgequant("run", demo / "digits.yaml", "--work-directory", work, "--set", gate)
    found["rejected"] = (work / "report.html", load_verdict(work / "results" / "verdict"))
    for name, change in (("crowded", _crowded), ("hostile", _hostile)):
        changed = change(verdict)
        found[name] = (folder / f"{name}.html", changed)
        found[name][0].write_text(render(changed, _noise)[0], encoding="utf-8")
    return found


def _edgequant(*arguments: object) -> None:
    command = [sys.executable, "-m", "edgequant_pipelines.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode in (0, 3), done.stdout + done.stderr


def _noise(row: int) -> str:
    """Returns a picture for any row."""
    return data_uri(np.random.default_rng(row).random((48, 64, 3)), (0.0, 1.0))


def _crowded(verdict: Verdict) -> Verdict:
    """Returns the verdict with many classes, a slice, many flips, and a champion."""
    random = np.random.default_rng(7)
    counts = random.integers(0, 40, (_CLASSES, _CLASSES))

    def crowd(found: VariantVerdict) -> VariantVerdict:
        flip = Flip(example=11, label="17", reference="17", variant="3")
        values = tuple(
            SliceValue(
                value=f"{text}{number}",
                examples=int(random.integers(9, 5000)),
                reference=0.9,
                variant=0.8,
                drop_points=20.0 - number,
                drop_interval_points=(14.0 - number, 25.0 - number),
            )
            for number in range(30)
            for text in ["a value with a name that is long " if number == 3 else ""]
        )
        moved = np.maximum(counts + random.integers(-1, 2, counts.shape), 0)
        slices = tuple(
            Slice(name=name, total=1000, values=values, worst_interval_points=None) for name in ("class", "light")
        )
        return replace(
            found,
            flips=Flips(changed=60, right_to_wrong=40, wrong_to_right=20, lost=(flip,) * 40, gained=(flip,) * 20),
            confusion=Confusion(examples=719, counts=tuple(map(tuple, moved.tolist()))),
            slices=slices,
        )

    champion = Champion(
        uri="models:/digits@champion",
        version="models:/digits/12",
        status="evaluated",
        size_bytes=90_000,
        examples=719,
        metrics=verdict.variants["float32"].metrics,
        measures=verdict.variants["float32"].measures,
    )
    return replace(
        verdict, champion=champion, variants={name: crowd(found) for name, found in verdict.variants.items()}
    )


def _hostile(verdict: Verdict) -> Verdict:
    """Returns the verdict with names that would run scripts and load from the network."""
    crowded = _crowded(verdict)
    flips = Flips(changed=1, lost=(Flip(example=1, label=HOSTILE, reference=HOSTILE, variant=HOSTILE),))

    def change(found: VariantVerdict) -> VariantVerdict:
        values = tuple(replace(value, value=HOSTILE) for value in found.slices[0].values)
        slices = tuple(replace(part, name=HOSTILE, values=values) for part in found.slices)
        return replace(found, notes=(HOSTILE,), reasons=(HOSTILE,), checks=(), flips=flips, slices=slices)

    return replace(
        crowded,
        name=HOSTILE,
        why=HOSTILE,
        notes=(HOSTILE,),
        champion=replace(crowded.champion, version=HOSTILE) if crowded.champion else None,
        variants={name: change(found) for name, found in crowded.variants.items()},
    )
