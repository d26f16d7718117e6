"""What states nothing of this image: plans, questions, definitions, advice, history, conditionals, answer options.

What a plan or a definition names is *sought*: nothing is said of it yet, but a later "none was seen" speaks of it
(`answers.py`). The causes that a sought sign "could suggest" are not sought.
"""

from collections.abc import Iterator, Sequence

from cxr.miner.language.generalities import RELATIVES, is_of_a_kind, may_generalise, tells_of_a_kind
from cxr.miner.language.items import Items
from cxr.miner.language.landmarks import BRACKETS, landmarks
from cxr.miner.language.lexicon import Role
from cxr.miner.language.past import FOR, silence_past
from cxr.miner.language.presupposed import reveal

CONCEPT, PART, STATE = Role.CONCEPT, Role.PART, Role.STATE
COMMA, COLON, COPULA, BREAK = Role.COMMA, Role.COLON, Role.COPULA, Role.BREAK
CONJUNCTION, PREPOSITION = Role.CONJUNCTION, Role.PREPOSITION
DENY_FORWARD, HEDGE_BACKWARD = Role.DENY_FORWARD, Role.HEDGE_BACKWARD
NOTHING_SENTENCE, NOTHING_CLAUSE = Role.NOTHING_SENTENCE, Role.NOTHING_CLAUSE | Role.PAST
NOTHING_FORWARD, IMPERATIVE, OPTION = Role.NOTHING_FORWARD, Role.IMPERATIVE, Role.OPTION
DEFINITION, ENUMERATION = Role.DEFINITION, Role.ENUMERATION
REPORT, PERCEIVE, DESCRIBES, CHOSEN = Role.REPORT, Role.PERCEIVE, Role.DESCRIBES, Role.CHOSEN
ANAPHOR, NONE, HEADING, LISTS = Role.ANAPHOR, Role.NONE, Role.HEADING, Role.LISTS
CONFIRM = Role.CONFIRM
EXAMPLE, SEEK, MEANING = Role.EXAMPLE, Role.SEEK, Role.MEANING
PLANS = NOTHING_SENTENCE | NOTHING_CLAUSE | NOTHING_FORWARD | IMPERATIVE | ENUMERATION | LISTS | DEFINITION | MEANING
PAST_NEXT, NOTHING_BACKWARD = Role.PAST_NEXT, Role.NOTHING_BACKWARD
_PAST = PAST_NEXT | NOTHING_BACKWARD
_MAY_PLAN = PLANS | HEADING
_ACTS = _MAY_PLAN | SEEK | DESCRIBES | BREAK | COLON
AFFIRM = Role.AFFIRM_BACKWARD
_ENDS = AFFIRM | Role.DENY_BACKWARD
_LIST = COMMA | CONJUNCTION
_SIGNS = COMMA | COLON | CONJUNCTION
_INTRODUCES = COMMA | BREAK | CONJUNCTION | Role.WORD | Role.NUMBER
_SUSPICION = Role.HEDGE_FORWARD | HEDGE_BACKWARD
_BEFORE_RESULT = _LIST | BREAK | REPORT | PREPOSITION | Role.WITH | Role.WORD | Role.GENERIC
_DEGREE = Role.SEVERITY | Role.SIDE | Role.NUMBER
_MEANS = Role.HEDGE_FORWARD | Role.PROBABLE | Role.CAUSE
_SHOWING = ("show", "demonstrat", "reveal")
_IF = ("if",)
_COLON = (":",)
_DASH = ("-",)
_WHICH = ("which",)
_GOES_ON = frozenset({("and", "presence", "of"), ("non",)})
_MODAL = frozenset({"may", "might", "could", "would"})
_AUXILIARY = frozenset({"does", "do", "did", "doesn't", "don't", "didn't"})
_ADVERSATIVE = frozenset({("but",), ("however",), ("although",), ("though",), ("yet",), ("nevertheless",)})
_HENCE = frozenset({("therefore",), ("thus",), ("hence",), ("so",)})
_ADVERBS = _HENCE | {("then",), ("also",), ("additionally",), ("in", "addition"), ("instead",)}
_CONSIDERING = ("considering",)
_ABSENCE = frozenset({"absence", "lack"})
_IN_GENERAL = frozenset({"mimic", "typical", "common", "classic", "key", "characteristic", "usual"})
_SUBJECT = 10
"""So many items may stand before the verb that reports a result."""
_EXISTS, _WOULD = "there", "would"
_ASKS = frozenset({("whether",), _IF, ("any",), ("how",), ("for",)})
_ONLY_AS_WORD = frozenset({("to",)})


def plans(items: Items) -> bool:
    """Return whether a sentence may plan, define or suppose something; a word like "for" does at its beginning."""
    union = items.union
    if union & (PLANS | _PAST) or (union & BREAK and "for" in items.words) or may_generalise(items):
        return True  # "for" as in "status post X for Y"
    return bool(union & HEADING) and (bool(union & SEEK) or any(role & HEADING for role in items.roles[:3]))


def silence(items: Items, silent: list[bool], sought: list[int]) -> None:
    """Mark plans, questions, definitions, advice, history and conditionals, and number what is sought by its plan."""
    roles = items.roles
    total = len(roles)
    if _speaks_of_kinds(items):
        _seek(items, silent, sought, 0, total)
    seeking = False  # "... was examined for"
    opening = True  # nothing but "Next," so far
    reasons = "for" in items.words
    for index, role in enumerate(roles):
        if reasons or role & _PAST:
            silence_past(items, silent, index)
        if not role & _ACTS:
            opening = opening and not role & ~_INTRODUCES
            continue
        begins = opening and (not index or _opens(items, index - 1))
        if role & HEADING and begins and _heads(items, index):
            _seek(items, silent, sought, index, _end_of_purpose(items, index, heading=True))
        elif role & DESCRIBES and _describes(items, silent, index):
            pass  # "X is seen, characterized by Y"
        elif _supposes(roles, index) or (begins and role & IMPERATIVE and _is_plan(items, index)):
            start, stop = _clause_start(items, index), _plan_end(items, index)
            _seek(items, silent, sought, start, index)
            _seek(items, silent, sought, index, stop)  # the signs of what is defined
        elif role & (NOTHING_FORWARD | LISTS) and not _is_title(roles, index):
            stop = next(
                (at for at in range(index + 1, total) if _shows(items, at) or _ends_title(items, at, role)), total
            )
            silent[index:stop] = [True] * (stop - index)
        elif role & MEANING:
            _silence_meaning(items, silent, sought, index)
        elif role & NOTHING_CLAUSE and not role & EXAMPLE:
            _silence_clause(items, silent, sought, index)
        elif seeking and items.entries[index].phrase == FOR:
            _seek(items, silent, sought, index, _end_of_purpose(items, index))
        seeking = not role & BREAK and (seeking or bool(role & SEEK))
        opening = bool(role & COLON) or (opening and not role & ~_INTRODUCES)  # "Y: look for ..." is a plan, too
    if items.union & AFFIRM:
        reveal(items, silent, sought)


def _speaks_of_kinds(items: Items) -> bool:
    """Return whether a sentence defines, or tells of a kind of thing and not of this image."""
    if items.roles[0] & DEFINITION and (items.union & ENUMERATION or _defines(items)):
        return True
    return may_generalise(items) and tells_of_a_kind(items)


def _supposes(roles: list[int], index: int) -> bool:
    """Return whether a sentence only supposes; "X, if present, is small" doubts X, by an aside."""
    aside = roles[index] & HEDGE_BACKWARD and index and roles[index - 1] & COMMA
    return bool(roles[index] & NOTHING_SENTENCE) and not aside


def _is_title(roles: list[int], index: int) -> bool:
    """Return whether a colon follows: "follow up: X has cleared" is a title."""
    return bool(index + 1 < len(roles) and roles[index + 1] & COLON and roles[index] & NOTHING_FORWARD)


def _ends_title(items: Items, index: int, role: int) -> bool:
    """Return whether a colon ends a title and more stands behind it: "follow up of X: it has cleared"."""
    return items.entries[index].phrase == _COLON and not role & LISTS and index + 1 < len(items.roles)


def _shows(items: Items, index: int) -> bool:
    """Return whether a verb presents what is seen after all: "limited evaluation of Y demonstrates X"."""
    return bool(items.roles[index] & (COPULA | REPORT)) and items.entries[index].phrase[0].startswith(_SHOWING)


def _opens(items: Items, index: int) -> bool:
    """Return whether a clause begins behind an item: behind a sign, or a word like "then"."""
    return bool(items.roles[index] & _SIGNS) or items.entries[index].phrase in _ADVERBS


def _heads(items: Items, index: int) -> bool:
    """Return whether a heading names what is looked at: "considering X, ...", but not "considering the view, ..."."""
    if items.entries[index].phrase != _CONSIDERING:
        return True
    role = next((role for role in items.roles[index + 1 :] if not role & (_DEGREE | STATE) or role & CONCEPT), 0)
    return bool(role & CONCEPT)


def _denies_kinds(items: Items, index: int) -> bool:
    """Return whether what is denied before an item has no name of its own: "no condition typically seen in ..."."""
    for role in reversed(items.roles[:index]):
        if role & (DENY_FORWARD | CONCEPT):
            return bool(role & DENY_FORWARD)
    return False


def _silence_meaning(items: Items, silent: list[bool], sought: list[int], index: int) -> None:
    """Silence what a thing typically means, and what "which may be X" says of something sought.

    Of something asserted it is a hedge, and "no X that would suggest Y" denies Y with X.
    """
    if is_of_a_kind(items, index):
        _seek(items, silent, sought, 0, index)
    phrase = items.entries[index].phrase
    of_asserted = phrase[0] in RELATIVES and not (index and silent[index - 1]) and _IN_GENERAL.isdisjoint(phrase)
    denied = any(role & DENY_FORWARD for role in items.roles[:index])
    if of_asserted and (denied or _WOULD not in phrase):
        return
    of_kinds = _denies_kinds(items, index)
    for at in range(index, _end_of_purpose(items, index)):
        if of_kinds and items.roles[at] & EXAMPLE:
            return  # "no condition typically associated with it, such as X"
        silent[at], sought[at] = True, 0


def _silence_clause(items: Items, silent: list[bool], sought: list[int], index: int) -> None:
    """Silence what a word of purpose, of history or of a condition governs."""
    stop = _end_of_purpose(items, index)
    if items.entries[index].phrase == _IF:
        start, stop = _conditional(items, index, stop)
        silent[start:stop] = [True] * (stop - start)
    elif items.roles[index] & Role.PAST:
        silent[index:stop] = [True] * (stop - index)
    elif not (index and items.roles[index - 1] & DENY_FORWARD):  # "do not show any signs of X"
        _seek(items, silent, sought, index, stop)


def _seek(items: Items, silent: list[bool], sought: list[int], start: int, stop: int) -> None:
    """Silence a stretch as sought, under one number, but for what its first signs could mean."""
    number = max(sought, default=0) + 1
    named = meant = False
    for at in range(start, stop):
        role = items.roles[at]
        meant = meant or bool(named and role & _MEANS and not role & (CONCEPT | EXAMPLE))
        named = named or bool(role & (CONCEPT | STATE | PART))
        if not silent[at] or sought[at]:
            sought[at] = 0 if meant else number
        silent[at] = True


def _describes(items: Items, silent: Sequence[bool], index: int) -> bool:
    """Return whether something asserted is described further: "X is seen, characterized by Y"."""
    if landmarks(items).stated_from >= index:
        return False
    return any(items.roles[at] & (CONCEPT | STATE) and not silent[at] for at in range(index))


def _defines(items: Items) -> bool:
    """Return whether "signs of X are Y" defines, and does not say that they are seen."""
    verb = next((at for at, role in enumerate(items.roles) if role & COPULA), len(items.roles))
    after = items.roles[verb + 1 : _chunk_end(items, verb + 1)]
    named = any(role & CONCEPT for role in items.roles[:verb]) and any(role & CONCEPT for role in after)
    return named and not any(role & (_ENDS | DENY_FORWARD) for role in after)


def _is_plan(items: Items, index: int) -> bool:
    """Return whether a word of plans at the beginning plans: not "the scan does not show ...", "observe the X"."""
    if items.roles[index] & PERCEIVE:
        return any(items.entries[at].phrase in _ASKS for at in range(index + 1, _chunk_end(items, index + 1)))
    return not _has_verb(items, index)


def _has_verb(items: Items, index: int) -> bool:
    """Return whether a word of plans is the subject here: "the scan does not show ..."."""
    if index + 1 >= len(items.roles) or items.roles[index] & COPULA:
        return False
    return bool(items.roles[index + 1] & COPULA) or items.entries[index + 1].phrase[0] in _AUXILIARY


def _chunk_end(items: Items, start: int) -> int:
    """Return where the words up to the next comma or break end."""
    return next((at for at in range(start, len(items.roles)) if items.roles[at] & (COMMA | BREAK)), len(items.roles))


def _clause_start(items: Items, index: int) -> int:
    """Return where the clause of a plan or definition begins: behind what was stated before it in the sentence."""
    marks = landmarks(items)
    for at in range(index - 1, 0, -1):
        role = items.roles[at]
        if items.entries[at].phrase == _DASH:
            return at  # "X in Y - consider Z"
        if role & BREAK and items.entries[at].phrase != _WHICH:
            return at + 1 if marks.stated_from < at or items.entries[at].phrase in _HENCE else 0
        if (role & _LIST or items.entries[at].phrase == _WHICH) and marks.stated_from < at:
            return at
    return 0


def _plan_end(items: Items, index: int) -> int:
    """Return where a plan or definition ends: at what was found ("Check Y: no X", "..., but see none")."""
    roles, marks = items.roles, landmarks(items)
    nominal = roles[index] & IMPERATIVE
    for at in range(index + 1, len(roles)):
        role = roles[at]
        if role & COLON:
            if marks.last_statement >= at:
                return at
        elif (
            (role & BREAK and _breaks_plan(items, at))
            or (role & _LIST and _answers(items, at + 1))
            or role & NONE
            or (role & COMMA and roles[0] & ANAPHOR and at + 1 < len(roles) and roles[at + 1] & CONFIRM)
            or (nominal and role & REPORT and _reports(items, index, at))
        ):
            return at
    return len(roles)


def _breaks_plan(items: Items, at: int) -> bool:
    phrase = items.entries[at].phrase
    if phrase == _WHICH:
        return _relative_answers(items, at)
    if phrase[0] == _EXISTS:
        return bool(items.roles[at - 1] & COMMA)
    return phrase in _ADVERSATIVE or phrase in _HENCE


def _relative_answers(items: Items, at: int) -> bool:
    """Return whether "which ..." says what was found ("which are not seen"), and not where such things are seen."""
    stop = _chunk_end(items, at + 1)
    if any(role & (NOTHING_SENTENCE | CONCEPT | _MEANS) for role in items.roles[at + 1 : stop]):
        return False
    return any(role & (_ENDS | STATE | CHOSEN) for role in items.roles[at + 1 : stop])


def _answers(items: Items, start: int) -> bool:
    """Return whether what follows a comma or "and" is a result: "and find none", "with no X", "noting ..."."""
    for at in range(start, min(start + _SUBJECT, len(items.roles))):
        role = items.roles[at]
        if role & DENY_FORWARD and items.entries[at].phrase[0] in _ABSENCE:
            stop = _chunk_end(items, at + 1)  # "would show clear Ys, and absence of X" goes on with what would be
            return any(after & (COPULA | REPORT) for after in items.roles[at + 1 : stop])
        if role & (DENY_FORWARD | NONE | ANAPHOR):
            return True
        if role & PERCEIVE and _is_result(items, at):
            return True
        if role & REPORT and at > start + 1 and _reports(items, start, at):
            return True  # "..., and the images showed X"
        if not role & _BEFORE_RESULT:
            return False
    return False


def _is_result(items: Items, at: int) -> bool:
    """Return whether a verb of perception reports here: "and see X", but not "and see whether X"."""
    return not any(items.entries[by].phrase in _ASKS for by in range(at + 1, _chunk_end(items, at + 1)))


def _reports(items: Items, index: int, at: int) -> bool:
    """Return whether a verb reports what was seen: not one under "whether", "to" or another plan."""
    before = items.entries[at - 1].phrase
    if before in _ONLY_AS_WORD or before[0] in RELATIVES or items.roles[at - 1] & (NOTHING_SENTENCE | HEDGE_BACKWARD):
        return False
    if items.roles[at] & IMPERATIVE and items.roles[at - 1] & CONJUNCTION:
        return False  # "to determine X or confirm Y"
    return not any(items.entries[by].phrase in {("whether",), _IF} for by in range(index + 1, at))


def _conditional(items: Items, index: int, stop: int) -> tuple[int, int]:
    """Return where a conditional begins and ends: "if" with its clause, and what would be if the clause were true.

    "If Y is flat, this could be X" supposes a sign and states nothing. "If anything, X is larger", "if X is suspected,
    Z may be one" suppose nothing of the image.
    """
    roles, entries = items.roles, items.entries
    while stop < len(roles) and roles[stop] & DENY_FORWARD:
        stop = _end_of_purpose(items, stop)  # "if no X is seen, ..."
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


def _end_of_purpose(items: Items, index: int, *, heading: bool = False) -> int:
    """Return where "to determine whether ...", "history of ..." ends: at a comma, denial or report outside a list."""
    roles, entries, marks = items.roles, items.entries, landmarks(items)
    lists = not heading and not roles[index] & Role.PAST and items.entries[index].phrase != _IF
    for at in range(index + 1, len(roles)):
        role = roles[at]
        if role & COLON and not marks.last_statement >= at:
            return len(roles)  # "we evaluate three issues: X, Y"
        if role & COMMA and lists and (marks.list_goes_on[at] or _explains(items, at + 1)):
            continue
        if heading and (entries[at].phrase in BRACKETS or (role & COMMA and _after_option(items, at))):
            continue  # "For option A, X (Y), ..."
        if role & COMMA and roles[at - 1] & _DEGREE and not roles[at - 1] & CONCEPT:
            continue  # "small, rounded Xs"
        if role & BREAK and entries[at].phrase[0] == _EXISTS and not roles[at - 1] & COMMA:
            continue  # "whether there is X"
        if role & COMMA or (role & (BREAK | DENY_FORWARD | NONE) and entries[at].phrase not in _GOES_ON):
            return at
        if heading and role & COLON:
            return at
        if (lists or heading) and role & REPORT and _reports(items, index, at):
            return at
    return len(roles)


def _after_option(items: Items, comma: int) -> bool:
    """Return whether a comma stands behind an option and its letter."""
    before = items.roles[max(0, comma - 2) : comma]
    return any(role & OPTION for role in before)


def _explains(items: Items, start: int) -> bool:
    """Return whether an example or a meaning of what is sought follows a comma: ", such as X", ", indicating X"."""
    if start >= len(items.roles) or items.roles[start] & COPULA:
        return False
    if items.roles[start] & (EXAMPLE | MEANING):
        return True
    means = items.roles[start] & _MEANS and not items.roles[start] & (CONCEPT | REPORT)
    return bool(means) and not any(role & (DENY_FORWARD | STATE) for role in items.roles[start + 1 : start + 4])
