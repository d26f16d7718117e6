"""`cxr images check`: are the image files there, whole and readable? Header facts, in parallel, into the store."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cxr.miner.images.facts import NO_PYDICOM, FileFacts
from cxr.miner.images.workers import all_facts
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.parallel import Advance
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store
from cxr.schemas.vocabulary import FileStatus

_SQL = read_sql("cxr.miner.images")

EXAMPLES = 10
_DAMAGED = (FileStatus.TRUNCATED, FileStatus.UNREADABLE)
Row = tuple[str, str, int | None, int | None, str | None]


@dataclass
class ImagesChecked:
    """What was found, per corpus and status, and a few examples of what is wrong."""

    counts: defaultdict[str, Counter[FileStatus]] = field(default_factory=lambda: defaultdict(Counter))
    problems: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(corpus, image_id, status, why) of the first truncated and unreadable files of each corpus."""
    changed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    """Images of corpora whose folder is not known."""
    unread_dicom: int = 0

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """Corpus, images, and a column per status."""
        return [
            (corpus, sum(found.values()), *(found[status] for status in FileStatus))
            for corpus, found in sorted(self.counts.items())
        ]

    @property
    def damaged(self) -> dict[str, int]:
        """How many files are truncated or unreadable, by status."""
        totals = {str(status): sum(found[status] for found in self.counts.values()) for status in _DAMAGED}
        return {status: count for status, count in totals.items() if count}


def parse_roots(pairs: Sequence[str]) -> dict[str, Path]:
    """Return {corpus: folder} of `corpus=PATH` pairs; SettingsError for one that is none or no folder."""
    roots: dict[str, Path] = {}
    for pair in pairs:
        corpus, equals, folder = pair.partition("=")
        if not (equals and corpus.strip() and folder.strip()):
            raise SettingsError(
                f"images check: --root {pair!r} is no pair; expected CORPUS=PATH, as in rsna=/data/rsna"
            )
        if not Path(folder.strip()).is_dir():
            raise SettingsError(f"images check: --root {pair!r}: {folder.strip()} is no folder")
        roots[corpus.strip()] = Path(folder.strip())
    return roots


def check_images(
    store: Store, roots: Mapping[str, Path], advance: Advance, *, workers: int | None = None
) -> ImagesChecked:
    """Check the files of every corpus whose folder is known, and write status and size to the store.

    `roots` names folders that are not where `cxr ingest` found them. Raises InputError where the store has no
    images, or none of a corpus that was named.
    """
    listed = store.frame(
        "select corpus, image_id, path, file_status, width, height from images join studies using (study_id) "
        "order by corpus, path"
    )
    if listed.is_empty():
        raise InputError("the store has no images; `cxr ingest` a corpus that lists them first")
    if unknown := sorted(set(roots) - set(listed["corpus"])):
        known = ", ".join(sorted(set(listed["corpus"])))
        raise InputError(f"the store has no images of {', '.join(unknown)}; it has images of {known}")
    places = {**_ingested_roots(store), **roots}
    result = ImagesChecked()
    here = listed.filter(pl.col("corpus").is_in(list(places)))
    for corpus, count in listed.filter(~pl.col("corpus").is_in(list(places))).group_by("corpus").len().iter_rows():
        result.skipped[corpus] = count
    paths = [str(places[corpus] / path) for corpus, path in here.select("corpus", "path").iter_rows()]
    found: list[Row] = []
    for (corpus, image_id), facts in zip(
        here.select("corpus", "image_id").iter_rows(), all_facts(paths, advance, workers), strict=True
    ):
        _count(result, corpus, image_id, facts)
        found.append((image_id, str(facts.status), facts.width, facts.height, facts.view_position))
    _write(store, found, places, result)
    return result


def _ingested_roots(store: Store) -> dict[str, Path]:
    """Return the folder that each corpus's image paths are relative to, as its last ingest recorded it."""
    rows = store.rows("select corpus, image_root from corpora where image_root is not null")
    return {corpus: Path(root) for corpus, root in rows if Path(root).is_dir()}


def _count(result: ImagesChecked, corpus: str, image_id: str, facts: FileFacts) -> None:
    result.counts[corpus][facts.status] += 1
    result.unread_dicom += facts.why == NO_PYDICOM
    if facts.status in _DAMAGED and sum(problem[0] == corpus for problem in result.problems) < EXAMPLES:
        result.problems.append((corpus, image_id, str(facts.status), facts.why or ""))


def _write(store: Store, found: Sequence[Row], places: Mapping[str, Path], result: ImagesChecked) -> None:
    columns = {
        "image_id": pl.String, "status": pl.String, "width": pl.Int32, "height": pl.Int32, "position": pl.String,
    }  # fmt: skip
    store.replace_temporary("checked", pl.DataFrame(found, schema=columns, orient="row"))
    store.connection.execute(_SQL["changed_images"])
    result.changed = store.count("select count(*) from changed_images")
    if not result.changed:
        return
    recorded = {"roots": {corpus: str(place) for corpus, place in places.items()}, "images": len(found)}
    with store.run("images check", recorded) as run, store.transaction():
        store.connection.execute(_SQL["update_images"])
        run.rows_written = result.changed
