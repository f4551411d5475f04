"""Draws charts: each once with matplotlib, as a PNG file and as SVG in the colours of the page."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from edgequant.artifacts.verdict import BLESSED, INCONCLUSIVE, INVALID_REFERENCE, REJECTED
from edgequant.validation.report.number_format import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The colours of the PNGs and of the page's light theme; in the SVGs each becomes the CSS variable of that name.
COLOURS = {
    "ink": "#1d2330",
    "soft": "#5b6474",
    "paper": "#ffffff",
    "line": "#d9dee7",
    "bar": "#5b82c9",
    "good": "#176b3a",
    "bad": "#a3262a",
    "open": "#8a5a00",
}
# In inches; narrow, so that the text is readable on a phone.
WIDTH = 4.0
_DPI = 220
# The characters of a title that fit in a line.
_TITLE = 42
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": COLOURS["ink"],
    # Names come from users: a dollar sign in them must not begin a formula.
    "text.parse_math": False,
    "axes.edgecolor": COLOURS["line"],
    "axes.facecolor": COLOURS["paper"],
    "axes.labelcolor": COLOURS["soft"],
    "axes.labelsize": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "figure.titlesize": 9.5,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.labelcolor": COLOURS["soft"],
    "ytick.labelcolor": COLOURS["ink"],
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "figure.facecolor": COLOURS["paper"],
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart.

    Attributes:
        name: The name of its PNG file, without the extension.
        svg: The chart as an element of the page.
        png: The chart as the bytes of a PNG file.
    """

    name: str
    svg: Markup
    png: bytes


def colour_of(verdict: str) -> str:
    """Returns the colour of a verdict."""
    return COLOURS[
        {BLESSED: "good", REJECTED: "bad", INCONCLUSIVE: "open", INVALID_REFERENCE: "open"}.get(verdict, "soft")
    ]


def draw(name: str, title: str, description: str, height: float, paint: Callable[["Figure"], None]) -> Chart:
    """Returns a chart.

    Args:
        name: The name of its PNG file, without the extension.
        title: The title.
        description: The content in words, for screen readers.
        height: The height in inches; the width is `WIDTH`.
        paint: Draws the chart on a figure.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from PIL import Image

    name = printable(name)
    svg, png = io.StringIO(), io.BytesIO()
    # The salt keeps identifiers unique on the page.
    with rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # The font of the PNGs does not cover every script; the page's fonts do.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure = Figure(figsize=(WIDTH, height), dpi=_DPI, layout="constrained")
        figure.suptitle(fill(title, _TITLE), x=0.01, ha="left")
        paint(figure)
        # `savefig` would draw each of the two twice.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        pixels.save(png, format="PNG", dpi=(_DPI, _DPI))
        # The layout computed for the PNG is kept for the SVG.
        figure.set_layout_engine("none")
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(svg, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return Chart(name=name, svg=_element(svg.getvalue(), f"{title}: {description}"), png=png.getvalue())


def _element(svg: str, alt: str) -> Markup:
    """Returns matplotlib's SVG file as an element of a page with CSS variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    view = re.search(r'viewBox="[\d. ]+"', svg)
    opening = f'<svg role="img" aria-label="{escape(alt)}" {view.group() if view else ""}>'
    svg = opening + svg[svg.index(">") + 1 :].replace("xlink:href", "href")
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', lambda match: re.sub(r"(\.\d\d)\d+", r"\1", match.group()), svg)
    used = set(re.findall(r'(?:url\(|href=")#(\w+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda match: match.group() if match.group(1) in used else "", svg)
    for variable, value in COLOURS.items():
        svg = svg.replace(f": {value}", f": var(--{variable})")
    return Markup(re.sub(r">\s+<", "><", svg))  # noqa: S704 - made above, by matplotlib, which escapes every text
