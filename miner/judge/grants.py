"""What radiologists grant and the rubric does not (`--entailment radiologist`).

Of the rubric's answers two are changed, and neither to the worse: a finding that the report leaves unmentioned is
granted by another one that usually means it (the pack's `granted`), with as many details; and what is called normal, or
free of something in general, is not contradicted by what is routine alone. What the report denies stays denied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from cxr.miner.judge.containment import holds
from cxr.miner.judge.facts import Fact, Facts, facts_of_list
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.relations import Relations, load_relations
from cxr.miner.judge.significance import load_significances
from cxr.miner.judge.verdicts import Outcome, asserts_presence, judge_form
from cxr.miner.language.lexicon import load_lexicon
from cxr.schemas import Finding, NormalForm, Significance, Verdict


def judge_generously(form: NormalForm, facts: Facts) -> Outcome:
    """Judge one normal form by the rubric, and grant what radiologists grant."""
    outcome = judge_form(form, facts)
    if outcome.verdict is Verdict.UNMENTIONED_ABNORMAL:
        return _by_sign(form, facts) or outcome
    if outcome.verdict is Verdict.CONTRADICTED and outcome.reason == Reason.KIND_PRESENT and _is_wide(form.concept):
        without = replace(facts, present=_without_routine(facts.present))
        again = judge_form(form, without)
        return outcome if again.verdict is Verdict.CONTRADICTED else again._replace(reason=Reason.GRANTED)
    return outcome


@cache
def _is_wide(concept: str) -> bool:
    """Return whether a normal, or a denied concept, speaks of more than what is routine."""
    relations, significances = load_relations(), load_significances()
    normal = relations.normals.get(concept)
    spoken_of = {concept} if normal is None else set(normal.broken_by)
    return any(
        not spoken_of.isdisjoint(relations.denied_with(kind))
        for kind in load_lexicon().concepts
        if kind not in relations.normals
        and not relations.says_little(kind)
        and significances.of(kind) is not Significance.ROUTINE
    )


def _by_sign(form: NormalForm, facts: Facts) -> Outcome | None:
    """Return that the report names what usually means the finding, at its side and place; None where it does not."""
    for sign in facts.relations.granting(form.concept):
        found = judge_form(form.model_copy(update={"concept": sign}), facts)
        named = tuple(fact for fact in found.facts if facts.relations.same_thing(fact.form.concept, sign))
        if found.verdict is Verdict.SUPPORTED and named:
            return Outcome(Verdict.SUPPORTED, Reason.GRANTED, named, extra_detail=True)
    return None


def _without_routine(present: Mapping[str, Sequence[Fact]]) -> dict[str, list[Fact]]:
    of_form = load_significances().of_form
    return {
        concept: [fact for fact in facts if of_form(fact.form, fact.words) is not Significance.ROUTINE]
        for concept, facts in present.items()
    }


def holds_generously(findings: Sequence[Finding], within: Sequence[Finding], relations: Relations) -> list[bool]:
    """Return for each finding whether the list holds it, or something that usually means each part of it."""
    held = holds(findings, within, relations)
    if all(held):
        return held
    denied = facts_of_list(within, relations)
    return [already or _held_by_sign(finding, within, denied) for finding, already in zip(findings, held, strict=True)]


def _held_by_sign(finding: Finding, within: Sequence[Finding], denied: Facts) -> bool:
    forms = finding.normal_forms
    return bool(forms) and all(_form_held(finding, form, within, denied) for form in forms)


def _form_held(finding: Finding, form: NormalForm, within: Sequence[Finding], told: Facts) -> bool:
    relations = told.relations

    def is_held(concept: str) -> bool:
        asked = form.model_copy(update={"concept": concept})
        return holds([finding.model_copy(update={"normal_forms": (asked,)})], within, relations)[0]

    if is_held(form.concept):
        return True
    if not asserts_presence(form) or told.named_denials(form.concept):
        return False
    if form.concept in relations.normals:
        denied = any(told.named_denials(concept) for concept in relations.granting_normal(form.concept))
        return denied and judge_generously(form, told).verdict is not Verdict.CONTRADICTED
    stated = {fact.form.concept for facts in told.present.values() for fact in facts}
    return any(
        is_held(sign)
        for sign in relations.granting(form.concept)
        if any(relations.same_thing(concept, sign) for concept in stated)
    )
