"""`cxr train sft` and `cxr train grpo`: weights move, rewards are parted as stated, resuming is exact."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from peft import PeftModel  # noqa: E402
from PIL import Image  # noqa: E402

from cxr.miner.benchmark.settings import Existing  # noqa: E402
from cxr.miner.kit.errors import InputError  # noqa: E402
from cxr.trainer.models.families import FAMILIES, load_model, load_processor  # noqa: E402
from cxr.trainer.train.exact import last_checkpoint  # noqa: E402
from cxr.trainer.train.run import Training, prepare_output  # noqa: E402
from cxr.trainer.train.run_record import read_log  # noqa: E402
from cxr.trainer.train.settings import GRPOSettings, preset_hash  # noqa: E402
from tests.pictures import dicom_of  # noqa: E402
from tests.training_world import ONE_STEP, World, make_world, remade, run  # noqa: E402


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def sft(world: World) -> Path:
    """A finished run of eight steps."""
    output = world.folder / "sft"
    result = run(*world.command("sft", output, "--set", "steps=8", "--set", "learning_rate=3e-3"))
    assert result.exit_code == 0, result.output
    return output


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_model(str(folder)).state_dict())


def differs(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return any(not torch.equal(one[name], other[name]) for name in one)


def losses(output: Path) -> list[tuple[int, float]]:
    if not (output / "log.jsonl").is_file():
        return []
    return [(line["step"], line["loss"]) for line in read_log(output / "log.jsonl")]


def test_sft_moves_the_weights_and_lowers_the_loss(world: World, sft: Path) -> None:
    steps = losses(sft)
    assert [step for step, _ in steps] == list(range(1, 9))
    assert steps[-1][1] < steps[0][1] - 0.3
    assert differs(weights(world.model()), weights(sft / "final"))


def test_the_record_says_what_was_trained_on_what(world: World, sft: Path) -> None:
    record = json.loads((sft / "run.json").read_text())
    exported = json.loads((world.exports.sft / "export.json").read_text())
    assert (record["exit"], record["steps_done"], record["stage"]) == ("done", 8, "sft")
    assert record["data"]["fingerprint"] == exported["fingerprint"]
    assert record["settings"]["learning_rate"] == 3e-3
    assert record["versions"]["torch"] == torch.__version__
    assert record["preset"] == {"name": "tiny", "sha256": preset_hash("tiny")}
    assert not (sft / "README.md").exists()


def test_the_final_folder_loads_as_a_model_with_its_processor(sft: Path) -> None:
    processor = load_processor(str(sft / "final"))
    assert processor.tokenizer.padding_side == "left"
    written = json.loads((sft / "final" / "processor_config.json").read_text())
    assert written["image_processor"]["image_processor_type"] == "Qwen2VLImageProcessor"
    assert written["video_processor"]["video_processor_type"] == "Qwen2VLVideoProcessor"


def test_the_curves_are_drawn(sft: Path) -> None:
    assert (sft / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def grpo(world: World, sft: Path) -> Path:
    """A finished run of four steps, with a reward of one's own beside the paper's."""
    output, own = world.folder / "grpo", world.folder / "own"
    own.mkdir()
    (own / "spare_rewards.py").write_text(
        "def spared(completions, **columns):\n    return [1 / (1 + len(said[-1]['content'])) for said in completions]\n"
    )
    rewards = ("--reward", "format=2", "--reward", "spare_rewards:spared=0.5")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(own)
        result = world.train(
            "grpo", output, "--set", "steps=4", "--set", "learning_rate=1e-2", *rewards, model=sft / "final"
        )
    assert result.exit_code == 0, result.output
    return output


def test_grpo_moves_the_weights(sft: Path, grpo: Path) -> None:
    assert differs(weights(sft / "final"), weights(grpo / "final"))


def test_each_reward_is_logged_under_its_name_with_the_share_it_applied_to(grpo: Path) -> None:
    line = read_log(grpo / "log.jsonl")[-1]
    for name in ("format", "accuracy", "process_grounded"):
        assert f"rewards/{name}/mean" in line
    assert line["rewards/format/applied"] == 1.0
    assert 0 <= line["rewards/process_grounded/applied"] < 1
    assert 0 <= line["process_reward_share"] < 1
    assert "kl" in line
    assert "entropy" in line


def test_the_record_and_the_log_tell_each_reward_with_its_weight(grpo: Path) -> None:
    told = json.loads((grpo / "run.json").read_text())["rewards"]
    assert {name: (reward["reward"], reward["weight"]) for name, reward in told.items()} == {
        "format": ("format", 2.0),
        "accuracy": ("accuracy", 1.0),
        "process_grounded": ("process", 1.0),
        "spared": ("spare_rewards:spared", 0.5),
    }
    assert told["accuracy"]["open_answers"] == "finding_f1"
    process = told["process_grounded"]
    assert (process["judge"]["name"], process["judge_failures"]) == ("rules", 0)
    assert process["judged"] > 0
    line = read_log(grpo / "log.jsonl")[-1]
    assert (line["rewards/format/weight"], line["rewards/spared/weight"]) == (2.0, 0.5)
    assert line["reward"] == pytest.approx(
        sum(line[f"rewards/{name}/mean"] * reward["weight"] for name, reward in told.items()), abs=0.6
    )
    assert all("spared" in row for row in read_log(grpo / "samples.jsonl"))


def test_a_run_of_before_rewards_had_names_goes_on(grpo: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    shutil.copytree(grpo, output)
    record = json.loads((output / "run.json").read_text())
    told = record["settings"]
    settings = GRPOSettings.as_recorded(told | {"rewards": {}})
    training = Training(settings, told["model"], tmp_path, output, "tiny", Existing.RESUME)
    weighed = dataclasses.replace(training, settings=GRPOSettings.as_recorded(told | {"rewards": {"process": 2.0}}))
    for name in ("rewards", "loss", "scale", "credit", "resample"):
        del told[name]
    told |= {"reward_weights": [1.0, 1.0, 1.0], "sample_steps": 10}
    (output / "run.json").write_text(json.dumps(record))
    found = prepare_output(training)
    assert found is not None
    assert found.name == "checkpoint-4"
    with pytest.raises(InputError, match="holds a run with rewards"):
        prepare_output(weighed)


def test_the_process_reward_is_for_reasoning_samples_alone(grpo: Path) -> None:
    rows = read_log(grpo / "samples.jsonl")
    modes = {row["mode"] for row in rows}
    assert modes == {"answer_only", "reasoning"}
    assert all((row["process_grounded"] is None) == (row["mode"] == "answer_only") for row in rows)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_resuming_gives_bit_equal_losses(world: World, tmp_path: Path, stage: str, family: str) -> None:
    """transformers issue 43701: without care, Qwen2-VL and Qwen2.5-VL go on from the base weights."""
    # Without a warmup the first step moves the weights: what goes on from the base weights differs.
    how = ("--set", "steps=2", "--set", "save_steps=1", "--set", "warmup=0", "--set", "learning_rate=1e-2")
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert world.train(stage, whole, *how, model=world.model(family)).exit_code == 0
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoint-2")
    shutil.rmtree(resumed / "final")
    again = world.train(stage, resumed, *how, "--existing", "resume", model=world.model(family))
    assert again.exit_code == 0, again.output
    assert losses(resumed) == losses(whole)
    assert not differs(weights(whole / "final"), weights(resumed / "final"))
    assert json.loads((resumed / "run.json").read_text())["resumed_from"][0]["step"] == 1


def test_a_checkpoint_that_a_kill_cut_short_is_no_checkpoint(tmp_path: Path, sft: Path) -> None:
    output = tmp_path / "run"
    shutil.copytree(sft, output)
    (output / "checkpoint-8" / "trainer_state.json").unlink()
    found = last_checkpoint(output)
    assert found is not None
    assert found.name == "checkpoint-6"
    assert not (output / "checkpoint-8").exists()


def test_lora_trains_an_adapter_that_merges_into_an_equal_model(world: World, tmp_path: Path) -> None:
    output = tmp_path / "lora"
    result = world.train("sft", output, *ONE_STEP, "--set", "lora_rank=4")
    assert result.exit_code == 0, result.output
    processor = load_processor(str(output / "final"))
    text = "<|vision_start|><|image_pad|><|vision_end|>effusion"
    given = processor(images=[Image.effect_noise((112, 112), 60).convert("RGB")], text=[text], return_tensors="pt")
    base = load_model(str(world.model()))
    with torch.no_grad():
        before = base.eval()(**given).logits
        adapted = PeftModel.from_pretrained(base, output / "adapter").eval()(**given).logits
        merged = load_model(str(output / "final")).eval()(**given).logits
    assert torch.allclose(adapted, merged, atol=1e-5)
    assert not torch.allclose(before, merged, atol=1e-5)


def test_answer_only_samples_can_be_asked_to_reason(world: World, tmp_path: Path) -> None:
    """The outcome-based variants of the ablation: reasoning is elicited, and not judged."""
    output = tmp_path / "rl-o"
    result = world.train(
        "grpo", output, *ONE_STEP, "--set", "modes=answer_only", "--set", "ask=reasoning", "--process-reward", "none"
    )
    assert result.exit_code == 0, result.output
    rows = read_log(output / "samples.jsonl")
    assert {row["mode"] for row in rows} == {"reasoning"}
    assert all("process_grounded" not in row for row in rows)


@pytest.mark.parametrize("stage", ["sft", "grpo"])
def test_prompts_with_no_image_one_and_two_train_in_one_batch(world: World, tmp_path: Path, stage: str) -> None:
    def blind_some(rows: pl.DataFrame) -> pl.DataFrame:
        lists = [[] if place % 2 else images for place, images in enumerate(rows["images"].to_list())]
        return rows.with_columns(pl.Series("images", lists, dtype=rows["images"].dtype))

    data = remade(getattr(world.exports, stage), tmp_path / "data", blind_some)
    rows = pl.read_parquet(sorted((data / "data").glob("train-*.parquet")))
    assert set(rows["images"].list.len()) == {0, 1, 2}
    result = world.train(stage, tmp_path / "out", "--data", data, *ONE_STEP, "--set", "device_batch=8")
    assert result.exit_code == 0, result.output
    assert differs(weights(world.model()), weights(tmp_path / "out" / "final"))


def test_a_loss_that_is_no_number_stops_the_run_and_names_samples(world: World, tmp_path: Path) -> None:
    result = world.train(
        "sft", tmp_path / "out", "--set", "steps=8", "--set", "learning_rate=1e30", "--set", "warmup=0"
    )
    assert result.exit_code == 1, result.output
    assert "is no number at step" in result.output
    assert "samples " in result.output
    assert "is no number" in json.loads((tmp_path / "out" / "run.json").read_text())["exit"]


def test_a_dry_run_prints_batch_memory_and_the_command_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    result = world.train("sft", tmp_path / "out", "--preset", "paper", "--set", "global_batch=64", "--dry-run")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.replace("│", " ").split())
    assert "64 samples = 4 a device x 2 accumulated x 8 processes" in told
    assert "accelerate launch --config_file" in told
    assert "the preset paper is for 8 GPUs, and this machine has" in told
    assert not (tmp_path / "out").exists()


def test_rollouts_by_vllm_need_vllm(world: World, tmp_path: Path) -> None:
    result = world.train("grpo", tmp_path / "out", "--set", "rollouts=vllm-colocate")
    assert result.exit_code == 2
    assert "needs vLLM, which is not installed" in result.output


def test_a_preset_for_more_gpus_than_there_are_does_not_start(world: World, tmp_path: Path) -> None:
    result = world.train("sft", tmp_path / "out", "--preset", "paper", "--set", "global_batch=64")
    assert result.exit_code == 2
    assert "the preset paper is for 8 GPUs" in result.output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["--data", "nowhere"], 1, "there is no nowhere"),
        (["--data", "{grpo}"], 1, "is an export for grpo"),
        (["--data", "{benchmark}"], 1, "is a benchmark"),
        (["--model", "{grpo}"], 1, "has no config.json"),
        (["--preset", "huge"], 2, "there is no preset 'huge'"),
        (["--set", "learning_rate=fast"], 2, "learning_rate is 'fast'"),
        (["--set", "colour=blue"], 2, "'colour' is no setting"),
        (["--set", "global_batch=7"], 2, "a step of 7 cannot be made of 1 processes with 4 each"),
        (["--set", "global_batch=4000", "--set", "device_batch=4"], 1, "one step takes 4,000"),
        (["--set", "modes=dreaming"], 1, "has no dreaming samples"),
        (["--existing", "maybe"], 2, "--existing"),
    ],
)
def test_bad_input_is_one_sentence(
    world: World, tmp_path: Path, arguments: list[str], exit_code: int, says: str
) -> None:
    places = {"grpo": str(world.exports.grpo), "benchmark": str(world.exports.benchmark)}
    result = world.train("sft", tmp_path / "out", *(argument.format(**places) for argument in arguments))
    assert result.exit_code == exit_code, result.output
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_model_that_sees_nothing_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "config.json").write_text('{"model_type": "llama"}')
    result = world.train("sft", tmp_path / "out", model=tmp_path / "blind")
    assert result.exit_code == 1
    assert "is a llama model; expected a vision-language model" in result.output


def test_an_output_in_use_is_left_alone_unless_told(world: World, tmp_path: Path, sft: Path) -> None:
    output = tmp_path / "run"
    shutil.copytree(sft, output)
    stopped = world.train("sft", output, "--set", "steps=8", "--set", "learning_rate=3e-3")
    assert stopped.exit_code == 1
    assert "holds a run (done, 8 steps)" in stopped.output
    other = world.train("sft", output, "--set", "steps=8", "--set", "learning_rate=1e-3", "--existing", "resume")
    assert other.exit_code == 1
    assert "holds a run with learning_rate 0.003, and this one has 0.001" in other.output
    data = shutil.copytree(world.exports.sft, tmp_path / "data")
    note = json.loads((data / "export.json").read_text())
    (data / "export.json").write_text(json.dumps(note | {"fingerprint": "another"}))
    as_before = ("--set", "steps=8", "--set", "learning_rate=3e-3", "--existing", "resume")
    others = world.train("sft", output, *as_before, "--data", data)
    assert others.exit_code == 1
    assert f"holds a run with data '{note['fingerprint']}', and this one has 'another'" in others.output
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter1.txt").write_text("mine")
    refused = world.train("sft", foreign, "--existing", "replace")
    assert refused.exit_code == 1
    assert "is no run of cxr; it is left alone" in refused.output
    assert (foreign / "chapter1.txt").read_text() == "mine"


def test_samples_with_unusable_images_are_left_out_and_named(world: World, tmp_path: Path) -> None:
    broken = tmp_path / "cut.png"
    whole = next((world.folder / "corpus").rglob("*.png")).read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])

    def spoil(rows: pl.DataFrame) -> pl.DataFrame:
        lists = rows["images"].to_list()
        lists[0] = [{"bytes": None, "path": str(tmp_path / "gone.png")}]
        lists[1] = [{"bytes": None, "path": str(broken)}]
        return rows.with_columns(pl.Series("images", lists, dtype=rows["images"].dtype))

    data = remade(world.exports.sft, tmp_path / "spoilt", spoil)
    too_many = world.train("sft", tmp_path / "no", "--data", data, *ONE_STEP)
    assert too_many.exit_code == 1
    assert "have images that cannot be used (1 image_absent, 1 image_truncated" in too_many.output
    result = world.train("sft", tmp_path / "out", "--data", data, *ONE_STEP, "--set", "max_rejects=0.1")
    assert result.exit_code == 4, result.output
    rejects = [json.loads(line) for line in (tmp_path / "out" / "rejects.jsonl").read_text().splitlines()]
    assert sorted(reject["reason"] for reject in rejects) == ["image_absent", "image_truncated"]


def test_odd_and_blank_images_are_left_out_and_deep_and_dicom_ones_trained_on(world: World, tmp_path: Path) -> None:
    ramp = np.linspace(0, 40_000, 56 * 56, dtype=np.uint16).reshape(56, 56)
    Image.new("L", (2, 500), 9).save(tmp_path / "odd.png")
    Image.new("L", (56, 56), 9).save(tmp_path / "blank.png")
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    (tmp_path / "image.dcm").write_bytes(dicom_of(ramp))

    def spoil(rows: pl.DataFrame) -> pl.DataFrame:
        lists = rows["images"].to_list()
        for place, name in enumerate(("odd.png", "blank.png", "deep.png", "image.dcm")):
            lists[place] = [{"bytes": None, "path": str(tmp_path / name)}]
        return rows.with_columns(pl.Series("images", lists, dtype=rows["images"].dtype))

    for stage, export in (("sft", world.exports.sft), ("grpo", world.exports.grpo)):
        data = remade(export, tmp_path / stage / "data", spoil)
        planned = world.train(stage, tmp_path / "dry", "--data", data, *ONE_STEP, "--dry-run")
        assert "2 samples: 1 image_constant, 1 image_shape" in planned.output
        output = tmp_path / stage / "out"
        result = world.train(stage, output, "--data", data, *ONE_STEP, "--set", "max_rejects=0.1")
        assert result.exit_code == 4, result.output
        rejects = [json.loads(line) for line in (output / "rejects.jsonl").read_text().splitlines()]
        assert {Path(reject["path"]).name: reject["reason"] for reject in rejects} == {
            "odd.png": "image_shape",
            "blank.png": "image_constant",
        }


def test_a_store_is_compiled_and_exported_on_the_way(world: World, tmp_path: Path) -> None:
    store = tmp_path / "cxr.duckdb"
    shutil.copy(world.exports.store, store)
    result = world.train("sft", tmp_path / "out", "--data", store, "--db", store, *ONE_STEP)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "data" / "sft" / "export.json").is_file()
