"""Where a conclusion begins that stands outside of the denial before it: "no X, suggesting normal Y"."""

from cxr.miner.language.items import Items
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.masks import MODIFIER

CONCEPT, COMMA, BREAK = Role.CONCEPT, Role.COMMA, Role.BREAK
CONFIRM, ANAPHOR, WORD = Role.CONFIRM, Role.ANAPHOR, Role.WORD
_NEGATIONS = frozenset({"not", "can't", "doesn't", "don't"})
_ASIDE = frozenset({"without", "with", "absence", "lack"})
_FINITE = frozenset(
    {"suggest", "suggested", "indicate", "indicated", "imply", "implied", "support", "confirm", "confirmed"}
)
_MEANS = Role.CAUSE | Role.PROBABLE
MEANS = _MEANS | Role.HEDGE_FORWARD
"""Without any of these, or "from", a mention explains no other."""
_VERB = Role.COPULA | Role.DENY_FORWARD
_MODAL = frozenset({"may", "might", "could"})
_FROM = ("from",)
_BOUND = frozenset({"to", "that", "which", "not"})


def concludes_anew(items: Items, index: int, deny: int) -> bool:
    """Return whether a conclusion stands outside of the denial before it.

    "No X, suggesting normal Y"; "no X, cannot exclude Z"; "no X, confirming the presence of Y".
    """
    apart = _set_apart(items, index)
    if items.roles[index] & CONFIRM:
        return apart or not items.entries[index].phrase[0].endswith("ing")  # "no X confirming the presence of Y"
    aside = deny >= 0 and items.entries[deny].phrase[0] in _ASIDE
    follows = items.entries[index].phrase[-1] == "with" or items.entries[index].phrase[0].endswith("ing")
    if aside and (_is_finite(items, index) or (apart and follows)):
        return True  # "Y without X suggests Z", "Y without X, consistent with Z"
    if any(role & ANAPHOR for role in items.roles[index + 1 : index + 2]):
        return True  # "the absence of X suggests these Ys are old"
    return not _NEGATIONS.isdisjoint(items.entries[index].phrase) or _normal_follows(items, index + 1)


def _set_apart(items: Items, index: int) -> bool:
    """Return whether a comma stands before a conclusion, or before its adverb: ", further supporting Y"."""
    before = index - 1
    while before > 0 and not items.roles[before] & ~WORD:
        before -= 1
    return bool(items.roles[before] & (COMMA | BREAK))


def _normal_follows(items: Items, start: int) -> bool:
    """Return whether what is concluded from an item on is something right: "normal Y", "clear Y"."""
    concepts = load_lexicon().concepts
    normal = False
    for role, entry in zip(items.roles[start:], items.entries[start:], strict=True):
        if role & CONCEPT:  # "normal density of Y" may be no normal that we know
            return concepts[entry.concepts[0]].kind == "normal"
        if entry.state is not None:
            normal = entry.state.normal
        if not role & MODIFIER:
            break
    return normal


def _is_finite(items: Items, index: int) -> bool:
    """Return whether a verb of meaning has a subject of its own: "suggests Y", but not "that suggest", "suggesting"."""
    verb = items.entries[index].phrase[0]
    before = items.entries[index - 1].phrase[-1] if index else "to"
    return verb in _FINITE and before not in _BOUND


def explains(items: Items, index: int) -> int:
    """Return where the characters end that a mention explains: the X of "X due to Y", "X may be Y"; -1 for none."""
    for at in range(index - 1, -1, -1):
        role, phrase = items.roles[at], items.entries[at].phrase
        supposes = role & Role.HEDGE_FORWARD and phrase[0] in _MODAL
        if supposes or role & _MEANS or phrase == _FROM:
            return items.starts[at]
        if role & (BREAK | _VERB):
            break
    return -1
