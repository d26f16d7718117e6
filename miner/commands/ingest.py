"""`cxr ingest` and `cxr images`: one command for each corpus, in the words of its owner."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit, exit_with_rejects

if TYPE_CHECKING:
    from cxr.miner.ingest.corpus import Fingerprint, Ingested


ingest_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Read a corpus into the store.")


images_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Look after the image files.")


DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what is found and what is missing; write nothing.")]


def run_ingest(
    name: str,
    db: Path,
    read: "Callable[[], Ingested]",
    *,
    dry_run: bool,
    fingerprint: "Callable[[], Fingerprint] | None" = None,
) -> None:
    """Run any `cxr ingest` command: read and write, or with `dry_run` read and print."""
    from cxr.miner.ingest.dry_run import dry_run_tables
    from cxr.miner.ingest.write.ingest import demand_rows, ingest
    from cxr.miner.kit.console import out, progress, say

    if dry_run:
        ingested = demand_rows(read())
        for made in dry_run_tables(ingested):
            out().print(made)
        for warning in ingested.notes:
            say(warning)
        say(f"dry run: nothing was written to {db}")
        return
    with progress(f"ingest {name}") as advance:
        result = ingest(db, read, advance, fingerprint)
    with exit_with_rejects(result.rejects, "rows"):
        for note in result.notes:
            say(note)
        say(result.sentence)


@ingest_app.callback()
def _beforerun_ingest() -> None:
    """Read a corpus into the store."""
    # Polars' allocator keeps freed memory; at MIMIC's size that is a fifth of a gigabyte. Read when Polars loads.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")


@ingest_app.command("openi")
def ingest_openi(
    path: Annotated[Path, typer.Argument(help="The folder with the CSVs, the .tgz of XML, or a folder of XML.")],
    layout: Annotated[
        str, typer.Option(help="auto, csv, tgz or xml; auto takes the first of these that is there.")
    ] = "auto",
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read the Indiana University collection (NLM Open-i), and label its reports."""
    from cxr.miner.ingest.openi.reader import Layout, read_openi
    from cxr.miner.kit.settings import choose

    chosen = choose(Layout, layout, "ingest openi: --layout")
    run_ingest("openi", db, lambda: read_openi(path, chosen), dry_run=dry_run)


@ingest_app.command("mimic-cxr")
def ingest_mimic_cxr(
    path: Annotated[
        Path, typer.Argument(help="The folder of MIMIC-CXR (zip or tree of reports), the zip, or a sectioned CSV.")
    ],
    jpg: Annotated[
        Path | None, typer.Option(help="The folder of MIMIC-CXR-JPG: its CSVs and images; default: the same folder.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help="auto, zip, tree or sectioned; auto takes the first of these that is there.")
    ] = "auto",
    label: Annotated[
        bool, typer.Option("--label", help="Label all reports by our rules too, beside the labels shipped (slow).")
    ] = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read MIMIC-CXR: reports, and from MIMIC-CXR-JPG images, views, dates, split and labels (ours if it has none)."""
    from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint, read_mimic
    from cxr.miner.ingest.mimic.reports import Layout
    from cxr.miner.kit.settings import choose

    files = find_mimic(path, jpg, choose(Layout, layout, "ingest mimic-cxr: --layout"))
    ours = label or not files.ships_labels
    run_ingest(
        "mimic-cxr",
        db,
        lambda: read_mimic(files, label=ours),
        dry_run=dry_run,
        fingerprint=lambda: mimic_fingerprint(files, label=ours),
    )


@ingest_app.command("ms-cxr-t")
def ingest_ms_cxr_t(
    path: Annotated[Path, typer.Argument(help="The folder of MS-CXR-T, or its temporal image classification CSV.")],
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read MS-CXR-T: how findings changed between two studies of MIMIC-CXR, before or after MIMIC-CXR itself."""
    from cxr.miner.ingest.mimic.ms_cxr_t import read_ms_cxr_t

    run_ingest("ms-cxr-t", db, lambda: read_ms_cxr_t(path), dry_run=dry_run)


@ingest_app.command("chexpert")
def ingest_chexpert(
    path: Annotated[Path, typer.Argument(help="The folder CheXpert-v1.0 or CheXpert-v1.0-small, or the one above it.")],
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXpert: images and labels, radiologists' labels for validation and test; it has no reports."""
    from cxr.miner.ingest.chexpert.reader import read_chexpert

    run_ingest("chexpert", db, lambda: read_chexpert(path), dry_run=dry_run)


@ingest_app.command("chexpert-plus")
def ingest_chexpert_plus(
    path: Annotated[Path, typer.Argument(help="The folder of CheXpert Plus, or its df_chexpert_plus_240401.csv.")],
    chexpert: Annotated[
        Path | None, typer.Option(help="A folder of CheXpert: its labels are taken over, its images used.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="Label all reports by our rules too, beside the labels shipped (slow).")
    ] = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read CheXpert Plus: the reports of CheXpert's studies, their sections, CheXbert's labels, demographics."""
    from cxr.miner.ingest.chexpert.plus import fingerprint, read_chexpert_plus

    run_ingest(
        "chexpert-plus",
        db,
        lambda: read_chexpert_plus(path, chexpert, label=label),
        dry_run=dry_run,
        fingerprint=lambda: fingerprint(path, chexpert, label=label),
    )


Headers = Annotated[
    bool, typer.Option("--headers", help="Read age, sex, view and size from the DICOM headers (needs cxr[images]).")
]


@ingest_app.command("rsna")
def ingest_rsna(
    path: Annotated[Path, typer.Argument(help="The folder with stage_2_train_labels.csv.")],
    headers: Headers = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read the RSNA Pneumonia Detection Challenge: labels of single images; it has no reports."""
    from cxr.miner.ingest.kaggle.rsna import read_rsna

    run_ingest("rsna", db, lambda: read_rsna(path, headers=headers), dry_run=dry_run)


@ingest_app.command("siim")
def ingest_siim(
    path: Annotated[Path, typer.Argument(help="The folder with train-rle.csv, or that file.")],
    headers: Headers = False,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read SIIM-ACR Pneumothorax: labels of single images; it has no reports."""
    from cxr.miner.ingest.kaggle.siim import read_siim

    run_ingest("siim", db, lambda: read_siim(path, headers=headers), dry_run=dry_run)


@ingest_app.command("csv")
def ingest_csv(
    path: Annotated[Path, typer.Argument(help="A CSV with a row per study, or per image.")],
    name: Annotated[str | None, typer.Option(help="What to call the corpus.")] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column holds what; repeat it.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file with name, licence, labeler, date_format and [columns].")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="public or credentialed (the default).")] = None,
    labeler: Annotated[
        str | None, typer.Option(help="Whose labels the label columns hold, e.g. radiologist; default corpus.")
    ] = None,
    date_format: Annotated[str | None, typer.Option(help="Of study_datetime, e.g. %d.%m.%Y; default ISO 8601.")] = None,
    image_root: Annotated[
        Path | None, typer.Option(help="The folder that image paths are relative to; default: the CSV's.")
    ] = None,
    dry_run: DryRun = False,
    db: Db = DEFAULT_DB,
) -> None:
    """Read your own reports from a CSV.

    Fields: study_id, patient_id, report (or findings, impression, indication, history, technique, comparison), split,
    study_datetime, study_order, age, sex, image, view, and labels by their CheXpert names. Columns that are named like
    a field need no --map.
    """
    from cxr.miner.ingest.csv.mapping import csv_settings
    from cxr.miner.ingest.csv.reader import read_csv_corpus

    chosen = csv_settings(mapping, map_ or (), name=name, licence=licence, labeler=labeler, date_format=date_format)
    run_ingest(
        chosen.name,
        db,
        lambda: read_csv_corpus(
            path,
            chosen.columns,
            chosen.name,
            chosen.licence,
            labeler=chosen.labeler,
            date_format=chosen.date_format,
            image_root=image_root,
        ),
        dry_run=dry_run,
    )


@images_app.command("check")
def images_check(
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root", metavar="CORPUS=PATH", help="Where a corpus's images lie; default: where ingest saw them."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per processor.", min=1)] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Find missing, truncated and unreadable image files by their headers, and note sizes in the store."""
    from cxr.miner.images.check import check_images, parse_roots
    from cxr.miner.images.facts import NO_PYDICOM
    from cxr.miner.kit.console import out, progress, say, table
    from cxr.miner.store import Store
    from cxr.schemas.vocabulary import FileStatus

    with Store.write(db) as store, progress("images check") as advance:
        result = check_images(store, parse_roots(root or ()), advance, workers=workers)
    if result.rows:
        out().print(table("Image files", ["corpus", "images", *map(str, FileStatus)], result.rows))
    if result.problems:
        out().print(table("Of these, for example", ["corpus", "image", "status", "why"], result.problems))
    for corpus, count in result.skipped.items():
        say(f"{corpus}: {count:,} images were not looked at; say where they lie with --root {corpus}=PATH")
    if result.unread_dicom:
        say(f"{result.unread_dicom:,} DICOM files are there, but their headers were not read; {NO_PYDICOM}")
    say(f"{result.changed:,} images updated in the store")
    if result.damaged:
        raise typer.Exit(Exit.REJECTS)
