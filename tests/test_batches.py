"""Mining through the Batch API: three rounds, and everything that can become of a batch."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.kit.errors import BudgetReached, CxrError, EngineStopped, PolicyError
from cxr.miner.mine.batches import batch_rows, cancel, collect, mine_in_batches
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from tests.batch_server import BatchingServer
from tests.scripted_server import COMPLETION_TOKENS, PROMPT_TOKENS, Say, ScriptedServer
from tests.synthetic import CHAIN, EVIDENCE, REPLIES, write_store

PRICE = {"price": "2,8"}
LIVE_COST = (PROMPT_TOKENS * 2 + COMPLETION_TOKENS * 8) / 1e6


def settings_of(db: Path, url: str, **given: object) -> MineSettings:
    return MineSettings.resolve(db, engine="llm", model="scripted", base_url=url, **{**PRICE, **given})


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def chains(db: Path) -> list[tuple[Any, ...]]:
    return rows(db, "select chain_id, text, plan, evidence, steps from chains order by 1")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return write_store(tmp_path / "cxr.duckdb", 13)


def rounds(db: Path, most: int = 12) -> int:
    for number in range(1, most + 1):
        _, still_open = collect(db)
        if not still_open:
            return number
    raise AssertionError(f"still open after {most} rounds")


def test_three_rounds_give_the_chains_of_a_live_run_at_half_the_price(db: Path, tmp_path: Path) -> None:
    live = write_store(tmp_path / "live.duckdb", 13)
    with ScriptedServer(REPLIES) as server:
        mine_llm(live, settings_of(live, server.url))
    with BatchingServer(REPLIES) as server:
        sent = mine_in_batches(db, settings_of(db, server.url))
        assert "13 requests sent in 1 batches" in sent.notes[0]
        assert rounds(db) >= 3
        assert len(server.batches) >= 3
    assert chains(db) == chains(live)
    assert rows(db, "select reject_key, reason, message from rejects order by 1") == rows(
        live, "select reject_key, reason, message from rejects order by 1"
    )
    ((calls, cost),) = rows(db, "select count(*), sum(cost_usd) from calls where batch and error is null")
    assert cost == pytest.approx(calls * LIVE_COST / 2)


def test_a_file_takes_no_more_requests_than_the_server_does(db: Path) -> None:
    with BatchingServer(REPLIES) as server:
        sent = mine_in_batches(db, settings_of(db, server.url), most_requests=5)
        assert "13 requests sent in 3 batches" in sent.notes[0]
        first = [json.loads(line) for line in server.files["file-1"].splitlines()]
    assert len(first) == 5
    assert len({line["custom_id"] for line in first}) == 5
    assert {len(line["custom_id"]) for line in first} == {64}
    assert first[0]["url"] == "/v1/chat/completions"


def test_sending_twice_sends_nothing_twice(db: Path) -> None:
    with BatchingServer(REPLIES) as server:
        server.open_polls = 100
        mine_in_batches(db, settings_of(db, server.url))
        again = mine_in_batches(db, settings_of(db, server.url))
        assert again.notes == []
        assert len(server.batches) == 1
        assert [row["status"] for row in batch_rows(db)] == ["in_progress"]
        assert collect(db)[1] == 1


@pytest.mark.parametrize("fate", ["partial", "errors"])
def test_what_expired_or_failed_is_asked_again_in_the_next_round(db: Path, fate: str) -> None:
    with BatchingServer(REPLIES, [fate, "completed", fate]) as server:
        mine_in_batches(db, settings_of(db, server.url))
        rounds(db)
    assert len(chains(db)) == 11
    ((failed,),) = rows(db, "select count(*) from calls where batch and error is not null and cost_usd = 0")
    assert failed > 0


def test_a_request_that_fails_in_batch_after_batch_becomes_a_reject(db: Path) -> None:
    with BatchingServer(REPLIES, ["errors"] * 50) as server:
        mine_in_batches(db, settings_of(db, server.url, max_tries=2))
        rounds(db, 40)
    assert rows(db, "select count(*) from rejects where reason = 'model_call_failed'")[0][0] > 0
    assert rows(db, "select (select count(*) from chains) + (select count(*) from rejects)") == [(13,)]


def test_a_reply_that_fails_its_check_goes_back_in_the_next_round(db: Path) -> None:
    wrong = {**EVIDENCE, "items": [{**EVIDENCE["items"][0], "quotes": ["there is a huge effusion"]}]}
    script = {**REPLIES, "EvidenceReply": [Say(wrong)] * 13 + REPLIES["EvidenceReply"]}
    with BatchingServer(script) as server:
        mine_in_batches(db, settings_of(db, server.url))
        rounds(db)
    assert len(chains(db)) == 11


def test_a_batch_refused_as_a_whole_says_why_and_charges_nothing(db: Path) -> None:
    with BatchingServer(REPLIES, ["failed"]) as server:
        mine_in_batches(db, settings_of(db, server.url))
        with pytest.raises(EngineStopped, match="token_limit_exceeded") as caught:
            collect(db)
        assert "repeats what was sent" not in str(caught.value)
        mine_in_batches(db, settings_of(db, server.url))
        rounds(db)
    assert len(chains(db)) == 11


def test_a_cancelled_batch_keeps_what_was_answered(db: Path) -> None:
    with BatchingServer(REPLIES) as server:
        server.open_polls = 100
        mine_in_batches(db, settings_of(db, server.url))
        assert cancel(db) == 1
        server.open_polls = 0
        collect(db)
        assert rows(db, "select count(*) from calls where batch and error is null") == [(6,)]


def test_a_batch_that_was_started_just_before_a_kill_is_found_again(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchingServer(REPLIES) as server:
        mine_in_batches(db, settings_of(db, server.url))
        with duckdb.connect(str(db)) as connection:
            connection.execute("update batches set remote_id = null, status = 'sending'")
        mine_in_batches(db, settings_of(db, server.url))
        assert len(server.batches) == 1
        rounds(db)
    assert len(chains(db)) == 11


def test_a_server_without_batches_is_named(db: Path) -> None:
    with (
        ScriptedServer(REPLIES) as server,
        pytest.raises(EngineStopped, match="has no /chat/completions"),
    ):
        mine_in_batches(db, settings_of(db, server.url))


def test_credentialed_text_never_lies_at_a_server_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attestation promises zero retention; a batch is a file that is retained."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    db = write_store(tmp_path / "cxr.duckdb", 3, licence="credentialed")
    attestation = {
        "endpoint": "https://gateway.invalid/v1",
        "zero_retention": True,
        "no_training": True,
        "no_human_review": True,
        "signed_by": "A. Researcher",
        "signed_on": "2026-01-02",
    }
    with pytest.raises(PolicyError, match="without --batch"):
        mine_in_batches(db, settings_of(db, "https://gateway.invalid/v1", attestations=[attestation]))


def test_a_batch_stops_at_the_budget_and_sends_what_fits(db: Path) -> None:
    with BatchingServer(REPLIES) as server:
        with pytest.raises(BudgetReached):
            mine_in_batches(db, settings_of(db, server.url, max_calls=5))
        assert [batch["requests"] for batch in batch_rows(db)] == [5]


def test_collecting_without_batches_says_how_to_send_some(db: Path) -> None:
    with pytest.raises(CxrError, match="no batch is open"):
        collect(db)


def test_the_chain_of_the_synthetic_replies_is_a_chain() -> None:
    assert CHAIN["answer"] == "Yes"


ABSURD = [-1, 10**30, 1.5, float("nan"), "many", [], {}, [[1]], None]


@pytest.mark.parametrize("bad", ABSURD, ids=lambda bad: repr(bad)[:12])
def test_absurd_numbers_of_a_batch_are_unknown_and_break_nothing(db: Path, bad: object) -> None:
    with BatchingServer(REPLIES) as server:
        server.open_polls = 2
        mine_in_batches(db, settings_of(db, server.url))
        for batch in server.batches.values():
            batch["request_counts"] = {"completed": bad, "failed": bad}
        assert [(row["answered"], row["failed"]) for row in batch_rows(db)] == [(None, None)]
        for batch in server.batches.values():
            batch["request_counts"] = bad
        assert collect(db)[1] == 1
        rounds(db)
    assert len(chains(db)) == 11


@pytest.mark.parametrize("bad", ABSURD, ids=lambda bad: repr(bad)[:12])
def test_what_a_server_says_of_a_batch_may_be_of_any_kind(db: Path, bad: object) -> None:
    with BatchingServer(REPLIES) as server:
        server.open_polls = 1
        mine_in_batches(db, settings_of(db, server.url))
        (batch,) = server.batches.values()
        batch["status"] = bad
        assert [row["status"] for row in batch_rows(db)] == ["many" if bad == "many" else "unknown"]
        batch |= {"status": "failed", "errors": {"data": bad}}
        with pytest.raises(EngineStopped, match="refused batch"):
            collect(db)


@pytest.mark.parametrize("bad", [{}, {"id": 5}, {"id": "../../v1/models"}, {"id": "a?b"}, {"id": ""}, [], None])
def test_a_file_or_batch_without_a_plain_id_stops_with_a_sentence(db: Path, bad: object) -> None:
    with BatchingServer(REPLIES) as server:
        server.said_of_a_file = bad
        with pytest.raises(EngineStopped, match="a reply without an id"):
            mine_in_batches(db, settings_of(db, server.url))


@pytest.mark.parametrize(
    "bad", [None, 5, "x", [], {"status_code": "200 of the report"}, {"status_code": 200, "body": 3}]
)
def test_a_line_of_any_kind_is_an_error_of_its_request(db: Path, bad: object) -> None:
    with BatchingServer(REPLIES) as server:
        mine_in_batches(db, settings_of(db, server.url))
        server.said_in_lines = [bad] * 13
        collect(db)
        assert rows(db, "select count(*), any_value(cost_usd) from calls where error is not null") == [(13, 0.0)]
        assert "report" not in str(rows(db, "select error from calls"))
        rounds(db)
    assert len(chains(db)) == 11
