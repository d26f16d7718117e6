"""The rubric as code: one normal form against the facts of a report, then a finding of several forms."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from cxr.miner.judge.compare import Fit, Match, compare, covers
from cxr.miner.judge.facts import Fact, Facts, reworded
from cxr.miner.judge.reasons import Reason
from cxr.miner.language.tokens import fold
from cxr.schemas import Certainty, Change, NormalForm, Presence, Side, Verdict


class Outcome(NamedTuple):
    """A verdict, why, the facts that decided it, and whether the finding says more than they do."""

    verdict: Verdict
    reason: str
    """A `Reason`, or the pack's own word for what a normal entails."""
    facts: tuple[Fact, ...] = ()
    extra_detail: bool = False


_Told = tuple[str, frozenset[Reason]]
"""What is told of a concept otherwise than a finding has it."""
NOTHING = Outcome(Verdict.NOT_ASSESSABLE, Reason.ASSERTS_NOTHING)


def judge_form(form: NormalForm, facts: Facts) -> Outcome:
    """Judge one normal form."""
    if form.concept in facts.relations.normals:
        return judge_normal(form, facts)
    return judge_presence(form, facts) if asserts_presence(form) else judge_absence(form, facts)


def asserts_presence(form: NormalForm) -> bool:
    """Return whether a finding asserts that its concept is there; what has resolved is not."""
    return form.presence is Presence.PRESENT and form.change is not Change.RESOLVED


def judge_presence(form: NormalForm, facts: Facts) -> Outcome:
    """Judge "X is present": stated, denied, in conflict with what is stated, or unmentioned."""
    matched = [(compare(form, fact, facts.relations), fact) for fact in facts.instances(form.concept)]
    conflicts = [(match, fact) for match, fact in matched if match.fit is Fit.CONFLICT]
    conflicting = [(match.conflict, fact) for match, fact in conflicts if match.conflict is not None]
    told = {(fact.form.concept, match.against) for match, fact in conflicts}
    fitting = [  # does the finding say more, and the fact
        (match.fit is Fit.MORE_DETAIL, fact)
        for match, fact in matched
        if match.fit in {Fit.SAME, Fit.MORE_DETAIL} and not _told_elsewhere(form, match, fact, told, facts)
    ]
    fitting.extend((True, fact) for fact in _lesser(form, facts))
    if not fitting and form.side is Side.BILATERAL:
        fitting = [(False, fact) for fact in _both_sides(conflicting)]
    if fitting and (_denied_in_degree(form, fitting, facts) or _denied_on_side(form, fitting, facts)):
        fitting = []
    if fitting and not _denied_by_name(form, fitting, facts):
        return _supported_presence(form, fitting, facts)
    denials = [fact for fact in facts.denials(form.concept) if excludes(fact, form, facts)]
    same_kind = [pair for pair in conflicting if facts.relations.same_thing(pair[1].form.concept, form.concept)]
    if same_kind:
        reason, fact = same_kind[0]
        return Outcome(Verdict.CONTRADICTED, reason, (fact,))
    if denials:
        return Outcome(Verdict.CONTRADICTED, _why_denied(denials[0], form, facts, opposite=True), tuple(denials[:2]))
    if conflicting and not facts.relations.is_broad(form.concept):
        reason, fact = conflicting[0]
        return Outcome(Verdict.CONTRADICTED, reason, (fact,))
    return Outcome(Verdict.UNMENTIONED_ABNORMAL, Reason.NOT_MENTIONED)


def _told_elsewhere(form: NormalForm, match: Match, fact: Fact, told: Collection[_Told], facts: Facts) -> bool:
    """Return whether the report tells what this fact leaves open at another mention of the same thing, and otherwise.

    "Small left X. ... X is unchanged.": the second is the left one too, and no room for a right one. But several that
    have no side may be on both.
    """
    left_open = match.left_open
    if fact.form.change is Change.UNCHANGED:
        left_open |= {Reason.CHANGE_CONFLICT}  # "again seen" is not said of the size, where it is said to have grown
    if form.side is Side.BILATERAL and any(fold(word) != word for word in fact.words.split()):
        left_open -= {Reason.SIDE_CONFLICT}
    return bool(left_open) and any(
        against <= left_open and facts.relations.same_instance(concept, fact.form.concept) for concept, against in told
    )


def judge_absence(form: NormalForm, facts: Facts) -> Outcome:
    """Judge "no X": the same denial wins, then a present X, then wider denials and other variants."""
    denials = [fact for fact in facts.denials(form.concept) if reaches(fact, form, facts) or _has_resolved(fact, form)]
    same = [fact for fact in denials if _same_statement(fact, form)]
    against: list[tuple[Reason, Fact]] = []
    variants: list[Fact] = []
    for fact in facts.instances(form.concept):
        match = compare(form, fact, facts.relations)
        if match.fit is Fit.CONFLICT:
            variants.append(fact)
        elif match.fit is not Fit.ELSEWHERE:
            against.append((_why_present(fact, form, match.fit, facts), fact))
    against.extend((Reason.COULD_BE_THE_DENIED_VARIANT, fact) for fact in _lesser(form, facts))
    if form.side is Side.BILATERAL and (both := _both_sides([(Reason.SIDE_CONFLICT, f) for f in variants])):
        against.extend((Reason.OPPOSITE_STATED, fact) for fact in both)
    if same:
        return Outcome(Verdict.SUPPORTED, _why_denied(same[0], form, facts), tuple(same[:2]))
    # Where the report denies the thing, only what is certainly one of its kinds, at that very place, stands against it.
    if denials and all(reason is Reason.COULD_BE_THE_DENIED_VARIANT for reason, _ in against):
        against = [pair for pair in against if facts.relations.alike(pair[1].form.concept, form.concept)]
    if against:
        return Outcome(Verdict.CONTRADICTED, against[0][0], tuple(fact for _, fact in against[:3]))
    if denials:
        return Outcome(Verdict.SUPPORTED, _why_denied(denials[0], form, facts), tuple(denials[:2]))
    if variants:
        return Outcome(Verdict.SUPPORTED, Reason.OTHER_VARIANT, tuple(variants[:2]))
    weak = facts.weak_denials(form.concept)
    if weak:
        return Outcome(Verdict.SUPPORTED, Reason.NORMAL_SIGN_OF_ABSENCE, tuple(weak[:2]))
    return Outcome(Verdict.UNMENTIONED_NORMAL, Reason.NOT_MENTIONED)


def judge_normal(form: NormalForm, facts: Facts) -> Outcome:
    """Judge "the structure is normal", and its denial, which asserts that something there is abnormal."""
    normal = facts.relations.normals[form.concept]
    places = facts.relations.telling_places(form)
    abnormal = [
        fact
        for concept in normal.broken_by
        for fact in facts.instances(concept)
        if compare(_somewhere(form, concept, places), fact, facts.relations).fit not in {Fit.CONFLICT, Fit.ELSEWHERE}
    ]
    stated = [fact for fact in facts.normal.get(form.concept, ()) if covers(fact.form, form, facts.relations)]
    denied = [fact for concept in normal.said_by for fact in facts.denials(concept)]
    together = [facts.named_denials(concept) for concept in normal.said_by_all]
    if not denied and all(together):
        denied = [group[0] for group in together]
    if asserts_presence(form):
        return _called_normal(form, stated, abnormal, denied, facts)
    return _called_abnormal(abnormal, [*stated, *denied])


def _somewhere(form: NormalForm, concept: str, places: tuple[str, ...]) -> NormalForm:
    """Return the abnormal that would break a normal; "both are normal" is broken on either side."""
    broken = reworded(form, concept, Presence.PRESENT, places)
    return broken.model_copy(update={"side": None}) if form.side is Side.BILATERAL else broken


def _called_normal(
    form: NormalForm, stated: Sequence[Fact], abnormal: Sequence[Fact], denied: Sequence[Fact], facts: Facts
) -> Outcome:
    """Judge "normal": the report's own "normal" wins, then anything abnormal there, then what entails it."""
    exact = [fact for fact in stated if fact.form.concept == form.concept and "otherwise" not in fact.words]
    # "The right Y is clear apart from X at its foot": what is said of the whole leaves room for a part
    part = [fact for fact in abnormal if not _says_as_much(exact, form, facts)]
    if exact and not part:
        return Outcome(Verdict.SUPPORTED, Reason.STATED, tuple(exact[:2]))
    if abnormal:
        return Outcome(Verdict.CONTRADICTED, Reason.KIND_PRESENT, tuple(abnormal[:3]))
    if stated:
        return Outcome(Verdict.SUPPORTED, Reason.ENTAILED_BY_NORMAL_STRUCTURE, tuple(stated[:2]))
    if denied:
        return Outcome(Verdict.SUPPORTED, _why_denied(denied[0], form, facts), tuple(denied[:2]))
    return Outcome(Verdict.UNMENTIONED_NORMAL, Reason.NOT_MENTIONED)


def _says_as_much(exact: Iterable[Fact], form: NormalForm, facts: Facts) -> bool:
    """Return whether a normal is stated of the very place that a finding calls normal, or the finding names none."""
    asked = facts.relations.telling_places(form)
    return not asked or any(set(asked) <= set(facts.relations.telling_places(fact.form)) for fact in exact)


def _called_abnormal(abnormal: Sequence[Fact], normal: Sequence[Fact]) -> Outcome:
    """Judge "not normal": supported by anything abnormal there, contradicted by "normal"."""
    if abnormal:
        return Outcome(Verdict.SUPPORTED, Reason.MORE_GENERAL, tuple(abnormal[:3]))
    if normal:
        return Outcome(Verdict.CONTRADICTED, Reason.OPPOSITE_STATED, tuple(normal[:2]))
    return Outcome(Verdict.UNMENTIONED_ABNORMAL, Reason.NOT_MENTIONED)


def combine(outcomes: Sequence[Outcome], forms: Sequence[NormalForm]) -> Outcome:
    """Combine the parts of a compound finding by the rubric's first edge case."""
    if not outcomes:
        return NOTHING
    if len(outcomes) == 1:
        return outcomes[0]
    outcomes = _without_failed_alternatives(outcomes, forms)
    contradicted = [item for item in outcomes if item.verdict is Verdict.CONTRADICTED]
    if contradicted:
        return contradicted[0]
    missing = [item for item in outcomes if item.verdict is Verdict.UNMENTIONED_ABNORMAL]
    if missing:
        return missing[0]
    supported = [item for item in outcomes if item.verdict is Verdict.SUPPORTED]
    presence = [asserts_presence(form) for form in forms]
    if supported:
        facts = tuple(dict.fromkeys(fact for item in supported for fact in item.facts))
        extra = any(item.extra_detail for item in supported) or (any(presence) and not all(presence))
        return Outcome(Verdict.SUPPORTED, supported[0].reason, facts, extra and supported[0].extra_detail)
    return outcomes[0]


def _without_failed_alternatives(outcomes: Sequence[Outcome], forms: Sequence[NormalForm]) -> Sequence[Outcome]:
    """Drop the alternatives of a finding that hold not ("X or Y possible") where one of them holds."""
    hedged = [form.certainty is Certainty.UNCERTAIN and asserts_presence(form) for form in forms]
    if sum(hedged) < 2 or not any(
        item.verdict is Verdict.SUPPORTED for item, is_hedged in zip(outcomes, hedged, strict=True) if is_hedged
    ):
        return outcomes
    return [
        item
        for item, is_hedged in zip(outcomes, hedged, strict=True)
        if not is_hedged or item.verdict is Verdict.SUPPORTED
    ]


def _denied_in_degree(form: NormalForm, fitting: Sequence[tuple[bool, Fact]], facts: Facts) -> bool:
    """Return whether the report denies the finding's degree of what it otherwise leaves without one."""
    if form.severity is None or any(fact.form.severity is not None for _, fact in fitting):
        return False
    return any(
        fact.form.severity is form.severity and excludes(fact, form, facts)
        for fact in facts.named_denials(form.concept)
    )


def _denied_on_side(form: NormalForm, fitting: Sequence[tuple[bool, Fact]], facts: Facts) -> bool:
    """Return whether the report denies the thing on the finding's side, and tells no side of what it has of it."""
    if form.side not in {Side.LEFT, Side.RIGHT} or any(fact.form.side is not None for _, fact in fitting):
        return False
    return any(
        fact.form.side is form.side and fact.form.severity is None and excludes(fact, form, facts)
        for fact in facts.named_denials(form.concept)
    )


def _denied_by_name(form: NormalForm, fitting: Sequence[tuple[bool, Fact]], facts: Facts) -> bool:
    """Return whether the report denies this very name, while what might support it is vaguer and named otherwise."""
    if any(
        fact.form.concept == form.concept or (fact.form.certainty is Certainty.CERTAIN and not more)
        for more, fact in fitting
    ):
        return False
    named = facts.absent.get(form.concept, ())
    return any(fact.normal is None and excludes(fact, form, facts) for fact in named)


def _supported_presence(form: NormalForm, fitting: Sequence[tuple[bool, Fact]], facts: Facts) -> Outcome:
    """Choose the fact that says most of the finding, and say why it supports it."""
    more, fact = min(
        fitting,
        key=lambda pair: (
            pair[1].form.certainty is Certainty.UNCERTAIN,
            pair[0],
            not facts.relations.same_thing(pair[1].form.concept, form.concept),
        ),
    )
    hedged = fact.form.certainty is Certainty.UNCERTAIN and form.certainty is Certainty.CERTAIN
    if hedged:
        reason = Reason.HEDGED
    elif more:
        reason = Reason.EXTRA_DETAIL
    else:
        reason = facts.relations.why_implied(fact.form.concept, form.concept)
    evidence = [other for _, other in fitting if other is not fact]
    return Outcome(Verdict.SUPPORTED, reason, (fact, *evidence[:2]), more or hedged)


def _lesser(form: NormalForm, facts: Facts) -> list[Fact]:
    """Return the facts that name the finding's thing without the detail that its concept adds."""
    return [
        fact
        for lesser in facts.relations.without_detail(form.concept)
        for fact in facts.instances(lesser)
        if facts.relations.same_thing(fact.form.concept, lesser)
        and compare(form, fact, facts.relations).fit in {Fit.SAME, Fit.MORE_DETAIL}
    ]


def _both_sides(conflicting: Iterable[tuple[Reason, Fact]]) -> list[Fact]:
    """Return facts for the left and the right when there are both, so that "bilateral" is met by two facts."""
    sided = {fact.form.side: fact for reason, fact in conflicting if reason is Reason.SIDE_CONFLICT}
    if Side.LEFT in sided and Side.RIGHT in sided:
        return [sided[Side.LEFT], sided[Side.RIGHT]]
    return []


def excludes(denial: Fact, form: NormalForm, facts: Facts) -> bool:
    """Return whether a denial rules the finding out: "no large X" and "no new X" leave room."""
    denied = denial.form
    if denied.severity is not None and form.severity is not denied.severity:
        return False
    if denied.number is not None and form.number != denied.number:
        return False
    if denied.side is Side.BILATERAL and form.side is not Side.BILATERAL:
        return False
    if denied.change in {Change.NEW, Change.WORSENED} and form.change is not denied.change:
        return False
    if _has_resolved(denial, form):
        return True
    return reaches(denial, form, facts)


def _has_resolved(denial: Fact, form: NormalForm) -> bool:
    """Return whether a thing is gone; it is spoken of as such, sided or not: only the other side stays open."""
    denied = denial.form
    return denied.change is Change.RESOLVED and (form.side in {None, denied.side} or denied.side is None)


def reaches(denial: Fact, form: NormalForm, facts: Facts) -> bool:
    """Return whether a denial speaks of the finding's side and place at all."""
    relations = facts.relations
    return covers(denial.form, form, relations) and relations.place_is_denied(denial.form, form)


def _same_statement(denial: Fact, form: NormalForm) -> bool:
    """Return whether the report makes the very statement: same concept, as wide, and not "otherwise"."""
    if denial.form.concept != form.concept or "otherwise" in denial.words:
        return False
    if denial.normal is not None:
        return False  # "Y is clear" is not the statement "no X": one small X may stand beside it
    return denial.form.severity is None and denial.form.change is None


def _why_present(fact: Fact, form: NormalForm, fit: Fit, facts: Facts) -> Reason:
    """Return why a present fact contradicts a denial."""
    if fact.form.certainty is Certainty.UNCERTAIN:
        return Reason.HEDGED_IN_REPORT
    if fit is Fit.MORE_DETAIL:
        return Reason.COULD_BE_THE_DENIED_VARIANT
    same = facts.relations.same_thing(fact.form.concept, form.concept)
    return Reason.OPPOSITE_STATED if same else Reason.KIND_PRESENT


def _why_denied(fact: Fact, form: NormalForm, facts: Facts, *, opposite: bool = False) -> str:
    """Return in which way the report denies the finding."""
    if fact.form.change is Change.RESOLVED:
        return Reason.RESOLVED
    if facts.relations.is_acute_only(fact.form.concept):
        return Reason.ENTAILED_BY_NO_ACUTE_ABNORMALITY
    if fact.normal is not None:
        return facts.relations.why_normal(fact.normal)
    if facts.relations.same_thing(fact.form.concept, form.concept):
        return Reason.OPPOSITE_STATED if opposite else Reason.STATED
    return Reason.DENIED_IN_GENERAL
