"""A sentence as a list of known phrases: the longest phrase of the lexicon wins at every word."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from cxr.miner.language.lexicon import Entry, Role, load_lexicon
from cxr.miner.language.phrases import Lengths
from cxr.miner.language.ratios import read_ratio
from cxr.miner.language.repair import repaired
from cxr.miner.language.tokens import ARTICLES, fold_compound, lowered, tokenise
from cxr.miner.pack import pack

if TYPE_CHECKING:
    from cxr.miner.language.landmarks import Landmarks

_SIGNS = {
    ",": Entry((",",), Role.COMMA),
    "(": Entry(("(",), Role.COMMA),
    ")": Entry((")",), Role.COMMA),
    ":": Entry((":",), Role.COLON),
    "/": Entry(("/",), Role.CONJUNCTION),
    ";": Entry((";",), Role.BREAK),
    "-": Entry(("-",), Role.COLON),  # between two parts of a sentence; within a word it is none
    "?": Entry(("?",), Role.HEDGE_FORWARD),  # "? X"
    "??": Entry(("??",), Role.HEDGE_BACKWARD),  # "X?"
    ">": Entry((">",), Role.WORD | Role.CURRENTLY),  # "mild -> severe"
}
_DASHES = "-\u2013\u2014"
_LETTERS_OF_SIDES = frozenset("lr")
_MARKS = {"(-)": "negative", "(+)": "positive", "n": "no", "y": "present"}
_TICKS = {
    "\u274c": "negative", "\u2717": "negative", "\u2718": "negative", "\u2716": "negative",
    "\u2705": "present", "\u2713": "present", "\u2714": "present",
}  # fmt: skip
"""What an answer means behind what it is about."""
_SIGNS_BY_PLACE = frozenset({*_DASHES, *_TICKS, "?", "|"})
_HEADING = re.compile(r"\s*(?:#+\s|\*\*[^*]*\*\*\s*$)")
_OPTION = re.compile(r"[\s*\-\"'(]*[A-H][).:]\**\s")
_WORD = Entry(("",), Role.WORD)
_UNIT = Entry(("",), Role.WORD, special=True)
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
_HOW = (
    Role.CHANGE
    | Role.COURSE
    | Role.COPULA
    | Role.COLON
    | Role.COMMA
    | Role.DENY_FORWARD
    | Role.DENY_BACKWARD
    | Role.AFFIRM_BACKWARD
    | Role.NOT_ASSESSABLE
)
_MOST_KNOWN = 50_000
_LONGEST_KNOWN = 40
_FEW_WORDS = 6
_NUMERAL = Entry(("",), Role.WORD | Role.DIRECTION)
_DIGITS = frozenset("0123456789")
_ORDINAL_ENDS = frozenset({"st", "nd", "rd", "th"})
_QUESTION = re.compile(r"\?[\s*\"')\]]*$")
_TAG = re.compile(
    r",\s*(?:is|are|isn't|aren't|does|doesn't|right|correct)\b(?: (?:there|it|they|not))*\s*\?\W*$", re.IGNORECASE
)
"""What makes a question of a statement: "there is an X, is there not?"."""
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


@lru_cache(maxsize=_MOST_KNOWN)
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
def _begins() -> dict[str, tuple[Entry, Lengths | None]]:
    """Return what each word is alone, and how long the phrases can be that it begins; unknown ones are added when seen.

    None for the lengths of a word that is the same wherever it stands.
    """
    found: dict[str, tuple[Entry, Lengths | None]] = {unit: (_UNIT, {}) for unit in _UNITS}
    for word, (own, longer) in load_lexicon().phrases.begins.items():
        entry = own or _unknown(word)
        found[word] = entry, longer if longer or entry.special else None
    return {**found, **{sign: (entry, None) for sign, entry in _SIGNS.items()}}


def _unknown(word: str) -> Entry:
    """Return what a word is that means nothing here."""
    if word in _UNITS:
        return _UNIT
    return _NUMERAL if word[0] in _DIGITS or word in _ORDINAL_ENDS else _WORD


def read_items(sentence: str) -> Items:
    """Match a sentence against the lexicon; unknown words stay as plain words, blanks too."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    single, several = _known()
    text, end = lowered(sentence), 0
    for written in [text] if any(map(text.__contains__, _with_blanks())) else text.split():
        start = text.find(written, end)
        end = start + len(written)
        word = single.get(written)
        if word is not None:
            words.append(word)
            starts.append(start)
            ends.append(end)
            continue
        told = several.get(written)
        for word, begin, stop in _words_of(written, sentence, start) if told is None else told:
            words.append(word)
            starts.append(start + begin)
            ends.append(start + stop)
    return _match(words, starts, ends, sentence)


_Words = tuple[tuple[str, int, int], ...]


@lru_cache(maxsize=1)
def _known() -> tuple[dict[str, str], dict[str, _Words]]:
    """Return what was seen between two blanks: what is one word, and the words of the rest with their places in it.

    Plain dictionaries are asked fastest.
    """
    return {}, {}


@lru_cache(maxsize=1)
def _placed() -> frozenset[str]:
    """Return the tokens whose meaning their surroundings decide."""
    return _SIGNS_BY_PLACE.union(_LETTERS_OF_SIDES, _MARKS, pack().abbreviations.capital, ("no",))


@lru_cache(maxsize=1)
def _with_blanks() -> tuple[str, ...]:
    """Return the abbreviations that have a blank in them, "[ ]"."""
    return tuple(short for short in pack().abbreviations.words if len(short.split()) > 1)


def _words_of(written: str, sentence: str, at: int) -> _Words:
    """Return the words of what stands between two blanks; remembered where its surroundings change nothing."""
    found: list[tuple[str, int, int]] = []
    alone = len(written) <= _LONGEST_KNOWN
    whole = [(written, 0, len(written))] if written.isalpha() else tokenise(written)
    for piece, begin, stop in whole:
        if piece in _placed() and written != "no":  # which is "number" before a full stop alone
            alone = False
            folded = _by_its_place(piece, sentence, at + begin)
        else:
            folded = _folded(piece)
        found += [(word, begin, stop) for word in folded]
    single, several = _known()
    if alone and len(single) + len(several) < _MOST_KNOWN:
        if len(found) == 1 and found[0][1:] == (0, len(written)):
            single[written] = found[0][0]
        else:
            several[written] = tuple(found)
    return tuple(found)


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
    if piece in _SIGNS_BY_PLACE:
        return _sign(piece, sentence, start)
    if sentence[start:end].isupper() and not _MEASURES.search(sentence, 0, start):
        return pack().abbreviations.capital.get(piece) or _folded(piece)
    return _folded(piece)


def _sign(piece: str, sentence: str, start: int) -> tuple[str, ...]:
    """Return the words of a dash, a tick, the line of a table or a question mark."""
    if piece in _DASHES:
        return ("-",) if _PARTS.match(sentence, max(0, start - 1)) else ()
    if piece in _TICKS or piece == "|":
        return _tick_or_cell(piece, sentence[:start].strip(" |-*"), sentence[start + 1 :].strip(" |"))
    return _question_mark(sentence, start)


def _tick_or_cell(piece: str, before: str, after: str) -> tuple[str, ...]:
    """Return what a tick or a cross says of what stands beside it; a line between two cells of a table is a colon."""
    if piece == "|":
        return (":",) if before and after else ()
    return (_TICKS[piece],) if before else ("no",) if _TICKS[piece] == "negative" else ()


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
    if not _QUESTION.search(sentence) or _TAG.search(sentence):
        return False
    return _ASKS.match(sentence) is not None or sentence.count(" ") >= _FEW_WORDS


def _match(words: list[str], starts: list[int], ends: list[int], sentence: str) -> Items:
    """Take the longest phrase at every word."""
    begins, phrases = _begins(), load_lexicon().entries
    entries: list[Entry] = []
    first_at: list[int] = []
    last_at: list[int] = []
    sizes: list[tuple[int, float]] = []
    placed: list[int] = []
    position, total = 0, len(words)
    while position < total:
        word = words[position]
        known = begins.get(word)
        if known is None:
            known = _unknown(word), None
            if len(begins) < _MOST_KNOWN:
                begins[word] = known
        entry, longer = known
        stop = position
        if longer is not None:
            for length in longer.get(words[position + 1], ()) if position + 1 < total else ():
                found = phrases.get(tuple(words[position : position + length]))
                if found is not None:
                    entry, stop = found, position + len(found.phrase) - 1
                    break
            if entry.special:
                if entry is _UNIT:
                    _measure(words, position, len(entries), sizes)
                elif entry.ratio is not None and (told := read_ratio(words, stop + 1, entry.ratio)) is not None:
                    entry, stop = told
                elif entry.only_at:
                    placed.append(len(entries))
        entries.append(entry)
        first_at.append(starts[position])
        last_at.append(ends[stop])
        position = stop + 1
    if placed:
        _leave_out_of_place(entries, placed)
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
