"""How much memory a training needs on each GPU, from the model's configuration alone; and what to lower without it.

The parameters are counted, on torch's `meta` device, which allocates nothing. The rest is arithmetic:

- weights, gradients, AdamW's two moments and fp32 master weights per parameter as in ZeRO (Rajbhandari et al. 2020,
  arXiv 1910.02054, section 3.1), divided as ZeRO-2 and FSDP divide them;
- activations as a sum over what each operation of a block keeps for its backward pass, in the manner of Korthikanti et
  al. 2022 (arXiv 2205.05198, section 4.1) for Qwen's blocks (RMSNorm, grouped-query attention without a stored
  attention matrix, SwiGLU); with checkpointing a block's input each, and one block in full;
- the vocabulary's logits are counted for one tile only, because TRL computes the loss in tiles.

It is an estimate: kernels' workspaces and fragmentation are the flat `RESERVE`, and attention is taken as `sdpa` or
`flash_attention_2`; `eager` needs more.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cxr.miner.kit.errors import CxrError

Parallel = Literal["none", "ddp", "zero2", "fsdp"]
Precision = Literal["bf16", "fp32"]

GB = 1e9
RESERVE = 1.5 * GB
"""CUDA context, kernels' workspaces, communication buffers: about what an idle trainer shows beside its tensors."""
FRAGMENTATION = 1.05
LOSS_TILE = 2048
"""Positions whose logits exist at once in the fused loss; their gradient exists beside them, in fp32."""


@dataclass(frozen=True)
class ModelShape:
    """What of a model's configuration decides its memory and its work; parameters are counted, not estimated."""

    family: str
    parameters: int
    vision_parameters: int
    input_embedding: int
    """Parameters of the embedding of tokens, which looks up and does not multiply; 0 where the head shares them."""
    in_blocks: int
    """Parameters of all blocks, of both towers: what FSDP divides and gathers block by block."""
    largest_block: int
    trainable: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    vision_depth: int
    vision_hidden: int
    vision_intermediate: int
    patch: int
    merge: int

    @property
    def language_parameters(self) -> int:
        """Everything but the vision tower."""
        return self.parameters - self.vision_parameters

    def patches(self, width: int, height: int) -> int:
        """Return the patches of an image, whose sides are first rounded to whole merged patches."""
        unit = self.patch * self.merge
        across, down = max(1, round(width / unit)), max(1, round(height / unit))
        return across * down * self.merge**2

    def image_tokens(self, width: int, height: int) -> int:
        """Return the tokens that an image takes in the prompt."""
        return self.patches(width, height) // self.merge**2


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
        named = (
            ("weights", self.weights),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("reference model", self.reference),
            ("activations", self.activations),
            ("keys and values", self.rollout),
        )
        return [(name, value / GB) for name, value in named if value]


def shape_of(model: str, *, lora_rank: int = 0, lora_targets: tuple[str, ...] = ()) -> ModelShape:
    """Read a model's configuration and count its parameters on the meta device.

    Raises InputError where `model` is none of our families.
    """
    from transformers import AutoConfig  # noqa: PLC0415 - a plan is printed without torch where nobody asks for memory

    from cxr.trainer.models.families import family_of  # noqa: PLC0415

    family_of(model)
    return shape_of_config(AutoConfig.from_pretrained(model), lora_rank=lora_rank, lora_targets=lora_targets)


def shape_of_config(config: Any, *, lora_rank: int = 0, lora_targets: tuple[str, ...] = ()) -> ModelShape:
    """Count a configuration's parameters on the meta device; nothing is allocated."""
    import torch  # noqa: PLC0415
    from transformers import AutoModelForImageTextToText  # noqa: PLC0415

    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    counted = {name: value.numel() for name, value in model.named_parameters()}  # shared ones once
    vision = sum(count for name, count in counted.items() if ".visual." in f".{name}")
    blocks = [sum(part.numel() for part in block.parameters()) for block in _blocks(model)]
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    total = sum(counted.values())
    text, tower = config.get_text_config(), config.vision_config
    wide = getattr(tower, "embed_dim", None) or tower.hidden_size
    return ModelShape(
        family=config.model_type,
        parameters=total,
        vision_parameters=vision,
        input_embedding=0 if head is None or head.weight is table.weight else table.weight.numel(),
        in_blocks=sum(blocks),
        largest_block=max(blocks),
        trainable=_lora_parameters(model, lora_rank, lora_targets) if lora_rank else total,
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        heads=text.num_attention_heads,
        key_value_heads=text.num_key_value_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        vocabulary=text.vocab_size,
        vision_depth=tower.depth,
        vision_hidden=wide,
        vision_intermediate=getattr(tower, "intermediate_size", None) or int(wide * tower.mlp_ratio),
        patch=tower.patch_size,
        merge=tower.spatial_merge_size,
    )


def _blocks(model: Any) -> list[Any]:
    wrapped = set(model._no_split_modules or ())  # what FSDP wraps, by transformers' own list
    return [part for part in model.modules() if type(part).__name__ in wrapped] or [model]


def _lora_parameters(model: Any, rank: int, targets: tuple[str, ...]) -> int:
    """Return the parameters that LoRA adds to the linear layers whose name ends with one of `targets`."""
    import torch  # noqa: PLC0415

    return sum(
        rank * (part.in_features + part.out_features)
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and name.rpartition(".")[2] in targets
    )


def weights_precision(precision: Precision, *, parallel: Parallel, processes: int, lora_rank: int) -> Precision:
    """Return the precision in which a model's weights should be loaded.

    Weights that AdamW itself updates stay in fp32 and are multiplied in bf16: at the paper's rates of 2e-6 and 5e-7
    an update is smaller than the distance of neighbouring bf16 numbers (a weight of 0.02 has its neighbours 1.2e-4
    away), and would be rounded away. DeepSpeed and FSDP keep fp32 weights of their own, and LoRA's frozen weights
    need none.
    """
    if precision == "fp32":
        return "fp32"
    divided = parallel in {"zero2", "fsdp"} and processes > 1
    return "bf16" if divided or lora_rank else "fp32"


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
    lora_rank = 1 if lora else 0
    loaded = master or weights_precision(precision, parallel=parallel, processes=processes, lora_rank=lora_rank)
    size, compute = _bytes(loaded), _bytes(precision)
    total, trained, among = shape.parameters, shape.trainable, max(1, processes)
    weights = float(total * size)
    reference_weights = float(total * compute) if reference and not lora else 0.0
    # PEFT keeps adapters in fp32 beside frozen weights of any precision.
    each = 4 if lora else size
    if lora:
        weights += trained * 4.0
    gradients, optimizer = float(trained * each), 2.0 * trained * each
    if among > 1 and parallel == "ddp":
        gradients *= 2  # the buckets in which they travel
    elif among > 1 and parallel == "zero2":
        # bf16 weights whole; of bf16 gradients, fp32 master weights and fp32 moments a share.
        gradients = trained * compute / among + 2 * compute * shape.largest_block
        optimizer = 12.0 * trained / among
    elif among > 1 and parallel == "fsdp":
        # fp32 shares; in bf16, what belongs to no block (embedding, head), and two blocks: one in use, one on its way.
        outside = total - shape.in_blocks
        gathered = compute * (outside + 2 * shape.largest_block)
        weights = total * 4.0 / among + gathered
        gradients, optimizer = trained * 4.0 / among + compute * shape.largest_block, 8.0 * trained / among
        reference_weights = (total * 4.0 / among + gathered) if reference_weights else 0.0
    if loaded == "fp32" and precision == "bf16" and not lora:
        weights += total * 2.0  # autocast's bf16 copies live as long as a forward pass
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        reference=reference_weights,
        activations=device_batch * activations(shape, tokens, patches, precision, loaded, checkpointing=checkpointing)
        + _loss_tile(shape, device_batch * tokens, compute),
        rollout=float(rollout_batch * tokens * kv_bytes(shape, compute)),
    )


def kv_bytes(shape: ModelShape, width: int = 2) -> int:
    """Return the bytes of keys and values that one token leaves in the cache."""
    return 2 * shape.layers * shape.key_value_heads * shape.head_dim * width


def activations(
    shape: ModelShape, tokens: int, patches: int, precision: Precision, weights: Precision, *, checkpointing: bool
) -> float:
    """Return the bytes that one sample's forward pass keeps for its backward pass, and one block's where recomputed."""
    compute, residual = _bytes(precision), _bytes(weights)
    block, tower_block = _block_bytes(shape, compute, residual), _tower_block_bytes(shape, compute, residual)
    ends = _ends_bytes(shape, tokens, patches, compute, residual)
    if not checkpointing:
        return ends + tokens * shape.layers * block + patches * shape.vision_depth * tower_block
    inputs = tokens * shape.layers * shape.hidden + patches * shape.vision_depth * shape.vision_hidden
    return ends + inputs * residual + max(tokens * block, patches * tower_block)


def _ends_bytes(shape: ModelShape, tokens: int, patches: int, compute: int, residual: int) -> float:
    """Bytes outside of the blocks: pixels, the merger of patches into tokens (norm, two layers), the last norm."""
    pixels = patches * 3 * 2 * shape.patch**2 * compute
    merger = patches * shape.vision_hidden * (residual + 3 * compute)
    return float(pixels + merger + tokens * shape.hidden * (4 + residual + compute))


def _block_bytes(shape: ModelShape, compute: int, residual: int) -> int:
    """Bytes a token keeps in one block of the language model.

    Each RMSNorm keeps its input in fp32, the normalized input, and its output, which the projections share; attention
    keeps queries, keys, values and its output, and the output projection a copy of that; SwiGLU keeps gate, silu(gate),
    up and their product. Qwen3-VL also norms queries and keys, head by head.
    """
    query = shape.heads * shape.head_dim
    norms = 2 * shape.hidden * (4 + residual + compute)
    attention = compute * (query + 2 * query + 2 * query)  # keys and values are repeated for each head
    if shape.family == "qwen3_vl":
        norms += (query + shape.key_value_heads * shape.head_dim) * (4 + compute)
    return norms + attention + compute * 4 * shape.intermediate


def _tower_block_bytes(shape: ModelShape, compute: int, residual: int) -> int:
    """Bytes a patch keeps in one block of the vision tower: two norms, attention, and a feed-forward of two layers."""
    wide, middle = shape.vision_hidden, shape.vision_intermediate
    norms = 2 * wide * (residual + compute)
    attention = compute * (3 * wide + 2 * wide)
    # Qwen2.5-VL's is SwiGLU and keeps four tensors, the others' GELU three at most.
    return norms + attention + compute * (4 if shape.family == "qwen2_5_vl" else 3) * middle


def _loss_tile(shape: ModelShape, tokens: int, compute: int) -> float:
    return float(min(tokens, LOSS_TILE) * shape.vocabulary * (compute + 4 + 4))


def _bytes(precision: Precision) -> int:
    return 2 if precision == "bf16" else 4


@contextlib.contextmanager
def lower_memory(settings: Any) -> Iterator[None]:
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


def what_to_lower(settings: Any) -> str:
    """Return what to try, the cheapest first, of what these settings leave to lower."""
    tries = []
    rollout = getattr(settings, "rollout_batch", None)
    if hasattr(settings, "group") and (rollout is None or rollout > settings.device_batch):
        tries.append(f"--set rollout_batch={settings.device_batch} (fewer completions generated at once)")
    if settings.device_batch > 1:
        half = settings.device_batch // 2
        tries.append(f"--set device_batch={half} (gradients of more, smaller batches add up to the same step)")
    if not settings.gradient_checkpointing:
        tries.append("--set gradient_checkpointing=true")
    tries.append(f"--set max_pixels={settings.max_pixels // 2} (half the image tokens)")
    if hasattr(settings, "max_completion_length"):
        tries.append(f"--set max_completion_length={settings.max_completion_length // 2}")
    if settings.lora_rank == 0:
        tries.append("--preset lora (no optimizer states for frozen weights)")
        if settings.parallel in {"none", "ddp", "zero2"}:
            tries.append("--set parallel=fsdp on more GPUs (weights, gradients and optimizer divided among them)")
    return "try, in this order: " + "; ".join(tries)
