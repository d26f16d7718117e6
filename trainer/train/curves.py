"""OUT/curves.png and OUT/curves.html out of OUT/log.jsonl: every curve with its raw values behind a smoothed line."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import CxrError, InputError
from cxr.miner.kit.jsonl import whole_file, whole_path
from cxr.trainer.train.run_log import LOG, read_log
from cxr.trainer.train.run_record import read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PNG, HTML = "curves.png", "curves.html"

SMOOTHED = 15
"""A smoothed point is the mean of about a fifteenth of the run around it."""
MIN_POINTS = 10
"""Shorter runs are shown as they are."""


@dataclass(frozen=True)
class Curve:
    """One line of the log over the steps: `values` as logged, `smooth` the mean of those around each step."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    smooth: tuple[float, ...]
    window: int


@dataclass(frozen=True)
class Panel:
    """Curves that share an axis."""

    name: str
    title: str
    unit: str
    curves: tuple[Curve, ...]
    limits: tuple[float, float] | None = None


# Panel, title, unit of the y axis, keys of the log with the name of their curve, limits.
_PLAN: tuple[tuple[str, str, str, tuple[tuple[str, str], ...], tuple[float, float] | None], ...] = (
    ("loss", "Loss", "", (("loss", "training"), ("eval_loss", "held out")), None),
    ("token-accuracy", "Tokens predicted right", "share", (("mean_token_accuracy", "training"),), None),
    ("reward", "Sum of rewards", "", (("reward", "mean"), ("reward_std", "standard deviation in a group")), None),
    ("kl", "KL to the reference model", "nats a token", (("kl", "KL"),), None),
    ("entropy", "Entropy", "nats a token", (("entropy", "entropy"),), None),
    (
        "length",
        "Completion length",
        "tokens",
        (("completions/mean_length", "mean"), ("completions/max_length", "longest")),
        None,
    ),
    ("clipped", "Completions cut at the limit", "share", (("completions/clipped_ratio", "cut"),), (-0.03, 1.03)),
    ("equal", "Groups with equal rewards", "share", (("frac_reward_zero_std", "no signal"),), (-0.03, 1.03)),
    ("gradient", "Gradient norm before clipping", "", (("grad_norm", "norm"),), None),
    ("rate", "Learning rate", "", (("learning_rate", "rate"),), None),
    ("seconds", "Time of a step", "seconds", (("step_seconds", "step"),), None),
    ("tokens", "Speed", "tokens/s", (("tokens_per_s", "tokens/s"),), None),
    ("process", "Process reward", "share of step time", (("process_reward_share", "process reward"),), None),
)
_EXACT = frozenset({"learning_rate"})
"""Set, not measured: smoothing would only bend it."""


def panels(log: Iterable[Mapping[str, Any]]) -> tuple[Panel, ...]:
    """Return the panels that a log has data for: losses, each reward by name and its share, and what surrounds them."""
    lines = list(log)
    names = list(dict.fromkeys(key.split("/")[1] for line in lines for key in line if key.startswith("rewards/")))
    found = [_panel(lines, *planned) for planned in _PLAN]
    rewards = tuple((f"rewards/{name}/mean", name) for name in names)
    shares = tuple((f"rewards/{name}/applied", name) for name in names)
    found[2:2] = [
        _panel(lines, "rewards", "Rewards, where they apply", "mean", rewards, None),
        _panel(lines, "shares", "Samples that a reward applied to", "share", shares, (-0.03, 1.03)),
    ]
    return tuple(panel for panel in found if panel.curves)


def _panel(
    lines: Sequence[Mapping[str, Any]],
    name: str,
    title: str,
    unit: str,
    keys: Sequence[tuple[str, str]],
    limits: tuple[float, float] | None,
) -> Panel:
    curves = []
    for key, label in keys:
        points = [(int(line["step"]), float(line[key])) for line in lines if _is_number(line.get(key))]
        if points:
            steps, values = zip(*points, strict=True)
            window = 1 if key in _EXACT else window_of(len(values))
            curves.append(Curve(label, steps, values, smoothed(values, window), window))
    return Panel(name, title, unit, tuple(curves), limits)


def window_of(points: int) -> int:
    """Return how many values a smoothed one is the mean of: an odd number, 1 for a short run."""
    return 1 if points < MIN_POINTS else 2 * (max(points // SMOOTHED, 2) // 2) + 1


def smoothed(values: Sequence[float], window: int) -> tuple[float, ...]:
    """Return the mean of the `window` values around each, which does not lag; at the ends of those that there are."""
    half = window // 2
    found = []
    for place in range(len(values)):
        around = values[max(0, place - half) : place + half + 1]
        found.append(math.fsum(around) / len(around))
    return tuple(found)


def write_curves(out: Path) -> tuple[Path, ...]:
    """Draw OUT/curves.png and OUT/curves.html; give their paths, none where matplotlib is not installed.

    Raises InputError where OUT has no log of a step.
    """
    found = panels(read_log(out / LOG))
    if not found:
        raise InputError(f"{out / LOG} holds no step; expected the log of `cxr train`")
    try:
        from cxr.miner.charts import svg as chart_svg  # noqa: F401, PLC0415 - says what to install where matplotlib is missing
    except CxrError as error:
        say(f"no curves are drawn: {error}")
        return ()
    record = read_record(out)
    resumed = [int(one["step"]) for one in record.get("resumed_from", [])]
    with whole_path(out / PNG) as path:
        _png(found, resumed, path, _caption(found, resumed))
    with whole_file(out / HTML) as page:
        page.write(_html(found, resumed, record, out.resolve().name))
    return out / PNG, out / HTML


def _png(found: Sequence[Panel], resumed: Sequence[int], path: Path, caption: str) -> None:
    """Draw all panels into one light picture, three in a row."""
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from cxr.miner.charts.svg import GRID, INK, MUTED, PAPER, STYLE  # noqa: PLC0415

    shown = {INK: "#1d2329", MUTED: "#56616c", GRID: "#dde2e7", PAPER: "#ffffff"}
    style = {key: shown.get(value, value) if isinstance(value, str) else value for key, value in STYLE.items()}
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    with rc_context(style):  # type: ignore[arg-type]  # the stubs know each key's own type only
        figure = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.3), layout="constrained", facecolor="white")
        figure.get_layout_engine().set(h_pad=0.09, w_pad=0.09)  # type: ignore[union-attr, call-arg]
        for place, panel in enumerate(found, start=1):
            axes = figure.add_subplot(rows, columns, place)
            axes.set_title(panel.title)
            _draw(axes, panel, resumed, muted=shown[MUTED])
            if len(panel.curves) > 1:
                axes.legend(fontsize=8.5, handlelength=2.2, frameon=True, framealpha=0.8, edgecolor="none")
        figure.supxlabel(caption, fontsize=9, color=shown[MUTED])
        figure.savefig(path, format="png", dpi=110)


def _draw(axes: "Axes", panel: Panel, resumed: Sequence[int], *, muted: str) -> None:
    from cxr.miner.charts.figures import DASHES  # noqa: PLC0415
    from cxr.miner.charts.svg import OKABE_ITO  # noqa: PLC0415

    for step in resumed:
        axes.axvline(step, color=muted, linewidth=0.8, linestyle=":")
    for number, curve in enumerate(panel.curves):
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        if curve.window > 1:
            axes.plot(curve.steps, curve.values, color=colour, linewidth=0.7, alpha=0.4)
        dash = DASHES[number % len(DASHES)]
        axes.plot(
            curve.steps,
            curve.smooth,
            color=colour,
            linewidth=1.9,
            linestyle=dash,
            label=curve.name,
            marker="o" if len(curve.steps) < MIN_POINTS else None,
            markersize=3.5,
        )
    axes.set_xlabel("step")
    axes.set_ylabel(panel.unit)
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)


def _caption(found: Sequence[Panel], resumed: Sequence[int]) -> str:
    window = max(curve.window for panel in found for curve in panel.curves)
    parts = [] if window == 1 else ["thin: as logged", f"thick: mean of the {window} values around a step"]
    return "; ".join([*parts, "dotted: resumed from here"] if resumed else parts)


def _html(found: Sequence[Panel], resumed: Sequence[int], record: Mapping[str, Any], name: str) -> str:
    """Write a page that needs nothing else: pictures as SVG, numbers as tables, light or dark as the reader likes."""
    from cxr.miner.charts.svg import CHART_CSS  # noqa: PLC0415

    facts = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in _facts(record))
    figures = "".join(_figure(panel, resumed) for panel in found)
    title = f"Training curves of {name}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{_PAGE_CSS}{CHART_CSS}</style></head><body><main><h1>{escape(title)}</h1><dl>{facts}</dl>"
        f"<p>{escape(_caption(found, resumed))}</p><div class=panels>{figures}</div></main></body></html>\n"
    )


def _figure(panel: Panel, resumed: Sequence[int]) -> str:
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from cxr.miner.charts.svg import MUTED, STYLE, themable_svg  # noqa: PLC0415

    with rc_context(STYLE):  # type: ignore[arg-type]  # the stubs know each key's own type only
        figure = Figure(figsize=(4.7, 2.8 + 0.2 * (len(panel.curves) > 1)), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, panel, resumed, muted=MUTED)
        if len(panel.curves) > 1:
            figure.legend(loc="outside upper left", ncols=min(3, len(panel.curves)), handlelength=2.4)
        said = "; ".join(
            f"{curve.name} from {curve.smooth[0]:.4g} at step {curve.steps[0]} to {curve.smooth[-1]:.4g} at step "
            f"{curve.steps[-1]}"
            for curve in panel.curves
        )
        svg = themable_svg(figure, panel.name, panel.title, f"{panel.title}: {said}.")
    rows = "".join(
        f'<tr><th scope="row">{escape(curve.name)}</th>'
        + "".join(
            f"<td>{number:.4g}</td>"
            for number in (curve.smooth[0], curve.smooth[-1], min(curve.values), max(curve.values))
        )
        + f"<td>{len(curve.values):,}</td></tr>"
        for curve in panel.curves
    )
    head = "".join(f'<th scope="col">{word}</th>' for word in ("", "first", "last", "lowest", "highest", "points"))
    return (
        f'<figure class="chart"><figcaption>{escape(panel.title)}</figcaption>{svg}'
        f"<details><summary>Numbers</summary><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "</details></figure>"
    )


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what run.json says that one wants to see beside the curves."""
    nested = {key: record.get(key) or {} for key in ("preset", "model", "data", "versions")}
    told = [
        ("stage", record.get("stage")),
        ("preset", nested["preset"].get("name")),
        ("model", nested["model"].get("name")),
        ("data", nested["data"].get("path")),
        ("started", record.get("started")),
        ("ended", record.get("ended")),
        ("exit", record.get("exit")),
        ("steps done", record.get("steps_done")),
        ("resumed from", ", ".join(str(one["step"]) for one in record.get("resumed_from", [])) or None),
        ("versions", ", ".join(f"{key} {value}" for key, value in nested["versions"].items()) or None),
    ]
    return [(key, str(value)) for key, value in told if value is not None]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_PAGE_CSS = """
:root { color-scheme: light dark; }
body { margin: 0; background: light-dark(#ffffff, #171c21); color: light-dark(#1d2329, #e8ecf1);
  font: 16px/1.5 system-ui, "Segoe UI", sans-serif; }
main { max-width: 78rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
dt { color: light-dark(#56616c, #a3afba); } dd { margin: 0; overflow-wrap: anywhere; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .1rem .6rem; text-align: right; } th[scope=row] { text-align: left; }
@media print { :root { color-scheme: light; } }
"""
