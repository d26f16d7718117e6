"""CheXpert Plus: sections found in the raw report, labels of every file, the join to CheXpert, up to mined chains."""

import json
import os
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.ingest.chexpert.located import place
from cxr.miner.ingest.chexpert.plus import read_chexpert_plus
from cxr.miner.ingest.chexpert.reader import read_chexpert
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.ingesting import labels_by, reasons, reports_of
from tests.trees import (
    PLUS_COLUMNS,
    STUDY,
    Row,
    labels_of,
    plus_report,
    plus_row,
    plus_rows,
    write_chexpert,
    write_csv,
    write_plus,
)


def test_plus_sections_stand_where_the_raw_report_has_them(tmp_path: Path) -> None:
    read = read_chexpert_plus(write_plus(tmp_path))
    found = reports_of(read)
    assert found.height == read.studies.height == 24
    first = found.row(by_predicate=pl.col("study_id") == f"chexpert-plus/{STUDY}", named=True)
    assert first["text"].startswith("NARRATIVE: RADIOGRAPHIC")
    bodies = {s["name"]: first["text"][s["start"] : s["end"]] for s in first["sections"]}
    assert bodies["impression"] == first["impression"] == "LEFT PLEURAL EFFUSION."
    assert bodies["findings"] == first["findings"]
    assert (bodies["history"], first["indication"]) == ("61 YEARS OF AGE, COUGH.",) * 2


def test_plus_studies_have_order_demographics_and_the_join_to_chexpert(tmp_path: Path) -> None:
    read = read_chexpert_plus(write_plus(tmp_path / "plus"))
    study = read.studies.row(by_predicate=pl.col("source_id") == "patient00001/study2", named=True)
    assert (study["study_order"], study["age"], study["sex"], study["split"]) == (2, 61.0, "F", "train")
    assert json.loads(study["demographics"])["recent_bmi"] == 24.5
    assert study["licence"] == "credentialed"
    chexpert = read_chexpert(write_chexpert(tmp_path / "in"))
    assert set(read.studies["source_id"]) < set(chexpert.studies["source_id"])
    named = pl.col("image_id").str.replace("^[^/]*/", "")
    assert set(read.images.select(named)["image_id"]) < set(chexpert.images.select(named)["image_id"])


def test_plus_labels_come_from_all_three_chexbert_files_and_from_chexpert(tmp_path: Path) -> None:
    folder, chexpert = write_plus(tmp_path / "plus"), write_chexpert(tmp_path / "in")
    read = read_chexpert_plus(folder, chexpert)
    names = [table.labeler for table in read.labels]
    assert names == ["chexbert", "chexbert-findings", "chexbert-report", "chexpert", "radiologist"]
    expected = {name: int(float(value)) for name, value in labels_of(3).items()}
    for labeler in names[:4]:
        row = labels_by(read, labeler)["chexpert-plus/patient00002/study2"]
        assert {name: value for name, value in row.items() if value is not None} == expected
    assert not read.label_reports


def test_plus_reads_a_literal_newline_as_one_without_moving_offsets(tmp_path: Path) -> None:
    report = plus_report("CLEAR.\\nNO EFFUSION.", "1. NORMAL.\\n2. NO CHANGE.")
    read = read_chexpert_plus(write_plus(tmp_path, [plus_row(STUDY, report)]))
    (row,) = reports_of(read).to_dicts()
    assert row["impression"] == "1. NORMAL.\n 2. NO CHANGE."
    assert len(row["text"]) == len(report["report"])
    assert "\\n" not in row["text"]


@pytest.mark.parametrize(
    ("raw", "findings", "impression", "how"),
    [
        ("FINDINGS: Clear. IMPRESSION: Normal.", "Clear.", "Normal.", "located"),
        ("FINDINGS: Clear.  Heart\nnormal. IMPRESSION: Normal.", "Clear. Heart normal.", "Normal.", "located"),
        ("FINDINGS: Normal. IMPRESSION: Normal.", "Normal.", "Normal.", "located"),
        ("FINDINGS: Clear. IMPRESSION: Normal.", None, None, "parsed"),
        ("FINDINGS: Clear.", "Clear.", "Words that are not there.", "canonical"),
        (None, "Clear.", "Normal.", "canonical"),
    ],
)
def test_sections_are_located_in_the_raw_text_where_they_can_be(
    raw: str | None, findings: str | None, impression: str | None, how: str
) -> None:
    placed = place(raw, [("findings", findings), ("impression", impression)])
    assert placed is not None
    assert placed.how == how
    spans = {name: placed.text[start:end].split() for name, start, end in placed.spans}
    assert spans["findings"] == (findings or "Clear.").split()
    assert spans.get("impression") == (None if raw == "FINDINGS: Clear." and how == "parsed" else spans["impression"])
    ends = sorted((start, end) for _, start, end in placed.spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))


_BODIES = st.text(alphabet="AB. 1\n\u00e9", min_size=1, max_size=30).filter(str.strip)


@given(findings=_BODIES, impression=_BODIES, blanks=st.sampled_from([" ", "\n", "\n \n", "  "]))
def test_whatever_the_blanks_a_located_section_says_what_its_column_says(
    findings: str, impression: str, blanks: str
) -> None:
    raw = blanks.join(f"FINDINGS: {findings} IMPRESSION: {impression}".split(" "))
    placed = place(raw, [("findings", findings), ("impression", impression)])
    assert placed is not None
    assert (placed.how, placed.text) == ("located", raw)
    bodies = {name: raw[start:end].split() for name, start, end in placed.spans}
    assert bodies == {"findings": findings.split(), "impression": impression.split()}


def test_the_second_of_two_equal_sections_is_found_in_its_own_place() -> None:
    placed = place("FINDINGS: Normal. IMPRESSION: Normal.", [("findings", "Normal."), ("impression", "Normal.")])
    assert placed is not None
    assert placed.spans == [("findings", 10, 17), ("impression", 30, 37)]


def test_plus_bad_rows_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = plus_report("Clear.", "Normal.")
    rows = [
        plus_row(STUDY, good),
        plus_row(STUDY, good),
        plus_row(STUDY, plus_report("Clear.", "Other."), view=2),
        plus_row("patient00002/study1", good | {"path_to_image": "nowhere.jpg"}),
        plus_row("patient00003/study1"),
        plus_row("patient00004/study1", good | {"patient_report_date_order": "first"}),
    ]
    read = read_chexpert_plus(write_plus_without_labels(tmp_path, rows))
    assert reasons(read) == {
        f"train/{STUDY}/view1_frontal.jpg": "duplicate_key",
        STUDY: "bad_value",
        "df_chexpert_plus_240401.csv:5": "bad_value",
        "patient00003/study1": "no_report",
        "patient00004/study1:patient_report_date_order": "gap",
    }
    assert set(reports_of(read)["study_id"]) == {f"chexpert-plus/{STUDY}", "chexpert-plus/patient00004/study1"}
    assert read.label_reports, "without CheXbert's files our own labeler steps in"
    assert len(read.missing) == 3


def write_plus_without_labels(folder: Path, rows: list[Row]) -> Path:
    write_csv(folder / "df_chexpert_plus_240401.csv", PLUS_COLUMNS, rows)
    return folder


@pytest.mark.parametrize(
    "damaged",
    [
        b"train/patient00009/study1/view1_frontal.jpg," + b"," * 40 + b"\r\n",
        b"train/patient00009/study1/view1_frontal.jpg,x\r\n",
        b"train/patient00009/study1/view1_fr",
    ],
)
def test_plus_rows_with_a_wrong_number_of_cells_and_bytes_that_are_not_utf8_are_named(
    tmp_path: Path, damaged: bytes
) -> None:
    rows = [plus_row(f"patient{n:05d}/study1", plus_report("Clear.", f"Normal {n}.")) for n in range(1, 4)]
    write_plus_without_labels(tmp_path, rows)
    file = tmp_path / "df_chexpert_plus_240401.csv"
    file.write_bytes(
        b"\xef\xbb\xbf" + file.read_bytes().replace(b"NORMAL 2.", b"NORM\xe4L 2.").replace(b"\n", b"\r\n")
        + damaged
    )  # fmt: skip
    read = read_chexpert_plus(tmp_path)
    assert reasons(read) == {"df_chexpert_plus_240401.csv:5": "wrong_fields"}
    assert read.batches is not None
    batches = list(read.batches(lambda _done, _total: None))
    assert [row for batch in batches for row in batch.rejects["reject_key"]] == ["patient00002/study1"]
    assert {row for batch in batches for row in batch.reports["study_id"]} == {
        "chexpert-plus/patient00001/study1",
        "chexpert-plus/patient00003/study1",
    }


def test_plus_broken_label_lines_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    folder = write_plus(tmp_path)
    file = folder / "chexbert_labels/impression_fixed.json"
    first, *rest = file.read_text("utf-8").splitlines()
    strange = json.dumps({"path_to_image": "train/patient77777/study1/view1_frontal.jpg", "Edema": 1.0})
    odd = json.dumps({"path_to_image": f"train/{STUDY}/view1_frontal.jpg", "Edema": 5})
    file.write_text("\n".join(["{broken", odd, strange, *rest]), "utf-8")
    read = read_chexpert_plus(folder)
    assert reasons(read) == {
        "impression_fixed.json:1": "not_json",
        "impression_fixed.json:3": "unknown_study",
        f"{STUDY}:Edema": "bad_value",
    }
    assert first
    assert len(labels_by(read, "chexbert")) == 23


def test_plus_images_may_be_the_png_release(tmp_path: Path) -> None:
    folder = write_plus(tmp_path)
    there = folder / f"PNG/train/{STUDY}/view1_frontal.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"")
    read = read_chexpert_plus(folder)
    assert read.image_root == folder / "PNG"
    statuses = dict(read.images.select("path", "file_status").iter_rows())
    assert statuses[f"train/{STUDY}/view1_frontal.png"] == "present"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, r"holds no df_chexpert_plus_240401\.csv; expected the folder of CheXpert Plus"),
        ([c for c in PLUS_COLUMNS if c != "report"], r"df_chexpert_plus_240401\.csv has no column report"),
    ],
)
def test_plus_without_its_main_table_is_refused(tmp_path: Path, columns: list[str] | None, message: str) -> None:
    if columns is not None:
        write_csv(tmp_path / "df_chexpert_plus_240401.csv", columns, [])
    with pytest.raises(InputError, match=message):
        read_chexpert_plus(tmp_path)


def test_plus_from_ingest_to_mine_with_earlier_studies_of_the_same_patient(cxr: Cli, tmp_path: Path) -> None:
    write_plus(tmp_path / "in", plus_rows(48))
    dry = cxr("ingest", "chexpert-plus", "in", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "223,462" in dry.stdout
    assert not (tmp_path / "cxr.duckdb").exists()
    assert cxr("ingest", "chexpert-plus", "in").returncode == 0
    assert "nothing to do, all 48 studies" in cxr("ingest", "chexpert-plus", "in").stderr
    assert cxr("ask", "--min-positives", "1").returncode == 0
    mined = cxr("mine")
    assert mined.returncode in {0, 4}, mined.stderr
    counted = cxr("sql", "--format", "csv", "select count(*) as n from chains join studies using (study_id)")
    assert int(counted.stdout.split()[1]) > 20
    ordered = cxr(
        "sql", "--format", "csv",
        "select count(*) as n from studies a join studies b using (patient_id) where a.study_order < b.study_order",
    )  # fmt: skip
    assert ordered.stdout.split()[1] == "24"


def test_a_new_release_with_one_row_changed_updates_that_study_alone(cxr: Cli, tmp_path: Path) -> None:
    rows = plus_rows()
    write_plus(tmp_path / "in", rows)
    assert cxr("ingest", "chexpert-plus", "in").returncode == 0
    runs = "select study_id from reports where run_id = (select run_id from runs order by started_at desc limit 1)"
    changed = plus_row("patient00001/study2", plus_report("Clear.", "Normal chest."), order=2)
    write_plus(tmp_path / "in", [changed if row["path_to_image"] == changed["path_to_image"] else row for row in rows])
    again = cxr("ingest", "chexpert-plus", "in")
    assert "0 new studies, 1 changed, 23 unchanged" in again.stderr
    assert cxr("sql", "--format", "csv", runs).stdout.split()[1:] == ["chexpert-plus/patient00001/study2"]
    labels_file = tmp_path / "in/chexbert_labels/report_fixed.json"
    lines = labels_file.read_text("utf-8").splitlines()
    record = json.loads(lines[0]) | {"Fracture": 1.0}
    labels_file.write_text("\n".join([json.dumps(record), *lines[1:]]), "utf-8")
    assert "0 new studies, 1 changed, 23 unchanged" in cxr("ingest", "chexpert-plus", "in").stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_label_file_that_may_not_be_read_stops_before_anything_is_written(cxr: Cli, tmp_path: Path) -> None:
    folder = write_plus(tmp_path / "in")
    (folder / "chexbert_labels/report_fixed.json").chmod(0)
    result = cxr("ingest", "chexpert-plus", "in")
    assert (result.returncode, "report_fixed.json cannot be read" in result.stderr) == (1, True)
    assert not (tmp_path / "cxr.duckdb").exists()


def test_the_two_corpora_join_on_source_id_in_either_order(cxr: Cli, tmp_path: Path) -> None:
    write_plus(tmp_path / "plus")
    write_chexpert(tmp_path / "in")
    join = (
        "select count(*) as n from studies c join studies p using (source_id) "
        "where c.corpus = 'chexpert' and p.corpus = 'chexpert-plus'"
    )
    for order in (("chexpert", "chexpert-plus"), ("chexpert-plus", "chexpert")):
        store = "-".join(order) + ".duckdb"
        for corpus in order:
            assert cxr("ingest", corpus, "in" if corpus == "chexpert" else "plus", "--db", store).returncode == 0
        assert cxr("sql", "--format", "csv", join, "--db", store).stdout.split()[1] == "24"
