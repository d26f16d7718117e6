"""Read one sentence: which concepts it asserts or denies, with their attributes and exact places."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from cxr.miner.language.attributes import Attributes, collect
from cxr.miner.language.changes import said_changes
from cxr.miner.language.conclusions import MEANS, explains
from cxr.miner.language.course import change_behind, leads_to_mention
from cxr.miner.language.headings import is_said, place_of_heading, take_heading
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Lexicon, Role, State, load_lexicon
from cxr.miner.language.positions import hide, position_of, qualities_of
from cxr.miner.language.readings import Reading, normal_form
from cxr.miner.language.scopes import Scopes, read_scopes, subjects, weighs_adjective
from cxr.miner.language.sides import sides_behind
from cxr.miner.language.structures import (
    PASSES,
    generic_concept,
    left_parts,
    right_parts,
    says_concept,
    shared_structure,
    state_concept,
    state_targets,
)
from cxr.miner.pack import pack
from cxr.schemas import Certainty, Change, Presence

CONCEPT, PART, STATE, GENERIC = Role.CONCEPT, Role.PART, Role.STATE, Role.GENERIC
COLON, CHANGE, REMOVAL = Role.COLON, Role.CHANGE, Role.REMOVAL
_STATES = Role.DENY_FORWARD | Role.COPULA | Role.AFFIRM_BACKWARD | Role.WITH
_LIST = Role.COMMA | Role.CONJUNCTION
_COLON = (":",)
_POINTING = frozenset({"this", "these", "those"})
_NOWHERE: frozenset[str] = frozenset()
_REVERSIBLE = frozenset({Change.WORSENED, Change.IMPROVED})
PRESENT, ABSENT, CERTAIN, UNCERTAIN = Presence.PRESENT, Presence.ABSENT, Certainty.CERTAIN, Certainty.UNCERTAIN
RESOLVED = Change.RESOLVED


class SentenceReader:
    """The work on one sentence: items and scopes in, readings out."""

    def __init__(self, items: Items, lexicon: Lexicon, *, none: Iterable[int] = (), statement: bool = False) -> None:
        self.items = items
        self.lexicon = lexicon
        self.statement = statement
        self.scopes: Scopes = read_scopes(items)
        for index in none:
            self.scopes.denied[index], self.scopes.hedged[index], self.scopes.cue[index] = True, False, index
        if statement:
            self.scopes.silent[:] = [False] * len(self.scopes.silent)
        self.readings: list[Reading] = []
        self.headed = place_of_heading(items) if items.union & COLON and not statement else ()
        self.changes = said_changes(items, self.scopes.silent) if items.union & (CHANGE | REMOVAL) else {}

    def read(self) -> list[Reading]:
        """Return what the sentence states, in text order."""
        colon = self._heading_end() if self.items.union & COLON else 0
        roles, silent = self.items.roles, self.scopes.silent
        described: set[int] = set()  # structures whose state is said: "Y is normal"
        for index, role in enumerate(roles) if self.items.union & STATE else ():
            if role & STATE and not role & CONCEPT and not silent[index] and index >= colon:
                described.update(at for at in self._state(index) if roles[at] & PART)
        for index, role in enumerate(roles):
            if silent[index] or index < colon:
                continue
            if role & CONCEPT and index not in described:
                self._mention(index)
            elif role & GENERIC:
                self._generic(index)
        if len(self.readings) > 1:
            self.readings.sort(key=lambda reading: (reading.start, reading.end))
        return self.readings

    def _heading_end(self) -> int:
        """Return the index up to which mentions are only a heading ("X: Y is normal")."""
        roles = self.items.roles
        if self.statement:
            return 0
        for index, role in enumerate(roles):
            if role & Role.COLON and self.items.entries[index].phrase == (":",):
                if any(before & _STATES for before in roles[:index]):
                    return 0  # "no X: mild Y persists" is no heading
                if index == len(roles) - 1:
                    return index
                body = roles[index + 1 :]
                if is_said(roles[:index], body):
                    return 0
                has_own = any(r & CONCEPT for r in body) or any(
                    r & PART and any(q & (STATE | GENERIC) for q in body) for r in body
                )
                return index if has_own else 0
        return 0

    # ---- mentions of concepts
    def _mention(self, index: int) -> None:
        items, scopes = self.items, self.scopes
        entry = items.entries[index]
        position = position_of(items, index, entry.concepts[0])
        if position.spans:
            hide(items, position.spans, index)
        found = collect(items, index)
        if self.headed and index > len(self.headed):
            take_heading(found, self.headed)
        if position.spans:
            found.size_mm = position.distance_mm
        said = qualities_of(items, index, entry.concepts[0])
        for named in entry.concepts:
            for concept_id in self._concepts_here(named, index, found):
                own = said if concept_id == entry.concepts[0] else qualities_of(items, index, concept_id)
                found.qualities = (*position.qualities, *dict.fromkeys((*said, *own)))
                self._emit(concept_id, index, found, denied=scopes.denied[index], hedged=scopes.hedged[index])

    def _concepts_here(self, concept_id: str, index: int, found: Attributes) -> Iterable[str]:
        """Return what a concept is called at its place, under an adjective, or where it is old.

        Several where a word that says something at some places only stands at several of them, or none.
        """
        concept = self.lexicon.concepts[concept_id]
        if found.chronic and concept.chronic_form is not None:
            return (concept.chronic_form,)
        for state in found.states:
            if state in concept.when:
                return (concept.when[state],)
        if not concept.at:
            return (concept_id,)
        named, away = [self.lexicon.parts[place].region.id for place in found.places], pack().roles.elsewhere_region
        regions = [region for region in named if region != away] or named  # "X of both of them" is here, too
        if self._of_device(index):
            regions.insert(0, pack().roles.device_region)
        elif not regions:
            regions = self._regions_of_sign(index)
        here = dict.fromkeys(concept.at[region] for region in regions if region in concept.at)
        return here if concept.placed else [*here, concept_id][:1]

    def _emit(self, concept_id: str, index: int, found: Attributes, *, denied: bool, hedged: bool) -> None:
        change = found.change or self.changes.get(index)
        if denied and change in _REVERSIBLE and scopes_cue_before(self.scopes, index, found.change_at):
            denied, change = False, Change.UNCHANGED  # "no worsening of X"
        elif change is RESOLVED:
            denied = True
        self._add(concept_id, index, found, change, denied=denied, hedged=(hedged or found.hedged) and not denied)
        if found.denied_severity is not None and not denied:
            found = replace(found, severity=found.denied_severity)
            self._add(concept_id, index, found, None, denied=True, hedged=False)

    def _add(
        self, concept_id: str, index: int, found: Attributes, change: Change | None, *, denied: bool, hedged: bool
    ) -> None:
        items = self.items
        form = normal_form(
            concept_id,
            ABSENT if denied else PRESENT,
            UNCERTAIN if hedged else CERTAIN,
            _places(concept_id, tuple(found.places)) if found.places else (),
            found.side() if found.sides else None,
            found.severity,
            found.size_mm,
            found.number,
            change,
            found.qualities,
        )
        cue = self.scopes.cue[index]
        first, last = found.first, found.last
        hedge = ""
        if hedged and not denied:
            hedge = "alternative" if self.scopes.alternative[index] else "possible"
            if found.hedged:
                hedge = "borderline"
        clause_first = min(first, cue) if cue >= 0 and (denied or hedged) else first
        clause_first = 0 if found.headed else clause_first
        clause_last = max(last, cue) if cue >= 0 and (denied or hedged) else last
        self.readings.append(
            Reading(
                form,
                items.starts[first],
                items.ends[last],
                items.starts[clause_first],
                items.ends[clause_last],
                hedge,
            )
        )

    def _regions_of_sign(self, index: int) -> list[str]:
        """Return the region of what a mention explains: "X of Y, due to Z" has Z in X's region; none without X."""
        if not self.readings or not (self.items.union & MEANS or "from" in self.items.words):
            return []  # nearly always
        before = explains(self.items, index)
        told = [
            reading for reading in self.readings if reading.end <= before and reading.form.presence is Presence.PRESENT
        ]
        nearest = max(told, key=lambda reading: reading.end, default=None)
        return [] if nearest is None else [self.lexicon.concepts[nearest.form.concept].region]

    def _of_device(self, index: int) -> bool:
        """Return whether a word is said of a device: "the second D is broken"."""
        items = self.items
        before = index - 1
        while (
            before >= 0 and items.roles[before] & (PASSES | Role.COPULA | COLON) and not items.roles[before] & CONCEPT
        ):
            before -= 1
        if before < 0 or not items.roles[before] & CONCEPT:
            return False
        return self.lexicon.concepts[items.entries[before].concepts[0]].region == pack().roles.device_region

    # ---- "no acute abnormality of Y"
    def _generic(self, index: int) -> None:
        items = self.items
        before = items.entries[index - 1].phrase[-1] if index else ""
        known = before == "such" or (before in _POINTING and self.scopes.denied[index])
        if (index and items.roles[index - 1] & CONCEPT) or known or leads_to_mention(items, index + 1):
            return  # "such findings", "ruling out this finding" are those that were spoken of
        parts, acute, first = left_parts(self.items, index)
        last = index
        if not parts:
            parts, last = right_parts(self.items, index)
        if not parts:
            where = [
                at
                for at in subjects(items, first, PART)
                if any(r & (Role.COPULA | Role.DENY_FORWARD) for r in items.roles[at + 1 : index])
            ]
            parts = [part for at in where if (part := items.entries[at].part) is not None]
            first = min([first, *where])
        denied, hedged = self.scopes.denied[index], self.scopes.hedged[index]
        word, roles = items.entries[index].phrase[0], pack().roles
        if denied and (_only_its_course(items, index) or (not parts and _has_examples(items, index))):
            return
        if not denied and (not parts or word not in roles.assertable):
            return
        if not parts:
            if word == roles.change:
                return
            target = roles.anything_acute if acute else roles.anything
            self._add(target, index, Attributes(first, last), None, denied=denied, hedged=False)
            return
        for concept_id in dict.fromkeys(filter(None, (generic_concept(part, word, acute=acute) for part in parts))):
            found = Attributes(first, last)
            self._add(concept_id, index, found, None, denied=denied, hedged=hedged and not denied)

    # ---- "Y is enlarged", "clear Y"
    def _state(self, index: int) -> list[int]:
        """Read an adjective; return the structures that it describes."""
        items = self.items
        state = items.entries[index].state
        if state is None:
            return []
        if (
            shared_structure(items, index) < 0
            and leads_to_mention(items, index + 1)
            and not items.roles[index - 1] & Role.COPULA
        ):
            return []  # "no abnormal X": the adjective is the mention's
        if index and items.roles[index - 1] & Role.COPULA and "normal" in items.entries[index].phrase:
            self._call_normal(index)
        targets, predicative = state_targets(self.items, index)
        if predicative and self.scopes.denied[index]:
            inside = [at for at in targets if self.scopes.denied[at]]  # "Z without wide Y" says nothing of Z
            targets = inside or targets
        concepts: dict[str, list[int]] = {}
        for at in targets:
            part = items.entries[at].part or items.entries[at].tail
            concept_id = state_concept(part, state) if part is not None else None
            if concept_id is not None:
                concepts.setdefault(concept_id, []).append(at)
        if not concepts and items.union & COLON and (headed := self._structure_of_heading(index, state)) is not None:
            concepts, targets, predicative = {headed[0]: [headed[1]]}, [headed[1]], True
        if not concepts:
            self._alternative_state(index, state)
            return []
        denied = self._state_denied(index, targets, predicative=predicative)
        for concept_id, ats in concepts.items():
            found = self._state_attributes(index, ats, denied=denied)
            hedged = self.scopes.hedged[index] or state.hedge
            found.hedged = found.hedged or state.hedge
            if state.severity is not None and found.severity is None:
                found.severity = state.severity
            change = found.change
            self._add(concept_id, index, found, change, denied=denied, hedged=hedged and not denied)
        return targets

    def _alternative_state(self, index: int, state: State) -> None:
        """Read an adjective that is weighed against a finding of the same structure: "X versus striping"."""
        items = self.items
        if not index or self.scopes.denied[index] or not weighs_adjective(items, index - 1):
            return
        named = next((entry for entry in reversed(items.entries[:index]) if entry.concepts), None)
        region = None if named is None else self.lexicon.regions.get(self.lexicon.concepts[named.concepts[0]].region)
        concept_id = None if region is None else region.states.get(state.id)
        if concept_id is not None:
            self.scopes.alternative[index] = True
            self._add(concept_id, index, Attributes(index, index), None, denied=False, hedged=True)

    def _structure_of_heading(self, index: int, state: State) -> tuple[str, int] | None:
        """Return what an adjective behind a colon makes of the structure before it: "Y: upper striping"."""
        colon = next((at for at, entry in enumerate(self.items.entries[:index]) if entry.phrase == _COLON), 0)
        for at in range(colon):
            part = self.items.entries[at].part
            concept_id = state_concept(part, state) if part is not None else None
            if concept_id is not None and not any(role & CONCEPT for role in self.items.roles[colon:index]):
                return concept_id, at
        return None

    def _call_normal(self, index: int) -> None:
        """Deny abnormalities that are called normal ("X appears within normal limits")."""
        for at in subjects(self.items, index, CONCEPT):
            if any(role & Role.COMMA for role in self.items.roles[at + 1 : index]):
                continue
            if self.lexicon.concepts[self.items.entries[at].concepts[0]].kind == "abnormality":
                self.scopes.denied[at] = True
                self.scopes.cue[at] = index

    def _state_denied(self, index: int, targets: list[int], *, predicative: bool) -> bool:
        roles = self.items.roles
        between = roles[max(targets) + 1 : index] if predicative else []
        under = all(self.scopes.denied[at] for at in targets)
        if not predicative or (under and not any(role & Role.COPULA for role in between)):
            return self.scopes.denied[index]  # "no Y placed high" is no statement on Y with a verb of its own
        state = self.items.entries[index].state
        if state is not None and state.normal:  # "Y is not long, within normal limits"
            comma = max((at for at, role in enumerate(between) if role & Role.COMMA), default=-1)
            between = between[comma + 1 :] if any(role & STATE for role in between[: comma + 1]) else between
        if any(role & Role.DENY_FORWARD for role in between):
            return True
        if state is None or state.normal:
            return False
        first = min(targets) - 1  # "no Y is enlarged"
        while first > 0 and roles[first] & PASSES and not roles[first] & Role.DENY_FORWARD:
            first -= 1
        return first >= 0 and bool(roles[first] & Role.DENY_FORWARD) and index > max(targets) + 1

    def _state_attributes(self, index: int, ats: list[int], *, denied: bool) -> Attributes:
        items = self.items
        found = Attributes(min(index, *ats), max(index, *ats))
        own_sides = 0
        for position in range(max(0, found.first - 2), min(found.last + 2, len(items.roles))):
            role = items.roles[position]
            if role & _LIST:
                if position < found.first:
                    found.severity = found.change = None
                    found.sides.clear()
                elif max(ats) < position < index:  # "Y is striped on the left and not long"
                    del found.sides[own_sides:]
                continue
            entry = items.entries[position]
            if entry.side is not None and position <= found.last:
                found.sides.append(entry.side)
                found.first = min(found.first, position)
            if position <= max(ats):
                own_sides = len(found.sides)
            if entry.severity is not None and position < index and index - position <= 2:
                found.severity = entry.severity
                found.first = min(found.first, position)
            # "Y is decreased since ...": the word that makes the finding cannot say that it got better
            if entry.change is not None and not (position == index and entry.change is Change.IMPROVED):
                found.change = entry.change
        if (state := items.entries[index].state) is not None and state.directed:
            found.sides = sides_behind(items, found.last) or found.sides
        if found.change is None and not denied and (state := items.entries[index].state) is not None:
            found.change = None if state.normal else change_behind(items, found.last)
        found.places = [part.id for at in ats if (part := items.entries[at].part) is not None]
        return found


def _has_examples(items: Items, index: int) -> bool:
    """Return whether what follows tells what is denied: "no findings, such as X", "findings consistent with X"."""
    behind = [role for role in items.roles[index + 1 : index + 3] if not role & Role.COMMA]
    agrees = items.roles[index + 1] & Role.PROBABLE if index + 1 < len(items.roles) else 0
    return bool(agrees or (behind and behind[0] & Role.EXAMPLE))


def _only_its_course(items: Items, index: int) -> bool:
    """Return whether a denial is about getting worse or better: "no findings of disease progression"."""
    changes = [items.entries[at].change for at in (index - 1, index + 1) if 0 <= at < len(items.entries)]
    return any(change in _REVERSIBLE for change in changes)


@lru_cache(maxsize=16_384)
def _places(concept_id: str, told: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the structure that the concept is about anyway, and those that are only named beside it."""
    lexicon = load_lexicon()
    parts, within = lexicon.parts, lexicon.concepts[concept_id].region
    region = lexicon.regions.get(within)
    elsewhere = _NOWHERE if region is None else region.beside
    named = dict.fromkeys(place for one in told for place in parts[one].stands_for or (one,))
    return tuple(
        place
        for place in named
        if not says_concept(parts[place], concept_id, within) and parts[place].region.id not in elsewhere
    )


def scopes_cue_before(scopes: Scopes, index: int, change_at: int) -> bool:
    """Return whether the denial stands directly before the word of change."""
    return 0 <= scopes.cue[index] == change_at - 1
