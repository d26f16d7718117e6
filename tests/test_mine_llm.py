"""`cxr mine --engine llm` through the real command line, a real store and a real server on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.mine.job import load
from cxr.miner.store import Store
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from tests.conftest import Cli, CliIn
from tests.corpora import INVENTED, openi_rows, write_openi
from tests.replying import Model
from tests.scripted_server import COMPLETION_TOKENS, PROMPT_TOKENS, ScriptedServer

CONTENT = {
    "chains": "chain_id, question_id, text, answer, plan, evidence, steps",
    "rejects": "stage, reject_key, reason, message",
}
LLM = ("mine", "--engine", "llm", "--model", "scripted")


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def content(db: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(db, f"select {columns} from {table} order by all") for table, columns in CONTENT.items()}


def questions_of(db: Path) -> list[tuple[Question, Report]]:
    with Store.read(db) as store:
        return list(load(store, store.frame("select question_id from questions order by 1")))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> Path:
    """A store with questions, made once."""
    folder = tmp_path_factory.mktemp("asked")
    write_openi(folder / "openi", openi_rows([pair for pair in INVENTED for _ in range(2)]))
    for arguments in (("ingest", "openi", "openi"), ("ask", "--balance", "none")):
        assert cxr_in(folder, *arguments).returncode == 0
    return folder / "cxr.duckdb"


@pytest.fixture(scope="module")
def model(asked: Path) -> Model:
    return Model(questions_of(asked))


@pytest.fixture
def db(asked: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "cxr.duckdb"
    copy.write_bytes(asked.read_bytes())
    return copy


@pytest.fixture
def server(model: Model) -> Iterator[ScriptedServer]:
    with ScriptedServer(model) as made:
        yield made


def test_every_question_ends_as_a_chain_or_a_reject_and_calls_add_up(
    cxr: Cli, db: Path, server: ScriptedServer
) -> None:
    done = cxr(*LLM, "--base-url", server.url, "--price", "2.5,10")
    assert done.returncode in {0, 4}, done.stderr
    ((questions, chains, rejects),) = rows(
        db,
        "select (select count(*) from questions), (select count(*) from chains), "
        "(select count(*) from rejects where stage = 'mine')",
    )
    assert chains + rejects == questions
    assert chains > 50
    ((calls, cost, tokens),) = rows(
        db, "select count(*), sum(cost_usd), sum(prompt_tokens) from calls where not cache_hit"
    )
    assert calls == server.received
    assert tokens == server.received * PROMPT_TOKENS
    assert cost == pytest.approx(server.received * (PROMPT_TOKENS * 2.5 + COMPLETION_TOKENS * 10) / 1e6)


def test_a_rerun_asks_nothing_even_when_the_server_has_moved(cxr: Cli, db: Path, model: Model) -> None:
    with ScriptedServer(model) as first:
        cxr(*LLM, "--tasks", "multiple", "--base-url", first.url)
        assert first.received
    before = content(db)
    with ScriptedServer(model) as second:
        assert cxr(*LLM, "--tasks", "multiple", "--base-url", second.url).returncode in {0, 4}
        assert second.received == 0
    assert content(db) == before
