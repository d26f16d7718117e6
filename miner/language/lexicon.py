"""The lexicon: concepts, places, qualifiers and cues, built once from the tables of the pack.

A contributor adds a synonym in the pack; nothing here names a finding. That every id is declared the pack checks when
it is loaded; `load_lexicon` raises `LexiconError` where its words contradict each other (a phrase with two meanings,
concepts in a circle).
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from cxr.miner.kit.memory import no_collecting
from cxr.miner.language.entries import ROLES, Entry, Part, Ratio, Role
from cxr.miner.language.phrases import Phrases
from cxr.miner.language.tokens import phrase_words
from cxr.miner.pack import Pack, PackError, pack
from cxr.miner.pack.lexicon import Concept, Region, State
from cxr.schemas import Side

__all__ = [
    "Concept",
    "Entry",
    "Lexicon",
    "LexiconError",
    "Part",
    "Region",
    "Role",
    "State",
    "load_lexicon",
    "variants",
]

# What these cues say they say of other sentences; in their own they are plain words.
_LIGHT = (
    Role.REPORT
    | Role.PERCEIVE
    | Role.DESCRIBES
    | Role.CHOSEN
    | Role.ANAPHOR
    | Role.NONE
    | Role.HEADING
    | Role.LISTS
    | Role.SIGN
    | Role.EXAMPLE
    | Role.CONFIRM
    | Role.SEEK
)
_CHOICE = re.compile(r"\[([^\]]*)\]")
_IN_A_WORD = re.compile(r"\S\[|\]\S")


class LexiconError(PackError):
    """The words of a pack contradict each other; the message names the entry and what to change."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The loaded lexicon: concepts and places by id, phrases, and the relations in closed form."""

    concepts: dict[str, Concept]
    parts: dict[str, Part]
    regions: dict[str, Region]
    entries: dict[tuple[str, ...], Entry]
    phrases: Phrases
    ancestors: dict[str, frozenset[str]]
    """Everything that a concept is, itself and its equivalents included."""
    descendants: dict[str, frozenset[str]]
    """Everything that is a kind of the concept, itself and its equivalents included."""
    ruled_out: dict[str, frozenset[str]]
    """For a normal: all concepts that cannot be there when it is."""
    also_normal: dict[str, frozenset[str]]
    """For a normal: itself and the normals that follow from it."""
    places: dict[str, frozenset[str]]
    """A place and all the places that it lies in."""


def variants(phrase: str) -> Iterator[str]:
    """Write out the alternatives of a phrase: "[old|] X" gives "old X" and "X"."""
    if "[" not in phrase:
        yield phrase
        return
    pieces = _CHOICE.split(phrase)
    choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    for combination in product(*choices):
        yield " ".join("".join(combination).split())


def _written_out(phrase: str) -> list[tuple[str, ...]]:
    """Return the words of each variant of a phrase; where its choices are whole words, each is folded once."""
    if "[" not in phrase:
        return [phrase_words(phrase)]
    if _IN_A_WORD.search(phrase):
        return [phrase_words(text) for text in variants(phrase)]
    written: list[tuple[str, ...]] = [()]
    for index, piece in enumerate(_CHOICE.split(phrase)):
        choices = [phrase_words(choice) for choice in piece.split("|")] if index % 2 else [phrase_words(piece)]
        written = [before + words for before in written for words in choices]
    return written


class _Builder:
    """Collects entries by phrase and refuses a second meaning of the same kind."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, ...], Entry] = {}

    def entry(self, phrase: str) -> list[Entry]:
        entries, found = self.entries, []
        for words in _written_out(phrase):
            if not words:
                raise LexiconError(f"the phrase {phrase!r} has no words; write at least one")
            known = entries.get(words)
            if known is None:
                known = entries[words] = Entry(words)
            found.append(known)
        return found

    def all(self, phrases: Iterable[str], role: int) -> Iterator[Entry]:
        """Give each variant of each phrase a role, and yield its entry."""
        for phrase in phrases:
            for entry in self.entry(phrase):
                entry.roles |= role
                yield entry

    def concept(self, phrase: str, ids: tuple[str, ...]) -> None:
        for entry in self.entry(phrase):
            if entry.concepts and entry.concepts != ids:
                raise LexiconError(
                    f"the phrase {' '.join(entry.phrase)!r} means {entry.concepts} and {ids}; "
                    "keep it in one place, or declare it in compounds.toml"
                )
            entry.concepts = ids
            entry.roles |= Role.CONCEPT

    def part(self, phrase: str, part: Part, side: Side | None) -> None:
        for entry in self.entry(phrase):
            if entry.part is not None and entry.part != part:
                raise LexiconError(f"{' '.join(entry.phrase)!r} is both {entry.part.id} and {part.id}; keep one")
            entry.part = part
            entry.side = side or entry.side
            entry.roles |= Role.PART

    def state(self, phrase: str, state: State) -> None:
        for entry in self.entry(phrase):
            if entry.state is not None and entry.state != state:
                raise LexiconError(f"{' '.join(entry.phrase)!r} is both {entry.state.id} and {state.id}; keep one")
            entry.state = state
            entry.roles |= Role.STATE


def _add_modifiers(builder: _Builder, source: Pack) -> None:
    words = source.modifiers
    for state in words.state.values():
        for phrase in state.phrases:
            builder.state(phrase, state)
    for side, phrases in words.side.items():
        for entry in builder.all(phrases, Role.SIDE):
            entry.side = side
    for severity, phrases in words.severity.items():
        for entry in builder.all(phrases, Role.SEVERITY):
            entry.severity = severity
    for number, phrases in words.number.items():
        for entry in builder.all(phrases, Role.NUMBER):
            entry.number = number
    for change, phrases in words.change.items():
        for entry in builder.all(phrases, Role.CHANGE):
            entry.change = change
    for _ in builder.all(words.removal, Role.REMOVAL):
        pass


def _add_asides(builder: _Builder, source: Pack) -> None:
    """Add the words that qualify only by where they stand."""
    words = source.modifiers
    for change, phrases in words.course.items():
        for entry in builder.all(phrases, Role.COURSE):
            entry.course = change
            entry.roles |= Role.WORD
    kinds = ((Role.DIRECTION, words.direction), (Role.EARLIER, words.earlier), (Role.CURRENTLY, words.currently))
    for kind, phrases in kinds:
        for entry in builder.all(phrases, kind):
            entry.roles |= Role.WORD
    for other, phrases in ((False, words.same_side), (True, words.other_side)):
        for entry in builder.all(phrases, Role.SIDE):
            entry.other_side = other


def _add_places(builder: _Builder, source: Pack) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for part_id, place in source.anatomy.part.items():
        part = parts[part_id] = Part(
            part_id, source.anatomy.region[place.region], place.part_of, place.stands_for, place.only
        )
        for phrase in place.phrases:
            builder.part(phrase, part, None)
        for side, phrases in place.sided.items():
            for phrase in phrases:
                builder.part(phrase, part, side)
    return parts


def _add_ratios(builder: _Builder, source: Pack) -> None:
    for table in source.anatomy.ratio:
        above, otherwise = (Entry((concept,), Role.CONCEPT, (concept,)) for concept in (table.above, table.otherwise))
        for entry in builder.all(table.phrases, Role.WORD):
            entry.special = True
            entry.ratio = Ratio(table.limit, above, otherwise)


def _add_cues(builder: _Builder, source: Pack) -> None:
    for name, table in source.cues.items():
        if name.upper() not in ROLES:
            raise LexiconError(f"lexicon/cues.toml: there is no kind of cue {name!r}; remove it or correct its name")
        for _ in builder.all(table.phrases, ROLES[name.upper()]):
            pass
    for entry in builder.entries.values():
        if entry.roles and not entry.roles & ~_LIGHT:
            entry.roles |= Role.WORD
        if entry.roles & (Role.EXAMPLE | Role.CONFIRM):
            entry.roles |= Role.PREPOSITION


def _add_misheard(builder: _Builder, source: Pack) -> None:
    """Let what speech recognition makes of a phrase mean the same."""
    for phrase, misheard in source.spelling.heard.items():
        known = builder.entries.get(phrase_words(phrase))
        if known is None:
            continue  # a pack that is based on another may have other phrases
        for words in map(phrase_words, misheard):
            builder.entries[words] = dataclasses.replace(known, phrase=words)


def _tail(entry: Entry, entries: dict[tuple[str, ...], Entry]) -> Part | None:
    """Find the structure that a concept's phrase ends in: the X of "striped X"."""
    for start in range(1, len(entry.phrase)):
        ending = entries.get(entry.phrase[start:])
        if ending is not None and ending.part is not None and not ending.concepts:
            return ending.part
    return None


def _inner(entry: Entry, qualifiers: Phrases, *, device: bool) -> tuple[Entry, ...]:
    """Find the qualifiers inside a phrase; a structure that the concept is about anyway is none."""
    words, found, at = entry.phrase, [], 0
    while at < len(words) > 1:
        here = [each for each in qualifiers.at(words, at) if each[0] is not entry]
        if not here:
            at += 1
            continue
        part, total = here[-1]
        place = part.part
        if part.side or (place is not None and place.part_of and place.region.divided):
            found.append(part)
        at += total
    return tuple(part for part in found if part.side) if device else tuple(found)


def _closure(start: str, step: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    seen, todo = {start}, [start]
    while todo:
        for target in step.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return frozenset(seen)


def _refuse_circles(concepts: Mapping[str, Concept]) -> None:
    upward = {concept.id: concept.is_a for concept in concepts.values()}
    for concept in concepts.values():
        if any(concept.id in _closure(parent, upward) for parent in concept.is_a):
            raise LexiconError(f"{concept.id} is its own ancestor; break the cycle in is_a")


def _add_concepts(builder: _Builder, source: Pack) -> dict[str, Concept]:
    concepts: dict[str, Concept] = {}
    for file, declared in source.concepts.items():
        for concept_id, concept in declared.items():
            if concept_id in concepts:
                raise LexiconError(f"{concept_id} is declared twice, the second time in {file}; merge the two")
            concepts[concept_id] = concept
            for phrase in concept.phrases:
                builder.concept(phrase, (concept_id,))
    for phrase, concept_ids in source.compounds.phrases.items():
        for entry in builder.entry(phrase):
            entry.concepts, entry.roles = concept_ids, entry.roles | Role.CONCEPT
    return concepts


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Return the lexicon, built and checked once per process; raises `LexiconError` on a contradiction."""
    with no_collecting():
        return build_lexicon(pack())


def build_lexicon(source: Pack) -> Lexicon:
    """Return the lexicon of a pack; raises `LexiconError` on a contradiction."""
    builder = _Builder()
    concepts = _add_concepts(builder, source)
    parts = _add_places(builder, source)
    _add_modifiers(builder, source)
    _add_ratios(builder, source)
    _add_asides(builder, source)
    _add_cues(builder, source)
    _add_misheard(builder, source)
    qualifiers = Phrases({words: entry for words, entry in builder.entries.items() if entry.part or entry.side})
    for entry in builder.entries.values():
        if entry.concepts:
            device = concepts[entry.concepts[0]].region == source.roles.device_region
            first = concepts[entry.concepts[0]]
            # The side in the name of something normal is no part of it: "left Z" is where Z belongs.
            named = first.kind == "normal" or not first.unsided.isdisjoint(entry.phrase)
            entry.inner = () if named else _inner(entry, qualifiers, device=device)
            entry.tail = _tail(entry, builder.entries)
            if first.placed:
                entry.special, entry.only_at = True, frozenset(first.at)
                other = None if first.alone is None else Entry(entry.phrase, entry.roles, (first.alone,))
                entry.alone = other
    _refuse_circles(concepts)
    upward = {c.id: (*c.is_a, *c.equivalent) for c in concepts.values()}
    ancestors = {c: _closure(c, upward) for c in concepts}
    descendants = {c: frozenset(d for d in concepts if c in ancestors[d]) for c in concepts}
    entails = {c.id: c.entails for c in concepts.values()}
    also_normal = {c: _closure(c, entails) for c in concepts}
    within = {p.id: p.part_of for p in parts.values()}
    return Lexicon(
        concepts=concepts,
        parts=parts,
        regions=source.anatomy.region,
        entries=builder.entries,
        phrases=Phrases(builder.entries),
        ancestors=ancestors,
        descendants=descendants,
        ruled_out={c: _ruled_out(normals, concepts, descendants) for c, normals in also_normal.items()},
        also_normal=also_normal,
        places={p: _closure(p, within) for p in parts},
    )


def _ruled_out(
    normals: Iterable[str], concepts: Mapping[str, Concept], descendants: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Return all that cannot be there where these normals hold."""
    return frozenset(
        below for normal in normals for absent in concepts[normal].entails_absence for below in descendants[absent]
    )
