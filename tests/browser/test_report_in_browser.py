"""The report as a browser shows it: on a phone and on a desktop, light, dark and printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgequant.artifacts.verdict import Verdict

pytestmark = pytest.mark.browser

# What was seen is kept for people to look at.
SCREENSHOTS = Path(__file__).resolve().parents[2] / ".screenshots"
PHONE, DESKTOP, PAPER = 360, 1280, 703
# WCAG 2.1, success criterion 1.4.3: the least contrast of text.
LEAST_CONTRAST = 4.5

Reports = Mapping[str, tuple[Path, Verdict]]

# The texts whose colour is too near to the page's: with their contrast.
_FAINT = """least => {
  const numbers = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const luminance = colour => {
    const [r, g, b] = numbers(colour).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = luminance(getComputedStyle(document.body).backgroundColor);
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const style = getComputedStyle(element);
    const text = luminance(element.closest("svg") ? style.fill : style.color);
    const contrast = (Math.max(page, text) + 0.05) / (Math.min(page, text) + 0.05);
    if (contrast < least) found.push([element.textContent.slice(0, 40), contrast]);
  }
  return found;
}"""
_SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SCROLLED = "() => [...document.querySelectorAll('.wide')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
_BROKEN = "() => [...document.images].filter(image => !image.complete || !image.naturalWidth).length"
# Charts whose text reaches out of their own frame.
_CUT = """() => [...document.querySelectorAll(".chart svg")].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
  }).map(text => text.textContent);
})"""


@pytest.mark.parametrize("name", ["demo", "rejected", "crowded", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_in_a_browser(browser: Any, reports: Reports, name: str, scheme: str, width: int) -> None:
    """The verdict's sentence is what one sees first; nothing is logged, loaded, cut, faint or wider than the screen."""
    path, verdict = reports[name]
    with browser.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme) as context:
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.screenshot(path=_kept(f"{name}_{width}_{scheme}.png"), full_page=True)
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        lead = page.locator(".lead")
        assert lead.is_visible()
        assert lead.inner_text() == verdict.why
        assert lead.bounding_box()["y"] < 250
        assert page.locator("table").first.bounding_box()["y"] > lead.bounding_box()["y"]
        assert page.evaluate(_SIDEWAYS) == 0
        assert page.evaluate(_SCROLLED) == 0
        assert page.evaluate(_BROKEN) == 0
        assert page.evaluate(_CUT) == []
        assert page.evaluate(_FAINT, LEAST_CONTRAST) == []
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}[scheme]


@pytest.mark.parametrize("name", ["demo", "crowded"])
def test_the_page_on_paper(browser: Any, reports: Reports, name: str) -> None:
    """Printed from a dark screen it is dark on white, and no table is cut at the edge of the paper."""
    path, _ = reports[name]
    with browser.new_context(viewport={"width": PAPER, "height": 1000}, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.emulate_media(media="print")
        page.pdf(path=_kept(f"{name}.pdf"), format="A4")
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate(_FAINT, LEAST_CONTRAST) == []
        assert page.evaluate(_SIDEWAYS) == 0
        assert page.evaluate(_SCROLLED) == 0


def _kept(name: str) -> str:
    SCREENSHOTS.mkdir(exist_ok=True)
    return str(SCREENSHOTS / name)
