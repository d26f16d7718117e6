"""What a stage trains on: an export of `cxr export sft|grpo`, or a store that is compiled and exported first.

Rows whose images are missing or damaged are left out, written to `rejects.jsonl` beside the run and counted; the
rest is taken by mode and weight, in an order that the seed names.
"""

import json
import math
import random
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.compute as pc

from cxr.miner.benchmark.settings import Existing, Mode
from cxr.miner.export.export import NOTE
from cxr.miner.export.registry import FORMATS
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_file
from cxr.miner.kit.parallel import quiet
from cxr.prompts.instructions import Instructions, read_instructions, recorded_instructions
from cxr.trainer.train.pictures import ImageRejects, image_rejects
from cxr.trainer.train.settings import TrainSettings

if TYPE_CHECKING:
    from datasets import Dataset

_SMALL = ("sample_id", "mode", "patient_id", "licence")


@dataclass(frozen=True)
class TrainingExport:
    """Where the rows come from, and what the export says of itself."""

    folder: Path
    note: dict[str, Any]

    @property
    def licence(self) -> str:
        """The strictest licence of its rows."""
        return str(self.note["licence"])

    @property
    def instructions(self) -> Instructions:
        """How its prompts ask."""
        return recorded_instructions(self.note)

    def facts(self) -> dict[str, Any]:
        """Return what `run.json` holds of it."""
        kept = ("format", "benchmark", "fingerprint", "licence", "files")
        told = {key: self.note.get(key) for key in kept}
        return {"path": str(self.folder.resolve()), **told, "instructions": self.instructions.facts()}

    def paths(self, split: str) -> list[Path]:
        """Return the Parquet files of a split, in order."""
        return [self.folder / name for name in sorted(self.note["files"]) if Path(name).name.startswith(f"{split}-")]


@dataclass(frozen=True)
class TrainingData:
    """The rows that will be trained on, their images still encoded, and what was left out."""

    rows: "Dataset"
    source: TrainingExport
    rejects: list[dict[str, str]] = field(default_factory=list)

    def require_images(self) -> None:
        """Raise InputError where a row has no image: processes whose batches differ in that wait for each other."""
        encoded = self.rows.select_columns("images").with_format("arrow")
        lengths = (pc.list_value_length(table["images"]) for table in encoded.iter(10_000))
        without = sum(int(pc.sum(pc.equal(pc.fill_null(length, 0), 0)).as_py()) for length in lengths)
        if without:
            raise InputError(
                f"{without:,} of {len(self.rows):,} samples of {self.source.folder} have no image, which several "
                "processes cannot train on together; export with images, or train with --nproc 1"
            )


def find_export(data: Path, work: Path, settings: TrainSettings) -> TrainingExport:
    """Return the export that `data` is, or make it from the store that `data` is, in the folder `work`.

    Raises InputError where it is neither, or an export for the other stage, or by other instructions than the settings
    name.
    """
    stage = settings.short_stage()
    if data.is_file():
        note = work / stage / NOTE
        if not note.is_file() or "unfinished" in note.read_text(encoding="utf-8"):
            _export_store(data, work, settings)
        data = work / stage
    found = read_export(data, stage)
    if settings.instructions is not None:
        _check_instructions(found, settings.instructions)
    return found


def _check_instructions(found: TrainingExport, name: str) -> None:
    asked, wanted = found.instructions, read_instructions(name)
    if asked.sha256 != wanted.sha256:
        raise InputError(
            f"{found.folder} asks by the instructions {asked.name!r}, and the settings name {wanted.name!r}; export "
            f"again with --instructions {name}, or train as it asks with --set instructions={asked.name}"
        )


def read_export(folder: Path, stage: str) -> TrainingExport:
    """Read what an export says of itself; raises InputError where it is none for this stage."""
    note = folder / NOTE
    if not folder.exists():
        raise InputError(f"there is no {folder}; expected an export (`cxr export {stage} BENCH -o ...`) or a store")
    if not note.is_file():
        what = "a benchmark" if (folder / "manifest.json").is_file() else "no export of cxr"
        raise InputError(f"{folder} is {what}; make an export with `cxr export {stage} BENCH -o FOLDER`")
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        raise InputError(f"{note} is not JSON; export again with --existing replace") from None
    if told.get("unfinished"):
        raise InputError(f"{folder} is an export that was not finished; export again with --existing replace")
    if FORMATS.open(str(told.get("format"))).stage != stage:
        raise InputError(
            f"{folder} is an export for {told.get('format')}; `cxr train {stage}` needs one by "
            f"`cxr export {stage} BENCH -o ...`"
        )
    missing = [name for name in told["files"] if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{folder} lacks {missing[0]}, which its {NOTE} names; export again with --existing replace")
    return TrainingExport(folder, told)


def _export_store(store_path: Path, work: Path, settings: TrainSettings) -> None:
    """Compile a store and export it for a stage."""
    from cxr.miner.benchmark.compile import compile_benchmark  # noqa: PLC0415 - only a store needs them
    from cxr.miner.benchmark.settings import bench_settings  # noqa: PLC0415
    from cxr.miner.export.export import export  # noqa: PLC0415
    from cxr.miner.export.settings import ExportSettings  # noqa: PLC0415
    from cxr.miner.store import Store  # noqa: PLC0415

    stage = settings.short_stage()
    work.mkdir(parents=True, exist_ok=True)
    images = "required" if settings.images == "required" else "optional"
    with Store.write(store_path) as store:
        wanted = bench_settings(store_path, (), only=False, images=images)
        if settings.eval_steps and "validate" not in wanted.targets:
            held_out = dict.fromkeys(Mode, settings.eval_samples)
            wanted = wanted.model_copy(update={"targets": {**wanted.targets, "validate": held_out}})
        compile_benchmark(store, work / "benchmark", wanted, Existing.RESUME, quiet)
        how = ExportSettings.resolve(store_path, instructions=settings.instructions)
        export(store, work / "benchmark", str(work / stage), stage, how, Existing.REPLACE, advance=quiet)


def load_rows(
    source: TrainingExport,
    settings: TrainSettings,
    cache: Path,
    split: str = "train",
    *,
    rejects: list[dict[str, str]] | None = None,
) -> TrainingData:
    """Load a split's rows, those with unusable images left out, in the shares and order that the settings name.

    `rejects` are those that another process has found, so that not every one looks at all files. Raises InputError
    where nothing is left, or where more is left out than `max_rejects` allows.
    """
    from datasets import Dataset, Image, List  # noqa: PLC0415

    index = _index(source, settings, split)
    looks = rejects is None and settings.images == "required"
    found = image_rejects(index, source.paths(split)) if looks else ImageRejects(rejects or [], 0, 0)
    rejects = found.rejects
    if looks and found.more_than(settings.max_rejects, index.height):
        reasons = Counter(reject["reason"] for reject in rejects)
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        raise InputError(
            f"{len(rejects):,} of {index.height:,} samples have images that cannot be used ({told}; the first: "
            f"{rejects[0]['sample_id']}, {rejects[0]['path']}); export again with --image-root, or allow more with "
            "--set max_rejects=SHARE"
        )
    bad = {reject["sample_id"] for reject in rejects}
    chosen = choose_rows(index.filter(~pl.col("sample_id").is_in(list(bad))), settings)
    if not chosen:
        raise InputError(f"no sample of {source.folder} is left to train on; see the mix and limit of the settings")
    rows = Dataset.from_parquet([str(path) for path in source.paths(split)], cache_dir=str(cache)).select(chosen)
    if settings.images == "none":
        rows = rows.remove_columns("images").add_column("images", [[]] * len(rows))
    return TrainingData(rows.cast_column("images", List(Image(decode=False))), source, rejects)


def count_rows(data: Path, settings: TrainSettings, *, look: bool) -> tuple[int, Counter[str]]:
    """Return how many rows a run would take, and, where it is to `look`, how many of the samples lack an image here.

    The second, by reason, is counted among the rows: another machine may have the images. A store is exported to a
    passing folder.
    """
    with tempfile.TemporaryDirectory() as work:
        source = find_export(data, Path(work), settings)
        index = _index(source, settings, "train")
        looked_at = look and settings.images == "required"
        found = image_rejects(index, source.paths("train")).rejects if looked_at else []
    return len(choose_rows(index, settings)), Counter(reject["reason"] for reject in found)


def choose_rows(index: pl.DataFrame, settings: TrainSettings) -> list[int]:
    """Return the row numbers to train on: each mode as often as its weight says, in the order of a draw."""
    draw = random.Random(settings.seed)  # noqa: S311 - a draw that can be repeated, no secret
    chosen: list[int] = []
    for mode, group in sorted(index.group_by("mode"), key=lambda item: str(item[0])):
        weight = settings.mix.get(Mode(str(mode[0])), 1.0)
        rows = group["row"].sort().to_list()
        whole, part = math.floor(weight), weight - math.floor(weight)
        chosen += rows * whole
        chosen += draw.sample(rows, round(part * len(rows)))
    draw.shuffle(chosen)
    return chosen[: settings.limit]


def ask_to_reason(rows: "Dataset", instructions: Instructions) -> "Dataset":
    """Return answer-only rows the prompt that elicits reasoning; they keep having no report, so no process reward."""
    return rows.map(asked_to_reason, fn_kwargs={"instructions": instructions}, keep_in_memory=True)


def asked_to_reason(row: dict[str, Any], instructions: Instructions) -> dict[str, Any]:
    """Return the prompt and mode of a row that is asked to reason."""
    *before, user = row["prompt"]
    question = instructions.question_of(user["content"], row["mode"])
    turn = {**user, "content": instructions.ask(question, Mode.REASONING)}
    return {"prompt": [*before, turn], "mode": str(Mode.REASONING)}


def patients(source: TrainingExport, split: str) -> set[str]:
    """Return the patients that have a sample in a split."""
    found: set[str] = set()
    for path in source.paths(split):
        found.update(pl.read_parquet(path, columns=["patient_id"])["patient_id"].drop_nulls().to_list())
    return found


def write_rejects(rejects: Iterable[dict[str, str]], path: Path) -> None:
    """Write what was left out, a line each; no file where nothing was."""
    lines = [json.dumps(reject) + "\n" for reject in rejects]
    if lines:
        with whole_file(path) as out:
            out.writelines(lines)


def _index(source: TrainingExport, settings: TrainSettings, split: str) -> pl.DataFrame:
    """Return the small columns of a split's rows in the wanted modes, with their row numbers."""
    paths = source.paths(split)
    if not paths:
        raise InputError(f"{source.folder} has no samples of split {split}; see its {NOTE}")
    # Of images that lie in the rows, only that they do: all pixels of an export do not fit into memory.
    image = pl.element().struct
    outline = pl.struct(path=image.field("path"), embedded=image.field("bytes").is_not_null())
    small = [*_SMALL, pl.col("images").list.eval(outline)]
    frames = [pl.scan_parquet(path).select(small).collect(engine="streaming") for path in paths]
    index = pl.concat(frames).with_row_index("row")
    index = index.filter(pl.col("mode").is_in([str(mode) for mode in settings.modes]))
    if index.is_empty():
        raise InputError(f"{source.folder} has no {' or '.join(settings.modes)} samples to train on; see its {NOTE}")
    return index
