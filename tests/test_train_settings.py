"""What a training is told of its rewards: by name beside the paper's, and in the words of earlier versions."""

import re
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import SettingsError
from cxr.trainer.train.settings import GRPOSettings, parse_rewards, presets


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({}, {"format": 1, "accuracy": 1, "process": 1}),
        ({"rewards": {"a:b": 0.5, "process": 0}}, {"format": 1, "accuracy": 1, "process": 0, "a:b": 0.5}),
        ({"process_reward": "none"}, {"format": 1, "accuracy": 1}),
        ({"process_reward": "my_judges:mine"}, {"format": 1, "accuracy": 1, "process": 1}),
        ({"reward_weights": [1, 2, 3]}, {"format": 1, "accuracy": 2, "process": 3}),
        ({"reward_weights": [1, 2, 3], "process_reward": "none"}, {"format": 1, "accuracy": 2}),
    ],
)
def test_rewards_are_told_beside_the_papers(tmp_path: Path, given: dict[str, Any], weights: dict[str, float]) -> None:
    assert GRPOSettings.from_preset("tiny", tmp_path / "cxr.duckdb", given).weights() == weights
    (tmp_path / "cxr.toml").write_text('[train.grpo.rewards]\nformat = 0.25\n"c:d" = 1\n')
    also = GRPOSettings.from_preset("tiny", tmp_path / "cxr.duckdb", given).weights()
    assert also == weights | {"format": 0.25, "c:d": 1} | given.get("rewards", {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"rewards": {"speed": 1}}, "expected 'format', 'accuracy', 'process', or your own as module:name"),
        ({"rewards": {"format": "much"}}, "rewards.format is 'much'; expected a valid number"),
        ({"rewards": {"format": float("nan")}}, "expected a finite number"),
        ({"rewards": 1}, "rewards is '1'; expected a valid dictionary"),
        ({"reward_weights": 1}, "it is called 'rewards' now"),
        ({"process_judge": "gut"}, "process_judge is 'gut'; expected 'rules', 'llm', 'rules+encoder', or your own"),
        (
            {"process_reward": "gut"},
            "process_reward is 'gut'; expected 'grounded', 'factuality', 'none', or who judges the paper's factuality",
        ),
    ],
)
def test_rewards_that_cannot_be_are_refused(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        GRPOSettings.from_preset("tiny", tmp_path / "cxr.duckdb", given)


def test_the_papers_preset_has_its_reward_and_all_others_the_grounded_one(tmp_path: Path) -> None:
    kinds = {name: GRPOSettings.from_preset(name, tmp_path / "cxr.duckdb", {}).process_reward for name in presets()}
    assert kinds == {"paper": "factuality", "lora": "grounded", "tiny": "grounded"}


def test_losses_scales_and_credit_are_told_as_all_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cxr.toml").write_text('[train.grpo]\nloss = "dapo"\nscale = "batch"\nresample = 1\n')
    monkeypatch.setenv("CXR_TRAIN_GRPO_CREDIT", "step")
    monkeypatch.setenv("CXR_TRAIN_GRPO_SCALE", "none")
    told = GRPOSettings.from_preset("tiny", tmp_path / "cxr.duckdb", {"resample": 2})
    assert (told.loss, told.scale, told.credit, told.resample) == ("dapo", "none", "step", 2)
    papers = GRPOSettings.as_recorded({})
    assert (papers.loss, papers.scale, papers.credit, papers.resample) == ("grpo", "group", "sequence", 0)


@pytest.mark.parametrize("judge", ["rules", "llm", "my_judges:mine"])
def test_a_judge_in_the_place_of_a_kind_judges_factuality_as_it_did_before(tmp_path: Path, judge: str) -> None:
    settings = GRPOSettings.from_preset("tiny", tmp_path / "cxr.duckdb", {"process_reward": judge})
    assert (settings.process_reward, settings.process_judge) == ("factuality", judge)
    recorded = GRPOSettings.as_recorded({"process_reward": judge})
    assert (recorded.process_reward, recorded.process_judge) == ("factuality", judge)


def test_rewards_are_read_from_the_command_line() -> None:
    assert parse_rewards(["format=2", "my.rewards:brevity=-0.5"]) == {"format": 2, "my.rewards:brevity": -0.5}
    for text in ("format", "=1", "my:reward", "format=much"):
        with pytest.raises(SettingsError, match=re.escape(f"--reward {text!r} cannot be read; expected NAME=WEIGHT")):
            parse_rewards([text])
