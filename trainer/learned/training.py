"""Trains the encoder: words of one concept are drawn together, those of others apart; minutes on two processors.

Sentences of a batch that mean something else are what each is told from (multiple negatives, Henderson et al. 2017,
arXiv 1705.00652), but for kinds and signs of the same thing. The lower layers stay as they are: they know English, and
the few sentences of a pack could only make them forget it.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_folder
from cxr.miner.kit.parallel import Advance, quiet
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.pack import pack
from cxr.trainer.learned.encoder import Encoder, MiniLM, base_folder, needed
from cxr.trainer.learned.examples import Example, descriptions, held_out, means, phrases
from cxr.trainer.learned.namer import FILE, ROWS, NamerFile

EPOCHS, BATCH, RATE, SCALE = 4, 48, 5e-5, 20.0
FROZEN_LAYERS = 3
DESCRIPTIONS_SEEN = 2
"""So often in an epoch; a phrase once."""
MOST_FALSE = 0.005
"""Of all pairs of a held-out sentence and a concept with a label that it does not describe, so many may be granted: it
decides the least similarity. A choice of ours, not tuned on any figure."""
WEIGHTS = "model.safetensors"


class Trained(NamedTuple):
    """What a training came to: of the sentences that were held out, how many it names, and how many of them rightly."""

    version: str
    least_similarity: float
    held_out: int
    named: int
    right: int


def train_encoder(output: Path, *, seed: int = 0, epochs: int = EPOCHS, advance: Advance = quiet) -> Trained:
    """Train an encoder on the pack in use and write it, with all its examples, to a new folder.

    Raises InputError where the folder holds something already, CxrError without the extra.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output} exists and is not empty; give a new folder for the encoder")
    encoder = MiniLM(base_folder())
    kept, held = held_out(descriptions(), seed)
    learned = phrases(seed)
    _tune(encoder, [*kept * DESCRIPTIONS_SEEN, *learned], seed, epochs, advance)
    least, named, right = _least_similarity(encoder, [*learned, *kept], held)
    about = _write(encoder, [*learned, *descriptions()], seed, least, output)
    return Trained(about.version, least, len(held), named, right)


def _tune(encoder: MiniLM, examples: Sequence[Example], seed: int, epochs: int, advance: Advance) -> None:
    """Change the upper layers until examples of one concept lie together."""
    torch = needed("torch")
    torch.manual_seed(seed)
    model = encoder.parts[1]
    model.requires_grad_(requires_grad=False)
    for layer in model.encoder.layer[FROZEN_LAYERS:]:
        layer.requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=RATE)
    model.train()
    steps = epochs * (len(examples) // BATCH)
    for step, (anchors, others, alike) in enumerate(_batches(examples, seed, epochs), start=1):
        similar = encoder.forward(anchors) @ encoder.forward(others).T * SCALE
        similar = similar.masked_fill(torch.tensor(alike), -1e4)
        loss = torch.nn.functional.cross_entropy(similar, torch.arange(len(anchors)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        advance(step, steps)
    model.eval()


def _batches(
    examples: Sequence[Example], seed: int, epochs: int
) -> Iterator[tuple[list[str], list[str], list[list[bool]]]]:
    """Yield sentences, other words for each, and which of those mean the same without being the ones for it."""
    draw = random.Random(seed)  # noqa: S311 - no secret is drawn
    frames = pack().descriptions.frames
    other: dict[str | None, list[str]] = defaultdict(list)
    for words, concept in dict.fromkeys(examples):
        other[concept].append(words)
    for _ in range(epochs):
        order = list(examples)
        draw.shuffle(order)
        for start in range(0, len(order) - BATCH + 1, BATCH):
            some = order[start : start + BATCH]
            anchors = [
                words if words.endswith(".") or not frames else draw.choice(frames).format(words=words)
                for words, _ in some
            ]
            others = [draw.choice(other[concept]) for _, concept in some]
            alike = [
                [row != column and (means(a, b) or means(b, a)) for column, (_, b) in enumerate(some)]
                for row, (_, a) in enumerate(some)
            ]
            yield anchors, others, alike


def _least_similarity(encoder: Encoder, examples: Sequence[Example], held: Sequence[Example]) -> tuple[float, int, int]:
    """Return the least similarity at which few enough things are granted falsely; how many are named, how many rightly.

    1, which names nothing, where there is none.
    """
    asked = [concept.id for concept in load_lexicon().concepts.values() if concept.label is not None]
    known = encoder.embed([example.words for example in examples])
    similar = encoder.embed([example.words for example in held]) @ known.T
    best, named, right, false = (1.0, 0, 0), 0, 0, 0
    for row, example in sorted(zip(similar, held, strict=True), key=lambda pair: -float(pair[0].max())):
        concept = examples[int(np.argmax(row))].concept
        if concept is None:
            continue
        named += 1
        right += means(concept, example.concept)
        false += sum(means(concept, other) and not means(example.concept, other) for other in asked)
        if false > MOST_FALSE * len(held) * len(asked):
            break
        best = (round(float(row.max()), 4), named, right)
    return best


def _write(encoder: MiniLM, examples: Sequence[Example], seed: int, least: float, output: Path) -> NamerFile:
    output.parent.mkdir(parents=True, exist_ok=True)
    tokenizer, model = encoder.parts
    rows: Any = encoder.embed([example.words for example in examples])
    with whole_folder(output) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        needed("safetensors.numpy").save_file({"rows": rows}, folder / ROWS)
        about = NamerFile(
            weights=sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
            seed=seed,
            least_similarity=least,
            examples=tuple((words, concept) for words, concept in examples),
        )
        (folder / FILE).write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return about
