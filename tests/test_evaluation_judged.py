"""What a prediction says is told apart and judged: open answers by their findings, reasoning by a model where asked."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cxr.miner.judge import RulesJudge
from cxr.schemas import Licence
from cxr.trainer.evaluate import judging
from cxr.trainer.evaluate.outputs import parts_of
from tests.benchmarks_world import run_cxr, sql
from tests.judge_world import generic
from tests.predictions_world import evaluate, make_benchmark, predict, samples_of
from tests.scripted_server import Act, Fail, ScriptedServer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small benchmark, with the store that it was compiled from."""
    return make_benchmark(tmp_path_factory.mktemp("world"), 48).parent


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    """A folder with a copy of both."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "listed", "said", "expected"),
    [
        ("edema, pleural effusion", ("edema", "pleural effusion"), "Edema and a small pleural effusion.", 1.0),
        ("Edema", ("Edema",), "Pneumothorax", 0.0),
        ("Edema, Fracture", ("Edema", "Fracture"), "edema", 2 / 3),
        ("enlarged heart", ("enlarged heart",), "Cardiomegaly", 1.0),
        ("no finding", ("no finding",), "No abnormality.", 1.0),
        ("no finding", (), "Edema", 0.0),
        ("no finding", (), "???", 0.0),
    ],
)
def test_open_answers_are_compared_by_findings_whatever_a_benchmark_calls_them(
    answer: str, listed: tuple[str, ...], said: str, expected: float
) -> None:
    work = judging.Work("p", "q", "public", f"<answer>{said}</answer>", "anomaly", (), answer, listed, None, None)
    scored = judging.score_prediction(work, RulesJudge())
    assert scored.finding_f1 == pytest.approx(expected)
    assert scored.correct is None


def test_the_llm_judge_needs_a_model_and_credentialed_text_stays_here(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "nobody's")
    predict(here)
    done = evaluate(here, "--judge", "llm")
    assert done.returncode == 2
    assert "--judge-model" in done.stderr
    manifest = here / "bench" / "test" / "reasoning-00000.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"create table samples as select * replace ('{Licence.CREDENTIALED}' as licence) from '{manifest}'"
        )
        connection.execute(f"copy samples to '{manifest}' (format parquet)")
    done = run_cxr(here, "evaluate", "bench", "--judge", "llm", "--judge-model", "gpt-4o", "--base-url",
                   "https://example.org/v1")  # fmt: skip
    assert done.returncode == 1
    assert "credentialed" in done.stderr
    assert sql(here, "select count(*) from prediction_scores") == [(0,)]


def test_the_llm_judge_asks_once_per_prediction_is_kept_apart_and_rejects_are_tried_again(here: Path) -> None:
    reasoned = [s for s in samples_of(here / "bench") if s["mode"] == "reasoning"]
    samples = list({s["study_id"]: s for s in reasoned}.values())[:6]
    predict(here, samples=samples)
    evaluate(here)
    failing = True

    def script(request: dict[str, Any]) -> Act:
        return Fail(400) if failing and samples[0]["report"] in request["messages"][-1]["content"] else generic(request)

    with ScriptedServer(script) as server:
        options = ("--judge", "llm", "--judge-model", "m", "--base-url", server.url, "--concurrency", "4")
        first = evaluate(here, *options)
        assert first.returncode == 4
        assert "1 predictions rejected: 1 model_call_failed" in first.stderr
        assert "5 predictions scored by llm m-" in first.stderr
        failing = False
        again = evaluate(here, *options)
        assert again.returncode == 0, again.stderr
        assert "1 predictions scored by llm m-" in again.stderr
        received = server.received
        assert evaluate(here, *options).returncode == 0
        assert server.received == received
    assert sql(here, "select judge, count(*) from prediction_scores group by 1 order by 1") == [
        ("llm", 6),
        ("rules", 6),
    ]
    judges = sql(here, "select distinct judge from evaluations order by 1")
    assert judges == [("llm",), ("rules",)]
    assert sql(here, "select count(*) from calls where not cache_hit") == [(received,)]


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>a b</think><answer>Yes</answer>", "a b", "Yes"),
        ("<think>a</think> Yes", "a", "Yes"),
        ("a b</think><answer>Yes</answer>", "a b", "Yes"),
        ("a b <answer>Yes</answer>", "a b", "Yes"),
        ("<answer>Yes</answer>", "", "Yes"),
        ("<think>a b never ends", "a b never ends", ""),
        ("just words", "just words", "just words"),
        ("<think>a</think>b<think>c</think><answer>1</answer><answer>2</answer>", "a\nc", "2"),
        ("<THINK>a</THINK>< answer >x</ answer >", "a", "x"),
        ("<answer>x", "", "x"),
        ("", "", ""),
    ],
)
def test_reasoning_and_answer_are_told_apart_in_any_form(text: str, reasoning: str, answer: str) -> None:
    assert parts_of(text) == (reasoning, answer)
