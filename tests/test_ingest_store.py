"""What ingest does to the store: differences only, what hangs on them, priors, labels; over invented corpora."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.ingest.corpus import Ingested, LabelTable
from cxr.miner.ingest.mimic.reader import find_mimic, mimic_fingerprint
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.store import Store
from tests import mimic_corpus as mimic
from tests.conftest import Cli
from tests.ingesting import content, corpus_of, read_in, rows


def last_run(db: Path, table: str, columns: str = "*") -> list[tuple[object, ...]]:
    """Give the rows that the last run wrote."""
    last = "(select arg_max(run_id, started_at) from runs)"
    return rows(db, f"select {columns} from {table} where run_id = {last} order by all")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return mimic.write_mimic(tmp_path / "mimic")


# --- first, second, changed ----------------------------------------------------------------------------------------


def test_everything_of_a_corpus_is_in_the_store(db: Path, folder: Path) -> None:
    result = read_in(db, folder)
    assert (result.new, result.changed, result.unchanged) == (5, 0, 0)
    assert rows(db, "select count(*) from reports") == [(5,)]
    assert rows(db, "select count(*) from images") == [(9,)]
    assert rows(db, "select labeler, count(*) from labels group by 1 order by 1") == [
        ("chexpert", 70), ("negbio", 70), ("radiologist", 14),
    ]  # fmt: skip
    assert rows(db, "select distinct licence from studies") == [("credentialed",)]


def test_a_second_ingest_reads_nothing_and_changes_nothing(db: Path, folder: Path) -> None:
    read_in(db, folder)
    before, runs = content(db), rows(db, "select count(*) from runs")

    def never() -> Ingested:
        raise AssertionError("read again")

    result = ingest(db, never, lambda done, total: None, mimic_fingerprint(find_mimic(folder)))
    assert "nothing to do" in result.sentence
    assert result.unchanged == 5
    assert content(db) == before
    assert rows(db, "select count(*) from runs") == runs


def test_the_same_rows_in_other_files_change_nothing(db: Path, folder: Path) -> None:
    read_in(db, folder)
    before = content(db)
    mimic.write_csv(folder / mimic.META_CSV, mimic.METADATA, reversed(mimic.metadata_rows()))
    result = read_in(db, folder)
    assert (result.new, result.changed, result.unchanged) == (0, 0, 5)
    assert content(db) == before


def changed_report(folder: Path) -> None:
    changed = mimic.STUDIES[0]._replace(findings="The lungs are clear.")
    mimic.write_zip(folder, [changed, *mimic.STUDIES[1:]])


def changed_label(folder: Path) -> None:
    path = folder / mimic.CHEXPERT_CSV
    lines = mimic.label_rows()
    lines[0] = (*lines[0][:2], "1.0", *lines[0][3:])
    mimic.write_csv(path, ("subject_id", "study_id", *mimic.LABELS), lines)


def changed_view(folder: Path) -> None:
    lines = mimic.metadata_rows()
    lines[0] = (*lines[0][:4], "AP", *lines[0][5:])
    mimic.write_csv(folder / mimic.META_CSV, mimic.METADATA, lines)


@pytest.mark.parametrize(
    ("change", "table"), [(changed_report, "reports"), (changed_label, "labels"), (changed_view, "images")]
)
def test_a_release_with_one_changed_row_updates_that_row_alone(
    db: Path, folder: Path, change: object, table: str
) -> None:
    read_in(db, folder)
    assert callable(change)
    change(folder)
    result = read_in(db, folder)
    assert (result.new, result.changed, result.unchanged) == (0, 1, 4)
    for name in ("studies", "images", "reports", "labels"):
        assert len(last_run(db, name)) == (1 if name == table else 0), name
    assert last_run(db, table, "study_id") == [("mimic-cxr/s50414267",)]
    assert rows(db, f"select count(*) from {table}") == [(154 if table == "labels" else 9 if table == "images" else 5,)]


def test_reports_are_not_read_again_when_only_a_csv_changed(
    db: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = mimic.report_path(mimic.STUDIES[0])
    mimic.write_zip(folder, mimic.STUDIES[1:], {bad: b"FINDINGS: \xff"})
    read_in(db, folder)
    before = content(db)["rejects"]
    assert len(before) == 1

    def never(*arguments: object, **named: object) -> object:
        raise AssertionError("read again")

    monkeypatch.setattr("cxr.miner.ingest.mimic.reader.read_members", never)
    changed_label(folder)
    assert read_in(db, folder).changed == 1
    assert [row[:-1] for row in content(db)["rejects"]] == [row[:-1] for row in before]


def test_a_study_that_comes_later_is_added(db: Path, tmp_path: Path) -> None:
    folder = mimic.write_mimic(tmp_path / "mimic", mimic.STUDIES[:3])
    read_in(db, folder)
    result = read_in(db, mimic.write_mimic(folder, mimic.STUDIES))
    assert (result.new, result.changed, result.unchanged) == (2, 0, 3)


def test_an_ingest_without_the_jpg_files_keeps_what_they_said(db: Path, folder: Path, tmp_path: Path) -> None:
    read_in(db, folder)
    before = content(db)
    result = read_in(db, mimic.write_zip(tmp_path / "reports only"))
    assert (result.new, result.changed) == (0, 0)
    assert {name: kept for name, kept in content(db).items() if name != "rejects"} == {
        name: kept for name, kept in before.items() if name != "rejects"
    }


def test_an_image_that_is_downloaded_later_is_marked_present(db: Path, folder: Path) -> None:
    read_in(db, folder)
    image = folder / mimic.image_path(mimic.STUDIES[0], 0)
    image.parent.mkdir(parents=True)
    image.write_bytes(b"jpeg")
    assert read_in(db, folder).changed == 1
    assert last_run(db, "images", "file_status") == [("present",)]


# --- what hangs on it ----------------------------------------------------------------------------------------------


def main_job(cxr: Cli, folder: Path) -> None:
    for arguments in (("ingest", "mimic-cxr", folder), ("ask", "--balance", "none"), ("mine",), ("score",)):
        done = cxr(*arguments)
        assert done.returncode in {0, 4}, done.stderr


def questions_by_study(db: Path) -> dict[str, object]:
    return {str(study): number for study, number in rows(db, "select study_id, count(*) from questions group by 1")}


def test_questions_come_from_shipped_labels_and_end_as_chains_or_rejects(cxr: Cli, db: Path, folder: Path) -> None:
    main_job(cxr, folder)
    assert rows(db, "select distinct labeler from questions order by 1") == [("chexpert",), ("radiologist",)]
    ends = rows(
        db,
        "select question_id, count(chain_id) + count(reject_key) from questions left join chains using (question_id) "
        "left join rejects on reject_key = question_id group by 1",
    )
    assert ends
    assert {number for _, number in ends} == {1}


@pytest.mark.parametrize("change", [changed_report, changed_label])
def test_changed_words_and_labels_take_what_was_derived_from_them_with_them(
    cxr: Cli, db: Path, folder: Path, change: object
) -> None:
    main_job(cxr, folder)
    before = questions_by_study(db)
    assert "mimic-cxr/s50414267" in before
    assert callable(change)
    change(folder)
    cxr("ingest", "mimic-cxr", folder)
    after = questions_by_study(db)
    assert after == {study: number for study, number in before.items() if study != "mimic-cxr/s50414267"}
    for table in ("chains", "scores", "findings"):
        assert rows(
            db, f"select count(*) from {table} where chain_id not in (select chain_id from chains)"
        ) == [(0,)]  # fmt: skip
    assert rows(db, "select count(*) from chains where study_id = 'mimic-cxr/s50414267'") == [(0,)]


def test_questions_follow_their_study_into_another_split(cxr: Cli, db: Path, folder: Path) -> None:
    main_job(cxr, folder)
    before = rows(db, "select question_id from questions order by 1")
    mimic.write_mimic(folder, [mimic.STUDIES[0]._replace(split="test"), *mimic.STUDIES[1:]])
    cxr("ingest", "mimic-cxr", folder)
    assert rows(db, "select question_id from questions order by 1") == before
    assert rows(db, "select distinct split from questions where study_id = 'mimic-cxr/s50414267'") == [("test",)]


def test_our_labels_are_made_only_when_asked_for(cxr: Cli, db: Path, folder: Path) -> None:
    cxr("ingest", "mimic-cxr", folder)
    assert rows(db, "select count(*) from labels where labeler = 'rules'") == [(0,)]
    done = cxr("ingest", "mimic-cxr", folder, "--label")
    assert "5 reports labeled" in done.stderr
    assert rows(db, "select count(*) from labels where labeler = 'rules'") == [(70,)]
    assert "nothing to do" in cxr("ingest", "mimic-cxr", folder, "--label").stderr


# --- priors ----------------------------------------------------------------------------------------------------------


def priors_of(tmp_path: Path, moments: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Ingest studies of one patient at (name, date, time) and give the prior of each by name."""
    numbers = {name: 50000001 + index for index, (name, _, _) in enumerate(moments)}
    studies = [mimic.Study(10000032, numbers[name], date, clock, "Clear.", "Normal.") for name, date, clock in moments]
    db = tmp_path / "priors.duckdb"
    read_in(db, mimic.write_mimic(tmp_path / "mimic", studies))
    names = {f"mimic-cxr/s{number}": name for name, number in numbers.items()}
    return {
        names[str(study)]: names[str(prior)] for study, prior in rows(db, "select study_id, prior_study_id from priors")
    }


@pytest.mark.parametrize(
    ("moments", "priors"),
    [
        ([("b", "21800102", "80000.0"), ("a", "21800101", "90000.0"), ("c", "21800103", "70000.0")],
         {"b": "a", "c": "b"}),
        ([("a", "21800101", "80556.875"), ("b", "21800101", "213014.531")], {"b": "a"}),
        ([("a", "21800101", "80000.0"), ("b", "21800101", "80000.0")], {}),
        ([("a", "21800101", "97812.0"), ("b", "21800101", "213014.531")], {}),
        ([("a", "21800101", "97812.0"), ("b", "21800102", "97812.0")], {"b": "a"}),
        ([("a", "soon", "80000.0"), ("b", "21800102", "80000.0")], {}),
    ],
)  # fmt: skip
def test_the_prior_is_the_nearest_study_of_the_patient_that_is_certainly_earlier(
    tmp_path: Path, moments: Sequence[tuple[str, str, str]], priors: dict[str, str]
) -> None:
    assert priors_of(tmp_path, moments) == priors


def test_a_corpus_without_dates_is_ordered_by_its_study_numbers(db: Path) -> None:
    with Store.write(db, create=True) as store:
        store.connection.execute(
            "insert into studies (study_id, corpus, patient_id, study_order) values "
            "('c/1/1', 'c', 'c/1', 1), ('c/1/3', 'c', 'c/1', 3), ('c/1/2', 'c', 'c/1', 2), ('c/2/9', 'c', 'c/2', 9)"
        )
    assert rows(db, "select study_id, prior_study_id from priors order by 1") == [
        ("c/1/2", "c/1/1"), ("c/1/3", "c/1/2"),
    ]  # fmt: skip


# --- labels of any labeler -------------------------------------------------------------------------------------------


def labeled(value: int | None, studies: Sequence[str] = ("x/1", "x/2")) -> Ingested:
    table = pl.DataFrame(
        {"study_id": list(studies), "Edema": [value] * len(studies)}, schema_overrides={"Edema": pl.Int8}
    )
    return corpus_of(["x/1", "x/2"], labels=(LabelTable("rsna", None, table),))


def test_labels_that_vanish_from_a_file_vanish_from_the_store(db: Path) -> None:
    ingest(db, lambda: labeled(1), lambda done, total: None)
    assert rows(db, "select study_id, value from labels order by 1") == [("x/1", 1), ("x/2", 1)]
    result = ingest(db, lambda: labeled(1, ["x/2"]), lambda done, total: None)
    assert result.changed == 1
    assert rows(db, "select study_id, value from labels order by 1") == [("x/2", 1)]
    ingest(db, lambda: labeled(None, ["x/2"]), lambda done, total: None)
    assert rows(db, "select study_id, value from labels") == [("x/2", None)]
    runs = rows(db, "select count(*) from runs")
    assert "nothing to do" in ingest(db, lambda: labeled(None, ["x/2"]), lambda done, total: None).sentence
    assert rows(db, "select count(*) from runs") == runs
