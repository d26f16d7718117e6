"""What readers' reviews say: means and the gate, agreement between readers, each with themselves, and their time.

Means and the gate are of the reviews that count (`counted_reviews`); agreement is between first readings, also where a
third reader has settled it since. Intervals are by bootstrap over patients.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import polars as pl

from cxr.miner.kit.sql import read_sql
from cxr.miner.score.settings import MIN_REVIEW
from cxr.miner.stats.reliability import (
    Drawing,
    Level,
    intraclass,
    krippendorff_alpha,
    limits_of_agreement,
    retest,
    weighted_kappa,
)
from cxr.miner.stats.resampling import Estimate, Floats, Integers
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Verdict

_SQL = read_sql("cxr.miner.score")

AXES = ("factuality", "validity", "completeness")
PAPER = (7.83, 7.25, 7.97)
"""Mean scores of the radiologists in the paper, by axis, before anything was left out (its figure 2c)."""
FIRST, REPEAT = "first", "repeat"
STEP_ORDER = ("right", "unnecessary", "wrong")
"""A step that is not needed is nearer to a right one than a wrong one is."""
VERDICT_ORDER = (
    *(Verdict.SUPPORTED, Verdict.UNMENTIONED_NORMAL, Verdict.NOT_ASSESSABLE),
    *(Verdict.UNMENTIONED_ABNORMAL, Verdict.CONTRADICTED),
)
"""From what the report says to what it denies: a verdict's neighbour is its nearest mistake."""


class ReviewTable(NamedTuple):
    """Rows under named columns, for a terminal or a page."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def review_tables(store: Store, drawing: Drawing, *, crossed: bool = False) -> list[ReviewTable]:
    """Return what the reviews of a store say, a table per subject that has rows.

    Groups are all chains, each task and each engine, and with `crossed` each task of each engine too.
    """
    read = store.frame(_SQL["readings"])
    counted = store.frame(_SQL["counted_readings"])
    findings = store.frame(_SQL["finding_readings"])
    first = read.filter((pl.col("round") == FIRST) & ~pl.col("cannot_judge"))
    made = [
        _means(counted, drawing, crossed=crossed),
        _gate(counted, crossed=crossed),
        _agreement(first, drawing, crossed=crossed),
        _pairs(first, drawing),
        _retests(read, drawing),
        _marks(first),
        _kappas(first, findings, drawing),
        _times(read, findings),
    ]
    return [table for table in made if table.rows]


def review_notes(store: Store) -> list[str]:
    """Return a sentence on each kind of review that counts nowhere."""
    ((stale, unable),) = store.rows(
        "select (select count(*) from reviews) - (select count(*) from fresh_reviews), "
        "(select count(*) from fresh_reviews where cannot_judge)"
    )
    said = []
    if stale:
        said.append(f"{stale:,} reviews are of chains that were renewed or are gone, and do not count")
    if unable:
        said.append(f"{unable:,} times a reader could not judge a chain; nothing is counted for it")
    return said


def gate_removes(frame: pl.DataFrame, least: float = MIN_REVIEW) -> tuple[int, int]:
    """Return how many chains of a frame of reviews there are, and on how many somebody is below `least`."""
    below = frame.filter(pl.min_horizontal(AXES) < least)
    return frame["chain_id"].n_unique(), below["chain_id"].n_unique()


def _means(counted: pl.DataFrame, drawing: Drawing, *, crossed: bool) -> ReviewTable:
    rows: list[tuple[object, ...]] = []
    for name, group in _groups(counted, crossed=crossed):
        chains = group.group_by("chain_id", "patient", maintain_order=True).agg(pl.col(AXES).mean())
        patients = _numbers(chains["patient"])
        means = [
            drawing.named("mean", name, axis).mean(chains[axis].to_numpy().astype(np.float64), patients)
            for axis in AXES
        ]
        rows.append((name, chains.height, group.height, *map(written, means)))
    if rows:
        rows.append(("the paper's radiologists", None, None, *(f"{mean:.2f}" for mean in PAPER)))
    columns = ("scores from -10 to 10", "chains", "reviews", *AXES)
    return ReviewTable("Readers' mean scores (95 % interval by patient)", columns, tuple(rows))


def _gate(counted: pl.DataFrame, *, crossed: bool) -> ReviewTable:
    rows: list[tuple[object, ...]] = []
    for name, group in _groups(counted, crossed=crossed):
        chains, removed = gate_removes(group)
        below = (group.filter(pl.col(axis) < MIN_REVIEW)["chain_id"].n_unique() for axis in AXES)
        rows.append((name, chains, *below, removed, removed / chains))
    columns = ("", "chains", *(f"{axis} below" for axis in AXES), "removed", "share removed")
    return ReviewTable(f"What the gate at {MIN_REVIEW:g} on every axis removes", columns, tuple(rows))


def _agreement(first: pl.DataFrame, drawing: Drawing, *, crossed: bool) -> ReviewTable:
    rows: list[tuple[object, ...]] = []
    shared = _shared(first)
    for name, group in _groups(shared, crossed=crossed):
        for axis in AXES:
            ratings, patients = _ratings(group, axis)
            alphas = [
                krippendorff_alpha(ratings, level, patients, drawing.named("alpha", level, name, axis))
                for level in Level
            ]
            icc = intraclass(ratings, patients, drawing.named("icc", name, axis))
            rows.append(
                (name, axis, len(ratings), *map(written, alphas), icc.items, *map(written, (icc.single, icc.average)))
            )
    columns = (
        *("", "axis", "chains that two read", "alpha, interval", "alpha, ordinal", "that all read"),
        *("ICC(2,1)", "ICC(2,k)"),
    )
    return ReviewTable("Agreement between readers (95 % interval by patient)", columns, tuple(rows))


def _pairs(first: pl.DataFrame, drawing: Drawing) -> ReviewTable:
    """Return Bland and Altman's limits of every two readers, and their ICC, which takes chains that both scored."""
    rows: list[tuple[object, ...]] = []
    for one, two in combinations(_readers(first), 2):
        both = _shared(first.filter(pl.col("reviewer").is_in([one, two])))
        if both.is_empty():
            continue
        pair = f"{two} less {one}"
        for axis in AXES:
            ratings, patients = _ratings(both, axis)
            found = limits_of_agreement(ratings[:, 0], ratings[:, 1], patients, drawing.named("limits", pair, axis))
            icc = intraclass(ratings, patients, drawing.named("icc", pair, axis))
            limits = (found.difference, found.low, found.high)
            rows.append((pair, axis, found.items, *map(written, (*limits, icc.single, icc.average))))
    columns = (
        *("readers", "axis", "chains", "mean difference", "lower limit", "upper limit"),
        *("ICC(2,1)", "ICC(2,2)"),
    )
    return ReviewTable("How far two readers lie apart (95 % limits of agreement)", columns, tuple(rows))


def _retests(read: pl.DataFrame, drawing: Drawing) -> ReviewTable:
    rows: list[tuple[object, ...]] = []
    judged = read.filter(~pl.col("cannot_judge"))
    keys = ["chain_id", "reviewer", "patient"]
    sides = [
        judged.filter(pl.col("round") == name).unique(keys, keep="last", maintain_order=True)
        for name in (FIRST, REPEAT)
    ]
    twice = sides[0].join(sides[1], on=keys, suffix="_again", maintain_order="left")
    names = _readers(twice)
    for reader in (*names, "all") if len(names) > 1 else names:
        own = twice if reader == "all" else twice.filter(pl.col("reviewer") == reader)
        for axis in AXES:
            before, after = (own[name].to_numpy().astype(np.float64) for name in (axis, f"{axis}_again"))
            found = retest(before, after, _numbers(own["patient"]), drawing.named("retest", reader, axis))
            limits = (found.limits.difference, found.limits.low, found.limits.high)
            rows.append((reader, axis, found.items, *map(written, (found.same, *limits, found.alpha))))
    columns = (
        *("reader", "axis", "read twice", "same score", "mean difference", "lower limit", "upper limit"),
        "alpha, interval",
    )
    return ReviewTable("Each reader with themselves (the second reading less the first)", columns, tuple(rows))


def _marks(first: pl.DataFrame) -> ReviewTable:
    """Return how often steps were marked how, by engine, and which attribute was wrong."""
    marked = _marked(first)
    rows: list[tuple[object, ...]] = []
    for engine in marked["engine"].unique().sort():
        own = marked.filter(pl.col("engine") == engine)
        for verdict in STEP_ORDER:
            those = own.filter(pl.col("verdict") == verdict)
            wrong = (
                those["attribute"]
                .drop_nulls()
                .value_counts(sort=True, name="n")
                .sort("n", "attribute", descending=[True, False])
            )
            what = ", ".join(f"{name} {count}" for name, count in wrong.rows())
            rows.append((engine, verdict, those.height, those.height / own.height, what))
    return ReviewTable("Steps, as readers marked them", ("engine", "verdict", "marks", "share", "what"), tuple(rows))


def _kappas(first: pl.DataFrame, findings: pl.DataFrame, drawing: Drawing) -> ReviewTable:
    steps = _marked(first).with_columns(pl.concat_str("chain_id", "step_no", separator="/").alias("item_id"))
    rows: list[tuple[object, ...]] = []
    for what, frame, order in (
        ("steps", steps, STEP_ORDER),
        ("findings", findings.filter(pl.col("round") == FIRST), VERDICT_ORDER),
    ):
        given = frame.unique(["item_id", "reviewer"], keep="last", maintain_order=True)
        for one, two in combinations(_readers(given), 2):
            sides = [given.filter(pl.col("reviewer") == name) for name in (one, two)]
            both = sides[0].join(sides[1], on="item_id", suffix="_too", maintain_order="left")
            if both.height:
                verdicts = both["verdict"].to_list(), both["verdict_too"].to_list()
                patients = _numbers(both["patient"])
                kappa = weighted_kappa(*verdicts, order, patients, drawing.named("kappa", what, one, two))
                same = float((both["verdict"] == both["verdict_too"]).mean())  # type: ignore[arg-type]
                rows.append((what, f"{one}, {two}", both.height, same, written(kappa)))
    columns = ("verdicts on", "readers", "judged by both", "same", "kappa, linear weights")
    return ReviewTable("Agreement on verdicts (95 % interval by patient)", columns, tuple(rows))


def _times(read: pl.DataFrame, findings: pl.DataFrame) -> ReviewTable:
    rows: list[tuple[object, ...]] = []
    for what, frame in (("chain", read), ("finding", findings)):
        timed = frame.filter(pl.col("seconds") > 0)
        for (reader, round_), own in timed.group_by("reviewer", "round", maintain_order=True):
            spent = own["seconds"]
            quartiles = [spent.quantile(share, "linear") for share in (0.25, 0.5, 0.75)]
            rows.append((reader, what, round_, own.height, *quartiles, float(spent.sum()) / 3600))
    rows.sort(key=lambda row: tuple(map(str, row[:3])))
    columns = (
        "reader",
        "item",
        "round",
        "reviews",
        "a quarter below (s)",
        "median (s)",
        "a quarter above (s)",
        "hours",
    )
    return ReviewTable("Time per item, while the page was looked at", columns, tuple(rows))


def _groups(frame: pl.DataFrame, *, crossed: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Give all rows, then those of each task and of each engine where there are several."""
    if frame.is_empty():
        return
    yield "all", frame
    several = [key for key in ("task", "engine") if frame[key].n_unique() > 1]
    for key in several:
        for value in frame[key].unique().sort():
            yield str(value), frame.filter(pl.col(key) == value)
    if crossed and len(several) > 1:
        for task, engine in frame.select("task", "engine").unique().sort("task", "engine").rows():
            yield f"{task}, {engine}", frame.filter((pl.col("task") == task) & (pl.col("engine") == engine))


def _shared(first: pl.DataFrame) -> pl.DataFrame:
    """Return the first readings of chains that two readers or more have read."""
    return first.filter(pl.col("reviewer").n_unique().over("chain_id") > 1)


def _ratings(frame: pl.DataFrame, axis: str) -> tuple[Floats, Integers]:
    """Return an axis as chains x readers, and the patient of each chain."""
    wide = frame.pivot("reviewer", index=["chain_id", "patient"], values=axis, aggregate_function="last")
    return wide.select(_readers(frame)).to_numpy().astype(np.float64), _numbers(wide["patient"])


def _marked(first: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each step that a reader marked."""
    chosen = first.filter(pl.col("marks").list.len() > 0)
    return chosen.select("chain_id", "reviewer", "engine", "patient", "marks").explode("marks").unnest("marks")


def _readers(frame: pl.DataFrame) -> list[str]:
    return [str(name) for name in frame["reviewer"].unique().sort()]


def _numbers(patients: pl.Series) -> Integers:
    return patients.rank("dense").to_numpy().astype(np.int64) - 1


def written(found: Estimate) -> str:
    """Return an estimate with its interval as text."""
    if found.value is None:
        return ""
    ends = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.value:.2f}{ends}"
