"""Roles of words as plain numbers, which scopes are read by at every word: an enum would cost more than the reading."""

from cxr.miner.language.entries import Role

CONCEPT, PART, STATE, SEVERITY, CHANGE = map(int, (Role.CONCEPT, Role.PART, Role.STATE, Role.SEVERITY, Role.CHANGE))
COMMA, CONJUNCTION, COPULA, COLON, WITH = map(int, (Role.COMMA, Role.CONJUNCTION, Role.COPULA, Role.COLON, Role.WITH))
DENY_FORWARD, DENY_BACKWARD = int(Role.DENY_FORWARD), int(Role.DENY_BACKWARD)
AFFIRM, CAUSE, CONFIRM = int(Role.AFFIRM_BACKWARD), int(Role.CAUSE), int(Role.CONFIRM)
MENTION = int(Role.CONCEPT | Role.GENERIC)
STOP = int(Role.BREAK)
BACKWARD = int(Role.DENY_BACKWARD | Role.HEDGE_BACKWARD)
FORWARD = int(Role.DENY_FORWARD | Role.HEDGE_FORWARD | Role.HEDGE_LIST)
MODIFIER = int(
    Role.SIDE
    | Role.SEVERITY
    | Role.NUMBER
    | Role.CHANGE
    | Role.PART
    | Role.STATE
    | Role.ACUTE
    | Role.CHRONIC
    | Role.WORD
)
