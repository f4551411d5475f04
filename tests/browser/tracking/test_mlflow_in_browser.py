"""What a person sees in MLflow of three source models that were quantized: every page that is linked, in a browser."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from tests.browser.tracking.pages import cells, has_cells, is_for_machine_learning, keep, opened
from tests.browser.tracking.recorded import ALIAS, EXPERIMENT, REGISTERED, Quantized, Recorded

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_NAME, _DATASET, _MODELS = "attributes.`Run Name`", "attributes.`Dataset`", "attributes.`Models`"
_WIDE = {"width": 1920, "height": 1000}


def _rows(quantized: Quantized) -> dict[str, dict[str, str]]:
    """Returns what the table of runs shows of a source model, by run."""
    result = quantized.result
    common = {_DATASET: "evaluation ("}
    summary = f"{quantized.source} · summary · {result['outcome']}"
    rows = {result["tracking"]["summary_run_id"]: {_NAME: summary, _MODELS: "-", **common}}
    for name, found in result["variants"].items():
        version = quantized.version if name == result["best"] else None
        model = f"{REGISTERED} v{version}" if version else f"{quantized.source}-{name}".replace(" ", "-")
        rows[found["run_id"]] = {_NAME: quantized.run_name(name), _MODELS: model, **common}
    return rows


def _figures(found: Mapping[str, Any]) -> dict[str, float]:
    """Returns some of a variant's figures, from ``result.json``, by the names they have in MLflow."""
    return {
        "accuracy_percent": 100 * found["metrics"]["accuracy"],
        "drop_points": found["drop_points"],
        "size_bytes": found["size_bytes"],
        "latency_p50_ms": found["latency_ms"]["p50"],
    }


def test_a_row_for_each_variant(browser: Any, everywhere: Recorded) -> None:
    """The experiment's page shows every variant of every source model with its dataset, and its model or its version."""
    expected = {run: row for quantized in everywhere.quantized for run, row in _rows(quantized).items()}
    with opened(browser, everywhere.quantized[-1].links["experiment"]) as page:
        is_for_machine_learning(page)
        page.set_viewport_size(_WIDE)
        has_cells(page, expected)
        assert set(cells(page)) == set(expected)
        if len(everywhere.quantized) > 1:
            keep(page, "runs")


def test_the_table_shows_what_decides(browser: Any, recorded: Recorded) -> None:
    """The link opens the table with verdict, metric, drop and its bounds, size, latency and n on the screen, as in `result.json`."""
    with opened(browser, recorded.quantized[-1].links["experiment"]) as page:
        page.get_by_text("You're viewing a shared view").wait_for()
        verdicts = {
            variant["run_id"]: {"tags.`edgequant.verdict`": variant["verdict"]}
            for quantized in recorded.quantized
            for variant in quantized.result["variants"].values()
        }
        has_cells(page, verdicts)
        keep(page, "columns")
        for heading in ("edgequant.verdict", "examples"):
            box = page.locator(".ag-header-cell", has_text=heading).bounding_box()
            assert box["x"] + box["width"] <= page.viewport_size["width"], heading
        shown = cells(page)
        for quantized in recorded.quantized:
            for variant in quantized.result["variants"].values():
                row = shown[variant["run_id"]]
                low, high = variant["drop_interval_points"] or (None, None)
                bounds = {"drop_low_points": low, "drop_high_points": high}
                for name, value in {**_figures(variant), **bounds, "examples": variant["examples"]}.items():
                    text = row[f"metrics.`{name}`"]
                    assert (text == "-") if value is None else float(text) == pytest.approx(value, abs=0.5e-3), name


def test_charts_of_each_figure(browser: Any, recorded: Recorded) -> None:
    """The first charts are of what decides; each has a bar for each variant with the values of `result.json`."""
    with opened(browser, recorded.quantized[-1].links["experiment"]) as page:
        page.set_viewport_size(_WIDE)
        has_cells(page, _rows(recorded.quantized[-1]))
        _filter(
            page,
            "tags.`edgequant.role` = 'variant'",
            sum(len(found.result["variants"]) for found in recorded.quantized),
        )
        _show_as(page, "CHART")
        page.get_by_role("heading", name="drop_points", exact=True).wait_for()
        keep(page, "charts")
        for name in _figures(recorded.quantized[0].result["variants"]["float32"]):
            card = page.get_by_test_id("experiment-view-compare-runs-card").filter(
                has=page.get_by_role("heading", name=name, exact=True)
            )
            page.get_by_placeholder("Search metric charts").fill(name)
            values = [
                _figures(found)[name]
                for quantized in recorded.quantized
                for found in quantized.result["variants"].values()
            ]
            bars = card.locator(".bartext")
            bars.nth(len(values) - 1).wait_for()
            assert sorted(map(float, bars.all_text_contents())) == pytest.approx(sorted(values), abs=0.0051), name


def test_this_runs_variants_compared(browser: Any, recorded: Recorded) -> None:
    """The stored link compares the variants of one source model, by name and figure."""
    quantized = recorded.quantized[-1]
    variants = quantized.result["variants"]
    with opened(browser, quantized.links["compare"]) as page:
        is_for_machine_learning(page)
        page.get_by_role("heading", name=f"Comparing {len(variants)} Runs from 1 Experiment").wait_for()
        names = page.locator("tr", has_text="Run Name:").locator("td")
        assert [text.strip() for text in names.all_inner_texts()] == [quantized.run_name(name) for name in variants]
        # The table shows the first rows only, to four digits.
        for found in variants.values():
            page.get_by_text(f"{_figures(found)['accuracy_percent']:.4g}", exact=True).first.wait_for()
        keep(page, "compare")


def test_models_by_dataset(browser: Any, recorded: Recorded) -> None:
    """The Models tab has a row for each variant, with its figures under the dataset that they are of."""
    with opened(browser, recorded.quantized[-1].links["experiment"]) as page:
        page.get_by_role("link", name="Models", exact=True).click()
        page.get_by_text("Logged from").wait_for()
        page.set_viewport_size(_WIDE)
        expected = {
            f"{quantized.source}-{name}".replace(" ", "-"): _figures(found)["accuracy_percent"]
            for quantized in recorded.quantized
            for name, found in quantized.result["variants"].items()
        }
        for name in expected:
            page.get_by_role("link", name=name, exact=True).wait_for()
        page.get_by_role("columnheader", name="accuracy_percent", exact=True).first.wait_for()
        page.get_by_text("Dataset: evaluation (").wait_for()
        shown = {}
        for row in cells(page).values():
            figures = [text for column, text in row.items() if "metricKey" in column and "accuracy_percent" in column]
            # Its colour's code comes before its name.
            shown[row["name"].split()[-1]] = float(figures[0])
            assert row["dataset"].startswith("evaluation (")
        # Recorded with four places.
        assert shown == pytest.approx(expected, abs=0.51e-4)
        keep(page, "models")


def test_source_models_compared(browser: Any, recorded: Recorded) -> None:
    """The table of the summary runs shows at once which variant of which source model has which verdict."""
    with opened(browser, recorded.quantized[-1].links["experiment"]) as page:
        page.set_viewport_size(_WIDE)
        has_cells(page, _rows(recorded.quantized[-1]))
        _filter(page, "tags.`edgequant.role` = 'summary'", len(recorded.quantized))
        _show_as(page, "ARTIFACT")
        for chosen in ("Table: comparison.json", "Group by: variant", "Compare: verdict"):
            title, _, choice = chosen.partition(": ")
            page.get_by_role("combobox").filter(has_text=title).get_by_text(choice, exact=True).wait_for()
        verdicts = Counter(
            found["verdict"] for quantized in recorded.quantized for found in quantized.result["variants"].values()
        )
        for verdict, count in verdicts.items():
            page.get_by_text(verdict, exact=True).nth(count - 1).wait_for()
            assert page.get_by_text(verdict, exact=True).count() == count
        keep(page, "comparison")


def test_the_summary_run(browser: Any, recorded: Recorded) -> None:
    """A summary run says what was decided and why, what was registered, and shows the report and the table."""
    for quantized in (recorded.quantized[0], recorded.quantized[-1]):
        result = quantized.result
        with opened(browser, quantized.links["summary"]) as page:
            is_for_machine_learning(page)
            page.get_by_role("heading", name=f"{quantized.source} · summary · {result['outcome']}").wait_for()
            page.get_by_text("Show more", exact=True).click()
            page.get_by_text(result["why"]).first.wait_for()
            keep(page, "summary")
            page.get_by_role("tab", name="Artifacts").click()
            page.get_by_label("report.html", exact=True).click()
            report = page.frame_locator("iframe")
            report.locator(".lead").get_by_text(result["why"], exact=True).wait_for()
            keep(page, "report")
            page.get_by_label("comparison.json", exact=True).click()
            for name in result["variants"]:
                page.get_by_role("cell", name=name, exact=True).wait_for()


def test_the_registered_model(browser: Any, everywhere: Recorded) -> None:
    """The registered model has a version for each source model with a blessed variant; the newest has the alias."""
    registered = [quantized for quantized in everywhere.quantized if quantized.version]
    assert registered
    with opened(browser, f"{everywhere.address}/#/models/{REGISTERED}?workflowType=machine_learning") as page:
        rows = page.get_by_test_id("model-version-table").get_by_role("row")
        for quantized in registered:
            row = rows.filter(has=page.get_by_role("link", name=f"Version {quantized.version}", exact=True))
            row.get_by_text("edgequant.variant").wait_for()
            text = row.inner_text()
            assert f": {quantized.result['best']}" in text
            assert (f"@ {ALIAS}" in text.replace("\u00a0", " ")) is (quantized is registered[-1])
        assert rows.count() == 1 + len(registered)
        if len(registered) > 1:
            keep(page, "registered")


def test_the_registered_version(browser: Any, everywhere: Recorded) -> None:
    """The stored link opens the version, whose source is the variant's run, with the reason and the alias."""
    quantized = everywhere.quantized[-1]
    best = quantized.result["best"]
    with opened(browser, quantized.links["version"]) as page:
        is_for_machine_learning(page)
        page.get_by_role("heading", name=f"Version {quantized.version}").wait_for()
        page.get_by_text(quantized.result["why"]).wait_for()
        page.get_by_title(ALIAS, exact=True).wait_for()
        if len(everywhere.quantized) > 1:
            keep(page, "version")
        page.get_by_role("link", name=quantized.run_name(best)).click()
        page.get_by_role("heading", name=quantized.run_name(best)).wait_for()


def test_the_training_run_and_back(browser: Any, recorded: Recorded) -> None:
    """The summary run links to the run that trained its source model, and that run names the summary run."""
    quantized = recorded.quantized[-1]
    with opened(browser, quantized.links["summary"]) as page:
        page.get_by_text("Show more", exact=True).click()
        with page.context.expect_page() as another:
            page.get_by_role("link", name="this training run").click()
        training = another.value
        training.get_by_role("heading", name="digits of width 32").wait_for()
        is_for_machine_learning(training)
        training.get_by_text(f"edgequant.quantized.{EXPERIMENT}").wait_for()
        training.get_by_text(quantized.result["tracking"]["summary_run_id"]).wait_for()
        keep(training, "training")


def _filter(page: Any, query: str, count: int) -> None:
    """Types a query into the runs' search, and waits until so many match."""
    page.get_by_placeholder("metrics.rmse").fill(query)
    page.keyboard.press("Enter")
    page.get_by_text(f"{count} matching runs").wait_for()


def _show_as(page: Any, mode: str) -> None:
    """Shows the runs in another way than as a list."""
    page.locator("label", has=page.locator(f"input[value={mode}]")).click()
