"""The rewards on hand-made completions, plain and as TRL calls them: the paper's three, and anybody's own."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.kit.errors import (
    CxrError,
    InputError,
    SettingsError,
)
from cxr.miner.pack import pack
from cxr.trainer.reward.protocol import RewardRun
from cxr.trainer.reward.registry import PAPERS, WeightedReward, open_rewards
from cxr.trainer.reward.rewards import (
    Accuracy,
    accuracy_reward,
    finding_f1,
    format_reward,
    load_ratescore,
    process_factuality,
    reward_functions,
    text_of,
)
from tests.conftest import ROOT
from tests.rewarding import REPORT, TRUE, Logs, reasoned

OPTIONS = ["A) edema", "B) pleural effusion", "C) fracture", "D) pneumonia"]


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
    assert accuracy_reward(reasoned("So.", answer), mode="reasoning", **about) == reward
    assert accuracy_reward(f"<answer>{answer}</answer>", mode="answer_only", **about) == reward
    out_of_form = f"<answer>{answer}</answer>"
    assert accuracy_reward(out_of_form, mode="reasoning", **about) == 0


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


@contextmanager
def opened(folder: Path, weights: Mapping[str, float] = PAPERS) -> Iterator[list[WeightedReward]]:
    """Open rewards by their names, with the rules judge."""
    with open_rewards(weights, RewardRun(folder, JudgeSettings())) as rewards:
        yield rewards


def called(reward: WeightedReward, logs: Logs, completions: Sequence[Any] = COMPLETIONS) -> list[float | None]:
    """Call a reward as TRL does."""
    return reward(
        prompts=[None] * 4,
        completions=completions,
        completion_ids=[[1]] * 4,
        trainer_state=SimpleNamespace(global_step=1),
        log_metric=logs.metric,
        log_extra=logs.column,
        **ROWS,
    )


@pytest.mark.parametrize("as_messages", [True, False])
def test_a_batch_gets_three_named_rewards_and_the_share_each_applied_to(as_messages: bool, tmp_path: Path) -> None:
    logs = Logs()
    completions = [[{"role": "assistant", "content": text}] for text in COMPLETIONS] if as_messages else COMPLETIONS
    with opened(tmp_path) as rewards:
        given = {reward.__name__: called(reward, logs, completions) for reward in rewards}
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


OWN = """
def brevity(completions, **columns):
    return [1 / len(completion) for completion in completions]

async def slow(completions, **columns):
    return [0.5 if kind == "binary" else None for kind in columns["task"]]

def accuracy(completions, **columns):
    return [1.0] * len(completions)

def narrow(completions):
    return [1.0] * len(completions)

def broken(completions, **columns):
    return [1 / 0 for _ in completions]

def short(completions, **columns):
    return [1.0]

def wordy(completions, **columns):
    return ["good"] * len(completions)

nothing = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Somebody's module of rewards, in the folder that they work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_rewards.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "own_rewards", raising=False)
    return "own_rewards"


def test_anybodys_function_is_a_reward_beside_ours_with_its_weight(tmp_path: Path, own: str) -> None:
    logs, weights = Logs(), {"format": 2.0, f"{own}:brevity": 0.25, f"{own}:slow": -1.0}
    with opened(tmp_path, weights) as rewards:
        given = {reward.__name__: called(reward, logs) for reward in rewards}
        assert [reward.weight for reward in rewards] == list(weights.values())
        assert rewards[1].record() == {"reward": f"{own}:brevity", "weight": 0.25}
    assert given["format"] == [1, 1, 1, 1]
    assert given["brevity"] == [1 / len(text) for text in COMPLETIONS]
    assert given["slow"] == [None, None, 0.5, None]
    assert logs.metrics["rewards/brevity/applied"] == [1]
    assert logs.metrics["rewards/slow/applied"] == [0.25]
    assert logs.metrics["rewards/slow/weight"] == [-1]


def test_the_reward_of_the_docs_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    recipe = text.partition("```\n# my_rewards.py")[2].partition("\n")[2].partition("```")[0]
    (tmp_path / "my_rewards.py").write_text(recipe)
    completions = [[{"role": "assistant", "content": said}] for said in COMPLETIONS]
    with opened(tmp_path, {"my_rewards:brevity": 0.2}) as (reward,):
        words = [len(said.split()) for said in COMPLETIONS]
        assert called(reward, Logs(), completions) == [1 - words[0] / 200, 1 - words[1] / 200, None, None]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("speed", "unknown reward 'speed'; expected 'format', 'accuracy', 'process', or your own as module:name"),
        ("nowhere:brevity", "cannot be loaded: there is no module nowhere"),
        ("own_rewards:length", "cannot be loaded: own_rewards has no length"),
        ("own_rewards:nothing", "is a int; expected a function"),
        ("own_rewards:accuracy", "accuracy and own_rewards:accuracy would both be logged as accuracy"),
    ],
)
@pytest.mark.usefixtures("own")
def test_a_reward_that_cannot_be_opened_is_named(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)), opened(tmp_path, {"accuracy": 1.0, name: 1.0}):
        pass


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("narrow", "failed with TypeError; expected a function that TRL can call"),
        ("broken", "failed with ZeroDivisionError at own_rewards.py:15; expected"),
        ("short", "gives 1 values for 4 completions"),
        ("wordy", "failed with ValueError; expected a function"),
    ],
)
def test_a_reward_that_fails_is_one_sentence(tmp_path: Path, own: str, name: str, says: str) -> None:
    with (
        opened(tmp_path, {f"{own}:{name}": 1.0}) as (reward,),
        pytest.raises(CxrError, match=re.escape(f"the reward own_rewards:{name} {says}")),
    ):
        called(reward, Logs())


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
    rows: dict[str, Any] = {**ROWS, "task": ["single", "single", "anomaly", "anomaly"]}
    values = Accuracy(scorer)(COMPLETIONS, log_metric=logs.metric, **rows)
    assert values == [1, 1, 0.5, 0.5]
    assert scorer.asked == [["No", "Edema, Fracture"]]
    assert logs.metrics["rewards/accuracy/ratescore"] == [0.5]
    assert "rewards/accuracy/finding_f1" not in logs.metrics


def test_a_reward_that_is_no_number_stops_with_the_ids_of_its_samples() -> None:
    accuracy = WeightedReward(Accuracy(Half(float("nan"))))
    with pytest.raises(CxrError, match=r"accuracy reward of 1 completions is not a finite number.*look at s4$"):
        called(accuracy, Logs())


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
