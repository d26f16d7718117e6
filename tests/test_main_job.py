"""The main job through the real command line and a real DuckDB file: ingest, ask, mine, score, filter."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli, CliIn
from tests.corpora import INVENTED, openi_rows, write_openi
from tests.forked import CXR

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


JOB = (("ingest", "openi", "openi"), ("ask",), ("mine",), ("score",))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> Path:
    """A folder where the main job was done once: for tests that only look."""
    folder = tmp_path_factory.mktemp("job")
    write_openi(folder / "openi", openi_rows(MANY))
    run_job(functools.partial(cxr_in, folder))
    return folder


def run_job(cxr: Cli) -> None:
    for arguments in JOB:
        done = cxr(*arguments)
        assert done.returncode in {0, 4}, (arguments, done.stderr)


@pytest.fixture(scope="module")
def mined(job: Path) -> Path:
    """The store of the main job."""
    return job / "cxr.duckdb"


@pytest.fixture
def db(job: Path, tmp_path: Path) -> Path:
    """A copy of it, beside its corpus, in the folder where `cxr` runs."""
    shutil.copytree(job, tmp_path, dirs_exist_ok=True)
    return tmp_path / "cxr.duckdb"


def test_from_a_folder_of_reports_to_factual_chains_in_jsonl(cxr: Cli, db: Path, tmp_path: Path) -> None:
    assert db.exists()
    done = cxr("filter", "--min-factuality", "1", "-o", "factual.jsonl")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "factual.jsonl").read_text().splitlines()]
    assert {line["task"] for line in lines} == {"binary", "single", "multiple", "anomaly"}
    assert all(line["factuality"] == 1 for line in lines)
    assert all(line["licence"] == "public" for line in lines)


def test_every_question_ends_as_a_chain_or_a_reject(mined: Path) -> None:
    ends = _rows(
        mined,
        "select question_id, count(chain_id) + count(reject_key) from questions left join chains using (question_id) "
        "left join rejects on reject_key = question_id group by 1",
    )
    assert len(ends) > 100
    assert {number for _, number in ends} == {1}


def test_every_quote_is_the_report_at_its_offsets(mined: Path) -> None:
    quotes = _rows(
        mined,
        """
        select reports.text[quote.start + 1 : quote.end], quote.text
        from chains join reports using (study_id), unnest(evidence) as e(piece), unnest(piece.quotes) as q(quote)
        """,
    )
    assert len(quotes) > 100
    assert all(there == quoted for there, quoted in quotes)


def test_a_chain_answers_as_its_question_does_and_never_speaks_of_a_report(mined: Path) -> None:
    rows = _rows(
        mined, "select chains.text, chains.answer, questions.answer from chains join questions using (question_id)"
    )
    assert rows
    for text, answer, expected in rows:
        assert answer == expected
        assert "report" not in str(text).lower()


def test_a_rerun_of_any_command_finds_nothing_to_do(cxr: Cli, db: Path) -> None:
    before, runs = _content(db), _rows(db, "select count(*) from runs")
    run_job(cxr)
    assert _content(db) == before
    assert _rows(db, "select count(*) from runs") == runs


def test_two_clean_runs_give_the_same_rows(mined: Path, tmp_path: Path) -> None:
    """The second one with hashes of its own, in an interpreter of its own: no set may decide an order."""
    write_openi(tmp_path / "openi", openi_rows(MANY))
    code = f"from cxr.cli import app\nfor words in {JOB}: app(words, standalone_mode=False)"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert _content(tmp_path / "cxr.duckdb") == _content(mined)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> tuple[Path, dict[str, list[tuple[object, ...]]]]:
    """A store with enough to mine for several batches, and what mining it without a break gives."""
    folder = tmp_path_factory.mktemp("clean")
    write_openi(folder / "openi", openi_rows(MANY * 3))
    for arguments in (JOB[0], ("ask", "--balance", "none")):
        cxr_in(folder, *arguments)
    untouched = Path(shutil.copy(folder / "cxr.duckdb", folder / "untouched.duckdb"))
    cxr_in(folder, "mine")
    return untouched, _content(folder / "cxr.duckdb")


def test_an_interrupted_mine_goes_on_to_the_rows_of_a_clean_run(
    cxr: Cli, clean: tuple[Path, dict[str, list[tuple[object, ...]]]], tmp_path: Path
) -> None:
    """A kill is in `tests/chaos/test_kills.py`."""
    untouched, rows = clean
    db = Path(shutil.copy(untouched, tmp_path / "cxr.duckdb"))
    process = subprocess.Popen([CXR, "mine"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    # The log that DuckDB writes ahead grows by more than a megabyte with each of the six batches: two are committed.
    wal = db.with_name(db.name + ".wal")
    while (not wal.exists() or wal.stat().st_size < 1_500_000) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "goes on from there" in said
    half = _rows(db, "select count(*) from chains")
    assert 0 < int(str(half[0][0])) < len(rows["chains"])
    assert cxr("mine").returncode in {0, 4}
    assert _content(db) == rows


def test_questions_are_balanced_and_binary_answers_even(mined: Path) -> None:
    for task, column in (("binary", "findings"), ("single", "answer_findings"), ("multiple", "answer_findings")):
        counts = [
            number
            for (number,) in _rows(
                mined, f"select count(*) from questions, unnest({column}) where task = '{task}' group by unnest"
            )
        ]
        assert max(map(int, map(str, counts))) <= 2 * min(map(int, map(str, counts))), task
    assert _rows(mined, "select count(*) from questions where task = 'binary' and answer = 'Yes'") == _rows(
        mined, "select count(*) from questions where task = 'binary' and answer = 'No'"
    )


def test_another_seed_asks_other_questions_and_the_same_seed_the_same(cxr: Cli, db: Path) -> None:
    cxr("ask", "--seed", "1", "--tasks", "binary")
    first = _rows(db, "select question_id from questions order by 1")
    again = cxr("ask", "--seed", "1", "--tasks", "binary")
    assert "0 questions added" in again.stderr
    cxr("ask", "--seed", "2", "--tasks", "binary")
    assert len(_rows(db, "select question_id from questions")) > len(first)


def test_a_changed_report_updates_its_own_rows_and_drops_what_was_derived_from_it(
    cxr: Cli, db: Path, tmp_path: Path
) -> None:
    rows = openi_rows(MANY)
    rows[0]["findings"] = "There is a large right pleural effusion. No pneumothorax."
    write_openi(tmp_path / "openi", rows)
    done = cxr("ingest", "openi", "openi")
    assert "1 changed" in done.stderr
    assert _rows(db, "select count(*) from chains where study_id = 'openi/CXR1'") == [(0,)]
    assert "large right" in str(_rows(db, "select text from reports where study_id = 'openi/CXR1'"))
