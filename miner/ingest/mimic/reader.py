"""MIMIC-CXR with its JPG companion, as PhysioNet ships them (formats.md sections 1 and 2).

Reports come from `mimic-cxr-reports.zip`, the unpacked tree or a sectioned CSV; images, views, dates, split and
labels from the CSVs of MIMIC-CXR-JPG, each of them optional. A study is whatever has a report or an image.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import polars as pl
import typer

from cxr.miner.ingest.corpus import (
    REJECTS,
    Advance,
    Count,
    Fingerprint,
    Ingested,
    LabelToo,
    Missing,
    Reader,
    Reject,
    ReportBatch,
    SourceFile,
    rejects_frame,
)
from cxr.miner.ingest.mimic.frames import (
    images_of,
    listed_images,
    presence_source,
    present_files,
    studies_of,
)
from cxr.miner.ingest.mimic.reports import Layout, Reports, find_reports, releases, tree_reports, zip_reports
from cxr.miner.ingest.mimic.sectioned import read_sectioned
from cxr.miner.ingest.mimic.tables import MIMIC, PATIENT, STUDY, Rows, read_labels, read_metadata, read_split
from cxr.miner.ingest.read.files import source_file
from cxr.miner.ingest.read.workers import read_members
from cxr.miner.ingest.version import files_version
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.settings import choose

_TABLES = {
    "metadata": "mimic-cxr-*-metadata.csv*",
    "split": "mimic-cxr-*-split.csv*",
    "chexpert": "mimic-cxr-*-chexpert.csv*",
    "negbio": "mimic-cxr-*-negbio.csv*",
    "radiologist": "mimic-cxr-*-test-set-labeled.csv*",
}
_SHIPPED_AS = {
    "metadata": "mimic-cxr-2.0.0-metadata.csv.gz",
    "split": "mimic-cxr-2.0.0-split.csv.gz",
    "chexpert": "mimic-cxr-2.0.0-chexpert.csv.gz",
    "negbio": "mimic-cxr-2.0.0-negbio.csv.gz",
    "radiologist": "mimic-cxr-2.1.0-test-set-labeled.csv",
}
_WITHOUT = {
    "metadata": "no views, sizes and dates, so studies have no order in time and no priors (it comes with "
    "MIMIC-CXR-JPG: --jpg)",
    "split": "studies have no split, so an export cannot tell train from test",
    "chexpert": "no CheXpert labels; questions are asked from the labels of others, or from ours where there are none",
    "negbio": "no NegBio labels",
    "radiologist": "no radiologist's labels for the test set",
}


class MimicFiles(NamedTuple):
    """The files of MIMIC-CXR that were found."""

    layout: Layout
    reports: Path
    """The zip, the top folder of the tree, or the sectioned CSV."""
    also: tuple[Layout, ...]
    """Other layouts of the reports that lie there too."""
    tables: dict[str, Path]
    image_root: Path

    @property
    def ships_labels(self) -> bool:
        """Return whether anybody's labels came with the reports; without any, ours are made."""
        return bool({"chexpert", "negbio", "radiologist"} & self.tables.keys())


def find_mimic(path: Path, jpg: Path | None = None, layout: Layout = Layout.AUTO) -> MimicFiles:
    """Find the files in a folder (or beside a zip or sectioned CSV); `jpg` is the folder of MIMIC-CXR-JPG.

    Raises InputError where there are no reports.
    """
    if jpg is not None and not jpg.is_dir():
        raise InputError(f"--jpg {jpg} is no folder; expected the folder of MIMIC-CXR-JPG with its CSV files")
    chosen, place, also = find_reports(path, layout)
    root = path if path.is_dir() else path.parent
    tables = _find_tables([jpg, root] if jpg else [root])
    image_root = _images(jpg) if jpg else tables["metadata"].parent if "metadata" in tables else _images(root)
    return MimicFiles(chosen, place, tuple(also), tables, image_root)


def _images(folder: Path) -> Path:
    """Return where the tree of images begins: in a folder, or in a release below it."""
    return next((place for place in (folder, *releases(folder)) if (place / "files").is_dir()), folder)


def mimic_fingerprint(files: MimicFiles, *, label: bool = False) -> Fingerprint:
    """Return which bytes `read_mimic` would read, at a fraction of its cost."""
    sources = _sources(files)
    if files.layout is Layout.TREE:
        sources.append(tree_reports(files.reports)[1])
    if (files.image_root / "files").is_dir():
        listed = listed_images(*_image_tables(files))
        sources.append(presence_source(listed["stem"], present_files(files.image_root, listed["stem"])[1]))
    return Fingerprint(MIMIC.slug, files.layout.value, tuple(sources), _settings(label=label))


def read_mimic(files: MimicFiles, *, label: bool = False) -> Ingested:
    """Read MIMIC-CXR; `label` has our labeler label all reports as well.

    Raises InputError where a file is damaged as a whole; rows that cannot be used are in `rejects`. Reports are read
    when `batches` is consumed.
    """
    reports = _read_reports(files)
    metadata, split = _image_tables(files)
    studies = studies_of(reports.studies, metadata, split)
    images = images_of(listed_images(metadata, split), files.image_root)
    table_rejects = [rows.rejects for rows in (metadata, split) if rows is not None]
    del metadata, split  # a third of a million rows as text: gone before the labels come
    labels = [
        read_labels(files.tables[name], name, studies["study_id"])
        for name in ("chexpert", "negbio", "radiologist")
        if name in files.tables
    ]
    sources = _sources(files)
    presence = [presence_source(images.stems, images.present)] if (files.image_root / "files").is_dir() else []
    label_rows = {table.table.labeler: table.in_file for table in labels}
    return Ingested(
        corpus=MIMIC,
        layout=files.layout.value,
        studies=studies,
        images=images.frame,
        rejects=pl.concat([reports.rejects, *table_rejects, *(table.rejects for table in labels)]),
        sources=(*sources, *reports.sources, *presence),
        notes=tuple(_notes(files, reports, images.present, sources)),
        labels=tuple(table.table for table in labels),
        batches=lambda advance: reports.batches(advance, label=label),
        report_sources=frozenset({files.reports.name} | {source.path for source in reports.sources}),
        counts=tuple(_counts(reports, studies, len(images.present), label_rows)),
        missing=tuple(Missing(_SHIPPED_AS[name], _WITHOUT[name]) for name in _TABLES if name not in files.tables),
        image_root=files.image_root,
        label_reports=label,
        unknown=_unknown(files) | ({"image_root"} if not images.present.any() else set()),
        settings=_settings(label=label),
    )


def _settings(*, label: bool) -> dict[str, object]:
    if not label:
        return {"reader": files_version(), "label": None}
    from cxr.miner.language.version import reader_version  # noqa: PLC0415 - loads the lexicon

    return {"reader": files_version(), "label": reader_version()}


def _unknown(files: MimicFiles) -> frozenset[str]:
    unknown: set[str] = set()
    if "metadata" not in files.tables:
        unknown |= {"study_order", "study_datetime", "study_date", "view", "procedure", "view_code", "orientation"}
    if "split" not in files.tables:
        unknown.add("split")
    if not {"metadata", "split"} & set(files.tables):
        unknown |= {"images", "patient_id"} if files.layout is Layout.SECTIONED else {"images"}
    return frozenset(unknown)


def _image_tables(files: MimicFiles) -> tuple[Rows | None, Rows | None]:
    tables = files.tables
    return (
        read_metadata(tables["metadata"]) if "metadata" in tables else None,
        read_split(tables["split"]) if "split" in tables else None,
    )


# --- files ---------------------------------------------------------------------------------------------------------


def _find_tables(folders: Sequence[Path]) -> dict[str, Path]:
    """Find each CSV in the folders or their release folders; of several releases the latest."""
    places = [place for folder in folders for place in (folder, *releases(folder))]
    found: dict[str, Path] = {}
    for name, pattern in _TABLES.items():
        for place in places:
            files = sorted(file for file in place.glob(pattern) if file.name.endswith((".csv", ".csv.gz")))
            if files:
                found[name] = files[-1]
                break
    return found


def _sources(files: MimicFiles) -> list[SourceFile]:
    plain = [*files.tables.values(), *([files.reports] if files.reports.is_file() else [])]
    return [source_file(file, file.parent) for file in plain]


def _notes(files: MimicFiles, reports: "_Read", present: pl.Series, sources: Sequence[SourceFile]) -> Iterator[str]:
    if files.also:
        also = " and ".join(files.also)
        yield f"read the {files.layout} layout; {files.reports.parent.name} also holds the {also} layout (--layout)"
    if reports.ignored:
        yield f"{reports.ignored:,} other files beside the reports were left alone"
    absent = len(present) - int(present.sum())
    if absent:
        yield f"{absent:,} of {len(present):,} image files are not under {files.image_root} and are marked absent"
    places = {file.name: file for file in [*files.tables.values(), files.reports]}
    yield from _wrong_checksums({places[source.path]: source.sha256 for source in sources})


def _wrong_checksums(hashes: dict[Path, str]) -> Iterator[str]:
    """Compare with the SHA256SUMS.txt that PhysioNet ships beside the files."""
    for folder in dict.fromkeys(file.parent for file in hashes):
        try:
            with (folder / "SHA256SUMS.txt").open(encoding="utf-8", errors="replace") as lines:
                published = dict(_checksums(lines, {file.name for file in hashes if file.parent == folder}))
        except OSError:
            continue
        for file, digest in hashes.items():
            wanted = published.get(file.name)
            if file.parent == folder and wanted is not None and wanted != digest:
                yield (
                    f"{file.name} has the SHA-256 {digest}, and SHA256SUMS.txt says {wanted}: the file was changed or "
                    "is not whole"
                )


def _checksums(lines: "Iterator[str] | Sequence[str]", names: set[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        digest, _, name = line.strip().partition(" ")
        if (plain := name.strip().lstrip("*").removeprefix("./")) in names:
            yield plain, digest.lower()


def _counts(reports: "_Read", studies: pl.DataFrame, images: int, label_rows: dict[str, int]) -> Iterator[Count]:
    published = MIMIC.published
    yield Count("reports", reports.studies.height, published["reports"])
    yield Count("studies", studies.height, published["studies"])
    yield Count("patients", studies["patient_id"].drop_nulls().n_unique(), published["patients"])
    if images:
        yield Count("images", images, published["images"])
    found = dict(studies.group_by("split").len().iter_rows())
    if any(found.get(name) for name in ("train", "validate", "test")):
        for name in ("train", "validate", "test"):
            yield Count(f"studies in {name}", found.get(name, 0), published[f"studies in {name}"])
    for labeler, rows in label_rows.items():
        what = f"rows of {labeler} labels"
        yield Count(what, rows, published[what])


# --- reports -------------------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    """Reports of any layout: which studies have one, and how to get them."""

    studies: pl.DataFrame
    """study, patient"""
    rejects: pl.DataFrame
    sources: tuple[SourceFile, ...]
    ignored: int
    batches: "_Batches"


class _Batches:
    """The reports, when they are asked for."""

    def __init__(self, found: Reports | None, frame: pl.DataFrame | None) -> None:
        self._found = found
        self._frame = frame

    def __call__(self, advance: Advance, *, label: bool) -> Iterator[ReportBatch]:
        if self._frame is not None:
            yield ReportBatch(self._frame, pl.DataFrame(schema=REJECTS))
        if self._found is None:
            return
        done, total = 0, self._found.members.height
        for table, failed in read_members(str(self._found.source), self._found.members, label=label):
            frame = pl.from_arrow(table)
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a series
            yield ReportBatch(frame, rejects_frame(Reject(*one) for one in failed))
            done += frame.height + len(failed)
            advance(done, total)


def _read_reports(files: MimicFiles) -> _Read:
    place = files.reports
    if files.layout is Layout.SECTIONED:
        frame, rejects = read_sectioned(place)
        studies = frame.select(pl.col("study_id").alias(STUDY), pl.lit(None, pl.String).alias(PATIENT))
        return _Read(studies, rejects, (), 0, _Batches(None, frame))
    if files.layout is Layout.ZIP:
        found, sources = zip_reports(place), []
    else:
        found, source = tree_reports(place)
        sources = [source]
    if found.members.is_empty() and found.rejects.is_empty():
        raise InputError(f"{place} holds no report; expected files named p10/p10000032/s50414267.txt inside")
    studies = found.members.select(pl.col("study_id").alias(STUDY), pl.col("patient_id").alias(PATIENT))
    return _Read(studies, found.rejects, tuple(sources), found.ignored, _Batches(found, None))


# --- the command -----------------------------------------------------------------------------------------------------

_Place = Annotated[
    Path, typer.Argument(help="The folder of MIMIC-CXR (zip or tree of reports), the zip, or a sectioned CSV.")
]
_Jpg = Annotated[
    Path | None, typer.Option(help="The folder of MIMIC-CXR-JPG: its CSVs and images; default: the same folder.")
]
_Form = Annotated[str, typer.Option(help="auto, zip, tree or sectioned; auto takes the first of these that is there.")]


def _found(path: Path, jpg: Path | None, layout: str, *, label: bool) -> tuple[MimicFiles, bool]:
    """Return the files, and whether our labeler labels the reports: where it was asked to, or nobody else did."""
    files = find_mimic(path, jpg, choose(Layout, layout, "ingest mimic-cxr: --layout"))
    return files, label or not files.ships_labels


def _read(path: _Place, jpg: _Jpg = None, layout: _Form = "auto", *, label: LabelToo = False) -> Ingested:
    files, ours = _found(path, jpg, layout, label=label)
    return read_mimic(files, label=ours)


def _fingerprint(path: Path, jpg: Path | None, layout: str, *, label: bool) -> Fingerprint:
    files, ours = _found(path, jpg, layout, label=label)
    return mimic_fingerprint(files, label=ours)


CORPUS = Reader(MIMIC, _read, _fingerprint)
