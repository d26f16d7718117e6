"""The reward that verl calls: format, accuracy and process factuality, as equation 9 of the paper adds them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.verl import compute_score, compute_scores

REPORT = "FINDINGS: There is a small left pleural effusion. No pneumothorax. IMPRESSION: Left pleural effusion."
TRUE = "The image shows a small left pleural effusion. There is no pneumothorax."
FALSE = "The image shows a large right pneumothorax."


def answered(answer: str, truth: str, extra: Mapping[str, object]) -> float:
    """Give the accuracy of an answer within its tags."""
    return compute_score("", f"<answer> {answer} </answer>", truth, {"mode": "answer_only", **extra})["accuracy"]


@pytest.mark.parametrize(
    ("text", "reasoning", "parsed"),
    [
        ("<think> It is. </think><answer> B </answer>", True, ("It is.", "B")),
        ("<think>It is.</think>\n<answer>B</answer>\n", True, ("It is.", "B")),
        ("<answer> Yes </answer>", False, (None, "Yes")),
        ("<answer> B </answer>", True, (None, None)),
        ("<think> It is. </think><answer> B </answer>", False, (None, None)),
        ("<think> It is. </think> so <answer> B </answer>", True, (None, None)),
        ("<think><think> It is. </think><answer> B </answer>", True, (None, None)),
        ("<answer> A </answer><answer> B </answer>", False, (None, None)),
        ("<think> It is. <answer id=1> A </think><answer> B </answer>", True, (None, None)),
        ("<think> It is. \uff1c/think\uff1e </think><answer> B </answer>", True, (None, None)),
        ("<think> It is. <th\u200bink> </think><answer> B </answer>", True, (None, None)),
        ("<answer> <answer   > A </answer>", False, (None, None)),
        ("<think> a < b, an answer </think><answer> B </answer>", True, ("a < b, an answer", "B")),
        ("B", False, (None, None)),
        ("", True, (None, None)),
    ],
)
def test_only_the_exact_form_of_the_mode_is_read(text: str, reasoning: bool, parsed: tuple[object, object]) -> None:
    assert parse_completion(text, reasoning=reasoning) == parsed
    mode = {"mode": "reasoning" if reasoning else "answer_only", "task": "single"}
    assert compute_score("", text, "B", mode)["format"] == (parsed[1] is not None)


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("B", "B", 1), ("b", "B", 1), ("(B)", "B", 1), ("B) edema", "B", 1), ("B.", "B", 1), ("A", "B", 0),
        ("A heart that is large", "A", 0), ("yes", "Yes", 1), ("No", "Yes", 0), ("", "B", 0),
    ],
)  # fmt: skip
def test_options_are_right_or_wrong(answer: str, truth: str, right: float) -> None:
    assert answered(answer, truth, {"task": "single"}) == right


@pytest.mark.parametrize(
    ("answer", "share"),
    [("Edema, Cardiomegaly", 1), ("cardiomegaly", 2 / 3), ("Edema, Fracture", 1 / 2), ("Fracture", 0), ("", 0)],
)
def test_open_answers_get_the_f1_of_their_findings(answer: str, share: float) -> None:
    extra = {"task": "anomaly", "answer_findings": ["Cardiomegaly", "Edema"]}
    assert answered(answer, "Cardiomegaly, Edema", extra) == pytest.approx(share)


def test_reasoning_is_rewarded_for_what_the_report_supports_and_answers_alone_are_not() -> None:
    extra = {"mode": "reasoning", "task": "binary", "report": REPORT}
    right = compute_score("openi/binary", f"<think> {TRUE} </think><answer> Yes </answer>", "Yes", extra)
    assert right == {
        "score": 3, "format": 1, "accuracy": 1, "factuality": 1, "factuality_applies": 1, "factuality_filled": 0
    }  # fmt: skip
    wrong = compute_score("openi/binary", f"<think> {FALSE} </think><answer> Yes </answer>", "Yes", extra)
    assert (wrong["factuality"], wrong["score"]) == (0, 2)
    alone = compute_score("openi/binary", "<answer> Yes </answer>", "Yes", {"mode": "answer_only", "task": "binary"})
    assert (alone["score"], alone["factuality_applies"]) == (2, 0)


def test_list_columns_may_come_as_arrays_as_verl_hands_them_over() -> None:
    single = {"mode": "answer_only", "task": "single", "options": np.array(["A) edema", "B) fracture"], dtype=object)}
    assert compute_score("openi/single", "<answer> fracture </answer>", "B", single)["accuracy"] == 1
    assert compute_score("openi/single", "<answer> B) edema </answer>", "B", single)["accuracy"] == 0
    findings = np.array(["Edema", "Fracture"], dtype=object)
    anomaly = {"mode": "answer_only", "task": "anomaly", "options": None, "answer_findings": findings}
    assert (
        compute_score("openi/anomaly", "<answer> Fracture, edema </answer>", "Edema, Fracture", anomaly)["accuracy"]
        == 1
    )


def test_a_reward_of_ones_own_counts_with_its_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "verl_own.py").write_text(
        "def sided(completions, **columns):\n"
        "    return [float('left' in text) if columns['report'][0] else None for text in completions]\n"
    )
    weights = {"format": 1.0, "process": 2.0, "verl_own:sided": 0.5}
    said = f"<think> {TRUE} </think><answer> Yes </answer>"
    judged = compute_score("", said, "Yes", {"mode": "reasoning", "task": "binary", "report": REPORT}, rewards=weights)
    expected = {
        "score": 3.5, "format": 1, "factuality": 1, "factuality_applies": 1, "factuality_filled": 0,
        "sided": 1, "sided_applies": 1,
    }  # fmt: skip
    assert judged == expected
    alone = compute_score("", "<answer> Yes </answer>", "Yes", {"mode": "answer_only"}, rewards=weights)
    assert alone == {**dict.fromkeys(expected, 0), "score": 1, "format": 1}


ODD_JUDGE = """
from cxr.miner.judge import RulesJudge
class Odd(RulesJudge):
    def extract(self, text):
        if "riddle" in text:
            raise KeyError("x")
        return super().extract(text)
"""


def test_what_could_not_be_judged_has_the_mean_of_its_group_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "verl_judges.py").write_text(ODD_JUDGE)
    extra = {"mode": "reasoning", "task": "binary", "report": REPORT, "reference": TRUE}
    thinks = [
        (TRUE, "a"),
        ("A riddle.", "a"),
        ("There is a small left pleural effusion.", "a"),
        (FALSE, "b"),
        ("A riddle.", "b"),
    ]
    asked: dict[str, Any] = {"judge": "verl_judges:Odd", "process_reward": "grounded"}
    texts = [f"<think> {think} </think><answer> Yes </answer>" for think, _ in thinks]
    rows = [{**extra, "sample_id": sample} for _, sample in thinks]
    told = compute_scores(
        [""] * 6, [*texts, "<answer> Yes </answer>"], ["Yes"] * 6, [*rows, {"mode": "answer_only"}], **asked
    )
    values = [one["grounded"] for one in told]
    assert values[1] == pytest.approx((values[0] + values[2]) / 2)
    assert (values[3], values[4], values[5]) == (0, 0, 0)
    assert [one["grounded_filled"] for one in told] == [0, 1, 0, 0, 1, 0]
    assert [one["grounded_applies"] for one in told] == [1, 0, 1, 1, 0, 0]
    assert told[1]["score"] == 2 + values[1]
    assert {frozenset(one) for one in told} == {frozenset(told[0])}
    alone = compute_score("", texts[1], "Yes", rows[1], **asked)
    assert alone["grounded"] == pytest.approx((values[0] + values[2] + values[3]) / 3)
    assert (alone["grounded_filled"], alone["grounded_applies"]) == (1, 0)
