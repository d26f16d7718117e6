"""The main job through the real command line and a real DuckDB file: ingest, ask, mine, score, filter."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli
from tests.corpora import INVENTED, openi_rows, write_openi

# Sixteen studies of each kind, so that every finding passes the strict balance.
MANY = [(findings, impression) for findings, impression in INVENTED for _ in range(16)]
CONTENT = {
    "questions": "question_id, study_id, task, text, answer",
    "chains": "chain_id, question_id, text, answer, plan, evidence, steps",
    "scores": "chain_id, judge, factuality, completeness, effectiveness, radrscore",
    "rejects": "stage, reject_key, reason, message",
}


def _rows(db: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _content(db: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: _rows(db, f"select {columns} from {table} order by all") for table, columns in CONTENT.items()}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_openi(tmp_path / "openi", openi_rows(MANY))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "cxr.duckdb"


def _main_job(cxr: Cli, corpus: Path) -> None:
    for arguments in (("ingest", "openi", str(corpus)), ("ask",), ("mine",), ("score",)):
        done = cxr(*arguments)
        assert done.returncode in {0, 4}, (arguments, done.stderr)


def test_from_a_folder_of_reports_to_factual_chains_in_jsonl(cxr: Cli, corpus: Path, tmp_path: Path) -> None:
    _main_job(cxr, corpus)
    done = cxr("filter", "--min-factuality", "1", "-o", "factual.jsonl")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "factual.jsonl").read_text().splitlines()]
    assert {line["task"] for line in lines} == {"binary", "single", "multiple", "anomaly"}
    assert all(line["factuality"] == 1 for line in lines)
    assert all(line["licence"] == "public" for line in lines)


def test_every_question_ends_as_a_chain_or_a_reject(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    ends = _rows(
        db,
        "select question_id, count(chain_id) + count(reject_key) from questions left join chains using (question_id) "
        "left join rejects on reject_key = question_id group by 1",
    )
    assert len(ends) > 100
    assert {number for _, number in ends} == {1}


def test_every_quote_is_the_report_at_its_offsets(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    quotes = _rows(
        db,
        """
        select reports.text[quote.start + 1 : quote.end], quote.text
        from chains join reports using (study_id), unnest(evidence) as e(piece), unnest(piece.quotes) as q(quote)
        """,
    )
    assert len(quotes) > 100
    assert all(there == quoted for there, quoted in quotes)


def test_a_chain_answers_as_its_question_does_and_never_speaks_of_a_report(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    rows = _rows(
        db, "select chains.text, chains.answer, questions.answer from chains join questions using (question_id)"
    )
    assert rows
    for text, answer, expected in rows:
        assert answer == expected
        assert "report" not in str(text).lower()


def test_a_rerun_of_any_command_finds_nothing_to_do(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    before, runs = _content(db), _rows(db, "select count(*) from runs")
    _main_job(cxr, corpus)
    assert _content(db) == before
    assert _rows(db, "select count(*) from runs") == runs


def test_two_clean_runs_give_the_same_rows(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    first = _content(db)
    db.unlink()
    _main_job(cxr, corpus)
    assert _content(db) == first


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_mine_goes_on_to_the_rows_of_a_clean_run(
    cxr: Cli, db: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    corpus = write_openi(tmp_path / "openi", openi_rows(MANY * 3))
    for arguments in (("ingest", "openi", str(corpus)), ("ask", "--balance", "none")):
        cxr(*arguments)
    untouched = db.read_bytes()
    cxr("mine")
    clean = _content(db)
    db.write_bytes(untouched)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("cxr"), "mine"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    # The log that DuckDB writes ahead grows by more than a megabyte with each of the six batches: two are committed.
    wal = db.with_name(db.name + ".wal")
    waited = time.monotonic() + 60
    while (not wal.exists() or wal.stat().st_size < 1_500_000) and process.poll() is None and time.monotonic() < waited:
        time.sleep(0.01)
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert process.returncode in ({130} if stop is signal.SIGINT else {-signal.SIGKILL}), said
    assert ("goes on from there" in said) == (stop is signal.SIGINT)
    half = _rows(db, "select count(*) from chains")
    assert 0 < int(str(half[0][0])) < len(clean["chains"])
    assert cxr("mine").returncode in {0, 4}
    assert _content(db) == clean


def test_questions_are_balanced_and_binary_answers_even(cxr: Cli, corpus: Path, db: Path) -> None:
    _main_job(cxr, corpus)
    for task, column in (("binary", "findings"), ("single", "answer_findings"), ("multiple", "answer_findings")):
        counts = [
            number
            for (number,) in _rows(
                db, f"select count(*) from questions, unnest({column}) where task = '{task}' group by unnest"
            )
        ]
        assert max(map(int, map(str, counts))) <= 2 * min(map(int, map(str, counts))), task
    assert _rows(db, "select count(*) from questions where task = 'binary' and answer = 'Yes'") == _rows(
        db, "select count(*) from questions where task = 'binary' and answer = 'No'"
    )


def test_another_seed_asks_other_questions_and_the_same_seed_the_same(cxr: Cli, corpus: Path, db: Path) -> None:
    cxr("ingest", "openi", corpus)
    cxr("ask", "--seed", "1", "--tasks", "binary")
    first = _rows(db, "select question_id from questions order by 1")
    again = cxr("ask", "--seed", "1", "--tasks", "binary")
    assert "0 questions added" in again.stderr
    cxr("ask", "--seed", "2", "--tasks", "binary")
    assert len(_rows(db, "select question_id from questions")) > len(first)


def test_a_changed_report_updates_its_own_rows_and_drops_what_was_derived_from_it(
    cxr: Cli, corpus: Path, db: Path
) -> None:
    _main_job(cxr, corpus)
    rows = openi_rows(MANY)
    rows[0]["findings"] = "There is a large right pleural effusion. No pneumothorax."
    write_openi(corpus, rows)
    done = cxr("ingest", "openi", corpus)
    assert "1 changed" in done.stderr
    assert _rows(db, "select count(*) from chains where study_id = 'openi/CXR1'") == [(0,)]
    assert "large right" in str(_rows(db, "select text from reports where study_id = 'openi/CXR1'"))
