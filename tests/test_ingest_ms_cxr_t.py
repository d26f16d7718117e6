"""MS-CXR-T, before and after MIMIC-CXR, and the temporal questions that come of it: invented studies."""

from pathlib import Path

import pytest

from cxr.miner.ingest.mimic.ms_cxr_t import read_ms_cxr_t
from cxr.miner.kit.errors import InputError
from tests.conftest import Cli
from tests.ingesting import rows
from tests.mimic_corpus import (
    PROGRESSIONS,
    STUDIES,
    TEMPORAL_CSV,
    Study,
    dicom,
    write_csv,
    write_mimic,
    write_temporal,
    write_zip,
)

EARLIER, LATER, BETWEEN = STUDIES[:3]
PAIR = {"current": LATER, "prior": EARLIER}


def rejected(folder: Path) -> list[tuple[str, str]]:
    return sorted(read_ms_cxr_t(folder).rejects.select("reject_key", "reason").iter_rows())


def test_a_wide_row_becomes_a_progression_for_each_finding(tmp_path: Path) -> None:
    folder = write_temporal(
        tmp_path,
        [{**PAIR, "pleural_effusion": "worsening", "pleural_effusion_quality": "one_expert", "edema": "Stable "}],
    )
    found = {row["finding"]: row for row in read_ms_cxr_t(folder).progressions.iter_rows(named=True)}
    assert set(found) == {"Pleural Effusion", "Edema"}
    row = found["Pleural Effusion"]
    assert (row["study_id"], row["prior_study_id"]) == ("mimic-cxr/s53189527", "mimic-cxr/s50414267")
    assert (row["progression"], row["quality"], row["source_row"]) == ("worsening", "one_expert", 0)
    assert row["image_id"] == f"mimic-cxr/{dicom(LATER, 0)}"
    assert row["prior_image_id"] == f"mimic-cxr/{dicom(EARLIER, 0)}"
    assert (found["Edema"]["progression"], found["Edema"]["quality"]) == ("stable", None)


def test_the_file_without_quality_columns_and_the_file_itself_are_taken(tmp_path: Path) -> None:
    header = ("subject_id", "study_id", "previous_study_id", *(f"{name}_progression" for name in PROGRESSIONS))
    write_csv(tmp_path / TEMPORAL_CSV, header, [(10000032, 53189527, 50414267, "", "", "improving", "", "")])
    (row,) = read_ms_cxr_t(tmp_path / TEMPORAL_CSV).progressions.iter_rows(named=True)
    assert (row["finding"], row["quality"], row["image_id"]) == ("Pleural Effusion", None, None)


@pytest.mark.parametrize(
    ("row", "reasons", "kept"),
    [
        ({**PAIR, "edema": "worse"}, ["bad_value"], 0),
        ({**PAIR}, ["bad_value"], 0),
        ({**PAIR, "edema": "stable", "edema_quality": "nobody"}, ["gap"], 1),
        ({"current": LATER, "prior": LATER, "edema": "stable"}, ["bad_value"], 0),
        ({"current": LATER, "prior": EARLIER._replace(study=0), "edema": "stable"}, ["bad_value"], 0),
        ({"current": LATER._replace(study=-1), "prior": EARLIER, "edema": "stable"}, ["missing_key"], 0),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, row: dict[str, object], reasons: list[str], kept: int
) -> None:
    header = ["dicom_id", "previous_dicom_id", "subject_id", "study_id", "previous_study_id"]
    header += [f"{name}_progression" for name in PROGRESSIONS] + [f"{name}_label_quality" for name in PROGRESSIONS]
    now, before = row["current"], row["prior"]
    assert isinstance(now, Study)
    assert isinstance(before, Study)
    cells = [row.get(name, "") for name in PROGRESSIONS] + [row.get(f"{name}_quality", "") for name in PROGRESSIONS]
    number = "" if now.study < 0 else now.study
    write_csv(tmp_path / TEMPORAL_CSV, header, [("p10/a", "p10/b", now.subject, number, before.study, *cells)])
    assert rejected(tmp_path) == [(f"{TEMPORAL_CSV}:2", reason) for reason in reasons]
    assert read_ms_cxr_t(tmp_path).progressions.height == kept


def test_the_first_of_two_rows_on_the_same_pair_counts(tmp_path: Path) -> None:
    write_temporal(tmp_path, [{**PAIR, "edema": "stable"}, {**PAIR, "edema": "worsening"}])
    assert rejected(tmp_path) == [(f"{TEMPORAL_CSV}:3", "duplicate_key")]
    assert read_ms_cxr_t(tmp_path).progressions["progression"].to_list() == ["stable"]


def test_a_csv_of_something_else_stops(tmp_path: Path) -> None:
    write_csv(tmp_path / TEMPORAL_CSV, ("a", "b"), [(1, 2)])
    with pytest.raises(InputError, match="consolidation_progression"):
        read_ms_cxr_t(tmp_path)


def test_a_folder_without_the_file_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="MS_CXR_T_temporal_image_classification"):
        read_ms_cxr_t(tmp_path)


def test_counts_are_held_against_the_published_ones(tmp_path: Path) -> None:
    write_temporal(tmp_path, [{**PAIR, "edema": "stable"}])
    assert "found 1 progressions; the owner publishes 1,326" in read_ms_cxr_t(tmp_path).warnings


# --- through the command line ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mimic(tmp_path / "mimic")
    return write_temporal(
        tmp_path / "mimic",
        [
            {**PAIR, "pleural_effusion": "worsening"},
            {"current": BETWEEN, "prior": EARLIER, "pleural_effusion": "stable", "edema": "improving"},
            {"current": LATER, "prior": BETWEEN, "pleural_effusion": "improving"},
            {**PAIR, "edema": "worsening", "edema_quality": "disagreement"},
            {"current": LATER._replace(study=59999999), "prior": EARLIER, "pneumonia": "stable"},
        ],
    )


TEXT = (
    "You are given two images: one reference image and one new image. Please identify the progression of pleural "
    "effusion. Options:\nA) worsening\nB) stable\nC) improving"
)
QUESTIONS = "select study_id, prior_study_id, text, answer, split, corpus from questions order by all"


@pytest.mark.parametrize("order", [("mimic-cxr", "ms-cxr-t"), ("ms-cxr-t", "mimic-cxr")])
def test_the_order_of_ingest_does_not_matter(cxr: Cli, folder: Path, db: Path, order: tuple[str, str]) -> None:
    for corpus in order:
        assert cxr("ingest", corpus, folder).returncode == 0
    done = cxr("ask", "--tasks", "temporal", "--balance", "none")
    assert done.returncode == 0, done.stderr
    asked = rows(db, QUESTIONS)
    assert len(asked) == 4  # neither the pair without a study nor the one in dispute
    assert asked[0] == (
        "mimic-cxr/s53189527",
        "mimic-cxr/s50414267",
        TEXT,
        "A",
        "train",
        "ms-cxr-t",
    )
    again = cxr("ask", "--tasks", "temporal", "--balance", "none")
    assert "0 questions added, 4 were there already" in again.stderr


def test_temporal_pairs_end_as_chains_with_quotes_of_change_or_as_rejects(cxr: Cli, folder: Path, db: Path) -> None:
    for arguments in (
        ("ingest", "mimic-cxr", folder), ("ingest", "ms-cxr-t", folder),
        ("ask", "--tasks", "temporal", "--balance", "none"), ("mine",), ("score",),
    ):  # fmt: skip
        done = cxr(*arguments)
        assert done.returncode in {0, 4}, done.stderr
    chains = rows(
        db,
        "select answer, evidence[1].quotes[1].text, text, factuality from chains join scores using (chain_id) "
        "order by answer",
    )
    assert [answer for answer, *_ in chains] == ["A", "B"]
    assert "increased" in str(chains[0][1]).lower() + str(chains[0][2]).lower()
    assert "increased since the reference image" in str(chains[0][2])
    assert "unchanged from the reference image" in str(chains[1][2])
    assert {factuality for *_, factuality in chains} == {1.0}
    # The report says the effusion grew where the label says improving; and it is silent on edema.
    reasons = rows(db, "select reason, count(*) from rejects where stage = 'mine' group by all order by all")
    assert reasons == [("evidence_contradicts_answer", 1), ("evidence_incomplete", 1)]


def test_without_both_studies_the_question_is_not_asked_and_says_why(cxr: Cli, folder: Path) -> None:
    cxr("ingest", "ms-cxr-t", folder)
    done = cxr("ask", "--tasks", "temporal")
    assert done.returncode == 2
    assert "ingest both ms-cxr-t and mimic-cxr" in done.stderr


def test_a_second_ingest_changes_nothing_and_a_changed_row_itself_and_its_questions(
    cxr: Cli, folder: Path, db: Path
) -> None:
    cxr("ingest", "mimic-cxr", folder)
    cxr("ingest", "ms-cxr-t", folder)
    cxr("ask", "--tasks", "temporal", "--balance", "none")
    runs = rows(db, "select count(*) from runs")
    assert "nothing to do" in cxr("ingest", "ms-cxr-t", folder).stderr
    assert rows(db, "select count(*) from runs") == runs
    path = folder / TEMPORAL_CSV
    path.write_text(path.read_text().replace("worsening", "stable", 1))
    assert "1 progressions written" in cxr("ingest", "ms-cxr-t", folder).stderr
    changed = rows(
        db, "select progression from progressions where run_id = (select arg_max(run_id, started_at) from runs)"
    )
    assert changed == [("stable",)]
    left = rows(db, "select distinct study_id from questions order by 1")
    assert ("mimic-cxr/s53189527",) not in left


@pytest.mark.parametrize(
    ("report", "finding", "answer", "outcome"),
    [
        ("No new consolidation.", "consolidation", "worsening", "evidence_incomplete"),
        ("There is a new right lower lobe consolidation.", "consolidation", "worsening", "chain"),
        ("The pneumothorax has resolved.", "pneumothorax", "improving", "chain"),
        ("Pulmonary edema has improved.", "edema", "improving", "chain"),
        ("Pulmonary edema has improved.", "edema", "worsening", "evidence_contradicts_answer"),
        ("The left effusion has increased. The right effusion has decreased.", "pleural_effusion", "worsening",
         "evidence_contradicts_answer"),
        ("There is pulmonary edema.", "edema", "stable", "evidence_incomplete"),
    ],
)  # fmt: skip
def test_what_the_later_report_says_of_change_decides(
    cxr: Cli, tmp_path: Path, db: Path, report: str, finding: str, answer: str, outcome: str
) -> None:
    later = LATER._replace(findings=report, impression="As above.")
    folder = write_zip(tmp_path / "mimic", [EARLIER, later])
    write_temporal(folder, [{"current": later, "prior": EARLIER, finding: answer}])
    for arguments in (
        ("ingest", "mimic-cxr", folder), ("ingest", "ms-cxr-t", folder),
        ("ask", "--tasks", "temporal", "--balance", "none"), ("mine",),
    ):  # fmt: skip
        cxr(*arguments)
    ends = rows(db, "select 'chain' from chains union all select reason from rejects where stage = 'mine'")
    assert ends == [(outcome,)]
