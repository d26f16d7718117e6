"""A run ends where nothing comes of it: after twelve paid calls, or five questions with one reason; and says why."""

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cxr.miner.kit.errors import EngineStopped, MiningReject
from cxr.miner.llm.completion import other_model, read_completion
from cxr.miner.llm.course import Course
from cxr.miner.llm.failures import Permanent, RefusedRequest, of_reply
from cxr.miner.llm.wire import WireReply
from cxr.miner.mine.batches import collect, mine_in_batches
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score_chains
from cxr.miner.score.settings import ScoreSettings
from cxr.schemas.vocabulary import RejectReason
from tests.batch_server import BatchingServer
from tests.clocks import seconds_asked_for
from tests.conftest import Cli
from tests.judge_world import generic
from tests.scripted_server import Act, Fail, Raw, Say, ScriptedServer, completion, schema_name
from tests.synthetic import CHAIN, EVIDENCE, PLAN, REPLIES, write_store
from tests.test_weather import rows

GOOD = {"PlanReply": PLAN, "EvidenceReply": EVIDENCE, "ChainReply": CHAIN}
PACKED = gzip.compress(b" " * 50_000_000)
pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return write_store(tmp_path / "cxr.duckdb", 30)


def settings_of(db: Path, url: str, **given: object) -> MineSettings:
    return MineSettings.resolve(db, engine="llm", model="scripted", base_url=url, **given)


def run(db: Path, url: str, **given: object) -> Any:
    return mine_llm(db, settings_of(db, url, **given))


def in_turn(*texts: str) -> Callable[[dict[str, Any]], Act]:
    """Give a script of texts that are no replies, each question and try another one."""
    told: Iterator[str] = iter(texts * 100)
    return lambda _: Say(next(told))


OTHER = {"items": [{**EVIDENCE["items"][0], "quotes": ["a huge effusion"]}]}


@pytest.mark.parametrize("concurrency", [1, 64])
@pytest.mark.parametrize(
    ("script", "says"),
    [
        (lambda _: Say("I would rather talk."), "no JSON object of the given schema"),
        (in_turn("{}", '{"items": [{}]}', '{"items": 7}', "[5]"), "does not fit its schema"),
        (
            lambda request: Say(GOOD[schema_name(request)] if schema_name(request) == "PlanReply" else OTHER),
            "quote_not",
        ),
        (lambda _: Say(""), "the plan reply does not fit"),
        (lambda _: Raw("{}"), "a reply that is no completion"),
        (lambda _: Raw('{"error": {"code": 502, "message": "upstream"}}'), "HTTP 502 inside HTTP 200"),
    ],
    ids=["prose", "several faults", "a check that always fails", "empty", "no completion", "an error inside 200"],
)
def test_at_most_twelve_calls_are_paid_on_a_server_that_yields_nothing(
    db: Path, script: Callable[[dict[str, Any]], Act], says: str, concurrency: int
) -> None:
    with ScriptedServer(script) as server:
        with pytest.raises(EngineStopped, match=says):
            run(db, server.url, concurrency=concurrency, max_tries=2)
        assert server.received <= 12
    assert rows(db, "select count(*) from chains") == [(0,)]


def test_the_limit_can_be_lifted(db: Path) -> None:
    with ScriptedServer(in_turn("{}", '{"items": 7}')) as server:
        result = run(db, server.url, max_useless_calls="none", max_reasks=0, limit=20)
        assert server.received == 20
    assert result.rejects == {"model_output_invalid": 20}
    (told,) = [note for note in result.notes if "failed" in note]
    assert told.startswith("20 questions failed: 10 model_output_invalid: the plan reply does not fit its schema (")


def test_five_questions_in_a_row_with_one_reason_end_a_run_that_went_well(db: Path) -> None:
    done = 0

    def script(request: dict[str, Any]) -> Act:
        nonlocal done
        done += schema_name(request) == "ChainReply"
        return Say(GOOD[schema_name(request)]) if done < 6 else Say('{"items": [{"finding": "x"}]}')

    same = pytest.raises(EngineStopped, match="5 questions in a row for the same reason")
    with ScriptedServer(script) as server, same as caught:
        run(db, server.url, concurrency=1)
    assert "items[0].look_for: Field required" in str(caught.value)
    assert rows(db, "select count(*) > 3 from chains") == [(True,)]


def test_a_step_that_never_succeeds_ends_a_judge_whose_other_step_always_does(db: Path) -> None:
    with ScriptedServer(REPLIES) as server:
        run(db, server.url)

    def script(request: dict[str, Any]) -> Act:
        return Say("I would rather talk.") if schema_name(request) == "SupportReply" else generic(request)

    with ScriptedServer(script) as server:
        settings = ScoreSettings.resolve(db, judge="llm", model="m", base_url=server.url, concurrency=1)
        with pytest.raises(EngineStopped, match="failed 5 questions in a row for the same reason"):
            score_chains(db, settings, lambda *_: None)


def test_a_good_run_opens_up_with_its_first_chain(db: Path) -> None:
    at_once = most = 0

    class Counting(ScriptedServer):
        async def complete(self, http: web.Request) -> web.StreamResponse:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            if self.received < 9:
                assert at_once <= 4
            try:
                return await super().complete(http)
            finally:
                at_once -= 1

    with Counting(REPLIES, latency_s=0.03) as server:
        result = run(db, server.url, concurrency=32)
    assert most > 16
    assert result.mined == 24
    (told,) = [note for note in result.notes if "failed" in note]
    assert told.startswith("6 questions failed: ")


def test_the_slow_start_costs_a_normal_run_less_than_a_twentieth() -> None:
    """2,000 questions of three calls at 500 ms, 64 at once, in a loop where sleeping takes no time."""
    questions, at_once, latency_s = 2000, 64, 0.5

    async def run_all(**options: Any) -> None:
        course = Course(MineSettings(model="m", **options))
        course.reply_is_enough = False
        todo = iter(range(questions))

        async def work() -> None:
            for number in todo:
                with course.question(str(number), "plan"):
                    for _ in range(3):
                        async with course.turn(str(number)):
                            await asyncio.sleep(latency_s)
                course.made(str(number))

        await asyncio.gather(*(work() for _ in range(at_once)))

    at_full_speed = seconds_asked_for(lambda: run_all(max_useless_calls=None))
    assert at_full_speed < seconds_asked_for(run_all) < at_full_speed / 0.95


def test_a_reply_that_was_not_taken_is_shown_with_its_fault(db: Path, cxr: Cli) -> None:
    odd = {"items": [{"finding": "Pleural Effusion", "look": "costophrenic \x1b[2J angles"}]}
    with ScriptedServer({**REPLIES, "PlanReply": [Say(odd)]}) as server:
        run(db, server.url, limit=1)
        ((question_id, message),) = rows(db, "select reject_key, message from rejects")
    assert "(items[0].look_for: Field required)" in message
    shown = cxr("show", question_id, "--db", str(db))
    assert "it does not fit its schema: items[0].look_for: Field required" in shown.stdout
    assert "costophrenic" in shown.stdout
    assert "\x1b[2J" not in shown.stdout


TEMPERATURE = {"code": "unsupported_value", "param": "temperature", "message": "Unsupported value"}
LONG = {"message": "maximum context length is 4096 tokens, you requested 6100"}
FILTERED = {"code": "content_filter", "message": "The response was filtered by the content filter"}


@pytest.mark.parametrize(
    ("refused", "says"), [(LONG, "needs 6,100, its reply included"), (FILTERED, "filter of the account lowered")]
)
def test_a_refusal_says_what_to_change(db: Path, refused: dict[str, Any], says: str) -> None:
    class Refusing(ScriptedServer):
        async def complete(self, http: web.Request) -> web.StreamResponse:
            await super().complete(http)
            return web.json_response({"error": {"type": "invalid_request_error", **refused}}, status=400)

    with Refusing(lambda _: Fail(400)) as server, pytest.raises(EngineStopped) as caught:
        run(db, server.url)
    assert says in str(caught.value)
    assert refused["message"] in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TEMPERATURE, ': "Unsupported value"; set temperature = "none"'),
        ({"message": "System role not supported"}, "a model whose template knows the roles"),
        ({"message": "No endpoints found that can handle the requested parameters."}, "more providers"),
        ({"message": "response_format is not supported"}, 'set response_format = "tools"'),
        ({"message": "unlucky"}, "see that the server is well"),
    ],
)
def test_each_refusal_names_the_setting(error: dict[str, Any], says: str) -> None:
    reply = WireReply(400, {}, json.dumps({"error": error}).encode())
    failure = of_reply(reply, MineSettings(model="m"), b"{}")
    assert isinstance(failure, RefusedRequest)
    assert says in failure.told


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (400, {"message": "API key not valid. Please pass a valid API key."}, "does not accept the key (HTTP 400)"),
        (400, {"message": "No models loaded. Please load one.", "param": "model"}, "has no model loaded"),
        (400, {"message": "Your credit balance is too low"}, "quota of the account"),
        (200, {"code": 402, "message": "Insufficient credits"}, "quota of the account"),
    ],
)
def test_what_no_request_can_mend_is_permanent(status: int, error: dict[str, Any], says: str) -> None:
    failure = of_reply(WireReply(status, {}, json.dumps({"error": error}).encode()), MineSettings(model="m"), b"{}")
    assert isinstance(failure, Permanent)
    assert says in str(failure)


def test_a_reply_that_failed_the_servers_own_check_is_read(db: Path) -> None:
    def script(request: dict[str, Any]) -> Act:
        return Say(GOOD[schema_name(request)])

    class Groq(ScriptedServer):
        async def complete(self, http: web.Request) -> web.StreamResponse:
            request = json.loads(await http.read())
            self.received += 1
            text = json.dumps(GOOD[schema_name(request)]) + ","
            error = {"code": "json_validate_failed", "message": "Failed", "failed_generation": text}
            return web.json_response({"error": error}, status=400)

    with Groq(script) as server:
        assert run(db, server.url, limit=2).mined == 2
        assert server.received == 6


def test_a_body_without_end_has_a_name_and_ends_the_run(db: Path) -> None:
    class Bomb(ScriptedServer):
        async def complete(self, http: web.Request) -> web.StreamResponse:
            self.received += 1
            return web.Response(body=PACKED, headers={"content-encoding": "gzip", "content-type": "application/json"})

    with Bomb({}) as server:
        with pytest.raises(EngineStopped, match="a reply of more than 8 MB"):
            run(db, server.url)
        assert server.received <= 12


# ---- batches


@pytest.mark.parametrize("inside", [True, False])
def test_a_lasting_error_in_a_batch_is_never_sent_again_and_keeps_its_reason(db: Path, inside: bool) -> None:
    error = {"code": "invalid_value", "param": "user", "message": "no"}
    with BatchingServer(REPLIES) as server:
        server.said_in_lines = [
            {"status_code": 200 if inside else 400, "body": {"error": {**error, "status": 400}}}
        ] * 30
        mine_in_batches(db, settings_of(db, server.url))
        collect(db)
        assert len(server.batches) == 1
        mine_in_batches(db, settings_of(db, server.url))
        assert len(server.batches) == 1
    where = " inside HTTP 200" if inside else ""
    assert rows(db, "select distinct error, cost_usd from calls") == [(f"HTTP 400 invalid_value (user){where}", 0.0)]
    ((count,),) = rows(db, "select count(*) from rejects where contains(message, 'HTTP 400 invalid_value')")
    assert count == 30


@pytest.mark.parametrize("output", [None, ""])
def test_a_batch_whose_lines_all_failed_is_taken_in(db: Path, output: str | None) -> None:
    class AllFailed(BatchingServer):
        def _finish(self, batch: dict[str, Any]) -> None:
            super()._finish(batch)
            batch["error_file_id"], batch["output_file_id"] = batch["output_file_id"], output

    with AllFailed(REPLIES) as server:
        server.said_in_lines = [{"status_code": 400, "body": {"error": {"code": "x", "message": "y"}}}] * 30
        mine_in_batches(db, settings_of(db, server.url))
        result, still_open = collect(db)
    assert still_open == 0
    assert result.rejects == {"model_call_failed": 30}
    assert rows(db, "select status, answered, failed from batches") == [("completed", 0, 30)]


def test_another_models_name_costs_no_chain_and_is_said_once(db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def script(request: dict[str, Any]) -> Act:
        return Raw(json.dumps({**completion(request, Say(GOOD[schema_name(request)])), "model": "other-7b"}))

    with ScriptedServer(script) as server:
        assert run(db, server.url, limit=2).mined == 2
    assert capsys.readouterr().err.count("other-7b") == 1
    assert rows(db, "select distinct model, answered_by from calls") == [("scripted", "other-7b")]


@pytest.mark.parametrize(
    ("said", "asked", "told"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o", None),
        ("/models/Qwen2.5-7B.gguf", "qwen2.5-7b", None),
        ("openai/gpt-4o", "gpt-4o", None),
        ("", "gpt-4o", None),
        ("gpt-3.5-turbo", "gpt-4o", "gpt-3.5-turbo"),
        ("x\x1b[2J and a sentence", "gpt-4o", "a name that is none"),
    ],
)
def test_only_another_models_name_is_told(said: str, asked: str, told: str | None) -> None:
    text = json.dumps({"choices": [{"message": {"content": "x"}}], "model": said})
    assert other_model(read_completion(text), asked) == told


def test_who_asks_in_other_threads_does_not_go_on() -> None:
    course = Course(MineSettings(model="m", max_failures_in_row=2))
    reject = MiningReject(RejectReason.MODEL_OUTPUT_INVALID, "the reply of q1 is odd", "the reply is odd")

    async def ask() -> None:
        assert course.rejected("q1", reject) is None
        assert course.rejected("q2", reject) is not None
        async with course.turn("q3"):
            raise AssertionError

    with pytest.raises(EngineStopped, match="the reply is odd"):
        asyncio.run(ask())
