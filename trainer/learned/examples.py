"""What the encoder learns from: the lexicon's phrases and the pack's descriptions, never anything that is measured."""

import random
from collections import defaultdict
from functools import cache
from typing import NamedTuple

from cxr.miner.judge.relations import load_relations
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.pack import pack

PHRASES = 8
"""Of each concept at most, drawn by lot: most phrases of the lexicon are spellings of a few."""
HELD_OUT = 0.2
"""The share of descriptions by which the least similarity is chosen; they are not trained on."""


class Example(NamedTuple):
    """Words and the concept that they mean; None where they state no finding."""

    words: str
    concept: str | None


def phrases(seed: int) -> list[Example]:
    """Return names of every concept that names something."""
    lexicon, draw = load_lexicon(), random.Random(seed)  # noqa: S311 - no secret is drawn
    known: dict[str, list[str]] = defaultdict(list)
    for words, entry in lexicon.entries.items():
        if len(entry.concepts) == 1 and not lexicon.concepts[entry.concepts[0]].unnamed:
            known[entry.concepts[0]].append(" ".join(words))
    return [
        Example(words, concept)
        for concept, found in sorted(known.items())
        for words in sorted(draw.sample(sorted(found), min(PHRASES, len(found))))
    ]


def descriptions() -> list[Example]:
    """Return the pack's sentences that describe a concept, and those that state nothing."""
    table = pack().descriptions
    described = [Example(words, concept) for concept, found in table.described.items() for words in found]
    return described + [Example(words, None) for words in table.nothing]


def held_out(examples: list[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Return what is trained on and what is held out, by lot; a concept keeps one description at least."""
    draw, kept, held = random.Random(seed), list[Example](), list[Example]()  # noqa: S311
    for at, example in enumerate(examples):
        alone = at == 0 or examples[at - 1].concept != example.concept
        (held if draw.random() < HELD_OUT and not alone else kept).append(example)
    return kept, held


@cache
def means(named: str | None, asked: str | None) -> bool:
    """Return whether what is one concept is another as well: the same, or a kind or disease of which it is a sign."""
    if named is None or asked is None:
        return named is asked
    return named == asked or asked in load_relations().implied_by(named)
