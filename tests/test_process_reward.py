"""The process reward: what its judge fails on is skipped and counted, and each judge is asked as its licence allows."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.errors import (
    BudgetReached,
    CxrError,
    EngineStopped,
    MiningReject,
    PolicyError,
    SettingsError,
)
from cxr.schemas import Finding, JudgedFinding
from cxr.schemas.vocabulary import RejectReason
from cxr.trainer.reward.process import ProcessReward
from cxr.trainer.reward.protocol import RewardRun
from cxr.trainer.reward.registry import WeightedReward
from tests.rewarding import REPORT, TRUE, Logs, reasoned
from tests.scripted_server import Act, Fail, Say, ScriptedServer, schema_name


class Shaky(RulesJudge):
    """Fails on reasonings that hold a word, in the way it is told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        if any("fracture" in finding.observation for finding in findings):
            raise self.error
        return super().verdicts(report, findings)


def batch(thinks: Sequence[str], *, first: int = 0) -> dict[str, Any]:
    return {
        "prompts": [None] * len(thinks),
        "completions": [reasoned(think) for think in thinks],
        "mode": ["reasoning"] * len(thinks),
        "report": [REPORT] * len(thinks),
        "sample_id": [f"q{first + number}" for number in range(len(thinks))],
        "licence": ["public"] * len(thinks),
    }


REJECT = MiningReject(RejectReason.MODEL_OUTPUT_INVALID, "no usable reply")


@pytest.mark.parametrize("error", [REJECT, RecursionError("too deep"), ValueError("odd")])
def test_a_failure_skips_its_sample_and_the_run_goes_on(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    reward, logs = ProcessReward(Shaky(error)), Logs()
    given = reward(**batch([TRUE, "A rib fracture.", TRUE]), log_metric=logs.metric)
    assert given == [1, None, 1]
    assert (reward.judged, reward.failed) == (3, ["q1"])
    assert logs.metrics["rewards/process_factuality/failed"] == [pytest.approx(1 / 3)]
    said = capsys.readouterr().err
    assert "q1: not judged" in said
    assert "fracture" not in said


def test_more_than_one_in_a_hundred_failures_stop_the_run_but_not_before_a_hundred_are_judged() -> None:
    reward = ProcessReward(Shaky(REJECT))
    assert reward(**batch(["A rib fracture.", "Ribs: fracture."])) == [None, None]
    reward(**batch([TRUE] * 97, first=2))
    with pytest.raises(CxrError, match=r"rules judge failed on 2 of 100 completions, more than 1%.*look at q0, q1$"):
        reward(**batch([TRUE], first=99))


def test_exactly_one_in_a_hundred_is_bearable() -> None:
    reward = ProcessReward(Shaky(REJECT))
    given = reward(**batch(["A rib fracture.", *[TRUE] * 99]))
    assert given == [None, *[1] * 99]


@pytest.mark.parametrize("error", [PolicyError("no"), EngineStopped("no"), BudgetReached("no"), SettingsError("no")])
def test_what_no_later_completion_could_pass_ends_the_run_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        ProcessReward(Shaky(error))(**batch([TRUE, "A rib fracture."]))


class Counting(RulesJudge):
    def __init__(self) -> None:
        self.asked = 0

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        self.asked += 1
        return super().verdicts(report, findings)


def test_equal_reasonings_on_one_report_are_judged_once() -> None:
    judge = Counting()
    rows = batch([TRUE, TRUE, "There is a pneumothorax.", TRUE])
    rows["report"][3] = "FINDINGS: Normal heart."
    assert ProcessReward(judge)(**rows) == [1, 1, 0, 1 / 2]
    assert judge.asked == 3


def test_the_seconds_of_each_call_are_logged_and_added_up() -> None:
    reward, logs = WeightedReward(ProcessReward()), Logs()
    for _ in range(3):
        reward(**batch([TRUE]), log_metric=logs.metric)
    assert all(seconds > 0 for seconds in logs.metrics["rewards/process_factuality/seconds"])
    assert reward.seconds == pytest.approx(sum(logs.metrics["rewards/process_factuality/seconds"]))


def careful(request: dict[str, Any]) -> Act:
    """Read as a careful model would that knows one report; cannot do so where a riddle is asked."""
    said = request["messages"][-1]["content"]
    if any("riddle" in message["content"] for message in request["messages"]):
        return Say("I would rather not.")
    if schema_name(request) == "ExtractReply":
        named = [word for word in ("pleural effusion", "pneumothorax") if word in said]
        return Say({"findings": [{"observation": word, "status": "present", "quote": word} for word in named]})
    block = re.search(r"<<<FINDINGS.*?>>>\n(.*?)\n<<<END", said, re.DOTALL)
    assert block
    items = [
        {
            "number": number,
            "quotes": ["small left pleural effusion"] if "effusion" in line else ["No pneumothorax"],
            "reason": "stated",
            "verdict": "supported" if "effusion" in line else "contradicted",
            "extra_detail": False,
        }
        for number, line in enumerate(block[1].splitlines(), start=1)
    ]
    return Say({"items": items})


@contextmanager
def asking(url: str, folder: Path, licences: Sequence[str] = ("public",), **given: object) -> Iterator[ProcessReward]:
    settings = JudgeSettings.resolve(
        folder / "cxr.duckdb", **{"judge": "llm", "model": "m", "base_url": url, "concurrency": 4, **given}
    )
    with ProcessReward.opened(RewardRun(folder / "run", settings, licences=licences)) as reward:
        yield reward


THINKS = ["A pleural effusion.", "A pleural effusion and a pneumothorax.", "A pneumothorax.", "A riddle.", "Hm."]


@pytest.mark.usefixtures("no_waiting")
def test_the_llm_judge_rewards_many_at_once_skips_what_it_cannot_and_pays_once(tmp_path: Path) -> None:
    with ScriptedServer(careful, latency_s=0.05) as server:
        with asking(server.url, tmp_path) as reward:
            threads = threading.active_count() + 2  # those that write replies and attempts begin with the first
            assert reward(**batch(THINKS)) == [1, 0.5, 0, None, 0]
            assert (reward.judged, reward.failed) == (5, ["q3"])
            asked = server.received
            assert reward(**batch(THINKS[:3])) == [1, 0.5, 0]
            assert server.received == asked
            assert threading.active_count() == threads, "threads are given back between steps"
        with asking(server.url, tmp_path) as resumed:
            assert resumed(**batch(THINKS[:3])) == [1, 0.5, 0]
        assert server.received == asked
    calls = (tmp_path / "run" / "process_reward-0.calls.jsonl").read_text(encoding="utf-8")
    assert "q1" in calls
    assert "effusion" not in calls


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_cannot_be_used_ends_the_run(tmp_path: Path) -> None:
    with (
        ScriptedServer(lambda _: Fail(401)) as server,
        asking(server.url, tmp_path) as reward,
        pytest.raises(EngineStopped, match="does not accept the key"),
    ):
        reward(**batch(THINKS))


def test_credentialed_reports_go_to_this_machine_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with (
        pytest.raises(PolicyError, match=r"may not be sent to models\.example"),
        asking("https://models.example/v1", tmp_path, ["public", "credentialed"]),
    ):
        pass
    rows = batch(THINKS)
    rows["licence"] = ["credentialed"] * len(THINKS)
    with (
        asking("https://models.example/v1", tmp_path, ["public"]) as reward,
        pytest.raises(PolicyError, match=r"may not be sent to models\.example"),
    ):
        reward(**rows)
    del rows["licence"]
    with (
        asking("https://models.example/v1", tmp_path, ["public"]) as reward,
        pytest.raises(PolicyError, match=r"may not be sent to models\.example"),
    ):
        reward(**rows)


def test_processes_share_a_budget_in_equal_parts(tmp_path: Path) -> None:
    settings = JudgeSettings(judge="llm", model="m", base_url="http://127.0.0.1:9/v1", max_calls=8)
    with ProcessReward.opened(RewardRun(tmp_path, settings, process_index=3, processes=4)) as reward:
        assert reward.judge.name == "llm"
        assert reward.judge._asker.settings.max_calls == 2  # type: ignore[attr-defined]


def test_the_judge_may_be_anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stern_judges.py").write_text(
        "from cxr.miner.judge import RulesJudge\n"
        "from cxr.schemas.vocabulary import Verdict\n"
        "class Stern(RulesJudge):\n"
        "    name = 'stern'\n"
        "    def verdicts(self, report, findings):\n"
        "        judged = super().verdicts(report, findings)\n"
        "        return [one.model_copy(update={'verdict': Verdict.CONTRADICTED}) for one in judged]\n"
    )
    settings = JudgeSettings(judge="stern_judges:Stern")
    with ProcessReward.opened(RewardRun(tmp_path / "run", settings)) as reward:
        assert reward(**batch([TRUE])) == [0]
        assert reward.record()["judge"]["name"] == "stern"
