"""A sentence as a list of known phrases: the longest phrase of the lexicon wins at every word."""

import re
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING

from cxr.miner.language.lexicon import Entry, Node, Role, load_lexicon
from cxr.miner.language.ratios import read_ratio
from cxr.miner.language.repair import repaired
from cxr.miner.language.tokens import ARTICLES, fold_compound, lowered, token_pattern
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
    "-": Entry(("-",), int(Role.COLON)),  # between two parts of a sentence; within a word it is none
    "?": Entry(("?",), int(Role.HEDGE_FORWARD)),  # "? X"
    "??": Entry(("??",), int(Role.HEDGE_BACKWARD)),  # "X?"
    ">": Entry((">",), int(Role.WORD | Role.CURRENTLY)),  # "mild -> severe"
}
_DASHES = "-\u2013\u2014"
_LETTERS_OF_SIDES = frozenset("lr")
_MARKS = {"(-)": "negative", "(+)": "positive", "n": "no", "y": "present"}
"""What an answer means behind what it is about."""
_HEADING = re.compile(r"\s*(?:#+\s|\*\*[^*]*\*\*\s*$)")
_OPTION = re.compile(r"[\s*\-\"'(]*[A-H][).:]\**\s")
_WORD = Entry(("",), int(Role.WORD))
_CLOSES = re.compile(r"\s*(?:[.,;\n]|$)")
_NUMBERED = re.compile(r"\.\s*\d")
_MEASURES = re.compile(r"(?:\d|_)[\s\-]*\Z|\b(?:in|few|several|of)\s\Z", re.IGNORECASE)
_WORDLESS = re.compile(r"\W*")
_PARTS = re.compile(r"\s[-\u2013\u2014]+[\s>]|[-\u2013\u2014]{2}|[\u2014]")
_ASKS = re.compile(
    r"\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|should|would|will|may|might|what|which|where|when|why|how|"
    r"who|if|whether|any|there|so|or|and|but|then|does)\b",
    re.IGNORECASE,
)
_AND, _OR = "and", ("or",)
_HOW = int(
    Role.CHANGE | Role.COURSE | Role.COPULA | Role.COLON | Role.COMMA | Role.DENY_FORWARD | Role.DENY_BACKWARD
    | Role.AFFIRM_BACKWARD | Role.NOT_ASSESSABLE
)  # fmt: skip
_MOST_KNOWN = 50_000
_FEW_WORDS = 6
_NUMERAL = Entry(("",), int(Role.WORD | Role.DIRECTION))
_DIGITS = frozenset("0123456789")
_ORDINAL_ENDS = frozenset({"st", "nd", "rd", "th"})
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
    words: list[str] = field(default_factory=list)
    word_starts: list[int] = field(default_factory=list)
    word_ends: list[int] = field(default_factory=list)
    """The folded words, of which the phrases are made, and their character offsets."""
    option: bool = False
    """A line that begins with an answer letter, "B) ...": it repeats an option."""
    landmarks: "Landmarks | None" = None
    """What is known of the whole sentence (`landmarks.py`), once it was asked for."""


def _folded(piece: str) -> tuple[str, ...]:
    """Return the words that a token stands for: none for an article or an unknown sign, a blank for underscores."""
    first = piece[0]
    if first.isalnum():
        return () if piece in ARTICLES else repaired(fold_compound(piece), piece)
    if first == "_":
        return ("xxxx",)
    if len(piece) > 1 and piece in pack().abbreviations.words:
        return pack().abbreviations.words[piece]  # "(-)"
    return (piece,) if piece in _SIGNS else ()


@lru_cache(maxsize=1)
def _tree() -> dict[str, Node]:
    """Return the phrase tree of the lexicon with the signs as phrases of their own."""
    lexicon = load_lexicon()
    tree = lexicon.tree | {sign: Node({}, entry) for sign, entry in _SIGNS.items()}
    either = Node({}, lexicon.entries.get(_OR))
    known = tree.get(_AND, Node())
    tree[_AND] = Node(known.next | {"/": Node({"or": either})}, known.entry)  # "and/or"
    return tree


@lru_cache(maxsize=1)
def _alone() -> dict[str, Entry]:
    """Return the words that begin no longer phrase, with what they mean; unknown ones are added as they are seen."""
    return {
        word: node.entry
        for word, node in _tree().items()
        if node.entry is not None and not node.next and not node.entry.special and word not in _UNITS
    }


def _unknown(word: str, alone: dict[str, Entry], *, known: bool) -> Entry:
    """Return what a word is that means nothing here; one that the lexicon does not know at all is remembered."""
    entry = _NUMERAL if word[0] in _DIGITS or word in _ORDINAL_ENDS else _WORD
    if not known and len(alone) < _MOST_KNOWN:
        alone[word] = entry
    return entry


def read_items(sentence: str) -> Items:
    """Match a sentence against the lexicon; unknown words stay as plain words, blanks too."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    known = _known()
    for match in token_pattern().finditer(lowered(sentence)):
        start, end = match.span()
        piece = match.group()
        folded = known.get(piece)
        if folded is None:
            folded = _by_its_place(piece, sentence, start) if piece in _placed() else _remembered(piece, known)
        for word in folded:
            words.append(word)
            starts.append(start)
            ends.append(end)
    return _match(words, starts, ends, sentence)


@lru_cache(maxsize=1)
def _known() -> dict[str, tuple[str, ...]]:
    """Return the words of the tokens that were seen: a plain dictionary is asked at every word."""
    return {}


@lru_cache(maxsize=1)
def _placed() -> frozenset[str]:
    """Return the tokens whose meaning their surroundings decide."""
    return frozenset({*_DASHES, *_LETTERS_OF_SIDES, *_MARKS, *pack().abbreviations.capital, "no", "?"})


def _remembered(piece: str, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Fold a token, and remember it as long as there is room."""
    folded = _folded(piece)
    if len(known) < _MOST_KNOWN:
        known[piece] = folded
    return folded


def _by_its_place(piece: str, sentence: str, start: int) -> tuple[str, ...]:
    """Return the words of a token whose meaning its surroundings decide."""
    end = start + len(piece)
    if piece in _LETTERS_OF_SIDES:
        number = sentence[end : end + 1].isdigit() or sentence[:start].rstrip()[-1:].isdigit()
        return (piece,) if number else _folded(piece)  # "L4", "2 L"
    if piece in _MARKS and _CLOSES.match(sentence, end) and (len(piece) > 1 or sentence[:start].rstrip()[-1:] in ":?-"):
        return (_MARKS[piece],)  # "X (-)"
    if piece == "no" and _NUMBERED.match(sentence, end):
        return ("number",)  # "no. 2"
    if piece in _DASHES or piece == "?":
        return _sign(piece, sentence, start)
    if sentence[start:end].isupper() and not _MEASURES.search(sentence, 0, start):
        return pack().abbreviations.capital.get(piece) or _folded(piece)
    return _folded(piece)


def _sign(piece: str, sentence: str, start: int) -> tuple[str, ...]:
    """Return the word of a dash or question mark: none for a dash within a word."""
    if piece == "?":
        return _question_mark(sentence, start)
    return ("-",) if _PARTS.match(sentence, max(0, start - 1)) else ()


def _question_mark(sentence: str, at: int) -> tuple[str, ...]:
    """Return what a question mark does: it doubts what follows, or what stands before it, or waits for an answer."""
    if not sentence[:at].strip() or sentence[at - 1].isspace():
        return ("?",) if _WORDLESS.fullmatch(sentence, at + 1) is None else ("??",)  # "X: ?"
    return (":",) if sentence[at + 1 :].strip(" *\"')]") else ("??",)


def asks_or_names(sentence: str) -> bool:
    """Return whether a sentence is a question or a heading line, which state nothing.

    A few words without a verb before a question mark ("Small X?") are a doubt and no question.
    """
    if _HEADING.match(sentence):
        return True
    if not _QUESTION.search(sentence):
        return False
    return _ASKS.match(sentence) is not None or sentence.count(" ") >= _FEW_WORDS


def _match(words: list[str], starts: list[int], ends: list[int], sentence: str) -> Items:
    """Take the longest phrase at every word."""
    root, alone = _tree(), _alone()
    entries: list[Entry] = []
    first_at: list[int] = []
    last_at: list[int] = []
    sizes: list[tuple[int, float]] = []
    placed: list[int] = []
    position, total = 0, len(words)
    while position < total:
        known = alone.get(words[position])
        if known is not None:
            entries.append(known)
            first_at.append(starts[position])
            last_at.append(ends[position])
            position += 1
            continue
        entry = _WORD
        stop = probe = position
        node = root.get(words[position])
        while node is not None:
            if node.entry is not None:
                entry, stop = node.entry, probe
            probe += 1
            node = node.next.get(words[probe]) if probe < total else None
        if entry.special:
            if entry.ratio is not None and (told := read_ratio(words, stop + 1, entry.ratio)) is not None:
                entry, stop = told
            elif entry.only_at:
                placed.append(len(entries))
        if entry is _WORD:
            word = words[position]
            if word in _UNITS:
                _measure(words, position, len(entries), sizes)
            else:
                entry = _unknown(word, alone, known=word in root)
        entries.append(entry)
        first_at.append(starts[position])
        last_at.append(ends[stop])
        position = stop + 1
    if placed:
        _leave_out_of_place(entries, placed)
    roles = [entry.roles for entry in entries]
    union = reduce(or_, roles, 0)
    return Items(
        entries,
        roles,
        first_at,
        last_at,
        sizes,
        union,
        words,
        starts,
        ends,
        option=_OPTION.match(sentence) is not None,
    )


def _leave_out_of_place(entries: list[Entry], placed: list[int]) -> None:
    """Take words that say something at some places only for plain words where a sentence names none of these."""
    regions = {entry.part.region.id for entry in entries if entry.part is not None}
    for index in placed:
        if regions.isdisjoint(entries[index].only_at):
            alone = entries[index].alone
            entries[index] = alone if alone is not None and _only_how(entries, index) else _WORD


def _only_how(entries: list[Entry], index: int) -> bool:
    """Return whether a sentence says of a word only whether or how it is there: "no Y is seen", "Ys: stable"."""
    others = [entry for at, entry in enumerate(entries) if at != index]
    return bool(others) and all(
        (entry.roles & _HOW or (entry.state is not None and entry.state.normal))
        and not entry.roles & (Role.CONCEPT | Role.PART)
        for entry in others
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
