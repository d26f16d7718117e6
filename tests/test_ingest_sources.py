"""What one source does not know, another has said: nothing is wiped, equal content is unchanged, in every order."""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint, read_mimic
from cxr.miner.ingest.openi.reader import Layout, read_openi
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.ingest.write.result import IngestResult
from cxr.miner.kit.errors import InputError, StoreError
from tests import mimic_corpus as mimic
from tests.conftest import Cli
from tests.ingesting import rows
from tests.test_ingest_openi import make_csv, make_tgz, make_xml


def openi(db: Path, folder: Path, layout: Layout = Layout.AUTO) -> IngestResult:
    return ingest(db, lambda: read_openi(folder, layout), lambda done, total: None)


def images(db: Path) -> list[tuple[object, ...]]:
    return rows(db, 'select image_id, path, "view", file_status from images order by all')


# --- OpenI in one form after another -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [make_xml, make_tgz])
def test_the_xml_after_the_csv_changes_nothing_and_neither_does_the_csv_again(
    db: Path, tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    by_csv, by_xml = make_csv(tmp_path / "csv"), make(tmp_path / "xml")
    openi(db, by_csv)
    before = images(db)
    assert {view for _, _, view, _ in before} == {"frontal", "lateral"}
    for folder in (by_xml, by_csv, by_xml):
        result = openi(db, folder)
        assert (result.new, result.changed, result.unchanged) == (0, 0, 3)
        assert images(db) == before


def test_the_csv_after_the_xml_adds_the_views_once(db: Path, tmp_path: Path) -> None:
    by_csv, by_xml = make_csv(tmp_path / "csv"), make_xml(tmp_path / "xml")
    openi(db, by_xml)
    assert openi(db, by_csv).changed == 2
    assert openi(db, by_xml).changed == 0
    assert {view for _, _, view, _ in images(db)} == {"frontal", "lateral"}


def test_image_files_are_found_by_the_names_of_either_form_and_stay_found(db: Path, tmp_path: Path) -> None:
    by_csv, by_xml = make_csv(tmp_path / "csv"), make_xml(tmp_path / "xml")
    (by_csv / "images").mkdir()
    (by_csv / "images" / "CXR1_1_IM-0001-4001.png").write_bytes(b"")
    (by_csv / "images" / "2_IM-0652-1001.dcm.png").write_bytes(b"")
    openi(db, by_csv)
    before = images(db)
    assert [status for *_, status in before] == ["absent", "present", "present"]
    openi(db, by_xml)
    assert images(db) == before
    assert rows(db, "select image_root from corpora") == [(str(by_csv),)]
    (by_csv / "images" / "2_IM-0652-1001.dcm.png").unlink()
    assert openi(db, by_csv).changed == 1


def test_reports_without_their_projections_keep_the_images(db: Path, tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "csv")
    openi(db, folder)
    before = images(db)
    (folder / "indiana_projections.csv").unlink()
    assert openi(db, folder).changed == 0
    assert images(db) == before


@pytest.mark.slow
def test_the_real_collection_in_every_form_keeps_its_views(db: Path, shared: Path) -> None:
    folder = shared / "data" / "openi"
    openi(db, folder, Layout.CSV)
    viewed = 'select count("view") from images'
    assert rows(db, viewed) == [(7426,)]
    # The XML has 101 studies without images more, four images more, and three indications that a spreadsheet broke.
    result = openi(db, folder, Layout.TGZ)
    assert (result.new, result.changed) == (101, 6)
    assert rows(db, viewed) == [(7426,)]
    result = openi(db, folder, Layout.CSV)
    assert (result.new, result.changed) == (0, 3)
    assert rows(db, "select count(*) from images") == [(7430,)]


# --- OpenI: what cannot be opened, and counts ----------------------------------------------------------------------


def test_an_xml_report_that_cannot_be_opened_is_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = make_xml(tmp_path / "xml")
    (folder / "ecgen-radiology" / "2.xml").unlink()
    (folder / "ecgen-radiology" / "2.xml").mkdir()  # opening it fails for root, too
    result = read_openi(folder)
    assert result.studies["source_id"].to_list() == ["CXR1", "CXR7"]
    assert ("2.xml", "unreadable") in result.rejects.select("reject_key", "reason").rows()


def test_a_folder_of_reports_of_which_none_can_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "2.xml").mkdir()
    with pytest.raises(InputError, match="none of the 1 XML reports"):
        read_openi(tmp_path)


def test_openi_counts_are_compared_with_those_of_the_form_that_was_read(cxr: Cli, tmp_path: Path) -> None:
    for make, name, reports, of in ((make_csv, "csv", "3,851", "7,466"), (make_tgz, "tgz", "3,955", "7,470")):
        folder = make(tmp_path / name)
        dry = cxr("ingest", "openi", folder, "--dry-run")
        assert reports in dry.stdout
        assert of in dry.stdout
        assert "not given" not in dry.stdout
        assert "only by a real ingest" not in dry.stdout
        assert "publishes" not in dry.stderr, "each count is told once"
        cxr("ingest", "openi", folder, "--db", f"{name}.duckdb")
        assert reports in cxr("status", "--db", f"{name}.duckdb").stdout


# --- before anything is read ---------------------------------------------------------------------------------------


def never() -> object:
    raise AssertionError("the corpus was read")


def test_a_store_that_cannot_be_written_is_found_before_the_corpus_is_read(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as other:
        other.execute("create table of_others (n integer)")
    (tmp_path / "notes.duckdb").write_text("no database" * 999)
    for db in (foreign, tmp_path / "notes.duckdb", tmp_path / "nowhere" / "cxr.duckdb"):
        with pytest.raises(StoreError):
            ingest(db, never, lambda done, total: None)  # type: ignore[arg-type]
    assert not (tmp_path / "nowhere").exists()


# --- the second time -----------------------------------------------------------------------------------------------


def test_what_was_said_once_is_not_said_again_when_there_is_nothing_to_do(cxr: Cli, tmp_path: Path) -> None:
    folder = make_csv(tmp_path / "openi")
    first = cxr("ingest", "openi", folder)
    assert "the owner publishes 3,851" in first.stderr
    second = cxr("ingest", "openi", folder)
    assert "nothing to do" in second.stderr
    assert "publishes" not in second.stderr
    assert "1 rows rejected" in second.stderr
    (folder / "NLMCXR_reports.tgz").write_bytes((make_tgz(tmp_path / "t") / "NLMCXR_reports.tgz").read_bytes())
    assert "also holds the tgz layout" in cxr("ingest", "openi", folder).stderr


# --- files without rows, and rows of which none will do -----------------------------------------------------------

FINDINGS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
PLUS = (
    "path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,patient_report_date_order,report,"
    "section_narrative,section_clinical_history,section_history,section_comparison,section_technique,"
    "section_procedure_comments,section_findings,section_impression,section_end_of_impression,section_summary,"
    "section_accession_number,age,sex,race,ethnicity,interpreter_needed,insurance_type,recent_bmi,deceased,split"
)
CHANGES = (
    "dicom_id,previous_dicom_id,consolidation_progression,edema_progression,pleural_effusion_progression,"
    "pneumonia_progression,pneumothorax_progression,quality,subject_id,study_id,previous_study_id"
)
HEADERS = {
    "csv": ("in.csv", "study_id,report"),
    "mimic-cxr": ("mimic_cxr_sectioned.csv", "study,impression,findings,last_paragraph,comparison"),
    "chexpert": ("train.csv", f"Path,Sex,Age,Frontal/Lateral,AP/PA,{FINDINGS}"),
    "chexpert-plus": ("df_chexpert_plus_240401.csv", PLUS),
    "rsna": ("stage_2_train_labels.csv", "patientId,x,y,width,height,Target"),
    "siim": ("train-rle.csv", "ImageId,EncodedPixels"),
    "ms-cxr-t": ("MS_CXR_T_temporal_image_classification_v1.0.0.csv", CHANGES),
}


@pytest.mark.parametrize("corpus", HEADERS)
def test_a_file_with_a_header_alone_is_refused_and_leaves_no_store(cxr: Cli, tmp_path: Path, corpus: str) -> None:
    name, header = HEADERS[corpus]
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / name).write_text(f"{header}\n", "utf-8")
    own = ("--name", "ward") if corpus == "csv" else ()
    for dry in ((), ("--dry-run",)):
        done = cxr("ingest", corpus, folder / name if corpus == "csv" else folder, *own, *dry)
        assert done.returncode == 1, done.stderr
        assert name in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "cxr.duckdb").exists()


def test_where_no_row_will_do_that_is_said_with_a_reason(cxr: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "siim"
    folder.mkdir()
    (folder / "train-rle.csv").write_text("ImageId,EncodedPixels\n1.2.3,many\n1.2.4,some\n", "utf-8")
    for _ in range(2):
        done = cxr("ingest", "siim", folder)
        assert done.returncode == 4
        assert "nothing to do" not in done.stderr
        assert "nothing could be kept, all 2 rows were rejected: bad_value at train-rle.csv:2" in done.stderr


# --- what hangs on a report ----------------------------------------------------------------------------------------


def test_a_question_that_was_rejected_is_mined_when_its_report_changed(cxr: Cli, tmp_path: Path) -> None:
    def write(text: str) -> None:
        other = '2,"FINDINGS: No pleural effusion. IMPRESSION: Normal.",0'
        (tmp_path / "in.csv").write_text(f'study_id,report,Pleural Effusion\n1,"{text}",1\n{other}\n', "utf-8")
        assert cxr("ingest", "csv", "in.csv", "--name", "ward").returncode == 0

    write("FINDINGS: There is no pleural effusion. IMPRESSION: Normal.")
    asked = ("ask", "--tasks", "binary", "--balance", "none", "--min-positives", "1", "--labeler", "corpus")
    assert cxr(*asked).returncode == 0
    assert cxr("mine").returncode == 4
    db = tmp_path / "cxr.duckdb"
    of_effusion = "select question_id from questions where study_id = 'ward/1'"
    rejected = f"select count(*) from rejects where stage = 'mine' and reject_key in ({of_effusion})"
    assert rows(db, rejected) == [(1,)]
    write("FINDINGS: There is a large left pleural effusion. IMPRESSION: Left pleural effusion.")
    assert rows(db, "select count(*) from rejects where stage = 'mine'") == [(0,)]
    assert cxr(*asked).returncode == 0
    cxr("mine")
    assert rows(db, f"select count(*) from chains where question_id in ({of_effusion})") == [(1,)]


# --- MIMIC-CXR as other systems unpack it --------------------------------------------------------------------------


def test_a_tree_with_windows_line_ends_and_byte_order_marks_reads_as_the_plain_one(tmp_path: Path) -> None:
    plain, windows = mimic.write_tree(tmp_path / "plain"), mimic.write_tree(tmp_path / "windows")
    for file in windows.rglob("*.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))

    def reports(folder: Path) -> list[tuple[object, ...]]:
        db = folder.with_suffix(".duckdb")
        files = find_mimic(folder)
        result = ingest(db, lambda: read_mimic(files), lambda done, total: None)
        assert (result.new, result.rejects) == (5, {})
        bodies = "list_transform(sections, lambda s: [s.name, text[s.start + 1 : s.end]])"
        listed = f"select study_id, {bodies}, findings, impression from reports order by study_id"
        assert rows(db, "select count(*) from reports where text like chr(65279) || '%'") == [(0,)]
        return rows(db, listed)

    found = reports(windows)
    assert "\r\n" in str(rows(tmp_path / "windows.duckdb", "select text from reports limit 1")[0][0])
    assert [str(row).replace("\\r\\n", "\\n") for row in found] == [str(row) for row in reports(plain)]


def test_a_windows_tree_without_label_files_is_labeled_by_rules_and_mined(cxr: Cli, db: Path, tmp_path: Path) -> None:
    folder = mimic.write_tree(tmp_path / "mimic")
    for file in folder.rglob("*.txt"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert cxr("ingest", "mimic-cxr", folder).returncode == 0
    assert rows(db, "select labeler, count(distinct study_id) from labels group by all") == [("rules", 5)]
    cxr("ask", "--balance", "none", "--min-positives", "1")
    assert cxr("mine").returncode in {0, 4}
    assert rows(db, "select count(*) > 3 from chains") == [(True,)]
    assert "nothing to do" in cxr("ingest", "mimic-cxr", folder).stderr


def test_mimic_without_its_metadata_or_images_keeps_views_and_where_the_images_lie(db: Path, tmp_path: Path) -> None:
    whole = mimic.write_mimic(tmp_path / "whole")
    image = whole / mimic.image_path(mimic.STUDIES[0], 0)
    image.parent.mkdir(parents=True)
    image.write_bytes(b"jpeg")
    part = mimic.write_mimic(tmp_path / "part")
    (part / mimic.META_CSV).unlink()
    known = 'select image_id, path, file_status, "view", view_position, view_code, width from images order by all'

    def read(folder: Path) -> IngestResult:
        files = find_mimic(folder)
        return ingest(db, lambda: read_mimic(files), lambda done, total: None)

    read(whole)
    before = rows(db, known)
    for folder in (part, mimic.write_zip(tmp_path / "reports"), whole):
        assert read(folder).changed == 0
        assert rows(db, known) == before
        assert rows(db, "select image_root from corpora") == [(str(whole),)]


def test_repaired_rows_of_a_table_leave_the_rejects_of_reports_that_are_not_read_again(
    db: Path, tmp_path: Path
) -> None:
    folder = mimic.write_mimic(tmp_path / "mimic")
    mimic.write_zip(folder, mimic.STUDIES[1:], {mimic.report_path(mimic.STUDIES[0]): b"FINDINGS: \xff"})
    labels = folder / mimic.CHEXPERT_CSV
    good = gzip.decompress(labels.read_bytes())
    rejected = "select reason from rejects order by all"

    def read() -> None:
        files = find_mimic(folder)
        ingest(db, lambda: read_mimic(files), lambda done, total: None, mimic_fingerprint(files))

    labels.write_bytes(gzip.compress(good.replace(b"1.0", b"7.0", 1)))
    read()
    assert rows(db, rejected) == [("bad_value",), ("not_utf8",)]
    labels.write_bytes(gzip.compress(good))
    read()
    assert rows(db, rejected) == [("not_utf8",)]
