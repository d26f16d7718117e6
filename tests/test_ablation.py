"""The ablation: six variants in the paper's order, each step a command that anybody could type."""

import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.trainer.train.ablation import COMPARED, order_agreement, read_variants, rows_of, table_rows
from tests.training_world import run


def dry(tmp_path: Path, *more: str) -> list[list[str]]:
    result = run("train", "ablation", "-o", tmp_path / "abl", *more, "--dry-run")
    assert result.exit_code == 0, result.output
    return [shlex.split(line) for line in result.output.splitlines()]


def settings_of(words: list[str]) -> set[str]:
    return {words[place + 1] for place, word in enumerate(words) if word == "--set"}


def test_a_dry_run_prints_two_commands_for_each_variant_and_makes_nothing(tmp_path: Path) -> None:
    commands = dry(tmp_path)
    assert [words[1] for words in commands] == ["train", "predict"] * 6
    assert not (tmp_path / "abl").exists()


def test_variants_start_where_the_paper_starts_them(tmp_path: Path) -> None:
    trained = [words for words in dry(tmp_path) if words[1] == "train"]
    runs = [Path(words[words.index("-o") + 1]).name for words in trained]
    starts = [words[words.index("--model") + 1].removeprefix(f"{tmp_path}/abl/") for words in trained]
    base = "phantom/model"
    assert dict(zip(runs, starts, strict=True)) == {
        "sft-ro": base,
        "sft-both": base,
        "rl-o": base,
        "sft-ro-rl-o": "sft-ro/final",
        "without-process-reward": "sft-both/final",
        "full": "sft-both/final",
    }


def test_outcome_based_rl_has_no_process_reward_and_no_reports(tmp_path: Path) -> None:
    trained = {
        Path(words[words.index("-o") + 1]).name: settings_of(words) for words in dry(tmp_path) if words[1] == "train"
    }
    for name in ("rl-o", "sft-ro-rl-o", "without-process-reward"):
        assert trained[name] == {"modes=answer_only", "ask=reasoning", "process_reward=none"}
    assert "process_reward=factuality" in trained["full"]
    assert trained["sft-ro"] == {"modes=reasoning"}


def test_settings_of_the_user_reach_their_stage_alone(tmp_path: Path) -> None:
    for words in dry(tmp_path, "--set", "sft.steps=7"):
        if words[1] == "train":
            assert ("steps=7" in settings_of(words)) == (words[2] == "sft")


def test_another_preset_needs_data_and_a_model(tmp_path: Path) -> None:
    result = run("train", "ablation", "-o", tmp_path / "abl", "--preset", "paper", "--dry-run")
    assert result.exit_code == 2
    assert "needs --data" in result.output


def evaluated(radrscores: dict[str, float]) -> list[dict[str, Any]]:
    """What `cxr evaluate --format json` writes, with a line of one task that must not count."""
    rows = []
    for model, value in radrscores.items():
        estimate = {"value": value, "low": value - 0.01, "high": value + 0.01}
        measures = {name: estimate for name in (*COMPARED, "outcome") if name != "accuracy"}
        rows.append({"model": model, "mode": "reasoning", "task": "binary", "n": 5, **dict.fromkeys(measures)})
        rows.append({"model": model, "mode": "reasoning", "task": "mean", "n": 9, **measures, "accuracy": None})
    return rows


def test_the_table_has_ours_with_intervals_beside_the_papers() -> None:
    rows = rows_of(evaluated({"full": 0.6, "rl-o": 0.2}), read_variants())
    columns, lines = table_rows(rows)
    assert [row["variant"] for row in rows] == ["RL(O)", "full"]
    full = dict(zip(columns, lines[1], strict=True))
    assert (full["radrscore"], full["paper: radrscore"]) == ("0.600 (0.590-0.610)", "0.525")
    assert full["accuracy"] == "0.600 (0.590-0.610)"


def test_numbers_that_the_paper_does_not_print_are_marked() -> None:
    _, lines = table_rows(rows_of(evaluated({"sft-both": 0.5}), read_variants()))
    assert lines[0][-2:] == ["~0.444", "~0.679"]


@pytest.mark.parametrize(
    ("ours", "same"),
    [
        ({"rl-o": 0.1, "sft-ro": 0.2, "full": 0.3}, 3),
        ({"rl-o": 0.3, "sft-ro": 0.2, "full": 0.1}, 0),
        ({"rl-o": 0.2, "sft-ro": 0.1, "full": 0.3}, 2),
    ],
)
def test_order_is_counted_in_pairs(ours: dict[str, float], same: int) -> None:
    assert order_agreement(rows_of(evaluated(ours), read_variants()), "radrscore") == (same, 3)
