"""MIMIC-CXR that is damaged, lies or is read by processes that die: what cannot be read is named, the rest is kept."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.miner.ingest.mimic.reports import zip_reports
from cxr.miner.ingest.read import workers
from cxr.miner.ingest.read.members import Member, read_chunk
from cxr.miner.kit.errors import InputError
from tests.ingesting import column, late_rejects, read_folder, rejected, reports_of
from tests.mimic_corpus import (
    CHEXPERT_CSV,
    FIRST,
    LABELS,
    META_CSV,
    METADATA,
    STUDIES,
    WRITERS,
    ZIP,
    dicom,
    die,
    label_rows,
    metadata_rows,
    report_path,
    write_csv,
    write_mimic,
    write_tree,
    write_zip,
)

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
        ({"StudyDate": "soon"}, "gap"),
        ({"StudyDate": "21801399"}, "gap"),
        ({"StudyTime": "97812.3"}, "gap"),
        ({"Rows": "tall"}, "gap"),
        ({"study_id": ""}, "missing_key"),
        ({"study_id": "fifty"}, "bad_value"),
        ({"dicom_id": ""}, "missing_key"),
        ({"dicom_id": dicom(FIRST, 1)}, "duplicate_key"),
    ],
)
def test_a_bad_cell_of_the_metadata_names_its_row_and_costs_no_study(
    tmp_path: Path, cells: dict[str, object], reason: str
) -> None:
    ingested = read_folder(with_metadata(tmp_path / "mimic", **cells))
    row = 3 if reason == "duplicate_key" else 2
    assert rejected(ingested) == [(f"{META_CSV}:{row}", reason)]
    assert ingested.studies.height == len(STUDIES)


def test_a_date_without_a_readable_time_keeps_the_date(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    rows = [(*row[:8], "97812.3", *row[9:]) if row[2] == FIRST.study else row for row in metadata_rows()]
    write_csv(folder / META_CSV, METADATA, rows)
    ingested = read_folder(folder)
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
    ingested = read_folder(folder)
    assert rejected(ingested) == [(key, reason)]
    (table,) = [table for table in ingested.labels if table.labeler == "chexpert"]
    assert table.frame.height == len(STUDIES) - (reason == "bad_value")


def test_a_label_file_without_a_finding_stops(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    write_csv(folder / CHEXPERT_CSV, ("subject_id", "study_id", *LABELS[1:]), [])
    with pytest.raises(InputError, match="Atelectasis"):
        read_folder(folder)


def test_a_cut_gzip_file_stops(tmp_path: Path) -> None:
    folder = write_mimic(tmp_path / "mimic")
    (folder / META_CSV).write_bytes((folder / META_CSV).read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged or ends early"):
        read_folder(folder)


# --- bad archives and trees --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/files/p10/p10000001/s50000001.txt", "../files/p10/p10000001/s50000001.txt", "C:/p10000001/s50000001.txt"]
)
def test_a_name_that_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    ingested = read_folder(write_zip(tmp_path / "mimic", extra={name: b"FINDINGS: x"}))
    assert rejected(ingested) == [(name, "unsafe_path")]
    assert ingested.studies.height == len(STUDIES)


def test_a_second_report_of_a_study_is_named(tmp_path: Path) -> None:
    again = "files/p10/p10000032/copy/p10000032/s50414267.txt"
    ingested = read_folder(write_zip(tmp_path / "mimic", extra={again: b"FINDINGS: other"}))
    assert rejected(ingested) == [(again, "duplicate_key")]


def test_files_that_are_no_reports_are_left_alone_and_counted(tmp_path: Path) -> None:
    ingested = read_folder(write_zip(tmp_path / "mimic", extra={"README": b"x", "files/": b"", "LICENSE.txt": b"y"}))
    assert rejected(ingested) == []
    assert any(note.startswith("2 other files") for note in ingested.notes)


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"FINDINGS: caf\xe9", "not_utf8"), (b"", "no_report"), (b" \n \n", "no_report")],
)
def test_a_report_that_cannot_be_used_is_named_and_its_study_stays(tmp_path: Path, data: bytes, reason: str) -> None:
    ingested = read_folder(write_zip(tmp_path / "mimic", STUDIES[1:], {report_path(FIRST): data}))
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
    ingested = read_folder(folder)
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
        read_folder(folder)


def test_something_else_called_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / ZIP).write_bytes(b"<html>404</html>" * 9)
    with pytest.raises(InputError, match="no whole zip file"):
        read_folder(tmp_path)


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may list every folder")
    folder = write_tree(tmp_path / "mimic")
    locked = folder / "files/p10/p10000764"
    locked.chmod(0)
    ingested = read_folder(folder)
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
    assert [reason for _, reason in late_rejects(read_folder(folder))] == ["unreadable", "unreadable"]


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
    alone = reports_of(read_folder(folder))
    for name, value in (("_ALONE", 0), ("CHUNK", 2), ("processors", lambda: 2)):
        monkeypatch.setattr(workers, name, value)
    assert reports_of(read_folder(folder)).equals(alone)


def test_a_worker_that_dies_is_an_error_and_not_a_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested = read_folder(write_zip(tmp_path / "mimic"))
    for name, value in (("_ALONE", 0), ("CHUNK", 2), ("processors", lambda: 2), ("read_chunk", die)):
        monkeypatch.setattr(workers, name, value)
    with pytest.raises(InputError, match="worker process"):
        reports_of(ingested)


def test_no_report_text_is_in_what_failed(tmp_path: Path) -> None:
    folder = write_zip(tmp_path / "mimic", [], {report_path(FIRST): b"FINDINGS: secret \xff"})
    member = zip_reports(folder / ZIP).members.select(Member._fields).rows()[0]
    _, failed = read_chunk(str(folder / ZIP), [Member(*member)])
    assert "secret" not in " ".join(message for _, _, message in failed)
