"""What readers' reviews say, through `cxr agreement --reviews` and `cxr filter --min-review`, on twelve made chains."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cxr.miner.score.reviews import ReviewTable, review_notes, review_tables
from cxr.miner.stats.reliability import Drawing, Level, krippendorff_alpha
from cxr.miner.store import Store
from tests.conftest import Cli

CHAINS = tuple(f"c{number:02}" for number in range(12))
FIRST = {
    "r1": (8, 9, 3, 7, 10, 6, 8, 8, -2, 9, 7, 5),
    "r2": (7, 9, 6, 8, 10, 6, 9, 7, -4, 9, 8, 5),
}
"""Factuality of each chain by two readers, in the order of the chains."""
_CHAINS = """
    create temporary table made as
    select 'c' || lpad(n::varchar, 2, '0') as chain_id, 'q' || n as question_id, 'invented/s' || n as study_id,
           if(n % 2 = 0, 'binary', 'single') as task, if(n < 6, 'rules', 'llm') as engine,
           if(n < 6, null, 'm') as model,
           [{'step_no': 1, 'text': 'The lungs are clear.', 'evidence': []::integer[]}] as steps, 'Yes' as answer,
           'invented' as corpus, 'public' as licence, 'p' || (n // 2) as patient_id, 'rules' as judge,
           '1' as judge_version, 1.0 as factuality
    from range(12) as numbers(n)
"""
_COLUMNS = {
    "chains": "chain_id, question_id, study_id, task, engine, model, steps, answer",
    "questions": "question_id, study_id, task, corpus, answer",
    "studies": "study_id, corpus, licence, patient_id",
    "reports": "study_id",
    "scores": "chain_id, judge, judge_version, factuality",
}


def _reviews() -> list[dict[str, object]]:
    def one(chain: str, reader: str, score: float | None, **more: object) -> dict[str, object]:
        given = {"chain_id": chain, "reviewer": reader, "round": "first", "seconds": 60.0, "cannot_judge": False}
        return {**given, "factuality": score, "validity": 8, "completeness": 9, **more}

    marks = ([{"step_no": 1, "verdict": "right", "attribute": None}],
             [{"step_no": 1, "verdict": "wrong", "attribute": "side"}])  # fmt: skip
    made = [
        one(chain, reader, score, steps=marks[score < 5], seconds=30.0 + 10 * place)
        for reader, scores in FIRST.items()
        for place, (chain, score) in enumerate(zip(CHAINS, scores, strict=True))
    ]
    made += [one(chain, "r1", score, round="repeat") for chain, score in (("c00", 8), ("c01", 7), ("c03", 7))]
    return [
        *made,
        one("c02", "r3", 7, round="adjudication"),
        one("c04", "r3", None, validity=None, completeness=None, cannot_judge=True),
        one("c05", "r4", -10, fingerprint="of an older text"),
    ]


def _verdicts() -> list[dict[str, str]]:
    """Two readers' verdicts on four findings; they differ on the last, by one place in the order."""
    return [
        {"item_id": f"f{number}", "study_id": f"s{number}", "reviewer": reader, "round": "first", "verdict": verdict}
        for reader, last in (("r1", "supported"), ("r2", "unmentioned_normal"))
        for number, verdict in enumerate(("supported", "contradicted", "contradicted", last))
    ]


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of twelve chains of six patients, by two engines, which two readers read."""
    db = tmp_path_factory.mktemp("reviewed") / "cxr.duckdb"
    with Store.write(db, create=True) as store:
        store.connection.execute(_CHAINS)
        for table, columns in _COLUMNS.items():
            store.connection.execute(f"insert into {table} by name select {columns} from made")
        store.insert("reviews", pl.DataFrame(_reviews(), infer_schema_length=None))
        store.insert("finding_reviews", pl.DataFrame(_verdicts()))
    return db


@pytest.fixture(scope="module")
def tables(reviewed: Path) -> Mapping[str, ReviewTable]:
    with Store.read(reviewed) as store:
        return {table.title.split(" (")[0]: table for table in review_tables(store, Drawing(100), crossed=True)}


def _records(table: ReviewTable) -> list[dict[str, object]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_means_are_of_the_reviews_that_count_beside_those_of_the_paper(tables: Mapping[str, ReviewTable]) -> None:
    rows = {row["scores from -10 to 10"]: row for row in _records(tables["Readers' mean scores"])}
    both = [np.mean(pair) for pair in zip(*FIRST.values(), strict=True)]
    both[2] = 7.0  # who adjudicated stands for the two
    assert rows["all"]["chains"] == 12
    assert rows["all"]["reviews"] == 23
    assert str(rows["all"]["factuality"]).startswith(f"{np.mean(both):.2f} (")
    assert list(rows) == [
        *("all", "binary", "single", "llm m", "rules"),
        *("binary, llm m", "binary, rules", "single, llm m", "single, rules", "the paper's radiologists"),
    ]
    assert list(rows["the paper's radiologists"].values())[-3:] == ["7.83", "7.25", "7.97"]


def test_the_gate_removes_what_somebody_who_counts_put_below_five(tables: Mapping[str, ReviewTable]) -> None:
    rows = {row[""]: row for row in _records(tables["What the gate at 5 on every axis removes"])}
    assert list(rows["all"].values())[1:] == [12, 1, 0, 0, 1, pytest.approx(1 / 12)]
    assert rows["rules"]["removed"] == 0, "the third reader settled it"
    assert rows["llm m"]["removed"] == 1


def test_agreement_is_of_first_readings_also_where_a_third_has_settled_it(tables: Mapping[str, ReviewTable]) -> None:
    row = _records(tables["Agreement between readers"])[0]
    scores = np.array(list(FIRST.values()), dtype=np.float64).T
    patients = np.arange(12, dtype=np.int64) // 2
    for level in Level:
        alpha = krippendorff_alpha(scores, level, patients, Drawing(1)).value
        assert str(row[f"alpha, {level}"]).startswith(f"{alpha:.2f} ("), level
    assert (row["axis"], row["chains that two read"], row["that all read"]) == ("factuality", 12, 12)


def test_two_readers_lie_apart_by_what_one_gives_more(tables: Mapping[str, ReviewTable]) -> None:
    (row, *_) = _records(tables["How far two readers lie apart"])
    assert (row["readers"], row["chains"]) == ("r2 less r1", 12)
    assert str(row["mean difference"]).startswith(f"{np.mean(np.subtract(FIRST['r2'], FIRST['r1'])):.2f} (")


def test_a_reader_is_set_against_their_own_repeats(tables: Mapping[str, ReviewTable]) -> None:
    (row, *_) = _records(tables["Each reader with themselves"])
    assert (row["reader"], row["axis"], row["read twice"]) == ("r1", "factuality", 3)
    assert str(row["same score"]).startswith("0.67")


def test_steps_verdicts_and_times_are_told(tables: Mapping[str, ReviewTable]) -> None:
    marked = {(row["engine"], row["verdict"]): row for row in _records(tables["Steps, as readers marked them"])}
    assert (marked["llm m", "wrong"]["marks"], marked["llm m", "wrong"]["what"]) == (2, "side 2")
    steps, findings = _records(tables["Agreement on verdicts"])
    assert (steps["verdicts on"], steps["judged by both"], steps["same"]) == ("steps", 12, pytest.approx(11 / 12))
    # One of four pairs lies 1 place apart; by chance the sixteen lie 2 x (0 + 4 + 4 + 1) + 2 x (4 + 0 + 0 + 3) apart.
    assert (findings["verdicts on"], findings["judged by both"], findings["same"]) == ("findings", 4, 0.75)
    assert str(findings["kappa, linear weights"]).startswith(f"{1 - (1 / 4) / (32 / 16):.2f}")
    times = {
        (row["reader"], row["round"]): row for row in _records(tables["Time per item, while the page was looked at"])
    }
    assert times["r1", "first"]["median (s)"] == 85.0
    assert times["r1", "repeat"]["reviews"] == 3


def test_what_counts_nowhere_is_told(reviewed: Path) -> None:
    with Store.read(reviewed) as store:
        assert review_notes(store) == [
            "1 reviews are of chains that were renewed or are gone, and do not count",
            "1 times a reader could not judge a chain; nothing is counted for it",
        ]


def test_the_command_prints_them_all_and_reads_no_file_beside(cxr: Cli, reviewed: Path, tmp_path: Path) -> None:
    done = cxr("agreement", "--reviews", "--db", reviewed)
    assert done.returncode == 0, done.stderr
    for words in ("ICC(2,1)", "alpha, ordinal", "limits of agreement", "the paper's radiologists", "rules"):
        assert words in done.stdout, words
    assert "binary, llm m" not in done.stdout
    assert "1 reviews are of chains that were renewed" in done.stderr
    assert cxr("agreement", "gold.jsonl", "--reviews", "--db", reviewed).returncode == 2
    alone = cxr("agreement")
    assert (alone.returncode, "or --reviews" in alone.stderr) == (2, True)


def test_a_store_without_reviews_says_who_makes_them(cxr: Cli, db: Path) -> None:
    with Store.write(db, create=True):
        pass
    done = cxr("agreement", "--reviews")
    assert (done.returncode, done.stdout) == (0, "")
    assert "there are no reviews yet; `cxr review`" in done.stderr


def test_the_filter_takes_the_gate_that_is_asked_for(cxr: Cli, reviewed: Path, db: Path) -> None:
    shutil.copy(reviewed, db)
    usual = cxr("filter", "-o", "kept.jsonl")
    assert usual.returncode == 0, usual.stderr
    assert "11 chains written" in usual.stderr
    assert "1 factual chains were left out, to which a reader gave less than 5 on an axis" in usual.stderr
    assert "1 reviews are of chains that were renewed" in usual.stderr
    for least, kept in (("7", 9), ("-10", 12)):
        done = cxr("filter", "--min-review", least, "-o", "kept.jsonl")
        assert f"{kept} chains written" in done.stderr, done.stderr
    refused = cxr("filter", "--min-review", "11")
    assert refused.returncode == 2
    assert "min_review" in refused.stderr
