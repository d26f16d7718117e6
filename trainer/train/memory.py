"""How much memory a training needs on each GPU, from the model's configuration alone; and what to lower without it.

The parameters are counted, on torch's `meta` device, which allocates nothing. The rest is arithmetic:

- weights, gradients, AdamW's two moments and fp32 master weights per parameter as in ZeRO (Rajbhandari et al. 2020,
  arXiv 1910.02054, section 3.1), divided as ZeRO-2 and FSDP divide them;
- activations as a sum over what each operation of a block keeps for its backward pass, in the manner of Korthikanti et
  al. 2022 (arXiv 2205.05198, section 4.1) for Qwen's blocks (RMSNorm, grouped-query attention without a stored
  attention matrix, SwiGLU); with checkpointing a block's input each, and one block in full;
- the vocabulary's logits are counted for one tile only, because TRL computes the loss in tiles.

It is an estimate: kernels' workspaces and fragmentation are the flat `RESERVE`, and attention is taken as `sdpa` or
`flash_attention_2`; `eager` needs more. accelerate's own estimator knows neither activations nor LoRA, ZeRO and FSDP:
it gives 66 GB to every training of a 7B model, which alone takes 170, with ZeRO-2 on eight GPUs 44, with LoRA 28.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cxr.miner.kit.errors import CxrError
from cxr.trainer.models.families import Precision, family_of
from cxr.trainer.train.settings import GRPOSettings, Parallel, TrainSettings

GB = 1e9
RESERVE = 1.5 * GB
"""CUDA context, kernels' workspaces, communication buffers: about what an idle trainer shows beside its tensors."""
FRAGMENTATION = 1.05
LOSS_TILE = 2048
"""Positions whose logits exist at once in the fused loss; their gradient exists beside them, in fp32."""
TEXT_TOKENS = 512
"""Tokens of a sample's text: the chat template, question, reasoning and answer of an SFT sample, or the prompt of a
GRPO one. Mined chains of the paper's length take about 300."""
MOST_IMAGES = 2
"""Of a sample, at the most."""
_BYTES: dict[Precision, int] = {"bf16": 2, "fp32": 4}


@dataclass(frozen=True)
class ModelShape:
    """What of a model's configuration decides its memory and its work; parameters are counted, not estimated."""

    family: str
    text: Any
    """The language model's configuration, as transformers reads it."""
    tower: Any
    """The vision tower's."""
    parameters: int
    vision_parameters: int
    input_embedding: int
    """Parameters of the embedding of tokens, which looks up and does not multiply; 0 where the head shares them."""
    in_blocks: int
    """Parameters of all blocks, of both towers: what FSDP divides and gathers block by block."""
    largest_block: int
    trainable: int

    @property
    def language_parameters(self) -> int:
        """Everything but the vision tower."""
        return self.parameters - self.vision_parameters

    @property
    def query(self) -> int:
        """The width of all heads of the language model together."""
        return int(self.text.num_attention_heads * self._head)

    @property
    def keys(self) -> int:
        """The width of its heads of keys, or values, together."""
        return int(self.text.num_key_value_heads * self._head)

    @property
    def _head(self) -> int:
        return int(getattr(self.text, "head_dim", None) or self.text.hidden_size // self.text.num_attention_heads)

    @property
    def vision_width(self) -> int:
        """The width of the vision tower."""
        return int(getattr(self.tower, "embed_dim", None) or self.tower.hidden_size)

    def patches(self, width: int, height: int) -> int:
        """Return the patches of an image, whose sides are first rounded to whole merged patches."""
        merge = self.tower.spatial_merge_size
        across, down = (max(1, round(side / (self.tower.patch_size * merge))) for side in (width, height))
        return int(across * down * merge**2)

    def image_tokens(self, width: int, height: int) -> int:
        """Return the tokens that an image takes in the prompt."""
        return self.patches(width, height) // int(self.tower.spatial_merge_size) ** 2


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the peak of a step, by what they are for."""

    weights: float
    gradients: float
    optimizer: float
    reference: float
    activations: float
    rollout: float
    """Keys and values of the completions that are generated at once; never beside the activations."""

    @property
    def total(self) -> float:
        """Return the peak: a step either generates or trains."""
        held = self.weights + self.gradients + self.optimizer + self.reference
        return (held + max(self.activations, self.rollout)) * FRAGMENTATION + RESERVE

    def parts(self) -> list[tuple[str, float]]:
        """Return name and gigabytes of each part that is not zero."""
        names = {"reference": "reference model", "rollout": "keys and values"}
        return [(names.get(name, name), value / GB) for name, value in vars(self).items() if value]


def memory_of(settings: TrainSettings, model: str) -> Memory:
    """Estimate a stage's memory on each GPU; raises InputError where `model` is none of our families.

    Every sample is taken for one of two images of `max_pixels`, and completions for as long as they may be: what a
    step can take, not what it takes on average.
    """
    shape = shape_of(model, lora_rank=settings.lora_rank, lora_targets=tuple(settings.lora_targets))
    side = settings.image_side or math.isqrt(settings.max_pixels)
    rollout, completion, reference = 0, 0, False
    if isinstance(settings, GRPOSettings):
        completion, reference = settings.max_completion_length, settings.kl > 0
        # vLLM keeps a cache of its own size, which its own settings bound.
        if settings.rollouts == "transformers":
            rollout = settings.rollout_batch or settings.completions // settings.gpus
    return estimate(
        shape,
        device_batch=settings.device_batch,
        tokens=MOST_IMAGES * shape.image_tokens(side, side) + TEXT_TOKENS + completion,
        patches=MOST_IMAGES * shape.patches(side, side),
        precision=settings.precision,
        parallel=settings.way(),
        processes=settings.gpus,
        lora=settings.lora_rank > 0,
        checkpointing=settings.gradient_checkpointing,
        rollout_batch=rollout,
        reference=reference,
    )


def shape_of(model: str, *, lora_rank: int = 0, lora_targets: tuple[str, ...] = ()) -> ModelShape:
    """Read a model's configuration and count its parameters on the meta device.

    Raises InputError where `model` is none of our families.
    """
    from transformers import AutoConfig  # noqa: PLC0415 - a plan is printed without torch where nobody asks for memory

    family_of(model)
    return shape_of_config(AutoConfig.from_pretrained(model), lora_rank=lora_rank, lora_targets=lora_targets)


def shape_of_config(config: Any, *, lora_rank: int = 0, lora_targets: tuple[str, ...] = ()) -> ModelShape:
    """Count a configuration's parameters on the meta device, those of LoRA by the names of the layers that get it."""
    import torch  # noqa: PLC0415
    from transformers import AutoModelForImageTextToText  # noqa: PLC0415

    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    counted = {name: value.numel() for name, value in model.named_parameters()}  # shared ones once
    wrapped = set(model._no_split_modules or ())  # what FSDP wraps, by transformers' own list
    found = [part for part in model.modules() if type(part).__name__ in wrapped] or [model]
    blocks = [sum(part.numel() for part in block.parameters()) for block in found]
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    adapters = sum(
        lora_rank * (part.in_features + part.out_features)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and name.rpartition(".")[2] in lora_targets and ".visual." not in name
    )
    return ModelShape(
        family=config.model_type,
        text=config.get_text_config(),
        tower=config.vision_config,
        parameters=sum(counted.values()),
        vision_parameters=sum(count for name, count in counted.items() if ".visual." in f".{name}"),
        input_embedding=0 if head is None or head.weight is table.weight else table.weight.numel(),
        in_blocks=sum(blocks),
        largest_block=max(blocks),
        trainable=adapters if lora_rank else sum(counted.values()),
    )


def weights_precision(precision: Precision, *, parallel: Parallel, processes: int, lora_rank: int) -> Precision:
    """Return the precision in which a model's weights should be loaded.

    Weights that AdamW itself updates stay in fp32 and are multiplied in bf16: at the paper's rates of 2e-6 and 5e-7
    an update is smaller than the distance of neighbouring bf16 numbers (a weight of 0.02 has its neighbours 1.2e-4
    away), and would be rounded away. DeepSpeed and FSDP keep fp32 weights of their own, and LoRA's frozen weights
    need none.
    """
    divided = parallel in {"zero2", "fsdp"} and processes > 1
    return precision if divided or lora_rank else "fp32"


def estimate(
    shape: ModelShape,
    *,
    device_batch: int,
    tokens: int,
    patches: int,
    precision: Precision,
    parallel: Parallel = "none",
    processes: int = 1,
    lora: bool = False,
    checkpointing: bool = True,
    rollout_batch: int = 0,
    reference: bool = False,
    master: Precision | None = None,
) -> Memory:
    """Estimate the bytes on each GPU.

    `tokens` and `patches` are those of one sample, image tokens and completion included; `rollout_batch` is how many
    completions one process generates at once (0 for SFT), `reference` whether GRPO's KL term needs a second model
    (LoRA does without: it switches the adapter off). `master` is the precision in which the weights were loaded, if
    not the one of `weights_precision`.
    """
    loaded = master or weights_precision(precision, parallel=parallel, processes=processes, lora_rank=int(lora))
    size, compute = _BYTES[loaded], _BYTES[precision]
    total, trained, block = shape.parameters, shape.trainable, compute * shape.largest_block
    # PEFT keeps adapters in fp32 beside frozen weights of any precision.
    each = 4 if lora else size
    weights = float(total * size + (trained * 4 if lora else 0))
    gradients, optimizer, second = float(trained * each), float(2 * trained * each), float(total * compute)
    if processes > 1 and parallel == "ddp":
        gradients *= 2  # the buckets in which they travel
    elif processes > 1 and parallel == "zero2":
        # bf16 weights whole; of bf16 gradients, fp32 master weights and fp32 moments a share.
        gradients, optimizer = trained * compute / processes + 2 * block, 12 * trained / processes
    elif processes > 1 and parallel == "fsdp":
        # fp32 shares; in bf16, what belongs to no block (embedding, head), and two blocks: one in use, one on its way.
        weights = second = total * 4 / processes + compute * (total - shape.in_blocks) + 2 * block
        gradients, optimizer = trained * 4 / processes + block, 8 * trained / processes
    if loaded == "fp32" and precision == "bf16" and not lora:
        weights += total * 2  # autocast's bf16 copies live as long as a forward pass
    kept = device_batch * activations(shape, tokens, patches, precision, loaded, checkpointing=checkpointing)
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        reference=second if reference and not lora else 0.0,
        activations=kept + min(device_batch * tokens, LOSS_TILE) * shape.text.vocab_size * (compute + 4 + 4),
        rollout=float(rollout_batch * tokens * kv_bytes(shape, compute)),
    )


def kv_bytes(shape: ModelShape, width: int = 2) -> int:
    """Return the bytes of keys and values that one token leaves in the cache."""
    return int(2 * shape.text.num_hidden_layers * shape.keys * width)


def activations(
    shape: ModelShape, tokens: int, patches: int, precision: Precision, weights: Precision, *, checkpointing: bool
) -> float:
    """Return the bytes that one sample's forward pass keeps for its backward pass, and one block's where recomputed.

    In a block of the language model each RMSNorm keeps its input in fp32, the normalized input, and its output, which
    the projections share; attention keeps queries, keys, values (repeated for each head) and its output, and the output
    projection a copy of that; SwiGLU keeps gate, silu(gate), up and their product. Qwen3-VL also norms queries and
    keys, head by head. The tower's norms keep two tensors, its feed-forward of two layers three at most, SwiGLU four.
    """
    compute, residual = _BYTES[precision], _BYTES[weights]
    text, tower, wide = shape.text, shape.tower, shape.vision_width
    middle = getattr(tower, "intermediate_size", None) or int(wide * tower.mlp_ratio)
    swiglu = 4 if shape.family == "qwen2_5_vl" else 3
    more = (shape.query + shape.keys) * (4 + compute) if shape.family == "qwen3_vl" else 0
    norms = 2 * text.hidden_size * (4 + residual + compute) + more
    block = tokens * (norms + compute * (5 * shape.query + 4 * text.intermediate_size))
    seen = patches * (2 * wide * (residual + compute) + compute * (5 * wide + swiglu * middle))
    # Outside of the blocks: pixels, the merger of patches into tokens (norm, two layers), the last norm.
    ends = patches * (3 * 2 * tower.patch_size**2 * compute + wide * (residual + 3 * compute))
    ends += tokens * text.hidden_size * (4 + residual + compute)
    if not checkpointing:
        return float(ends + text.num_hidden_layers * block + tower.depth * seen)
    inputs = tokens * text.num_hidden_layers * text.hidden_size + patches * tower.depth * wide
    return float(ends + inputs * residual + max(block, seen))


@contextlib.contextmanager
def lower_memory(settings: TrainSettings) -> Iterator[None]:
    """Turn running out of memory, of a GPU or of the machine, into a CxrError that says what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        where = out_of_memory(error)
        if where is None:
            raise
        raise CxrError(f"{where} is full; {what_to_lower(settings)}") from None


def out_of_memory(error: BaseException) -> str | None:
    """Name the memory that an error says is full; None for any other error."""
    import torch  # noqa: PLC0415

    if isinstance(error, torch.OutOfMemoryError):
        return "the GPU's memory"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "the machine's memory"
    return None


def what_to_lower(settings: TrainSettings) -> str:
    """Return what to try, the cheapest first, of what these settings leave to lower."""
    tries, batch = [], settings.device_batch
    grpo = settings if isinstance(settings, GRPOSettings) else None
    if grpo and (grpo.rollout_batch is None or grpo.rollout_batch > batch):
        tries.append(f"--set rollout_batch={batch} (fewer completions generated at once)")
    if batch > 1:
        tries.append(f"--set device_batch={batch // 2} (gradients of more, smaller batches add up to the same step)")
    if not settings.gradient_checkpointing:
        tries.append("--set gradient_checkpointing=true")
    tries.append(f"--set max_pixels={settings.max_pixels // 2} (half the image tokens)")
    if grpo:
        tries.append(f"--set max_completion_length={grpo.max_completion_length // 2}")
    if settings.lora_rank == 0:
        tries.append("--preset lora (no optimizer states for frozen weights)")
        if settings.parallel != "fsdp":
            tries.append("--set parallel=fsdp on more GPUs (weights, gradients and optimizer divided among them)")
    return "try, in this order: " + "; ".join(tries)
