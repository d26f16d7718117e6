"""Sharded Parquet with the features that Hugging Face `datasets` reads from a file's footer."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cxr.miner.export.registry import Writer
from cxr.miner.export.rows import Benchmark, Slices
from cxr.miner.export.settings import ExportSettings
from cxr.miner.images.pictures import plain_bytes

# How `datasets` stores an image: pixels as bytes, or none and a path.
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGES = pa.list_(IMAGE)

# Rows of a row group, and of a file, that hold pixels.
EMBEDDED_ROWS = 100
EMBEDDED_SHARD = 2_000

# In a query: paths as images without pixels.
IMAGES_SQL = "list_transform(images, lambda p: {'bytes': null::blob, 'path': p}) as images"


def features(schema: pa.Schema) -> dict[str, Any]:
    """Describe columns as `datasets` does (its version 4 and later: List for lists)."""
    return {field.name: _feature(field.type) for field in schema}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": "float64" if pa.types.is_float64(kind) else str(kind), "_type": "Value"}


def with_features(schema: pa.Schema) -> pa.Schema:
    """Put the description of the columns into the schema's metadata, where `datasets` looks for it."""
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features(schema)}})})


def mixed(schema: pa.Schema, select: str) -> Writer:
    """Return a writer of `data/<split>-*.parquet`: what a query makes of both modes, mixed by their weights."""

    def write(benchmark: Benchmark, split: str, folder: Path, settings: ExportSettings) -> list[tuple[Path, int]]:
        slices = Slices(benchmark, settings, split)
        return write_shards(slices, select, schema, folder / "data", embed=settings.pixels == "embed")

    return write


def write_shards(
    slices: Slices, select: str, schema: pa.Schema, folder: Path, *, embed: bool = False
) -> list[tuple[Path, int]]:
    """Write what a query makes of each slice to a file named as `datasets` names shards; return files with rows."""
    written = []
    described = with_features(schema)
    folder.mkdir(parents=True, exist_ok=True)
    for number, table in enumerate(slices.tables(select)):
        rows = table.select(schema.names).cast(schema)
        path = folder / f"{slices.split}-{number:05d}-of-{slices.count:05d}.parquet"
        if embed:
            _write_embedded(rows, described, path)
        else:
            pq.write_table(rows.cast(described), path, compression="zstd", row_group_size=20_000)
        written.append((path, rows.num_rows))
    return written


def _write_embedded(rows: pa.Table, described: pa.Schema, path: Path) -> None:
    """Write rows with their pixels, a few at a time: a hundred images are a hundred megabytes."""
    with pq.ParquetWriter(path, described, compression="zstd") as writer:
        for first in range(0, rows.num_rows, EMBEDDED_ROWS):
            writer.write_table(_embedded(rows.slice(first, EMBEDDED_ROWS)).cast(described))


def _embedded(table: pa.Table) -> pa.Table:
    """Put the images into the table: their files, or PNGs of those that not every reader shows as we do."""
    pixels = [
        [{"bytes": plain_bytes(image["path"]), "path": Path(image["path"]).name} for image in images]
        for images in table["images"].to_pylist()
    ]
    place = table.schema.get_field_index("images")
    return table.set_column(place, table.schema.field("images"), pa.array(pixels, type=IMAGES))
