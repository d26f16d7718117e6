"""Validation while training: it changes no loss, keeps the best checkpoint, warns, ends, and shows no text."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.miner.kit.errors import SettingsError  # noqa: E402
from cxr.trainer.models.families import load_model  # noqa: E402
from cxr.trainer.train.curves import held_out, panels  # noqa: E402
from cxr.trainer.train.held_out import spread  # noqa: E402
from cxr.trainer.train.run_record import read_log, read_record  # noqa: E402
from cxr.trainer.train.settings import GRPOSettings  # noqa: E402
from cxr.trainer.train.validation import best_of, stalled  # noqa: E402
from tests.training_world import World, make_world, remade, run  # noqa: E402

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


def test_a_resumed_run_goes_on_validating_and_stays_bit_equal(
    world: World, runs: tuple[str, Path, Path, str], tmp_path: Path
) -> None:
    stage, watched, _, _ = runs
    resumed = tmp_path / "resumed"
    shutil.copytree(watched, resumed, symlinks=True)
    shutil.rmtree(resumed / "checkpoint-4")
    shutil.rmtree(resumed / "final")
    again = world.train(stage, resumed, *FOUR, *WATCHED, "--existing", "resume")
    assert again.exit_code == 0, again.output
    assert losses(resumed) == losses(watched)
    for name in ("validation.jsonl", "validation_samples.jsonl"):
        untimed = [
            [{key: value for key, value in line.items() if key != "seconds"} for line in read_log(output / name)]
            for output in (watched, resumed)
        ]
        assert untimed[0] == untimed[1]
    assert read_record(resumed)["best"] == read_record(watched)["best"]


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let held-out accuracy be these values, one after the other."""
    told = iter(values)
    monkeypatch.setattr("cxr.trainer.train.validation.measures_of", lambda _: ({"accuracy": next(told)}, {}))


def test_the_best_checkpoint_outlives_those_that_are_kept_for_resuming(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.1, 0.4, 0.9, 0.3, 0.2, 0.1])
    every = ("--set", "steps=5", "--set", "save_steps=1", "--set", "keep_checkpoints=1", *WATCHED)
    result = world.train("sft", tmp_path / "out", *every, "--set", "eval_steps=1")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "held-out accuracy fell from 0.900 to 0.100 since step 2, over 3 validations" in told
    assert read_record(tmp_path / "out")["best"] == {
        "measure": "accuracy",
        "step": 2,
        "value": 0.9,
        "at_start": 0.1,
        "checkpoint": "checkpoint-2",
    }
    assert sorted(folder.name for folder in (tmp_path / "out").glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-5"]
    assert (tmp_path / "out" / "best").resolve().name == "checkpoint-2"


def test_patience_ends_a_run_that_gets_no_better(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.1, 0.5, 0.5, 0.5])
    how = ("--set", "steps=9", *WATCHED, "--set", "eval_steps=1", "--set", "patience=2")
    result = world.train("sft", tmp_path / "out", *how)
    assert result.exit_code == 0, result.output
    assert "the run ends at step 3: held-out accuracy has not risen for 2 validations" in " ".join(
        result.output.split()
    )
    assert read_record(tmp_path / "out")["steps_done"] == 3
    assert (tmp_path / "out" / "final" / "model.safetensors").is_file()
    assert (tmp_path / "out" / "checkpoint-3").is_dir()


def test_lora_and_checkpointed_gradients_are_lent_and_given_back(world: World, tmp_path: Path) -> None:
    how = (*FOUR, "--set", "lora_rank=4", "--set", "gradient_checkpointing=true")
    for name, more in (("watched", WATCHED), ("unwatched", UNWATCHED)):
        result = world.train("sft", tmp_path / name, *how, *more)
        assert result.exit_code == 0, result.output
    assert losses(tmp_path / "watched") == losses(tmp_path / "unwatched")
    assert [line["step"] for line in read_log(tmp_path / "watched" / "validation.jsonl")] == [0, 2, 4]


def test_what_lora_trained_best_is_a_model(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [0.1, 0.9, 0.2, 0.3])
    how = ("--set", "steps=3", "--set", "warmup=0", "--set", "learning_rate=1e-2", "--set", "lora_rank=4", *WATCHED)
    result = world.train("sft", tmp_path / "out", *how, "--set", "eval_steps=1")
    assert result.exit_code == 0, result.output
    asked = ("--split", "validate", "--max-new-tokens", "12", "--db", tmp_path / "cxr.duckdb")
    for name, step in (("best-merged", 1), ("final", 3)):
        told = tmp_path / f"{name}.jsonl"
        done = run("predict", world.exports.sft, "--model", tmp_path / "out" / name, *asked, "-o", told)
        assert done.exit_code == 0, done.output
        said = {line["sample_id"]: line["text"] for line in map(json.loads, told.read_text().splitlines())}
        rows = [row for row in read_log(tmp_path / "out" / "validation_samples.jsonl") if row["step"] == step]
        same = [row["completion"].startswith(said[row["sample_id"]]) for row in rows]
        # A merged model rounds otherwise than a model with an adapter.
        assert sum(same) >= len(rows) - 1


def test_a_store_is_compiled_with_held_out_samples(world: World, tmp_path: Path) -> None:
    store = tmp_path / "cxr.duckdb"
    shutil.copy(world.exports.store, store)
    result = world.train("sft", tmp_path / "out", "--data", store, "--db", store, *FOUR, *WATCHED)
    assert result.exit_code == 0, result.output
    assert read_log(tmp_path / "out" / "validation.jsonl")[-1]["samples"] == 6


def without_held_out(export: Path, target: Path) -> Path:
    """Copy an export without its held-out rows."""
    shutil.copytree(export, target)
    for path in (target / "data").glob("validate-*.parquet"):
        path.unlink()
        note = json.loads((target / "export.json").read_text())
        note["files"] = {name: told for name, told in note["files"].items() if Path(name).name != path.name}
        (target / "export.json").write_text(json.dumps(note))
    return target


def test_an_export_without_held_out_samples_is_told_of(world: World, tmp_path: Path) -> None:
    data = without_held_out(world.exports.sft, tmp_path / "data")
    asked = world.train("sft", tmp_path / "asked", "--data", data, *WATCHED)
    assert asked.exit_code == 1
    assert "has no samples of split validate, which eval_steps=2 asks; export a benchmark" in asked.output
    presets_own = world.train("sft", tmp_path / "out", "--data", data, *FOUR, "--set", "eval_steps=500")
    assert presets_own.exit_code == 0, presets_own.output
    assert "has no samples of split validate: the run goes without validation" in presets_own.output
    assert not (tmp_path / "out" / "validation.jsonl").exists()


def test_an_export_that_does_not_say_what_is_judged_is_refused(world: World, tmp_path: Path) -> None:
    data = remade(world.exports.sft, tmp_path / "data", lambda rows: rows.drop("reference"), "validate")
    result = world.train("sft", tmp_path / "out", "--data", data, *WATCHED)
    assert result.exit_code == 1
    assert "has no column reference, which held-out completions are judged with" in result.output


def test_a_patient_of_train_among_the_held_out_stops_before_step_1(world: World, tmp_path: Path) -> None:
    trained = pl.read_parquet(sorted((world.exports.sft / "data").glob("train-*.parquet")))["patient_id"][0]
    of_train = pl.lit(trained, pl.String)
    data = remade(world.exports.sft, tmp_path / "data", lambda rows: rows.with_columns(patient_id=of_train), "validate")
    result = world.train("sft", tmp_path / "out", "--data", data, *WATCHED)
    assert result.exit_code == 1
    assert re.search(r"samples are of patients that are also in validation or test: \w+", result.output)
    assert not (tmp_path / "out" / "validation.jsonl").exists()


def test_held_out_samples_without_a_usable_image_are_left_out_and_counted(world: World, tmp_path: Path) -> None:
    def spoil(rows: pl.DataFrame) -> pl.DataFrame:
        lists = rows["images"].to_list()
        lists[0] = [{"bytes": None, "path": str(tmp_path / "gone.png")}]
        return rows.with_columns(pl.Series("images", lists, dtype=rows["images"].dtype))

    data = remade(world.exports.sft, tmp_path / "data", spoil, "validate")
    everything = (*FOUR, *WATCHED, "--set", "eval_samples=100")
    result = world.train("sft", tmp_path / "out", "--data", data, *everything)
    assert result.exit_code == 0, result.output
    assert "1 held-out samples are left out for their images: 1 image_absent" in " ".join(result.output.split())
    assert read_log(tmp_path / "out" / "validation.jsonl")[-1]["left_out"] == 1
    assert list(read_record(tmp_path / "out")["validation"]["left_out"].values()) == ["image_absent"]

    def keep_one(rows: pl.DataFrame) -> pl.DataFrame:
        return spoil(rows.head(1)).with_columns(sample_id=pl.lit("s"))

    blind = remade(world.exports.sft, tmp_path / "blind", keep_one, "validate")
    none = world.train("sft", tmp_path / "none", "--data", blind, *everything)
    assert none.exit_code == 1
    assert "none of the 1 chosen samples of split validate has images that can be used (the first: s" in none.output


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("trl.eval_strategy=steps", "expected no trl.eval_strategy, which cxr sets itself: give --set eval_steps;"),
        ("trl.max_steps=7", "expected no trl.max_steps, which cxr sets itself: give --set steps;"),
        ("trl.output_dir=x", "expected no trl.output_dir, which cxr sets itself: give -o"),
        ("trl.packing=true", "expected no trl.packing: samples with images cannot be packed"),
        ("trl.colour=blue", "TRL takes no trl.colour"),
        ("trl.optim=none_such", "TRL does not take these settings"),
        ("best=beauty", "best is 'beauty'; expected"),
    ],
)
def test_what_cannot_be_told_trl_is_one_sentence(world: World, tmp_path: Path, given: str, says: str) -> None:
    result = world.train("sft", tmp_path / "out", *FOUR, "--set", given)
    assert result.exit_code == 2, result.output
    assert says in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("stage", "given", "says"),
    [
        ("sft", ("modes=answer_only", "best=radrscore"), "best=radrscore cannot be measured: no held-out sample has a"),
        ("grpo", ("process_reward=none", "best=process"), "best=process cannot be measured: the run has no process"),
    ],
)
def test_what_would_never_be_measured_is_refused(
    world: World, tmp_path: Path, stage: str, given: tuple[str, ...], says: str
) -> None:
    told = [word for setting in given for word in ("--set", setting)]
    result = world.train(stage, tmp_path / "out", *FOUR, *WATCHED, *told)
    assert result.exit_code == 1, result.output
    assert says in " ".join(result.output.split())


def test_parts_of_a_model_are_not_validated(tmp_path: Path) -> None:
    apart = {"parallel": "fsdp", "gpus": 8, "eval_steps": 10}
    with pytest.raises(SettingsError, match="eval_steps is '10'; expected 0 with parallel=fsdp"):
        GRPOSettings.from_preset("paper", tmp_path / "cxr.duckdb", apart)
    assert GRPOSettings.from_preset("paper", tmp_path / "cxr.duckdb", {}).eval_steps == 0


def test_samples_are_spread_over_modes_and_tasks_by_the_seed() -> None:
    kinds = [("answer_only", "binary", 50), ("answer_only", "single", 5), ("reasoning", "single", 20)]
    index = pl.DataFrame(
        [
            {"sample_id": f"{mode}-{task}-{n}", "mode": mode, "task": task}
            for mode, task, many in kinds
            for n in range(many)
        ]
    )
    chosen = spread(index, 20, 0)
    assert [sum(name.startswith(f"{mode}-{task}") for name in chosen) for mode, task, _ in kinds] == [5, 5, 10]
    assert chosen == spread(index.reverse(), 20, 0) != spread(index, 20, 1)
    assert sorted(spread(index, 1000, 0)) == sorted(index["sample_id"])


def test_the_best_is_the_first_of_equals_and_a_warning_tells_a_fall_from_standing_still() -> None:
    lines: list[dict[str, Any]] = [{"step": step, "accuracy": value} for step, value in ((1, 0.5), (2, 0.8), (3, 0.8))]
    assert best_of(lines, "accuracy") is lines[1]
    assert best_of(lines, "process") is None
    assert "stands still at 0.800 since step 2" in stalled(lines[2], lines[1], "accuracy", 3)
    assert "fell from 0.800 to 0.500" in stalled(lines[0], lines[1], "accuracy", 3)


def test_what_is_validated_is_what_predict_says_of_the_checkpoint(
    world: World, runs: tuple[str, Path, Path, str], tmp_path: Path
) -> None:
    stage, watched, _, _ = runs
    told = tmp_path / "said.jsonl"
    asked = ("--split", "validate", "--max-new-tokens", "12", "-o", told, "--db", tmp_path / "cxr.duckdb")
    done = run("predict", getattr(world.exports, stage), "--model", watched / "final", *asked)
    assert done.exit_code == 0, done.output
    predicted = {line["sample_id"]: line["text"] for line in map(json.loads, told.read_text().splitlines())}
    rows = [row for row in read_log(watched / "validation_samples.jsonl") if row["step"] == 4]
    assert rows
    for row in rows:
        said = predicted[row["sample_id"]]
        assert row["completion"] == said if stage == "grpo" else row["completion"].startswith(said)
