"""The rows that every format is made from: slices of a benchmark's samples, mixed, in a fixed order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cxr.miner.benchmark.manifest import Manifest, read_manifest
from cxr.miner.benchmark.samples import REASONING
from cxr.miner.benchmark.settings import SPLITS, Mode
from cxr.miner.export.settings import ExportSettings
from cxr.miner.kit.errors import InputError
from cxr.prompts.instructions import QUESTION, Instructions, read_instructions

# What a format reads: the samples of one slice, with images as places on this machine, and the mode's repetitions.
_VIEW = """
    create or replace temporary view samples as
    with mixed as (
        select incoming.* replace (
                   list_transform(images, lambda path: if(starts_with(path, '/'), path, rooted.root || path))
                       as images),
               -- 2.25 is two times, and a third time for every fourth sample.
               floor(weight)::bigint
                 + (md5_number_lower($seed || sample_id) / 18446744073709551616.0 < weight - floor(weight))::bigint
                 as copies
        from incoming join weights using (mode) join rooted using (corpus))
    select * exclude (copies, copy), copy
    from (select *, unnest(range(copies)) as copy from mixed)
"""


# How prompts are made of questions: the user's turn, and the turns around it.
_MACROS = """
    create or replace temporary macro asked(mode, question) as
        replace(if(mode = 'reasoning', $reasoning, $answer_only), $placeholder, question);
    create or replace temporary macro conversation(content) as
        list_filter([{'role': 'system', 'content': $system}, {'role': 'user', 'content': content}],
                    lambda turn: turn.role = 'user' or turn.content <> '')
"""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark folder that is read, never changed."""

    folder: Path
    manifest: Manifest
    left_out: frozenset[str] = frozenset()
    """Samples, by their ids, that an export leaves out."""

    @classmethod
    def open(cls, folder: Path) -> "Benchmark":
        """Read the manifest; raises InputError where the folder holds no finished benchmark or a file is missing."""
        manifest = read_manifest(folder)
        for name in manifest.files:
            if not (folder / name).is_file():
                raise InputError(f"{folder} lacks {name}; `cxr bench verify {folder}` says what else is wrong")
        return cls(folder, manifest)

    def files(self, split: str, mode: str) -> list[Path]:
        """Return the Parquet files of a split and mode, in order."""
        return [self.folder / name for name in sorted(self.manifest.files) if name.startswith(f"{split}/{mode}-")]


def splits_of(benchmark: Benchmark, settings: ExportSettings) -> list[str]:
    """Return the wanted splits that the benchmark has samples in; raises InputError where that is none."""
    chosen: list[str] = [
        split
        for split in SPLITS
        if split in settings.splits and any(benchmark.files(split, mode) for mode in settings.modes)
    ]
    if not chosen:
        raise InputError(
            f"{benchmark.folder} has no samples of split {' or '.join(settings.splits)} "
            f"and mode {' or '.join(settings.modes)}; see its manifest.json"
        )
    return chosen


def modes_of(benchmark: Benchmark, split: str, settings: ExportSettings) -> list[Mode]:
    """Return the wanted modes that a split has samples in."""
    return [mode for mode in Mode if mode in settings.modes and benchmark.files(split, mode)]


def once(settings: ExportSettings) -> ExportSettings:
    """Return settings by which each sample is taken once, whatever the weights of the modes."""
    return settings.model_copy(update={"mix": dict.fromkeys(Mode, 1.0)})


def whole(benchmark: Benchmark, split: str, mode: Mode, settings: ExportSettings, select: str) -> pa.Table:
    """Return what a query over the view `samples` makes of all samples of a mode, each taken once."""
    unsliced = once(settings).model_copy(update={"shard_rows": 2**40})
    (table,) = Slices(benchmark, unsliced, split, (mode,)).tables(select)
    return table


class Slices:
    """Slices of one split, each of about `shard_rows` samples, with every mode in its share."""

    def __init__(
        self, benchmark: Benchmark, settings: ExportSettings, split: str, modes: tuple[str, ...] | None = None
    ) -> None:
        self._settings, self.split = settings, split
        self._files = {mode: benchmark.files(split, mode) for mode in modes or tuple(Mode) if mode in settings.modes}
        self._counts = {mode: sum(_rows(path) for path in files) for mode, files in self._files.items()}
        weighted = sum(count * settings.mix.get(Mode(mode), 1.0) for mode, count in self._counts.items())
        self.count = max(1, -(-int(weighted) // settings.shard_rows))
        self._connection = duckdb.connect()
        self._connection.execute("set memory_limit = '1GB'")
        self._left_out = pa.array(sorted(benchmark.left_out), pa.string())
        corpora = [row["corpus"] for row in benchmark.manifest.corpora]
        rooted = [(corpus, root_of(settings, corpus)) for corpus in corpora]
        weights = [(str(mode), weight) for mode, weight in settings.mix.items()]
        self._make("rooted", pl.DataFrame(rooted, schema=["corpus", "root"], orient="row"))
        self._make("weights", pl.DataFrame(weights, schema=["mode", "weight"], orient="row"))
        self._connection.execute(_macros(read_instructions(settings.instructions)))

    def tables(self, select: str) -> Iterator[pa.Table]:
        """Return the rows of a query over the view `samples`, slice by slice; each slice in an order of its own draw.

        `$first` in the query is the number of rows of the slices before.
        """
        first = 0
        for number in range(self.count):
            frames = [self._slice(mode, number) for mode, count in self._counts.items() if count]
            if not frames:
                continue
            incoming = pa.concat_tables([_completed(frame) for frame in frames])
            if len(self._left_out):
                incoming = incoming.filter(pc.invert(pc.is_in(incoming["sample_id"], value_set=self._left_out)))
            self._connection.register("incoming", incoming)
            self._connection.execute(_VIEW.replace("$seed", f"'{self._settings.seed}'"))
            chosen = select.replace("$first", str(first))
            query = f"{chosen} order by md5_number_lower('{self._settings.seed}' || sample_id), sample_id, copy"
            made = self._connection.sql(query).to_arrow_table()
            self._connection.unregister("incoming")
            first += made.num_rows
            yield made

    def _make(self, name: str, frame: pl.DataFrame) -> None:
        self._connection.register("made", frame.to_arrow())
        self._connection.execute(f"create or replace temporary table {name} as select * from made")
        self._connection.unregister("made")

    def _slice(self, mode: str, number: int) -> pa.Table:
        count = self._counts[mode]
        first, end = count * number // self.count, count * (number + 1) // self.count
        pieces, start = [], 0
        for path in self._files[mode]:
            rows = _rows(path)
            low, high = max(first - start, 0), min(end - start, rows)
            if low < high:
                pieces.append(pq.read_table(path).slice(low, high - low))
            start += rows
        return pa.concat_tables(pieces) if pieces else REASONING.empty_table()


def _macros(instructions: Instructions) -> str:
    """Return the macros for these instructions; a macro takes no parameters but its own."""
    words = {**instructions.model_dump(include={"system", "reasoning", "answer_only"}), "placeholder": QUESTION}
    return re.sub(r"\$([a-z_]+)", lambda found: "'" + words[found[1]].replace("'", "''") + "'", _MACROS)


def _rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _completed(table: pa.Table) -> pa.Table:
    """Return a table every column of a reasoning sample; what it lacks is null."""
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in REASONING
    ]
    return pa.table(columns, schema=REASONING)


def root_of(settings: ExportSettings, corpus: str) -> str:
    """Return what stands before the paths of a corpus's images; nothing where they lie is not known."""
    root = settings.image_roots.get(corpus, settings.image_roots.get("*", ""))
    return root if not root or root.endswith("/") else f"{root}/"
