"""What states nothing of this image: plans, questions, definitions, advice, history, conditionals, answer options."""

from collections.abc import Iterator, Sequence

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role

CONCEPT, PART, STATE = int(Role.CONCEPT), int(Role.PART), int(Role.STATE)
COMMA, COLON, COPULA, BREAK = int(Role.COMMA), int(Role.COLON), int(Role.COPULA), int(Role.BREAK)
DENY_FORWARD, HEDGE_BACKWARD = int(Role.DENY_FORWARD), int(Role.HEDGE_BACKWARD)
NOTHING_SENTENCE, NOTHING_CLAUSE = int(Role.NOTHING_SENTENCE), int(Role.NOTHING_CLAUSE | Role.PAST)
NOTHING_FORWARD, IMPERATIVE, OPTION = int(Role.NOTHING_FORWARD), int(Role.IMPERATIVE), int(Role.OPTION)
DEFINITION, ENUMERATION = int(Role.DEFINITION), int(Role.ENUMERATION)
PAST_NEXT, NOTHING_BACKWARD = int(Role.PAST_NEXT), int(Role.NOTHING_BACKWARD)
PLANS = (
    NOTHING_SENTENCE
    | NOTHING_CLAUSE
    | NOTHING_FORWARD
    | IMPERATIVE
    | ENUMERATION
    | PAST_NEXT
    | NOTHING_BACKWARD
    | BREAK
)
_STATES = COPULA | DENY_FORWARD | int(Role.DENY_BACKWARD | Role.AFFIRM_BACKWARD) | STATE
_LIST = COMMA | int(Role.CONJUNCTION)
_SUSPICION = int(Role.HEDGE_FORWARD) | HEDGE_BACKWARD
_DONE = frozenset({("status", "post"), ("s", "p"), ("after",), ("following",)})
_SHOWING = ("show", "demonstrat", "reveal")
_IF = ("if",)
_MODAL = frozenset({"may", "might", "could", "would"})
_AUXILIARY = frozenset({"does", "do", "did", "doesn't", "don't", "didn't"})
_ADVERSATIVE = frozenset({("but",), ("however",), ("although",), ("though",), ("yet",), ("nevertheless",)})


def silence(items: Items, silent: list[bool]) -> None:
    """Mark plans, questions, definitions, advice, history and conditionals."""
    roles = items.roles
    total = len(roles)
    begun = False
    if items.union & ENUMERATION and roles[0] & DEFINITION:
        silent[:] = [True] * total
    for index, role in enumerate(roles):
        if role & NOTHING_SENTENCE or (not begun and role & IMPERATIVE and not _has_verb(items, index)):
            _silence_plan(roles, silent, index)
        elif role & NOTHING_FORWARD and not (index + 1 < total and roles[index + 1] & COLON):  # "f/u: ..." is a title
            stop = next((at for at in range(index + 1, total) if _shows(items, at)), total)
            silent[index:stop] = [True] * (stop - index)
        elif role & PAST_NEXT or _gives_reason(items, index):
            _silence_next(roles, silent, index)
        elif role & NOTHING_BACKWARD:
            start = next((at + 1 for at in range(index - 1, -1, -1) if roles[at] & (COMMA | BREAK)), 0)
            silent[start:index] = [True] * (index - start)
        elif role & NOTHING_CLAUSE:
            start, stop = index, _end_of_purpose(roles, index)
            if items.entries[index].phrase == _IF:
                start, stop = _conditional(items, index, stop)
            silent[start:stop] = [True] * (stop - start)
        begun = not role & COLON and (begun or not role & COMMA)  # "Y: look for ..." is a plan, too


def _gives_reason(items: Items, index: int) -> bool:
    """Return whether "for" says why something was done: "status post X for Y"."""
    before = items.entries[:index]
    return items.entries[index].phrase == ("for",) and any(entry.phrase in _DONE for entry in before)


def _silence_next(roles: list[int], silent: list[bool], index: int) -> None:
    """Silence the mention that a word calls past: "recent X"."""
    for at in range(index + 1, len(roles)):
        silent[at] = True
        if roles[at] & CONCEPT:
            return
        if roles[at] & (COMMA | BREAK | COPULA):
            silent[index + 1 : at + 1] = [False] * (at - index)
            return


def _shows(items: Items, index: int) -> bool:
    """Return whether a verb presents what is seen after all: "limited evaluation of Y demonstrates X"."""
    return bool(items.roles[index] & COPULA) and items.entries[index].phrase[0].startswith(_SHOWING)


def _has_verb(items: Items, index: int) -> bool:
    """Return whether a word of plans is the subject here: "the scan does not show ..."."""
    if index + 1 >= len(items.roles) or items.roles[index] & COPULA:
        return False
    return bool(items.roles[index + 1] & COPULA) or items.entries[index + 1].phrase[0] in _AUXILIARY


def _conditional(items: Items, index: int, stop: int) -> tuple[int, int]:
    """Return where a conditional begins and ends: "if" with its clause, and what would be if the clause were true.

    "If Y is flat, this could be X" supposes a sign and states nothing. "If anything, X is larger", "if X is suspected,
    Z may be one" suppose nothing of the image.
    """
    roles, entries = items.roles, items.entries
    while stop < len(roles) and roles[stop] & DENY_FORWARD:
        stop = _end_of_purpose(roles, stop)  # "if no X is seen, ..."
    condition = range(index + 1, stop)
    opens = not index or roles[index - 1] & (BREAK | _LIST)
    modal = _modal_before(items, index) if not opens else next(_modals(items, stop, len(roles)), -1)
    supposed = CONCEPT | STATE | (PART if modal >= 0 else 0)
    of_patient = any(roles[at] & _SUSPICION or entries[at].phrase[0].startswith("clinical") for at in condition)
    if of_patient or not any(roles[at] & supposed for at in condition):
        return index, stop
    if not opens:
        return (modal if modal >= 0 else index), stop
    return index, next((at for at in range(stop, len(roles)) if entries[at].phrase in _ADVERSATIVE), len(roles))


def _modals(items: Items, start: int, stop: int) -> Iterator[int]:
    """Return the items of a stretch that begin with may, might, could or would."""
    return (at for at in range(start, stop) if items.entries[at].phrase[0] in _MODAL)


def _modal_before(items: Items, index: int) -> int:
    """Return where "could suggest X" begins before "if"; its subject, too, in "X could be present"."""
    begin = max((at + 1 for at in range(index) if items.roles[at] & (BREAK | COMMA)), default=0)
    modal = next(_modals(items, begin, index), -1)
    return begin if modal >= 0 and items.roles[modal] & HEDGE_BACKWARD else modal


def _end_of_purpose(roles: list[int], index: int) -> int:
    """Return where "to determine whether ...", "history of ..." ends: at a comma or a denial, but not inside a list."""
    for at in range(index + 1, len(roles)):
        if roles[at] & COLON and not any(role & _STATES for role in roles[at:]):
            return len(roles)  # "we evaluate three issues: X, Y"
        if roles[at] & (COMMA | BREAK | DENY_FORWARD):
            return at
    return len(roles)


def _silence_plan(roles: list[int], silent: list[bool], index: int) -> None:
    """Silence the sentence of a plan; after its colon may stand what was found ("Check Y: no X")."""
    colon = next((at for at in range(index, len(roles)) if roles[at] & COLON), len(roles))
    if not any(role & _STATES for role in roles[colon:]):
        colon = len(roles)  # "evaluate three issues: X, Y, Z"
    silent[:colon] = [True] * colon


def keep_denied(items: Items, silent: list[bool], denied: Sequence[bool], cue: Sequence[int]) -> None:
    """Keep what a sentence denies before it explains: "no X that would suggest Y"."""
    explains = next((at for at, role in enumerate(items.roles) if role & NOTHING_SENTENCE), -1)
    if explains <= 0 or items.roles[0] & IMPERATIVE:
        return
    for index, is_denied in enumerate(denied):
        if is_denied and 0 <= cue[index] < explains and items.roles[cue[index]] & DENY_FORWARD:
            silent[index] = False


def silence_options(items: Items, silent: list[bool], denied: Sequence[bool]) -> None:
    """In a sentence about answer options keep only what is denied, and what a colon introduces."""
    named = 0 if items.option else next(at for at, role in enumerate(items.roles) if role & OPTION)
    colon = next((at for at in range(named, len(items.roles)) if items.roles[at] & COLON), len(items.roles))
    stated = any(role & _STATES for role in items.roles[colon:])
    reach = colon if stated or items.option else len(items.roles)
    for index in range(reach):
        if not denied[index]:
            silent[index] = True
