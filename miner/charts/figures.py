"""The charts of `cxr report`: from numbers to themable inline SVG and its data as a table.

Colour is never the only carrier: series differ by marker, dash or hatch as well, and every chart has a table.
"""

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from cxr.miner.charts.data import Chart, Series
from cxr.miner.charts.svg import GRID, INK, MUTED, OKABE_ITO, PAPER, STYLE, themable_svg

# After chart_svg, which says in one sentence what to install where matplotlib is missing.
from matplotlib import rc_context  # isort: skip
from matplotlib.axes import Axes  # isort: skip
from matplotlib.figure import Figure  # isort: skip
from matplotlib.lines import Line2D  # isort: skip
from matplotlib.ticker import MaxNLocator  # isort: skip

HATCHES = ("", "///", "||", "\\\\\\", "xx", "---", "++")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
WIDTH = 7.8
"""Inches; at the page's scale about the width of its text."""
MOST_SERIES = len(OKABE_ITO)
"""More series than colours, and two of them look alike."""
REST = -1
"""In place of a colour of the palette: what is left over, in the grey of the grid and without a hatch."""


def bars(
    name: str,
    title: str,
    categories: Sequence[str],
    series: Sequence[Series],
    *,
    measure: str,
    description: str = "",
    limits: tuple[float, float] | None = None,
) -> Chart:
    """Draw grouped vertical bars from zero, with whiskers for intervals (the paper's Figures 3 and 4)."""

    def draw(axes: Axes) -> None:
        width = 0.82 / max(1, len(series))
        for number, one in enumerate(series):
            left = -0.41 + width * (number + 0.5)
            places = [place + left for place in range(len(categories))]
            heights = [value or 0.0 for value in one.values]
            axes.bar(places, heights, width * 0.94, label=one.name, linewidth=0, **_filled(number, number))
            for place, x in enumerate(places):
                interval = one.interval(place)
                if interval is not None:
                    # The wide line in the page's colour keeps the whisker apart from the bar and its hatch.
                    axes.plot([x, x], interval, color=PAPER, linewidth=4, clip_on=False)
                    axes.plot([x, x], interval, color=INK, linewidth=1.4, marker="_", markersize=6, clip_on=False)
                elif one.values[place] is None:
                    axes.text(x, 0, "-", ha="center", va="bottom", color=MUTED)
        axes.set_xticks(range(len(categories)), [_wrapped(text) for text in categories])
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(measure)
        axes.set_ylim(*(limits or (0, None)))

    abreast = 4 if len(categories) * len(series) > 24 else 3
    table = _table(measure, categories, series)
    return _chart(name, title, description, draw, 3.1, table, legend=len(series), abreast=abreast)


def dots(
    name: str,
    title: str,
    categories: Sequence[str],
    series: Sequence[Series],
    *,
    measure: str,
    description: str = "",
    logarithmic: bool = False,
) -> Chart:
    """Draw a row per category, a mark per series, and a line for its interval; the axis need not begin at zero."""
    # Room for a mark per series, and as much again as a mark is high between two categories.
    row = 0.1 * len(series) + 0.17
    step = 0.1 / row

    def draw(axes: Axes) -> None:
        for number, one in enumerate(series):
            offset = (number - (len(series) - 1) / 2) * step
            known = [place for place, value in enumerate(one.values) if value is not None]
            for place in range(len(one.values)):
                interval = one.interval(place)
                if interval is not None:
                    axes.plot(interval, [place + offset] * 2, color=_colour(number), linewidth=2.2, zorder=2)
            values: list[Any] = [one.values[place] for place in known]
            heights = [place + offset for place in known]
            edge: dict[str, Any] = {"markeredgecolor": PAPER, "markeredgewidth": 0.8, "clip_on": False, "zorder": 3}
            axes.plot(values, heights, markersize=6.5, **_mark(number), **edge)
        _rows_down(axes, categories, measure)
        if logarithmic:
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xlim(left=0)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.margins(x=0.04)

    handles = [Line2D([], [], label=one.name, **_mark(number)) for number, one in enumerate(series)]
    height, table = 1.05 + row * len(categories), _table(measure, categories, series)
    return _chart(name, title, description, draw, height, table, legend=len(series), handles=handles)


def lengths(
    name: str, title: str, rows: Sequence[tuple[str, float, int]], *, measure: str, description: str = ""
) -> Chart:
    """Draw a horizontal bar per (label, value, group), the value written at its end; groups differ by hatch."""

    def draw(axes: Axes) -> None:
        longest = max((value for _, value, _ in rows), default=0) or 1
        for place, (_, value, group) in enumerate(rows):
            axes.barh(place, value, 0.74, linewidth=0, **_filled(group, group))
            axes.text(value + longest * 0.012, place, f"{value:,.0f}", va="center", ha="left")
        _rows_down(axes, [label for label, _, _ in rows], measure)
        axes.set_xlim(0, longest * 1.13)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(axis="y", visible=False)

    table = (("", measure), [(label, f"{value:,.0f}") for label, value, _ in rows])
    return _chart(name, title, description, draw, 0.85 + 0.33 * len(rows), table)


def shares(
    name: str,
    title: str,
    categories: Sequence[str],
    series: Sequence[Series],
    *,
    colours: Sequence[int],
    description: str = "",
) -> Chart:
    """Draw a bar of 100 % per category, divided among the series, whose values are counts.

    `colours` gives each series a place in the palette, or REST.
    """
    totals = [sum(one.values[place] or 0 for one in series) for place in range(len(categories))]

    def draw(axes: Axes) -> None:
        begun = [0.0] * len(categories)
        for place, (number, one) in enumerate(zip(colours, series, strict=True)):
            widths = [100 * (value or 0) / (total or 1) for value, total in zip(one.values, totals, strict=True)]
            filled = _filled(number, place)
            axes.barh(range(len(categories)), widths, 0.76, left=begun, label=one.name, linewidth=0.4, **filled)
            begun = [left + width for left, width in zip(begun, widths, strict=True)]
        _rows_down(axes, categories, "%")
        axes.set_xlim(0, 100)
        axes.grid(axis="y", visible=False)

    columns = ["", *[part for one in series for part in (one.name, f"{one.name}, %")], "all"]
    rows = []
    for place, category in enumerate(categories):
        cells = [category]
        for one in series:
            value = one.values[place] or 0
            cells += [f"{value:,.0f}", f"{100 * value / (totals[place] or 1):.1f}"]
        rows.append((*cells, f"{totals[place]:,.0f}"))
    height = 1.05 + 0.29 * len(categories)
    return _chart(name, title, description, draw, height, (tuple(columns), rows), legend=len(series))


def radar(
    name: str, title: str, spokes: Sequence[str], series: Sequence[Series], *, measure: str, description: str = ""
) -> Chart:
    """Draw a closed polygon per series over spokes from 0 to 1 (the paper's Figure 1(d)); a gap leaves it open."""

    def draw(axes: Axes) -> None:
        angles = [2 * math.pi * place / len(spokes) for place in range(len(spokes))]
        for number, one in enumerate(series):
            values = [math.nan if value is None else value for value in one.values]
            drawn = _mark(number) | {"linestyle": DASHES[number % len(DASHES)], "label": one.name, "clip_on": False}
            axes.plot([*angles, angles[0]], [*values, values[0]], markersize=5, linewidth=1.8, **drawn)
        axes.set_xticks(angles, [_wrapped(text, 14) for text in spokes])
        axes.tick_params(axis="x", pad=8)
        # Labels lean away from the circle, so that they do not lie on it.
        for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
            aside = math.sin(angle)
            label.set_horizontalalignment("center" if abs(aside) < 0.1 else "left" if aside > 0 else "right")
        axes.set_ylim(0, 1)
        axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["0.25", "0.5", "0.75", "1"], color=MUTED, fontsize=8.5)
        # The first spoke points up and the others follow the clock, as one reads.
        axes.set_theta_zero_location("N")  # type: ignore[attr-defined]
        axes.set_theta_direction(-1)  # type: ignore[attr-defined]
        axes.spines["polar"].set_color(GRID)

    table = _table(measure, spokes, series)
    return _chart(name, title, description, draw, 5.2, table, legend=len(series), abreast=3, polar=True)


_Table: TypeAlias = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def _chart(
    name: str,
    title: str,
    description: str,
    draw: Callable[[Axes], None],
    height: float,
    table: _Table,
    *,
    legend: int = 0,
    abreast: int = 4,
    handles: Sequence[Line2D] | None = None,
    polar: bool = False,
) -> Chart:
    """Make the figure, draw on its axes, put the legend above them where it hides nothing, and write it as SVG.

    `height` is without the legend, whose entries are taken to stand `abreast` in a row.
    """
    height += 0.24 * math.ceil(legend / abreast)
    with rc_context(STYLE):  # type: ignore[arg-type]  # the stubs know each key's own type only
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.add_subplot(projection="polar" if polar else None)
        draw(axes)
        if legend > 1 or (legend == 1 and polar):
            columns = 3 if legend in {3, 5, 6} else min(4, legend)
            given, length = (axes.get_legend_handles_labels()[0], 2.4) if handles is None else (handles, 1.0)
            figure.legend(handles=given, loc="outside upper left", ncols=columns, handlelength=length)
        svg = themable_svg(figure, name, title, description or f"{title}. The numbers are in the table below.")
    return Chart(title, description, svg, table[0], tuple(table[1]))


def _colour(number: int) -> str:
    return GRID if number == REST else OKABE_ITO[number % len(OKABE_ITO)]


def _filled(colour: int, hatch: int) -> dict[str, Any]:
    """Return how a bar is filled."""
    pattern = "" if colour == REST else HATCHES[hatch % len(HATCHES)]
    return {"color": _colour(colour), "hatch": pattern, "edgecolor": PAPER}


def _mark(number: int) -> dict[str, Any]:
    """Return how the marks of a series are drawn."""
    return {"linestyle": "none", "marker": MARKERS[number % len(MARKERS)], "color": _colour(number)}


def _rows_down(axes: Axes, labels: Sequence[str], measure: str) -> None:
    """Name the rows of a chart, the first at the top, and what lies along them."""
    axes.set_yticks(range(len(labels)), list(labels))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(measure)


def _table(measure: str, categories: Sequence[str], series: Sequence[Series]) -> _Table:
    """Return columns and rows of text: a value per series, and its interval where there are any."""
    columns: list[str] = [""]
    for one in series:
        columns.append(one.name or measure)
        if one.low:
            columns.append("95 % interval")
    rows = []
    for place, category in enumerate(categories):
        cells = [category]
        for one in series:
            cells.append(_written(one.values[place]))
            if one.low:
                interval = one.interval(place)
                cells.append("" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}")
        rows.append(tuple(cells))
    return tuple(columns), rows


def _written(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) > 1 else f"{value:.3f}"


def _wrapped(text: str, width: int = 16) -> str:
    """Break a label between words, so that neighbours do not touch."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
