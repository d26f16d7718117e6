"""The grounded process reward: what is said counts, what is left unsaid does not, and padding gains nothing."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.radrscore import score_reasoning
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.rewards import GroundedReward, ProcessReward
from cxr.trainer.reward.grounded import Grounded, grounded, read_reference
from cxr.trainer.reward.verl import compute_score
from tests.conftest import Cli
from tests.rewarding import REPORT, Logs, reasoned

FULL = (
    "FINDINGS: There is a right tension pneumothorax. There is a small left pleural effusion. There are degenerative "
    "changes of the thoracic spine. The heart is normal in size. No consolidation."
)
TENSION, EFFUSION = "There is a right tension pneumothorax.", "There is a small left pleural effusion."
SPINE, HEART = "There are degenerative changes of the thoracic spine.", "The heart is normal in size."
REFERENCE = f"{TENSION} {EFFUSION} {SPINE} {HEART}"
JUDGE = RulesJudge()


def of(think: str, reference: str = REFERENCE, report: str = FULL) -> Grounded:
    return grounded(score_reasoning(think, read_reference(reference, report, JUDGE).findings, report, JUDGE))


def test_the_reference_itself_earns_everything_and_silence_nothing() -> None:
    assert of(REFERENCE) == (1, 1, 1)
    for nothing in ("Let me look.", "...", "Is there a pneumothorax?", "If there is an effusion, it is large."):
        assert of(nothing).value == 0


def test_it_is_the_harmonic_mean_of_what_is_right_and_what_is_complete() -> None:
    half = of(f"{TENSION} There is a rib fracture.")
    assert half.stated == 1 / 2
    assert half.value == pytest.approx(2 * half.stated * half.completeness / (half.stated + half.completeness))


def test_what_matters_more_is_missed_at_a_higher_price() -> None:
    without_spine, without_tension = of(f"{TENSION} {EFFUSION} {HEART}"), of(f"{EFFUSION} {SPINE} {HEART}")
    assert 1 > without_spine.value > without_tension.value > 0
    assert without_spine.stated == without_tension.stated == 1


@pytest.mark.parametrize(
    "padding",
    ["The trachea is midline. The scapulae are intact.", "No pneumoperitoneum. No lung abscess.", "No consolidation.",
     TENSION, "A pneumothorax is seen.", "Good inspiration.", "Is there a lung mass?", "The heart size is normal."],
)  # fmt: skip
@pytest.mark.parametrize("honest", [REFERENCE, f"{EFFUSION} There is a rib fracture. {HEART} {TENSION}"])
def test_padding_with_normals_and_repeats_changes_nothing(honest: str, padding: str) -> None:
    assert of(f"{honest} {padding} {padding}").value == of(honest).value


@pytest.mark.parametrize("padding", ["There is a rib fracture.", "No effusion.", "The heart is enlarged."])
def test_padding_with_what_is_wrong_costs(padding: str) -> None:
    assert of(f"{REFERENCE} {padding}").value < 1


def test_one_safe_normal_is_worth_nothing_and_a_contradiction_holds_neither_side() -> None:
    assert of("The trachea is midline.").value == 0
    assert of(f"{EFFUSION} There is no pleural effusion.").value == 0


def test_nobody_is_asked_for_what_the_report_contradicts() -> None:
    read = read_reference(f"{EFFUSION} There is cardiomegaly.", FULL, JUDGE)
    assert (len(read.findings), read.contradicted) == (1, 1)
    with pytest.raises(ValueError, match="the reference states no finding"):
        of(EFFUSION, "Let me look.")


def batch(thinks: Sequence[str], **columns: Any) -> dict[str, Any]:
    every = {"mode": "reasoning", "report": FULL, "reference": REFERENCE, "licence": "public"}
    rows = {name: [value] * len(thinks) for name, value in every.items()}
    return {"completions": [reasoned(think) for think in thinks], **rows, **columns}


def test_a_batch_is_rewarded_and_what_it_says_is_logged_by_mode() -> None:
    logs = Logs()
    rows = batch([REFERENCE, f"{EFFUSION} There is a rib fracture. The trachea is midline.", "Hm.", ""])
    rows["completions"].append("<answer> Yes </answer>")
    rows["mode"].append("answer_only")
    for name in ("report", "reference"):
        rows[name].append(None)
    rows["licence"].append("public")
    given = GroundedReward()(**rows, log_metric=logs.metric, log_extra=logs.column)
    assert given[0] == 1
    assert given[1] is not None
    assert 0 < given[1] < 1
    assert given[2:] == [0, 0, None]
    told = {name.removeprefix("completions/reasoning/"): values[0] for name, values in logs.metrics.items()}
    assert told["findings"] == 7 / 4
    assert (told["stated"], told["unmentioned"], told["contradicted"]) == pytest.approx((5 / 7, 2 / 7, 0))
    assert told["nothing"] == 1 / 2
    assert told["silent"] == pytest.approx((0 + 0 + 1 + 1) / 4)
    assert 0 < told["completeness"] < 1
    assert logs.metrics["completions/answer_only/words"] == [3]


def test_the_papers_factuality_is_what_it_was_and_measures_completeness_beside() -> None:
    logs = Logs()
    rows = batch(["The trachea is midline.", f"{EFFUSION} There is a rib fracture."])
    without = {name: column for name, column in rows.items() if name != "reference"}
    assert ProcessReward()(**rows, log_metric=logs.metric) == ProcessReward()(**without) == [1, 1 / 2]
    assert logs.metrics["completions/reasoning/completeness"][0] < 1 / 2


def test_rows_of_an_earlier_export_are_named_in_one_sentence() -> None:
    rows = batch([EFFUSION])
    del rows["reference"]
    with pytest.raises(SettingsError, match=r"hold no `reference`.*export again, or take process_reward=factuality"):
        GroundedReward()(**rows)


def test_a_reference_that_asks_for_nothing_gives_no_reward_and_is_no_failure() -> None:
    reward = GroundedReward()
    assert reward(**batch([EFFUSION], reference=["Let me look."])) == [None]
    assert reward.failed == []


@pytest.mark.parametrize("columns", [{}, {"reference": [[EFFUSION, HEART]]}])
def test_verl_is_told_the_same(columns: dict[str, Any]) -> None:
    rows = batch([EFFUSION], **columns)
    (value,) = GroundedReward()(**rows)
    extra = {"mode": "reasoning", "task": "binary", "report": FULL, "reference": rows["reference"][0]}
    told = compute_score("", reasoned(EFFUSION, "Yes"), "Yes", extra, process_reward="grounded")
    assert (told["grounded"], told["grounded_applies"], told["score"]) == (value, 1, 2 + (value or 0))


LINE = {
    "id": "a", "completion": reasoned(REFERENCE), "report": FULL, "reference": REFERENCE, "mode": "reasoning",
    "task": "single", "answer": "B", "options": ["A) edema", "B) pneumothorax"],
}  # fmt: skip


def rewarded(cxr: Cli, folder: Path, lines: Sequence[Any], *options: str) -> tuple[list[Any], list[Any]]:
    """Return what `cxr reward` wrote, and what it rejected."""
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    done = cxr("reward", "in.jsonl", "-o", "out.jsonl", *options)
    rejects = folder / "out.jsonl.rejects.jsonl"
    assert done.returncode == (4 if rejects.is_file() else 0), done.stderr
    bad = rejects.read_text().splitlines() if rejects.is_file() else []
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()], list(map(json.loads, bad))


def test_a_file_comes_back_with_rewards_and_why(cxr: Cli, tmp_path: Path) -> None:
    poor = LINE | {"id": "b", "completion": reasoned("There is a rib fracture. The trachea is midline. Hm.", "A")}
    alone = {"id": "c", "completion": "<answer> B </answer>", "mode": "answer_only", "task": "single", "answer": "B"}
    listed = LINE | {"id": "d", "reference": [{"observation": "left pleural effusion", "status": "present"}]}
    lines, _ = rewarded(cxr, tmp_path, [LINE, poor, alone | {"options": LINE["options"]}, listed])
    told = [{name: line[name] for name in ("format", "accuracy", "process", "total")} for line in lines]
    assert told[0] == {"format": 1, "accuracy": 1, "process": 1, "total": 3}
    assert told[1] == {"format": 1, "accuracy": 0, "process": 0, "total": 1}
    assert told[2] == {"format": 1, "accuracy": 1, "process": None, "total": 2}
    assert 0 < lines[3]["process"] <= 1
    assert lines[1]["why"] == {
        "stated": 0, "unmentioned": 2, "contradicted": 0, "silent": pytest.approx(1 / 3), "factuality": 1 / 2,
        "recalled": 0, "of": 4, "stated_factuality": 0, "completeness": 0,
    }  # fmt: skip
    papers, _ = rewarded(cxr, tmp_path, [poor, {**poor, "reference": None}], "--process-reward", "factuality")
    assert [line["process"] for line in papers] == [1 / 2, 1 / 2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"report": None}, '"report" is missing'),
        ({"report": float("nan")}, '"report" is no text'),
        ({"report": " "}, '"report" is empty'),
        ({"reference": None}, '"reference" is missing'),
        ({"reference": []}, '"reference" is no reference'),
        ({"reference": [1]}, '"reference" is no reference'),
        ({"reference": "There is cardiomegaly."}, "the report contradicts 1 findings of the reference"),
        ({"reference": "Let me look."}, "states no finding"),
        ({"completion": None}, '"completion" is missing'),
        ({"mode": "loud"}, '"mode" is unknown'),
        ({"task": "essay"}, '"task" is unknown'),
        ({"options": "A"}, '"options" is no list of texts'),
    ],
)
def test_a_bad_line_is_one_reject_without_its_text(cxr: Cli, tmp_path: Path, change: Any, says: str) -> None:
    lines, rejects = rewarded(cxr, tmp_path, [LINE | {"id": "x"} | change, LINE])
    assert [line["id"] for line in lines] == ["a"]
    assert [reject["id"] for reject in rejects] == ["x"]
    assert says in rejects[0]["message"]
    assert "tension" not in rejects[0]["message"]


def test_a_judge_that_fails_on_a_line_costs_that_line(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "odd_judges.py").write_text(
        "from cxr.miner.judge import RulesJudge\n"
        "class Odd(RulesJudge):\n"
        "    def extract(self, text):\n"
        "        if 'riddle' in text:\n"
        "            raise KeyError('x')\n"
        "        return super().extract(text)\n"
    )
    lines = [LINE | {"id": "x", "completion": reasoned("A riddle.")}, LINE]
    kept, rejects = rewarded(cxr, tmp_path, lines, "--judge", "odd_judges:Odd")
    assert ([line["id"] for line in kept], [reject["message"] for reject in rejects]) == (
        ["a"],
        ["not judged (KeyError)"],
    )


def test_another_kind_of_reward_is_refused(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    done = cxr("reward", "in.jsonl", "-o", "out.jsonl", "--process-reward", "kind")
    assert done.returncode == 2
    assert "choose from grounded, factuality" in done.stderr


def test_training_on_rows_without_reference_is_refused_before_step_one() -> None:
    from datasets import Dataset  # noqa: PLC0415

    from cxr.trainer.train.checks import check_reference_findings  # noqa: PLC0415

    held = {"report": [REPORT, None], "reference": ["An effusion.", None]}
    assert check_reference_findings(Dataset.from_dict(held)).looked_at == 1
    for lacking in ({"report": [REPORT, None]}, {"report": [REPORT], "reference": [""]}):
        with pytest.raises(InputError, match=r"1 samples have no reference findings.*export again, or give --process"):
            check_reference_findings(Dataset.from_dict(lacking))
