"""Tiny random vision-language models of the three families, built offline: to try the trainer on, not to use.

A tiny model has the architecture, processor, chat template and special tokens of its family, a million parameters, and
a tokenizer trained on the texts it is to read. Its weights are random: it knows nothing until it is trained.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from cxr.miner.kit.errors import SettingsError
from cxr.miner.pack import pack
from cxr.prompts.instructions import ASK_FOR_ANSWER, ASK_WITH_REASONING, SYSTEM
from cxr.schemas.vocabulary import Task
from cxr.trainer.models.families import FAMILIES, images_only, save

_END, _PAD = "<|im_end|>", "<|endoftext|>"
_SPECIAL = (
    _PAD, "<|im_start|>", _END, "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip

# A token may span words, and ends where a sentence, a clause behind a colon, a line or a tag does: stock phrases
# become single tokens, and a tiny model's completions take a dozen steps instead of hundreds.
_PHRASES = r"</?\w+> ?|[^.?:<\n]+[.?:]? ?|\n|."


def default_texts() -> tuple[str, ...]:
    """Return what every model of a run reads and writes: the instructions, a question, a reasoning, an answer."""
    question = pack().questions.text(Task.BINARY).format(finding=pack().example.label.lower())
    answer = f"<think> {pack().example.true} </think><answer> Yes </answer>"
    return SYSTEM, ASK_WITH_REASONING, ASK_FOR_ANSWER, question, answer


@dataclass(frozen=True)
class TinySize:
    """How large a tiny model is; the defaults make about a million parameters."""

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    vision_hidden: int = 64
    vision_layers: int = 2
    vision_heads: int = 4
    vocabulary: int = 1200
    initial_std: float = 0.08
    """Of random weights: about one over the root of `hidden`; with the usual 0.02 a narrow model hardly starts."""
    pixels: int = 96
    """Images are brought to about this width and height, a multiple of two patches."""


def build_tiny(
    folder: Path,
    family: str = "qwen2_vl",
    *,
    texts: Iterable[str] | None = None,
    seed: int = 0,
    size: TinySize | None = None,
) -> None:
    """Write a random tiny model of a family with its processor, as a folder that AutoProcessor and vLLM load.

    `texts` train the tokenizer; anything else is still spelled out in bytes. Needs no network and no torchvision.
    Raises SettingsError for an unknown family.
    """
    if family not in FAMILIES:
        raise SettingsError(f"there is no tiny model of the family {family!r}; choose from {', '.join(FAMILIES)}")
    size = size or TinySize()
    tokenizer = _tokenizer(default_texts() if texts is None else texts, size.vocabulary)
    template = resources.files("trl").joinpath("chat_templates", FAMILIES[family].template)
    processor = _processor(family, tokenizer, template.read_text(encoding="utf-8"), size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(_config(family, tokenizer, size))  # type: ignore[no-untyped-call]
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(_END)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    folder.mkdir(parents=True, exist_ok=True)
    save(model, processor, folder)


def _tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE over phrases, with the special tokens of Qwen."""
    inner = Tokenizer(models.BPE())
    inner.normalizer = normalizers.NFC()
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PHRASES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(_SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner,
        eos_token=_END,
        pad_token=_PAD,
        additional_special_tokens=[token for token in _SPECIAL if token not in {_END, _PAD}],
        model_max_length=4096,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def _processor(family: str, tokenizer: PreTrainedTokenizerFast, template: str, size: TinySize) -> Any:
    """Return the family's processor, which scales every image to the size of the tiny model's."""
    known = FAMILIES[family]
    unit = 2 * known.patch
    side = max(round(size.pixels / unit), 1) * unit
    means: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3} if family == "qwen3_vl" else {}
    images = Qwen2VLImageProcessorPil(
        patch_size=known.patch, merge_size=2, temporal_patch_size=2, min_pixels=side**2, max_pixels=side**2, **means
    )
    tokenizer.chat_template = template
    return images_only(family)(images, tokenizer, chat_template=template)


def _config(family: str, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
    ids = tokenizer.convert_tokens_to_ids
    head = size.hidden // size.heads
    # Rotary frequencies are shared out between time, height and width, as in the released models (16, 24, 24 of 64).
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": 10_000.0,
        "mrope_section": [head // 2 - 2 * (head * 3 // 16), head * 3 // 16, head * 3 // 16],
    }
    text: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.hidden,
        "intermediate_size": 2 * size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": 4096,
        "pad_token_id": ids(_PAD),
        "rope_parameters": rope,
        "initializer_range": size.initial_std,
    }
    vision: dict[str, Any] = {
        "depth": size.vision_layers,
        "num_heads": size.vision_heads,
        "patch_size": FAMILIES[family].patch,
        "initializer_range": size.initial_std,
    }
    if family == "qwen2_vl":
        vision |= {"embed_dim": size.vision_hidden, "hidden_size": size.hidden, "mlp_ratio": 2}
    else:
        vision |= {
            "hidden_size": size.vision_hidden,
            "intermediate_size": 2 * size.vision_hidden,
            "out_hidden_size": size.hidden,
        }
    if family == "qwen2_5_vl":
        vision |= {"window_size": 112, "fullatt_block_indexes": [size.vision_layers - 1]}
    if family == "qwen3_vl":
        vision |= {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
        text["head_dim"] = head
        rope["mrope_interleaved"] = True
    else:
        text |= {"bos_token_id": None, "eos_token_id": ids(_END)}
    return AutoConfig.for_model(
        family,
        text_config=text,
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
