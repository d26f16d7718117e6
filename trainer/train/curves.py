"""OUT/curves.png out of OUT/log.jsonl: every curve with its raw values behind a smoothed line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import CxrError, InputError
from cxr.miner.kit.files import whole_path
from cxr.trainer.train.run_record import LOG, read_log, read_record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PNG = "curves.png"

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


_SHARE = "share"
"""The unit of what lies between 0 and 1, and is drawn so."""
# Panel, title, unit of the y axis, keys of the log with the name of their curve.
_BEFORE_REWARDS = (
    ("loss", "Loss", "", {"loss": "training"}),
    ("token-accuracy", "Tokens predicted right", "share of tokens", {"mean_token_accuracy": "training"}),
)
_AFTER_REWARDS = (
    ("reward", "Sum of rewards", "", {"reward": "mean", "reward_std": "standard deviation in a group"}),
    ("says", "What reasoning says", _SHARE,
     {f"completions/reasoning/{name}": name
      for name in ("factuality", "completeness", "stated", "unmentioned", "contradicted", "silent")}),
    ("findings", "Findings of a reasoning", "", {"completions/reasoning/findings": "findings"}),
    ("kl", "KL to the reference model", "nats a token", {"kl": "KL"}),
    ("entropy", "Entropy", "nats a token", {"entropy": "entropy"}),
    ("length", "Completion length", "tokens",
     {"completions/mean_length": "mean", "completions/max_length": "longest"}),
    ("clipped", "Completions cut at the limit", _SHARE, {"completions/clipped_ratio": "cut"}),
    ("equal", "Groups with equal rewards", _SHARE,
     {"frac_reward_zero_std": "no signal", "groups/resampled": "answered again"}),
    ("wrong", "Wrong sentences", _SHARE,
     {"credit/wrong_completions": "of completions", "credit/wrong_tokens": "of tokens"}),
    ("gradient", "Gradient norm before clipping", "", {"grad_norm": "norm"}),
    ("rate", "Learning rate", "", {"learning_rate": "rate"}),
    ("seconds", "Time of a step", "seconds", {"step_seconds": "step"}),
    ("tokens", "Speed", "tokens/s", {"tokens_per_s": "tokens/s"}),
    ("process", "Process reward", "share of step time", {"process_reward_share": "process reward"}),
)  # fmt: skip
_EXACT = frozenset({"learning_rate"})
"""Set, not measured: smoothing would only bend it."""


def panels(lines: Sequence[Mapping[str, Any]]) -> tuple[Panel, ...]:
    """Return the panels that a log has data for: losses, each reward by name and its share, and what surrounds them."""
    names = list(dict.fromkeys(key.split("/")[1] for line in lines for key in line if key.startswith("rewards/")))
    means = {f"rewards/{name}/mean": name for name in names}
    shares = {f"rewards/{name}/applied": name for name in names}
    planned = (
        *_BEFORE_REWARDS,
        ("rewards", "Rewards, where they apply", "mean", means),
        ("shares", "Samples that a reward applied to", _SHARE, shares),
        *_AFTER_REWARDS,
    )
    found = (Panel(name, title, unit, _curves(lines, keys)) for name, title, unit, keys in planned)
    return tuple(panel for panel in found if panel.curves)


def _curves(lines: Sequence[Mapping[str, Any]], keys: Mapping[str, str]) -> tuple[Curve, ...]:
    curves = []
    for key, label in keys.items():
        points = [(int(line["step"]), float(line[key])) for line in lines if _is_number(line.get(key))]
        if points:
            steps, values = zip(*points, strict=True)
            window = 1 if key in _EXACT else window_of(len(values))
            curves.append(Curve(label, steps, values, smoothed(values, window), window))
    return tuple(curves)


def window_of(points: int) -> int:
    """Return how many values a smoothed one is the mean of: an odd number, 1 for a short run."""
    return 1 if points < MIN_POINTS else 2 * (max(points // SMOOTHED, 2) // 2) + 1


def smoothed(values: Sequence[float], window: int) -> tuple[float, ...]:
    """Return the mean of the `window` values around each, which does not lag; at the ends of those that there are."""
    return tuple(pl.Series(values, dtype=pl.Float64).rolling_mean(window, center=True, min_samples=1))


def write_curves(out: Path) -> Path | None:
    """Draw OUT/curves.png; return its path, None where matplotlib is not installed.

    Raises InputError where OUT has no log of a step.
    """
    found = panels(read_log(out / LOG))
    if not found:
        raise InputError(f"{out / LOG} holds no step; expected the log of `cxr train`")
    try:
        from cxr.miner.charts import svg  # noqa: F401, PLC0415 - says what to install where matplotlib is missing
    except CxrError as error:
        say(f"no curves are drawn: {error}")
        return None
    resumed = [int(one["step"]) for one in read_record(out).get("resumed_from", [])]
    with whole_path(out / PNG) as path:
        _draw(found, resumed, path)
    return out / PNG


def _draw(found: Sequence[Panel], resumed: Sequence[int], path: Path) -> None:
    """Draw all panels into one light picture, three in a row."""
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from cxr.miner.charts.svg import GRID, INK, MUTED, PAPER, STYLE  # noqa: PLC0415

    shown = {INK: "#1d2329", MUTED: "#56616c", GRID: "#dde2e7", PAPER: "#ffffff"}
    style = {key: shown.get(value, value) if isinstance(value, str) else value for key, value in STYLE.items()}
    columns = min(3, len(found))
    rows = math.ceil(len(found) / columns)
    with rc_context(style):  # type: ignore[arg-type]  # the stubs know each key's own type only
        # Places are given: matplotlib's own layouts draw everything twice more to find them.
        high = 2.9 * rows + 0.3
        figure = Figure(figsize=(4.6 * columns, high), facecolor="white")
        figure.subplots_adjust(
            left=0.75 / (4.6 * columns), right=0.99, bottom=0.8 / high, top=1 - 0.3 / high, wspace=0.25, hspace=0.42
        )
        for place, panel in enumerate(found, start=1):
            axes = figure.add_subplot(rows, columns, place, title=panel.title, xlabel="step", ylabel=panel.unit)
            for step in resumed:
                axes.axvline(step, color=shown[MUTED], linewidth=0.8, linestyle=":")
            _draw_curves(axes, panel)
        figure.supxlabel(_caption(found, resumed), y=0.1 / high, fontsize=9, color=shown[MUTED])
        figure.savefig(path, format="png", dpi=110)


def _draw_curves(axes: "Axes", panel: Panel) -> None:
    from cxr.miner.charts.figures import DASHES  # noqa: PLC0415
    from cxr.miner.charts.svg import OKABE_ITO  # noqa: PLC0415

    for number, curve in enumerate(panel.curves):
        colour, dash = OKABE_ITO[number % len(OKABE_ITO)], DASHES[number % len(DASHES)]
        if curve.window > 1:
            axes.plot(curve.steps, curve.values, color=colour, linewidth=0.7, alpha=0.4)
        dots: dict[str, Any] = {"marker": "o", "markersize": 3.5} if len(curve.steps) < MIN_POINTS else {}
        axes.plot(curve.steps, curve.smooth, color=colour, linewidth=1.9, linestyle=dash, label=curve.name, **dots)
    if panel.unit == _SHARE:
        axes.set_ylim(-0.03, 1.03)
    if len(panel.curves) > 1:
        axes.legend(fontsize=8.5, handlelength=2.2, frameon=True, framealpha=0.8, edgecolor="none")


def _caption(found: Sequence[Panel], resumed: Sequence[int]) -> str:
    window = max(curve.window for panel in found for curve in panel.curves)
    parts = [] if window == 1 else ["thin: as logged", f"thick: mean of the {window} values around a step"]
    return "; ".join([*parts, "dotted: resumed from here"] if resumed else parts)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
