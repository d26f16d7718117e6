"""How fast a GPU trains: SFT of Qwen2-VL shapes with random weights, ours against plain TRL with the same settings.

    python benchmarks/train_gpu.py --shape 2b                       # on a GPU; a Markdown table on stdout
    python benchmarks/train_gpu.py --shape 7b --device-batch 16 --lora 0 --profile profile/
    python benchmarks/train_gpu.py --shape tiny --device cpu        # does it run at all: under a minute, no GPU

Shapes are those of the released configurations; weights are random, because speed does not depend on them. Images are
noise of --pixels x --pixels, texts have the paper's two formats: answer-only and reasoning samples in the shares of its
training set (1.2 million to 59 thousand), or as --reasoning says.

Model FLOPs, of which MFU is the share of the GPU's dense bf16 peak, count what the model's definition takes, once
forward and twice backward, for tokens that are no padding; recomputation by gradient checkpointing is not counted:
  language blocks   6 x parameters a token + 6 x layers x width x length^2 a sample (causal attention)
  head              6 x parameters a token that has a label (TRL projects no others)
  vision tower      6 x parameters a patch + 12 x depth x width x patches^2 an image (full attention)
  merger            6 x parameters a token of an image
With LoRA the weights' own gradients fall away: 4 for 6 in the language model; and 2 for 6, 4 for 12, in the vision
tower, whose gradients nobody needs.
"""

import contextlib
import gc
import platform
import random
import resource
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
import trl
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Pictures
from transformers import AutoConfig, AutoModelForImageTextToText, PrinterCallback, TrainerCallback
from trl.trainer.sft_trainer import SFTTrainer

from benchmarks.kit import markdown, parser
from cxr.trainer.models.families import load_processor
from cxr.trainer.models.tiny import TinySize, build_tiny
from cxr.trainer.train.memory import ModelShape, estimate, out_of_memory, shape_of_config, weights_precision
from cxr.trainer.train.run import quiet_libraries
from cxr.trainer.train.settings import SFTSettings
from cxr.trainer.train.sft import sft_config, sft_trainer
from cxr.trainer.train.trl_settings import lora

# Dense bf16 peaks of the makers' data sheets, in FLOP/s (H100 and H200: SXM).
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "B200": 2250e12, "L40S": 362e12, "4090": 165e12}
REASONING_SHARE = 59 / (1200 + 59)
NUMBERS = {"device-batch": 8, "accumulation": 2, "steps": 10, "warmup": 3, "prompt-tokens": 80, "answer-tokens": 12,
           "reasoning-tokens": 320}  # fmt: skip
LORA_TARGETS = SFTSettings().lora_targets

# The released config.json of Qwen2-VL-2B-Instruct and Qwen2-VL-7B-Instruct; `tiny` is for a run on any CPU.
_TEXT = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
         "vocab_size")  # fmt: skip
_TOWER = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4}
_TINY = {"depth": 2, "embed_dim": 32, "num_heads": 2, "mlp_ratio": 2}
SHAPES: dict[str, dict[str, Any]] = {
    "2b": {"text": (1536, 28, 12, 2, 8960, 151936), "vision": _TOWER, "tied": True},
    "7b": {"text": (3584, 28, 28, 4, 18944, 152064), "vision": _TOWER, "tied": False},
    "tiny": {"text": (64, 2, 4, 2, 128, 1024), "vision": _TINY, "tied": True},
}


def counts(inputs: dict[str, Any]) -> dict[str, Any]:
    """Count what a batch brings; the counts stay on the device until the end."""
    lengths, grid = inputs["attention_mask"].sum(1), inputs["image_grid_thw"].prod(-1)
    return {
        "tokens": lengths.sum(), "padded": inputs["attention_mask"].numel(), "labels": (inputs["labels"] != -100).sum(),
        "squares": (lengths**2).sum(), "patches": grid.sum(), "patch_squares": (grid**2).sum(), "samples": len(lengths),
    }  # fmt: skip


class Clock(TrainerCallback):
    """Takes the time at the end of each step, when the GPU has done its work."""

    def __init__(self, plan: Namespace, profiler: Any) -> None:
        self.ends: list[float] = []
        self._plan, self._profiler = plan, profiler

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers' own
        """Wait for the GPU, then look at the clock."""
        if self._plan.device == "cuda":
            torch.cuda.synchronize()
            if state.global_step == self._plan.warmup:
                torch.cuda.reset_peak_memory_stats()
        self.ends.append(time.perf_counter())
        if self._profiler is not None:
            self._profiler.step()


class Result(NamedTuple):
    """What one contestant did."""

    name: str
    seconds: float
    spread: float
    sums: dict[str, float]
    flops: float
    peak_bytes: float


def configuration(shape: str, ids: Callable[[str], int]) -> Any:
    """Return a Qwen2-VL configuration of a shape, whose special tokens are those of a small tokenizer."""
    given = SHAPES[shape]
    text = dict(zip(_TEXT, given["text"], strict=True))
    head = text["hidden_size"] // text["num_attention_heads"]
    third = head * 3 // 16
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [head // 2 - 2 * third, third, third]}
    ends = {"bos_token_id": None, "eos_token_id": ids("<|im_end|>"), "pad_token_id": ids("<|endoftext|>")}
    marks = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
    return AutoConfig.for_model(
        "qwen2_vl",
        text_config={**text, "max_position_embeddings": 32768, **ends, "rope_parameters": rope},
        vision_config={**given["vision"], "hidden_size": text["hidden_size"], "patch_size": 14},
        tie_word_embeddings=given["tied"],
        **{f"{name}_token_id": ids(f"<|{mark}|>") for name, mark in marks.items()},
    )


def dataset(plan: Namespace, tokenizer: Any, samples: int) -> Dataset:
    """Draw images and texts: prompts and completions have the wanted number of tokens, image tokens apart."""
    draw = random.Random(0)  # noqa: S311 - a benchmark's texts
    noise = Pictures.effect_noise((plan.pixels // 4, plan.pixels // 4), 60).resize((plan.pixels, plan.pixels))
    rows = []
    for number in range(samples):
        length = plan.reasoning_tokens if draw.random() < plan.reasoning else plan.answer_tokens
        asked = [{"role": "user", "content": words(tokenizer, plan.prompt_tokens, draw)}]
        said = [{"role": "assistant", "content": words(tokenizer, length, draw)}]
        image = noise.rotate(number % 360).convert("RGB")
        rows.append({"images": [image], "prompt": asked, "completion": said, "sample_id": f"s{number}"})
    turns = List({"role": Value("string"), "content": Value("string")})
    features = Features({"images": List(Image()), "prompt": turns, "completion": turns, "sample_id": Value("string")})
    return Dataset.from_list(rows, features=features)


def words(tokenizer: Any, tokens: int, draw: random.Random) -> str:
    """Return text of so many tokens."""
    text = "".join(draw.choice("abcdefghijklmnop") + ". " for _ in range(tokens))
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:tokens]
    return str(tokenizer.decode(ids))


def model_flops(shape: ModelShape, sums: dict[str, float], *, lora: bool) -> float:
    """Return the model FLOPs of what went through, by the formulas at the top of this file."""
    text, tower, merge = shape.text, shape.tower, int(shape.tower.spatial_merge_size) ** 2
    head = text.vocab_size * text.hidden_size
    blocks = shape.language_parameters - head - shape.input_embedding
    language, seeing = (4, 2) if lora else (6, 6)
    merged = shape.vision_width * merge
    merger = merged**2 + merged * text.hidden_size
    return float(
        language * blocks * sums["tokens"]
        + 6 * text.num_hidden_layers * shape.query * sums["squares"]
        + language * head * sums["labels"]
        + seeing * (shape.vision_parameters - merger) * sums["patches"]
        + seeing * merger * sums["patches"] / merge
        + (12 if seeing == 6 else 4) * tower.depth * shape.vision_width * sums["patch_squares"]
    )


def contestant(name: str, plan: Namespace, model: Any, processor: Any, rows: Dataset, out: Path) -> Any:
    """Return a trainer: ours, or TRL's with the same settings."""
    settings = SFTSettings(
        device_batch=plan.device_batch, global_batch=plan.device_batch * plan.accumulation, precision=plan.precision,
        gradient_checkpointing=plan.checkpointing, workers=plan.workers, lora_rank=plan.lora,
        lora_alpha=2 * max(1, plan.lora), trackers=(), trl={"save_strategy": "no", "use_cpu": plan.device == "cpu"},
    )  # fmt: skip
    config = sft_config(settings, out, plan.accumulation, plan.warmup + plan.steps)
    if name == "ours":
        encoded = rows.cast_column("images", List(Image(decode=False)))  # ours decodes by itself, as from an export
        return sft_trainer(model, processor, encoded, settings, config)
    plain = rows.remove_columns("sample_id")
    return SFTTrainer(
        model=model, args=config, train_dataset=plain, processing_class=processor, peft_config=lora(settings)
    )


def measure(name: str, plan: Namespace, config: Any, shape: ModelShape, processor: Any, rows: Dataset) -> Result:
    """Train a few steps and give what they took; the first ones, which choose kernels and fill caches, left out."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if plan.weights == "bf16" else torch.float32
    with torch.device(plan.device):
        model: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype, attn_implementation=plan.attention)  # type: ignore[no-untyped-call]
    profiler = _profiler(plan) if plan.profile is not None else None
    counted: list[dict[str, Any]] = []
    clock = Clock(plan, profiler)
    with tempfile.TemporaryDirectory() as out:
        trainer = contestant(name, plan, model, processor, rows, Path(out))
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(clock)
        step = trainer.training_step

        def counting(model: Any, inputs: dict[str, Any], *more: Any) -> Any:
            counted.append(counts(inputs))
            return step(model, inputs, *more)

        trainer.training_step = counting
        with profiler or contextlib.nullcontext():
            trainer.train()
        if profiler is not None:
            _write_profile(profiler, plan.profile, name)
    took = [after - before for before, after in pairwise(clock.ends[plan.warmup - 1 :])]
    measured = counted[plan.warmup * plan.accumulation :]
    sums = {name: float(sum(int(batch[name]) for batch in measured)) for name in counted[0]}
    flops = model_flops(shape, sums, lora=plan.lora > 0)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    del trainer, model
    gc.collect()
    if plan.device == "cuda":
        peak = torch.cuda.max_memory_reserved()
        torch.cuda.empty_cache()
    return Result(name, sum(took), statistics.pstdev(took), sums, flops, float(peak))


def _profiler(plan: Namespace) -> Any:
    activity = torch.profiler.ProfilerActivity
    kinds = [activity.CPU, *([activity.CUDA] if plan.device == "cuda" else [])]
    schedule = torch.profiler.schedule(wait=plan.warmup, warmup=1, active=2, repeat=1)
    return torch.profiler.profile(activities=kinds, schedule=schedule)


def _write_profile(profiler: Any, folder: Path, name: str) -> None:
    """Write the kernels by their own time, and a trace for a browser."""
    folder.mkdir(parents=True, exist_ok=True)
    by = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=by, row_limit=40, max_name_column_width=90)
    (folder / f"{name}.txt").write_text(table, encoding="utf-8")
    profiler.export_chrome_trace(str(folder / f"{name}.json"))


def report(plan: Namespace, shape: ModelShape, results: list[Result]) -> str:
    """Write the table, with what it was measured on."""
    gpu = torch.cuda.get_device_name(0) if plan.device == "cuda" else platform.processor() or platform.machine()
    peak = next((value for name, value in PEAKS.items() if name in gpu), None) if plan.device == "cuda" else None
    side = shape.image_tokens(plan.pixels, plan.pixels)
    expected = estimate(
        shape, device_batch=plan.device_batch, patches=shape.patches(plan.pixels, plan.pixels), lora=plan.lora > 0,
        tokens=side + plan.prompt_tokens + (plan.reasoning_tokens if plan.reasoning else plan.answer_tokens),
        precision=plan.precision, checkpointing=plan.checkpointing, master=plan.weights,
    )  # fmt: skip
    trained = f"LoRA rank {plan.lora}" if plan.lora else "all weights"
    known = "unknown" if peak is None else f"{peak / 1e12:.0f} TFLOP/s dense bf16"
    texts = f"prompt {plan.prompt_tokens}, answer {plan.answer_tokens}, reasoning {plan.reasoning_tokens} tokens"
    batch = f"{plan.device_batch} samples x {plan.accumulation} accumulated, {plan.steps} steps after {plan.warmup}"
    columns = ("", "samples/s", "tokens/s", "padding", "TFLOP/s", "MFU", "s/step", "peak memory, GB", "estimated, GB")
    rows = []
    for result in results:
        sums, rate = result.sums, result.flops / result.seconds
        rows.append([
            result.name, f"{sums['samples'] / result.seconds:.2f}", f"{sums['tokens'] / result.seconds:,.0f}",
            f"{1 - sums['tokens'] / sums['padded']:.0%}", f"{rate / 1e12:.3g}",
            "" if peak is None else f"{rate / peak:.1%}", f"{result.seconds / plan.steps:.3f} ± {result.spread:.3f}",
            f"{result.peak_bytes / 1e9:.1f}", f"{expected.total / 1e9:.1f}" if plan.device == "cuda" else "",
        ])  # fmt: skip
    return f"""\
Qwen2-VL {plan.shape} ({shape.parameters / 1e9:.3f} B parameters, random weights), SFT, {gpu}

- images {plan.pixels} x {plan.pixels} = {side} tokens; {texts}; {plan.reasoning:.1%} of samples reason
- {batch}; gradient checkpointing {"on" if plan.checkpointing else "off"}, {trained}
- compute {plan.precision}, weights {plan.weights}, {plan.attention}; the device's peak: {known}
- torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}

{markdown(columns, rows)}"""


def parse() -> tuple[Namespace, list[str]]:
    options = parser(__doc__)
    options.add_argument("--shape", choices=sorted(SHAPES), default="2b")
    options.add_argument("--device", choices=["cuda", "cpu"], default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--what", default="ours,trl", help="ours, trl, or both")
    options.add_argument("--pixels", type=int, help="width and height of the images; 448, tiny: 56")
    for name, default in NUMBERS.items():
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--reasoning", type=float, default=REASONING_SHARE, help="share of reasoning samples")
    options.add_argument("--precision", choices=["bf16", "fp32"], help="of the multiplications; cpu: fp32")
    options.add_argument("--weights", choices=["bf16", "fp32"], help="of weights and AdamW; default: as cxr train does")
    options.add_argument("--attention", default="sdpa", choices=["sdpa", "flash_attention_2", "eager"])
    options.add_argument("--no-checkpointing", dest="checkpointing", action="store_false")
    options.add_argument("--lora", type=int, default=0, help="rank; 0 trains all weights")
    options.add_argument("--workers", type=int, help="processes that prepare batches; default 8, cpu: 0")
    options.add_argument("--profile", type=Path, help="a folder for torch's profile of two steps")
    given = vars(options.parse_args())
    names = given.pop("what").split(",")
    if set(names) - {"ours", "trl"}:
        options.error("--what names neither; expected ours, trl, or both with a comma")
    on_cpu = given["device"] == "cpu"
    usual = (("pixels", 56 if given["shape"] == "tiny" else 448), ("precision", "fp32" if on_cpu else "bf16"),
             ("workers", 0 if on_cpu else 8))  # fmt: skip
    given |= {name: value for name, value in usual if given[name] is None}
    given["warmup"] = max(1, given["warmup"])
    loaded = weights_precision(given["precision"], parallel="none", processes=1, lora_rank=given["lora"])
    return Namespace(**{**given, "weights": given["weights"] or loaded}), names


def main() -> None:
    plan, names = parse()
    quiet_libraries()
    assert plan.device == "cpu" or torch.cuda.is_available(), "no GPU; try --shape tiny --device cpu"
    with tempfile.TemporaryDirectory() as folder:
        # Only the tokenizer and the image processor of this model are used.
        build_tiny(Path(folder), size=TinySize(hidden=32, layers=1, heads=2, vocabulary=600, pixels=plan.pixels))
        processor = load_processor(folder, min_pixels=plan.pixels**2, max_pixels=plan.pixels**2)
    config = configuration(plan.shape, processor.tokenizer.convert_tokens_to_ids)
    shape = shape_of_config(config, lora_rank=plan.lora, lora_targets=LORA_TARGETS)
    samples = (plan.warmup + plan.steps) * plan.device_batch * plan.accumulation
    rows = dataset(plan, processor.tokenizer, min(samples, 512))
    results = []
    for name in names:
        try:
            results.append(measure(name, plan, config, shape, processor, rows))
        except (MemoryError, RuntimeError) as error:
            where = out_of_memory(error)
            if where is None:
                raise
            print(f"{name}: {where} is full; lower --device-batch", flush=True)
            continue
        print(f"{name}: {results[-1].sums['samples'] / results[-1].seconds:.2f} samples/s", flush=True)
    print("\n" + report(plan, shape, results))


if __name__ == "__main__":
    main()
