"""What the words of a text name, by the phrases of the pack alone: no grammar, no scope, no denial.

The checks of evidence look at quotes through this and not through the reader, which has often made the evidence: what
the reader takes for said must at least stand there in words.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.language.entries import Entry, Part, Role
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.residues import readable
from cxr.miner.language.tokens import ARTICLES, fold, fold_compound, lowered, phrase_words, tokenise
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import Change, Severity, Side

# A size of an earlier examination ("8 mm, previously 14 mm") is none of what is there.
_EARLIER = "".join(f"(?<!{word} )" for word in ("previously", "formerly", "from", "was"))
_NUMBER = r"(\d+(?:\.\d+)?)"
_SIZE = re.compile(
    rf"{_EARLIER}(?<![\d.]){_NUMBER}(?:\s*(?:x|by|-|to)\s*{_NUMBER})?\s*-?\s*(mm|cm|millimeters?|centimeters?)\b"
)
_COUNTS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMERALS = {word: number for number, word in enumerate(_COUNTS, start=2)}
_COUNT = re.compile(r"(?<![\w.#-])(\d{1,2})(?![\w.%/]|-|\s*(?:mm|cm|x)\b)")
_DIGIT = re.compile(r"\d")
_PLURAL_ENDS = "saei"  # with those from Latin
_SEVERAL = "multiple"


class Words(NamedTuple):
    """What is named in a text, whatever is said of it."""

    folded: str
    """Its words as the lexicon folds them, between blanks."""
    concepts: frozenset[str]
    """By name, or as a structure and an adjective of it, wherever the two stand."""
    regions: frozenset[str]
    """Of the places that are named, in words that are not part of a concept's name."""
    places: frozenset[str]
    """Parts of the regions in which findings are told apart by place, in words that are no concept's name."""
    touched: frozenset[str]
    """All places that are named in any words."""
    assures: bool
    """There is a word for what is normal or gone, or for anything wrong without a name."""
    denies: bool
    """There is a word that denies what follows it."""
    changes: frozenset[Change]
    sides: frozenset[Side]
    severities: frozenset[Severity]
    """Without words that only stress what is there."""
    several: bool
    in_plural: bool
    """Something that is counted is named in the plural."""
    both_parts: bool
    """A part of what has two sides is named in the plural ("the bases")."""
    counts: frozenset[int]
    sizes_mm: frozenset[float]

    @property
    def name_nothing(self) -> bool:
        """Whether these words only qualify what is named elsewhere ("a moderate one on the left", "unchanged")."""
        return not self.concepts and not self.regions and not self.assures


@lru_cache(maxsize=8192)
def words_of(text: str) -> Words:
    """Return what a text names. Takes time linear in its length."""
    lower = lowered(readable(text).text)
    spelled = [word for word, _, _ in tokenise(lower) if word[0].isalnum() and word not in ARTICLES]
    words = [part for at, word in enumerate(spelled) for part in _folded_at(word, spelled[at + 1 : at + 2])]
    plurals = [folded for word in spelled if word[-1] in _PLURAL_ENDS and (folded := _singular(word)) is not None]
    matched = list(_matches(words))
    named = _longest(matched)
    parts = [entry.part for entry in named if entry.part is not None and not entry.concepts]
    counts = {_NUMERALS[word] for word in words if word in _NUMERALS}
    sized: list[float] = []
    if _DIGIT.search(lower):
        sized = [number for match in _SIZE.finditer(lower) for number in _millimetres(match)]
        counts |= {int(number) for number in _COUNT.findall(lower)}
    all_entries = [entry for _, _, entry in matched]
    told_apart = pack().relations.regions.told_apart
    concepts = {concept for entry in named for concept in entry.concepts}
    return Words(
        folded=f" {' '.join(words)} ",
        concepts=frozenset(concepts | _qualified(concepts, all_entries) | _renamed(concepts, lower)),
        regions=frozenset(part.region.id for part in parts),
        places=frozenset(part.id for part in parts if part.part_of and part.region.id in told_apart),
        touched=frozenset(place for entry in all_entries if entry.part is not None for place in _all_of(entry.part)),
        assures=any(
            entry.roles & Role.GENERIC
            or (entry.state is not None and entry.state.normal)
            or entry.change is Change.RESOLVED
            for entry in all_entries
        ),
        denies=any(entry.roles & Role.DENY_FORWARD for entry in all_entries),
        changes=frozenset(entry.change for entry in all_entries if entry.change is not None),
        sides=frozenset(entry.side for entry in all_entries if entry.side is not None),
        severities=frozenset(
            entry.severity for entry in all_entries if entry.severity is not None and entry.phrase not in _stressed()
        ),
        several=any(entry.number == _SEVERAL for entry in all_entries),
        in_plural=not pack().nouns.counted.isdisjoint(plurals),
        both_parts=any(_is_paired(place) for place in plurals),
        counts=frozenset(counts),
        sizes_mm=frozenset(sized),
    )


def _folded_at(word: str, following: list[str]) -> tuple[str, ...]:
    """Fold a word, but not one that names something with the number behind it: the l of "L 1" is no left."""
    is_name = following and following[0].isdigit() and (word, *following) in load_lexicon().entries
    return (word,) if is_name else fold_compound(word)


def _all_of(part: Part) -> tuple[str, ...]:
    return (part.id, *part.stands_for)


def _qualified(concepts: set[str], entries: list[Entry]) -> set[str]:
    """Return what adjectives make of the structures and things beside them, and places of things."""
    lexicon, at_place = load_lexicon(), pack().relations.at_place
    regions = [entry.part.region for entry in entries if entry.part is not None]
    found = {
        there
        for region in regions
        for concept in concepts
        for there in (lexicon.concepts[concept].at.get(region.id), at_place.get(region.id, {}).get(concept))
        if there is not None
    }
    states = [entry.state.id for entry in entries if entry.state is not None]
    if states:
        tables = [region.states for region in regions] + [lexicon.concepts[concept].when for concept in concepts]
        found |= {table[state] for state in states for table in tables if state in table}
    return found


def _renamed(concepts: set[str], lower: str) -> set[str]:
    """Return what things are called with a word near them that gives them another name."""
    return {
        each.becomes[concept]
        for each in pack().relations.sharpened
        if each.word in lower
        for concept in concepts
        if concept in each.becomes
    }


def _singular(word: str) -> str | None:
    """Return the folded form of a word that is a plural; None for others."""
    folded = fold(word)
    if folded == word or not (word in pack().spelling.singular or (word.endswith("s") and word[:3] == folded[:3])):
        return None
    return folded


def _is_paired(place: str) -> bool:
    """Return whether a word alone names a part of something that has parts on both sides."""
    entry = load_lexicon().entries.get((place,))
    return entry is not None and entry.part is not None and entry.part.region.divided and bool(entry.part.part_of)


@lru_cache(maxsize=1)
def _stressed() -> frozenset[tuple[str, ...]]:
    return frozenset(phrase_words(phrase) for phrase in pack().modifiers.emphasis)


def is_named(phrase: str, words: Words) -> bool:
    """Return whether a folded phrase of whole words stands in a text."""
    return f" {phrase} " in words.folded


def _matches(words: list[str]) -> Iterator[tuple[int, int, Entry]]:
    """Yield every phrase of the lexicon that stands in the words, with its first and last place."""
    phrases = load_lexicon().phrases
    for start in range(len(words)):
        for entry, total in phrases.at(words, start):
            yield start, start + total, entry


def _longest(matched: list[tuple[int, int, Entry]]) -> list[Entry]:
    """Keep what names something, from left to right, of several that begin at one word the longest."""
    kept: list[tuple[int, Entry]] = []
    reached = 0
    for start, stop, entry in matched:  # by start, then by length
        if not entry.concepts and entry.part is None:
            continue
        if kept and kept[-1][0] == start:
            kept[-1] = (start, entry)
        elif start >= reached:
            kept.append((start, entry))
        else:
            continue
        reached = stop
    return [entry for _, entry in kept]


def _millimetres(match: re.Match[str]) -> Iterator[float]:
    factor = 10 if match.group(3).startswith("c") else 1
    for number in match.group(1, 2):
        if number is not None:
            yield round(float(number) * factor, 2)


def sign_words(finding: str) -> tuple[str, ...]:
    """Return the folded phrases of `signs.toml` by which a label's signs are named."""
    signs = pack().signs.get(finding)
    return () if signs is None else _folded(signs.words)


@lru_cache(maxsize=256)
def _folded(phrases: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(words_of(phrase).folded.strip() for phrase in phrases)
