"""Words of a text with their places, folded so that one spelling in the lexicon matches all of them."""

import re
from functools import cache, lru_cache

from cxr.miner.pack import pack

# A word (with an inner apostrophe), a number, a run of line ends, or one other visible character.
_LONG_WORD = r"[^\W\d_]{3,}(?:['\u2019][a-z]+)?"
_REST = r"[^\W\d_]+(?:['\u2019][a-z]+)?|\d+(?:\.\d+)?|_{2,}|\n\s*|[^\s\w]|\w"

_PLAIN = re.compile("[a-z ]+")
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
    return re.compile("|".join(filter(None, [_LONG_WORD, short and rf"(?<![\w/])(?:{short})", _REST])))


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
    if _PLAIN.fullmatch(phrase):  # nearly all phrases are, and there are thousands
        parts = phrase.split()
    else:
        parts = [word for word, _, _ in tokenise(lowered(phrase)) if word[0].isalnum() or word[0] == "_"]
    words: list[str] = []
    for part in parts:
        if part not in ARTICLES:
            words.extend(fold_compound(part) if len(part) > 1 else (part,))  # a letter is a side in reports alone
    return tuple(words)
