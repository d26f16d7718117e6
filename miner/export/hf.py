"""Hugging Face: every column of a sample, a configuration per mode, a dataset card and Croissant metadata."""

from pathlib import Path

import pyarrow as pa

from cxr.miner.benchmark.samples import SCHEMAS
from cxr.miner.benchmark.settings import Mode
from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, write_shards
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings


def schema_of(mode: str) -> pa.Schema:
    """Return the columns of a mode: those of the benchmark, with images as images."""
    return pa.schema([("images", IMAGES) if field.name == "images" else field for field in SCHEMAS[mode]])


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<mode>/<split>-*.parquet` for each mode that the split has."""
    written: list[tuple[Path, int]] = []
    unweighted = settings.model_copy(update={"mix": dict.fromkeys(Mode, 1.0)})
    for mode in Mode:
        if mode not in settings.modes or not benchmark.files(split, mode):
            continue
        slices = Slices(benchmark, unweighted, split, (mode,))
        select = f"select * replace ({IMAGES_SQL}) from samples"
        written += write_shards(
            slices.tables(select),
            slices.count,
            schema_of(mode),
            folder / mode,
            split,
            embed=settings.pixels == "embed",
        )
    return written
