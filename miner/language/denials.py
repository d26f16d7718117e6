"""How far a denial or a hedge reaches forward: "no X, Y or Z", and where it ends ("no X, small left Y")."""

from typing import TYPE_CHECKING

from cxr.miner.language.conclusions import concludes_anew
from cxr.miner.language.course import leads_to_mention
from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.masks import (
    AFFIRM,
    BACKWARD,
    CAUSE,
    CHANGE,
    COLON,
    COMMA,
    CONCEPT,
    CONFIRM,
    CONJUNCTION,
    COPULA,
    DENY_BACKWARD,
    DENY_FORWARD,
    FORWARD,
    MENTION,
    MODIFIER,
    PART,
    SEVERITY,
    STATE,
    STOP,
    WITH,
)
from cxr.miner.language.references import ANAPHOR, PRONOUNS
from cxr.miner.language.silence import NONE, OPTION

if TYPE_CHECKING:
    from cxr.miner.language.scopes import Scopes

_UNKNOWN = Role.WORD
_LIST = Role.COMMA | Role.CONJUNCTION
HEDGE_FORWARD, REPORT, EXAMPLE = Role.HEDGE_FORWARD, Role.REPORT, Role.EXAMPLE
_SPOKEN_OF = ANAPHOR | Role.SIGN
"""What a denial may be about that was named before it: "no such signs, indicating normal Y"."""
_OWN = Role.SIDE | Role.NUMBER | Role.CHRONIC
"""What a member of a denied list does not begin with."""
_POINTING = PRONOUNS | {"this", "these"}
_CONCLUDES = Role.PROBABLE | Role.HEDGE_FORWARD
ALTERNATIVE = frozenset({("or",), ("versus",), ("vs",), ("and", "or"), ("or", "alternatively")})
_TO_BE = frozenset({"is", "are"})
_BARE_DENIALS = frozenset({"no", "not", "0"})
"""They close a statement at its end alone: "X: no", "X not"."""
_INCLUDING = ("including",)
_NOT = ("not",)
_OPEN, _CLOSE = ("(",), (")",)
_NOUNS = frozenset({"absence", "lack"})
_ASSOCIATED = ("associated", "with")
_RELATED, _AND, _A = "related", ("and",), len(" a ")
_NON, _RATHER = ("non",), ("rather", "than")
_LIMITS = frozenset({("only",), ("just",), ("merely",)})


def looks_back(items: Items, index: int) -> bool:
    """Decide for a cue that can work both ways ("absent", "possible", "no") whether it closes a statement."""
    roles = items.roles
    before = roles[index - 1] if index else 0
    if index > 1 and items.entries[index - 1].phrase == _OPEN:
        return items.entries[index + 1 : index + 2] != [] and items.entries[index + 1].phrase == _CLOSE  # "X (absent)"
    last = items.entries[index].phrase[-1]
    if last in _BARE_DENIALS and index + 1 < len(roles) and not roles[index + 1] & (COMMA | COLON | STOP):
        return items.entries[index].phrase == _NOT and _closes(items, index + 1)
    if not before or before & (STOP | Role.PREPOSITION | COMMA):
        return False
    follows = index + 1
    # "no noticeable X", "no observed X": a participle before its noun is a qualifier
    # and so are two joined ones: "no patchy or streaky X"
    while (
        follows < len(roles)
        and roles[follows] & (MODIFIER | AFFIRM | CONJUNCTION)
        and not roles[follows] & (PART | STATE)
    ):
        follows += 1
    ahead = roles[follows] if follows < len(roles) else STOP
    return not ahead & (MENTION | PART | STATE | Role.DENY_FORWARD | HEDGE_FORWARD)


def _closes(items: Items, start: int) -> bool:
    """Return whether adverbs and a word of seeing end a statement behind "not": "X is not really seen"."""
    at = next((at for at in range(start, min(start + 3, len(items.roles))) if items.roles[at] & ~_UNKNOWN), start)
    if at == start or not items.roles[at] & AFFIRM or items.roles[at] & (MENTION | PART | STATE):
        return False
    return at + 1 == len(items.roles) or bool(items.roles[at + 1] & (COMMA | STOP | Role.PREPOSITION))


def reach_forward(items: Items, scopes: "Scopes") -> None:
    """Mark what the forward cues of a sentence deny and hedge."""
    deny = hedge = -1
    deny_used = hedge_used = lasting = told = False
    roles = items.roles
    for index, role in enumerate(roles):
        if told and role & (_CONCLUDES | CONFIRM | REPORT) and concludes_anew(items, index, deny):
            deny = -1
        restricts = deny >= 0 and role & STOP and _restricts(items, index, used=deny_used)
        forward = role & FORWARD and not restricts and not _decides_nothing(items, index, hedge)
        heads = not index and role & DENY_BACKWARD and any(second & COLON for second in roles[1:2])  # "not seen: X"
        if heads or (forward and not (role & BACKWARD and looks_back(items, index))):
            if heads or role & DENY_FORWARD:
                deny, deny_used, told = index, _stands_alone(items, index), False
            else:
                hedge, hedge_used = index, False
                lasting = bool(role & Role.HEDGE_LIST)
                deny = -1 if role & STOP else deny
        elif role & STOP and not restricts:
            deny = hedge = -1
        elif not restricts and _denial_ends(items, deny, index, used=deny_used):
            deny = -1
        elif role & _LIST:
            if deny >= 0 and deny_used and _ends_denial(items, index):
                deny = -1
            reached = hedge >= 0 and not lasting and role & COMMA and (hedge_used or index - hedge > 1)
            if reached and not _list_goes_on(items, index + 1):
                hedge = -1
        scopes.denied[index] = deny >= 0
        scopes.hedged[index] = hedge >= 0
        scopes.cue[index] = deny if deny >= 0 else hedge
        if role & (MENTION | OPTION | Role.QUALITY):
            deny_used = hedge_used = True
        elif role & STATE and deny >= 0 and not leads_to_mention(items, index + 1):
            deny_used = True
        told = deny >= 0 and (deny_used or told or bool(role & _SPOKEN_OF))


def deny_behind_non(items: Items, scopes: "Scopes") -> None:
    """Deny the adjective behind "non": "non-X" says nothing of what follows X."""
    for index, entry in enumerate(items.entries[:-1]):
        if entry.phrase == _NON and items.roles[index + 1] & STATE:
            scopes.denied[index + 1], scopes.cue[index + 1] = True, index


def _parts_denial(items: Items, index: int) -> bool:
    """Return whether an item ends a denial that has found what it denies: a verb, a colon, "with", a run-on."""
    role = items.roles[index]
    if role & COPULA:
        return not affirmed(items, index)
    if role & CAUSE and items.entries[index].phrase[0] == _RELATED and not items.roles[index - 1] & CONCEPT:
        return False  # "no abnormality related to X"
    return bool(role & (WITH | CAUSE | COLON)) or _runs_on(items, index)


def _denial_ends(items: Items, deny: int, index: int, *, used: bool) -> bool:
    """Return whether an item ends the denial at `deny`, which is `used` once it has found what it denies."""
    return ((used or _is_noun(items, deny)) and _parts_denial(items, index)) or (
        deny >= 0 and _gives_cause(items, deny, index)
    )


def _gives_cause(items: Items, deny: int, index: int) -> bool:
    """Return whether a cause follows of what cannot be said: "Y cannot be judged because of X"."""
    between = items.entries[deny + 1 : index] if items.roles[index] & CAUSE else []
    return any(entry.roles == _UNKNOWN for entry in between)


def _runs_on(items: Items, index: int) -> bool:
    """Return whether a new statement begins without any sign: "no X small left Y", "no X Y large"."""
    if not items.roles[index - 1] & CONCEPT:
        return False
    state = items.entries[index + 1].state if index + 1 < len(items.roles) else None
    if items.roles[index] & PART and state is not None:
        return True
    return bool(items.roles[index] & (SEVERITY | CHANGE | Role.SIDE)) and leads_to_mention(items, index + 1)


def _ends_denial(items: Items, index: int) -> bool:
    """Return whether a comma or "and" ends a denial: after "no X is seen", or before a new statement."""
    if _gives_example(items, index + 1):
        return False
    closed = items.roles[index] & COMMA and index and items.roles[index - 1] & AFFIRM
    return bool(closed) or begins_statement(items, index)


def _list_goes_on(items: Items, index: int) -> bool:
    """Return whether behind a comma a hedged list goes on: "possible X, Y, or Z", "possible X, including Y"."""
    names = index < len(items.entries) and items.entries[index].phrase == _INCLUDING
    return names or _gives_example(items, index) or _or_follows(items, index)


def _or_follows(items: Items, index: int) -> bool:
    """Return whether a list that a comma continues ends in "or ..."."""
    for position in range(index, len(items.roles)):
        if items.entries[position].phrase in ALTERNATIVE:
            return True
        if items.roles[position] & (STOP | COPULA | WITH | DENY_FORWARD):
            return False
    return False


def _is_noun(items: Items, deny: int) -> bool:
    """Return whether a verb may follow what a cue denies: "the absence of Y is due to X"."""
    return deny >= 0 and items.entries[deny].phrase[0] in _NOUNS


def _stands_alone(items: Items, index: int) -> bool:
    """Return whether a cue is itself what it denies: "neither is seen", "none of these was present"."""
    verb = items.roles[index + 1] if index + 1 < len(items.roles) else 0
    return bool(items.roles[index] & NONE and verb & (COPULA | AFFIRM) and not verb & MENTION)


def _decides_nothing(items: Items, index: int, hedge: int) -> bool:
    """Return whether a cue denies nothing here: the "non" of "non-X", "might be X rather than Y"."""
    phrase = items.entries[index].phrase
    return phrase == _NON or (hedge >= 0 and phrase == _RATHER)


def _restricts(items: Items, index: int, *, used: bool) -> bool:
    """Return whether what is denied goes on: "no X which suggests Y" (not "no X, which ..."), "no condition with Y"."""
    phrase, before = items.entries[index].phrase, items.roles[index - 1]
    if phrase == _ASSOCIATED:
        return bool(before & (Role.SIGN | Role.GENERIC)) and not before & CONCEPT
    return used and phrase[0] == "which" and len(phrase) > 1 and not before & COMMA


def _gives_example(items: Items, index: int) -> bool:
    """Return whether an example or another name of what is hedged follows a comma: "X, such as Y", "X (Y)"."""
    if index >= len(items.roles):
        return False
    bracketed = items.entries[index - 1].phrase == _OPEN and items.entries[index + 1 : index + 2]
    return bool(items.roles[index] & EXAMPLE or (bracketed and bracketed[0].phrase == _CLOSE))


def affirmed(items: Items, index: int) -> bool:
    """Return whether a copula only rounds a denial off ("no X is seen")."""
    for role in items.roles[index + 1 : index + 4]:
        if role & (AFFIRM | DENY_BACKWARD):
            return True
        if not role & (Role.WORD | COPULA | CHANGE):
            return False
    return False


def begins_statement(items: Items, index: int) -> bool:
    """Return whether the part after a comma or "and" is a new statement rather than the next in a denied list."""
    roles, entries = items.roles, items.entries
    start = index
    alternative = False
    while start < len(roles) and roles[start] & _LIST:
        alternative = alternative or entries[start].phrase in ALTERNATIVE
        start += 1
    if start >= len(roles):
        return False
    if alternative or _has_predicate(items, start):
        return _has_predicate(items, start)
    points = roles[start] & ANAPHOR and entries[start].phrase[0] in _POINTING and not roles[start - 1] & CONJUNCTION
    limited = entries[start].phrase in _LIMITS and leads_to_mention(items, start)  # "no X, only small Y"
    apart = (start == index + 1 and roles[index] & COMMA) or _has_article(items, start)
    if points or limited or (apart and _is_affirmed(items, start)):
        return True  # "no X, this Y ..."; "although there is no X, Y is present"; "no X and a Y is present"
    first, state = roles[start], entries[start].state
    if state is not None and state.normal:
        return True
    own = first & (SEVERITY | CHANGE) or (first & _OWN and leads_to_mention(items, start)) or _names_old(items, start)
    if not (own or _turns_to_device(items, start)) or first & DENY_FORWARD:
        return False
    return not _alternative_follows(items, start)  # "no X, small left Y"


def _names_old(items: Items, start: int) -> bool:
    """Return whether the name of a finding begins with "old" or the like: "no acute X, old X"."""
    entry = items.entries[start]
    first = load_lexicon().entries.get(entry.phrase[:1]) if entry.concepts else None
    return first is not None and bool(first.roles & Role.CHRONIC)


def _has_article(items: Items, start: int) -> bool:
    """Return whether "a" or "the" stood behind "and": articles are no items, but leave room."""
    return items.entries[start - 1].phrase == _AND and items.starts[start] - items.ends[start - 1] >= _A


def _turns_to_device(items: Items, start: int) -> bool:
    """Return whether a device follows a denied finding: "no X, D in place"."""
    concepts = load_lexicon().concepts
    kinds = [
        next((concepts[items.entries[at].concepts[0]].kind for at in span if items.entries[at].concepts), None)
        for span in (range(start - 1, -1, -1), range(start, len(items.roles)))
    ]
    leads = items.roles[start] & CONCEPT or leads_to_mention(items, start + 1)
    return bool(leads) and kinds[0] not in {None, "device"} and kinds[1] == "device"


def _is_affirmed(items: Items, start: int) -> bool:
    """Return whether the part from an item is "... is present" by itself, without more members of a list."""
    for index in range(start, len(items.roles)):
        role = items.roles[index]
        said = role & AFFIRM and items.entries[index].phrase[0] in _TO_BE  # "is present" is one phrase
        if said or role & COPULA:
            return bool(said or affirmed(items, index)) and not any(r & DENY_BACKWARD for r in items.roles[index:])
        if role & (_LIST | STOP | WITH | DENY_FORWARD):
            return False
    return False


def _alternative_follows(items: Items, start: int) -> bool:
    for role, entry in zip(items.roles[start:], items.entries[start:], strict=True):
        if role & (STOP | WITH):
            return False
        if entry.phrase in ALTERNATIVE:
            return True
    return False


def _has_predicate(items: Items, start: int) -> bool:
    """Return whether a statement of its own ("Y is normal", "Y clear") begins at an item."""
    saw_part = False
    for index in range(start, len(items.roles)):
        role = items.roles[index]
        if role & (_LIST | STOP | WITH | DENY_FORWARD) and not (role & CONJUNCTION and saw_part):
            return False
        if role & _CONCLUDES and index > start:
            return False  # "absence of X or Y suggests that ..."
        if role & COPULA:
            return not affirmed(items, index)
        if role & MENTION:
            saw_part = False
        elif role & PART:
            if index > start and items.roles[index - 1] & CONCEPT:
                return False  # "or X Y normal": the predicate is Y's
            saw_part = True
        elif role & STATE and saw_part:
            state = items.entries[index].state
            return state is not None and (state.normal or index + 1 == len(items.roles))
    return False
