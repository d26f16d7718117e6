"""Versions are digests: rows by an older reader, engine or judge are named, and the same commands renew them."""

import lzma
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.kit.digest import code_digest
from cxr.miner.language.version import reader_version
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.store.migrations import MIGRATIONS
from tests.conftest import Cli

OLD = Path(__file__).with_name("fixtures") / "store_schema_4.duckdb.xz"
"""What `cxr demo` left before versions were digests: schema 4, labels and chains by "2", scores by "1-1e674e3d"."""

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "cxr.duckdb"
    path.write_bytes(lzma.decompress(OLD.read_bytes()))
    return path


@pytest.fixture
def sql(store: Path) -> Sql:
    def run(query: str, *values: object) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(store)) as connection:
            return connection.execute(query, values).fetchall()

    return run


def ingest(cxr: Cli) -> str:
    with resources.as_file(resources.files("cxr.miner.demo").joinpath("reports.csv")) as reports:
        done = cxr("ingest", "csv", reports, "--name", "demo", "--licence", "public", "--map", "study_id=uid")
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_an_older_store_opens_migrates_and_goes_on(cxr: Cli, sql: Sql) -> None:
    assert "run any writing command" in cxr("status").stderr
    labels = "42 reports labeled (42 of them again, by a newer version of our labeler)"
    assert labels in ingest(cxr)
    (chains,) = sql("select count(*) from chains")  # without those of questions whose label reads otherwise now
    mined = cxr("mine")
    assert mined.returncode == 0, mined.stderr
    assert f"{chains[0]} chains mined by rules" in mined.stderr
    assert f"{chains[0]} of these questions had been mined by an older version of rules" in mined.stderr
    scored = cxr("score").stderr
    assert f"{chains[0]} chains scored by rules {RulesJudge().version}" in scored
    assert sql("select max(version) from cxr_schema") == [(len(MIGRATIONS),)]
    assert sql("select count(*), count(distinct question_id) from chains") == [(2 * chains[0], chains[0])]


def test_each_question_is_given_once_by_its_newest_settings_and_more_only_where_all_are_wanted(
    cxr: Cli, sql: Sql, tmp_path: Path
) -> None:
    before = cxr("filter", "-o", "before.jsonl")
    assert before.returncode == 1  # an older store is read after the first command that writes
    assert cxr("mine").returncode in {0, 4}  # an answer that the report contradicts, as it is read now, is rejected
    assert cxr("score").returncode == 0
    ((chains, questions),) = sql("select count(*), count(distinct question_id) from factual_chains")
    assert chains == questions
    assert sql("select distinct engine_version from factual_chains") == [(RulesEngine().version,)]
    ((every,),) = sql("select count(*) from all_factual_chains")
    assert every > chains
    assert cxr("filter", "-o", "new.jsonl").returncode == 0
    assert cxr("filter", "-o", "all.jsonl", "--all-settings").returncode == 0
    lines = [len((tmp_path / name).read_text().splitlines()) for name in ("new.jsonl", "all.jsonl")]
    assert lines == [chains, every]


def test_status_names_what_an_older_version_made_and_nothing_once_it_is_renewed(cxr: Cli, sql: Sql) -> None:
    assert cxr("mine", "--limit", "1").returncode == 0
    told = cxr("status").stdout
    assert "Made by an older version" in told
    for command in ("cxr ingest demo", "cxr mine --engine rules", "cxr score --judge rules"):
        assert command in told
    ingest(cxr)
    for command in ("mine", "score"):
        assert cxr(command).returncode == 0
    assert "Made by an older version" not in cxr("status").stdout
    for command in ("mine", "score"):
        assert " 0 chains" in f" {cxr(command).stderr}"
    assert "nothing to do" in ingest(cxr)


def test_a_question_whose_label_changed_is_retired_with_its_chain_and_asked_anew(cxr: Cli, sql: Sql) -> None:
    assert cxr("mine", "--limit", "1").returncode == 0  # brings the schema up to date
    ((study, question),) = sql(
        "select study_id, min(question_id) from questions where task = 'binary' group by 1 order by 1 limit 1"
    )
    # As if the older labeler had read something else in this one report.
    sql("update labels set value = 1 - coalesce(value, 0) where study_id = ?", study)
    said = ingest(cxr)
    assert "removed, ask and mine again" in said
    assert sql("select count(*) from questions where study_id = ?", study) == [(0,)]
    assert sql("select count(*) from chains where question_id = ?", question) == [(0,)]
    assert sql("select count(*) from questions") != [(0,)]
    assert cxr("ask", "--tasks", "binary", "--balance", "none").returncode == 0
    answers = sql("select question_id, count(distinct answer) from questions group by study_id, findings, task, 1")
    assert {count for _, count in answers} == {1}


def test_asking_by_labels_of_an_older_labeler_says_so(cxr: Cli, store: Path) -> None:
    said = cxr("ask", "--db", store).stderr
    assert "labels of an older version of our labeler; the same `cxr ingest` again renews them" in said


def test_a_question_from_a_report_that_is_read_otherwise_now_is_retired(cxr: Cli, sql: Sql) -> None:
    asked = ("ask", "--source", "report", "--balance", "none")
    assert cxr(*asked).returncode == 0
    (first, second) = (row[0] for row in sql("select min(question_id) from questions where labeler = 'report' "
                                             "group by study_id order by 1 limit 2"))  # fmt: skip
    sql("update questions set answer_findings = ['something else'] where question_id = ?", first)
    again = cxr(*asked)
    assert "1 questions retired, whose reports are read otherwise now" in again.stderr
    # The same report gives the same question as ever, so it comes back as it was.
    assert sql("select count(*) from questions where question_id in (?, ?)", first, second) == [(2,)]
    assert sql("select answer_findings = ['something else'] from questions where question_id = ?", first) == [(False,)]
    assert "retired" not in cxr(*asked).stderr


def test_a_version_is_a_digest_of_code_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {reader_version(), RulesJudge().version, RulesEngine().version}
    assert len(versions) == 3
    assert all(len(version) == 12 and int(version, 16) for version in versions)
    package = tmp_path / "inventory"
    (package / "words").mkdir(parents=True)
    for file in ("__init__.py", "words/__init__.py"):
        (package / file).write_text("")
    (package / "words" / "read.py").write_text("NO = 'no'\n")
    monkeypatch.syspath_prepend(tmp_path)
    first = code_digest("inventory.words")
    (package / "words" / "read.py").write_text("NO = 'without'\n")
    code_digest.cache_clear()
    second = code_digest("inventory.words")
    assert second != first
    (package / "words" / "count.sql").write_text("select count(*) from words\n")
    code_digest.cache_clear()
    assert code_digest("inventory.words") not in {first, second}
