"""From a matplotlib figure to inline SVG whose colours are CSS variables, so that themes and print can change them.

A figure is drawn with the colours below; each becomes a class of `CHART_CSS`. Style attributes become presentation
attributes, so that a page can forbid inline styles; text stays text, so that it can be read aloud, found and copied.
"""

import io
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element, tostring

from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from cxr.miner.kit.errors import CxrError

try:
    from matplotlib import rc_context
    from matplotlib.figure import Figure
except ModuleNotFoundError:
    raise CxrError("charts need matplotlib, which is not installed; `pip install 'cxr[report]'` brings it") from None

# Placeholders: no one sees these four, the page's theme decides.
INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"

# Okabe and Ito 2008, "Color Universal Design": eight colours that stay apart in the common colour deficiencies.
# Yellow comes last, because it is faint on white; the eighth, black, is the ink.
OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")

# The same hues, lighter where they would sink into a dark page.
_DARK = ("#4aa3df", "#e69f00", "#21b58d", "#d98fb8", "#8fcdf2", "#f0813c", "#f0e442")

_CLASSES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"c{number}" for number, colour in enumerate(OKABE_ITO, start=1)
}


def _css() -> str:
    variables = [
        f"  --chart-c{n}: light-dark({light}, {dark});"
        for n, (light, dark) in enumerate(zip(OKABE_ITO, _DARK, strict=True), start=1)
    ]
    rules = [
        f".chart .{kind[0]}-{name} {{ {kind}: var(--chart-{name}); }}"
        for name in _CLASSES.values()
        for kind in ("fill", "stroke")
    ]
    return "\n".join(
        [
            ":root {",
            "  --chart-ink: light-dark(#1d2329, #e8ecf1);",
            "  --chart-muted: light-dark(#56616c, #a3afba);",
            "  --chart-grid: light-dark(#dde2e7, #343d46);",
            "  --chart-paper: light-dark(#ffffff, #171c21);",
            *variables,
            "}",
            ".chart svg { max-width: 100%; height: auto; stroke-linejoin: round; stroke-linecap: butt; }",
            '.chart svg text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }',
            ".chart svg text:not([class]) { fill: var(--chart-ink); }",
            *rules,
        ]
    )


CHART_CSS = _css()
"""What a page needs in its style sheet; it follows `color-scheme`, and print is light if the page says so."""

STYLE: dict[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cxr",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "hatch.linewidth": 1.1,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "text.parse_math": False,
}
"""matplotlib settings under which a figure is to be made and drawn: `with rc_context(STYLE)`."""


def themable_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as `<svg role="img">` with title and description, the same bytes for the same figure.

    `name` makes its ids unique in a page: letters, digits and hyphens, another for each chart.
    """
    drawn = io.StringIO()
    with rc_context(STYLE):  # type: ignore[arg-type]  # the stubs know each key's own type only
        figure.savefig(drawn, format="svg", metadata={"Date": None}, transparent=True)
    root: Element = fromstring(drawn.getvalue())
    _drop(root, lambda child: child.tag.rpartition("}")[2] in {"metadata", "style"})
    for element in root.iter():
        _clean(element, name)
    _once(root)
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    root.attrib.clear()
    root.attrib |= {
        "viewBox": f"0 0 {width:g} {height:g}",
        # A point of the figure is a third larger than a CSS pixel.
        "width": f"{width * 4 / 3:.0f}",
        "height": f"{height * 4 / 3:.0f}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
    }
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        made = Element(tag, {"id": f"{name}-{tag}"})
        made.text = text
        root.insert(place, made)
    return tostring(root, encoding="unicode")


def _once(root: Element) -> None:
    """Keep the first of equal definitions, because an id may stand in a page once only; drop empty `<defs>`."""
    seen: set[str] = set()
    for parent in list(root.iter("defs")):
        for child in list(parent):
            if child.get("id", "") in seen:
                parent.remove(child)
            elif "id" in child.attrib:
                seen.add(child.attrib["id"])
    _drop(root, lambda child: child.tag == "defs" and not len(child))


def _drop(root: Element, unwanted: Callable[[Element], bool]) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if unwanted(child):
                parent.remove(child)


def _clean(element: Element, name: str) -> None:
    """Drop name spaces and ids that nothing refers to, and turn the style into attributes and classes."""
    element.tag = element.tag.rpartition("}")[2]
    element.text, element.tail = (text if text and text.strip() else None for text in (element.text, element.tail))
    given, classes = dict(element.attrib), []
    element.attrib.clear()
    for part in given.pop("style", "").split(";"):
        key, _, value = (word.strip() for word in part.partition(":"))
        if key and key != "font-family":
            given[key] = value
    for key, value in given.items():
        plain = key.rpartition("}")[2]
        if plain in {"fill", "stroke"} and value in _CLASSES:
            classes.append(f"{plain[0]}-{_CLASSES[value]}")
        elif plain == "id":
            if element.tag not in {"g", "svg"}:
                element.set("id", f"{name}-{value}")
        elif plain == "href":
            element.set("href", f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(plain, value.replace("url(#", f"url(#{name}-"))
        elif plain == "d":
            element.set("d", _short(value))
        elif plain == "transform" and value.startswith("rotate(-0 "):
            continue
        else:
            element.set(plain, _short(value) if plain in {"x", "y"} else value)
    if classes:
        element.set("class", " ".join(classes))


def _short(path: str) -> str:
    """Round coordinates to a hundredth of a point."""
    rounded = re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), path)
    return " ".join(rounded.split())
