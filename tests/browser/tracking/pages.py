"""Opens pages of MLflow's UI in a browser, and reads and photographs what they show."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

# What was seen is kept for people to look at, and for the docs.
SCREENSHOTS = Path(__file__).resolve().parents[3] / ".screenshots" / "mlflow"
WIDTH, HEIGHT = 1440, 900
_KEPT_WIDTH = 1280
_COLOURS = 256
_WAIT_MS = 60_000
_FIRST_ERROR = 400

# MLflow's assistant opens over a third of the page at the first visit; these say that it was there and was closed. A frame, such
# as that of the report, has no storage.
_NO_ASSISTANT = """if (window === top) {
  localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
  localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
}"""
# MLflow 3.17 asks who the user is also where there are no users, and its layout code is heard to complain; neither is ours.
_MLFLOWS_OWN = ("/mlflow/users/current", "ResizeObserver loop")
# Text by row and column of MLflow's tables of runs and of models, whose rows are in pieces: frozen columns and others.
_CELLS = """
const cells = {};
for (const row of document.querySelectorAll(".ag-row[row-id]"))
  for (const cell of row.querySelectorAll("[col-id]"))
    (cells[row.getAttribute("row-id")] ??= {})[cell.getAttribute("col-id")] = cell.innerText.replace(/\\s+/g, " ").trim();
"""
_FIND_CELLS = f"() => {{ {_CELLS} return cells; }}"
_WAIT_CELLS = f"""expected => {{ {_CELLS}
  return Object.entries(expected).every(([row, columns]) =>
    Object.entries(columns).every(([column, text]) => (cells[row]?.[column] ?? "").includes(text)));
}}"""


@contextmanager
def opened(browser: Any, url: str) -> Iterator[Any]:
    """Yields a page as somebody sees it who opens a link for the first time; afterwards nothing may have gone wrong on it."""
    with browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}) as context:
        context.set_default_timeout(_WAIT_MS)
        context.add_init_script(_NO_ASSISTANT)
        page = context.new_page()
        wrong = _listened(page)
        page.goto(url)
        yield page
        ours = [what for what in wrong if not any(own in what for own in _MLFLOWS_OWN)]
        assert ours == [], ours


def _listened(page: Any) -> list[str]:
    """Returns a list that gets everything that goes wrong on the page from now on."""
    wrong: list[str] = []

    def answered(response: Any) -> None:
        if response.status >= _FIRST_ERROR:
            wrong.append(f"{response.status} {response.url}")

    def said(message: Any) -> None:
        # A failed request is told of here without its address; `answered` has that.
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", answered)
    page.on("console", said)
    return wrong


def is_for_machine_learning(page: Any) -> None:
    """Asserts that the page is one for models that are trained: the one for generative models lists traces and prompts."""
    page.get_by_text("Model training", exact=True).wait_for()
    menu = page.locator("aside").first
    menu.get_by_text("Model registry", exact=True).wait_for()
    assert menu.get_by_text("Prompts", exact=True).count() == 0, menu.inner_text()


def has_cells(page: Any, expected: Mapping[str, Mapping[str, str]]) -> None:
    """Waits until each of these cells of a table contains its text.

    Args:
        page: The page.
        expected: Texts by the identifiers of row and column.
    """
    from playwright.sync_api import TimeoutError as TooLateError

    try:
        page.wait_for_function(_WAIT_CELLS, arg=expected)
    except TooLateError:
        found = page.evaluate(_FIND_CELLS)
        shown = {row: {column: found.get(row, {}).get(column) for column in expected[row]} for row in expected}
        assert shown == expected, f"rows {list(found)} with columns {sorted(next(iter(found.values()), {}))}"


def cells(page: Any) -> dict[str, dict[str, str]]:
    """Returns the text of the cells of a table that are drawn, by the identifiers of row and column."""
    found: dict[str, dict[str, str]] = page.evaluate(_FIND_CELLS)
    return found


def keep(page: Any, name: str) -> None:
    """Keeps what the page shows as a small picture."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        size = _KEPT_WIDTH, round(seen.height * _KEPT_WIDTH / seen.width)
        small = seen.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    small.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
        SCREENSHOTS / f"{name}.png", optimize=True
    )
