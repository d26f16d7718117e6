"""A finding that names a structure and nothing about it ("left Y: present"): whether the report has something there."""

from cxr.miner.judge.compare import SIDED
from cxr.miner.judge.facts import Fact, Facts
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.verdicts import NOTHING, Outcome
from cxr.miner.language.entries import Part, Role
from cxr.miner.language.items import Items, read_items
from cxr.miner.language.sides import one_side
from cxr.schemas import Finding, Side, Verdict

_NAMES = Role.PART | Role.SIDE | Role.PREPOSITION | Role.CONJUNCTION | Role.COMMA
_AFFIRMS = Role.AFFIRM_BACKWARD | Role.COPULA


def judge_structure(finding: Finding, facts: Facts) -> Outcome | None:
    """Return whether the report has something abnormal at a structure that is only named; None where more is said.

    The other side alone contradicts; where the report has nothing there, the finding asserts nothing.
    """
    observed, status = read_items(finding.observation), read_items(finding.status)
    if not (observed.union & Role.PART and _only(observed, _NAMES) and _only(status, _AFFIRMS) and status.roles):
        return None
    parts = [entry.part for entry in observed.entries if entry.part is not None]
    side = one_side([entry.side for entry in observed.entries if entry.side is not None])
    there = [fact for fact in _abnormal(facts) if all(_is_at(fact, part, facts) for part in parts)]
    fitting = [fact for fact in there if _fits(fact, side)]
    if any(fact.form.side in SIDED for fact in there):
        fitting = [fact for fact in fitting if fact.form.side in SIDED or side is None]  # the others are the same thing
    if fitting:
        return Outcome(Verdict.SUPPORTED, Reason.MORE_GENERAL, tuple(fitting[:3]))
    return Outcome(Verdict.CONTRADICTED, Reason.SIDE_CONFLICT, tuple(there[:3])) if there else NOTHING


def _only(items: Items, roles: int) -> bool:
    return all(role & roles for role in items.roles)


def _abnormal(facts: Facts) -> list[Fact]:
    """Return what the report calls present, each once, under its own name."""
    return [fact for concept, found in facts.present.items() for fact in found if fact.form.concept == concept]


def _is_at(fact: Fact, part: Part, facts: Facts) -> bool:
    """Return whether a fact is told of a structure, lies in it, or is what an adjective makes of it."""
    form, relations = fact.form, facts.relations
    if any(place == part.id or relations.is_part(place, part.id) for place in form.locations):
        return True
    if form.concept in part.region.states.values():
        return True
    return not part.part_of and relations.is_at_home(form.concept, part.region.id)


def _fits(fact: Fact, side: Side | None) -> bool:
    known = fact.form.side
    return side is None or known not in SIDED or Side.BILATERAL in {side, known} or known is side
