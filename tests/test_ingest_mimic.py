"""MIMIC-CXR in its three forms of reports, with and without MIMIC-CXR-JPG, whole or in parts: invented reports."""

import gzip
from datetime import datetime, time
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint, read_mimic
from cxr.miner.ingest.mimic.reports import Layout
from cxr.miner.ingest.mimic.tables import time_of
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.ingesting import column, read_folder, rejected, reports_of
from tests.mimic_corpus import (
    CHEXPERT_CSV,
    FIRST,
    LABELS,
    META_CSV,
    NEGBIO_CSV,
    SPLIT_CSV,
    STUDIES,
    TEST_CSV,
    WRITERS,
    ZIP,
    dicom,
    image_path,
    metadata_rows,
    report_path,
    report_text,
    write_csv,
    write_jpg,
    write_mimic,
    write_zip,
)

# --- what comes back --------------------------------------------------------------------


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_studies_findings_and_impressions(tmp_path: Path, layout: str) -> None:
    folder = write_jpg(WRITERS[layout](tmp_path / "mimic"))
    ingested = read_folder(folder)
    assert ingested.layout == layout
    assert ingested.studies["study_id"].to_list() == sorted(f"mimic-cxr/s{study.study}" for study in STUDIES)
    assert column(ingested, "patient_id")["s50414267"] == "mimic-cxr/p10000032"
    texts = {row["study_id"]: row for row in reports_of(ingested).iter_rows(named=True)}
    for study in STUDIES:
        row = texts[f"mimic-cxr/s{study.study}"]
        assert (row["findings"], row["impression"]) == (study.findings, study.impression)
        for section in row["sections"]:
            assert row["text"][section["start"] : section["end"]].strip()


@pytest.mark.parametrize("layout", ["zip", "tree"])
def test_the_text_is_the_file_and_sections_point_into_it(tmp_path: Path, layout: str) -> None:
    reports = reports_of(read_folder(WRITERS[layout](tmp_path / "mimic")))
    (row,) = [row for row in reports.iter_rows(named=True) if row["study_id"] == "mimic-cxr/s50414267"]
    assert row["text"] == report_text(FIRST)
    bodies = {section["name"]: row["text"][section["start"] : section["end"]] for section in row["sections"]}
    assert bodies["findings"] == FIRST.findings
    assert row["indication"] == "___ year old, cough"


def test_studies_are_ordered_by_date_and_by_time_that_lost_its_zeros(tmp_path: Path) -> None:
    ingested = read_folder(write_mimic(tmp_path / "mimic"))
    assert column(ingested, "study_datetime")["s53911762"] == datetime(2180, 6, 26, 8, 5, 56, 875_000)  # noqa: DTZ001
    order = column(ingested, "study_order")
    assert (order["s50414267"], order["s53911762"], order["s53189527"]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("80556.875", time(8, 5, 56, 875_000)),
        ("213014.531", time(21, 30, 14, 531_000)),
        ("5.123", time(0, 0, 5, 123_000)),
        ("0", time(0, 0)),
        ("83026.", time(8, 30, 26)),
        ("000559", time(0, 5, 59)),
        ("97812.3", None),
        ("240000", None),
        ("-5", None),
        ("8:05", None),
        ("", None),
    ],
)
def test_a_study_time_is_a_float_without_leading_zeros(cell: str, expected: time | None) -> None:
    assert pl.DataFrame({"cell": [cell]}).select(time_of(pl.col("cell")))["cell"].to_list() == [expected]


def test_splits_keep_the_owners_words(tmp_path: Path) -> None:
    splits = column(read_folder(write_mimic(tmp_path / "mimic")), "split")
    assert splits["s57375967"] == "validate"
    assert splits["s50771383"] == "test"


def test_images_have_path_view_and_size_of_the_original(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    there = folder / image_path(FIRST, 0)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"jpeg")
    images = {row["image_id"]: row for row in read_folder(folder).images.iter_rows(named=True)}
    row = images[f"mimic-cxr/{dicom(FIRST, 0)}"]
    assert (folder / row["path"]) == there
    assert (row["view"], row["view_position"], row["width"], row["height"]) == ("frontal", "PA", 3056, 2544)
    assert (row["file_status"], row["orientation"]) == ("present", "Erect")
    absent = images[f"mimic-cxr/{dicom(FIRST, 1)}"]
    assert (absent["view"], absent["file_status"]) == ("lateral", "absent")


def test_every_labeler_file_is_a_label_table_of_14_findings(tmp_path: Path) -> None:
    tables = {table.labeler: table for table in read_folder(write_mimic(tmp_path / "mimic")).labels}
    assert set(tables) == {"chexpert", "negbio", "radiologist"}
    assert (tables["chexpert"].version, tables["radiologist"].version) == ("2.0.0", "2.1.0")
    labels = {row["study_id"]: row for row in tables["chexpert"].frame.iter_rows(named=True)}
    assert set(tables["chexpert"].frame.columns) == {"study_id", *LABELS}
    row = labels["mimic-cxr/s53911762"]
    assert (row["Pleural Effusion"], row["Cardiomegaly"], row["Edema"]) == (1, -1, None)


def test_airspace_opacity_of_the_radiologists_sheet_is_lung_opacity(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    header = ("study_id", *("Airspace Opacity" if name == "Lung Opacity" else name for name in LABELS))
    values = ["" if name != "Lung Opacity" else "1.0" for name in LABELS]
    write_csv(folder / TEST_CSV, header, [(50771383, *values)])
    (table,) = [table for table in read_folder(folder).labels if table.labeler == "radiologist"]
    assert table.frame["Lung Opacity"].to_list() == [1]


def test_jpg_may_lie_in_a_folder_of_its_own_and_below_its_release(tmp_path: Path) -> None:
    reports = write_zip(tmp_path / "mimic-cxr")
    jpg = tmp_path / "mimic-cxr-jpg"
    write_jpg(jpg / "2.1.0")
    ingested = read_folder(reports, jpg)
    assert ingested.images.height == len(metadata_rows())
    assert not ingested.missing
    assert read_folder(reports / ZIP, jpg).studies.equals(ingested.studies)


def test_unpacked_csvs_and_windows_files_with_byte_order_marks_are_read(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    for name in (META_CSV, SPLIT_CSV, CHEXPERT_CSV):
        packed = folder / name
        plain = gzip.decompress(packed.read_bytes()).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        packed.unlink()
        (folder / name.removesuffix(".gz")).write_bytes(b"\xef\xbb\xbf" + plain)
    (folder / ZIP).unlink()
    windows = "\ufeff" + report_text(FIRST).replace("\n", "\r\n")
    write_zip(folder, STUDIES[1:], {report_path(FIRST): windows.encode()})
    ingested = read_folder(folder)
    assert ingested.images.height == len(metadata_rows())
    assert rejected(ingested) == []
    (row,) = [row for row in reports_of(ingested).iter_rows(named=True) if row["study_id"] == "mimic-cxr/s50414267"]
    assert row["findings"] == FIRST.findings
    assert not row["text"].startswith("\ufeff")


def test_a_joint_section_is_findings_and_impression(tmp_path: Path) -> None:
    text = f"{' ' * 33}FINAL REPORT\n INDICATION:  ___\n \n FINDINGS AND IMPRESSION: \n No acute disease.\n"
    folder = write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): text.encode()})
    (row,) = [row for row in reports_of(read_folder(folder)).iter_rows(named=True) if row["text"] == text]
    assert (row["findings"], row["impression"]) == ("No acute disease.", "No acute disease.")
    assert "findings_and_impression" in [section["name"] for section in row["sections"]]


def test_a_wet_read_does_not_become_the_findings(tmp_path: Path) -> None:
    text = (
        " WET READ: ___ 8:05 PM\n Possible pneumothorax.\n "
        + "_" * 78
        + f"\n{' ' * 33}FINAL REPORT\n FINDINGS: \n No pneumothorax.\n \n IMPRESSION: \n Normal.\n"
    )
    folder = write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): text.encode()})
    (row,) = [row for row in reports_of(read_folder(folder)).iter_rows(named=True) if row["text"] == text]
    assert row["findings"] == "No pneumothorax."


def test_the_last_paragraph_of_a_sectioned_csv_is_the_reading(tmp_path: Path) -> None:
    folder = tmp_path / "mimic"
    folder.mkdir()
    header = ("study", "impression", "findings", "last_paragraph", "comparison")
    write_csv(folder / "mimic_cxr_sectioned.csv", header, [("s50414267", "", "", "The lungs are clear.", "None.")])
    (row,) = reports_of(read_folder(folder)).iter_rows(named=True)
    assert row["findings"] == "The lungs are clear."


def test_the_history_of_a_sectioned_csv_stands_for_an_indication_that_is_not_there(tmp_path: Path) -> None:
    header = ("study", "indication", "history", "findings", "impression")
    rows = [("s50414267", "", "Fall.", "Clear.", ""), ("s50414268", "Cough.", "Fever.", "Clear.", "")]
    write_csv(tmp_path / "mimic_cxr_sectioned.csv", header, rows)
    assert reports_of(read_folder(tmp_path)).sort("study_id")["indication"].to_list() == ["Fall.", "Cough."]


# --- what is missing --------------------------------------------------------------------


def test_reports_alone_are_enough_and_what_will_not_work_is_said(tmp_path: Path) -> None:
    ingested = read_folder(write_zip(tmp_path / "mimic"))
    assert ingested.studies.height == len(STUDIES)
    assert ingested.images.is_empty()
    missing = dict(ingested.missing)
    assert set(missing) == {META_CSV, SPLIT_CSV, CHEXPERT_CSV, NEGBIO_CSV, TEST_CSV}
    assert "no priors" in missing[META_CSV]
    of_studies = {"study_order", "study_datetime", "study_date", "split"}
    of_images = {"images", "image_root", "view", "procedure", "view_code", "orientation"}
    assert ingested.unknown == of_studies | of_images


def test_counts_that_differ_name_both_numbers(tmp_path: Path) -> None:
    warnings = read_folder(write_mimic(tmp_path / "mimic")).warnings
    assert "found 5 reports; the owner publishes 227,835" in warnings
    assert any(
        warning.startswith("found 5 rows of chexpert labels; the owner publishes 227,827") for warning in warnings
    )


def test_a_wrong_checksum_names_both(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64} {META_CSV}\n{'1' * 64} README\n")
    (warning,) = [note for note in read_folder(folder).notes if "SHA-256" in note]
    assert META_CSV in warning
    assert "0" * 64 in warning


@pytest.mark.parametrize("what", ["nothing", "empty", "images only"])
def test_without_reports_it_stops(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "mimic"
    if what == "empty":
        folder.mkdir()
    if what == "images only":
        write_jpg(folder)
        image = folder / image_path(FIRST, 0)
        image.parent.mkdir(parents=True)
        image.write_bytes(b"jpeg")
    with pytest.raises(InputError, match=r"expected .*mimic-cxr-reports\.zip"):
        find_mimic(folder)


def test_an_unknown_layout_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tree layout"):
        find_mimic(write_zip(tmp_path / "mimic"), layout=Layout.TREE)


# --- fingerprints --------------------------------------------------------------------


@pytest.mark.parametrize("layout", WRITERS)
def test_the_quick_fingerprint_is_that_of_a_full_read(tmp_path: Path, layout: str) -> None:
    folder = write_jpg(WRITERS[layout](tmp_path / "mimic"))
    image = folder / image_path(FIRST, 0)
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(b"jpeg")
    files = find_mimic(folder)
    assert mimic_fingerprint(files) == read_mimic(files).fingerprint


def test_an_image_that_arrives_changes_the_fingerprint(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    image = folder / image_path(FIRST, 0)
    image.parent.mkdir(parents=True)
    before = mimic_fingerprint(find_mimic(folder))
    image.write_bytes(b"jpeg")
    assert mimic_fingerprint(find_mimic(folder)) != before


def test_reports_without_any_label_file_are_labeled_by_our_rules(cxr: Cli, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    folder = bare / "files" / "p10" / "p10000001"
    folder.mkdir(parents=True)
    text = "                                 FINAL REPORT\n FINDINGS:  There is a left pneumothorax.\n"
    (folder / "s50000001.txt").write_text(text)
    done = cxr("ingest", "mimic-cxr", bare, "--db", "bare.duckdb")
    assert done.returncode in {0, 4}, done.stderr
    told = cxr(
        "sql",
        "select labeler, value from labels where finding = 'Pneumothorax'",
        "--format",
        "csv",
        "--db",
        "bare.duckdb",
    )
    assert told.stdout.split() == ["labeler,value", "rules,1"]
