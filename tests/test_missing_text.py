"""What programs write for nothing is no text, in every corpus: it is null in the store, and counted as missing."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from cxr.miner.language.blanks import is_blank
from tests.conftest import Cli
from tests.corpora import openi_rows, write_openi
from tests.ingesting import rows
from tests.mimic_corpus import STUDIES, WRITERS, report_text, write_jpg, write_mimic, write_temporal
from tests.trees import (
    FINDINGS,
    PLUS_COLUMNS,
    RSNA_LABELS,
    chexpert_row,
    own_row,
    plus_report,
    plus_row,
    write_chexpert,
    write_csv,
    write_own,
    write_plus,
    write_rsna,
    write_siim,
)

NOTHING = ["nan", "NaN", "None", "none.", "N/A", "NULL", "<NA>", "  ", "--", "Not available."]
SOME = ["nan", "none.", "N/A", "--"]


@pytest.mark.parametrize("nothing", NOTHING)
def test_what_is_written_for_nothing_is_no_text(nothing: str) -> None:
    assert is_blank(nothing)
    assert not is_blank(f"{nothing} No effusion.")


@pytest.mark.parametrize("word", ["Normal", "None of these lungs is clear.", "Nil acute.", "NAD"])
def test_what_is_said_is_text(word: str) -> None:
    assert not is_blank(word)


def _stored(db: Path) -> dict[object, tuple[object, ...]]:
    """Give findings and impression by study, of the studies that have a report."""
    return {study: tuple(rest) for study, *rest in rows(db, "select study_id, findings, impression from reports")}


def _missing(db: Path) -> list[tuple[object, ...]]:
    return rows(
        db, "select reject_key from rejects where reason in ('no_report', 'no_findings_nor_impression') order by 1"
    )


@pytest.mark.parametrize("nothing", SOME)
def test_openi(cxr: Cli, tmp_path: Path, db: Path, nothing: str) -> None:
    given = openi_rows()
    given[0] |= {"findings": nothing}
    given[1] |= {"findings": nothing, "impression": nothing}
    given[2] |= {"comparison": "None", "indication": "nan"}
    done = cxr("ingest", "openi", write_openi(tmp_path / "openi", given))
    stored = _stored(db)
    assert stored["openi/CXR1"] == (None, given[0]["impression"])
    assert "openi/CXR2" not in stored
    assert _missing(db) == [("CXR2",)]
    assert "no_findings_nor_impression" in done.stderr
    assert rows(db, "select indication, comparison from reports where study_id = 'openi/CXR3'") == [(None, "None")]


def test_openi_as_xml(cxr: Cli, tmp_path: Path, db: Path) -> None:
    folder = tmp_path / "ecgen-radiology"
    folder.mkdir()
    for number, (findings, impression) in enumerate([("nan", "Clear."), ("None", "N/A")], start=1):
        (folder / f"{number}.xml").write_text(
            f'<eCitation><uId id="CXR{number}"/><Abstract><AbstractText Label="FINDINGS">{findings}</AbstractText>'
            f'<AbstractText Label="IMPRESSION">{impression}</AbstractText></Abstract></eCitation>'
        )
    cxr("ingest", "openi", folder)
    assert _stored(db) == {"openi/CXR1": (None, "Clear.")}
    assert _missing(db) == [("CXR2",)]


@pytest.mark.parametrize("layout", WRITERS)
def test_mimic_cxr(cxr: Cli, tmp_path: Path, db: Path, layout: str) -> None:
    first, second, third, *others = STUDIES
    given = [
        first._replace(findings="nan"),
        second._replace(findings="NULL", impression="None"),
        third._replace(impression="N/A"),
        *others,
    ]
    WRITERS[layout](tmp_path / "in", given)  # type: ignore[call-arg]
    done = cxr("ingest", "mimic-cxr", "in")
    stored = _stored(db)
    assert stored[f"mimic-cxr/s{first.study}"] == (None, first.impression)
    assert stored[f"mimic-cxr/s{third.study}"] == (third.findings, None)
    if layout == "sectioned":  # a reading may stand under the comparison alone
        assert stored[f"mimic-cxr/s{second.study}"] == (None, None)
        return
    assert f"mimic-cxr/s{second.study}" not in stored
    assert len(_missing(db)) == 1
    assert "no_report" in done.stderr
    assert rows(db, "select count(*) from studies") == [(len(given),)]


@pytest.mark.parametrize("nothing", SOME)
def test_a_word_for_nothing_in_place_of_a_report_of_mimic_cxr(cxr: Cli, tmp_path: Path, db: Path, nothing: str) -> None:
    folder = write_mimic(tmp_path / "in")
    path = folder / "files/p10/p10000099/s59999999.txt"
    path.parent.mkdir(parents=True)
    path.write_text(nothing)
    good = folder / "files/p10/p10000032/s50414267.txt"
    good.parent.mkdir()
    good.write_text(report_text(STUDIES[0]))
    done = cxr("ingest", "mimic-cxr", "in", "--layout", "tree")
    assert list(_stored(db)) == ["mimic-cxr/s50414267"]
    assert _missing(db) == [("p10/p10000099/s59999999.txt",)]
    assert "no_report" in done.stderr


def test_labels_views_and_dates_of_mimic_cxr(cxr: Cli, tmp_path: Path, db: Path) -> None:
    first, *others = STUDIES
    labels = {"Pleural Effusion": "1.0", "Edema": "None", "Fracture": "N/A", "Pneumonia": "nan"}
    write_mimic(tmp_path / "in", [first._replace(labels=labels, date="nan", time="NULL", views=("None",)), *others])
    done = cxr("ingest", "mimic-cxr", "in")
    assert done.returncode == 0, done.stderr
    assert not rows(db, "select * from rejects")
    found = rows(db, f"select finding from labels where study_id like '%{first.study}' and labeler = 'chexpert' "
                     "and value is not null")  # fmt: skip
    assert found == [("Pleural Effusion",)]
    assert rows(db, f"select distinct view, view_position from images where study_id like '%{first.study}'") == [
        (None, None)
    ]


def test_chexpert(cxr: Cli, tmp_path: Path, db: Path) -> None:
    cells: dict[str, str] = {
        "Edema": "1.0",
        "Fracture": "None",
        "Pneumonia": "N/A",
        "Sex": "nan",
        "Age": "NULL",
        "AP/PA": "None",
    }
    write_chexpert(
        tmp_path / "in", [chexpert_row("patient00001/study1", 1, **cells), chexpert_row("patient00002/study1")]
    )
    done = cxr("ingest", "chexpert", "in")
    assert done.returncode == 0, done.stderr
    assert not rows(db, "select * from rejects")
    study = "study_id = 'chexpert/patient00001/study1'"
    assert rows(db, f"select finding from labels where {study} and value is not null") == [("Edema",)]
    assert rows(db, f"select sex, age from studies where {study}") == [(None, None)]


@pytest.mark.parametrize("nothing", SOME)
def test_chexpert_plus(cxr: Cli, tmp_path: Path, db: Path, nothing: str) -> None:
    good = plus_report("Clear.", "Normal.")
    bare: Mapping[str, str] = {
        name: nothing for name in PLUS_COLUMNS if name == "report" or name.startswith("section_")
    }
    given = [
        plus_row("patient00001/study1", good),
        plus_row("patient00002/study1", good | {"report": nothing}),
        plus_row("patient00003/study1", good | {"section_findings": nothing}),
        plus_row("patient00004/study1", bare),
        plus_row("patient00005/study1", {"report": f"FINDINGS: {nothing}\nIMPRESSION: {nothing}"}),
        plus_row("patient00006/study1", good | {"age": "nan", "sex": "None", "race": "N/A", "split": "NULL"}),
    ]
    done = cxr("ingest", "chexpert-plus", write_plus(tmp_path / "in", given))
    assert done.returncode == 4, done.stderr
    stored = {str(study).split("/")[1]: said for study, said in _stored(db).items()}
    assert stored["patient00001"] == stored["patient00002"] == ("CLEAR.", "NORMAL.")
    assert stored["patient00003"][1] == "NORMAL."
    assert "patient00004" not in stored
    missing = {study for (study,) in _missing(db)}
    assert "patient00004/study1" in missing
    assert missing <= {"patient00004/study1", "patient00005/study1"}
    assert ("patient00005" in stored) is ("patient00005/study1" not in missing)
    assert "no_report" in done.stderr
    assert rows(db, "select age, sex, split from studies where study_id like '%patient00006%'") == [
        (None, None, "train")
    ]


def test_ms_cxr_t(cxr: Cli, tmp_path: Path, db: Path) -> None:
    write_jpg(tmp_path / "jpg")
    given = {"current": STUDIES[1], "prior": STUDIES[0], "edema": "improving", "edema_quality": "nan"}
    write_temporal(tmp_path / "in", [given | {"pneumonia": "None", "pneumothorax": "N/A", "consolidation": "nan"}])
    done = cxr("ingest", "ms-cxr-t", "in")
    assert done.returncode == 0, done.stderr
    assert rows(db, "select finding, quality from progressions") == [("Edema", None)]
    assert not rows(db, "select * from rejects")


def test_rsna(cxr: Cli, tmp_path: Path, db: Path) -> None:
    folder = write_rsna(tmp_path / "in")
    image = "00000000-0000-4000-8000-000000000000"
    with (folder / "stage_2_train_labels.csv").open() as file:
        given = [row for row in csv.DictReader(file) if row["patientId"] != image]
    nothing = {"patientId": image, "x": "nan", "y": "NULL", "width": "None", "height": "N/A", "Target": "0"}
    write_csv(folder / "stage_2_train_labels.csv", RSNA_LABELS, [nothing, {**given[0], "patientId": "nan"}, *given])
    done = cxr("ingest", "rsna", "in")
    assert rows(db, "select count(*) from studies") == [(80,)]
    assert rows(db, "select reason, count(*) from rejects group by 1") == [("missing_key", 1)]
    assert "missing_key" in done.stderr


def test_siim(cxr: Cli, tmp_path: Path, db: Path) -> None:
    folder = write_siim(tmp_path / "in")
    with (folder / "train-rle.csv").open("a") as file:
        file.write("nan,-1\n1.2.276.0.7230010.3.1.4.8323329.999.1517875201.850819,None\n")
    cxr("ingest", "siim", "in")
    assert rows(db, "select count(*) from studies") == [(80,)]
    assert rows(db, "select reason, count(*) from rejects group by 1 order by 1") == [
        ("bad_value", 1),
        ("missing_key", 1),
    ]


@pytest.mark.parametrize("nothing", SOME)
def test_ones_own_reports(cxr: Cli, tmp_path: Path, db: Path, nothing: str) -> None:
    write_own(
        tmp_path / "in.csv",
        own_row("a"),
        own_row("b", text=nothing),
        own_row("c", text=f"FINDINGS: {nothing}\nIMPRESSION: {nothing}"),
        own_row("d", text=f"FINDINGS: {nothing}\nIMPRESSION: Normal."),
        own_row("e", text="  ", mrn="nan", sex="None", age="N/A"),
    )
    mapped = [part for pair in ("study_id=accession", "patient_id=mrn", "report=text") for part in ("--map", pair)]
    done = cxr("ingest", "csv", "in.csv", *mapped, "--name", "ward")
    stored = _stored(db)
    if nothing.strip(" -"):
        assert stored == {"ward/a": ("Clear.", "Normal."), "ward/d": (None, "Normal.")}
        assert _missing(db) == [("b",), ("c",), ("e",)]
    assert ("b",) in _missing(db)
    assert "no_report" in done.stderr


def test_ones_own_sections(cxr: Cli, tmp_path: Path, db: Path) -> None:
    write_csv(
        tmp_path / "in.csv",
        ("study_id", "findings", "impression", "comparison", *FINDINGS[:2]),
        [
            {"study_id": "a", "findings": "nan", "impression": "Normal.", "comparison": "None."},
            {"study_id": "b", "findings": "None", "impression": "NULL"},
            {"study_id": "c", "findings": "N/A", "impression": "nan", FINDINGS[1]: "1"},
        ],
    )
    cxr("ingest", "csv", "in.csv", "--name", "ward")
    assert _stored(db) == {"ward/a": (None, "Normal.")}
    assert rows(db, "select study_id from studies order by 1") == [("ward/a",), ("ward/c",)]
    assert _missing(db) == [("b",)]


def test_files_of_records(cxr: Cli, tmp_path: Path) -> None:
    lines = [json.dumps({"id": word, "report": word}) for word in NOTHING]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    assert cxr("label", "in.jsonl", "-o", "out.jsonl").returncode == 0
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        found = json.loads(line)
        assert not any(value is not None for value in found["labels"].values())
        assert not found["read"]["understood"]
