"""`cxr ingest ... --dry-run`: what was found, what is missing and what that means, before anything is written."""

import re
from collections.abc import Iterator

import polars as pl
from rich.table import Table

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.kit.console import table
from cxr.schemas.vocabulary import RejectReason

_RELEASE = re.compile(r"(?<!\d)(\d+\.\d+(?:\.\d+)?)(?!\d)")


def dry_run_tables(ingested: Ingested) -> Iterator[Table]:
    """Yield the tables of a dry run: files, counts against the published ones, what is missing, what was rejected."""
    corpus = ingested.corpus
    title = f"{corpus.title}: {ingested.layout} layout, licence {corpus.licence.value}"
    files = [(source.path, _release(source.path), source.size, source.sha256[:12]) for source in ingested.sources]
    yield table(title, ["file", "release", "bytes", "sha256"], files)
    counts = [(count.what, count.found, count.published) for count in ingested.counts] or [
        ("studies", ingested.studies.height, None),
        ("images", ingested.images.height, None),
        ("reports", ingested.reports.height, None),
        *((f"rows of {labels.labeler} labels", labels.frame.height, None) for labels in ingested.labels),
    ]
    if ingested.progressions.height and not any("progressions" in what for what, _, _ in counts):
        counts.append(("progressions", ingested.progressions.height, None))
    yield table("Counts", ["what", "found", "published", "difference"], [_count_row(*count) for count in counts])
    if ingested.missing:
        yield table("Missing", ["file", "so"], ingested.missing)
    gaps = ingested.rejects["reason"] == RejectReason.GAP
    if (rejects := ingested.rejects.filter(~gaps)).height:
        title = "Rejects" if ingested.batches is None else "Rejects so far (reports are read only by a real ingest)"
        yield table(title, ["reason", "rows", "why"], _commonest(rejects))
    if gaps.any():
        shown = [(rows, message) for _, rows, message in _commonest(ingested.rejects.filter(gaps))]
        yield table("Gaps: rows that are kept without a cell", ["rows", "why"], shown)


def _commonest(rejects: pl.DataFrame) -> list[tuple[str, int, str]]:
    counted = rejects.group_by("reason", "message").len()
    first = counted.sort("len", "reason", "message", descending=[True, True, False]).head(20)
    return [(reason, rows, message) for reason, message, rows in first.iter_rows()]


def _count_row(what: str, found: int, published: int | None) -> tuple[str, int, str, str]:
    if published is None:
        return what, found, "not given", ""
    return what, found, f"{published:,}", f"{found - published:+,}" if found != published else ""


def _release(name: str) -> str:
    found = _RELEASE.search(name)
    return found[1] if found else ""
