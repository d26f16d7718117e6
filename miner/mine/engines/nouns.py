"""Articles, plurals and verbs for the names of findings, and the words for places."""

from collections.abc import Sequence
from functools import lru_cache

from cxr.miner.pack import pack
from cxr.miner.pack.wording import Place

_TAIL = (" in ", " at ", " along ", " under ", " over ", " measuring ", " of ", " outside ", " for ")
_NO_ARTICLE = ("multiple ", "bilateral ", "a ", "an ", "the ", "possible bilateral ", "possible multiple ")

# Vowels, also those that numbers begin with.
_AN = (*"aeiouAEIOU", "8", "11 ", "11.", "18 ", "18.")


def place(name: str) -> Place:
    """Return how a place of the lexicon is said."""
    return pack().nouns.places.get(name) or Place(name=name.replace("_", " "))


def _head(phrase: str) -> tuple[str, str]:
    """Split a noun phrase behind its head: ("small left X", " in the left Y")."""
    cut = min((at for word in _TAIL if (at := phrase.find(word)) > 0), default=len(phrase))
    return phrase[:cut], phrase[cut:]


@lru_cache(maxsize=4096)
def is_counted(phrase: str) -> bool:
    """Return whether the head of a noun phrase is counted, in the singular."""
    return _head(phrase)[0].rsplit(" ", 1)[-1] in pack().nouns.counted


@lru_cache(maxsize=4096)
def is_plural(phrase: str) -> bool:
    """Return whether a noun phrase takes a verb in the plural."""
    last = _head(phrase)[0].rsplit(" ", 1)[-1]
    if last in pack().nouns.counted or last.endswith(("ss", "is", "us")):
        return False
    return last.endswith("s") or last in pack().nouns.plurals.values()


def plural(phrase: str) -> str:
    """Return a noun phrase with its head in the plural, where the head is counted; else unchanged."""
    if not is_counted(phrase):
        return phrase
    head, tail = _head(phrase)
    return plural_of_place(head) + tail


def plural_of_place(name: str) -> str:
    """Return the plural of a place, or of any name that ends with its noun."""
    before, _, last = name.rpartition(" ")
    if last in pack().nouns.plurals:
        last = pack().nouns.plurals[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ies"
    else:
        last += "es" if last.endswith(("s", "x", "ch")) else "s"
    return f"{before} {last}".lstrip()


def with_article(phrase: str) -> str:
    """Return "a small X" for "small X"; what is not counted, or is said of several, has no article."""
    if phrase.startswith(_NO_ARTICLE) or not is_counted(phrase):
        return phrase
    return f"{'an' if phrase.startswith(_AN) else 'a'} {phrase}"


def enumerated(phrases: Sequence[str], conjunction: str = "and") -> str:
    """Return the phrases as a list in a sentence: "X, Y and Z"."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} {conjunction} {phrases[-1]}"


def noun_of(finding: str) -> str:
    """Return the singular by which a finding is called in a sentence."""
    signs = pack().signs.get(finding)
    return (signs and signs.noun) or in_sentence(finding)


@lru_cache(maxsize=4096)
def named_as(finding: str) -> str:
    """Name a finding in the middle of a sentence: with an article where it is one of several."""
    return in_sentence(finding) if is_plural(in_sentence(finding)) else with_article(noun_of(finding))


def in_sentence(finding: str) -> str:
    """Return a finding's name in lower case, except for what is written in capitals throughout."""
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in finding.split())
