"""What a sentence goes on to say about the last mention before it: "It has grown.", "The tip is now in Y."."""

import re
from functools import cache

from cxr.miner.judge.qualities import is_position
from cxr.miner.language.analysis import Analysis
from cxr.miner.language.course import course_at, tells_change
from cxr.miner.language.entries import Role
from cxr.miner.language.items import Items, read_items
from cxr.miner.language.positions import TIP, position_in
from cxr.miner.language.residues import readable
from cxr.miner.pack import pack
from cxr.schemas import Change, NormalForm, Presence

_NAMES = Role.CONCEPT | Role.PART | Role.GENERIC | Role.QUALITY
_LONGEST = 160
"""A longer sentence speaks for itself."""


@cache
def _opening() -> re.Pattern[str]:
    """Return the pattern of sentences that go on: a pronoun, or the end of a device, without a subject of its own."""
    words = pack().anatomy.positions.words
    ends = "|".join(re.escape(word) for word in (*words.tip, *words.advice) if " " not in word)
    return re.compile(rf"\s*(?:it|they|this|these|those|(?:the |its )?(?:{ends or 'it'}))\b", re.IGNORECASE)


def tell_on(analysis: Analysis, forms: list[NormalForm]) -> None:
    """Add to forms, in place, what a sentence without a mention of its own says of the last one before it."""
    last_of = {mention.sentence: index for index, mention in enumerate(analysis.mentions)}
    first_in = {mention.sentence: mention.start for mention in reversed(analysis.mentions)}
    for number, (begin, end) in enumerate(analysis.cuts):
        last = last_of.get(number - 1)
        if last is None or end - begin > _LONGEST or forms[last].presence is not Presence.PRESENT:
            continue
        goes_on = _opening().match(analysis.text, begin, end) is not None
        if not goes_on and (number in first_in or not _is_change(read_items(analysis.text[begin:end]))):
            continue
        # "It has grown with the X": what stands before the first mention of its own is said of the last one before
        told = _told(forms[last], read_items(readable(analysis.text[begin : first_in.get(number, end)]).text))
        if told is not forms[last]:
            forms[last] = told
        last_of.setdefault(number, last)


def _is_change(items: Items) -> bool:
    """Return whether a sentence is no more than a change: "Unchanged.", "Decreased from large."."""
    changes = bool(items.roles) and (tells_change(items, 0) or course_at(items, 0) is not None)
    return changes and not items.union & _NAMES


def _told(form: NormalForm, items: Items) -> NormalForm:
    """Return a form with the position or the change that a sentence adds."""
    position = position_in(items, form.concept)
    told = {quality.startswith(TIP) for quality in form.qualities if is_position(quality)}  # where it ends, how it sits
    more = tuple(quality for quality in position.qualities if quality.startswith(TIP) not in told)
    if more:
        return form.model_copy(update={"qualities": (*form.qualities, *more)})
    change = None if form.change is not None else _change(items)
    return form if change is None else form.model_copy(update={"change": change})


def _change(items: Items) -> Change | None:
    for at, entry in enumerate(items.entries):
        change = entry.change or course_at(items, at)
        if change is not None:
            return None if change is Change.RESOLVED else change
    return None
