"""What a model in training is asked every so many steps: the same held-out samples each time, and their scores."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import polars as pl

from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.export import NOTE
from cxr.miner.images.pictures import Picture
from cxr.miner.kit.console import say
from cxr.miner.kit.errors import InputError, MiningReject
from cxr.prompts.instructions import PAPER, Instructions
from cxr.trainer.evaluate.judging import Scored, Work, score_prediction
from cxr.trainer.predict.fit import fit_of
from cxr.trainer.predict.samples import Predicted, Request, ShownSample
from cxr.trainer.reward.process import ProcessReward
from cxr.trainer.reward.rewards import rules_judge
from cxr.trainer.train.data import TrainingExport, asked_to_reason
from cxr.trainer.train.pictures import what_is_wrong
from cxr.trainer.train.settings import NOBODY, GRPOSettings, TrainSettings, read_preset

SPLIT = "validate"
OF_REASONING = ("factuality", "completeness", "effectiveness", "radrscore", "process")
"""Measures of reasoning samples; accuracy is one of all samples."""

Row = dict[str, Any]
_JUDGED_WITH = ("answer", "answer_findings", "options", "report", "reference")
_COLUMNS = ("sample_id", "mode", "task", "corpus", "licence", "images", "prompt", *_JUDGED_WITH)
_ABOUT = ("sample_id", "mode", "task", "corpus", "licence")


@dataclass(frozen=True)
class HeldOut:
    """Held-out samples in the order in which they are asked, and those that cannot be."""

    rows: tuple[Row, ...]
    left_out: Mapping[str, str]
    """Samples whose images cannot be used, with the reason."""
    longest: int | None
    """Tokens of the longest reference completion, where the export has completions."""
    instructions: Instructions = PAPER
    """How the export asks."""

    def requests(self, index: int = 0, processes: int = 1) -> list[Request]:
        """Return what one of several processes asks: together they ask everything once."""
        return [_request(row, self.instructions) for row in self.rows[index::processes]]


def find_held_out(
    source: TrainingExport, settings: TrainSettings, preset: str, processor: Any, *, is_first: bool = True
) -> HeldOut | None:
    """Return what is validated on; None where nothing is asked for, or where a preset asks and the export has none.

    Raises InputError where the user asks and the export has none, or none that can be used.
    """
    if not settings.eval_steps:
        return None
    if not source.paths(SPLIT):
        lacks = f"{source.folder} has no samples of split {SPLIT}"
        if settings.eval_steps != read_preset(preset).get(settings.short_stage(), {}).get("eval_steps"):
            raise InputError(
                f"{lacks}, which eval_steps={settings.eval_steps} asks; export a benchmark that has some (`cxr bench "
                f"compile --target {SPLIT}.reasoning=...`), or train with --set eval_steps=0"
            )
        if is_first:
            say(f"{lacks}: the run goes without validation")
        return None
    held_out = load_held_out(source, settings, processor)
    if is_first and held_out.left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in Counter(held_out.left_out.values()).items())
        say(f"{len(held_out.left_out):,} held-out samples are left out for their images: {reasons}")
    return held_out


def load_held_out(source: TrainingExport, settings: TrainSettings, processor: Any) -> HeldOut:
    """Return `eval_samples` samples of the split `validate`, spread over tasks and modes; the same for a seed.

    All their images are decoded once: what cannot be used is left out. Raises InputError where the split has none of
    the run's modes, none with a usable image, or is of an export that does not say what is judged.
    """
    paths = source.paths(SPLIT)
    index = pl.concat([pl.read_parquet(path, columns=["sample_id", "mode", "task"]) for path in paths])
    index = index.filter(pl.col("mode").is_in([str(mode) for mode in settings.modes])).unique("sample_id")
    if index.is_empty():
        raise InputError(
            f"{source.folder} has no {' or '.join(settings.modes)} samples of split {SPLIT}; see its {NOTE}, or train "
            "with --set eval_steps=0"
        )
    known = pl.read_parquet_schema(paths[0])
    lacking = [name for name in _JUDGED_WITH if name not in known]
    if lacking:
        raise InputError(
            f"{source.folder} has no column {lacking[0]}, which held-out completions are judged with (an export of an "
            "earlier version has none); export again, or train with --set eval_steps=0"
        )
    chosen = spread(index, settings.eval_samples, settings.seed)
    columns = [name for name in (*_COLUMNS, "completion") if name in known]
    wanted = [pl.scan_parquet(path).filter(pl.col("sample_id").is_in(chosen)).select(columns) for path in paths]
    frames = [frame.collect(engine="streaming") for frame in wanted]
    found = {row["sample_id"]: row for row in pl.concat(frames).iter_rows(named=True)}
    rows = [_as_asked(found[name], settings, source.instructions) for name in chosen]
    fit = fit_of(processor, settings.image_side)
    wrong = {row["sample_id"]: what_is_wrong(_pictures(row), fit) for row in rows}
    left_out = {name: str(reason) for name, reason in wrong.items() if reason is not None}
    if len(left_out) == len(rows):
        raise InputError(
            f"none of the {len(rows):,} chosen samples of split {SPLIT} has images that can be used (the first: "
            f"{rows[0]['sample_id']}, {left_out[rows[0]['sample_id']]}); export again, or --set eval_steps=0"
        )
    usable = tuple(row for row in rows if row["sample_id"] not in left_out)
    _demand_measured(usable, settings)
    written = [row["completion"][-1]["content"] for row in usable if "completion" in row]
    lengths = [len(ids) for ids in processor.tokenizer(written)["input_ids"]] if written else []
    return HeldOut(usable, left_out, max(lengths, default=None), source.instructions)


def _demand_measured(rows: Sequence[Row], settings: TrainSettings) -> None:
    """Raise InputError where what the best checkpoint is to be the best by would never be measured."""
    lacks = None
    if settings.best != "accuracy" and not any(row["report"] for row in rows):
        lacks = "no held-out sample has a reasoning to compare with"
    elif settings.best == "process" and isinstance(settings, GRPOSettings) and settings.process_reward == NOBODY:
        lacks = "the run has no process reward"
    if lacks is not None:
        raise InputError(f"best={settings.best} cannot be measured: {lacks}; give --set best=accuracy")


def spread(index: pl.DataFrame, count: int, seed: int) -> list[str]:
    """Return the ids of `count` samples, drawn in turn from each mode, and there from each task; or all.

    `index` has `sample_id`, `mode` and `task`, each sample once.
    """
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated, no secret
    of_modes: dict[str, list[list[str]]] = {}
    for (mode, _), group in sorted(index.group_by("mode", "task"), key=lambda item: tuple(map(str, item[0]))):
        names = sorted(group["sample_id"].to_list())
        draw.shuffle(names)
        of_modes.setdefault(str(mode), []).append(names)
    return _in_turn([_in_turn(of_tasks) for of_tasks in of_modes.values()])[:count]


def _in_turn(groups: Sequence[Sequence[str]]) -> list[str]:
    """Return the first of each group, then the second of each, and so on."""
    return [name for row in zip_longest(*groups) for name in row if name is not None]


def score_rows(
    rows: Mapping[str, Row], made: Sequence[Predicted], process: ProcessReward | None
) -> tuple[list[Row], list[str]]:
    """Return each completion with its scores, and the ids of samples without one.

    Answers and RadRScore are read and judged as `cxr evaluate` does it, by the rules; `process` is the process reward.
    """
    said = [one for one in made if one.text is not None]
    asked = [rows[one.sample_id] for one in said]
    values: Sequence[float | None] = [None] * len(said)
    if process is not None and said:
        names = ("mode", "report", "reference", "sample_id", "licence")
        judged: Callable[..., Sequence[float | None]] = process
        values = judged([one.text or "" for one in said], **{name: [row[name] for row in asked] for name in names})
    scored = [
        {
            **{name: row[name] for name in _ABOUT},
            "completion": one.text,
            "finish": one.finish,
            **_scores(row, one.text or ""),
            "process": value,
        }
        for row, one, value in zip(asked, said, values, strict=True)
    ]
    return scored, [one.sample_id for one in made if one.text is None]


def measures_of(scored: Sequence[Row]) -> tuple[dict[str, float], dict[str, int]]:
    """Return the means of scored completions, and of how many each is one.

    `accuracy` is of all, `accuracy/<mode>` and `accuracy/<mode>/<task>` of a part; the others are of reasonings.
    """
    values: dict[str, list[float]] = {}
    for row in scored:
        mode, task = row["mode"], row["task"]
        for name in ("accuracy", f"accuracy/{mode}", f"accuracy/{mode}/{task}"):
            values.setdefault(name, []).append(row["accuracy"])
        for name in OF_REASONING:
            if row[name] is not None:
                values.setdefault(name, []).append(row[name])
    names = sorted(values, key=lambda name: (not name.startswith("accuracy"), name))
    return {name: sum(values[name]) / len(values[name]) for name in names}, {name: len(values[name]) for name in names}


def _scores(row: Row, text: str) -> Row:
    scored = _judged(row, text)
    accuracy = scored.finding_f1 if scored.correct is None else scored.correct
    told = {name: getattr(scored, name) for name in OF_REASONING if name != "process"}
    return {"accuracy": accuracy or 0.0, **told}


def _judged(row: Row, text: str) -> Scored:
    """Score a completion; one that cannot be judged is scored by its answer alone."""
    work = Work(
        *(row["sample_id"], row["sample_id"], row["licence"], text, row["task"]),
        options=tuple(row["options"] or ()),
        answer=row["answer"],
        answer_findings=tuple(row["answer_findings"] or ()),
        reference=row["reference"] or None,
        report=row["report"] or None,
        question=_turn(row),
    )
    try:
        return score_prediction(work, rules_judge())
    except MiningReject as reject:
        why = str(reject.reason)
    except Exception as error:  # noqa: BLE001 - days of training must not end for one odd completion
        why = type(error).__name__
    say(f"{row['sample_id']}: a held-out reasoning is not judged ({why}); it has no RadRScore")
    return score_prediction(work._replace(reference=None, report=None), rules_judge())


def _as_asked(row: Row, settings: TrainSettings, instructions: Instructions) -> Row:
    """Return a row as the run asks it: with no images, or to reason, where its training rows are."""
    if not row["reference"]:
        row = {**row, "report": None}  # there is nothing to compare a reasoning with
    if settings.images == "none":
        row = {**row, "images": []}
    if isinstance(settings, GRPOSettings) and settings.ask == "reasoning":
        row = {**row, **asked_to_reason(row, instructions)}
    return row


def _turn(row: Row) -> str:
    """Return the user's turn, which holds the question."""
    return next(str(turn["content"]) for turn in row["prompt"] if turn["role"] == "user")


def _request(row: Row, instructions: Instructions) -> Request:
    mode = Mode(row["mode"])
    told = (row["sample_id"], mode, row["task"], row["corpus"], row["licence"])
    question = instructions.question_of(_turn(row), mode)
    return Request(ShownSample(*told, question=question, images=tuple(_pictures(row))), mode, instructions)


def _pictures(row: Row) -> list[Picture]:
    images: Iterable[Mapping[str, Any]] = row["images"] or ()
    return [image["bytes"] if image["bytes"] is not None else str(image["path"]) for image in images]
