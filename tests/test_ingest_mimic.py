"""MIMIC-CXR in its three forms of reports, with and without MIMIC-CXR-JPG, good and bad: invented reports."""

import gzip
import os
import zipfile
from collections.abc import Callable
from datetime import datetime, time
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.corpus import Ingested
from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint, read_mimic
from cxr.miner.ingest.mimic.reports import Layout, zip_reports
from cxr.miner.ingest.mimic.tables import time_of
from cxr.miner.ingest.read import workers
from cxr.miner.ingest.read.members import Member, read_chunk
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.mimic_corpus import (
    CHEXPERT_CSV,
    LABELS,
    META_CSV,
    METADATA,
    NEGBIO_CSV,
    SPLIT_CSV,
    STUDIES,
    TEST_CSV,
    ZIP,
    dicom,
    die,
    image_path,
    label_rows,
    metadata_rows,
    report_path,
    report_text,
    write_csv,
    write_jpg,
    write_mimic,
    write_sectioned,
    write_tree,
    write_zip,
)

WRITERS: dict[str, Callable[[Path], Path]] = {"zip": write_zip, "tree": write_tree, "sectioned": write_sectioned}
FIRST = STUDIES[0]


def read(folder: Path, jpg: Path | None = None) -> Ingested:
    return read_mimic(find_mimic(folder, jpg))


def reports_of(ingested: Ingested) -> pl.DataFrame:
    assert ingested.batches is not None
    return pl.concat([batch.reports for batch in ingested.batches(lambda done, total: None)])


def late_rejects(ingested: Ingested) -> list[tuple[str, str]]:
    assert ingested.batches is not None
    found = [batch.rejects for batch in ingested.batches(lambda done, total: None)]
    return [row for frame in found for row in frame.select("reject_key", "reason").iter_rows()]


def rejected(ingested: Ingested) -> list[tuple[str, str]]:
    return sorted(ingested.rejects.select("reject_key", "reason").iter_rows())


def column(ingested: Ingested, name: str) -> dict[str, object]:
    return {str(key): value for key, value in ingested.studies.select("source_id", name).iter_rows()}


# --- what comes back --------------------------------------------------------------------


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_same_studies_findings_and_impressions(tmp_path: Path, layout: str) -> None:
    folder = write_jpg(WRITERS[layout](tmp_path / "mimic"))
    ingested = read(folder)
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
    reports = reports_of(read(WRITERS[layout](tmp_path / "mimic")))
    (row,) = [row for row in reports.iter_rows(named=True) if row["study_id"] == "mimic-cxr/s50414267"]
    assert row["text"] == report_text(FIRST)
    bodies = {section["name"]: row["text"][section["start"] : section["end"]] for section in row["sections"]}
    assert bodies["findings"] == FIRST.findings
    assert row["indication"] == "___ year old, cough"


def test_studies_are_ordered_by_date_and_by_time_that_lost_its_zeros(tmp_path: Path) -> None:
    ingested = read(write_mimic(tmp_path / "mimic"))
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
    splits = column(read(write_mimic(tmp_path / "mimic")), "split")
    assert splits["s57375967"] == "validate"
    assert splits["s50771383"] == "test"


def test_images_have_path_view_and_size_of_the_original(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    there = folder / image_path(FIRST, 0)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"jpeg")
    images = {row["image_id"]: row for row in read(folder).images.iter_rows(named=True)}
    row = images[f"mimic-cxr/{dicom(FIRST, 0)}"]
    assert (folder / row["path"]) == there
    assert (row["view"], row["view_position"], row["width"], row["height"]) == ("frontal", "PA", 3056, 2544)
    assert (row["file_status"], row["orientation"]) == ("present", "Erect")
    absent = images[f"mimic-cxr/{dicom(FIRST, 1)}"]
    assert (absent["view"], absent["file_status"]) == ("lateral", "absent")


def test_every_labeler_file_is_a_label_table_of_14_findings(tmp_path: Path) -> None:
    tables = {table.labeler: table for table in read(write_mimic(tmp_path / "mimic")).labels}
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
    (table,) = [table for table in read(folder).labels if table.labeler == "radiologist"]
    assert table.frame["Lung Opacity"].to_list() == [1]


def test_jpg_may_lie_in_a_folder_of_its_own_and_below_its_release(tmp_path: Path) -> None:
    reports = write_zip(tmp_path / "mimic-cxr")
    jpg = tmp_path / "mimic-cxr-jpg"
    write_jpg(jpg / "2.1.0")
    ingested = read(reports, jpg)
    assert ingested.images.height == len(metadata_rows())
    assert not ingested.missing
    assert read(reports / ZIP, jpg).studies.equals(ingested.studies)


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
    ingested = read(folder)
    assert ingested.images.height == len(metadata_rows())
    assert rejected(ingested) == []
    (row,) = [row for row in reports_of(ingested).iter_rows(named=True) if row["study_id"] == "mimic-cxr/s50414267"]
    assert row["findings"] == FIRST.findings
    assert not row["text"].startswith("\ufeff")


def test_a_joint_section_is_findings_and_impression(tmp_path: Path) -> None:
    text = f"{' ' * 33}FINAL REPORT\n INDICATION:  ___\n \n FINDINGS AND IMPRESSION: \n No acute disease.\n"
    folder = write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): text.encode()})
    (row,) = [row for row in reports_of(read(folder)).iter_rows(named=True) if row["text"] == text]
    assert (row["findings"], row["impression"]) == ("No acute disease.", "No acute disease.")
    assert "findings_and_impression" in [section["name"] for section in row["sections"]]


def test_a_wet_read_does_not_become_the_findings(tmp_path: Path) -> None:
    text = (
        " WET READ: ___ 8:05 PM\n Possible pneumothorax.\n "
        + "_" * 78
        + f"\n{' ' * 33}FINAL REPORT\n FINDINGS: \n No pneumothorax.\n \n IMPRESSION: \n Normal.\n"
    )
    folder = write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): text.encode()})
    (row,) = [row for row in reports_of(read(folder)).iter_rows(named=True) if row["text"] == text]
    assert row["findings"] == "No pneumothorax."


def test_the_last_paragraph_of_a_sectioned_csv_is_the_reading(tmp_path: Path) -> None:
    folder = tmp_path / "mimic"
    folder.mkdir()
    header = ("study", "impression", "findings", "last_paragraph", "comparison")
    write_csv(folder / "mimic_cxr_sectioned.csv", header, [("s50414267", "", "", "The lungs are clear.", "None.")])
    (row,) = reports_of(read(folder)).iter_rows(named=True)
    assert row["findings"] == "The lungs are clear."


def test_the_history_of_a_sectioned_csv_stands_for_an_indication_that_is_not_there(tmp_path: Path) -> None:
    header = ("study", "indication", "history", "findings", "impression")
    rows = [("s50414267", "", "Fall.", "Clear.", ""), ("s50414268", "Cough.", "Fever.", "Clear.", "")]
    write_csv(tmp_path / "mimic_cxr_sectioned.csv", header, rows)
    assert reports_of(read(tmp_path)).sort("study_id")["indication"].to_list() == ["Fall.", "Cough."]


# --- what is missing --------------------------------------------------------------------


def test_reports_alone_are_enough_and_what_will_not_work_is_said(tmp_path: Path) -> None:
    ingested = read(write_zip(tmp_path / "mimic"))
    assert ingested.studies.height == len(STUDIES)
    assert ingested.images.is_empty()
    missing = dict(ingested.missing)
    assert set(missing) == {META_CSV, SPLIT_CSV, CHEXPERT_CSV, NEGBIO_CSV, TEST_CSV}
    assert "no priors" in missing[META_CSV]
    of_studies = {"study_order", "study_datetime", "study_date", "split"}
    of_images = {"images", "image_root", "view", "procedure", "view_code", "orientation"}
    assert ingested.unknown == of_studies | of_images


def test_counts_that_differ_name_both_numbers(tmp_path: Path) -> None:
    warnings = read(write_mimic(tmp_path / "mimic")).warnings
    assert "found 5 reports; the owner publishes 227,835" in warnings
    assert any(
        warning.startswith("found 5 rows of chexpert labels; the owner publishes 227,827") for warning in warnings
    )


def test_a_wrong_checksum_names_both(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64} {META_CSV}\n{'1' * 64} README\n")
    (warning,) = [note for note in read(folder).notes if "SHA-256" in note]
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


# --- bad rows --------------------------------------------------------------------


def with_metadata(folder: Path, **cells: object) -> Path:
    """Write the corpus with cells of the first metadata row replaced."""
    write_mimic(folder)
    rows = metadata_rows()
    rows[0] = tuple(cells.get(name, value) for name, value in zip(METADATA, rows[0], strict=True))
    write_csv(folder / META_CSV, METADATA, rows)
    return folder


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"StudyDate": "soon"}, "bad_value"),
        ({"StudyDate": "21801399"}, "bad_value"),
        ({"StudyTime": "97812.3"}, "bad_value"),
        ({"Rows": "tall"}, "bad_value"),
        ({"study_id": ""}, "missing_key"),
        ({"study_id": "fifty"}, "bad_value"),
        ({"dicom_id": ""}, "missing_key"),
        ({"dicom_id": dicom(FIRST, 1)}, "duplicate_key"),
    ],
)
def test_a_bad_cell_of_the_metadata_names_its_row_and_costs_no_study(
    tmp_path: Path, cells: dict[str, object], reason: str
) -> None:
    ingested = read(with_metadata(tmp_path / "mimic", **cells))
    row = 3 if reason == "duplicate_key" else 2
    assert rejected(ingested) == [(f"{META_CSV}:{row}", reason)]
    assert ingested.studies.height == len(STUDIES)


def test_a_date_without_a_readable_time_keeps_the_date(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    rows = [(*row[:8], "97812.3", *row[9:]) if row[2] == FIRST.study else row for row in metadata_rows()]
    write_csv(folder / META_CSV, METADATA, rows)
    ingested = read(folder)
    assert column(ingested, "study_datetime")["s50414267"] is None
    assert str(column(ingested, "study_date")["s50414267"]) == "2180-05-06"


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        (lambda rows: [(*rows[0][:2], "2.0", *rows[0][3:]), *rows[1:]], f"{CHEXPERT_CSV}:2", "bad_value"),
        (lambda rows: [(*rows[0][:2], "yes", *rows[0][3:]), *rows[1:]], f"{CHEXPERT_CSV}:2", "bad_value"),
        (lambda rows: [*rows, rows[0]], f"{CHEXPERT_CSV}:7", "duplicate_key"),
        (lambda rows: [*rows, (10000032, 59999999, *rows[0][2:])], f"{CHEXPERT_CSV}:7", "unknown_study"),
    ],
)
def test_labels_outside_the_coding_and_doubtful_rows_are_named(
    tmp_path: Path, change: Callable[[list[tuple[object, ...]]], list[tuple[object, ...]]], key: str, reason: str
) -> None:
    folder = write_mimic(tmp_path / "mimic")
    write_csv(folder / CHEXPERT_CSV, ("subject_id", "study_id", *LABELS), change(label_rows()))
    ingested = read(folder)
    assert rejected(ingested) == [(key, reason)]
    (table,) = [table for table in ingested.labels if table.labeler == "chexpert"]
    assert table.frame.height == len(STUDIES) - (reason == "bad_value")


def test_a_label_file_without_a_finding_stops(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    write_csv(folder / CHEXPERT_CSV, ("subject_id", "study_id", *LABELS[1:]), [])
    with pytest.raises(InputError, match="Atelectasis"):
        read(folder)


def test_a_cut_gzip_file_stops(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    (folder / META_CSV).write_bytes((folder / META_CSV).read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged or ends early"):
        read(folder)


# --- bad archives and trees --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/files/p10/p10000001/s50000001.txt", "../files/p10/p10000001/s50000001.txt", "C:/p10000001/s50000001.txt"]
)
def test_a_name_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    ingested = read(write_zip(tmp_path / "mimic", extra={name: b"FINDINGS: x"}))
    assert rejected(ingested) == [(name, "unsafe_path")]
    assert ingested.studies.height == len(STUDIES)


def test_a_second_report_of_a_study_is_named(tmp_path: Path) -> None:
    again = "files/p10/p10000032/copy/p10000032/s50414267.txt"
    ingested = read(write_zip(tmp_path / "mimic", extra={again: b"FINDINGS: other"}))
    assert rejected(ingested) == [(again, "duplicate_key")]


def test_files_that_are_no_reports_are_left_alone_and_counted(tmp_path: Path) -> None:
    ingested = read(write_zip(tmp_path / "mimic", extra={"README": b"x", "files/": b"", "LICENSE.txt": b"y"}))
    assert rejected(ingested) == []
    assert any(note.startswith("2 other files") for note in ingested.notes)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"FINDINGS: caf\xe9", "not_utf8"), (b"", "no_report"), (b" \n \n", "no_report")],
)
def test_a_report_that_cannot_be_used_is_named_and_its_study_stays(tmp_path: Path, data: bytes, reason: str) -> None:
    ingested = read(write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): data}))
    assert late_rejects(ingested) == [(report_path(FIRST), reason)]
    assert "mimic-cxr/s50414267" in ingested.studies["study_id"].to_list()
    assert reports_of(ingested).height == len(STUDIES) - 1


def corrupt(path: Path, study: str, change: Callable[[bytearray, int, int], None]) -> None:
    """Change the zip in place: `change` gets its bytes, the offset of a member's data and of its directory entry."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        (entry,) = [entry for entry in archive.infolist() if study in entry.filename]
    name = entry.filename.encode()
    change(data, entry.header_offset + 30 + len(name), data.rindex(name) - 46)
    path.write_bytes(data)


def flip(data: bytearray, body: int, entry: int) -> None:
    data[body + 5] ^= 0xFF


def lie_about_size(data: bytearray, body: int, entry: int) -> None:
    data[entry + 24 : entry + 28] = (7).to_bytes(4, "little")


def encrypt(data: bytearray, body: int, entry: int) -> None:
    data[entry + 8] |= 1


def make_huge(data: bytearray, body: int, entry: int) -> None:
    data[entry + 24 : entry + 28] = (40_000_000).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (flip, {"unreadable", "bad_value"}),
        (lie_about_size, {"bad_value"}),
        (encrypt, {"unreadable"}),
        (make_huge, {"bad_value"}),
    ],
)
def test_a_damaged_or_lying_member_is_named_and_the_rest_is_kept(
    tmp_path: Path, change: Callable[[bytearray, int, int], None], reasons: set[str]
) -> None:
    folder = write_zip(tmp_path / "mimic")
    corrupt(folder / ZIP, "s50414267", change)
    ingested = read(folder)
    found = [*rejected(ingested), *late_rejects(ingested)]
    assert [key for key, _ in found] == [report_path(FIRST)]
    assert {reason for _, reason in found} <= reasons
    assert reports_of(ingested).height == len(STUDIES) - 1


def test_a_bomb_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"files/p10/p10000001/s5000000{number}.txt", b" " * 15_000_000)
    with pytest.raises(InputError, match=r"which its .* do not explain"):
        zip_reports(path)


@pytest.mark.parametrize("cut", [10, 60, 400])
def test_a_cut_zip_is_refused(tmp_path: Path, cut: int) -> None:
    folder = write_zip(tmp_path / "mimic")
    (folder / ZIP).write_bytes((folder / ZIP).read_bytes()[:-cut])
    with pytest.raises(InputError, match="no whole zip file"):
        read(folder)


def test_something_else_called_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / ZIP).write_bytes(b"<html>404</html>" * 9)
    with pytest.raises(InputError, match="no whole zip file"):
        read(tmp_path)


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may list every folder")
    folder = write_tree(tmp_path / "mimic")
    locked = folder / "files/p10/p10000764"
    locked.chmod(0)
    ingested = read(folder)
    locked.chmod(0o700)
    assert rejected(ingested) == [("files/p10/p10000764", "unreadable")]
    assert ingested.studies.height == len(STUDIES) - 1


def test_a_report_that_is_a_dangling_link_or_a_pipe_is_named(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "mimic")
    first, second = (folder / report_path(study) for study in STUDIES[:2])
    first.unlink()
    first.symlink_to("nowhere")
    second.unlink()
    os.mkfifo(second)
    assert [reason for _, reason in late_rejects(read(folder))] == ["unreadable", "unreadable"]


def test_a_zip_in_the_64_bit_form_is_read(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(65_540):  # more entries than 16 bits count
            archive.writestr(f"s{number}", b"")
    assert zip_reports(path).ignored == 65_540


# --- workers --------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["zip", "tree"])
def test_worker_processes_give_what_one_process_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    folder = WRITERS[layout](tmp_path / "mimic")
    alone = reports_of(read(folder))
    for name, value in (("_ALONE", 0), ("CHUNK", 2), ("processors", lambda: 2)):
        monkeypatch.setattr(workers, name, value)
    assert reports_of(read(folder)).equals(alone)


def test_a_worker_that_dies_is_an_error_and_not_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested = read(write_zip(tmp_path / "mimic"))
    for name, value in (("_ALONE", 0), ("CHUNK", 2), ("processors", lambda: 2), ("read_chunk", die)):
        monkeypatch.setattr(workers, name, value)
    with pytest.raises(InputError, match="worker process"):
        reports_of(ingested)


def test_no_report_text_is_in_what_failed(tmp_path: Path) -> None:
    folder = write_zip(tmp_path / "mimic", [], {report_path(FIRST): b"FINDINGS: secret \xff"})
    member = zip_reports(folder / ZIP).members.select(Member._fields).rows()[0]
    _, failed = read_chunk(str(folder / ZIP), [Member(*member)])
    assert "secret" not in " ".join(message for _, _, message in failed)


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
