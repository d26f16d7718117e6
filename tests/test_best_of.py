"""Several chains a question, the best kept and all recorded; repair; chains that are alike; what factual ones cost."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.table import Table

from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.alike import NEAR, _shared, alike, groups, shingles
from cxr.miner.kit.errors import BudgetReached, PolicyError, SettingsError
from cxr.miner.kit.sql import read_sql
from cxr.miner.llm.asked import Deferred
from cxr.miner.mine.candidates import _all_of, sampling_of
from cxr.miner.mine.choosing import job_of
from cxr.miner.mine.engines import ENGINES
from cxr.miner.mine.job import MineResult
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.show import show_chain
from cxr.miner.mine.yields import cost_notes
from cxr.miner.score.filtering import filter_chains
from cxr.miner.score.score import score_chains
from cxr.miner.score.settings import FilterSettings, ScoreSettings
from cxr.miner.store import Store
from tests.conftest import Cli
from tests.judge_world import generic
from tests.scripted_server import Act, Fail, Say, ScriptedServer, schema_name
from tests.synthetic import CHAIN, EVIDENCE, PLAN, write_store

pytestmark = pytest.mark.usefixtures("no_waiting")

LLM = ("mine", "--engine", "llm", "--model", "m", "--price", "1,1")


def chain(*middle: str) -> dict[str, Any]:
    first, _, last = CHAIN["steps"]
    return {**CHAIN, "steps": [first, *({"text": text, "evidence": [1]} for text in middle), last]}


GOOD = chain("On the left the angle is blunted by a small pleural effusion.")
WORSE = chain("On the left there is a small pleural effusion.", "The heart is enlarged.")
WORST = chain("There is a pneumothorax.", "The heart is enlarged.", "There is a rib fracture.")
NO_CHAIN = {**CHAIN, "answer": "No"}


def model(*by_seed: object, repaired: object = GOOD) -> Callable[[dict[str, Any]], Act]:
    """Say chains by the seed of the request, and the repaired one to the repair prompt."""

    def script(request: dict[str, Any]) -> Act:
        name = schema_name(request)
        if name == "PlanReply":
            return Say(PLAN)
        if name == "EvidenceReply":
            return Say(EVIDENCE)
        if any("<<<CLAIMS" in message["content"] for message in request["messages"]):
            return Say(repaired)
        said = by_seed[request["seed"]]
        if name == "WholeReply":
            return Say({"plan": PLAN, "evidence": EVIDENCE, "chain": said})
        return said if isinstance(said, Fail) else Say(said)

    return script


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("made") / "cxr.duckdb", 2)


@pytest.fixture
def db(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


def mined(db: Path, server: ScriptedServer, **more: Any) -> MineResult:
    settings = MineSettings.resolve(db, engine="llm", model="m", price="1,1", base_url=server.url, **more)
    return mine_llm(db, settings)


def texts(said: dict[str, Any]) -> str:
    return " ".join(step["text"] for step in said["steps"])


@pytest.mark.parametrize("calls", [3, 1])
def test_the_best_of_several_is_kept_and_all_are_recorded_with_why(db: Path, calls: int) -> None:
    with ScriptedServer(model(WORST, WORSE, GOOD, NO_CHAIN)) as server:
        notes = " ".join(mined(db, server, best_of=4, calls=calls).notes)
        first = server.received
        # A chain that fails its check is asked for three times; plan and evidence once.
        assert first == 2 * ((2 if calls == 3 else 0) + 3 + 3)
        assert "8 chains drawn for 2 questions; for 2 another one than the first is kept" in notes
        assert "2 of 2 chains judged by rules are factual (100.0%), about $" in notes
        assert mined(db, server, best_of=4, calls=calls).already == 2
        assert server.received == first
    assert {text for (text,) in rows(db, "select text from chains")} == {texts(GOOD)}
    recorded = rows(
        db,
        "select candidate_no, kept, why, factuality, reason, sampling->>'seed', sampling->>'temperature', judge "
        "from candidates where question_id = 'q1' order by 1",
    )
    assert [row[:3] for row in recorded] == [
        (1, False, "less factual"),
        (2, False, "less factual"),
        (3, True, "kept"),
        (4, False, "no chain"),
    ]
    assert 0 < recorded[0][3] < recorded[1][3] < recorded[2][3] == 1.0
    assert [row[4] for row in recorded] == [None, None, None, "answer_mismatch"]
    assert [row[5:] for row in recorded] == [
        (None, None, "rules"), ("1", "0.7", "rules"), ("2", "0.7", "rules"), ("3", "0.7", "rules"),
    ]  # fmt: skip
    ((said,),) = rows(db, "select objections from candidates where question_id = 'q1' and candidate_no = 2")
    assert [one["verdict"] for one in said] == ["contradicted"]


def test_the_first_candidate_is_todays_request_so_that_its_reply_is_found(db: Path) -> None:
    with ScriptedServer(model(WORSE, GOOD)) as server:
        mined(db, server)
        assert server.received == 6
        mined(db, server, best_of=2)
        assert server.received == 8  # one more chain for each question
    # Both jobs have their chains, and the newer one counts.
    assert rows(db, "select text from current_chains") == [(texts(GOOD),)] * 2
    assert rows(db, "select count(*) from chains") == [(4,)]


def test_until_factual_draws_no_more_than_it_needs(db: Path) -> None:
    with ScriptedServer(model(WORSE, GOOD, WORST)) as server:
        mined(db, server, best_of=3, until_factual=True)
        assert server.received == 2 * 4
    assert rows(db, "select count(*), count(*) filter (where kept) from candidates") == [(4, 2)]


def test_many_candidates_of_one_question_are_no_sign_of_a_useless_model(db: Path) -> None:
    with ScriptedServer(model(*[WORSE] * 15, GOOD)) as server:
        assert mined(db, server, best_of=16).mined == 2
        assert server.received == 2 * 18
    assert rows(db, "select text from chains") == [(texts(GOOD),)] * 2


def test_a_question_without_any_chain_is_a_reject_and_its_candidates_are_kept(db: Path) -> None:
    with ScriptedServer(model(NO_CHAIN, NO_CHAIN)) as server:
        assert mined(db, server, best_of=2, limit=1).rejects == {"answer_mismatch": 1}
    assert rows(db, "select reason, count(*) from rejects group by 1") == [("answer_mismatch", 1)]
    assert rows(db, "select why, reason, count(*) from candidates group by all") == [("no chain", "answer_mismatch", 2)]


def test_claims_that_are_not_borne_out_go_back_once_and_the_better_is_kept(db: Path) -> None:
    with ScriptedServer(model(WORSE)) as server:
        notes = mined(db, server, repair=True).notes
        assert server.received == 2 * 4
        sent = next(request["messages"] for request in server.requests if "<<<CLAIMS" in str(request["messages"]))
    assert "2 chains repaired, 2 of them better than before, and kept" in notes
    asked = sent[-1]["content"]
    assert "cardiomegaly" in asked.partition("<<<CLAIMS")[2].casefold() or "enlarged" in asked.partition("<<<CLAIMS")[2]
    # Neither the report nor the judge's words for it are shown.
    assert "Lead marker" not in asked
    assert "not enlarged" not in asked
    assert rows(db, "select candidate_no, repairs, kept, why from candidates where question_id = 'q1' order by 1") == [
        (1, None, False, "less factual"),
        (2, 1, True, "kept"),
    ]
    assert rows(db, "select distinct stage from calls order by 1") == [
        ("chain",),
        ("evidence",),
        ("plan",),
        ("repair",),
    ]


@pytest.mark.parametrize(("repaired", "why"), [(WORST, "less factual"), (NO_CHAIN, "no chain")])
def test_a_repair_that_makes_it_no_better_is_recorded_and_not_kept(
    db: Path, repaired: dict[str, Any], why: str
) -> None:
    with ScriptedServer(model(WORSE, repaired=repaired)) as server:
        mined(db, server, repair=True, limit=1)
    assert rows(db, "select candidate_no, kept, why from candidates order by 1") == [(1, True, "kept"), (2, False, why)]
    assert rows(db, "select text from chains") == [(texts(WORSE),)]


def test_a_factual_chain_is_not_sent_back(db: Path) -> None:
    with ScriptedServer(model(GOOD)) as server:
        mined(db, server, repair=True)
        assert server.received == 6


def test_what_was_paid_before_a_limit_is_not_paid_again(db: Path) -> None:
    with ScriptedServer(model(WORST, WORSE, GOOD)) as server:
        with pytest.raises(BudgetReached):
            mined(db, server, best_of=3, concurrency=1, max_calls=8)
        assert server.received == 8
        mined(db, server, best_of=3, concurrency=1)
        assert server.received == 10
    assert rows(db, "select count(*) from candidates") == [(6,)]


def test_a_judge_that_asks_a_server_chooses_and_its_calls_are_booked(db: Path) -> None:
    script = model(WORSE, GOOD)

    def both(request: dict[str, Any]) -> Act:
        judging = schema_name(request) in {"ExtractReply", "SupportReply", "ContainReply"}
        return generic(request) if judging else script(request)

    with ScriptedServer(both) as server:
        (db.parent / "cxr.toml").write_text(f'[judge]\nmodel = "j"\nbase_url = "{server.url}"\nprice = "1,1"\n')
        notes = mined(db, server, best_of=2, judge="llm", limit=1).notes
        assert rows(db, "select count(*) from calls where not cache_hit") == [(server.received,)]
    assert any(note.startswith("the judge: ") for note in notes)
    assert rows(db, "select distinct judge from candidates") == [("llm",)]
    assert rows(db, "select count(*) filter (where model = 'j') > 0, count(distinct run_id) from calls") == [(True, 1)]


def test_candidates_that_cannot_be_judged_come_last_and_are_counted(db: Path) -> None:
    script = model(WORSE, GOOD)

    def both(request: dict[str, Any]) -> Act:
        return Fail(400) if schema_name(request) in {"ExtractReply", "SupportReply"} else script(request)

    with ScriptedServer(both) as server:
        (db.parent / "cxr.toml").write_text(f'[judge]\njudge = "llm"\nmodel = "j"\nbase_url = "{server.url}"\n')
        assert "2 candidates could not be judged" in mined(db, server, best_of=2, limit=1).notes
    assert rows(db, "select candidate_no, why, reason from candidates order by 1") == [
        (1, "kept", "model_call_failed"),
        (2, "not judged", "model_call_failed"),
    ]


def test_text_that_may_not_go_to_the_judge_stops_the_run_before_anything_is_sent(tmp_path: Path) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 1, licence="credentialed")
    (tmp_path / "cxr.toml").write_text('[judge]\njudge = "llm"\nmodel = "j"\nbase_url = "http://192.0.2.1/v1"\n')
    with ScriptedServer(model(GOOD)) as server:
        with pytest.raises(PolicyError, match=r"may not be sent to 192\.0\.2\.1"):
            mined(db, server, repair=True)
        assert server.received == 0


def test_the_rules_engine_has_nothing_to_choose(db: Path) -> None:
    with pytest.raises(SettingsError, match="rules gives a question one chain"):
        ENGINES.open("rules").mine(db, MineSettings(best_of=2))


def test_candidates_are_sampled_apart_and_only_then_is_a_job_another_one(tmp_path: Path) -> None:
    db = tmp_path / "cxr.duckdb"
    plain = MineSettings(engine="llm", model="m")
    assert job_of(plain, db).fingerprint == job_of(plain.model_copy(update={"judge": "rules"}), db).fingerprint
    jobs = {
        job_of(MineSettings(engine="llm", model="m", **more), db).fingerprint
        for more in ({}, {"best_of": 2}, {"best_of": 3}, {"repair": True}, {"best_of": 2, "until_factual": True})
    }
    assert len(jobs) == 5
    assert sampling_of(plain, 1) == {}
    assert sampling_of(plain, 3) == {"seed": 2, "temperature": 0.7}
    warm = MineSettings(engine="llm", model="m", temperature=1.0, sampling_seed=5)
    assert sampling_of(warm, 2) == {"seed": 6, "temperature": 1.0}
    assert sampling_of(MineSettings(engine="llm", model="m", temperature=None), 2) == {"seed": 1}
    with pytest.raises(SettingsError, match="sampling_seed tells apart"):
        job_of(MineSettings(engine="llm", model="m", best_of=2, sampling_seed=None), db)
    assert JudgeSettings.resolve(db).judge == "rules"


def test_candidates_do_not_wait_for_each_other_so_that_a_batch_has_them_all() -> None:
    asked: list[int] = []

    async def deferred(number: int) -> Any:
        asked.append(number)
        raise Deferred

    with pytest.raises(Deferred):
        asyncio.run(_all_of([deferred(1), deferred(2)]))
    assert asked == [1, 2]


WORDS = "the heart is of normal size and both costophrenic angles are sharp on this image of the chest today"


def vary(*changed: int) -> str:
    return " ".join("other" if at in changed else word for at, word in enumerate(WORDS.split()))


def test_texts_are_alike_that_share_four_fifths_of_their_trigrams() -> None:
    texts = [vary(), vary(0), vary(4, 9, 14), vary().upper() + ".", vary(18), "", "Yes.", vary()]
    found = alike(texts)
    assert [None if each is None else each.first for each in found] == [None, 0, None, 0, 0, None, None, 0]
    assert found[3] == (0, 1.0)
    assert found[1] is not None
    assert 0.8 <= found[1].similarity < 1
    assert [at for at, _, _ in groups(texts)] == [0, 1, 3, 4, 7]
    assert alike([]) == []


def brute(texts: Sequence[str]) -> list[int | None]:
    firsts: list[int] = []
    found: list[int | None] = []
    for at, text in enumerate(texts):
        close = [(_shared(shingles(text), shingles(texts[one])), -one) for one in firsts]
        best = max(close, default=(0.0, 0))
        found.append(-best[1] if best[0] >= NEAR else None)
        if found[-1] is None:
            firsts.append(at)
    return found


def test_the_search_finds_what_comparing_all_with_all_finds() -> None:
    texts = [vary(*{number % 7, number % 11, number % 19}) for number in range(60)]
    assert [None if each is None else each.first for each in alike(texts)] == brute(texts)


def test_chains_that_say_the_same_are_told_and_left_out_only_if_asked(tmp_path: Path) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 6)
    with ScriptedServer(model(GOOD)) as server:
        notes = mined(db, server).notes
    assert any("5 of 6 chains say nearly the words of another one" in note for note in notes)
    assert rows(db, "select count(*), count(distinct group_id), min(similarity) from near_duplicates") == [(6, 1, 1.0)]
    score_chains(db, ScoreSettings(), lambda *_: None)
    with Store.read(db) as store:
        assert filter_chains(store, FilterSettings(), None).kept == {"binary": (6, 6)}
        fewer = filter_chains(store, FilterSettings(drop_duplicates=True), tmp_path / "fewer.jsonl")
        assert (fewer.kept, fewer.repeated) == ({"binary": (1, 6)}, 5)
    assert len((tmp_path / "fewer.jsonl").read_text().splitlines()) == 1


def test_yield_and_cost_of_a_factual_chain_are_estimated_from_what_was_scored_and_on_the_page(
    cxr: Cli, tmp_path: Path
) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 6)
    with ScriptedServer(model(GOOD)) as server:
        mined(db, server, limit=5)
        score_chains(db, ScoreSettings(), lambda *_: None)
        with Store.read(db) as store:
            assert "a factual chain cost $0.0003" in cost_notes(store)[0]
        told = cxr(*LLM, "--base-url", server.url, "--estimate")
        more = cxr(*LLM, "--best-of", "3", "--until-factual", "--repair", "--judge", "rules", "--base-url", server.url)
        assert more.returncode == 0, more.stderr
    assert "of 5 questions mined, 5 gave a factual chain (100.0%)" in told.stderr
    assert "USD a factual chain" in told.stdout
    with duckdb.connect(str(db)) as store:
        store.execute("update scores set factuality = 0.5 where chain_id in (select min(chain_id) from scores)")
    assert cxr("report", "-o", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert "What a factual chain costs" in page
    assert "80.0 %" in page


def test_show_tells_a_question_its_candidates(db: Path) -> None:
    with ScriptedServer(model(WORSE, GOOD)) as server:
        mined(db, server, best_of=2, limit=1)
    ((question,),) = rows(db, "select question_id from chains")
    with Store.read(db) as store:
        shown = {str(part.title): part for part in show_chain(store, question) if isinstance(part, Table)}
        assert shown["Candidates"].row_count == 2
        (row,) = store.frame(read_sql("cxr.miner.mine")["shown"], {"id": question}).to_dicts()
    assert [each["why"] for each in row["candidates"]] == ["less factual", "kept"]
