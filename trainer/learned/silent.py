"""Sentences in which the rules find nothing, and the normal form of one once somebody has said what it describes."""

from collections.abc import Iterator

from cxr.miner.language.analysis import Analysis, tells_of_patient
from cxr.miner.language.items import asks_or_names, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.reader import read_sentence
from cxr.miner.language.readings import normal_form
from cxr.miner.language.sides import one_side
from cxr.schemas import Certainty, NormalForm, Presence

FEWEST_WORDS = 3
"""A shorter one is a header, or goes on about the sentence before it."""
MOST_CHARACTERS = 300
"""A longer one describes more than one thing."""
_DENIES = Role.DENY_FORWARD | Role.DENY_BACKWARD
_HEDGES = Role.HEDGE_FORWARD | Role.HEDGE_BACKWARD | Role.HEDGE_LIST
# It asserts nothing, or not of this image; and where the rules know a name and made nothing of it, they had a reason.
_SILENT = (
    Role.CONCEPT
    | Role.PAST
    | Role.ANOTHER_DAY
    | Role.NOTHING_SENTENCE
    | Role.NOTHING_CLAUSE
    | Role.NOTHING_FORWARD
    | Role.QUALITY
    | Role.NOT_ASSESSABLE
    | Role.EARLIER
)


def silent_sentences(analysis: Analysis) -> Iterator[tuple[int, int]]:
    """Return where the sentences stand that could describe something, and of which the rules made nothing."""
    for start, end in analysis.cuts:
        sentence = analysis.text[start:end]
        if not len(sentence.split()) >= FEWEST_WORDS or len(sentence) > MOST_CHARACTERS:
            continue
        if tells_of_patient(sentence) or asks_or_names(sentence) or read_items(sentence).union & _SILENT:
            continue
        read = read_sentence(sentence)
        if not read.readings and read.said is None and read.sought is None:
            yield start, end


def described_form(concept: str, sentence: str) -> NormalForm:
    """Return what a sentence states that describes a concept: with its side, place and degree, denied or hedged."""
    items = read_items(sentence)
    entries = items.entries
    parts = [entry.part for entry in entries if entry.part is not None]
    denied = bool(items.union & _DENIES)
    hedged = bool(items.union & _HEDGES) and not denied
    known = load_lexicon().concepts[concept]
    normal = known.kind == "normal"
    # Other structures than its own ("a gap between W and Z") are part of the description.
    places = [part.id for part in parts if part.part_of and part.region.divided and part.region.id == known.region]
    return normal_form(
        concept,
        Presence.ABSENT if denied else Presence.PRESENT,
        Certainty.UNCERTAIN if hedged and not normal else Certainty.CERTAIN,
        () if normal else tuple(dict.fromkeys(places)),
        one_side([entry.side for entry in entries if entry.side is not None]),
        next((entry.severity for entry in entries if entry.severity is not None), None),
        items.sizes[0][1] if len(items.sizes) == 1 else None,
        None,
        next((entry.change for entry in entries if entry.change is not None), None),
    )
