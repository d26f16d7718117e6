"""Where a device ends and whether it sits well, and qualities that exclude one another.

Read from the words around a mention, by the tables of the pack: `[positions]` of anatomy.toml, `[[quality]]` of
relations.toml. A place behind "formerly" or "not" is none of today, and one behind "side port" none of the tip.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from cxr.miner.language.entries import Role
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import load_lexicon, variants
from cxr.miner.language.numbers import numbers_of
from cxr.miner.language.tokens import phrase_words
from cxr.miner.pack import pack
from cxr.miner.pack.positions import Tips

WELL, BADLY, TIP = "well_placed", "badly_placed", "tip:"
ONE_SIDED = "one_sided"
"""The quality of being on one side alone, which what is on both has not."""
_PLACE, _WELL, _BADLY, _OTHER_PART, _PAST, _PERHAPS, _PAST_BEHIND, _TIP = range(8)
_MOST = 24
"""A device is not spoken of at more length."""
_NEAR = 4
"""As many words may stand between "formerly" and the place that it speaks of."""
_CONCEPT = Role.CONCEPT
_SIDE, _NAMES = Role.SIDE, Role.CONCEPT | Role.PART
_HIDDEN = Role.WORD | Role.DIRECTION


class _Said(NamedTuple):
    """A phrase of the tables in a sentence: what it is, and its words `[first, last]`."""

    kind: int
    name: str
    first: int
    last: int


class Position(NamedTuple):
    """What is said of a device's position, and the character ranges that name where it ends."""

    qualities: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    distance_mm: float | None = None
    """How far from the place the tip is."""


NOWHERE = Position()


def position_of(items: Items, index: int, concept: str) -> Position:
    """Return what a sentence says of the position of the device at an item; nothing for anything else."""
    tips = _tips_of().get(concept)
    if tips is None:
        return NOWHERE
    phrases = _phrases_in(items)
    if not phrases:
        return NOWHERE
    start, end = _reach(items, index, phrases)
    return _position(items, tips, phrases, (start, items.ends[index], end))


def position_in(items: Items, concept: str) -> Position:
    """Return what a sentence that does not name the device says of its position ("The tip is in Y")."""
    tips = _tips_of().get(concept)
    if tips is None or not items.ends:
        return NOWHERE
    return _position(items, tips, _phrases_in(items), (0, 0, items.ends[-1] + 1))


def _position(items: Items, tips: Tips, phrases: list[_Said], reach: tuple[int, int, int]) -> Position:
    """Read a position from the characters before a mention (its quality only) and behind it."""
    start, middle, end = reach
    said = [each for each in phrases if start <= items.word_starts[each.first] < end][:_MOST]
    behind = [each for each in said if items.word_starts[each.first] >= middle]
    possible = {*tips.well, *tips.badly, *tips.also} or set(pack().anatomy.positions.place)
    places = [each for each in behind if each.kind == _PLACE and each.name in possible]
    own = [each for each in places if not _follows(each, behind, _OTHER_PART)]
    today = [each for each in own if not _is_past(each, behind)]
    surely = [each for each in today if not _follows(each, behind, _PERHAPS)] or today
    surely = _narrowest(surely)
    qualities = [TIP + surely[-1].name] if surely else []
    placed = _placement(said)
    wrong = any(each.name in tips.badly for each in places if each not in own and not _is_past(each, behind))
    distance = _distance(items, surely[-1], start) if surely else None
    placed = placed or (BADLY if wrong else _by_place(surely, tips, distance))
    table = pack().anatomy.positions.place
    ends = (each for each in places if not table[each.name].sided)
    spans = tuple((items.word_starts[each.first], items.word_ends[each.last]) for each in ends)
    return Position((*qualities, *([placed] if placed else [])), spans, distance)


def hide(items: Items, spans: Iterable[tuple[int, int]], mention: int) -> None:
    """Take out of a sentence the sides of structures that a device only ends in, which are no sides of the device."""
    for start, end in spans:
        for at, begin in enumerate(items.starts):
            if start <= begin < end and at != mention and items.roles[at] & _SIDE and not items.roles[at] & _NAMES:
                items.roles[at] = _HIDDEN


def qualities_of(items: Items, index: int, concept: str) -> tuple[str, ...]:
    """Return the qualities that the words around a mention give it, up to the mentions before and behind it."""
    known = _qualities().get(concept)
    if known is None or known.tells.isdisjoint(items.words):
        return ()
    start, end = _reach(items, index)
    words = [word for word, at in zip(items.words, items.word_starts, strict=True) if start <= at < end]
    found: dict[str, None] = {}
    beyond = 0
    for at, word in enumerate(words):
        if at < beyond or word not in known.phrases:
            continue
        names, length = _longest(words, at, known.phrases)
        beyond = at + length
        if at == 0 or words[at - 1] != "not":
            found |= dict.fromkeys(names)
    return (*found, *numbers_of(words, concept))


def _longest(
    words: list[str], at: int, table: Mapping[str, list[tuple[tuple[str, ...], str]]]
) -> tuple[list[str], int]:
    """Return what the longest phrase at a word means, and how many words it has; one word and nothing for none."""
    found: list[str] = []
    length = 0
    for phrase, name in table.get(words[at], ()):
        if len(phrase) < length:
            break
        if tuple(words[at : at + len(phrase)]) == phrase:
            found.append(name)
            length = len(phrase)
    return found, max(1, length)


def _reach(items: Items, index: int, phrases: list[_Said] | None = None) -> tuple[int, int]:
    """Return the characters that speak of a mention: between the mentions before and behind it.

    Of a device (`phrases` are those of its sentence) more is said behind a wider word for it, or the name of a part.
    """
    concepts = load_lexicon().concepts
    own = load_lexicon().ancestors[items.entries[index].concepts[0]]
    start, end = 0, items.ends[-1] + 1
    parts = {  # "side port" is a part of the device before it
        items.word_starts[word]
        for each in phrases or ()
        if each.kind == _OTHER_PART
        for word in range(each.first, each.last + 1)
    }
    for at, role in enumerate(items.roles):
        if not role & _CONCEPT or at == index or items.starts[at] in parts:
            continue
        named = items.entries[at].concepts[0]
        if phrases is not None and (concepts[named].kind == "normal" or (at > index and named in own)):
            continue
        if at < index:
            start = items.ends[at]
        else:
            return start, items.starts[at]
    return start, end


def _is_past(said: _Said, behind: Iterable[_Said]) -> bool:
    """Return whether a place is where the device was or is not."""
    if _follows(said, behind, _PAST):
        return True
    return any(0 < each.first - said.last <= _NEAR for each in behind if each.kind == _PAST_BEHIND)


def _follows(said: _Said, behind: Iterable[_Said], kind: int) -> bool:
    """Return whether a phrase of a kind stands shortly before, with no other place between."""
    near = [each for each in behind if 0 < said.first - each.last <= _NEAR]
    ended = [each for each in near if each.kind in {_PLACE, _TIP}]
    return any(each.kind == kind and not any(each.last < other.first < said.first for other in ended) for each in near)


def _narrowest(places: list[_Said]) -> list[_Said]:
    """Leave out the places in which another one lies."""
    table = pack().anatomy.positions.place
    wider = {name for each in places for name in table[each.name].part_of}
    return [each for each in places if each.name not in wider]


def _placement(said: list[_Said]) -> str:
    """Return whether words call the position good or bad; the last counts, a denial turns it round."""
    placed = ""
    for at, each in enumerate(said):
        if each.kind not in {_WELL, _BADLY}:
            continue
        if any(0 < other.first - each.last <= _NEAR for other in said[at + 1 :] if other.kind == _PAST_BEHIND):
            continue
        denied = any(
            other.kind == _PAST and other.name == "not" and each.first - other.last == 1 for other in said[:at]
        )
        placed = (BADLY if denied else WELL) if each.kind == _WELL else (placed if denied else BADLY)
    return placed


def _distance(items: Items, place: _Said, start: int) -> float | None:
    """Return the measure right before a place: "3 cm above Y", and not the one of "withdraw 3 cm"."""
    end = items.word_starts[place.first]
    sizes = [size for at, size in items.sizes if at < len(items.starts) and start <= items.starts[at] < end]
    return sizes[-1] if sizes else None


def _by_place(surely: list[_Said], tips: Tips, distance: float | None) -> str:
    """Return whether the place and the distance of a tip are right for the device."""
    if not surely:
        return ""
    name = surely[-1].name
    if name in tips.well and distance is not None and (tips.nearest_mm or tips.farthest_mm):
        right = (tips.nearest_mm or 0) <= distance <= (tips.farthest_mm or distance)
        return WELL if right else BADLY
    if name in tips.badly:
        return BADLY
    return WELL if name in tips.well else ""


def _phrases_in(items: Items) -> list[_Said]:
    """Return the phrases of the tables in a sentence, the longest at every word."""
    phrases = _phrases()
    found: list[_Said] = []
    words, at = items.words, 0
    while at < len(words):
        length = 1
        for phrase, kind, name in phrases.get(words[at], ()):
            if tuple(words[at : at + len(phrase)]) == phrase:
                found.append(_Said(kind, name, at, at + len(phrase) - 1))
                length = len(phrase)
                break
        at += length
    return found


def _words(phrase: str) -> tuple[str, ...]:
    """Return the folded words of a phrase, with the sign that means more ("right > left")."""
    before, sign, after = phrase.partition(">")
    return (*phrase_words(before), sign, *phrase_words(after)) if sign else phrase_words(phrase)


@cache
def _phrases() -> dict[str, list[tuple[tuple[str, ...], int, str]]]:
    """Return the phrases of the tables by their first word, long before short."""
    table = pack().anatomy.positions
    words = table.words
    listed = [
        *((phrase, _PLACE, name) for name, place in table.place.items() for phrase in place.phrases),
        *((phrase, _WELL, "") for phrase in words.well),
        *((phrase, _BADLY, "") for phrase in (*words.badly, *words.advice)),
        *((phrase, _TIP, "") for phrase in words.tip),
        *((phrase, _OTHER_PART, "") for phrase in words.not_the_tip),
        *((phrase, _PAST, phrase) for phrase in words.past),
        *((phrase, _PERHAPS, "") for phrase in words.past_perhaps),
        *((phrase, _PAST_BEHIND, "") for phrase in words.past_behind),
    ]
    found: dict[str, list[tuple[tuple[str, ...], int, str]]] = {}
    for phrase, kind, name in listed:
        for text in variants(phrase):
            folded = _words(text)
            found.setdefault(folded[0], []).append((folded, kind, name))
    for same in found.values():
        same.sort(key=lambda each: (-len(each[0]), each[1]))
    return found


@cache
def _tips_of() -> dict[str, Tips]:
    """Return each device the entry that speaks of it; the first that names it or what it is a kind of."""
    descendants = load_lexicon().descendants
    found: dict[str, Tips] = {}
    for tips in pack().anatomy.positions.device:
        for concept in (kind for named in tips.of for kind in descendants[named]):
            found.setdefault(concept, tips)
    return {name: tips for name, tips in found.items() if load_lexicon().concepts[name].kind == "device"}


class _Qualities(NamedTuple):
    """The phrases of a concept's qualities by their first word, long before short."""

    phrases: dict[str, list[tuple[tuple[str, ...], str]]]
    tells: frozenset[str]
    """Of each phrase the word that is rarest in all: without any of these there is none of them."""


@cache
def _qualities() -> dict[str, _Qualities]:
    """Return each concept the phrases of its qualities."""
    descendants = load_lexicon().descendants
    found: dict[str, dict[str, list[tuple[tuple[str, ...], str]]]] = {}
    often: Counter[str] = Counter()
    for quality in pack().relations.quality:
        listed = [
            (_words(text), name)
            for name, phrases in quality.values.items()
            for phrase in phrases
            for text in variants(phrase)
        ]
        often.update(word for phrase, _ in listed for word in phrase)
        for concept in {kind for named in quality.of for kind in descendants[named]}:
            table = found.setdefault(concept, {})
            for phrase, name in listed:
                table.setdefault(phrase[0], []).append((phrase, name))
    for table in found.values():
        for same in table.values():
            same.sort(key=lambda each: -len(each[0]))
    tells = {
        concept: {min(phrase, key=often.__getitem__) for same in table.values() for phrase, _ in same}
        for concept, table in found.items()
    }
    for numbered in pack().relations.numbered:
        for concept in {kind for named in numbered.of for kind in descendants[named]}:
            tells.setdefault(concept, set()).update({*numbered.nouns, *numbered.letters})
    return {concept: _Qualities(found.get(concept, {}), frozenset(words)) for concept, words in tells.items()}
