"""What a training takes is known before it starts: batch, steps, command, memory, and what to lower."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from accelerate.commands import launch as accelerate_launch  # noqa: E402
from accelerate.commands.config.config_args import load_config_from_file  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from peft import get_peft_model  # noqa: E402

from cxr.miner.kit.errors import CxrError, InputError, SettingsError  # noqa: E402
from cxr.trainer.models.families import FAMILIES, load_model  # noqa: E402
from cxr.trainer.models.tiny import TinySize, build_tiny  # noqa: E402
from cxr.trainer.train.launch import CONFIGURATIONS, LaunchPlan, Nodes, accumulation, parse_nodes, plan  # noqa: E402
from cxr.trainer.train.memory import (  # noqa: E402
    GB,
    ModelShape,
    activations,
    estimate,
    kv_bytes,
    lower_memory,
    memory_of,
    shape_of,
    shape_of_config,
    weights_precision,
)
from cxr.trainer.train.settings import GRPOSettings, SFTSettings  # noqa: E402
from cxr.trainer.train.trl_settings import lora  # noqa: E402
from tests.conftest import ROOT  # noqa: E402

H200 = 141_000_000_000
A100 = 80_000_000_000
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SMALL = TinySize(hidden=64, layers=2, heads=4, vision_hidden=32, vision_layers=2, vision_heads=2, vocabulary=600)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tiny model of each family."""
    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        build_tiny(folder / family, family, size=SMALL)
    return {family: str(folder / family) for family in FAMILIES}


@functools.cache
def script() -> ModuleType:
    """Load benchmarks/train_gpu.py."""
    spec = importlib.util.spec_from_file_location("train_gpu", ROOT / "benchmarks" / "train_gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_gpu"] = module
    spec.loader.exec_module(module)
    return module


@functools.cache
def shape_2b() -> ModelShape:
    return shape_of_config(script().configuration("2b", lambda _: 5))


@pytest.fixture
def benchmark_script() -> ModuleType:
    return script()


def planned(*, rows: int = 1000, **changed: Any) -> LaunchPlan:
    """Plan a stage (GRPO where there is a group), what is not of its settings as it is."""
    usual: dict[str, Any] = {"global_batch": 64, "device_batch": 8, "gpus": 1}
    told = usual | {name: value for name, value in changed.items() if name in GRPOSettings.model_fields}
    made = GRPOSettings(**told) if "group" in told else SFTSettings(**told)
    return plan(made, rows, **{name: value for name, value in changed.items() if name not in told})


@pytest.mark.parametrize(
    ("changed", "accumulated", "steps", "per_epoch"),
    [
        ({}, 8, 15, 16),
        ({"gpus": 4, "gpus_here": [A100] * 4}, 2, 15, 16),
        ({"steps": 32}, 8, 32, 16),
        ({"group": 8}, 64, 15, 15),
        ({"rows": 512 * 10, "global_batch": 512, "gpus": 8, "gpus_here": [A100] * 8, "steps": 3500}, 8, 3500, 10),
    ],
)
def test_the_global_batch_is_made_of_devices_accumulation_and_processes(
    changed: dict[str, Any], accumulated: int, steps: int, per_epoch: int
) -> None:
    made = planned(**changed)
    assert (made.accumulation, made.steps, made.steps_per_epoch) == (accumulated, steps, per_epoch)
    assert made.settings.device_batch * made.accumulation * made.settings.gpus == made.settings.completions


@given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 16))
def test_what_the_refusal_of_a_batch_proposes_is_accepted(completions: int, device_batch: int, processes: int) -> None:
    asked = SFTSettings(global_batch=completions, device_batch=device_batch)
    try:
        assert accumulation(asked, processes) * device_batch * processes == completions
    except SettingsError as error:
        if "one of" in str(error):
            for proposed in str(error).rpartition("one of ")[2].split(", "):
                fitting = SFTSettings(global_batch=completions, device_batch=int(proposed))
                assert accumulation(fitting, processes) > 0
        else:
            assert completions % processes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": 10}, "10 samples do not fill one batch of 64; lower --set global_batch="),
        ({"device_batch": 7}, "device_batch= one of 1, 2, 4, 8"),
        ({"gpus": 3, "gpus_here": [A100] * 3}, "cannot be divided among 3 processes"),
        ({"gpus": 8, "preset": "paper"}, "the preset paper is for 8 GPUs, and this machine has no GPU; give --nproc 1"),
        ({"gpus": 8, "preset": "paper", "gpus_here": [A100] * 2}, "this machine has 2 GPUs; give --nproc 2"),
        ({"gpus": 4, "asked": True, "gpus_here": [A100]}, "--nproc asks for 4 GPUs, and this machine has 1 GPU"),
        ({"gpus": 2, "asked": True, "parallel": "fsdp"}, "--nproc asks for 2 GPUs, and this machine has no GPU"),
        ({"gpus": 6, "nodes": Nodes(4, 0, "a")}, "6 GPUs cannot be divided among 4 machines"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_starts(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        planned(**changed)
    assert said in str(refused.value)


def test_a_dry_run_is_for_other_machines_too() -> None:
    made = planned(gpus=8, preset="paper", parallel="fsdp", dry=True)
    assert made.command is not None
    assert "for 8 GPUs" in made.lacking[0]


@pytest.mark.skipif(importlib.util.find_spec("deepspeed") is not None, reason="DeepSpeed is installed")
def test_zero2_needs_deepspeed() -> None:
    with pytest.raises(SettingsError, match=r"needs DeepSpeed, which is not installed; pip install deepspeed, or"):
        planned(gpus=8, gpus_here=[A100] * 8, parallel="zero2")


@pytest.mark.parametrize(
    ("count", "rank", "master", "expected"),
    [
        (1, 0, None, Nodes()),
        (2, 1, "node-a:1234", Nodes(2, 1, "node-a", 1234)),
        (2, 0, "10.0.0.1", Nodes(2, 0, "10.0.0.1", 29500)),
        (2, 0, None, "needs --master HOST:PORT"),
        (2, 2, "a:1", "the ranks of 2 are 0 to 1"),
        (2, 0, "a:port", "expected HOST or HOST:PORT"),
        (2, 0, ":99999", "expected HOST or HOST:PORT"),
    ],
)
def test_machines_that_train_together(count: int, rank: int, master: str | None, expected: Nodes | str) -> None:
    if isinstance(expected, Nodes):
        assert parse_nodes(count, rank, master) == expected
    else:
        with pytest.raises(SettingsError, match=expected):
            parse_nodes(count, rank, master)


@pytest.mark.parametrize(
    ("way", "kind", "flag"),
    [("ddp", "MULTI_GPU", "multi_gpu"), ("zero2", "DEEPSPEED", "use_deepspeed"), ("fsdp", "FSDP", "use_fsdp")],
)
def test_accelerate_reads_each_way_as_it_is_meant(way: Any, kind: str, flag: str) -> None:
    assert load_config_from_file(str(CONFIGURATIONS / f"{way}.yaml")).distributed_type == kind
    made = planned(
        gpus=16,
        gpus_here=[A100] * 8,
        parallel=way,
        device_batch=4,
        nodes=Nodes(2, 1, "node-a", 1234),
        dry=True,
        arguments=["train", "sft", "--set", "a=1"],
    )
    words = list(made.command or ())
    assert (Path(words[0]).name, words[1]) == ("accelerate", "launch")
    parsed = accelerate_launch.launch_command_parser().parse_args(words[2:])
    parsed, _, _ = accelerate_launch._validate_launch_command(parsed)
    assert getattr(parsed, flag)
    assert (parsed.num_processes, parsed.num_machines, parsed.machine_rank) == (16, 2, 1)
    assert (parsed.main_process_ip, parsed.main_process_port, parsed.mixed_precision) == ("node-a", 1234, "bf16")
    assert Path(parsed.training_script).name == "cxr"
    assert parsed.training_script_args == ["train", "sft", "--set", "a=1"]
    if way == "zero2":
        assert str(parsed.zero_stage) == "2"
    if way == "fsdp":
        assert str(parsed.fsdp_version) == "2"
        assert parsed.fsdp_state_dict_type == "FULL_STATE_DICT"


# Memory.


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")  # PEFT asks transformers by an old name
@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_counted_and_not_estimated(models: dict[str, str], family: str) -> None:
    shape, model = shape_of(models[family]), load_model(models[family])
    assert shape.parameters == shape.trainable == sum(value.numel() for value in model.parameters())
    assert shape.vision_parameters == sum(value.numel() for value in model.model.visual.parameters())
    assert 0 < shape.largest_block <= shape.in_blocks < shape.parameters
    adapted = get_peft_model(model, lora(SFTSettings(lora_rank=4, lora_targets=TARGETS)))  # type: ignore[arg-type]
    counted = shape_of(models[family], lora_rank=4, lora_targets=TARGETS).trainable
    assert counted == adapted.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(("size", "published"), [("2b", 2_208_985_600), ("7b", 8_291_375_616)])
def test_the_released_shapes_have_their_published_parameters(
    benchmark_script: ModuleType, size: str, published: int
) -> None:
    shape = shape_of_config(benchmark_script.configuration(size, lambda _: 5))
    assert shape.parameters == published
    assert shape.image_tokens(448, 448) == 256
    assert shape.patches(448, 448) == 1024


def test_optimizer_states_and_gradients_take_what_is_estimated(models: dict[str, str]) -> None:
    model = load_model(models["qwen2_vl"])
    optimizer = torch.optim.AdamW(model.parameters())
    sum(value.sum() for value in model.parameters()).backward()
    optimizer.step()
    states = [value for state in optimizer.state.values() for value in state.values() if value.dim() > 0]
    shape = shape_of(models["qwen2_vl"])
    memory = estimate(shape, device_batch=1, tokens=10, patches=16, precision="fp32")
    assert memory.optimizer == sum(value.nbytes for value in states)
    assert memory.gradients == sum(value.grad.nbytes for value in model.parameters())
    assert memory.weights == sum(value.nbytes for value in model.parameters())


def kept_for_backward(model: Any, config: Any, tokens: int, side: int) -> tuple[int, int]:
    """Give the bytes that a forward pass keeps, weights apart, and the length of its sequence."""
    image = [config.vision_start_token_id, *[config.image_token_id] * (side * side // 4), config.vision_end_token_id]
    ids = torch.tensor([[*image, *[10] * tokens]])
    weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(value: Any) -> Any:
        if value.untyped_storage().data_ptr() not in weights:
            kept[value.untyped_storage().data_ptr()] = value
        return value

    dtype = next(model.parameters()).dtype
    pixels = torch.randn(side * side, 3 * 2 * config.vision_config.patch_size**2, dtype=dtype)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        model.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=pixels,
            image_grid_thw=torch.tensor([[1, side, side]]),
            mm_token_type_ids=(ids == config.image_token_id).int(),
            use_cache=False,
        )
    return sum(value.untyped_storage().nbytes() for value in kept.values()), ids.shape[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_activations_are_estimated_within_a_tenth_of_what_torch_keeps(
    models: dict[str, str], family: str, precision: Any
) -> None:
    model = load_model(models[family], precision=precision)
    measured, tokens = kept_for_backward(model, model.config, tokens=300, side=16)
    estimated = activations(shape_of(models[family]), tokens, 256, precision, precision, checkpointing=False)
    assert estimated == pytest.approx(measured, rel=0.12)


def test_the_papers_setting_fits_eight_gpus_of_80_gb_and_not_one(benchmark_script: ModuleType) -> None:
    shape = shape_of_config(benchmark_script.configuration("7b", lambda _: 5))
    sample: dict[str, Any] = {"device_batch": 8, "tokens": 2 * 256 + 512, "patches": 2 * 1024, "precision": "bf16"}
    assert estimate(shape, parallel="zero2", processes=8, **sample).total < A100
    grpo = {**sample, "tokens": 2 * 256 + 512 + 1024}
    assert estimate(shape, parallel="fsdp", processes=8, rollout_batch=64, reference=True, **grpo).total < A100
    assert estimate(shape, **sample).total > H200
    assert kv_bytes(shape) == 2 * 28 * 4 * 128 * 2


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 16), st.integers(64, 4096), st.integers(2, 64), st.sampled_from(["zero2", "fsdp"]))
def test_more_of_anything_never_takes_less(batch: int, tokens: int, processes: int, way: Any) -> None:
    shape = shape_2b()
    told: dict[str, Any] = {"tokens": tokens, "patches": 256, "precision": "bf16", "parallel": way}
    here = estimate(shape, device_batch=batch, processes=processes, **told).total
    assert estimate(shape, device_batch=batch + 1, processes=processes, **told).total >= here
    assert estimate(shape, device_batch=batch, processes=2 * processes, **told).total <= here
    assert estimate(shape, device_batch=batch, processes=processes, checkpointing=False, **told).total >= here


def test_weights_that_an_optimizer_updates_stay_in_fp32_somewhere() -> None:
    # At a rate of 2e-6, bf16 weights would not move at all.
    weight = torch.tensor([0.02], dtype=torch.bfloat16)
    assert torch.equal(weight - 2e-6, weight)
    assert weights_precision("bf16", parallel="none", processes=1, lora_rank=0) == "fp32"
    assert weights_precision("bf16", parallel="ddp", processes=8, lora_rank=0) == "fp32"
    assert weights_precision("bf16", parallel="zero2", processes=8, lora_rank=0) == "bf16"
    assert weights_precision("bf16", parallel="zero2", processes=1, lora_rank=0) == "fp32"
    assert weights_precision("bf16", parallel="none", processes=1, lora_rank=8) == "bf16"
    assert weights_precision("fp32", parallel="fsdp", processes=8, lora_rank=8) == "fp32"


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "the GPU's memory is full"),
        (MemoryError(), "the machine's memory is full"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "the machine's memory is full"),
    ],
)
def test_out_of_memory_says_what_to_lower(error: Exception, where: str) -> None:
    with pytest.raises(CxrError) as said, lower_memory(GRPOSettings(device_batch=8, gradient_checkpointing=False)):
        raise error
    sentence = str(said.value)
    assert sentence.startswith(where)
    tries = ("rollout_batch=8", "device_batch=4", "gradient_checkpointing=true", "max_pixels=", "lora", "fsdp")
    places = [sentence.index(word) for word in tries]
    assert places == sorted(places)


def test_other_errors_are_left_alone_and_nothing_is_proposed_that_is_done() -> None:
    lean = SFTSettings(device_batch=1, lora_rank=8)
    with pytest.raises(RuntimeError, match="shapes do not match"), lower_memory(lean):
        raise RuntimeError("shapes do not match")
    with pytest.raises(CxrError) as said, lower_memory(lean):
        raise MemoryError
    assert "device_batch" not in str(said.value)
    assert "lora" not in str(said.value)


def test_a_plan_from_settings_estimates_what_a_step_can_take(models: dict[str, str]) -> None:
    told = GRPOSettings(global_batch=8, group=4, device_batch=4, gpus=1, max_completion_length=64, steps=5)
    memory = memory_of(told, models["qwen2_vl"])
    made = plan(told, 100, gpus_here=[A100], memory=memory)
    assert (made.accumulation, made.fits) == (8, True)
    assert memory.rollout > 0
    assert memory.reference > 0
    table = dict(made.described())
    assert table["global batch"] == "8 prompts x 4 completions = 4 a device x 8 accumulated x 1 processes / 4"
    assert made.command_line == "runs in this process"
    assert f"of {A100 / GB:.0f} GB" in table["memory a GPU, estimated"]
    small = dict(plan(told, 100, gpus_here=[10**9], memory=memory).described())
    assert small["which is too much"].startswith("try, in this order: ")
    assert "which is too much" not in table
    with pytest.raises(InputError):
        memory_of(told, str(CONFIGURATIONS))


# The benchmark.


def test_the_gpu_benchmark_runs_at_toy_size_on_a_cpu(
    benchmark_script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--steps=1", "--warmup=1", "--device-batch=2", "--accumulation=1", "--reasoning-tokens=20"]
    monkeypatch.setattr(sys, "argv", ["train_gpu.py", "--shape", "tiny", "--device", "cpu", *few])
    benchmark_script.main()
    table = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    rows = {row[1].strip(): [cell.strip() for cell in row[2:]] for row in table[1:]}
    assert set(rows) == {"ours", "trl"}
    assert all(float(row[0]) > 0 and float(row[3]) > 0 for row in rows.values())
    padding = {row[2] for row in rows.values()}
    assert len(padding) == 1


def test_flops_follow_the_formula(benchmark_script: ModuleType) -> None:
    shape = shape_of_config(benchmark_script.configuration("2b", lambda _: 5))
    nothing = dict.fromkeys(("tokens", "padded", "labels", "squares", "patches", "patch_squares", "samples"), 0.0)
    # A text of 1,000 tokens, all of them labels: 6 N a token and attention of 28 layers, 1,536 wide.
    text = {**nothing, "tokens": 1000.0, "labels": 1000.0, "squares": 1e6}
    expected = 6 * shape.language_parameters * 1000 + 6 * 28 * 1536 * 1e6
    assert benchmark_script.model_flops(shape, text, lora=False) == pytest.approx(expected)
    assert benchmark_script.model_flops(shape, text, lora=True) < expected
    image = {**nothing, "patches": 1024.0, "patch_squares": 1024.0**2}
    merger = 5120 * 5120 + 5120 * 1536
    seen = 6 * (shape.vision_parameters - merger) * 1024 + 6 * merger * 256 + 12 * 32 * 1280 * 1024**2
    assert benchmark_script.model_flops(shape, image, lora=False) == pytest.approx(seen)
