"""The model families that we train, Qwen2-VL, Qwen2.5-VL and Qwen3-VL: loading and saving, with or without torchvision.

Images need no torchvision, videos do, and `AutoProcessor` insists on both halves: where torchvision is missing the
processor is made without its video half, and what we save names one all the same, so that AutoProcessor and vLLM
load it elsewhere.
"""

import importlib
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_file

Precision = Literal["bf16", "fp32"]
Attention = Literal["sdpa", "flash_attention_2", "eager"]


@dataclass(frozen=True)
class Family:
    """What the families differ in."""

    processor: str
    video_processor: str
    template: str
    """The chat template's file in TRL's package data; the first is byte for byte that of Qwen2-VL-Instruct as well."""
    patch: int
    """Pixels of a patch, to each side."""


FAMILIES = {
    "qwen2_vl": Family("Qwen2VLProcessor", "Qwen2VLVideoProcessor", "qwen2_5_vl.jinja", 14),
    "qwen2_5_vl": Family("Qwen2_5_VLProcessor", "Qwen2VLVideoProcessor", "qwen2_5_vl.jinja", 14),
    "qwen3_vl": Family("Qwen3VLProcessor", "Qwen3VLVideoProcessor", "qwen3_vl.jinja", 16),
}
"""By the names that a model's `config.json` carries as `model_type`."""
_NAMES = "Qwen2-VL, Qwen2.5-VL or Qwen3-VL"

# The pixels of a video that Qwen's own processors allow; we train on images alone.
_VIDEO_SIZE = {"shortest_edge": 128 * 28 * 28, "longest_edge": 28 * 28 * 768}


def family_of(model: str) -> str:
    """Return the family of a model folder or hub name; raises InputError where it is none of ours.

    A hub is asked for what can only be a hub's name, not for a folder that somebody misspelt.
    """
    folder = Path(model)
    owner, _, name = model.partition("/")
    if not folder.is_dir() and (not name or "/" in name or Path(owner).exists()):
        raise InputError(f"there is no folder {model}; expected that of a {_NAMES} model, or a hub name OWNER/NAME")
    from transformers import AutoConfig  # noqa: PLC0415 - only what trains pays for the import

    if folder.is_dir() and not (folder / "config.json").is_file():
        is_adapter = (folder / "adapter_config.json").is_file()
        hint = "is a LoRA adapter; give the merged model beside it" if is_adapter else "has no config.json"
        raise InputError(f"{model} {hint}; expected a folder of a {_NAMES} model")
    try:
        config = AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{model} cannot be read as a model ({str(error).splitlines()[0][:120]}); expected a folder or the hub "
            f"name of a {_NAMES} model"
        ) from None
    kind = str(config.model_type)
    if kind not in FAMILIES:
        raise InputError(f"{model} is a {kind} model; expected a vision-language model: {_NAMES}")
    return kind


def load_model(model: str, *, precision: Precision = "fp32", attention: Attention = "sdpa") -> Any:
    """Load the weights of a model of ours, in training mode; raises InputError where the folder holds none."""
    import torch  # noqa: PLC0415
    from transformers import AutoModelForImageTextToText  # noqa: PLC0415

    family_of(model)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        with no_programs(model):
            return AutoModelForImageTextToText.from_pretrained(model, dtype=dtype, attn_implementation=attention)
    except (OSError, ImportError, ValueError) as error:
        raise InputError(
            f"the weights of {model} cannot be loaded ({str(error).splitlines()[0][:160]}); expected a complete "
            "folder, as written by save_pretrained"
        ) from None


def check_weights(model: str) -> None:
    """Raise InputError for a model folder without weights, before anything is made for a run of it."""
    folder = Path(model)
    if folder.is_dir() and not any(path.suffix in {".safetensors", ".bin"} for path in folder.iterdir()):
        raise InputError(
            f"the weights of {model} cannot be loaded (there are none beside its config.json); expected a complete "
            "folder, as written by save_pretrained"
        )


@contextmanager
def no_programs(folder: str | Path) -> Iterator[None]:
    """Turn torch's refusal to unpickle more than tensors into an InputError; its own words say how to run the rest."""
    try:
        yield
    except UnpicklingError:
        raise InputError(
            f"the weights of {folder} hold more than numbers, which can be a program and is never run; expected "
            "safetensors, as written by save_pretrained: do not use what is in that folder"
        ) from None


def load_processor(model: str, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Any:
    """Load tokenizer, chat template and image processor, padding on the left, as generation needs it.

    `min_pixels` and `max_pixels` bound the area to which an image is scaled; None leaves what the folder says.
    Raises InputError where the folder lacks them.
    """
    kind = family_of(model)
    try:
        if importlib.util.find_spec("torchvision") is not None:
            from transformers import AutoProcessor  # noqa: PLC0415

            processor = AutoProcessor.from_pretrained(model)  # type: ignore[no-untyped-call]
        else:
            processor = images_only(kind).from_pretrained(model)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"the processor of {model} cannot be loaded ({str(error).splitlines()[0][:120]}); expected the tokenizer "
            "and preprocessor files beside the weights"
        ) from None
    processor.tokenizer.padding_side = "left"
    size = dict(processor.image_processor.size)
    if min_pixels is not None:
        size["shortest_edge"] = min_pixels
    if max_pixels is not None:
        size["longest_edge"] = max_pixels
        size["shortest_edge"] = min(size["shortest_edge"], max_pixels)
    processor.image_processor.size = size
    return processor


def save(model: Any, processor: Any, folder: Path) -> None:
    """Save weights and processor as a folder that AutoProcessor, vLLM and we load."""
    model.save_pretrained(folder)
    save_processor(processor, folder)


def save_processor(processor: Any, folder: Path) -> None:
    """Save the processor as stock transformers writes it, whichever half or backend was at hand here."""
    processor.save_pretrained(folder)
    path = folder / "processor_config.json"
    written = json.loads(path.read_text(encoding="utf-8"))
    images = written["image_processor"]
    # "...Pil" is the backend that works without torchvision; by the stock name each machine picks its own.
    images["image_processor_type"] = images["image_processor_type"].removesuffix("Pil")
    if "video_processor" not in written:
        kind = type(processor).__name__
        copied = ("image_mean", "image_std", "merge_size", "patch_size", "temporal_patch_size")
        written["video_processor"] = {
            **{name: images[name] for name in copied},
            "size": _VIDEO_SIZE,
            "video_processor_type": next(f.video_processor for f in FAMILIES.values() if f.processor == kind),
        }
    with whole_file(path) as out:
        out.write(json.dumps(written, indent=2) + "\n")
    # Where transformers 4 looks, and with it older vLLM.
    older = {**images, "processor_class": type(processor).__name__}
    with whole_file(folder / "preprocessor_config.json") as out:
        out.write(json.dumps(older, indent=2) + "\n")


def images_only(kind: str) -> Any:
    """Return the processor class of a family without its video half.

    transformers asks the signature of `__init__` which halves there are; the class keeps the stock name, because
    that is what is written into the folder.
    """
    family = FAMILIES[kind]
    stock = getattr(importlib.import_module(f"transformers.models.{kind}.processing_{kind}"), family.processor)

    def __init__(  # noqa: N807
        self: Any, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **more: Any
    ) -> None:
        stock.__init__(self, image_processor, tokenizer, None, chat_template=chat_template, **more)

    return type(family.processor, (stock,), {"__init__": __init__})


@dataclass(frozen=True)
class ShownSize:
    """The size to which a processor of ours scales an image, so that a decoder can do so once and early."""

    factor: int
    min_pixels: int
    max_pixels: int

    def __call__(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height; raises ValueError for an image 200 times as long as wide."""
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize  # noqa: PLC0415

        rows, columns = smart_resize(height, width, self.factor, self.min_pixels, self.max_pixels)
        return columns, rows


def shown_size(processor: Any) -> ShownSize | None:
    """Return how large a processor shows images; None where it takes them as they are."""
    images = processor.image_processor
    if not images.do_resize:
        return None
    size = images.size
    return ShownSize(images.patch_size * images.merge_size, int(size["shortest_edge"]), int(size["longest_edge"]))
