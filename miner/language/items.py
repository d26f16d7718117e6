"""A sentence as a list of known phrases: the longest phrase of the lexicon wins at every word."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cxr.miner.language.lexicon import Entry, Node, Role, load_lexicon
from cxr.miner.language.tokens import ARTICLES, TOKEN, fold_compound, lowered
from cxr.miner.pack import pack

if TYPE_CHECKING:
    from cxr.miner.language.landmarks import Landmarks

_SIGNS = {
    ",": Entry((",",), int(Role.COMMA)),
    "(": Entry(("(",), int(Role.COMMA)),
    ")": Entry((")",), int(Role.COMMA)),
    ":": Entry((":",), int(Role.COLON)),
    "/": Entry(("/",), int(Role.CONJUNCTION)),
    ";": Entry((";",), int(Role.BREAK)),
    "?": Entry(("?",), int(Role.HEDGE_FORWARD)),  # "? X"; at the end of a sentence it asks
}
_HEADING = re.compile(r"\s*(?:#+\s|\*\*[^*]*\*\*\s*$)")
_OPTION = re.compile(r"[\s*\-\"'(]*[A-H][).:]\**\s")
_WORD = Entry(("",), int(Role.WORD))
_QUESTION = re.compile(r"\?[\s*\"')\]]*$")
_UNITS = {"cm": 10.0, "mm": 1.0, "centimeter": 10.0, "millimeter": 1.0}


@dataclass(slots=True)
class Items:
    """The phrases of one sentence, in parallel lists: entry, roles, and character offsets in the sentence."""

    entries: list[Entry]
    roles: list[int]
    starts: list[int]
    ends: list[int]
    sizes: list[tuple[int, float]]
    """(item index, size in mm) of each measurement."""
    union: int
    """All roles that occur, to skip what cannot apply."""
    landmarks: "Landmarks | None" = None
    """What is known of the whole sentence (`landmarks.py`), once it was asked for."""
    option: bool = False
    """A line that begins with an answer letter, "B) ...": it repeats an option."""


@lru_cache(maxsize=50_000)
def _folded(piece: str) -> tuple[str, ...]:
    """Return the words that a token stands for: none for an article or an unknown sign, a blank for underscores."""
    first = piece[0]
    if first.isalnum():
        return () if piece in ARTICLES else fold_compound(piece)
    if first == "_":
        return ("xxxx",)
    return (piece,) if piece in _SIGNS else ()


@lru_cache(maxsize=1)
def _tree() -> dict[str, Node]:
    """Return the phrase tree of the lexicon with the signs as phrases of their own."""
    return load_lexicon().tree | {sign: Node({}, entry) for sign, entry in _SIGNS.items()}


def read_items(sentence: str) -> Items:
    """Match a sentence against the lexicon; unknown words stay as plain words, blanks too."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in TOKEN.finditer(lowered(sentence)):
        start, end = match.span()
        for word in _folded(match.group()):
            words.append(word)
            starts.append(start)
            ends.append(end)
    return _match(words, starts, ends, sentence)


def asks_or_names(sentence: str) -> bool:
    """Return whether a sentence is a question or a heading line, which state nothing."""
    return _QUESTION.search(sentence) is not None or _HEADING.match(sentence) is not None


def _match(words: list[str], starts: list[int], ends: list[int], sentence: str) -> Items:
    """Take the longest phrase at every word."""
    root = _tree()
    entries: list[Entry] = []
    first_at: list[int] = []
    last_at: list[int] = []
    sizes: list[tuple[int, float]] = []
    position, total = 0, len(words)
    while position < total:
        entry = _WORD
        stop = probe = position
        node = root.get(words[position])
        while node is not None:
            if node.entry is not None:
                entry, stop = node.entry, probe
            probe += 1
            node = node.next.get(words[probe]) if probe < total else None
        if entry is _WORD and words[position] in _UNITS:
            _measure(words, position, len(entries), sizes)
        entries.append(entry)
        first_at.append(starts[position])
        last_at.append(ends[stop])
        position = stop + 1
    roles = [entry.roles for entry in entries]
    union = 0
    for role in roles:
        union |= role
    return Items(
        entries,
        roles,
        first_at,
        last_at,
        sizes,
        union,
        option=_OPTION.match(sentence) is not None,
    )


def _measure(words: list[str], unit: int, item: int, sizes: list[tuple[int, float]]) -> None:
    """Read the numbers before a unit ("4.5 x 3.2 cm") and keep the largest, with the item where they begin."""
    first = unit - 1
    if first < 0 or not _is_number(words[first]):
        return
    largest = float(words[first])
    while first >= 2 and words[first - 1] in {"x", "by"} and _is_number(words[first - 2]):
        first -= 2
        largest = max(largest, float(words[first]))
    size = largest * _UNITS[words[unit]]
    if 0 < size <= pack().about.largest_mm:
        sizes.append((item - (unit - first), size))


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).isdecimal()


__all__ = ["Items", "Node", "read_items"]
