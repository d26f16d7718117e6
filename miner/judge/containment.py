"""Does one list of findings hold another: the rubric's recall, on the same relations as the verdicts."""

from collections.abc import Sequence

from miner.judge.facts import Facts, facts_of_list
from miner.judge.reasons import Reason
from miner.judge.relations import Relations
from miner.judge.verdicts import Outcome, asserts_presence, judge_form
from miner.judge.words import content, folded, is_denied, is_non_committal
from schemas import Certainty, Finding, NormalForm, Presence, Verdict


def holds(findings: Sequence[Finding], within: Sequence[Finding], relations: Relations) -> list[bool]:
    """Say of each finding whether the list holds it.

    Every part of a compound must be held, by one finding of the list or by several together; where the list
    contradicts itself on a part, the part is not held. A present other variant holds no denial.
    """
    facts = facts_of_list(within, relations)
    unknown = [item for item in within if not item.normal_forms and not is_non_committal(item)]
    return [_held(finding, facts, unknown) for finding in findings]


def _held(finding: Finding, facts: Facts, unknown: Sequence[Finding]) -> bool:
    if finding.normal_forms:
        return all(_form_held(form, facts) for form in finding.normal_forms)
    if is_non_committal(finding):
        return False
    return any(_same_words(finding, other) for other in unknown)


def _form_held(form: NormalForm, facts: Facts) -> bool:
    """Say whether the facts support one form and nothing in them speaks against it."""
    outcome = judge_form(form, facts)
    if outcome.verdict is not Verdict.SUPPORTED or outcome.reason is Reason.OTHER_VARIANT:
        return False
    return not _speaks_against(form, outcome, facts)


def _speaks_against(form: NormalForm, outcome: Outcome, facts: Facts) -> bool:
    """Say whether the list says the opposite of the form elsewhere."""
    if form.concept in facts.relations.normals:
        return False
    opposite = form.model_copy(update={"presence": _flipped(form), "certainty": Certainty.CERTAIN})
    against = judge_form(opposite, facts)
    return (
        against.verdict is Verdict.SUPPORTED
        and against.reason is not Reason.OTHER_VARIANT
        and not set(against.facts) <= set(outcome.facts)
    )


def _flipped(form: NormalForm) -> Presence:
    return Presence.ABSENT if asserts_presence(form) else Presence.PRESENT


def _same_words(one: Finding, other: Finding) -> bool:
    """Say whether two findings of unknown words share most words and the polarity."""
    mine, theirs = content(folded(one.observation)), content(folded(other.observation))
    if not mine or not theirs:
        return False
    return len(mine & theirs) >= 0.66 * min(len(mine), len(theirs)) and is_denied(one) == is_denied(other)
