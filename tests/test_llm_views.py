"""What one can look at before and after a run: prompts, estimates, a question with its cost."""

from pathlib import Path

import pytest

from cxr.miner.kit.console import out
from cxr.miner.kit.errors import InputError
from cxr.miner.mine.estimate import estimate_tables
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.prompts import prompt_diff, prompt_rows, prompt_text
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.show import show_chain
from cxr.miner.store import Store
from cxr.miner.store.status import status_tables
from tests.conftest import Cli
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return write_store(tmp_path / "cxr.duckdb", 30)


def test_prompts_are_listed_shown_and_compared(cxr: Cli) -> None:
    listed = cxr("prompts", "list")
    assert listed.returncode == 0
    assert {"plan", "evidence", "chain", "whole"} <= {str(row[0]) for row in prompt_rows()}
    assert "## system" in prompt_text("plan", None, Path("none"))
    assert prompt_diff("plan.v1", "whole.v1").startswith("--- plan.v1\n+++ whole.v1")
    assert "+{{report}}" in prompt_diff("evidence.v1", "evidence.v2").splitlines()
    assert {"style brief", "style aloud"} <= {str(row[0]) for row in prompt_rows()}
    assert "[weighing]" in prompt_text("styles", None, Path("none"))
    assert cxr("prompts", "show", "plans").returncode == 1


def test_a_prompt_is_shown_as_it_would_be_sent(db: Path) -> None:
    shown = prompt_text("chain.v1", "q1", db)
    assert shown.startswith("--- system")
    assert "Correct answer: Yes" in shown
    with pytest.raises(InputError, match="no question 'q99999'"):
        prompt_text("plan", "q99999", db)


def test_an_estimate_shows_one_call_and_three_and_asks_nobody(db: Path, cxr: Cli) -> None:
    done = cxr("mine", "--engine", "llm", "--model", "gpt-4o", "--estimate", "--db", db)
    assert done.returncode == 0, done.stderr
    assert "whole" in done.stdout
    assert "list price of" in done.stderr
    assert "of them cached" in " ".join(done.stdout.split())


def test_an_estimate_asks_for_the_price_of_a_model_that_nobody_knows(db: Path, cxr: Cli) -> None:
    done = cxr("mine", "--engine", "llm", "--model", "gpt-99", "--estimate", "--db", db)
    assert done.returncode == 0
    assert "the price of gpt-99 at https://api.openai.com/v1 is not known; give --price" in done.stderr


def test_an_estimate_takes_the_counts_of_calls_that_are_on_record(db: Path) -> None:
    with ScriptedServer(REPLIES) as server:
        given = {"engine": "llm", "model": "scripted", "base_url": server.url, "price": "1,1"}
        mine_llm(db, MineSettings.resolve(db, limit=25, **given))
    (table,) = estimate_tables(db, MineSettings.resolve(db, **given))
    basis = list(table.columns[-1].cells)
    assert "calls on record" in map(str, basis)


def test_an_estimate_counts_repairs_for_every_chain_that_may_need_one(db: Path) -> None:
    asked = MineSettings.resolve(db, engine="llm", model="gpt-4o", repair=True)
    table, *_ = estimate_tables(db, asked)
    steps, requests = (list(table.columns[number].cells) for number in (1, 2))
    by_step = dict(zip(map(str, steps), map(str, requests), strict=True))
    assert by_step["repair"] == by_step["plan"]


def test_show_and_status_tell_the_cost(db: Path, cxr: Cli) -> None:
    with ScriptedServer(REPLIES) as server:
        settings = MineSettings.resolve(db, engine="llm", model="scripted", base_url=server.url, price="1,1")
        mine_llm(db, settings)
    assert settings.price == "1,1"
    with Store.read(db) as store:
        assert any("Cost of this question: $0.000330" in str(part) for part in show_chain(store, "q1"))
        titles = [str(table.title) for table in status_tables(store)]
    assert "Calls to language models" in titles
    assert cxr("show", "q7", "--db", db).returncode == 0
    assert out()
