"""The llm judge through the command line: the same lines for both judges, rejects, refusals, interrupts, and scores."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.kit.errors import BudgetReached
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score, score_chains
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Store
from tests.conftest import Cli
from tests.forked import CXR
from tests.judge_world import REPORT, answers, generic, verdicts
from tests.scripted_server import Act, Fail, Raw, ScriptedServer, schema_name
from tests.synthetic import write_store

pytestmark = pytest.mark.usefixtures("no_waiting")

LINES = [
    {"id": f"r{number}", "report": REPORT, "findings": [
        {"observation": "pleural effusion", "status": "present"},
        {"observation": f"rib fracture number {number}", "status": "present"},
        {"observation": "cardiomegaly", "status": "present"},
    ]} for number in range(12)
]  # fmt: skip


def _write(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_judges_answer_the_same_lines_and_can_be_compared(cxr: Cli, tmp_path: Path) -> None:
    _write(tmp_path / "in.jsonl", LINES)
    with ScriptedServer(answers) as server:
        options = ("--judge", "llm", "--judge-model", "m", "--base-url", server.url, "--concurrency", "4")
        done = cxr("judge", "in.jsonl", "-o", "llm.jsonl", *options)
        assert done.returncode == 0, done.stderr
        assert server.received == len(LINES)
    assert "12 calls, 0 from the cache" in done.stderr
    rules = cxr("judge", "in.jsonl", "-o", "rules.jsonl")
    assert rules.returncode == 0, rules.stderr
    by_model, by_rules = _read(tmp_path / "llm.jsonl"), _read(tmp_path / "rules.jsonl")
    assert [line["id"] for line in by_model] == [line["id"] for line in LINES]
    for one, other in zip(by_model, by_rules, strict=True):
        assert one["judge"]["name"] == "llm"
        assert one["findings"][0].keys() == other["findings"][0].keys()
        for span in (span for finding in one["findings"] for span in finding["evidence"]):
            assert REPORT[span["start"] : span["end"]] == span["text"]
    compared = cxr("agreement", "rules.jsonl", "llm.jsonl")
    assert compared.returncode == 0, compared.stderr
    assert "rules " in compared.stdout
    assert "llm m-" in compared.stdout
    assert re.search(r"verdict .* 36 .* 1\.000", compared.stdout)


def test_a_line_without_a_usable_answer_is_a_reject_with_its_reason(cxr: Cli, tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Act:
        said = request["messages"][-1]["content"] if len(request["messages"]) == 2 else "number 3"
        if "number 3:" in said or said == "number 3":
            return verdicts()
        return Fail(400) if "number 5:" in said else answers(request)

    _write(tmp_path / "in.jsonl", LINES)
    with ScriptedServer(script) as server:
        done = cxr(
            "judge", "in.jsonl", "-o", "out.jsonl", "--judge", "llm", "--judge-model", "m", "--base-url", server.url
        )
    assert done.returncode == 4, done.stderr
    rejects = _read(tmp_path / "out.jsonl.rejects.jsonl")
    assert [(reject["id"], reject["reason"]) for reject in rejects] == [
        ("r3", "model_output_invalid"),
        ("r5", "model_call_failed"),
    ]
    assert [line["id"] for line in _read(tmp_path / "out.jsonl")] == [f"r{n}" for n in range(12) if n not in {3, 5}]
    assert "effusion" not in (tmp_path / "out.jsonl.rejects.jsonl").read_text()


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--base-url", "https://models.invalid/v1"), 1, "may not be sent to models.invalid"),
        (("--base-url", "https://models.invalid/v1", "--licence", "secret"), 2, "'public' or 'credentialed'"),
        (("--max-calls", "3"), 3, "budget of 3 calls"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_no_output(
    cxr: Cli, tmp_path: Path, options: tuple[str, ...], code: int, sentence: str
) -> None:
    _write(tmp_path / "in.jsonl", LINES)
    with ScriptedServer(answers) as server:
        chosen = ("--base-url", server.url, *options)
        command = ("radrscore" if code == 2 else "judge", "in.jsonl", "-o", "out.jsonl")
        done = cxr(*command, "--judge", "llm", "--judge-model", "m", *chosen, OPENAI_API_KEY="k")
        assert server.received <= 3
    assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_an_interrupt_waits_for_what_is_in_flight_and_keeps_it(cxr: Cli, tmp_path: Path) -> None:
    _write(tmp_path / "in.jsonl", LINES)
    with ScriptedServer(answers, held=True) as server:
        options = ["--judge", "llm", "--judge-model", "m", "--base-url", server.url, "--concurrency", "2"]
        command = ["judge", "in.jsonl", "-o", "out.jsonl", *options]
        process = subprocess.Popen([CXR, *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        while server.received < 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any("waiting for 2 calls in flight" in line for line in process.stderr)
        server.held = False
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert not (tmp_path / "out.jsonl").exists()
        assert server.received == 2
        done = cxr(*command)
        assert done.returncode == 0, done.stderr
        assert server.received == len(LINES)


def test_an_attestation_of_the_configuration_opens_one_endpoint(cxr: Cli, tmp_path: Path) -> None:
    _write(tmp_path / "in.jsonl", [{"id": "a", "report": REPORT, "text": " "}])
    (tmp_path / "cxr.toml").write_text(
        '[judge]\njudge = "llm"\nmodel = "m"\nbase_url = "https://models.invalid/v1"\n[[judge.attestations]]\n'
        'endpoint = "https://models.invalid/v1"\nzero_retention = true\nno_training = true\nno_human_review = true\n'
        'signed_by = "Dr. A. Researcher"\nsigned_on = 2026-11-20\n'
    )
    done = cxr("judge", "in.jsonl", "-o", "out.jsonl", OPENAI_API_KEY="k")
    assert done.returncode == 0, done.stderr
    assert _read(tmp_path / "out.jsonl")[0]["judge"]["name"] == "llm"


def test_score_asks_the_model_about_every_chain_once(cxr: Cli, scored_store: Path) -> None:
    rejected = False

    def script(request: dict[str, Any]) -> Act:
        nonlocal rejected
        if schema_name(request) == "ExtractReply" and not rejected:
            rejected = True
            return Raw("{}")
        return generic(request)

    with ScriptedServer(script) as server:
        options = ("--judge", "llm", "--judge-model", "m", "--base-url", server.url, "--concurrency", "8")
        first = cxr("score", *options)
        assert first.returncode == 0, first.stderr
        received = server.received
        again = cxr("score", *options)
        assert again.returncode == 0, again.stderr
        assert server.received == received
    with duckdb.connect(str(scored_store), read_only=True) as store:
        rows = store.execute("select judge, count(*), count(factuality) from scores group by 1 order by 1").fetchall()
        (chains,) = store.execute("select count(*) from chains").fetchone() or (0,)
        assert rows == [("llm", chains, chains), ("rules", chains, chains)]
        stages = store.execute(
            "select distinct stage from calls where question_id in (select question_id from questions) order by 1"
        ).fetchall()
        assert stages == [("judge_contain",), ("judge_extract",), ("judge_support",)]
        assert store.execute("select count(*) from calls where not cache_hit").fetchone() == (received,)
        assert store.execute(
            "select count(*) from findings where judge = 'llm' and verdict is not null and len(evidence) > 0"
        ).fetchone() != (0,)


def test_score_stops_at_its_budget_keeps_what_is_done_and_goes_on(scored_store: Path) -> None:
    def run(**given: object) -> tuple[int, dict[str, int]]:
        settings = ScoreSettings.resolve(
            scored_store, judge="llm", model="m", base_url=server.url, concurrency=1, **given
        )
        result = score_chains(scored_store, settings, lambda *_: None)
        return result.scored, result.rejects

    def script(request: dict[str, Any]) -> Act:
        useless = schema_name(request) == "SupportReply" and "Lead marker 4." in request["messages"][1]["content"]
        return verdicts() if useless else generic(request)

    with ScriptedServer(script) as server:
        with pytest.raises(BudgetReached):
            run(max_calls=12)
        assert server.received == 12
        with Store.read(scored_store) as store:
            done = store.count("select count(*) from scores where judge = 'llm'")
            assert 2 <= done <= 3
            assert store.count("select count(*) from calls where not cache_hit") == 12
        assert run() == (5 - done, {"model_output_invalid": 1})
        assert run() == (0, {"model_output_invalid": 1})
    with Store.read(scored_store) as store:
        assert store.count("select count(*) from calls where not cache_hit") == server.received
        assert store.count("select count(*) from scores where judge = 'llm'") == 5
        assert store.rows("select stage, corpus, reason from rejects") == [("score", "made", "model_output_invalid")]


@pytest.fixture
def scored_store(tmp_path: Path) -> Path:
    """A store with six chains that the rules judge has scored."""
    db = write_store(tmp_path / "cxr.duckdb", 6)
    with Store.write(db) as store:
        mine(store, RulesEngine(), MineSettings.resolve(db, limit=6), lambda *_: None)
        score(store, RulesJudge(), ScoreSettings.resolve(db), lambda *_: None)
    return db
