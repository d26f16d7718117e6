"""Findings given as (observation, status): ("X or Y", "not present")."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cxr.miner.language.items import Items, read_items
from cxr.miner.language.lexicon import Lexicon, Role, load_lexicon
from cxr.miner.language.positions import TIP
from cxr.miner.language.reader import read_observation
from cxr.miner.language.readings import Reading, normal_form
from cxr.miner.pack import pack
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Severity, Side

# "suggested by symmetrical spots": what follows explains, and is no status
_QUALIFIED = Role.NOTHING_SENTENCE | Role.NOTHING_CLAUSE | Role.NOTHING_FORWARD | Role.PROBABLE


class Polarity(StrEnum):
    """What a status says about its observation."""

    AFFIRMED = "affirmed"
    HEDGED = "hedged"
    DENIED = "denied"
    NORMAL = "normal"
    """It calls the structure normal ("clear", "within normal limits")."""
    NOTHING = "nothing"
    """It commits to nothing ("uncertain", "not provided"), or the observation is about the picture's quality."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An observation and its status in normal form."""

    observation: str
    status: str
    polarity: Polarity
    forms: tuple[NormalForm, ...]

    @property
    def asserts(self) -> bool:
        """False where nothing checkable is said."""
        return self.polarity is not Polarity.NOTHING

    @property
    def finding(self) -> Finding:
        """The statement as a finding of the project's vocabulary."""
        return Finding(observation=self.observation, status=self.status, normal_forms=self.forms)


def read_finding(observation: str, status: str) -> Finding:
    """Return the finding with its normal forms; none where it asserts nothing or its words are unknown."""
    return read_statement(observation, status).finding


@lru_cache(maxsize=16_384)
def read_statement(observation: str, status: str) -> Statement:
    """Return what an observation with its status asserts; never raises."""
    lexicon = load_lexicon()
    observed, stated = read_items(observation), read_items(status)
    polarity = _polarity(stated, status)
    if _about_the_picture(observed):
        polarity = Polarity.NOTHING
    if polarity is Polarity.NOTHING:
        return Statement(observation, status, polarity, ())
    text = f"{observation}: {status}" if status.strip() else observation
    readings = read_observation(text)
    cut = len(observation)
    named = [_adjusted(r, polarity, stated, lexicon) for r in readings if r.end <= cut]
    restated = [reading.form for reading in readings if reading.end > cut]
    if polarity is Polarity.DENIED:  # "X": "unlikely given the clear Y"
        denied = {form.concept for form in named}
        restated = [form for form in restated if denied.isdisjoint(lexicon.ruled_out.get(form.concept, ()))]
    if not named:
        restated = [_placed(form, observed) for form in restated]
    forms = _merged(named, restated, lexicon)
    if forms and polarity is Polarity.AFFIRMED and all(form.presence is Presence.ABSENT for form in forms):
        polarity = Polarity.DENIED
    return Statement(observation, status, polarity, forms)


def _merged(named: list[NormalForm], restated: list[NormalForm], lexicon: Lexicon) -> tuple[NormalForm, ...]:
    """Join what the observation names with what the status says itself.

    A status that speaks of the same thing decides ("X": "no signs of X") and takes over the observation's place and
    side; one that only says it in wider words ("X": "bright spots") adds nothing.
    """
    kept: list[NormalForm] = []
    final = list(restated)
    for form in named:
        wider = [o for o in final if o.presence is form.presence and o.concept in lexicon.ancestors[form.concept]]
        same = [at for at, other in enumerate(final) if _speaks_of(other, form, lexicon) and other not in wider]
        if same:
            final = [_completed(other, form) if at in same else other for at, other in enumerate(final)]
            continue
        full = form
        for other in wider:
            full = _completed(full, other)
            final.remove(other)
        kept.append(full)
    forms = tuple(dict.fromkeys((*kept, *final)))
    specific = tuple(form for form in forms if form.concept != pack().roles.anything)
    return specific or forms


def _placed(form: NormalForm, observed: Items) -> NormalForm:
    """Put what a status names ("left Y": "X present") where the observation is, unless it says where itself."""
    if form.side is not None or form.locations or form.presence is not Presence.PRESENT:
        return form
    if load_lexicon().concepts[form.concept].kind == "normal":
        return form
    side = _first_side(observed)
    parts = [entry.part for entry in observed.entries if entry.part is not None]
    places = tuple(dict.fromkeys(part.id for part in parts if part.part_of and part.region.divided))
    return form.model_copy(update={"side": side, "locations": places}) if side or places else form


def _completed(form: NormalForm, other: NormalForm) -> NormalForm:
    """Fill in the place, side and severity that only the other wording states."""
    return normal_form(
        form.concept,
        form.presence,
        form.certainty,
        form.locations or other.locations,
        form.side or other.side,
        form.severity or other.severity,
        form.size_mm or other.size_mm,
        form.number or other.number,
        form.change or other.change,
        form.qualities or other.qualities,
    )


def _polarity(stated: Items, status: str) -> Polarity:
    """Read the status alone; "confirmed" and the like say no more than nothing at all."""
    if not status.strip():
        return Polarity.AFFIRMED
    roles = stated.roles
    hedged = False
    for index, role in enumerate(roles):
        own_mention = any(r & Role.CONCEPT for r in roles[index + 1 :])
        if role & Role.NOT_ASSESSABLE and not any(r & (Role.CONCEPT | Role.AFFIRM_BACKWARD) for r in roles):
            return Polarity.NOTHING
        if role & (Role.CONCEPT | Role.BREAK) or (role & Role.AFFIRM_BACKWARD and not hedged):
            break
        if role & Role.DENY_BACKWARD and not role & Role.STATE and not (role & Role.DENY_FORWARD and own_mention):
            return Polarity.DENIED
        if role & _QUALIFIED and not (role & Role.PROBABLE and _then_decides(stated, index + 1)):
            break
        if role & Role.STATE and (state := stated.entries[index].state) is not None and state.normal:
            return Polarity.DENIED if _denied_before(roles, index) else Polarity.NORMAL
        if role & Role.DENY_FORWARD:
            return Polarity.AFFIRMED if own_mention else Polarity.DENIED
        if role & Role.HEDGE_BACKWARD or (role & (Role.HEDGE_FORWARD | Role.HEDGE_LIST) and not own_mention):
            hedged = True
    return Polarity.HEDGED if hedged else Polarity.AFFIRMED


def _then_decides(stated: Items, after: int) -> bool:
    """Return whether what a status agrees with is a denial or something normal: "consistent with absence of X"."""
    return after < len(stated.roles) and bool(stated.roles[after] & (Role.DENY_FORWARD | Role.STATE))


def _denied_before(roles: list[int], index: int) -> bool:
    return any(role & Role.DENY_FORWARD for role in roles[:index])


def _about_the_picture(observed: Items) -> bool:
    roles, whole = observed.roles, pack().roles.whole_part
    return (
        any(r & Role.QUALITY for r in roles)
        and not any(r & Role.CONCEPT for r in roles)
        and not any(
            r & Role.PART and (part := observed.entries[i].part) is not None and part.id != whole
            for i, r in enumerate(roles)
        )
    )


def _adjusted(reading: Reading, polarity: Polarity, stated: Items, lexicon: Lexicon) -> NormalForm:
    """Put the status's polarity, side and severity onto what the observation names."""
    form = reading.form
    presence, certainty = form.presence, form.certainty
    if polarity is Polarity.NORMAL and form.qualities:
        polarity = Polarity.AFFIRMED  # "X: nondisplaced" is no denial of X
    normal = lexicon.concepts[form.concept].kind == "normal"
    if presence is Presence.PRESENT and (polarity is Polarity.DENIED or (polarity is Polarity.NORMAL and not normal)):
        presence, certainty = Presence.ABSENT, Certainty.CERTAIN
    elif (
        polarity is Polarity.AFFIRMED
        and reading.hedge != "alternative"  # "X or Y": one of them is there
        and any(r & Role.AFFIRM_BACKWARD for r in stated.roles)
    ):
        certainty = Certainty.CERTAIN
    elif polarity is Polarity.HEDGED and presence is Presence.PRESENT:
        certainty = Certainty.UNCERTAIN
    side, severity, places = form.side, form.severity, form.locations
    if presence is Presence.PRESENT and polarity in {Polarity.AFFIRMED, Polarity.HEDGED}:
        side = side or _first_side(stated)
        severity = severity or _first_severity(stated)
        places = places or _places(stated)
    if form.qualities and form.qualities[0].startswith(TIP):
        side, places = form.side, form.locations  # those of the status are where it ends
    return normal_form(
        form.concept,
        presence,
        certainty,
        places,
        side,
        severity,
        form.size_mm,
        form.number,
        form.change,
        form.qualities,
    )


def _places(stated: Items) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.part.id for entry in stated.entries if entry.part is not None))


def _first_side(stated: Items) -> Side | None:
    return next((entry.side for entry in stated.entries if entry.side is not None), None)


def _first_severity(stated: Items) -> Severity | None:
    """Return the first degree; "significantly less" is a change and no degree."""
    entries, roles = [*stated.entries, None], [*stated.roles, 0]
    for entry, follows, role in zip(stated.entries, entries[1:], roles[1:], strict=True):
        changes = role & Role.CHANGE or (follows is not None and follows.state is not None and follows.state.change)
        if entry.severity is not None and not changes:
            return entry.severity
    return None


def _speaks_of(other: NormalForm, form: NormalForm, lexicon: Lexicon) -> bool:
    """Return whether two forms are about one thing: kind of it, wider than it, or the normal that rules it out."""
    if other.concept == pack().roles.anything:
        return False
    related = lexicon.ancestors[form.concept] | lexicon.descendants[form.concept]
    return other.concept in related or form.concept in lexicon.ruled_out.get(other.concept, ())
