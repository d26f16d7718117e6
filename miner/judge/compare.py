"""Whether two mentions of the same abnormality agree in side, place, severity and number."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from cxr.miner.judge.facts import Fact
from cxr.miner.judge.qualities import differ, ends_somewhere, is_position
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.relations import Relations
from cxr.schemas import Change, NormalForm, Severity, Side

SIDED = {Side.LEFT, Side.RIGHT, Side.BILATERAL}
MEASURED_ALIKE = 1.35
LEAST_APART_MM = 2.0
SINGLE = {"single", "1"}
_TREND: dict[Change | None, str] = {
    Change.NEW: "worse",
    Change.WORSENED: "worse",
    Change.UNCHANGED: "same",
    Change.IMPROVED: "better",
}


class Fit(Enum):
    """How a finding's details relate to those of a fact about the same thing."""

    SAME = "same"
    """All that the finding says, the fact says."""
    MORE_DETAIL = "more_detail"
    """The finding says more than the fact, against nothing in it."""
    CONFLICT = "conflict"
    """The two cannot describe the same thing."""
    ELSEWHERE = "elsewhere"
    """The two are in different organs: the fact says nothing on the finding."""


class Match(NamedTuple):
    """A fit, the detail that conflicts, and which details conflict or are open, by their reasons."""

    fit: Fit
    conflict: Reason | None = None
    against: frozenset[Reason] = frozenset()
    """All details in which the two conflict."""
    left_open: frozenset[Reason] = frozenset()
    """The details of the finding on which the fact says nothing."""


SAME = Match(Fit.SAME)
MORE_DETAIL = Match(Fit.MORE_DETAIL)
ELSEWHERE = Match(Fit.ELSEWHERE)


def compare(finding: NormalForm, fact: Fact, relations: Relations) -> Match:
    """Compare the details of a finding with those of a fact whose concept is the finding's or a kind of it."""
    known = fact.form
    place, side = compare_places(finding, known, relations), compare_sides(finding, known, relations)
    if place.fit is not Fit.SAME and ends_somewhere(finding):
        place = SAME  # a device is where its tip lies
    if Fit.ELSEWHERE in {place.fit, side.fit}:
        return ELSEWHERE
    parts = (
        (Reason.SIDE_CONFLICT, side),
        (Reason.LOCATION_CONFLICT, place),
        (Reason.SEVERITY_CONFLICT, compare_severity(finding, fact)),
        (Reason.NUMBER_CONFLICT, compare_number(finding, fact)),
        (Reason.CHANGE_CONFLICT, compare_change(finding, known)),
        (Reason.SIZE_CONFLICT, compare_sizes(finding, known)),
        *_compare_qualities(finding, known),
    )
    if all(part is SAME for _, part in parts):
        return SAME
    against = [reason for reason, part in parts if part.fit is Fit.CONFLICT]
    left_open = frozenset(reason for reason, part in parts if part.fit is Fit.MORE_DETAIL)
    if against:
        return Match(Fit.CONFLICT, against[0], frozenset(against), left_open)
    return Match(Fit.MORE_DETAIL, None, frozenset(), left_open) if left_open else SAME


def compare_sides(finding: NormalForm, fact: NormalForm, relations: Relations) -> Match:
    """Left against right conflicts, and so does "bilateral" against one side; one side of a bilateral thing fits."""
    asked, known = relations.side_of(finding), relations.side_of(fact)
    if asked not in SIDED or asked is known:
        return SAME
    if known not in SIDED:
        return ELSEWHERE if relations.is_midline(fact.concept) else MORE_DETAIL
    if known is Side.BILATERAL:
        return SAME
    return Match(Fit.CONFLICT, Reason.SIDE_CONFLICT)


def compare_severity(finding: NormalForm, fact: Fact) -> Match:
    """Severities conflict when they differ; "minimal" and "mild" are used for each other, and ranges have two ends."""
    asked, known = finding.severity, fact.form.severity
    if asked is None or asked is known or asked is fact.up_to:
        return SAME
    if known is None:
        return MORE_DETAIL
    if {asked, known} == {Severity.MINIMAL, Severity.MILD}:
        return SAME
    return Match(Fit.CONFLICT, Reason.SEVERITY_CONFLICT)


def compare_number(finding: NormalForm, fact: Fact) -> Match:
    """Several against one conflicts; several where the fact gives no number is a detail."""
    asked, known = finding.number, "single" if fact.one else fact.form.number
    if asked is None or asked == known:
        return SAME
    if known is None:
        return SAME if asked in SINGLE else MORE_DETAIL
    if (asked in SINGLE) is not (known in SINGLE):
        return Match(Fit.CONFLICT, Reason.NUMBER_CONFLICT)
    return SAME


def compare_change(finding: NormalForm, fact: NormalForm) -> Match:
    """Worse or new conflicts with the same or better, and better with the same; a change not given is a detail."""
    asked, known = _TREND.get(finding.change), _TREND.get(fact.change)
    if asked is None or asked == known:
        return SAME
    if known is None:
        return MORE_DETAIL
    return Match(Fit.CONFLICT, Reason.CHANGE_CONFLICT)


def compare_sizes(finding: NormalForm, fact: NormalForm) -> Match:
    """Measures conflict where one is larger than the other by more than measuring varies."""
    asked, known = finding.size_mm, fact.size_mm
    if asked is None or asked == known:
        return SAME
    if known is None:
        return MORE_DETAIL
    apart = max(asked, known) > MEASURED_ALIKE * min(asked, known) and abs(asked - known) > LEAST_APART_MM
    return Match(Fit.CONFLICT, Reason.SIZE_CONFLICT) if apart else SAME


def _compare_qualities(finding: NormalForm, fact: NormalForm) -> list[tuple[Reason, Match]]:
    """Compare the qualities of a finding, and where a device ends, with those of the fact."""
    found = []
    for asked, excluded in differ(finding, fact):
        reason = Reason.POSITION_CONFLICT if is_position(asked) else Reason.QUALITY_CONFLICT
        found.append((reason, Match(Fit.CONFLICT, reason) if excluded else MORE_DETAIL))
    return found


def compare_places(finding: NormalForm, fact: NormalForm, relations: Relations) -> Match:
    """Compare where the two are: inside, around, beside each other in one organ, or in different organs."""
    asked = relations.telling_places(finding)
    known = relations.likely_places(fact)
    if not asked:
        return SAME
    if not known:
        # "X in the left lower Y" is not what a diffuse kind of X, or a counted one, somewhere, speaks of.
        other_kind = not relations.same_thing(fact.concept, finding.concept) and (
            finding.concept not in relations.without_detail(fact.concept)
        )
        narrowed = other_kind and (relations.is_diffuse(fact.concept) or relations.is_counted(fact.concept))
        fits = not narrowed and relations.place_fits_concept(asked, fact.concept)
        return MORE_DETAIL if fits else ELSEWHERE
    found = [_place_fit(one, other, relations) for one in asked for other in known]
    for fit in (Fit.SAME, Fit.MORE_DETAIL, Fit.CONFLICT):
        if fit in found:
            return Match(fit, Reason.LOCATION_CONFLICT if fit is Fit.CONFLICT else None)
    return ELSEWHERE


def _place_fit(asked: str, known: str, relations: Relations) -> Fit:
    """Compare one place with another."""
    if asked == known or relations.is_part(known, asked) or relations.overlap(asked, known):
        return Fit.SAME
    if relations.is_part(asked, known):
        return Fit.MORE_DETAIL
    return Fit.CONFLICT if relations.in_one_organ_with_zones(asked, known) else Fit.ELSEWHERE


def covers(denial: NormalForm, finding: NormalForm, relations: Relations) -> bool:
    """Return whether a denial reaches as far as the finding: "no right X" does not cover the left side."""
    if denial.side in SIDED and denial.side is not Side.BILATERAL and finding.side is not denial.side:
        return False
    places = relations.telling_places(denial)
    if not places:
        return True
    asked = relations.telling_places(finding)
    return bool(asked) and all(_inside_any(place, places, relations) for place in asked)


def _inside_any(place: str, places: Sequence[str], relations: Relations) -> bool:
    """Return whether a place is one of the places, or a part of one of them."""
    return any(place == other or relations.is_part(place, other) or relations.overlap(place, other) for other in places)
