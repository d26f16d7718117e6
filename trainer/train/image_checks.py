"""Checks of images before step 1: whether they can be read and fit, and whether the processor counts them right."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from cxr.miner.images.facts import MOST_ODD, NOT_AN_IMAGE, read_facts
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import FileStatus

if TYPE_CHECKING:
    from datasets import Dataset

# Distinct shapes that go through the processor, the most frequent first; each takes some 20 ms.
MOST_SHAPES = 48
_NAMED = 5

Sizes = tuple[tuple[int, int], ...]
"""Width and height of each image of a sample, in pixels."""


@dataclass(frozen=True)
class CheckLine:
    """What one check looked at, and what it found; a warning lets the run go on."""

    name: str
    looked_at: int
    found: str
    warning: bool = False


def image_sizes(rows: "Dataset") -> dict[str, Sizes]:
    """Read the sizes of all images from their headers, by sample; raises InputError for those that have none."""
    # As Arrow, images stay encoded; a cast of the column would write all of them once more.
    encoded = rows.select_columns(["sample_id", "images"]).with_format("arrow")
    sizes: dict[str, Sizes] = {}
    known: dict[str, tuple[int, int] | str] = {}
    bad: dict[str, str] = {}
    with ThreadPoolExecutor(8) as threads:  # a network file system answers slowly, but many questions at once
        for table in encoded.iter(batch_size=256):
            batch = table.to_pydict()
            images = [image for of_sample in batch["images"] for image in of_sample or ()]
            asked = [image for image in images if image.get("bytes") or image["path"] not in known]
            found = dict(zip(map(id, asked), threads.map(_size_of, asked), strict=True))
            known |= {image["path"]: found[id(image)] for image in asked if not image.get("bytes")}
            for sample, of_sample in zip(batch["sample_id"], batch["images"], strict=True):
                told = [found.get(id(image)) or known[image["path"]] for image in of_sample or ()]
                sizes[sample] = tuple(size for size in told if not isinstance(size, str))
                problem = next((size for size in told if isinstance(size, str)), None)
                if problem is not None:
                    bad[sample] = problem
    if bad:
        raise InputError(
            f"{len(bad):,} samples have an image that cannot be read: "
            f"{', '.join(f'{sample} ({why})' for sample, why in list(bad.items())[:_NAMED])}; "
            "export again with --image-root, or without them"
        )
    return sizes


def check_pixels(sizes: Mapping[str, Sizes], processor: Any) -> CheckLine:
    """Count the images above the pixel budget, which the processor scales down; raises InputError where it cannot."""
    images = processor.image_processor
    budget = int(images.size["longest_edge"])
    narrow = [name for name, own in sizes.items() if any(max(size) > MOST_ODD * min(size) for size in own)]
    if narrow:
        raise InputError(
            f"{len(narrow):,} samples have an image that is more than {MOST_ODD} times as long as wide: "
            f"{some(narrow)}; expected {pack().about.title}; leave these samples out"
        )
    large = [name for name, own in sizes.items() if any(width * height > budget for width, height in own)]
    if large and not images.do_resize:
        raise InputError(
            f"{len(large):,} samples have an image of more than {budget:,} pixels, and the processor does not resize: "
            f"{some(large)}; set do_resize to true in the model folder's preprocessor_config.json"
        )
    count = sum(map(len, sizes.values()))
    if not large:
        return CheckLine("pixels", count, f"no image above {budget:,}")
    most = max((width * height, name) for name in large for width, height in sizes[name])
    found = f"{len(large):,} samples with images above {budget:,} pixels, scaled down (largest: {most[1]}, {most[0]:,})"
    return CheckLine("pixels", count, found, warning=True)


def check_image_tokens(sizes: Mapping[str, Sizes], processor: Any) -> CheckLine:
    """Check that a prompt has as many image tokens as the model makes of its images, alone and in a mixed batch.

    An image makes product of its grid / merge size squared. Every distinct shape (number of images, patches of each)
    is tried on a blank image of that size, the most frequent first; raises InputError with samples of those that fail.
    """
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, own in sizes.items():
        by_shape[tuple(patches(size, processor) for size in own)].append(name)
    shapes = sorted(by_shape, key=lambda shape: -len(by_shape[shape]))[:MOST_SHAPES]
    # The smallest image of a shape stands for all: they become the same.
    tried = [min(by_shape[shape], key=lambda name: sum(w * h for w, h in sizes[name])) for shape in shapes]
    alone: dict[str, list[int]] = {}
    for shape, name in zip(shapes, tried, strict=True):
        (alone[name],), grids = _tokenized([sizes[name]], processor)
        merged = sum(grids) // processor.image_processor.merge_size**2
        placed = alone[name].count(_image_token(processor))
        if placed != merged or tuple(grids) != shape:
            raise InputError(
                f"the prompt of {some(by_shape[shape])} has {placed} image tokens where its {len(shape)} images make "
                f"{merged}; the model would see other images than the text: use the processor that belongs to the model"
            )
    mixed = list({len(sizes[name]): name for name in reversed(tried)}.values())
    together, _ = _tokenized([sizes[name] for name in mixed], processor)
    for name, ids in zip(mixed, together, strict=True):
        if ids != alone[name]:
            raise InputError(
                f"the prompt of {name} is another one in a batch with samples of other numbers of images; the "
                "processor mixes up the images of a batch: use another version of transformers"
            )
    counts = " or ".join(str(count) for count in sorted({len(shape) for shape in by_shape}))
    left = "" if len(shapes) == len(by_shape) else f" (of {len(by_shape):,}, the most frequent)"
    return CheckLine("image tokens", len(shapes), f"every shape{left} of {counts} images matches its grid")


def patches(size: tuple[int, int], processor: Any) -> int:
    """Return the patches that an image of a width and height becomes, before they are merged."""
    return int(processor.image_processor.get_number_of_image_patches(size[1], size[0], {}))


def some(names: Sequence[str]) -> str:
    """Name the first of many."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _size_of(image: Mapping[str, Any]) -> tuple[int, int] | str:
    """Return the width and height of an encoded image, or what is wrong with it."""
    facts = read_facts(image["bytes"] or image["path"])
    if facts.width and facts.height:
        return facts.width, facts.height
    if facts.status is FileStatus.ABSENT:
        return "absent"
    return "no image" if facts.why == NOT_AN_IMAGE else facts.why or "of no size"


def check_processor(processor: Any, config: Any) -> CheckLine:
    """Check that the processor cuts and marks images as the model's configuration says; raises SettingsError.

    A processor of another family may well run: the model then reads noise for images, or nothing at all.
    """
    images, vision = processor.image_processor, config.vision_config
    pairs = {
        "patch_size": (images.patch_size, vision.patch_size),
        "merge_size": (images.merge_size, vision.spatial_merge_size),
        "temporal_patch_size": (images.temporal_patch_size, vision.temporal_patch_size),
        "image token": (_image_token(processor), config.image_token_id),
    }
    for name, (ours, wanted) in pairs.items():
        if ours != wanted:
            raise SettingsError(
                f"the processor has {name} {ours}, expected {wanted} as in the model's configuration; use the "
                "processor that belongs to the model"
            )
    return CheckLine("processor", len(pairs), "cuts and marks images as the model expects")


def _tokenized(samples: Sequence[Sizes], processor: Any) -> tuple[list[list[int]], list[int]]:
    """Return the tokens of a prompt about blank images, sample by sample, and the patches of every image in a row."""
    images = [[Image.new("RGB", size) for size in sizes] for sizes in samples]
    asked = [[*({"type": "image"} for _ in own), {"type": "text", "text": _asked(len(own))}] for own in images]
    turns = [[{"role": "user", "content": content}] for content in asked]
    texts = [processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns]
    in_a_row = [image for own in images for image in own]
    try:
        made = processor(text=texts, images=in_a_row or None, padding=True, return_tensors="pt")
    except ValueError as error:
        raise InputError(
            f"the processor refuses a prompt with {len(in_a_row)} blank images ({str(error).splitlines()[0][:160]}); "
            "use the processor and chat template that belong to the model"
        ) from None
    ids = [
        [token for token, is_real in zip(row, mask, strict=True) if is_real]
        for row, mask in zip(made["input_ids"].tolist(), made["attention_mask"].tolist(), strict=True)
    ]
    return ids, made["image_grid_thw"].prod(-1).tolist() if in_a_row else []


def _asked(images: int) -> str:
    """Return a question whose length depends on the number of images, so that a mixed batch needs padding."""
    return "What is seen" + ", and where" * images + "?"


def _image_token(processor: Any) -> int:
    return int(processor.tokenizer.convert_tokens_to_ids(processor.image_token))
