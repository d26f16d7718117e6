"""OpenI in its three forms, good and bad: invented reports in the owners' exact layouts."""

import io
import os
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from cxr.miner.ingest.corpus import IMAGES, REJECTS, REPORTS, STUDIES, split_of
from cxr.miner.ingest.openi.reader import Layout, read_openi
from cxr.miner.ingest.read.files import is_safe_name
from cxr.miner.kit.errors import InputError
from tests.ingesting import rejected

Report = Mapping[str, str]
MakeInput = Callable[[Path], Path]

REPORTS_IN = (
    {"uid": "1", "comparison": "None.", "indication": "Cough", "findings": "Heart is normal.", "impression": "Normal."},
    {"uid": "2", "comparison": "", "indication": "Chest pain, \u00e9", "findings": "", "impression": "1. No XXXX."},
    {"uid": "7", "comparison": "XXXX", "indication": "", "findings": "Small left effusion.", "impression": ""},
    {"uid": "9", "comparison": "None", "indication": "Fall", "findings": "", "impression": ""},
)
IMAGES_IN = (
    ("1", "1_IM-0001-4001", "Frontal"),
    ("1", "1_IM-0001-3001", "Lateral"),
    ("2", "2_IM-0652-1001", "Frontal"),
    ("9", "9_IM-2407-1001", "Frontal"),
)
SECTIONS = ("indication", "comparison", "findings", "impression")
HEADER = "uid,MeSH,Problems,image,indication,comparison,findings,impression"


def csv_reports(reports: Iterable[Report] = REPORTS_IN) -> str:
    lines = [HEADER]
    for report in reports:
        cells = ",".join(f'"{report[name]}"' if report[name] else "" for name in SECTIONS)
        lines.append(f'{report["uid"]},normal,normal,"Chest, 2 views",{cells}')
    return "\n".join(lines) + "\n"


def csv_projections() -> str:
    return "uid,filename,projection\n" + "".join(f"{uid},{stem}.dcm.png,{view}\n" for uid, stem, view in IMAGES_IN)


def xml_report(report: Report) -> bytes:
    texts = "".join(f'<AbstractText Label="{n.upper()}">{report[n]}</AbstractText>' for n in SECTIONS)
    names = [f"CXR1_{stem}" if uid == "1" else f"CXR{stem}" for uid, stem, _ in IMAGES_IN if uid == report["uid"]]
    images = "".join(f'<parentImage id="{name}"><figureId>F1</figureId></parentImage>' for name in names)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation><uId id="CXR{report["uid"]}"/>'
        f"<MedlineCitation><Article><Abstract>{texts}</Abstract></Article></MedlineCitation>{images}</eCitation>"
    ).encode()


def make_csv(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "indiana_reports.csv").write_text(csv_reports(), encoding="utf-8")
    (folder / "indiana_projections.csv").write_text(csv_projections(), encoding="utf-8")
    return folder


def make_xml(folder: Path) -> Path:
    inner = folder / "ecgen-radiology"
    inner.mkdir(parents=True)
    for report in REPORTS_IN:
        (inner / f"{report['uid']}.xml").write_bytes(xml_report(report))
    return folder


def tgz(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def whole_tgz() -> bytes:
    return tgz({f"ecgen-radiology/{report['uid']}.xml": xml_report(report) for report in REPORTS_IN})


def make_tgz(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "NLMCXR_reports.tgz").write_bytes(whole_tgz())
    return folder


MAKERS = {"csv": make_csv, "tgz": make_tgz, "xml": make_xml}


# --- what comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", MAKERS)
def test_each_layout_gives_the_same_studies_and_texts(tmp_path: Path, layout: str) -> None:
    result = read_openi(MAKERS[layout](tmp_path / "openi"))
    assert result.layout == layout
    assert dict(result.reports.select("study_id", "text").iter_rows()) == {
        "openi/CXR1": "COMPARISON: None.\nINDICATION: Cough\nFINDINGS: Heart is normal.\nIMPRESSION: Normal.",
        "openi/CXR2": "INDICATION: Chest pain, \u00e9\nIMPRESSION: 1. No XXXX.",
        "openi/CXR7": "COMPARISON: XXXX\nFINDINGS: Small left effusion.",
    }
    assert result.studies["source_id"].to_list() == ["CXR1", "CXR2", "CXR7"]
    assert sorted(result.images["image_id"]) == [
        "openi/CXR1_1_IM-0001-3001", "openi/CXR1_1_IM-0001-4001", "openi/CXR2_IM-0652-1001",
    ]  # fmt: skip
    assert rejected(result) == [("CXR9", "no_findings_nor_impression")]


@pytest.mark.parametrize("layout", MAKERS)
def test_frames_have_the_columns_of_the_store(tmp_path: Path, layout: str) -> None:
    result = read_openi(MAKERS[layout](tmp_path / "openi"))
    assert dict(result.studies.schema) == STUDIES
    assert dict(result.images.schema) == IMAGES
    assert dict(result.reports.schema) == REPORTS
    assert dict(result.rejects.schema) == REJECTS


@pytest.mark.parametrize("layout", MAKERS)
def test_sections_point_at_their_unchanged_text(tmp_path: Path, layout: str) -> None:
    for row in read_openi(MAKERS[layout](tmp_path / "openi")).reports.iter_rows(named=True):
        assert row["sections"]
        for section in row["sections"]:
            assert row["text"][section["start"] : section["end"]] == row[section["name"]]


def test_studies_carry_licence_patient_and_a_split_that_depends_on_the_patient_alone(tmp_path: Path) -> None:
    studies = read_openi(make_csv(tmp_path / "openi")).studies
    assert set(studies["licence"]) == {"public"}
    assert studies["patient_id"].to_list() == studies["study_id"].to_list()
    assert studies["split"].to_list() == [split_of(study) for study in studies["study_id"]]
    assert {split_of(f"openi/CXR{n}") for n in range(100)} == {"train", "validate", "test"}


def test_the_projections_give_views_and_the_xml_gives_none(tmp_path: Path) -> None:
    by_csv, by_xml = read_openi(make_csv(tmp_path / "a")), read_openi(make_xml(tmp_path / "b"))
    assert by_csv.images["view"].to_list() == ["frontal", "lateral", "frontal"]
    assert set(by_xml.images["view"]) == {None}
    assert any("view" in note for note in by_xml.notes)


def test_image_files_are_marked_present_where_they_lie_in_the_usual_folder(tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "openi")
    (folder / "images" / "images_normalized").mkdir(parents=True)
    (folder / "images" / "images_normalized" / "1_IM-0001-4001.dcm.png").write_bytes(b"")
    images = dict(read_openi(folder).images.select("path", "file_status").iter_rows())
    assert images["images/images_normalized/1_IM-0001-4001.dcm.png"] == "present"
    assert images["2_IM-0652-1001.dcm.png"] == "absent"


def test_without_projections_the_studies_come_and_a_note_says_what_is_missing(tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "openi")
    (folder / "indiana_projections.csv").unlink()
    result = read_openi(folder)
    assert result.studies.height == 3
    assert result.images.is_empty()
    assert any("indiana_projections.csv is missing" in note for note in result.notes)


def test_the_csv_layout_wins_and_says_so(tmp_path: Path) -> None:
    folder = make_tgz(make_csv(tmp_path / "openi"))
    result = read_openi(folder)
    assert result.layout == "csv"
    assert any("also holds the tgz layout" in note for note in result.notes)
    assert read_openi(folder, Layout.TGZ).layout == "tgz"


@pytest.mark.parametrize("file", ["indiana_reports.csv", "NLMCXR_reports.tgz"])
def test_a_path_may_name_the_file_itself(tmp_path: Path, file: str) -> None:
    folder = make_tgz(make_csv(tmp_path / "openi"))
    assert read_openi(folder / file).studies.height == 3


def test_a_rerun_gives_the_same_rows_and_a_changed_report_changes_its_row_alone(tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "openi")
    first = read_openi(folder)
    assert read_openi(folder).studies.equals(first.studies)
    changed = csv_reports().replace("Small left", "Large left")
    (folder / "indiana_reports.csv").write_text(changed, encoding="utf-8")
    hashes = zip(first.reports["text_hash"], read_openi(folder).reports["text_hash"], strict=True)
    assert [before == after for before, after in hashes] == [True, True, False]


def test_sources_name_each_file_with_its_size_and_hash(tmp_path: Path) -> None:
    sources = read_openi(make_csv(tmp_path / "openi")).sources
    assert [source.path for source in sources] == ["indiana_reports.csv", "indiana_projections.csv"]
    assert all(source.size > 0 and len(source.sha256) == 64 for source in sources)


def test_a_spreadsheet_error_is_a_missing_cell(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(csv_reports().replace('"Cough"', "#NAME?"), encoding="utf-8")
    assert read_openi(path).reports["indication"].to_list()[0] is None


# --- bad rows are rejects ------------------------------------------------------------------------------------------


def row(uid: str, findings: str = "Clear lungs.") -> str:
    return f"{uid},normal,normal,Chest,,,{findings},\n"


@pytest.mark.parametrize(
    ("line", "reason", "key"),
    [
        pytest.param(row(""), "missing_key", "indiana_reports.csv:3", id="no uid"),
        pytest.param(row("abc"), "bad_value", "abc", id="a uid that is no number"),
        pytest.param(row("1"), "duplicate_key", "CXR1", id="a uid seen before"),
        pytest.param(row("5", ""), "no_findings_nor_impression", "CXR5", id="nothing to read"),
        pytest.param(row("5", "  "), "no_findings_nor_impression", "CXR5", id="nothing but blanks"),
        pytest.param(row("5", "Clear \udcff lungs."), "not_utf8", "5", id="bytes that are not UTF-8"),
        pytest.param("5,normal,one cell too many,,,,,,\n", "wrong_fields", "5", id="too many cells"),
    ],
)
def test_a_bad_csv_row_is_a_reject_and_the_rest_is_kept(tmp_path: Path, line: str, reason: str, key: str) -> None:
    text = f"{HEADER}\n{row('1')}{line}{row('8')}"
    (tmp_path / "indiana_reports.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = read_openi(tmp_path)
    assert result.studies["source_id"].to_list() == ["CXR1", "CXR8"]
    assert rejected(result) == [(key, reason)]


@pytest.mark.parametrize(
    ("data", "reason", "key"),
    [
        pytest.param(b"<eCitation><uId", "broken_xml", "3.xml", id="cut short"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x "xx">]><eCitation><uId id="CXR3"/>&x;</eCitation>', "broken_xml", "3.xml",
            id="entities",
        ),
        pytest.param(b"<eCitation>\xff</eCitation>", "not_utf8", "3.xml", id="bytes that are not UTF-8"),
        pytest.param(b"<eCitation/>", "missing_key", "3.xml", id="no id"),
        pytest.param(xml_report(REPORTS_IN[0]), "duplicate_key", "CXR1", id="an id seen before"),
    ],
)  # fmt: skip
def test_a_bad_xml_file_is_a_reject_and_the_rest_is_kept(tmp_path: Path, data: bytes, reason: str, key: str) -> None:
    (tmp_path / "1.xml").write_bytes(xml_report(REPORTS_IN[0]))
    (tmp_path / "3.xml").write_bytes(data)
    result = read_openi(tmp_path)
    assert result.studies["source_id"].to_list() == ["CXR1"]
    assert rejected(result) == [(key, reason)]


@pytest.mark.parametrize("name", ["/etc/1.xml", "../1.xml", "a/../../1.xml", "C:/1.xml", "..\\1.xml"])
def test_unsafe_names_in_an_archive_are_rejects(tmp_path: Path, name: str) -> None:
    path = tmp_path / "reports.tgz"
    path.write_bytes(tgz({name: xml_report(REPORTS_IN[0]), "ecgen-radiology/2.xml": xml_report(REPORTS_IN[1])}))
    result = read_openi(path)
    assert result.studies["source_id"].to_list() == ["CXR2"]
    assert [reason for _, reason in rejected(result)] == ["unsafe_path"]
    assert not is_safe_name(name)


def test_links_in_an_archive_are_rejects(tmp_path: Path) -> None:
    path = tmp_path / "reports.tgz"
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("ecgen-radiology/3.xml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
        data = xml_report(REPORTS_IN[0])
        good = tarfile.TarInfo("ecgen-radiology/1.xml")
        good.size = len(data)
        archive.addfile(good, io.BytesIO(data))
    assert rejected(read_openi(path)) == [("ecgen-radiology/3.xml", "unsafe_path")]


def test_orphan_and_repeated_images_are_rejects(tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "openi")
    more = "77,77_IM-1-1.dcm.png,Frontal\n2,2_IM-0652-1001.dcm.png,Frontal\n2,,Frontal\n"
    (folder / "indiana_projections.csv").write_text(csv_projections() + more, encoding="utf-8")
    assert rejected(read_openi(folder)) == [
        ("2_IM-0652-1001.dcm.png", "duplicate_key"),
        ("77_IM-1-1.dcm.png", "unknown_study"),
        ("CXR9", "no_findings_nor_impression"),
        ("indiana_projections.csv:8", "missing_key"),
    ]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain, windows = make_csv(tmp_path / "a"), make_csv(tmp_path / "b")
    for name in ("indiana_reports.csv", "indiana_projections.csv"):
        data = (windows / name).read_bytes().replace(b"\n", b"\r\n")
        (windows / name).write_bytes(b"\xef\xbb\xbf" + data)
    assert read_openi(windows).studies.equals(read_openi(plain).studies)


def test_messages_never_hold_report_text(tmp_path: Path) -> None:
    (tmp_path / "indiana_reports.csv").write_bytes(f"{HEADER}\n{row('1')}{row('1', 'Secret effusion.')}".encode())
    messages = read_openi(tmp_path).rejects["message"].to_list()
    assert messages
    assert not any("Secret" in message for message in messages)


# --- what cannot be read at all -------------------------------------------------------------------------------------


def empty_folder(folder: Path) -> Path:
    return folder


def write(name: str, data: bytes) -> MakeInput:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda folder: folder / "nowhere", "does not exist; expected a folder with", id="missing path"),
        pytest.param(empty_folder, "holds no OpenI reports; expected indiana_reports.csv", id="empty folder"),
        pytest.param(write("notes.txt", b"x"), "holds no OpenI reports", id="another kind of file"),
        pytest.param(write("r.csv", b"uid,text\n1,x\n"), "has no column comparison", id="CSV without the columns"),
        pytest.param(write("r.csv", b""), "is empty; expected a CSV with the columns uid", id="empty CSV"),
        pytest.param(write("r.csv", f"{HEADER}\n".encode()), "holds no report", id="CSV with a header alone"),
        pytest.param(write("r.tgz", b"not an archive" * 99), "is no tar archive", id="no archive"),
        pytest.param(write("r.tgz", whole_tgz()[:300]), "damaged or ends early", id="truncated archive"),
        pytest.param(write("r.tgz", whole_tgz()[:-4]), "damaged or ends early", id="archive without its last bytes"),
        pytest.param(write("r.tgz", tgz({"a.txt": b"x"})), "holds no XML reports", id="archive of something else"),
        pytest.param(
            write("r.tgz", tgz({"a.xml": bytes(80_000_000)})), "has a member of 80,000,000 bytes", id="archive bomb"
        ),
    ],
)
def test_unusable_input_is_one_sentence(tmp_path: Path, make: MakeInput, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_openi(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_layout_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no xml layout of OpenI"):
        read_openi(make_csv(tmp_path / "openi"), Layout.XML)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = make_csv(tmp_path / "openi") / "indiana_reports.csv"
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        read_openi(path)


# --- the real collection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "found", "studies", "images", "silent"),
    [(Layout.CSV, 3851, 3826, 7426, 25), (Layout.TGZ, 3955, 3927, 7430, 28)],
)
def test_the_real_collection_comes_whole(
    shared: Path, layout: Layout, found: int, studies: int, images: int, silent: int
) -> None:
    result = read_openi(shared / "data" / "openi", layout)
    assert (result.studies.height, result.images.height) == (studies, images)
    assert set(result.rejects["reason"]) == {"no_findings_nor_impression"}
    assert result.rejects.height == silent == found - studies
    for line in result.reports.iter_rows(named=True):
        for section in line["sections"]:
            assert line["text"][section["start"] : section["end"]] == line[section["name"]]


def test_archive_and_csv_agree_on_the_real_text_up_to_three_spreadsheet_errors(shared: Path) -> None:
    by_csv = read_openi(shared / "data" / "openi", Layout.CSV).reports
    by_xml = dict(read_openi(shared / "data" / "openi", Layout.TGZ).reports.select("study_id", "text").iter_rows())
    different = [study for study, text in by_csv.select("study_id", "text").iter_rows() if by_xml[study] != text]
    assert different == ["openi/CXR1555", "openi/CXR3477", "openi/CXR3784"]
