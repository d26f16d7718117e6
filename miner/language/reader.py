"""Read one sentence: which concepts it asserts or denies, with their attributes and exact places."""

from dataclasses import dataclass
from functools import lru_cache

from miner.language.attributes import Attributes, collect, leads_to_mention
from miner.language.items import Items, read_items
from miner.language.lexicon import Lexicon, Part, Role, State, load_lexicon
from miner.language.scopes import Scopes, affirmed, read_scopes, subjects
from schemas import Certainty, Change, NormalForm, Presence, Severity, Side

CONCEPT, PART, STATE, GENERIC = int(Role.CONCEPT), int(Role.PART), int(Role.STATE), int(Role.GENERIC)
_LIST = int(Role.COMMA | Role.CONJUNCTION)
_PASSES = int(Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.WORD | Role.ACUTE | Role.CHRONIC)
_ASSERTABLE_GENERICS = frozenset(
    {"abnormality", "abnormal", "disease", "pathology", "anomaly", "irregularity", "change", "lesion"}
)
_PREDICATES = frozenset({"has", "have", "was", "no", "were", "removed", "resolved"})
_ADVERSATIVE = frozenset({("but",), ("yet",), ("although",), ("though",)})
_REVERSIBLE = frozenset({Change.WORSENED, Change.IMPROVED})


@dataclass(frozen=True, slots=True)
class Reading:
    """A normal form with character offsets in its sentence: the mention, and the words that make its meaning."""

    form: NormalForm
    start: int
    end: int
    clause_start: int
    clause_end: int
    hedge: str = ""
    """Why it is uncertain: possible, alternative ("or", "versus") or borderline; empty where it is certain."""


@lru_cache(maxsize=65_536)
def normal_form(
    concept: str,
    presence: Presence,
    certainty: Certainty,
    locations: tuple[str, ...],
    side: Side | None,
    severity: Severity | None,
    size_mm: float | None,
    number: str | None,
    change: Change | None,
) -> NormalForm:
    """Return one shared normal form for equal values: they are frozen, and texts repeat themselves."""
    return NormalForm(
        concept=concept, presence=presence, certainty=certainty, locations=locations, side=side,
        severity=severity, size_mm=size_mm, number=number, change=change,
    )  # fmt: skip


class _Sentence:
    """The work on one sentence: items and scopes in, readings out."""

    def __init__(self, items: Items, lexicon: Lexicon, *, statement: bool = False) -> None:
        self.items = items
        self.lexicon = lexicon
        self.statement = statement
        self.scopes: Scopes = read_scopes(items)
        if statement:
            self.scopes.silent[:] = [False] * len(self.scopes.silent)
        self.readings: list[Reading] = []
        self.changes = self._changes()

    def _changes(self) -> dict[int, Change]:
        """Give a change that is said of several mentions to each ("tube and line have been removed")."""
        items = self.items
        changes: dict[int, Change] = {}
        for index, role in enumerate(items.roles):
            change = items.entries[index].change
            if change is None or not index or not (role | items.roles[index - 1]) & Role.COPULA and (
                items.entries[index].phrase[0] not in _PREDICATES
            ):
                continue
            for subject in subjects(items, index, CONCEPT):
                changes.setdefault(subject, change)
        return changes

    def read(self) -> list[Reading]:
        colon = self._heading_end()
        roles, silent = self.items.roles, self.scopes.silent
        described: set[int] = set()  # structures whose state is said: "interstitial markings are normal"
        for index, role in enumerate(roles):
            if role & STATE and not role & CONCEPT and not silent[index] and index >= colon:
                described.update(self._state(index))
        for index, role in enumerate(roles):
            if silent[index] or index < colon:
                continue
            if role & CONCEPT and index not in described:
                self._mention(index)
            elif role & GENERIC:
                self._generic(index)
        self.readings.sort(key=lambda reading: (reading.start, reading.end))
        return self.readings

    def _heading_end(self) -> int:
        """Return the index up to which mentions are only a heading ("Cardiomegaly: the heart is normal")."""
        roles = self.items.roles
        if self.statement:
            return 0
        for index, role in enumerate(roles):
            if role & Role.COLON:
                if index == len(roles) - 1:
                    return index
                body = roles[index + 1 :]
                has_own = any(r & CONCEPT for r in body) or any(
                    r & PART and any(q & (STATE | GENERIC) for q in body) for r in body
                )
                return index if has_own else 0
        return 0

    # ---- mentions of concepts
    def _mention(self, index: int) -> None:
        items, scopes = self.items, self.scopes
        entry = items.entries[index]
        found = collect(items, index)
        for concept_id in entry.concepts:
            concept = self.lexicon.concepts[concept_id]
            if found.chronic and concept.chronic_form is not None:
                concept_id = concept.chronic_form
            elif concept.at:
                regions = [self.lexicon.parts[place].region.id for place in found.places]
                if self._of_device(index):
                    regions.insert(0, "devices")
                concept_id = next((concept.at[region] for region in regions if region in concept.at), concept_id)
            self._emit(concept_id, index, found, denied=scopes.denied[index], hedged=scopes.hedged[index])

    def _emit(self, concept_id: str, index: int, found: Attributes, *, denied: bool, hedged: bool) -> None:
        change = found.change or self.changes.get(index)
        if denied and change in _REVERSIBLE and scopes_cue_before(self.scopes, index, found.change_at):
            denied, change = False, Change.UNCHANGED  # "no worsening of the effusion"
        elif change is Change.RESOLVED:
            denied = True
        self._add(concept_id, index, found, change, denied=denied, hedged=(hedged or found.hedged) and not denied)

    def _add(
        self, concept_id: str, index: int, found: Attributes, change: Change | None, *, denied: bool, hedged: bool
    ) -> None:
        items = self.items
        form = normal_form(
            concept_id,
            Presence.ABSENT if denied else Presence.PRESENT,
            Certainty.UNCERTAIN if hedged else Certainty.CERTAIN,
            self._places(concept_id, found),
            found.side(),
            found.severity,
            found.size_mm,
            found.number,
            change,
        )
        cue = self.scopes.cue[index]
        first, last = found.first, found.last
        hedge = ""
        if hedged and not denied:
            hedge = "alternative" if self.scopes.alternative[index] else "possible"
            if found.hedged:
                hedge = "borderline"
        clause_first = min(first, cue) if cue >= 0 and (denied or hedged) else first
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

    def _of_device(self, index: int) -> bool:
        """Tell whether a word is said of a device: "the lateral screw is fractured"."""
        items = self.items
        before = index - 1
        while before >= 0 and items.roles[before] & (_PASSES | Role.COPULA) and not items.roles[before] & CONCEPT:
            before -= 1
        if before < 0 or not items.roles[before] & CONCEPT:
            return False
        return self.lexicon.concepts[items.entries[before].concepts[0]].region == "devices"

    def _places(self, concept_id: str, found: Attributes) -> tuple[str, ...]:
        """Leave out the structure that the concept is about anyway: cardiomegaly is in the heart."""
        region = self.lexicon.concepts[concept_id].region
        parts = self.lexicon.parts
        return tuple(p for p in found.places if parts[p].part_of or parts[p].region.id != region)

    # ---- "no acute bony abnormality"
    def _generic(self, index: int) -> None:
        items = self.items
        if (index and items.roles[index - 1] & CONCEPT) or leads_to_mention(items, index + 1):
            return
        parts, acute, first = self._left_parts(index)
        last = index
        if not parts:
            parts, last = self._right_parts(index)
        if not parts:
            where = [
                at
                for at in subjects(items, first, PART)
                if any(r & (Role.COPULA | Role.DENY_FORWARD) for r in items.roles[at + 1 : index])
            ]
            parts = [part for at in where if (part := items.entries[at].part) is not None]
            first = min([first, *where])
        denied, hedged = self.scopes.denied[index], self.scopes.hedged[index]
        word = items.entries[index].phrase[0]
        if not denied and (not parts or word not in _ASSERTABLE_GENERICS):
            return
        if not parts:
            if word == "change":
                return
            target = "acute_cardiopulmonary_abnormality" if acute else "abnormality"
            self._add(target, index, Attributes(first, last), None, denied=denied, hedged=False)
            return
        for concept_id in dict.fromkeys(filter(None, (_generic_concept(part, word, acute=acute) for part in parts))):
            found = Attributes(first, last)
            self._add(concept_id, index, found, None, denied=denied, hedged=hedged and not denied)

    def _left_parts(self, index: int) -> tuple[list[Part], bool, int]:
        """Return the structures before a generic word, whether "acute" is said, and the first item used."""
        items = self.items
        parts: list[Part] = []
        acute = False
        first = index
        position = index - 1
        while position >= 0:
            role = items.roles[position]
            if role & PART:
                part = items.entries[position].part
                if part is not None:
                    parts.append(part)
                first = position
            elif role & Role.ACUTE:
                acute = True
                first = position
            elif role & Role.GENERIC and parts == [] and position == index - 1:
                pass  # "disease process"
            elif not role & (_PASSES | _LIST) or (role & _LIST and not parts and not acute):
                break
            position -= 1
        return parts[::-1], acute, first

    def _right_parts(self, index: int) -> tuple[list[Part], int]:
        """Return the structures after "abnormality of the ..." and the last item used."""
        items = self.items
        parts: list[Part] = []
        last = index
        position = index + 1
        if position >= len(items.roles) or not items.roles[position] & (Role.PREPOSITION | Role.WORD):
            return parts, last
        while position < len(items.roles):
            role = items.roles[position]
            if role & PART:
                part = items.entries[position].part
                if part is not None:
                    parts.append(part)
                last = position
            elif not role & (_PASSES | Role.PREPOSITION) and not (role & _LIST and parts):
                break
            position += 1
        return parts, last

    # ---- "the heart is enlarged", "clear lungs"
    def _state(self, index: int) -> list[int]:
        """Read an adjective; return the structures that it describes."""
        items = self.items
        state = items.entries[index].state
        if state is None:
            return []
        if state.id == "normal" and index and items.roles[index - 1] & Role.COPULA:
            self._call_normal(index)
        targets, predicative = self._state_targets(index)
        concepts: dict[str, list[int]] = {}
        for at in targets:
            part = items.entries[at].part
            concept_id = _state_concept(part, state) if part is not None else None
            if concept_id is not None:
                concepts.setdefault(concept_id, []).append(at)
        if not concepts:
            return []
        denied = self._state_denied(index, targets, predicative=predicative)
        for concept_id, ats in concepts.items():
            found = self._state_attributes(index, ats)
            hedged = self.scopes.hedged[index] or state.hedge
            found.hedged = found.hedged or state.hedge
            if state.severity is not None and found.severity is None:
                found.severity = state.severity
            change = found.change
            self._add(concept_id, index, found, change, denied=denied, hedged=hedged and not denied)
        return targets

    def _call_normal(self, index: int) -> None:
        """Deny abnormalities that are called normal ("vascular engorgement appears within normal limits")."""
        for at in subjects(self.items, index, CONCEPT):
            if self.lexicon.concepts[self.items.entries[at].concepts[0]].kind == "abnormality":
                self.scopes.denied[at] = True
                self.scopes.cue[at] = index

    def _state_targets(self, index: int) -> tuple[list[int], bool]:
        """Return the structures an adjective speaks of, and whether it stands behind them ("is enlarged")."""
        items = self.items
        before = items.roles[index - 1] if index else 0
        state = items.entries[index].state
        right = [] if state is not None and state.predicative else self._attributive(index)
        behind = index
        while (
            behind
            and items.roles[behind - 1] & (_PASSES | Role.DENY_FORWARD | Role.AFFIRM_BACKWARD)
            and not (items.roles[behind - 1] & PART)
        ):
            behind -= 1
        before = items.roles[behind - 1] if behind else 0
        if right and not (before & (Role.COPULA | Role.COLON)):
            return right, False
        left = (
            subjects(items, index, PART)
            if before & (PART | Role.COPULA | Role.COLON | STATE | _LIST | Role.WITH)
            else []
        )
        if left and self._mention_between(left[-1], index):
            left = []
        if left:
            return left, True
        if not right:
            return self._earlier_subject(index), True
        return right, False

    def _earlier_subject(self, index: int) -> list[int]:
        """Find the subject of a second predicate: "the lungs are hyperexpanded but clear"."""
        items = self.items
        position = index - 1
        joined = False
        while position >= 0 and not items.roles[position] & Role.COPULA:
            role = items.roles[position]
            if role & PART or (role & Role.BREAK and items.entries[position].phrase not in _ADVERSATIVE):
                return []
            joined = joined or bool(role & (_LIST | Role.BREAK))
            position -= 1
        return subjects(items, position, PART) if joined and position > 0 else []

    def _mention_between(self, first: int, last: int) -> bool:
        return any(role & CONCEPT for role in self.items.roles[first + 1 : last])

    def _attributive(self, index: int) -> list[int]:
        """Return the list of structures right after an adjective, unless it describes a mention."""
        items = self.items
        roles = items.roles
        found: list[int] = []
        position = index + 1
        while position < len(roles):
            role = roles[position]
            if role & (CONCEPT | GENERIC):
                # "normal" cannot describe an opacity: "normal heart size no effusion" has a denial between
                return found if _separated(items, index, position) else []
            if role & PART:
                found.append(position)
            elif role & Role.COPULA:
                return found if affirmed(items, position) else []  # "calcified nodes are seen", "large heart is ..."
            elif role & _LIST and found:
                if not _next_is_part(items, position + 1):
                    break
            elif role & Role.PREPOSITION and items.entries[position].phrase in {("of",), ("in",)}:
                pass  # "normal appearance of the heart"
            elif not role & (_PASSES | STATE):
                break
            position += 1
        return found

    def _state_denied(self, index: int, targets: list[int], *, predicative: bool) -> bool:
        if not predicative:
            return self.scopes.denied[index]
        between = self.items.roles[max(targets) + 1 : index]
        return any(role & Role.DENY_FORWARD for role in between)

    def _state_attributes(self, index: int, ats: list[int]) -> Attributes:
        items = self.items
        found = Attributes(min(index, *ats), max(index, *ats))
        for position in range(max(0, found.first - 2), min(found.last + 2, len(items.roles))):
            role = items.roles[position]
            if role & _LIST:
                if position < found.first:
                    found.severity = found.change = None
                    found.sides.clear()
                continue
            entry = items.entries[position]
            if entry.side is not None and position <= found.last:
                found.sides.append(entry.side)
                found.first = min(found.first, position)
            if entry.severity is not None and position < index and index - position <= 2:
                found.severity = entry.severity
                found.first = min(found.first, position)
            if entry.change is not None:
                found.change = entry.change
        found.places = [part.id for at in ats if (part := items.entries[at].part) is not None]
        return found


def scopes_cue_before(scopes: Scopes, index: int, change_at: int) -> bool:
    """Tell whether the denial stands directly before the word of change."""
    return 0 <= scopes.cue[index] == change_at - 1


def _next_is_part(items: Items, index: int) -> bool:
    for role in items.roles[index : index + 5]:
        if role & _LIST and not role & PART:
            continue
        if role & PART:
            return True
        if not role & _PASSES or role & STATE:
            return False
    return False


def _separated(items: Items, index: int, position: int) -> bool:
    return any(role & (Role.COMMA | Role.CONJUNCTION | Role.DENY_FORWARD) for role in items.roles[index + 1 : position])


def _generic_concept(part: Part, word: str, *, acute: bool) -> str | None:
    region = part.region
    if word == "lesion":
        return region.lesion or region.abnormal
    return (region.acute if acute else None) or region.abnormal


def _state_concept(part: Part, state: State) -> str | None:
    region = part.region
    concept = region.states.get(state.id)
    if concept is None and state.normal:
        concept = region.normal
    if concept is None and state.id == "abnormal":
        concept = region.abnormal
    return concept


@lru_cache(maxsize=32_768)
def read_sentence(sentence: str) -> tuple[Reading, ...]:
    """Return what a sentence asserts and denies, in text order; empty where it states nothing."""
    items = read_items(sentence)
    if not items.roles:
        return ()
    return tuple(_Sentence(items, load_lexicon()).read())


def read_observation(text: str) -> tuple[Reading, ...]:
    """Return what "observation: status" asserts: like a sentence, but a heading and a plan count as said."""
    items = read_items(text)
    return tuple(_Sentence(items, load_lexicon(), statement=True).read())
