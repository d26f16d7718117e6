"""GRPO's groups in the real trainer: scripted completions under every loss, scale and credit, and answered again."""

import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.trainer.train.advantages import Rewards, advantages  # noqa: E402
from cxr.trainer.train.groups import Groups  # noqa: E402
from cxr.trainer.train.grpo import ExactGRPOTrainer, grpo_config  # noqa: E402
from cxr.trainer.train.run import quiet_libraries  # noqa: E402
from cxr.trainer.train.run_record import read_log  # noqa: E402
from cxr.trainer.train.settings import Credit, GRPOSettings, Loss, Scale  # noqa: E402
from tests.training_world import World, make_world  # noqa: E402

WRONG = "There is a right rib fracture."
SAID = (
    f"<think> The trachea is midline. {WRONG} </think><answer> Yes </answer>",
    "<think> The trachea is midline. </think><answer> No </answer>",
    "<answer> Yes </answer>",
    "<think> Cut off",
)
COMBINED = [way for way in product(get_args(Loss), get_args(Scale), get_args(Credit)) if way[::2] != ("gspo", "step")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


class Script:
    """Stands in for the model's sampling; keeps how many completions each call was asked for."""

    def __init__(self, patch: pytest.MonkeyPatch, said: Iterator[str]) -> None:
        self.said, self.asked = said, list[int]()
        script = self

        def generate(self: Any, prompt_ids: Sequence[Any], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
            script.asked.append(len(prompt_ids))
            tokenizer = self.processing_class.tokenizer
            texts = [next(script.said) for _ in prompt_ids]
            return [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in texts], None

        patch.setattr(ExactGRPOTrainer, "_generate_single_turn", generate)


def cycle(texts: Sequence[str]) -> Iterator[str]:
    while True:
        yield from texts


def test_a_step_under_every_loss_scale_and_credit(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run, whose trainer is told another way before each step; the table tells what it used."""
    quiet_libraries()
    Script(monkeypatch, cycle(SAID))
    seen: list[tuple[Any, Rewards, Any]] = []
    ways = iter(
        [
            (way, grpo_config(GRPOSettings(loss=way[0], scale=way[1], global_batch=4), tmp_path, 1, 1, 1))
            for way in COMBINED
        ]
    )
    step = Groups._generate_and_score_completions

    def next_way(self: Any, inputs: Any) -> Any:
        way, config = next(ways)
        for name in ("loss_type", "importance_sampling_level", "scale_rewards", "multi_objective_aggregation"):
            setattr(self, name, getattr(config, name))
        name = self.reward_func_names[-1]
        self.plan.process = name if way[2] == "step" else None
        output = step(self, inputs)
        seen.append((way, self._rewards, output["advantages"]))
        return output

    monkeypatch.setattr(Groups, "_generate_and_score_completions", next_way)
    told_so = {"steps": len(COMBINED), "credit": "step", "modes": "reasoning", "group": 4, "global_batch": 2}
    how = [word for name, value in told_so.items() for word in ("--set", f"{name}={value}")]
    result = world.train("grpo", tmp_path / "out", "--process-reward", "factuality", *how)
    assert result.exit_code == 0, result.output
    lines = read_log(tmp_path / "out" / "log.jsonl")
    assert len(lines) == len(COMBINED) == 28
    rows = read_log(tmp_path / "out" / "samples.jsonl")
    for number, ((_, scale, credit), rewards, used) in enumerate(seen):
        line = lines[number]
        assert line["grad_norm"] > 0, scale
        told = [row for row in rows if row["step"] == number + 1]
        expected = advantages(rewards, torch.ones(3), 4, scale)
        assert [row["advantage"] for row in told] == pytest.approx(expected[:, 0].tolist(), abs=1e-4)
        has_wrong = [WRONG in row["completion"] for row in told]
        if credit == "sequence":
            assert used.shape == (8,)
            assert {row["advantage_wrong"] for row in told} == {None}
            continue
        assert used.shape[0] == 8
        assert [row["advantage_wrong"] is not None for row in told] == has_wrong
        for place, row in enumerate(told):
            values = {round(float(value), 4) for value in used[place]}
            if row["advantage_wrong"] is not None:
                assert row["advantage_wrong"] < row["advantage"]
                assert values == {round(row["advantage"], 4), round(row["advantage_wrong"], 4)}
            else:
                assert values == {round(row["advantage"], 4)}
        assert line["credit/wrong_completions"] == 0.25
        assert 0 < line["credit/wrong_tokens"] < 0.25


def test_groups_with_equal_rewards_are_answered_again_and_counted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four groups of two: two differ, one differs when it is answered once more, one stays as it is."""
    good, bad = "<answer> Zero </answer>", "nothing"
    script = Script(monkeypatch, iter([good, bad, bad, bad, good, bad, bad, bad, *(good, bad, bad, bad), bad, bad]))
    result = world.train(
        "grpo", tmp_path / "out", "--set", "steps=1", "--set", "resample=2", "--set", "modes=answer_only"
    )
    assert result.exit_code == 0, result.output
    assert script.asked == [8, 4, 2]
    (line,) = read_log(tmp_path / "out" / "log.jsonl")
    assert line["groups/resampled"] == 0.5
    assert line["frac_reward_zero_std"] == 0.25
    assert line["rewards/format/mean"] == 3 / 8
    assert line["completions/answer_only/words"] == pytest.approx((3 * 3 + 5) / 8)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["groups"] == {
        "groups": 4,
        "resampled": 2,
        "equal": 1,
    }
    rows = read_log(tmp_path / "out" / "samples.jsonl")
    assert [row["completion"] for row in rows] == [good, bad, good, bad, good, bad, bad, bad]
    assert [row["advantage"] != 0 for row in rows] == [True] * 6 + [False] * 2


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["credit=step", "loss=gspo"], "credit is 'step'; expected 'sequence' with loss=gspo, where one ratio gives"),
        (["credit=step", "trl.importance_sampling_level=sequence"], "expected 'sequence' with loss=gspo"),
        (["credit=step", "process_reward=none"], "expected 'sequence' without a process reward of some weight"),
        (["credit=step", "rewards.process=0"], "expected 'sequence' without a process reward of some weight"),
        (["loss=ppo"], "loss is 'ppo'; expected 'grpo', 'dr_grpo', 'dapo' or 'gspo'"),
        (["scale=global"], "scale is 'global'; expected 'group', 'batch', 'none' or 'normalize_then_sum'"),
        (["resample=-1"], "resample is '-1'; expected"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_sentence(
    world: World, tmp_path: Path, settings: list[str], says: str
) -> None:
    result = world.train("grpo", tmp_path / "out", *(word for text in settings for word in ("--set", text)))
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_losses_and_scales_are_told_to_trl_in_its_words(tmp_path: Path) -> None:
    quiet_libraries()

    def told(**settings: Any) -> tuple[str, str, str, str]:
        config = grpo_config(GRPOSettings(global_batch=4, **settings), tmp_path, 1, 1, 1)
        return (
            config.loss_type,
            config.importance_sampling_level,
            config.scale_rewards,
            config.multi_objective_aggregation,
        )

    assert told() == ("grpo", "token", "group", "sum_then_normalize")
    assert told(loss="gspo", scale="batch") == ("grpo", "sequence", "batch", "sum_then_normalize")
    assert told(loss="dapo", scale="normalize_then_sum")[::3] == ("dapo", "normalize_then_sum")
    assert told(loss="dr_grpo", scale="none")[::2] == ("dr_grpo", "none")
    assert told(trl={"loss_type": "sapo"})[0] == "sapo"
