"""What a sentence about answer options says: what an option names is said only where it is chosen or dismissed."""

from cxr.miner.language.items import Items
from cxr.miner.language.landmarks import BRACKETS, landmarks
from cxr.miner.language.lexicon import Role

COMMA, COLON, COPULA, BREAK = Role.COMMA, Role.COLON, Role.COPULA, Role.BREAK
CONJUNCTION, PREPOSITION, DENY_FORWARD = Role.CONJUNCTION, Role.PREPOSITION, Role.DENY_FORWARD
CAUSE, DESCRIBES = Role.CAUSE, Role.DESCRIBES
HEDGE_BACKWARD, DENY_BACKWARD = Role.HEDGE_BACKWARD, Role.DENY_BACKWARD
OPTION, CHOSEN, HEADING, REPORT = Role.OPTION, Role.CHOSEN, Role.HEADING, Role.REPORT
PLACING = frozenset({("of",), ("for",)})
_LETTER = 2
_SAYS = Role.HEDGE_FORWARD | Role.PROBABLE | Role.REPORT
ENDS = Role.AFFIRM_BACKWARD | Role.DENY_BACKWARD
PLANS = Role.NOTHING_SENTENCE | Role.NOTHING_CLAUSE | Role.PAST


def silence_options(items: Items, silent: list[bool], sought: list[int], denied: list[bool]) -> None:
    """Silence what an answer option says, unless the sentence denies it or chooses the option.

    What stands before the option, and what is found behind it ("For option A, Y shows no X"), is said as ever.
    """
    if items.option:
        behind = range(_LETTER, len(items.roles))  # "A: X" has its own colon
        colon = next((at for at in behind if items.roles[at] & COLON), len(items.roles))
        for at in range(colon):
            silent[at] = silent[at] or not denied[at]
        return
    if items.union & CHOSEN:
        return
    number = max(sought, default=0) + 1
    for named, role in enumerate(items.roles):
        if not role & OPTION:
            continue
        start = _content_start(items, named)
        stop = _option_end(items, start)
        if _dismissed(items, stop):
            length = stop - start
            denied[start:stop], silent[start:stop], sought[start:stop] = (
                [True] * length, [False] * length, [0] * length
            )  # fmt: skip
        for at in range(start, stop):
            if not denied[at] and not silent[at]:
                silent[at], sought[at] = True, number


def _dismissed(items: Items, stop: int) -> bool:
    """Return whether an option is dismissed behind its content: "option A, X, is not supported"."""
    for role in items.roles[stop:]:
        if role & DENY_BACKWARD:
            return not role & HEDGE_BACKWARD
        if not role & (COMMA | COPULA | Role.WORD):
            return False
    return False


def _content_start(items: Items, named: int) -> int:
    """Return where an option's content begins, behind its letter and a sign; the end where it has none."""
    at = named + 1
    if at < len(items.roles) and items.ends[at] - items.starts[at] == 1 and items.roles[at] & Role.WORD:
        at += 1
    says = at < len(items.roles) and bool(items.roles[at] & _SAYS) and not items.roles[at] & ENDS
    if says or (at == named + 1 and at < len(items.roles) and items.entries[at].phrase in PLACING):
        return at + 1  # "option A suggests X", "the option of X"
    if at < len(items.roles) and items.roles[at] & (COMMA | COLON | HEADING):
        return at + 1 + bool(at + 1 < len(items.roles) and items.roles[at + 1] & HEADING)
    ends = at >= len(items.roles) or items.roles[at] & (CONJUNCTION | BREAK | PREPOSITION | ENDS | DENY_FORWARD)
    return len(items.roles) if ends else at


def _option_end(items: Items, start: int) -> int:
    """Return where the content of an option ends: at a verb, a break, or the comma behind it."""
    lists = landmarks(items).list_goes_on
    for at in range(start, len(items.roles)):
        role = items.roles[at]
        described = at + 1 < len(items.roles) and items.roles[at + 1] & DESCRIBES
        if role & COMMA and (items.entries[at].phrase in BRACKETS or lists[at] or described):
            continue  # "option A suggests X, characterized by Y" goes on with what would be seen
        if role & (COLON | COMMA | BREAK | REPORT | DENY_FORWARD | PLANS | ENDS | CAUSE):
            return at
    return len(items.roles)
