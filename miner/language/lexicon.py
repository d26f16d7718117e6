"""The lexicon: concepts, places, qualifiers and cues, read once from the TOML files in `data/`.

A contributor adds a synonym in `data/`; nothing here names a finding. `load_lexicon` raises `LexiconError`
where the files contradict each other (an unknown parent, a cycle, a phrase with two meanings).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from cxr.miner.language.entries import DIVIDED, Concept, Entry, Node, Part, Region, Role, State
from cxr.miner.language.tokens import phrase_words
from cxr.miner.pack import pack
from cxr.schemas import Change, Severity, Side

__all__ = [
    "Concept",
    "Entry",
    "Lexicon",
    "LexiconError",
    "Node",
    "Part",
    "Region",
    "Role",
    "State",
    "load_lexicon",
    "variants",
]

_CHOICE = re.compile(r"\[([^\]]*)\]")


class LexiconError(ValueError):
    """The lexicon's files contradict each other; the message names the file entry and what to change."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The loaded lexicon: concepts and places by id, the phrase tree, and the relations in closed form."""

    concepts: dict[str, Concept]
    parts: dict[str, Part]
    regions: dict[str, Region]
    entries: dict[tuple[str, ...], Entry]
    tree: dict[str, Node]
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
    """Write out the alternatives of a phrase: "[lung|] base" gives "lung base" and "base"."""
    pieces = _CHOICE.split(phrase)
    choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    for combination in product(*choices):
        yield " ".join("".join(combination).split())


def _concept(concept_id: str, table: dict[str, Any], kind: str) -> Concept:
    return Concept(
        id=concept_id,
        name=table["name"],
        kind=table.get("kind", kind),
        region=table["region"],
        course=table.get("course"),
        is_a=tuple(table.get("is_a", ())),
        equivalent=tuple(table.get("equivalent", ())),
        entails=tuple(table.get("entails", ())),
        entails_absence=tuple(table.get("entails_absence", ())),
        at=table.get("at", {}),
        when=table.get("when", {}),
        chronic_form=table.get("chronic_form"),
        chexpert=table.get("chexpert"),
        chexpert_possible=table.get("chexpert_possible"),
        chexpert_absent=tuple(table.get("chexpert_absent", ())),
        incidental=bool(table.get("incidental")),
        source=table["source"],
    )


class _Builder:
    """Collects entries by phrase and refuses a second meaning of the same kind."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, ...], Entry] = {}

    def entry(self, phrase: str) -> Iterator[Entry]:
        for text in variants(phrase):
            words = phrase_words(text)
            if not words:
                raise LexiconError(f"the phrase {phrase!r} has no words; write at least one")
            found = self.entries.get(words)
            if found is None:
                found = self.entries[words] = Entry(words)
            yield found

    def all(self, phrases: list[str], role: Role) -> Iterator[Entry]:
        """Return each variant of each phrase a role, and yield its entry."""
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


def _add_modifiers(builder: _Builder) -> None:
    data = pack().table("lexicon/modifiers.toml")
    for state_id, table in data["state"].items():
        severity = Severity(table["severity"]) if "severity" in table else None
        state = State(
            state_id, table["polarity"] == "normal", bool(table.get("hedge")), bool(table.get("predicative")), severity
        )
        for phrase in table["phrases"]:
            builder.state(phrase, state)
    for side, phrases in data["side"].items():
        for entry in builder.all(phrases, Role.SIDE):
            entry.side = Side(side)
    for severity_id, phrases in data["severity"].items():
        for entry in builder.all(phrases, Role.SEVERITY):
            entry.severity = Severity(severity_id)
    for number, phrases in data["number"].items():
        for entry in builder.all(phrases, Role.NUMBER):
            entry.number = number
    for change, phrases in data["change"].items():
        for entry in builder.all(phrases, Role.CHANGE):
            entry.change = Change(change)


def _add_anatomy(builder: _Builder) -> tuple[dict[str, Region], dict[str, Part]]:
    data = pack().table("anatomy.toml")
    regions = {
        region_id: Region(
            region_id,
            table.get("normal"),
            table.get("abnormal"),
            table.get("acute"),
            table.get("lesion"),
            table.get("states", {}),
        )
        for region_id, table in data["region"].items()
    }
    parts: dict[str, Part] = {}
    for part_id, table in data["part"].items():
        if table["region"] not in regions:
            raise LexiconError(f"part {part_id} names the unknown region {table['region']}; declare it")
        part = parts[part_id] = Part(part_id, regions[table["region"]], tuple(table.get("part_of", ())))
        for phrase in table["phrases"]:
            builder.part(phrase, part, None)
        for side, phrases in table.get("sided", {}).items():
            for phrase in phrases:
                builder.part(phrase, part, Side(side))
    return regions, parts


def _add_cues(builder: _Builder) -> None:
    for name, table in pack().table("lexicon/cues.toml").items():
        for _ in builder.all(table["phrases"], Role[name.upper()]):
            pass


def _tail(entry: Entry, entries: dict[tuple[str, ...], Entry]) -> Part | None:
    """Find the structure that a concept's phrase ends in: the aorta of "calcified aorta"."""
    for start in range(1, len(entry.phrase)):
        ending = entries.get(entry.phrase[start:])
        if ending is not None and ending.part is not None and not ending.concepts:
            return ending.part
    return None


def _inner(entry: Entry, entries: dict[tuple[str, ...], Entry], concepts: dict[str, Concept]) -> tuple[Entry, ...]:
    """Find the qualifiers inside a phrase; a structure that the concept is about anyway is none."""
    words, found, at = entry.phrase, [], 0
    region = concepts[entry.concepts[0]].region
    while at < len(words):
        for stop in range(len(words), at, -1):
            part = entries.get(words[at:stop])
            if part is None or part is entry:
                continue
            place = part.part
            tells_place = place is not None and place.part_of and place.region.id in DIVIDED
            if part.side or tells_place:
                found.append(part)
            at = stop - 1
            break
        at += 1
    return tuple(found) if region != "devices" else tuple(p for p in found if p.side)


def _tree(entries: dict[tuple[str, ...], Entry]) -> dict[str, Node]:
    root: dict[str, Node] = {}
    for words, entry in entries.items():
        level = root
        node = Node()
        for word in words:
            node = level.setdefault(word, Node())
            level = node.next
        node.entry = entry
    return root


def _closure(start: str, step: dict[str, tuple[str, ...]]) -> frozenset[str]:
    seen, todo = {start}, [start]
    while todo:
        for target in step.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return frozenset(seen)


def _check(concepts: dict[str, Concept], regions: dict[str, Region], parts: dict[str, Part]) -> None:
    for concept in concepts.values():
        for target in (
            *concept.at.values(),
            *concept.when.values(),
            *concept.is_a,
            *concept.equivalent,
            *concept.entails,
            *concept.entails_absence,
        ):
            if target not in concepts:
                raise LexiconError(f"{concept.id} refers to the unknown concept {target}; declare it or fix the name")
        if concept.region not in regions and concept.region not in parts:
            raise LexiconError(f"{concept.id} names the unknown region {concept.region}; declare it in anatomy.toml")
        upward = {c.id: c.is_a for c in concepts.values()}
        if any(concept.id in _closure(parent, upward) for parent in concept.is_a):
            raise LexiconError(f"{concept.id} is its own ancestor; break the cycle in is_a")
    for region in regions.values():
        named = (region.normal, region.abnormal, region.acute, region.lesion, *region.states.values())
        for target in filter(None, named):
            if target not in concepts:
                raise LexiconError(f"region {region.id} refers to the unknown concept {target}; declare it")
    for part in parts.values():
        for target in part.part_of:
            if target not in parts:
                raise LexiconError(f"part {part.id} lies in the unknown part {target}; declare it")


@lru_cache(maxsize=1)
def load_lexicon() -> Lexicon:
    """Return the lexicon, read and checked once per process; raises `LexiconError` on a contradiction."""
    builder = _Builder()
    concepts: dict[str, Concept] = {}
    tables = [(name, "abnormality") for name in pack().about.findings] + [("lexicon/normals.toml", "normal")]
    for name, kind in tables:
        for concept_id, table in pack().table(name).items():
            if concept_id in concepts:
                raise LexiconError(f"{concept_id} is declared twice, the second time in {name}; merge the two")
            concepts[concept_id] = _concept(concept_id, table, kind)
            for phrase in table["phrases"]:
                builder.concept(phrase, (concept_id,))
    for phrase, concept_ids in pack().table("lexicon/compounds.toml")["phrases"].items():
        for entry in builder.entry(phrase):
            entry.concepts, entry.roles = tuple(concept_ids), int(entry.roles | Role.CONCEPT)
    regions, parts = _add_anatomy(builder)
    _add_modifiers(builder)
    _add_cues(builder)
    for entry in builder.entries.values():
        if entry.concepts:
            entry.inner = _inner(entry, builder.entries, concepts)
            entry.tail = _tail(entry, builder.entries)
    _check(concepts, regions, parts)
    upward = {c.id: (*c.is_a, *c.equivalent) for c in concepts.values()}
    ancestors = {c: _closure(c, upward) for c in concepts}
    descendants = {c: frozenset(d for d in concepts if c in ancestors[d]) for c in concepts}
    entails = {c.id: c.entails for c in concepts.values()}
    also_normal = {c: _closure(c, entails) for c in concepts}
    ruled_out = {
        c: frozenset(
            below
            for normal in also_normal[c]
            for absent in concepts[normal].entails_absence
            for below in descendants[absent]
        )
        for c in concepts
    }
    within = {p.id: p.part_of for p in parts.values()}
    return Lexicon(
        concepts=concepts,
        parts=parts,
        regions=regions,
        entries=builder.entries,
        tree=_tree(builder.entries),
        ancestors=ancestors,
        descendants=descendants,
        ruled_out=ruled_out,
        also_normal=also_normal,
        places={p: _closure(p, within) for p in parts},
    )
