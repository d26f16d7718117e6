"""Findings given as (observation, status): ("Pleural effusion or pneumothorax", "not present")."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from miner.language.items import Items, read_items
from miner.language.lexicon import Lexicon, Role, load_lexicon
from miner.language.reader import Reading, normal_form, read_observation
from schemas import Certainty, Finding, NormalForm, Presence, Severity, Side

_MENTION = int(Role.CONCEPT | Role.GENERIC | Role.STATE)


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
    own = [reading for reading in readings if reading.end > cut]
    of_observation = [reading for reading in readings if reading.end <= cut]
    forms = [_adjusted(reading, polarity, stated, lexicon) for reading in of_observation]
    restated = [reading.form for reading in own]
    forms = [form for form in forms if not _restated(form, restated, lexicon)]
    unique = tuple(dict.fromkeys((*forms, *restated)))
    if unique and polarity is Polarity.AFFIRMED and all(form.presence is Presence.ABSENT for form in unique):
        polarity = Polarity.DENIED
    return Statement(observation, status, polarity, unique)


def _polarity(stated: Items, status: str) -> Polarity:
    """Read the status alone; "confirmed" and the like say no more than nothing at all."""
    if not status.strip():
        return Polarity.AFFIRMED
    roles = stated.roles
    first_mention = next((i for i, role in enumerate(roles) if role & Role.CONCEPT), len(roles))
    hedged = False
    for index, role in enumerate(roles[:first_mention]):
        follows = roles[index + 1 :]
        if role & Role.NOT_ASSESSABLE and not any(r & (Role.CONCEPT | Role.AFFIRM_BACKWARD) for r in roles):
            return Polarity.NOTHING
        if role & Role.STATE and (state := stated.entries[index].state) is not None and state.normal:
            return Polarity.DENIED if _denied_before(roles, index) else Polarity.NORMAL
        if role & Role.DENY_BACKWARD and not role & Role.DENY_FORWARD:
            return Polarity.DENIED
        if role & Role.DENY_FORWARD and not any(r & Role.CONCEPT for r in follows):
            return Polarity.DENIED
        if role & (Role.HEDGE_BACKWARD | Role.HEDGE_FORWARD):
            hedged = True
        if role & Role.DENY_FORWARD:
            break
    return Polarity.HEDGED if hedged else Polarity.AFFIRMED


def _denied_before(roles: list[int], index: int) -> bool:
    return any(role & Role.DENY_FORWARD for role in roles[:index])


def _about_the_picture(observed: Items) -> bool:
    roles = observed.roles
    return (
        any(r & Role.QUALITY for r in roles)
        and not any(r & Role.CONCEPT for r in roles)
        and not any(
            r & Role.PART and (part := observed.entries[i].part) is not None and part.id != "chest"
            for i, r in enumerate(roles)
        )
    )


def _adjusted(reading: Reading, polarity: Polarity, stated: Items, lexicon: Lexicon) -> NormalForm:
    """Put the status's polarity, side and severity onto what the observation names."""
    form = reading.form
    presence, certainty = form.presence, form.certainty
    normal = lexicon.concepts[form.concept].kind == "normal"
    if presence is Presence.PRESENT and (polarity is Polarity.DENIED or (polarity is Polarity.NORMAL and not normal)):
        presence, certainty = Presence.ABSENT, Certainty.CERTAIN
    elif polarity is Polarity.AFFIRMED and any(r & Role.AFFIRM_BACKWARD for r in stated.roles):
        certainty = Certainty.CERTAIN
    elif polarity is Polarity.HEDGED and presence is Presence.PRESENT:
        certainty = Certainty.UNCERTAIN
    side, severity = form.side, form.severity
    if presence is Presence.PRESENT and polarity in {Polarity.AFFIRMED, Polarity.HEDGED}:
        side = side or _first_side(stated)
        severity = severity or _first_severity(stated)
    return normal_form(
        form.concept, presence, certainty, form.locations, side, severity, form.size_mm, form.number, form.change
    )


def _first_side(stated: Items) -> Side | None:
    return next((entry.side for entry in stated.entries if entry.side is not None), None)


def _first_severity(stated: Items) -> Severity | None:
    return next((entry.severity for entry in stated.entries if entry.severity is not None), None)


def _restated(form: NormalForm, restated: list[NormalForm], lexicon: Lexicon) -> bool:
    """Tell whether the status speaks of the same thing itself ("Cardiomegaly": "no signs of cardiomegaly")."""
    related = lexicon.ancestors[form.concept] | lexicon.descendants[form.concept]
    return any(
        other.concept in related or form.concept in lexicon.ruled_out.get(other.concept, ()) for other in restated
    )
