"""Words of a text with their places, folded so that one spelling in the lexicon matches all of them."""

import re
from functools import cache, lru_cache
from itertools import chain

from cxr.miner.pack import pack

# A word (with an inner apostrophe), a number, a run of line ends, or one other visible character.
_LONG_WORD = r"[^\W\d_]{3,}(?:['\u2019][a-z]+)?"
_REST = r"[^\W\d_]+(?:['\u2019][a-z]+)?|\d+(?:\.\d+)?|_{2,}|\n\s*|[^\s\w]|\w"

_PLAIN = re.compile("[a-z]+")
_PLAIN_WORDS: dict[str, tuple[str, ...]] = {}
"""The words of phrases that were folded: a plain dictionary is asked faster than a function that remembers."""
_MOST_WORDS = 50_000
ARTICLES = frozenset({"a", "an", "the"})
"""Left out of phrases and sentences alike: they change no meaning here."""


@cache
def token_pattern() -> re.Pattern[str]:
    """Return what a token is: a long word, an abbreviation with signs in it ("s/p"), any other word, number or sign."""
    signed = sorted((short for short in pack().abbreviations.words if not short.isalpha()), key=len, reverse=True)
    closed = "|".join(re.escape(short) for short in signed if short[-1] != "/")
    opened = "|".join(re.escape(short) for short in signed if short[-1] == "/")
    either = [f"(?:{closed})(?![\\w/])" if closed else "", f"(?:{opened})" if opened else ""]
    short = "|".join(filter(None, either))
    worded = (each for each in signed if each[:3].isalpha())  # "and/or" begins with a long word
    first = "|".join(rf"\b{re.escape(each)}(?![\w/])" for each in worded)
    return re.compile("|".join(filter(None, [first, _LONG_WORD, short and rf"(?<![\w/])(?:{short})", _REST])))


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """Return the form under which the lexicon knows a lower-case word: singular, American, spelled right."""
    known = pack().spelling
    word = word.replace("\u2019", "'")
    word = known.variants.get(word, word)
    if word in known.singular:
        return known.singular[word]
    if len(word) < 4 or word in known.ends_in_s or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1]


@lru_cache(maxsize=50_000)
def fold_compound(word: str) -> tuple[str, ...]:
    """Return the folded words that a written word stands for: "nonspecific" is ("non", "specific")."""
    short = pack().abbreviations.words.get(word)
    if short is not None:
        return short
    compounds = pack().spelling.split
    split = compounds.get(word)
    if split is not None:
        return split
    folded = fold(word)
    return compounds.get(folded, (folded,))


def lowered(text: str) -> str:
    """Lower-case a text without changing its length, so that offsets stay true."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def tokenise(text: str) -> list[tuple[str, int, int]]:
    """Split a lower-cased text into (word, start, end): words, numbers, line ends and single signs."""
    return [(match.group(), match.start(), match.end()) for match in token_pattern().finditer(text)]


def phrase_words(phrase: str) -> tuple[str, ...]:
    """Fold a lexicon phrase into the words it is matched by; hyphens count as spaces."""
    written = phrase.split()
    try:  # nearly all phrases are plain words, and there are thousands
        return tuple(chain.from_iterable(map(_PLAIN_WORDS.__getitem__, written)))
    except KeyError:
        pass
    if not all(map(_PLAIN.fullmatch, written)):
        written = [word for word, _, _ in tokenise(lowered(phrase)) if word[0].isalnum() or word[0] == "_"]
        return tuple(chain.from_iterable(map(_folded, written)))
    words = list(map(_folded, written))
    if len(_PLAIN_WORDS) < _MOST_WORDS:
        _PLAIN_WORDS.update(zip(written, words, strict=True))
    return tuple(chain.from_iterable(words))


def _folded(word: str) -> tuple[str, ...]:
    """Fold a word of a phrase; a letter is a side in reports alone."""
    if word in ARTICLES:
        return ()
    return fold_compound(word) if len(word) > 1 else (word,)
