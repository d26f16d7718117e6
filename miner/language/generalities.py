"""What is said of a kind of thing and not of this image: "Xs are often seen in Y", "In X, Y is seen", "Should X be ..."."""

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role

CONCEPT, COMMA, DENY_FORWARD = int(Role.CONCEPT), int(Role.COMMA), int(Role.DENY_FORWARD)
_OF_ONE = COMMA | DENY_FORWARD | int(
    Role.BREAK | Role.PREPOSITION | Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.ANAPHOR | Role.REPORT
    | Role.AFFIRM_BACKWARD | Role.PERCEIVE | Role.WITH
)  # fmt: skip
"""What the subject of a general truth does not have."""
_QUALIFIES = int(Role.STATE | Role.ACUTE | Role.CHRONIC | Role.WORD)
_THE = len("the ")
_IN = frozenset({("in",), ("in", "patient", "with")})
_SHOULD = "should"
RELATIVES = frozenset({"that", "which"})


def may_generalise(items: Items) -> bool:
    """Return whether a sentence begins like a general truth or a supposition."""
    return items.entries[0].phrase in _IN or items.words[0] == _SHOULD


def is_of_a_kind(items: Items, index: int) -> bool:
    """Return whether the subject of a verb is a kind and no finding: "Xs are often ...", not "the X", "stable Xs"."""
    begins = items.starts[0] < _THE and items.entries[index].phrase[0] not in RELATIVES
    return begins and not any(role & _OF_ONE for role in items.roles[:index])


def opens_with_a_kind(items: Items) -> bool:
    """Return whether a sentence tells of cases like X and denies nothing: "In X, ...", "Should an X be seen, ..."."""
    if any(role & DENY_FORWARD for role in items.roles):
        return False
    kind = next((at for at, role in enumerate(items.roles) if at and not role & _QUALIFIES), 0)
    if not items.roles[kind] & CONCEPT or kind + 1 == len(items.roles):
        return False
    if items.words[0] == _SHOULD:
        return items.words[items.word_starts.index(items.starts[kind + 1])] in {"be", "exist"}
    return items.starts[1] - items.ends[0] < _THE and bool(items.roles[kind + 1] & COMMA)
