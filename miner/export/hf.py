"""Hugging Face: every column of a sample, a configuration per mode, a dataset card and Croissant metadata."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from cxr.miner.benchmark.manifest import write_json
from cxr.miner.benchmark.samples import SCHEMAS
from cxr.miner.export.card import card
from cxr.miner.export.croissant import croissant
from cxr.miner.export.parquet import IMAGES, IMAGES_SQL, write_shards
from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import Benchmark, Slices, modes_of, once
from cxr.miner.export.settings import ExportSettings


def schema_of(mode: str) -> pa.Schema:
    """Return the columns of a mode: those of the benchmark, with images as images."""
    return pa.schema([("images", IMAGES) if field.name == "images" else field for field in SCHEMAS[mode]])


def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
    """Write `<mode>/<split>-*.parquet` for each mode that the split has."""
    written: list[tuple[Path, int]] = []
    select = f"select * replace ({IMAGES_SQL}) from samples"
    for mode in modes_of(benchmark, split, settings):
        slices = Slices(benchmark, once(settings), split, (mode,))
        written += write_shards(slices, select, schema_of(mode), folder / mode, embed=settings.pixels == "embed")
    return written


def describe(benchmark: Benchmark, folder: Path, hashes: Mapping[str, str], settings: ExportSettings) -> None:
    """Write the card and `croissant.json`."""
    modes = [mode for mode in settings.modes if any(name.startswith(f"{mode}/") for name in hashes)]
    columns = {mode: schema_of(mode) for mode in modes}
    (folder / "README.md").write_text(card(benchmark.manifest, columns, list(hashes)), encoding="utf-8")
    described = croissant(benchmark.manifest, columns, hashes, embedded=settings.pixels == "embed")
    write_json(folder / "croissant.json", described)


FORMAT = ExportFormat(write, pixels=True, describe=describe)
