"""Articles, plurals and verbs for the names of findings, and the words for places."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.pack import pack

_TAIL = (" in ", " over ", " measuring ", " of ", " outside ", " for ")
_NO_ARTICLE = ("multiple ", "bilateral ", "a ", "an ", "the ", "possible bilateral ", "possible multiple ")


class Place(NamedTuple):
    """A place as it is said; `unique` ones have no sides, `one_of_many` is one of its kind (a rib)."""

    name: str
    unique: bool = False
    one_of_many: bool = False


class _Nouns(NamedTuple):
    counted: frozenset[str]
    plurals: Mapping[str, str]
    places: Mapping[str, Place]


@lru_cache(maxsize=1)
def _nouns() -> _Nouns:
    table = pack().table("nouns.toml")
    places = {key: Place(**entry) for key, entry in table["places"].items()}
    return _Nouns(frozenset(table["counted"]), table["plurals"], places)


def place(name: str) -> Place:
    """Return how a place of the lexicon is said."""
    return _nouns().places.get(name) or Place(name.replace("_", " "))


def _head(phrase: str) -> tuple[str, str]:
    """Split a noun phrase behind its head: ("small left pleural effusion", " in the left base")."""
    cut = min((at for word in _TAIL if (at := phrase.find(word)) > 0), default=len(phrase))
    return phrase[:cut], phrase[cut:]


def is_counted(phrase: str) -> bool:
    """Return whether the head of a noun phrase is counted, in the singular."""
    return _head(phrase)[0].rsplit(" ", 1)[-1] in _nouns().counted


def is_plural(phrase: str) -> bool:
    """Return whether a noun phrase takes a verb in the plural."""
    last = _head(phrase)[0].rsplit(" ", 1)[-1]
    if last in _nouns().counted or last.endswith(("ss", "is", "us")):
        return False
    return last.endswith("s") or last in _nouns().plurals.values()


def plural(phrase: str) -> str:
    """Return a noun phrase with its head in the plural, where the head is counted; else unchanged."""
    if not is_counted(phrase):
        return phrase
    head, tail = _head(phrase)
    before, _, last = head.rpartition(" ")
    if last in _nouns().plurals:
        last = _nouns().plurals[last]
    elif last.endswith("y"):
        last = f"{last[:-1]}ies"
    else:
        last += "es" if last.endswith(("s", "x", "ch")) else "s"
    return f"{before} {last}".lstrip() + tail


def plural_of_place(name: str) -> str:
    """Return the plural of a place: "lung bases", "hila"."""
    before, _, last = name.rpartition(" ")
    last = _nouns().plurals.get(last) or f"{last}{'es' if last.endswith(('s', 'x', 'ch')) else 's'}"
    return f"{before} {last}".lstrip()


def with_article(phrase: str) -> str:
    """Return "a small effusion" for "small effusion"; what is not counted, or is said of several, has no article."""
    if phrase.startswith(_NO_ARTICLE) or not is_counted(phrase):
        return phrase
    return f"{'an' if phrase[0].lower() in 'aeiou' else 'a'} {phrase}"
