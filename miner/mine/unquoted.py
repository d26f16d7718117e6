"""What a statement says of side, degree, number, size and place that stands in none of its quotes.

Compared are words, by the tables of the pack (`words.py`), and not what the reader made of them.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.mine.words import Words, words_of
from cxr.miner.pack import pack
from cxr.schemas.reasoning import Chain, Evidence
from cxr.schemas.rejection import Rejection
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Presence, RejectReason, Severity, Side

# Radiologists use the words of these for each other ("slightly" and "mildly").
_SLIGHT = frozenset({Severity.MINIMAL, Severity.MILD})
# Where a place begins behind its thing.
_PREPOSITION = re.compile(r"(?=\s(?:in|of|at|over|on|within|along|under)\s)")
_BOTH = frozenset({Side.LEFT, Side.RIGHT})


def unquoted(statement: str, quotes: Iterable[Quote]) -> tuple[str, ...]:
    """Return the sides, degrees, numbers, sizes and places of a statement that no quote has, by name.

    Words of one degree are the same ("tiny" and "trace"), and a plural says that there are several; one side of both
    is quoted, and both where each is. A place is quoted where it is, a part of it, or what goes by the same words in
    practice.
    """
    said = words_of(statement)
    if not (said.sides or said.severities or said.several or said.counts or said.sizes_mm or said.places):
        return ()
    return missing_in(said, tuple(words_of(quote.text) for quote in quotes))


def _parts_shown(homes: set[str], touched: frozenset[str]) -> frozenset[str]:
    """Return the parts of what images show in part, where a quote has a thing of it and names no part of it."""
    whole = homes & set(pack().relations.regions.shown_in_part)
    parts = load_lexicon().parts.items() if whole else ()
    shown = frozenset(name for name, part in parts if part.region.id in whole and name not in whole)
    return frozenset() if shown & touched else shown


def _is_within(place: str, quoted: frozenset[str]) -> bool:
    lexicon = load_lexicon()
    if any(place in lexicon.places[other] for other in quoted):
        return True
    if stands_for := lexicon.parts[place].stands_for:
        return all(_is_within(each, quoted) for each in stands_for)
    return any(place in group.places and quoted & set(group.places) for group in pack().relations.overlapping_places)


def without(phrase: str, missing: Iterable[str]) -> str:
    """Return a noun phrase without the words for attributes that are missing in its quotes, "in the upper Y" whole."""
    lacking = set(missing)
    if not lacking:
        return phrase
    first, *places = _PREPOSITION.split(phrase)
    kept = [first, *(place for place in places if not {called(each) for each in words_of(place).places} & lacking)]
    return " ".join(word for word in "".join(kept).split() if not lacking & set(unquoted(word, ())))


@lru_cache(maxsize=2048)
def missing_in(said: Words, quoted: tuple[Words, ...]) -> tuple[str, ...]:
    """Return the attributes of what is said that none of the quoted words has, by name."""
    sides = frozenset[Side]().union(*(words.sides for words in quoted))
    if any(words.both_parts for words in quoted):
        sides |= {Side.BILATERAL}
    if Side.BILATERAL in sides:
        sides |= _BOTH
    if sides >= _BOTH:
        sides |= {Side.BILATERAL}
    degrees = {degree for words in quoted for degree in words.severities}
    if degrees & _SLIGHT:
        degrees |= _SLIGHT
    counts = {count for words in quoted for count in words.counts}
    sizes = {size for words in quoted for size in words.sizes_mm}
    several = any(words.several or words.counts or words.in_plural for words in quoted)
    missing = [str(side) for side in sorted(said.sides - sides - {Side.MIDLINE})]
    missing += [str(degree) for degree in sorted(said.severities - degrees)]
    missing += ["multiple"] if said.several and not several else []
    missing += [str(count) for count in sorted(said.counts - counts)]
    missing += [f"{size:g} mm" for size in sorted(said.sizes_mm - sizes)]
    touched = frozenset[str]().union(*(words.touched for words in quoted))
    homes = {load_lexicon().concepts[concept].region for words in quoted for concept in words.concepts}
    places = [place for place in sorted(said.places) if not _is_within(place, touched | _parts_shown(homes, touched))]
    return (*missing, *map(called, places))


def called(place: str) -> str:
    """Return the words by which a place is named as missing."""
    return place.replace("_", " ")


def check_statements(evidence: tuple[Evidence, ...], *, compared: bool = False) -> Rejection | None:
    """Check that what is stated as present has no side, degree, number, size or place beyond its quotes.

    Where it is compared with an earlier image, only sides are checked: its degree and size then stand in no quote.
    """
    for item in evidence:
        if item.presence is not Presence.PRESENT:
            continue
        missing = unquoted(item.statement, item.quotes)
        if compared:
            missing = tuple(word for word in missing if word in set(Side))
        if missing:
            return Rejection(
                RejectReason.STATEMENT_NOT_QUOTED,
                f"the statement on {item.finding} says {', '.join(missing)}, which none of its quotes says; quote the "
                "words that do, or leave it out",
            )
    return None


def check_measured(evidence: tuple[Evidence, ...], chain: Chain) -> Rejection | None:
    """Check that no step of a chain gives a size that neither a quote nor a finding asked about has.

    Other attributes are not looked for here: a step may well name what would be large if it were there.
    """
    measured = [step for step in chain.steps if "mm" in step.text or "cm" in step.text]
    if not measured:
        return None
    known = {
        size
        for item in evidence
        for text in (item.finding, *(quote.text for quote in item.quotes))
        for size in words_of(text).sizes_mm
    }
    for step in measured:
        if made_up := sorted(words_of(step.text).sizes_mm - known):
            return Rejection(
                RejectReason.STATEMENT_NOT_QUOTED,
                f"step {step.step_no} says {', '.join(f'{size:g} mm' for size in made_up)}, which no quote says",
            )
    return None
