"""CheXbench (formats.md, section 10): one data.json, an object of task name to items, multiple choice by index."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from cxr.miner.imports.records import Read, Record, Sample, corpus_of, images_of, licence_of, read_json
from cxr.miner.kit.errors import BadRecord, InputError
from cxr.schemas.vocabulary import RejectReason

# Its names of our tasks; its other multiple-choice tasks keep their own.
_TASKS = {
    "Binary Disease Classification": "binary",
    "Single Disease Identification": "single",
    "Multiple Disease Identification": "multiple",
    "Temporal Classification": "temporal",
    "View Classification": "view",
    "Visual Question Answering": "vqa",
    "Fine-Grained Reasoning": "fine_grained",
}
LARGEST = 26


def read_chexbench(path: Path, roots: Mapping[str, str]) -> Read:
    """Read data.json; items without options (grounding, reports, summaries) become rejects of their own reason."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(items, list) for items in content.values()):
        raise InputError(f"{path} is not CheXbench's data.json; expected an object of task names, each with a list")
    read = Read()
    for name, items in content.items():
        for number, item in enumerate(items):
            read.add(f"{name}:{number}", item, partial(_sample, name, number, roots))
    return read


def _sample(name: str, number: int, roots: Mapping[str, str], item: Record) -> Sample:
    texts = _options(item)
    if not texts:
        raise BadRecord(RejectReason.UNSUPPORTED_TASK, f"{name} has no options to choose from")
    place = item.get("answer")
    # pandas writes whole numbers beside missing ones as 2.0.
    if isinstance(place, float) and place.is_integer():
        place = int(place)
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(texts):
        raise BadRecord(RejectReason.BAD_VALUE, f"the answer is no index of one of the {len(texts)} options")
    question = item.get("question")
    if not isinstance(question, str) or not question.strip():
        raise BadRecord(RejectReason.WRONG_FIELDS, "no question")
    source = item.get("data_source")
    corpus = corpus_of(source if isinstance(source, str) else "chexbench")
    letters = [chr(ord("A") + index) for index in range(len(texts))]
    shown = "".join(f"\n{letter}) {text}" for letter, text in zip(letters, texts, strict=True))
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return Sample(
        item_id=f"[{corpus}] [{slug}-{number}]CheXbench",
        task=_TASKS.get(name, slug),
        corpus=corpus,
        licence=licence_of(corpus),
        study_id=f"{corpus}/chexbench-{slug}-{number}",
        images=images_of(item.get("image_path"), roots),
        question=f"{question.strip()} Options:{shown}",
        options=tuple(zip(letters, texts, strict=True)),
        answer=letters[place],
        answer_text=texts[place],
    )


def _options(item: Record) -> list[str]:
    """Return the options in order; unused ones are NaN (formats.md)."""
    given = (item.get(f"option_{index}") for index in range(LARGEST))
    return [text.strip() for text in given if isinstance(text, str) and text.strip()]
