"""What stands where parts of a report disagree: a later read corrects an earlier one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.parts import CORRECTING
from cxr.miner.language.positions import TIP
from cxr.schemas import NormalForm, Presence, Side

if TYPE_CHECKING:
    from cxr.miner.language.analysis import Mention

_MOST = 500
"""Different statements of later parts: a report has a dozen; the time stays linear."""
_ONE_SIDED = {Side.LEFT, Side.RIGHT}


def standing(mentions: Sequence["Mention"], ranks: Sequence[int]) -> tuple["Mention", ...]:
    """Return the mentions without those that a part of a higher rank contradicts; all of them where there is one."""
    if not ranks or min(ranks) == max(ranks):
        return tuple(mentions)
    numbered = list(zip(mentions, ranks, strict=True))
    lowest = min(ranks)
    later = list(dict.fromkeys((mention.form, rank) for mention, rank in numbered if rank > lowest))[:_MOST]
    return tuple(
        mention
        for mention, rank in numbered
        if not any(by > rank and corrects(form, mention.form, wrong=by >= CORRECTING) for form, by in later)
    )


def corrects(later: NormalForm, earlier: NormalForm, *, wrong: bool) -> bool:
    """Return whether what is said later takes back what was said before of the same thing.

    `wrong` says that the later part speaks of an error: then the other side is a correction and no second finding.
    """
    lexicon = load_lexicon()
    if _elsewhere(later, earlier):
        same = later.concept == earlier.concept and later.presence is earlier.presence is Presence.PRESENT
        return wrong and same
    related = lexicon.ancestors[later.concept] | lexicon.descendants[later.concept]
    if earlier.concept not in related:
        return _rules_out(later, earlier) or _rules_out(earlier, later)
    if later.presence is not earlier.presence:
        # "No X" takes back every X, but an X that there is takes back no "no Y", where Y is only a kind of X.
        wider = lexicon.ancestors if later.presence is Presence.PRESENT else lexicon.descendants
        return earlier.concept in wider[later.concept]
    if later.presence is Presence.ABSENT:
        return False
    grown = later.change is not None and earlier.change is not None and later.change is not earlier.change
    if grown or later.concept != earlier.concept:
        return grown
    degrees = [[one for one in (form.severity, form.size_mm) if one is not None] for form in (later, earlier)]
    ends = [{each for each in form.qualities if each.startswith(TIP)} for form in (later, earlier)]
    return later.certainty is not earlier.certainty or any(
        one and other and one != other for one, other in (degrees, ends)
    )


def _elsewhere(later: NormalForm, earlier: NormalForm) -> bool:
    """Return whether the two speak of different sides."""
    return {later.side, earlier.side} == _ONE_SIDED


def _rules_out(normal: NormalForm, other: NormalForm) -> bool:
    """Return whether one is something right that cannot be where the other is present."""
    excluded = load_lexicon().ruled_out.get(normal.concept, frozenset())
    return other.concept in excluded and normal.presence is Presence.PRESENT and other.presence is Presence.PRESENT
