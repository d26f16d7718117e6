"""The three rewards on hand-made completions, plain and as TRL calls them; both judges behind the third."""

import re
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.errors import (
    BudgetReached,
    CxrError,
    EngineStopped,
    InputError,
    MiningReject,
    PolicyError,
    SettingsError,
)
from cxr.miner.pack import pack
from cxr.schemas import Finding, JudgedFinding
from cxr.schemas.vocabulary import RejectReason
from cxr.trainer.reward.process import ProcessReward, open_process_reward
from cxr.trainer.reward.rewards import (
    Accuracy,
    RewardFunction,
    accuracy_reward,
    finding_f1,
    format_reward,
    load_ratescore,
    process_factuality,
    reward_functions,
    text_of,
)
from tests.scripted_server import Act, Fail, Say, ScriptedServer, schema_name

REPORT = "FINDINGS: There is a small left pleural effusion. No pneumothorax. IMPRESSION: Left pleural effusion."
TRUE = "The image shows a small left pleural effusion. There is no pneumothorax."
OPTIONS = ["A) edema", "B) pleural effusion", "C) fracture", "D) pneumonia"]


def reasoned(think: str, answer: str = "B") -> str:
    return f"<think> {think} </think><answer> {answer} </answer>"


class Logs:
    """Takes what rewards log, as TRL does."""

    def __init__(self) -> None:
        self.metrics: dict[str, list[float]] = defaultdict(list)
        self.extra: dict[str, list[Any]] = {}

    def metric(self, name: str, value: float) -> None:
        self.metrics[name].append(value)

    def column(self, name: str, values: list[Any]) -> None:
        assert name not in self.extra, "TRL appends: a column given twice would be twice as long"
        self.extra[name] = values


@pytest.mark.parametrize(
    ("completion", "mode", "reward"),
    [
        (reasoned(TRUE), "reasoning", 1),
        ("<answer> B </answer>", "answer_only", 1),
        ("<answer> B </answer>", "reasoning", 0),
        (reasoned(TRUE), "answer_only", 0),
        (f"<think>{reasoned(TRUE)}</think>", "reasoning", 0),
        (reasoned(TRUE) * 2, "reasoning", 0),
    ],
)
def test_format_is_one_for_exactly_the_form_of_the_mode(completion: str, mode: str, reward: float) -> None:
    assert format_reward(completion, mode=mode) == reward


@pytest.mark.parametrize(
    ("answer", "reward"),
    [("B", 1), ("(b)", 1), ("B) pleural effusion", 1), ("pleural effusion", 1), ("A", 0), ("B) edema", 0),
     ("A and B", 0), ("", 0), ("ein Erguss", 0)],
)  # fmt: skip
def test_accuracy_is_one_for_the_right_option_however_written(answer: str, reward: float) -> None:
    about = {"task": "single", "answer": "B", "options": OPTIONS}
    assert accuracy_reward(reasoned("So.", answer), mode="reasoning", **about) == reward  # type: ignore[arg-type]
    assert accuracy_reward(f"<answer>{answer}</answer>", mode="answer_only", **about) == reward  # type: ignore[arg-type]
    out_of_form = f"<answer>{answer}</answer>"
    assert accuracy_reward(out_of_form, mode="reasoning", **about) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("answer", "truth", "reward"), [("Yes", "Yes", 1), ("no", "Yes", 0), ("No, none.", "No", 1)])
def test_accuracy_of_yes_and_no(answer: str, truth: str, reward: float) -> None:
    said = f"<answer> {answer} </answer>"
    assert accuracy_reward(said, mode="answer_only", task="binary", answer=truth) == reward


@pytest.mark.parametrize(
    ("answer", "reward"),
    [
        ("Edema, Cardiomegaly", 1),
        ("The heart is enlarged; there is pulmonary edema. No fracture.", 1),
        ("cardiomegaly", 2 / 3),
        ("Edema, Fracture", 1 / 2),
        ("Edema, no cardiomegaly", 2 / 3),
        ("Fracture", 0),
        ("", 0),
    ],
)
def test_open_answers_get_the_f1_of_the_findings_that_they_assert(answer: str, reward: float) -> None:
    said = f"<answer>{answer}</answer>"
    findings = ["Cardiomegaly", "Edema"]
    for known in (findings, None):
        given = accuracy_reward(
            said, mode="answer_only", task="anomaly", answer="Cardiomegaly, Edema", answer_findings=known
        )
        assert given == pytest.approx(reward)


_sets = st.frozensets(st.sampled_from(pack().question_labels))


@given(one=_sets, other=_sets)
def test_finding_f1_is_symmetric_and_one_only_for_the_same_findings(one: frozenset[str], other: frozenset[str]) -> None:
    value = finding_f1(one, other)
    assert value == finding_f1(other, one)
    assert (value == 1) is (one == other)
    assert (value == 0) is (one != other and not one & other)


@pytest.mark.parametrize(
    ("think", "reward"),
    [
        (TRUE, 1),
        ("The image shows a small left pleural effusion. There is a pneumothorax.", 1 / 2),
        ("There is no pleural effusion. There is a right pneumothorax.", 0),
        ("The bones are intact.", 1),  # silence of the report is normal
        ("Let me look at the image step by step.", 0),
        ("", 0),
    ],
)
def test_factuality_is_the_share_of_findings_that_the_report_supports(think: str, reward: float) -> None:
    assert process_factuality(reasoned(think), REPORT) == pytest.approx(reward)


def test_reasoning_out_of_form_earns_no_factuality() -> None:
    assert process_factuality(f"<think> {TRUE} <answer> B </answer>", REPORT) == 0


ROWS: dict[str, list[Any]] = {
    "sample_id": ["s1", "s2", "s3", "s4"],
    "mode": ["reasoning", "reasoning", "answer_only", "answer_only"],
    "task": ["single", "single", "binary", "anomaly"],
    "answer": ["B", "B", "Yes", "Edema"],
    "answer_findings": [["Pleural Effusion"], ["Pleural Effusion"], ["Edema"], ["Edema"]],
    "options": [OPTIONS, OPTIONS, None, None],
    "report": [REPORT, REPORT, None, None],
    "licence": ["public"] * 4,
    "images": [[], [], [], []],
}
COMPLETIONS = [
    reasoned(TRUE),
    reasoned("There is a pneumothorax."),
    "<answer> No </answer>",
    "<answer> Edema, Fracture </answer>",
]


@pytest.mark.parametrize("as_messages", [True, False])
def test_a_batch_gets_three_named_rewards_and_the_share_each_applied_to(as_messages: bool) -> None:
    logs = Logs()
    completions = [[{"role": "assistant", "content": text}] for text in COMPLETIONS] if as_messages else COMPLETIONS
    given = {}
    for reward in reward_functions(ProcessReward()):
        given[reward.__name__] = reward(
            prompts=[None] * 4,
            completions=completions,
            completion_ids=[[1]] * 4,
            trainer_state=SimpleNamespace(global_step=1),
            log_metric=logs.metric,
            log_extra=logs.column,
            **ROWS,
        )
    assert given == {
        "format": [1, 1, 1, 1],
        "accuracy": [1, 1, 0, pytest.approx(2 / 3)],
        "process_factuality": [1, 0, None, None],
    }
    applied = {name: logs.metrics[f"rewards/{name}/applied"] for name in given}
    assert applied == {"format": [1], "accuracy": [1], "process_factuality": [0.5]}
    assert logs.metrics["rewards/accuracy/finding_f1"] == [pytest.approx(2 / 3)]
    assert logs.metrics["rewards/process_factuality/failed"] == [0]
    assert logs.extra["sample_id"] == ROWS["sample_id"]
    assert logs.extra["factual"] == ["2 of 2", "0 of 1", None, None]
    assert "contradicted" in logs.extra["unsupported"][1]
    assert all(len(column) == 4 for column in logs.extra.values())


def test_the_variant_without_process_reward_has_two() -> None:
    assert [reward.__name__ for reward in reward_functions()] == ["format", "accuracy"]


def test_the_text_of_a_completion_may_come_in_parts() -> None:
    assert text_of([{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}])
    assert text_of([]) == ""


class Half:
    """A scorer that calls every open answer half right."""

    name = "ratescore"

    def __init__(self, value: float = 0.5) -> None:
        self.value = value
        self.asked: list[Sequence[str]] = []

    def __call__(self, answers: Sequence[str], truths: Sequence[str]) -> list[float]:
        self.asked.append(answers)
        return [self.value] * len(answers)


def test_a_scorer_gets_the_open_answers_of_a_batch_at_once_and_its_name_is_logged() -> None:
    logs, scorer = Logs(), Half()
    rows = {**ROWS, "task": ["single", "single", "anomaly", "anomaly"]}
    accuracy: RewardFunction = Accuracy(scorer)
    values = accuracy([None] * 4, COMPLETIONS, log_metric=logs.metric, **rows)
    assert values == [1, 1, 0.5, 0.5]
    assert scorer.asked == [["No", "Edema, Fracture"]]
    assert logs.metrics["rewards/accuracy/ratescore"] == [0.5]
    assert "rewards/accuracy/finding_f1" not in logs.metrics


def test_a_reward_that_is_no_number_stops_with_the_ids_of_its_samples() -> None:
    accuracy: RewardFunction = Accuracy(Half(float("nan")))
    with pytest.raises(CxrError, match=r"accuracy reward of 1 completions is not a finite number.*look at s4$"):
        accuracy([None] * 4, COMPLETIONS, **ROWS)


def test_ratescore_needs_both_of_its_models_and_its_package(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks RaTE-NER-Deberta and BioLORD-2023-C"):
        load_ratescore(tmp_path)
    for model in ("RaTE-NER-Deberta", "BioLORD-2023-C"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SettingsError, match="pip install RaTEScore"):
        load_ratescore(tmp_path)


def test_ratescore_reads_its_models_from_the_folder_and_an_answer_without_entities_is_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package needs weights of gigabytes; what stands in for it here has its interface."""
    made: dict[str, object] = {}

    class Package:
        def __init__(self, **given: object) -> None:
            made.update(given)

        def compute_score(self, candidates: list[str], references: list[str]) -> list[float]:
            return [0.75 if one == other else float("nan") for one, other in zip(candidates, references, strict=True)]

    monkeypatch.setitem(sys.modules, "RaTEScore", SimpleNamespace(RaTEScore=Package))
    for model in ("RaTE-NER-Deberta", "BioLORD-2023-C"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "config.json").write_text("{}", encoding="utf-8")
    scorer = load_ratescore(tmp_path)
    assert (scorer.name, scorer(["Edema", "hm"], ["Edema", "Edema"])) == ("ratescore", [0.75, 0])
    assert made["bert_model"] == str(tmp_path / "RaTE-NER-Deberta")
    assert made["eval_model"] == str(tmp_path / "BioLORD-2023-C")
    assert made["use_gpu"] is False
    assert (
        accuracy_reward("<answer>hm</answer>", mode="answer_only", task="anomaly", answer="Edema", scorer=scorer) == 0
    )


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
    reward, logs = ProcessReward(), Logs()
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
    with open_process_reward(settings, folder / "run", licences=licences) as reward:
        yield reward


THINKS = ["A pleural effusion.", "A pleural effusion and a pneumothorax.", "A pneumothorax.", "A riddle.", "Hm."]


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxr.miner.llm.client._LONGEST_WAIT_S", 0.0)


@pytest.mark.usefixtures("_no_waiting")
def test_the_llm_judge_rewards_many_at_once_skips_what_it_cannot_and_pays_once(tmp_path: Path) -> None:
    with ScriptedServer(careful, latency_s=0.05) as server:
        with asking(server.url, tmp_path) as reward:
            threads = threading.active_count()
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


@pytest.mark.usefixtures("_no_waiting")
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
    with open_process_reward(settings, tmp_path, process_index=3, processes=4) as reward:
        assert reward.judge.name == "llm"
        assert reward.judge._asker.settings.max_calls == 2  # type: ignore[attr-defined]
