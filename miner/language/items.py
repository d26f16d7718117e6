"""A sentence as a list of known phrases: the longest phrase of the lexicon wins at every word."""

import re
from dataclasses import dataclass

from miner.language.lexicon import Entry, Node, Role, load_lexicon
from miner.language.tokens import ARTICLES, fold_compound, lowered, tokenise

_COMMA = Entry((",",), int(Role.COMMA))
_COLON = Entry((":",), int(Role.COLON))
_SLASH = Entry(("/",), int(Role.CONJUNCTION))
_OPEN = Entry(("(",), int(Role.COMMA))
_SIGNS = {",": _COMMA, ":": _COLON, "/": _SLASH, "(": _OPEN, ")": _COMMA, ";": Entry((";",), int(Role.BREAK))}
_HEADING = re.compile(r"\s*(?:#+\s|\*\*[^*]*\*\*\s*$)")
_OPTION = re.compile(r"[\s*\-\"'(]*[A-H][).:]\**\s")
_WORD = Entry(("",), int(Role.WORD))
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
    question: bool
    heading: bool = False
    """A line in bold or under # marks: it names what follows and states nothing itself."""
    option: bool = False
    """A line that begins with an answer letter, "B) ...": it repeats an option."""


def _words(sentence: str) -> tuple[list[str], list[int], list[int]]:
    """Fold the words of a sentence; a compound's words share its offsets, hyphens inside words vanish."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for piece, start, end in tokenise(lowered(sentence)):
        if piece[0].isalnum():
            if piece in ARTICLES:
                continue
            for word in fold_compound(piece):
                words.append(word)
                starts.append(start)
                ends.append(end)
        elif piece in _SIGNS or piece == "?" or piece[0] == "_":
            words.append("xxxx" if piece[0] == "_" else piece)
            starts.append(start)
            ends.append(end)
    return words, starts, ends


def read_items(sentence: str) -> Items:
    """Match a sentence against the lexicon; unknown words stay as plain words, blanks too."""
    tree = load_lexicon().tree
    words, starts, ends = _words(sentence)
    items = Items([], [], [], [], [], question=False)
    items.heading = _HEADING.match(sentence) is not None
    items.option = _OPTION.match(sentence) is not None
    position, total = 0, len(words)
    while position < total:
        word = words[position]
        sign = _SIGNS.get(word)
        if sign is not None:
            _add(items, sign, starts[position], ends[position])
            position += 1
            continue
        if word == "?":
            items.question = True
            position += 1
            continue
        node = tree.get(word)
        entry: Entry | None = None
        stop = probe = position
        while node is not None:
            probe += 1
            if node.entry is not None:
                entry, stop = node.entry, probe
            node = node.next.get(words[probe]) if probe < total else None
        if entry is None:
            if word in _UNITS and position and words[position - 1].replace(".", "", 1).isdigit():
                first, largest = _measured(words, position)
                if largest > 0:
                    items.sizes.append((len(items.entries) - (position - first), largest * _UNITS[word]))
            _add(items, _WORD, starts[position], ends[position])
            position += 1
        else:
            _add(items, entry, starts[position], ends[stop - 1])
            position = stop
    return items


def _measured(words: list[str], unit: int) -> tuple[int, float]:
    """Read the numbers before a unit ("4.5 x 3.2 cm"); return where they begin and the largest."""
    first = unit - 1
    largest = float(words[first])
    while first >= 2 and words[first - 1] in {"x", "by"} and words[first - 2].replace(".", "", 1).isdigit():
        first -= 2
        largest = max(largest, float(words[first]))
    return first, largest


def _add(items: Items, entry: Entry, start: int, end: int) -> None:
    items.entries.append(entry)
    items.roles.append(int(entry.roles))
    items.starts.append(start)
    items.ends.append(end)


__all__ = ["Items", "Node", "read_items"]
