"""Validation while training: it changes no loss, keeps the best checkpoint, warns, ends, and shows no text."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.trainer.models.families import load_model  # noqa: E402
from cxr.trainer.train.curves import held_out, panels  # noqa: E402
from cxr.trainer.train.run_record import read_log, read_record  # noqa: E402
from tests.training_world import World, make_world  # noqa: E402

WATCHED = ("--set", "eval_steps=2", "--set", "eval_samples=6")
UNWATCHED = ("--set", "eval_steps=0")
FOUR = ("--set", "steps=4", "--set", "warmup=0", "--set", "learning_rate=3e-3")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module", params=["sft", "grpo"])
def runs(world: World, request: pytest.FixtureRequest) -> tuple[str, Path, Path, str]:
    """The same four steps with validation and without, and what the first said."""
    stage = request.param
    watched, unwatched = world.folder / f"{stage}-watched", world.folder / f"{stage}-unwatched"
    result = world.train(stage, watched, *FOUR, *WATCHED)
    assert result.exit_code == 0, result.output
    assert world.train(stage, unwatched, *FOUR, *UNWATCHED).exit_code == 0
    return stage, watched, unwatched, result.output


def losses(output: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["grad_norm"]) for line in read_log(output / "log.jsonl")]


def test_a_run_with_validation_has_the_losses_of_one_without(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, unwatched, _ = runs
    assert len(losses(watched)) == 4
    assert losses(watched) == losses(unwatched)
    one, other = (load_model(str(output / "final")).state_dict() for output in (watched, unwatched))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not (unwatched / "validation.jsonl").exists()


def test_every_validation_has_a_line_with_means_and_counts(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, _, _ = runs
    lines = read_log(watched / "validation.jsonl")
    assert [line["step"] for line in lines] == [0, 2, 4]
    for line in lines:
        assert (line["samples"], line["left_out"], line["process_reward"]) == (6, 0, "grounded")
        assert line["counts"]["accuracy"] == 6
        assert line["counts"]["accuracy/reasoning"] == line["counts"]["radrscore"] == line["counts"]["process"] == 3
        assert all(0 <= line[name] <= 1 for name in line["counts"])
    rows = read_log(watched / "validation_samples.jsonl")
    assert len(rows) == 18
    assert {row["sample_id"] for row in rows if row["step"] == 0} == {
        row["sample_id"] for row in rows if row["step"] == 4
    }


def test_completions_of_validation_stay_in_the_folder(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, _, said = runs
    assert "held out, step 4: accuracy" in " ".join(said.split())
    for row in read_log(watched / "validation_samples.jsonl"):
        assert len(row["completion"]) < 8 or row["completion"] not in said


def test_the_best_checkpoint_is_named_and_loads(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, _, _ = runs
    best = read_record(watched)["best"]
    lines = {line["step"]: line for line in read_log(watched / "validation.jsonl")}
    assert best["measure"] == "accuracy"
    assert best["value"] == lines[best["step"]]["accuracy"] == max(lines[step]["accuracy"] for step in (2, 4))
    assert best["at_start"] == lines[0]["accuracy"]
    assert (watched / "best").readlink() == Path(best["checkpoint"]) == Path(f"checkpoint-{best['step']}")
    load_model(str(watched / "best"))


def test_the_time_of_validation_is_no_steps_time(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, _, _ = runs
    spent = sum(line["seconds"] for line in read_log(watched / "validation.jsonl")[:2])
    assert spent > 0
    lines = read_log(watched / "log.jsonl")
    began, ended = (read_record(watched)[name] for name in ("started", "ended"))
    assert began < ended
    # The steps after a validation are not longer than those before one by what it took.
    assert lines[2]["step_seconds"] < lines[1]["step_seconds"] + spent / 2 + 0.5


def test_curves_are_drawn_of_what_is_held_out(runs: tuple[str, Path, Path, str]) -> None:
    _, watched, _, _ = runs
    validated = [held_out(line) for line in read_log(watched / "validation.jsonl")]
    names = {panel.name: [curve.name for curve in panel.curves] for panel in panels(validated)}
    assert names["held-out-accuracy"] == ["all", "answer only", "reasoning"]
    assert "process" in names["held-out-reasoning"]
