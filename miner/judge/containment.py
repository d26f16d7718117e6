"""Does one list of findings hold another: the rubric's recall, on the same relations as the verdicts."""

from collections.abc import Sequence

from miner.judge.compare import Fit, compare, covers
from miner.judge.facts import Facts, facts_of_list
from miner.judge.reasons import Reason
from miner.judge.relations import Relations
from miner.judge.verdicts import asserts_presence, judge_form
from miner.judge.words import content, folded, is_denied, is_non_committal
from schemas import Certainty, Finding, NormalForm, Presence, Verdict

# Three of four content words: enough to call two findings the same words, too much for another place or side.
SAME_WORDS = 0.75


def holds(findings: Sequence[Finding], within: Sequence[Finding], relations: Relations) -> list[bool]:
    """Say of each finding whether the list holds it.

    Every part of a compound must be held, by one finding of the list or by several together; where the list
    contradicts itself on a part, the part is not held. A present other variant holds no denial.
    """
    facts = facts_of_list(within, relations)
    return [_held(finding, facts, within) for finding in findings]


def _held(finding: Finding, facts: Facts, within: Sequence[Finding]) -> bool:
    if not finding.normal_forms and is_non_committal(finding):
        return False
    wanted = _asserted(finding.normal_forms)
    if wanted and all(_form_held(form, facts) for form in wanted):
        return True
    return any(_same_words(finding, other) for other in within) and not any(
        _denied_by_list(form, facts) for form in wanted
    )


def _asserted(forms: tuple[NormalForm, ...]) -> tuple[NormalForm, ...]:
    """Give what must be held: beside a plain finding its hedged causes need not be ("opacity, maybe pneumonia")."""
    present = [form for form in forms if asserts_presence(form)]
    if len(present) < 2 or len(present) < len(forms):
        return forms
    certain = tuple(form for form in present if form.certainty is Certainty.CERTAIN)
    return certain or forms[:1]


def _form_held(form: NormalForm, facts: Facts) -> bool:
    """Say whether the facts support one form and nothing in them speaks against it."""
    outcome = judge_form(form, facts)
    if outcome.verdict is not Verdict.SUPPORTED or outcome.reason is Reason.OTHER_VARIANT:
        return False
    return not _denied_by_list(form, facts)


def _denied_by_list(form: NormalForm, facts: Facts) -> bool:
    """Say whether the list states the opposite of the form in so many words, under any of its names."""
    if form.concept in facts.relations.normals:
        return False
    presence = Presence.ABSENT if asserts_presence(form) else Presence.PRESENT
    if presence is Presence.ABSENT:
        return any(covers(fact.form, form, facts.relations) for fact in facts.named_denials(form.concept))
    opposite = form.model_copy(update={"presence": presence, "certainty": Certainty.CERTAIN})
    return any(
        facts.relations.same_thing(fact.form.concept, form.concept)
        and compare(opposite, fact, facts.relations).fit is Fit.SAME
        for fact in facts.instances(form.concept)
    )


def _same_words(one: Finding, other: Finding) -> bool:
    """Say whether two findings use nearly the same words with the same polarity."""
    mine, theirs = content(folded(one.observation)), content(folded(other.observation))
    if not mine or not theirs or len(mine & theirs) < SAME_WORDS * len(mine | theirs):
        return False
    return _polarity(one) == _polarity(other)


def _polarity(finding: Finding) -> bool:
    """Say whether a finding denies: by its normal forms, or by its words where it has none."""
    if finding.normal_forms:
        return not any(asserts_presence(form) for form in finding.normal_forms)
    return is_denied(finding)
