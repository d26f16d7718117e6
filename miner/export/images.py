"""Images of an export: whose files are not there, and which of them do not decode."""

import os
from collections import Counter
from pathlib import Path

import polars as pl

from cxr.miner.export.rows import Benchmark, root_of
from cxr.miner.export.settings import ExportSettings
from cxr.miner.images.pictures import BadPicture, Within, open_picture
from cxr.miner.kit.parallel import ordered_map
from cxr.miner.store import Run, Store
from cxr.schemas.rejection import Rejection
from cxr.schemas.vocabulary import Stage

_THREADS = 8
# Whether a file decodes shows at any size, and a JPEG decodes faster to a small one.
_GLANCE = Within(256 * 256)


def sample_images(benchmark: Benchmark, splits: list[str], settings: ExportSettings) -> pl.DataFrame:
    """Return a row for each image of the samples to be exported: sample_id, corpus, and path on this machine."""
    files = [path for split in splits for mode in settings.modes for path in benchmark.files(split, mode)]
    columns = ["sample_id", "corpus", "images"]
    empty = pl.DataFrame(schema={"sample_id": pl.String, "corpus": pl.String, "images": pl.List(pl.String)})
    read = pl.concat([empty, *(pl.read_parquet(path, columns=columns) for path in files)])
    read = read.explode("images").drop_nulls("images")
    root = pl.col("corpus").map_elements(lambda corpus: root_of(settings, corpus), return_dtype=pl.String)
    is_whole = pl.col("images").str.starts_with("/")
    return read.select("sample_id", "corpus", path=pl.when(is_whole).then("images").otherwise(root + pl.col("images")))


def folder_of_images(images: pl.DataFrame) -> str:
    """Return the folder that holds all images, empty where not every path is whole."""
    folders = {Path(path).parent for path in images["path"]}
    return os.path.commonpath(folders) if folders and all(folder.is_absolute() for folder in folders) else ""


def count_absent(images: pl.DataFrame) -> tuple[int, str | None]:
    """Return how many samples have an image whose file is not there, and the first of these files."""
    paths = images["path"].unique(maintain_order=True).to_list()
    there = ordered_map(lambda path: Path(path).is_file(), paths, _THREADS)
    absent = [path for path, is_there in zip(paths, there, strict=True) if not is_there]
    samples = images.filter(pl.col("path").is_in(absent))["sample_id"].n_unique()
    return samples, absent[0] if absent else None


def find_undecodable(images: pl.DataFrame) -> dict[str, tuple[str, Rejection]]:
    """Decode every file; return the samples with one that does not, each with its corpus and why."""
    paths = images["path"].unique(maintain_order=True).to_list()
    found = zip(paths, ordered_map(_problem, paths, _THREADS), strict=True)
    bad = {path: problem for path, problem in found if problem is not None}
    hit = images.filter(pl.col("path").is_in(list(bad))).unique("sample_id", keep="first", maintain_order=True)
    return {sample: (corpus, bad[path]) for sample, corpus, path in hit.iter_rows()}


def write_rejects(store: Store, run: Run, fingerprint: str, found: dict[str, tuple[str, Rejection]]) -> dict[str, int]:
    """Put the rejects of a benchmark's export in the place of an earlier one's; return their number by reason."""
    store.connection.execute(
        "delete from rejects where stage = ? and settings_hash = ?", [str(Stage.EXPORT), fingerprint]
    )
    columns = ("stage", "corpus", "reject_key", "reason", "message", "run_id", "settings_hash")
    rows = [
        (str(Stage.EXPORT), corpus, sample, str(why.reason), why.message, run.run_id, fingerprint)
        for sample, (corpus, why) in found.items()
    ]
    run.rejects += store.insert("rejects", pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"))
    return dict(Counter(str(why.reason) for _, why in found.values()))


def _problem(path: str) -> Rejection | None:
    try:
        open_picture(path, _GLANCE)
    except BadPicture as bad:
        return Rejection(bad.reason, bad.message)
    return None
