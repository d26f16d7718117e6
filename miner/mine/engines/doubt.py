"""What a report doubts of a finding without doubting its name: either-or, a harmless explanation, "probable".

The labels take these as asserted, as the labeler does that they follow; a chain must not be surer than the report.
"""

import re
from functools import lru_cache

from cxr.miner.language.analysis import Mention, analyse_report
from cxr.miner.language.items import Items, read_items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import Presence

_BETWEEN = (
    Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.PREPOSITION | Role.CAUSE | Role.PART | Role.COPULA | Role.STATE
)
"""What may stand between "probable" and the finding that it is said of."""
_NEAR = 3


@lru_cache(maxsize=64)
def doubted(report_text: str) -> frozenset[int]:
    """Return the mentions that are one of two ("X/Y"), or that the report may explain by something harmless."""
    analysis = analyse_report(report_text)
    return frozenset(
        index
        for index, mention in enumerate(analysis.mentions)
        if mention.form.presence is Presence.PRESENT
        and (_one_of_two(report_text, analysis.mentions, index) or _explained(report_text, index))
    )


@lru_cache(maxsize=64)
def probable(report_text: str) -> frozenset[int]:
    """Return the mentions that the report calls probable or likely."""
    analysis = analyse_report(report_text)
    found = set()
    for index, mention in enumerate(analysis.mentions):
        start, end = analysis.cuts[mention.sentence]
        items = read_items(report_text[start:end])
        if mention.form.presence is Presence.PRESENT and _called_probable(items, mention, start):
            found.add(index)
    return frozenset(found)


def _one_of_two(text: str, mentions: tuple[Mention, ...], index: int) -> bool:
    """Return whether a slash alone parts a mention from another one that is there, and stands for another label."""
    one = mentions[index]
    for other in mentions[max(0, index - 1) : index + 2]:
        first, second = (one, other) if one.start < other.start else (other, one)
        if other.form.presence is Presence.PRESENT and text[first.end : second.start].strip() == "/":
            concepts = load_lexicon().concepts
            return concepts[one.form.concept].label != concepts[other.form.concept].label
    return False


def _explained(text: str, index: int) -> bool:
    """Return whether what follows a mention may explain it by something harmless: "may be due to the technique".

    That is the rest of its sentence, up to the next thing that is surely there, or a sentence with none behind it.
    """
    words = pack().wording.doubt
    if words is None:
        return False
    analysis = analyse_report(text)
    mention, own = analysis.mentions[index], analysis.mentions[index].sentence
    sure = [each for each in analysis.mentions if not each.hedge and each.form.presence is Presence.PRESENT]
    stop = min([analysis.cuts[own][1], *(each.start for each in sure if each.start >= mention.end)])
    said = text[mention.end : stop]
    if stop == analysis.cuts[own][1] and own + 1 < len(analysis.cuts):
        follows = any(each.sentence == own + 1 for each in sure)
        said += "" if follows else " ".join(("", text[slice(*analysis.cuts[own + 1])]))
    return bool(_harmless(words.may, words.harmless).search(said))


@lru_cache(maxsize=1)
def _harmless(may: tuple[str, ...], harmless: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(may)})\b[^.;]{{0,60}}\b(?:{'|'.join(harmless)})\b", re.IGNORECASE)


def _called_probable(items: Items, mention: Mention, offset: int) -> bool:
    """Return whether "probable X", "likely a small X" or "X is likely" is said of a mention."""
    words = pack().wording.doubt
    if words is None:
        return False
    inside = [at for at, start in enumerate(items.starts) if mention.start <= start + offset < mention.end]
    if not inside:
        return False
    for at in range(inside[0] - 1, -1, -1):
        if not words.probable.isdisjoint(items.entries[at].phrase):
            return not items.roles[at] & Role.CONCEPT
        if not items.roles[at] & _BETWEEN or items.roles[at] & Role.CONCEPT:
            break
    for at in range(inside[-1] + 1, min(inside[-1] + _NEAR, len(items.roles))):
        if items.entries[at].phrase[-1] in words.probable:
            return not any(role & Role.CONCEPT for role in items.roles[at + 1 : at + 1 + _NEAR])
        if not items.roles[at] & Role.COPULA:
            break
    return False
