"""In what form a model is trained, what its record says of it, and what is left where a run cannot begin."""

import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

import huggingface_hub  # noqa: E402
from accelerate import PartialState  # noqa: E402

from cxr.miner.images.pictures import open_picture  # noqa: E402
from cxr.miner.kit.errors import InputError  # noqa: E402
from cxr.prompts.instructions import RELEASED, read_instructions  # noqa: E402
from cxr.trainer.models.families import load_model, load_processor  # noqa: E402
from cxr.trainer.predict.fit import fit_of  # noqa: E402
from cxr.trainer.predict.local import LocalModel  # noqa: E402
from cxr.trainer.predict.samples import SampleSource, read_samples, requests_of  # noqa: E402
from cxr.trainer.predict.settings import PredictSettings  # noqa: E402
from cxr.trainer.train import checks  # noqa: E402
from cxr.trainer.train import run as training_run  # noqa: E402
from cxr.trainer.train.data import load_rows, read_export  # noqa: E402
from cxr.trainer.train.run_record import start_facts  # noqa: E402
from cxr.trainer.train.settings import SFTSettings, preset_hash  # noqa: E402
from cxr.trainer.train.sft import sft_config  # noqa: E402
from cxr.trainer.train.trl_settings import lora  # noqa: E402
from tests.training_world import ONE_STEP, World, make_world, run  # noqa: E402


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def released(world: World) -> Path:
    """A run that was trained in another form than the paper's: on an export by those words, on square images."""
    benchmark, data = world.exports.benchmark, world.folder / "released"
    words = ("--instructions", "released", "--db", world.exports.store)
    assert run("export", "sft", benchmark, "-o", data, *words).exit_code == 0
    told = ("--data", data, "--set", "instructions=released", "--set", "image_side=84", "--set", "max_pixels=7056")
    result = world.train("sft", world.folder / "theirs", *ONE_STEP, *told, "--set", "min_pixels=3136")
    assert result.exit_code == 0, result.output
    return world.folder / "theirs"


# --- the form -----------------------------------------------------------------------------------------------------


def test_the_record_says_by_which_words_preset_and_weights_a_run_was_trained(world: World, released: Path) -> None:
    record = json.loads((released / "run.json").read_text())
    assert record["data"]["instructions"] == RELEASED.facts()
    assert record["settings"]["image_side"] == 84
    assert record["preset"] == {"name": "tiny", "sha256": preset_hash("tiny")}
    weights = world.model() / "model.safetensors"
    assert record["model"]["weights_sha256"] == {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()}


def test_a_preset_that_names_other_words_than_the_exports_is_refused_and_leaves_nothing(
    world: World, tmp_path: Path
) -> None:
    result = world.train("sft", tmp_path / "out", *ONE_STEP, "--set", "instructions=released")
    assert result.exit_code == 1
    assert "asks by the instructions 'paper', and the settings name 'released'" in result.output
    assert "export again with --instructions released" in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def predicted(world: World, released: Path, output: Path, *more: str) -> Any:
    words = ("predict", world.exports.benchmark, "--model", released / "final", "-o", output, "--limit", "2")
    corpus = ("--image-root", str(world.folder / "corpus"), "--max-new-tokens", "4", "--name", output.stem)
    return run(*words, *corpus, "--db", output.parent / "cxr.duckdb", *more)


def asked(world: World, released: Path, output: Path, *more: str) -> tuple[dict[str, Any], str]:
    """Ask the trained model; give the header of its predictions, and what was said."""
    result = predicted(world, released, output, *more)
    assert result.exit_code == 0, result.output
    return json.loads(output.with_suffix(".run.json").read_text()), result.output


def test_a_model_is_asked_as_it_was_trained_and_anything_else_is_warned_of(
    world: World, released: Path, tmp_path: Path
) -> None:
    header, said = asked(world, released, tmp_path / "own.jsonl")
    assert header["instructions"] == RELEASED.facts()
    assert header["identity"]["instructions"] == RELEASED.label
    assert header["identity"]["image_side"] == 84
    assert "was trained on" not in said
    header, said = asked(world, released, tmp_path / "same.jsonl", "--instructions", "released")
    assert "was trained on" not in said
    header, said = asked(world, released, tmp_path / "paper.jsonl", "--instructions", "paper", "--image-side", "56")
    assert header["instructions"]["name"] == "paper"
    assert "instructions" not in header["identity"]
    assert said.count("was trained on the instructions 'released', and is asked by 'paper'") == 1
    assert said.count("was trained on images of 84 x 84 pixels, and is shown some of 56") == 1
    (tmp_path / "mine.toml").write_text('reasoning = "{question} Think."\nanswer_only = "{question} Say."\n')
    header, said = asked(world, released, tmp_path / "mine.jsonl", "--instructions", str(tmp_path / "mine.toml"))
    assert header["instructions"] == read_instructions(str(tmp_path / "mine.toml")).facts()


def test_a_model_reads_the_same_conversation_as_in_training(world: World, released: Path) -> None:
    settings = PredictSettings(image_side=84)
    model = LocalModel(str(released / "final"), settings)
    shown = read_samples(SampleSource.open(world.folder / "released"), settings)
    asked = {request.sample.sample_id: model._template(request) for request in requests_of(shown, settings, RELEASED)}
    (file,) = (world.folder / "released" / "data").glob("test-*.parquet")
    for row in pl.read_parquet(file).to_dicts():
        ((turn,), images) = row["prompt"], [{"type": "image"}] * len(row["images"])
        turns = [{**turn, "content": [*images, {"type": "text", "text": turn["content"]}]}]
        read = model._processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        assert asked.pop(row["sample_id"]) == read
        assert "You are a helpful assistant." in read  # the template's own
    assert not asked


def test_a_file_of_predictions_takes_no_other_form(world: World, released: Path, tmp_path: Path) -> None:
    asked(world, released, tmp_path / "own.jsonl")
    other = predicted(world, released, tmp_path / "own.jsonl", "--instructions", "paper")
    assert other.exit_code == 1
    assert "its instructions is released" in other.output.replace("\n", " ")


def test_a_square_is_a_square_whatever_the_file(world: World, tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    processor = load_processor(str(world.model()), min_pixels=3136, max_pixels=448 * 448)
    for size in ((600, 900), (100, 30), (448, 448), (500, 20)):
        Image.effect_noise(size, 60).save(tmp_path / "x.png")
        shown = open_picture(str(tmp_path / "x.png"), fit_of(processor, 448))
        assert shown.size == (448, 448)
        # The processor leaves what it is given as it is.
        assert processor.image_processor(images=[shown], return_tensors="pt")["image_grid_thw"].tolist() == [
            [1, 32, 32]
        ]


def test_a_run_goes_on_with_the_words_and_weights_it_began_with(world: World, released: Path, tmp_path: Path) -> None:
    output = shutil.copytree(released, tmp_path / "run")
    told = ("--set", "image_side=84", "--set", "max_pixels=7056", "--set", "min_pixels=3136", "--existing", "resume")
    record = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps(record | {"settings": {**record["settings"], "instructions": None}}))
    other = world.train("sft", output, *ONE_STEP, *told)
    assert other.exit_code == 1
    assert f"holds a run with instructions '{RELEASED.label}'" in other.output.replace("\n", " ")
    record["model"]["weights_sha256"] = {"model.safetensors": "0" * 64}
    (output / "run.json").write_text(json.dumps(record))
    again = ("--data", world.folder / "released", "--set", "instructions=released")
    moved = world.train("sft", output, *ONE_STEP, *told, *again)
    assert moved.exit_code == 1
    assert "holds a run with start weights" in moved.output


# --- what is left of a run that cannot begin ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "says"), [("misspelt", "there is no folder"), ("no weights", "the weights of"), ("no text", "cannot be")]
)
def test_a_mistyped_model_leaves_no_folder_and_no_earlier_run_is_lost(
    world: World, tmp_path: Path, kind: str, says: str
) -> None:
    model = tmp_path / "model"
    if kind != "misspelt":
        gone = "model.safetensors" if kind == "no weights" else "tokenizer.json"
        shutil.copytree(world.model(), model, ignore=shutil.ignore_patterns(gone))
    for output, more in ((tmp_path / "new", ()), (tmp_path / "old", ("--existing", "replace"))):
        if more:
            output.mkdir()
            (output / "run.json").write_text('{"exit": "done"}')
        result = world.train("sft", output, *ONE_STEP, *more, model=model)
        assert (result.exit_code, says in result.output) == (1, True), result.output
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old" / "run.json").read_text() == '{"exit": "done"}'


def test_data_that_cannot_be_used_leaves_no_folder_either(world: World, tmp_path: Path) -> None:
    assert world.train("sft", tmp_path / "out", *ONE_STEP, "--data", world.exports.grpo).exit_code == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()  # made by somebody else
    assert world.train("sft", tmp_path / "out", *ONE_STEP, "--data", world.exports.grpo).exit_code == 1
    assert (tmp_path / "out").is_dir()


def test_processes_that_fail_before_there_is_a_record_leave_no_folder(world: World, tmp_path: Path) -> None:
    with patch("cxr.trainer.train.launch.launch", return_value=1):
        result = world.train("sft", tmp_path / "out", *ONE_STEP, "--nproc", "2")
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


# --- many processes -----------------------------------------------------------------------------------------------


def test_a_dry_run_says_that_vllm_is_lacking_and_a_run_stops_at_it(world: World, tmp_path: Path) -> None:
    asked = ("--set", "rollouts=vllm-colocate")
    dry = world.train("grpo", tmp_path / "out", *asked, "--dry-run")
    assert (dry.exit_code, "needs vLLM, which is not installed" in dry.output) == (0, True)
    stopped = world.train("grpo", tmp_path / "out", *asked)
    assert (stopped.exit_code, "needs vLLM, which is not installed" in stopped.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_processes_wait_for_the_first_ones_checks_as_long_as_they_are_told(world: World, tmp_path: Path) -> None:
    state = PartialState
    with patch.object(training_run, "PartialState", side_effect=lambda **given: state(cpu=given["cpu"])) as made:
        assert world.train("sft", tmp_path / "out", *ONE_STEP, "--set", "timeout_hours=9").exit_code == 0
    assert made.call_args.kwargs["timeout"] == timedelta(hours=9)
    config = sft_config(SFTSettings(timeout_hours=9), tmp_path / "out", 1, 1)
    assert config.ddp_timeout_delta == timedelta(hours=9)


# --- LoRA ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")  # PEFT asks transformers by an old name
@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_lora_touches_the_language_model_alone(world: World, family: str) -> None:
    from peft import get_peft_model  # noqa: PLC0415

    model: Any = load_model(str(world.model(family)))
    layers = len(model.model.language_model.layers)
    adapted = get_peft_model(model, lora(SFTSettings(lora_rank=2)))  # type: ignore[arg-type]
    touched = {name.partition(".lora_A")[0] for name, _ in adapted.named_parameters() if ".lora_A" in name}
    assert len(touched) == 7 * layers  # of attention four, of the MLP three
    assert all(".language_model." in name for name in touched)
    trained = {name for name, value in adapted.named_parameters() if value.requires_grad}
    assert not [name for name in trained if "visual" in name]


# --- a million rows -----------------------------------------------------------------------------------------------


def test_of_many_rows_some_are_looked_at_evenly_and_every_patient(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = load_rows(read_export(world.exports.sft, "sft"), SFTSettings(), world.folder / "cache").rows
    monkeypatch.setattr(checks, "MOST_ROWS", 20)
    looked = checks.spread(rows)
    step = -(-len(rows) // 20)
    assert looked["sample_id"] == rows["sample_id"][::step]
    assert 10 < len(looked) <= 20
    processor = load_processor(str(world.model()), min_pixels=3136, max_pixels=9216)
    found = {line.name: line.looked_at for line in checks.run_checks(rows, processor, max_length=4096)}
    assert (found["lengths"], found["answers"]) == (len(looked), len(looked))
    unseen = next(row for row in rows.remove_columns("images") if row["sample_id"] not in set(looked["sample_id"]))
    with pytest.raises(InputError, match=rf"of patients that are also in validation or test: .*{unseen['sample_id']}"):
        checks.run_checks(rows, processor, max_length=4096, held_out=[unseen["patient_id"]])
    assert checks.spread(looked) is looked


def test_processes_after_the_first_take_its_word_for_what_is_left_out(world: World) -> None:
    export = read_export(world.exports.sft, "sft")
    bad = {"sample_id": load_rows(export, SFTSettings(), world.folder / "cache").rows["sample_id"][0], "path": "x"}
    with patch("cxr.trainer.train.data.image_rejects", side_effect=AssertionError("looked again")):
        told = load_rows(export, SFTSettings(), world.folder / "cache", rejects=[bad])
    assert told.rejects == [bad]
    assert bad["sample_id"] not in told.rows["sample_id"]


# --- what a hub's model was ---------------------------------------------------------------------------------------


def test_a_hubs_model_is_recorded_by_its_commit_and_its_files_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, named, small = "c" * 40, "a" * 64, b"weights"
    repository = tmp_path / "models--owner--name"
    snapshot, blobs = repository / "snapshots" / commit, repository / "blobs"
    for folder in (snapshot, blobs, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text("{}")
    (blobs / named).write_bytes(b"is not read: the hub's client has named it by its hash")
    (snapshot / "model-1.safetensors").symlink_to(blobs / named)
    (snapshot / "model-2.safetensors").write_bytes(small)  # as it lies where there are no links
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    facts = start_facts("owner/name")
    assert (facts["name"], facts["commit"]) == ("owner/name", commit)
    assert facts["config_sha256"] == hashlib.sha256(b"{}").hexdigest()
    hashes = {"model-1.safetensors": named, "model-2.safetensors": hashlib.sha256(small).hexdigest()}
    assert facts["weights_sha256"] == hashes
    assert start_facts("owner/other") == {"name": "owner/other", "config_sha256": None, "weights_sha256": {}}
