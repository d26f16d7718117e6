"""The samples of a benchmark or an export, and what a model is asked about each of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.export import NOTE
from cxr.miner.export.registry import FORMATS
from cxr.miner.export.rows import Benchmark
from cxr.miner.images.pictures import Picture
from cxr.miner.kit.errors import InputError
from cxr.prompts.instructions import PAPER, Instructions, recorded_instructions
from cxr.schemas.prediction import Prediction
from cxr.trainer.predict.settings import PredictSettings

_COLUMNS = ("sample_id", "mode", "task", "corpus", "licence", "images")


@dataclass(frozen=True)
class ShownSample:
    """One sample of a benchmark, as far as a model may see it."""

    sample_id: str
    mode: Mode
    task: str
    corpus: str
    licence: str
    question: str
    images: tuple[Picture, ...]


@dataclass(frozen=True)
class Request:
    """A sample, and how the model is asked about it."""

    sample: ShownSample
    mode: Mode
    instructions: Instructions = PAPER

    @property
    def key(self) -> tuple[str, str]:
        """What tells this request from all others of a benchmark."""
        return self.sample.sample_id, str(self.mode)

    @property
    def text(self) -> str:
        """The user's turn: the question and the instruction."""
        return self.instructions.ask(self.sample.question, self.mode)

    def predicted(self, model: str, benchmark: str | None, **said: Any) -> "Predicted":
        """Return what a model of this name wrote (`text`), or why it wrote nothing (`error`)."""
        return Predicted(sample_id=self.sample.sample_id, model=model, mode=str(self.mode), benchmark=benchmark, **said)


class Predicted(Prediction):
    """A prediction, and how its writing ended."""

    finish: str | None = None
    """`stop`, or `length` where the model was still writing at the limit; null without a text."""
    tokens: int | None = None


@dataclass(frozen=True)
class SampleSource:
    """A folder of samples: a benchmark, or an export of one for training."""

    folder: Path
    name: str
    fingerprint: str
    licence: str
    benchmark: Benchmark | None
    """None for an export."""
    files: tuple[Path, ...]
    instructions: Instructions = PAPER
    """How the prompts of an export ask."""

    @classmethod
    def open(cls, folder: Path) -> "SampleSource":
        """Read what the folder says of itself; raises InputError where it is neither a benchmark nor an export."""
        if (folder / NOTE).is_file():
            return _export(folder)
        benchmark = Benchmark.open(folder)
        about = benchmark.manifest
        files = tuple(folder / name for name in about.files if name.endswith(".parquet"))
        return cls(folder, about.name, about.fingerprint, about.licence, benchmark, files)

    def of_split(self, split: str) -> list[Path]:
        """Return the files of a split, in order."""
        if self.benchmark is not None:
            return [path for mode in Mode for path in self.benchmark.files(split, mode)]
        return sorted(path for path in self.files if path.name.startswith(f"{split}-"))


def _export(folder: Path) -> SampleSource:
    try:
        told = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except ValueError:
        told = {"unfinished": True}
    if told.get("unfinished"):
        raise InputError(f"{folder} is an export that was not finished; export again with --existing replace")
    if FORMATS.open(told["format"]).stage is None:
        raise InputError(f"{folder} is an export for {told['format']}; expected a benchmark, or an export sft or grpo")
    files = tuple(folder / name for name in told["files"])
    if missing := [path.name for path in files if not path.is_file()]:
        raise InputError(f"{folder} lacks {missing[0]}, which its {NOTE} names; export again with --existing replace")
    name, fingerprint, licence = (str(told[key]) for key in ("benchmark", "fingerprint", "licence"))
    return SampleSource(folder, name, fingerprint, licence, None, files, recorded_instructions(told))


def read_samples(source: SampleSource, settings: PredictSettings) -> list[ShownSample]:
    """Return the samples that the settings choose, in the benchmark's order; raises InputError where there are none.

    Samples are shuffled when a benchmark is compiled, so the first ones of a limit are a fair sample of each mode.
    An export may hold a sample more than once: it is given once.
    """
    frames = [_read(path) for path in source.of_split(settings.split)]
    found = pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=dict.fromkeys(_COLUMNS, pl.String))
    if settings.samples is not None:
        found = found.filter(pl.col("mode") == str(settings.samples))
    if settings.tasks is not None:
        found = found.filter(pl.col("task").is_in([str(task) for task in settings.tasks]))
    if found.is_empty():
        raise InputError(f"{source.folder} has no samples of {_asked_for(settings)}; {_what_there_is(source)}")
    chosen = _fair(found.unique("sample_id", keep="first", maintain_order=True), settings.limit)
    return [_sample(row, settings.image_roots, source.instructions) for row in chosen.iter_rows(named=True)]


def _fair(found: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    """Return the first samples of each mode in its share, all of them in their order without a limit."""
    if limit is None or limit >= found.height:
        return found
    place = (pl.int_range(pl.len()).over("mode") + 0.5) / pl.len().over("mode")
    order = found.select(place=place).with_row_index("row").sort("place", maintain_order=True)["row"]
    return found[order.head(limit).sort()]


def requests_of(
    samples: Iterable[ShownSample], settings: PredictSettings, instructions: Instructions = PAPER
) -> list[Request]:
    """Return what is asked about each sample, in order: once, or with mode `both` with reasoning and without."""
    return [Request(sample, mode, instructions) for sample in samples for mode in _modes(sample, settings)]


def _modes(sample: ShownSample, settings: PredictSettings) -> tuple[Mode, ...]:
    if settings.mode == "own":
        return (sample.mode,)
    return tuple(Mode) if settings.mode == "both" else (Mode(settings.mode),)


def _read(path: Path) -> pl.DataFrame:
    try:
        names = pl.read_parquet_schema(path)
        wanted = [*_COLUMNS, "question" if "question" in names else "prompt"]
        return pl.read_parquet(path, columns=wanted)
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(f"{path} cannot be read as samples; `cxr bench verify` says what is wrong with it") from None


def _sample(row: Mapping[str, Any], roots: Mapping[str, str], instructions: Instructions) -> ShownSample:
    corpus = str(row["corpus"])
    root = roots.get(corpus, roots.get("*"))
    return ShownSample(
        sample_id=str(row["sample_id"]),
        mode=Mode(row["mode"]),
        task=str(row["task"]),
        corpus=corpus,
        licence=str(row["licence"]),
        question=_question(row, instructions),
        images=tuple(_picture(image, root) for image in row["images"] or ()),
    )


def _picture(image: object, root: str | None) -> Picture:
    if isinstance(image, Mapping):
        if image["bytes"] is not None:
            return bytes(image["bytes"])
        image = image["path"]
    path = str(image)
    return path if root is None else str(Path(root) / path)


def _question(row: Mapping[str, Any], instructions: Instructions) -> str:
    """Return the question alone; an export's prompt holds it in the export's own form."""
    if row.get("question") is not None:
        return str(row["question"])
    asked = next(turn["content"] for turn in row["prompt"] if turn["role"] == "user")
    return instructions.question_of(str(asked), row["mode"])


def _asked_for(settings: PredictSettings) -> str:
    tasks = None if settings.tasks is None else " or ".join(settings.tasks)
    said = {"split": settings.split, "mode": settings.samples, "task": tasks}
    return " and ".join(f"{name} {value}" for name, value in said.items() if value is not None)


def _what_there_is(source: SampleSource) -> str:
    if source.benchmark is None:
        return f"see its {NOTE}"
    found = [
        f"{row['split']} {row['mode']} {row['task']} ({row['reached']:,})"
        for row in source.benchmark.manifest.tasks
        if row["reached"]
    ]
    return f"it has {', '.join(found)}" if found else "it is empty"
