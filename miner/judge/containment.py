"""Does one list of findings hold another: the rubric's recall, on the same relations as the verdicts."""

import re
from collections.abc import Sequence

from cxr.miner.judge.compare import Fit, compare, covers
from cxr.miner.judge.facts import Fact, Facts, facts_of_list
from cxr.miner.judge.relations import Relations
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import asserts_presence, excludes, judge_form, reaches
from cxr.miner.judge.words import is_denied, is_non_committal, observation_words
from cxr.miner.language.lexicon import load_lexicon
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Verdict

# Words for a bad picture; remarks on quality agree when both have one or neither.
_POOR = re.compile(r"\b(?:un\w+|in(?:adequate|sufficient)|poor\w*|limited|suboptimal|not)\b", re.IGNORECASE)
_EXAMPLE = re.compile(r",? (?:such as|like|for example|e\.g\.|\(e\.g\.|including)(?=[\s,])", re.IGNORECASE)
# Three of four content words: enough to call two findings the same words, too much for another place or side.
SAME_WORDS = 0.7


def holds(findings: Sequence[Finding], within: Sequence[Finding], relations: Relations) -> list[bool]:
    """Return for each finding whether the list holds it.

    Every part of a compound must be held, by one finding of the list or by several together; where the list
    contradicts itself on a part, the part is not held. A present other variant holds no denial.
    """
    facts = facts_of_list(within, relations)
    return [_held(finding, facts, within) for finding in findings]


def _held(finding: Finding, facts: Facts, within: Sequence[Finding]) -> bool:
    if not finding.normal_forms and is_non_committal(finding):
        return any(_agrees_on_nothing(finding, other) for other in within)
    wanted = _asserted(_without_examples(finding, facts.relations), facts.relations)
    if wanted and all(_form_held(form, facts) for form in wanted):
        return True
    return any(_share_words(finding, other) and _polarity(finding) == _polarity(other) for other in within) and not any(
        _denied_by_list(form, facts) for form in wanted
    )


def _without_examples(finding: Finding, relations: Relations) -> tuple[NormalForm, ...]:
    """Return what is claimed of a compound with examples ("X such as Y or Z"): the X, where it has a name."""
    example = _EXAMPLE.search(finding.observation)
    if example is None:
        return finding.normal_forms
    named = understood(Finding(observation=finding.observation[: example.start()], status=finding.status)).normal_forms
    telling = all(form.concept not in relations.normals and not relations.says_little(form.concept) for form in named)
    return named if named and telling else finding.normal_forms


def _agrees_on_nothing(finding: Finding, other: Finding) -> bool:
    """Return whether a finding that commits to nothing has its like: the same remark, or a denial of the same words."""
    if other.normal_forms or not is_non_committal(other):
        mine, theirs = observation_words(finding.observation), observation_words(other.observation)
        return _polarity(other) and bool(theirs) and theirs <= mine
    same_grade = bool(_POOR.search(finding.status)) == bool(_POOR.search(other.status))
    return same_grade and _share_words(finding, other)


def _asserted(forms: tuple[NormalForm, ...], relations: Relations) -> tuple[NormalForm, ...]:
    """Return what must be held of a finding.

    "Y: normal, no X" asks for the X; beside a plain finding its hedged causes need not be held ("X, maybe Z").
    """
    denied = {form.concept for form in forms if not asserts_presence(form)}
    forms = tuple(form for form in forms if not _sums_up(form, denied, relations)) or forms
    present = [form for form in forms if asserts_presence(form)]
    if len(present) < 2 or len(present) < len(forms):
        return forms
    certain = tuple(form for form in present if form.certainty is Certainty.CERTAIN)
    return certain or forms[:1]


def _sums_up(form: NormalForm, denied: set[str], relations: Relations) -> bool:
    """Return whether a form only sums up denials beside it: "normal" beside "no X", a device that sits well."""
    if relations.says_little(form.concept):
        return True
    normal = relations.normals.get(form.concept)
    if normal is None or not asserts_presence(form):
        return False
    return any(not relations.denied_with(concept).isdisjoint(normal.everything) for concept in denied)


def _form_held(form: NormalForm, facts: Facts) -> bool:
    """Return whether the list states or entails one form and does not state its opposite."""
    if form.concept in facts.relations.normals:
        return _normal_held(form, facts)
    if asserts_presence(form):
        held = judge_form(form, facts).verdict is Verdict.SUPPORTED
    else:
        denials = (*facts.denials(form.concept), *facts.weak_denials(form.concept))
        held = any(
            reaches(fact, form, facts) and _of_its_organ(fact, form, facts.relations) for fact in denials
        ) or _denied_more_narrowly(form, facts)
    return held and not _denied_by_list(form, facts)


def _of_its_organ(fact: Fact, form: NormalForm, relations: Relations) -> bool:
    """Return whether a denial that only follows from a normal is about the organ: "Y: clear" says nothing on a Z."""
    concept = fact.form.concept
    if fact.normal is None or concept == form.concept or relations.says_little(concept):
        return True
    return relations.same_region(concept, form.concept)


def _normal_held(form: NormalForm, facts: Facts) -> bool:
    """Return whether the list calls a structure normal, or not normal.

    A list that also names what is wrong with it contradicts itself; an old X in a clear Y does not.
    """
    if not asserts_presence(form):
        return judge_form(form, facts).verdict is Verdict.SUPPORTED
    normal = facts.relations.normals[form.concept]
    if _broken(form, facts):
        return False
    if any(covers(fact.form, form, facts.relations) for fact in facts.normal.get(form.concept, ())):
        return True
    return judge_form(form, facts).verdict is Verdict.SUPPORTED or any(
        facts.named_denials(concept) for concept in normal.said_by
    )


def _broken(form: NormalForm, facts: Facts) -> bool:
    """Return whether the list names what stands against a normal."""
    broken_by = facts.relations.normals[form.concept].broken_by
    return any(_is_new(fact) for broken in broken_by for fact in facts.instances(broken))


def _is_new(fact: Fact) -> bool:
    """Return whether what is there is not of the kind that stays for life, which no normal denies."""
    return load_lexicon().concepts[fact.form.concept].course != "chronic"


def _denied_more_narrowly(form: NormalForm, facts: Facts) -> bool:
    """Return whether the list denies the same thing, or a kind of it, with details that fit the finding's.

    The rubric asks that the observation and status be "substantially present", "side/severity not contradicting".
    """
    if asserts_presence(form):
        return False
    asked = Fact(form, None, "")
    return any(
        compare(fact.form, asked, facts.relations).fit in {Fit.SAME, Fit.MORE_DETAIL}
        for concept, denials in facts.absent.items()
        if form.concept in facts.relations.denied_with(concept)
        for fact in denials
        if fact.normal is None
    )


def _denied_by_list(form: NormalForm, facts: Facts) -> bool:
    """Return whether the list states the opposite of the form in so many words, under any of its names."""
    if form.concept in facts.relations.normals:
        return asserts_presence(form) and _broken(form, facts)
    presence = Presence.ABSENT if asserts_presence(form) else Presence.PRESENT
    if presence is Presence.ABSENT:
        return any(excludes(fact, form, facts) for fact in facts.named_denials(form.concept))
    opposite = form.model_copy(update={"presence": presence, "certainty": Certainty.CERTAIN})
    return any(
        facts.relations.same_thing(fact.form.concept, form.concept)
        and compare(opposite, fact, facts.relations).fit is Fit.SAME
        for fact in facts.instances(form.concept)
    )


def _share_words(one: Finding, other: Finding) -> bool:
    """Return whether two observations use nearly the same words."""
    mine, theirs = observation_words(one.observation), observation_words(other.observation)
    return bool(mine and theirs) and len(mine & theirs) >= SAME_WORDS * len(mine | theirs)


def _polarity(finding: Finding) -> bool:
    """Return whether a finding denies: by its normal forms, or by its words where it has none."""
    if finding.normal_forms:
        return not any(asserts_presence(form) for form in finding.normal_forms)
    return is_denied(finding)
