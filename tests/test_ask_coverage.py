"""Corpora that ship labels: their reports are read when they are first asked about, and once."""

from pathlib import Path

import duckdb

from tests.conftest import Cli
from tests.ingesting import rows
from tests.mimic_corpus import STUDIES, write_mimic

STRANGE = STUDIES[0]._replace(findings="There is a glimmerule at the left base. A frumious left lung.", impression="")


def test_reports_of_a_corpus_that_ships_labels_are_read_when_it_is_asked_about(
    cxr: Cli, tmp_path: Path, db: Path
) -> None:
    write_mimic(tmp_path / "in", [STRANGE, *STUDIES[1:]])
    assert cxr("ingest", "mimic-cxr", "in").returncode == 0
    assert rows(db, "select count(*) from coverage") == [(0,)]
    assert "0 of 0 reports were understood" in cxr("unread", "--min-count", "1").stderr
    asked = cxr("ask", "--balance", "none")
    assert asked.returncode == 0, asked.stderr
    assert rows(db, "select study_id from coverage where not understood") == [(f"mimic-cxr/s{STRANGE.study}",)]
    assert rows(db, "select count(*) from coverage") == [(len(STUDIES),)]
    assert "1 studies were asked nothing that rests on silence (report_not_understood)" in asked.stderr
    assert "│ glimmerule" in cxr("unread", "--min-count", "1").stdout
    runs = rows(db, "select count(*) from runs")
    assert cxr("ask", "--balance", "none").returncode == 0
    assert rows(db, "select count(*) from runs") == runs


def test_questions_that_rested_on_silence_go_when_the_report_turns_out_not_to_be_understood(
    cxr: Cli, tmp_path: Path, db: Path
) -> None:
    write_mimic(tmp_path / "in", [STRANGE, *STUDIES[1:]])
    cxr("ingest", "mimic-cxr", "in")
    cxr("ask", "--balance", "none")
    kept = rows(db, "select question_id from questions order by 1")
    with duckdb.connect(str(db)) as connection:  # as an older version left it: nothing known, and silence believed
        connection.execute("update coverage set understood = true, reader_version = 'older'")
        connection.execute("delete from rejects where stage = 'ask'")
        connection.execute(
            "insert into questions by name select * replace ('silent' as question_id) from questions "
            f"where study_id = 'mimic-cxr/s{STRANGE.study}' limit 1"
        )
    cxr("ask", "--balance", "none")
    assert rows(db, "select question_id from questions order by 1") == kept
    assert rows(db, "select count(distinct reader_version) from coverage") == [(1,)]
