"""What a training is told of its rewards: by name beside the paper's, and in the words of earlier versions."""

import re
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import SettingsError
from cxr.trainer.train.settings import GRPOSettings, SFTSettings, parse_rewards, presets


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
        (
            {"process_judge": "gut"},
            "process_judge is 'gut'; expected 'rules', 'llm', 'cascade', 'rules+encoder', or your own",
        ),
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
    assert kinds == {"paper": "factuality", "released": "factuality", "lora": "grounded", "tiny": "grounded"}


def test_the_authors_scripts_are_a_preset_beside_their_paper(tmp_path: Path) -> None:
    """Facts of MAGIC-AI4Med/ChestX-Reasoner, `sft_config.py` and `run_RL.sh`, against supplementary tables 1 and 2."""
    store = tmp_path / "cxr.duckdb"
    paper, released = (SFTSettings.from_preset(name, store, {}) for name in ("paper", "released"))
    assert (paper.global_batch, paper.steps, paper.epochs, paper.image_side) == (512, 3500, None, None)
    assert (released.global_batch, released.steps, released.epochs, released.image_side) == (128, None, 5, 448)
    assert (paper.schedule, released.schedule, paper.warmup, released.warmup) == ("cosine", "cosine", 0.1, 0.1)
    by_paper, by_code = (GRPOSettings.from_preset(name, store, {}) for name in ("paper", "released"))
    assert (by_paper.kl, by_paper.entropy, by_paper.steps, by_paper.rollouts) == (1e-4, 1e-4, 400, "transformers")
    assert (by_code.kl, by_code.entropy, by_code.epochs, by_code.rollouts) == (1e-3, 1e-3, 3, "vllm-colocate")
    assert (by_code.max_length, by_code.max_completion_length) == (2048, 2048)
    for made in (by_paper, by_code):
        assert (made.schedule, made.warmup, made.learning_rate) == ("constant", 0, 5e-7)
        assert (made.global_batch, made.group) == (256, 8)
    assert {released.instructions, by_code.instructions, paper.instructions} == {"released", None}


@pytest.mark.parametrize(
    ("preset", "given", "steps"),
    [
        ("paper", {}, 3500),
        ("paper", {"epochs": 2}, 20),
        ("released", {}, 200),  # 5,120 rows, 128 a step, five times
        ("released", {"steps": 7}, 7),
        ("released", {"epochs": 0.5}, 20),
    ],
)
def test_who_says_steps_takes_a_presets_epochs_away(
    tmp_path: Path, preset: str, given: dict[str, Any], steps: int
) -> None:
    assert SFTSettings.from_preset(preset, tmp_path / "cxr.duckdb", given).steps_over(5120) == steps


def test_steps_and_epochs_together_are_refused_and_either_may_stand_in_the_toml(tmp_path: Path) -> None:
    store = tmp_path / "cxr.duckdb"
    with pytest.raises(SettingsError, match=r"epochs is '2'; expected none beside steps=3"):
        SFTSettings.from_preset("tiny", store, {"epochs": 2, "steps": 3})
    (tmp_path / "cxr.toml").write_text("[train.sft]\nepochs = 4\n")
    made = SFTSettings.from_preset("tiny", store, {})
    assert (made.steps, made.epochs) == (None, 4)


def test_instructions_that_are_not_there_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there are no instructions 'theirs'; expected paper, released, or a TOML"):
        SFTSettings.from_preset("tiny", tmp_path / "cxr.duckdb", {"instructions": "theirs"})


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
