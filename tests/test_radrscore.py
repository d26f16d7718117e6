"""RadRScore by its definition, with a judge whose answers are known, and through the file lines."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from cxr.miner.judge.files import judge_line, radrscore_line
from cxr.miner.judge.radrscore import Empty, RadRScore, radrscore, score_reasoning, share
from cxr.schemas import Finding, JudgedFinding, Licence, Quote, Verdict

ANSWERS = {
    "stated": Verdict.SUPPORTED,
    "denied": Verdict.CONTRADICTED,
    "silent normal": Verdict.UNMENTIONED_NORMAL,
    "silent abnormal": Verdict.UNMENTIONED_ABNORMAL,
    "nothing": Verdict.NOT_ASSESSABLE,
}


class KnownJudge:
    """Answers with the verdict named in the status; a list contains what it literally contains."""

    name = "known"
    version = "1"
    workers = 1

    def settings(self) -> dict[str, object]:
        return {}

    def bound(self, sample_id: str, licence: Licence) -> "KnownJudge":
        return self

    def extract(self, text: str) -> list[Finding]:
        return [Finding(observation=word, status="stated") for word in text.split()]

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        quotes = (Quote(start=0, end=len(report), text=report),) if report else ()
        return [
            JudgedFinding(finding=item, verdict=ANSWERS[item.status or "nothing"], reason=item.status, evidence=quotes)
            for item in findings
        ]

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        held = {item.observation for item in within}
        return [item.observation in held for item in findings]


def listed(*pairs: tuple[str, str]) -> list[Finding]:
    return [Finding(observation=observation, status=status) for observation, status in pairs]


def test_factuality_counts_unmentioned_normal_as_right_and_unmentioned_abnormal_as_wrong() -> None:
    prediction = listed(("a", "stated"), ("b", "denied"), ("c", "silent normal"), ("d", "silent abnormal"))
    scored = score_reasoning(prediction, [], "R", KnownJudge())
    assert scored.score.factuality == 0.5


def test_completeness_is_over_the_reference_and_effectiveness_over_the_prediction() -> None:
    prediction = listed(("a", "stated"), ("b", "stated"), ("x", "stated"), ("y", "stated"))
    reference = listed(("a", "stated"), ("b", "stated"), ("c", "stated"))
    score = score_reasoning(prediction, reference, "R", KnownJudge()).score
    assert score.completeness == pytest.approx(2 / 3)
    assert score.effectiveness == 0.5
    assert score.radrscore == pytest.approx((1.0 + 2 / 3 + 0.5) / 3)


def test_a_finding_that_asserts_nothing_stands_outside_the_prediction() -> None:
    prediction = listed(("a", "stated"), ("a quality remark", "nothing"))
    scored = score_reasoning(prediction, listed(("a", "stated")), "R", KnownJudge())
    assert scored.score == RadRScore(factuality=1.0, completeness=1.0, effectiveness=1.0)
    assert scored.effective == (True, None)


def test_what_asserts_nothing_cannot_recall_anything_either() -> None:
    prediction = listed(("a", "nothing"))
    scored = score_reasoning(prediction, listed(("a", "stated")), "R", KnownJudge())
    assert scored.recalled == (False,)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ([], [], (0.0, 0.0, 0.0, 0.0)),
        ([], listed(("a", "stated")), (0.0, 0.0, 0.0, 0.0)),
        (listed(("a", "stated")), [], (1.0, 0.0, 0.0, 1 / 3)),
        (listed(("a", "nothing")), listed(("a", "stated")), (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_an_empty_denominator_scores_zero_and_counts(
    prediction: list[Finding], reference: list[Finding], expected: tuple[float, float, float, float]
) -> None:
    score = score_reasoning(prediction, reference, "R", KnownJudge()).score
    assert (score.factuality, score.completeness, score.effectiveness) == expected[:3]
    assert score.radrscore == pytest.approx(expected[3])


def test_skipping_leaves_the_empty_share_without_a_value() -> None:
    score = score_reasoning(listed(("a", "stated")), [], "R", KnownJudge(), empty=Empty.SKIP).score
    assert score.factuality == 1.0
    assert score.completeness is None
    assert score.radrscore is None
    assert share([], Empty.SKIP) is None
    assert share([None]) == 0.0


def test_the_mean_is_of_the_three_shares() -> None:
    assert radrscore([True, False], [True], [True, None]).radrscore == pytest.approx((0.5 + 1 + 1) / 3)


def test_a_judged_line_keeps_its_other_keys_and_the_order_of_findings() -> None:
    line = {
        "id": 7,
        "note": "kept",
        "report": "Clear.",
        "findings": [{"observation": "b", "status": "denied", "mine": 1}, {"observation": "a"}],
    }
    answer = judge_line(line, KnownJudge())
    assert answer["id"] == 7
    assert answer["note"] == "kept"
    assert answer["judge"] == {"name": "known", "version": "1"}
    first, second = answer["findings"]
    assert first["mine"] == 1
    assert (first["verdict"], first["factual"]) == ("contradicted", False)
    assert first["evidence"] == [{"start": 0, "end": 6, "text": "Clear."}]
    assert (second["verdict"], second["factual"]) == ("not_assessable", None)


def test_a_text_is_read_into_findings_first() -> None:
    answer = judge_line({"id": "x", "report": "Clear.", "text": "a b"}, KnownJudge())
    assert [item["observation"] for item in answer["findings"]] == ["a", "b"]
    assert all(item["factual"] for item in answer["findings"])


def test_a_radrscore_line_answers_on_both_sides() -> None:
    line = {
        "id": 1,
        "report": "Clear.",
        "prediction": [{"observation": "a", "status": "stated"}, {"observation": "q", "status": "nothing", "k": 2}],
        "reference": "a c",
    }
    answer = radrscore_line(line, KnownJudge())
    assert [item["recalled"] for item in answer["reference"]] == [True, False]
    assert [item["effective"] for item in answer["prediction"]] == [True, None]
    assert answer["prediction"][1]["k"] == 2
    assert (answer["factuality"], answer["completeness"], answer["effectiveness"]) == (1.0, 0.5, 1.0)
    assert answer["radrscore"] == pytest.approx(2.5 / 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "the line is a JSON array"),
        (None, "the line is a JSON null"),
        ({"findings": []}, 'the line has no "report"'),
        ({"report": 3, "findings": []}, '"report" is a JSON number; expected text'),
        ({"report": "secret words"}, 'neither "findings" nor "text"'),
        ({"report": "secret words", "findings": "x"}, '"findings" is a JSON string; expected a list'),
        ({"report": "secret words", "findings": [{"status": "x"}]}, 'item 1 of "findings" is not a finding'),
        ({"report": "secret words", "findings": [{"observation": "x", "status": 1}]}, 'the "status" of item 1'),
        ({"report": "secret words", "text": None}, '"text" is a JSON null; expected text'),
    ],
)
def test_wrong_lines_are_named_in_one_sentence_without_the_report(line: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        judge_line(line, KnownJudge())
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"report": "r", "reference": ""}, 'the line has no "prediction"'),
        ({"report": "r", "prediction": ""}, 'the line has no "reference"'),
        ({"prediction": "", "reference": ""}, 'the line has no "report"'),
        ({"report": "r", "prediction": 1, "reference": ""}, '"prediction" is a JSON number'),
    ],
)
def test_wrong_radrscore_lines_are_named(line: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        radrscore_line(line, KnownJudge())
