"""A score beside RadRScore that weighs findings by their significance.

Every finding has a cost: one that the reference states and the reasoning misses, and one that the reasoning states
and the report does not bear out. What is there and wrong in one detail costs a share of it. Normals and denials cost
nothing unless the report contradicts them; then they cost what is denied. The score is the part that is right, of it
and all costs, where every study begins with what one notable finding is worth: so a study without findings has a
score too, and a miss costs more the more it matters.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from cxr.miner.judge.facts import Fact, Facts, facts_of_list
from cxr.miner.judge.radrscore import ScoredReasoning
from cxr.miner.judge.reasons import error_of
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.rules import report_facts
from cxr.miner.judge.significance import highest, load_significances
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import asserts_presence, combine, judge_form
from cxr.schemas import (
    Certainty,
    ErrorAttribute,
    Finding,
    Frozen,
    JudgedFinding,
    NormalForm,
    Quote,
    Side,
    Significance,
    Verdict,
)


class WeightedScore(Frozen):
    """What a reasoning got right and wrong, in the weights of the pack."""

    right: float
    missed: float
    false: float
    start: float

    @property
    def score(self) -> float:
        """The part that is right, between 0 and 1; 1 where nothing is missed and nothing false."""
        right = self.start + self.right
        whole = right + self.missed + self.false
        return right / whole if whole else 1.0


def significance_of(finding: Finding) -> Significance | None:
    """Return how much it matters that a finding is there; None for one that denies, or calls something normal."""
    return _significance(_abnormal(finding), _words(finding))


def weigh(scored: ScoredReasoning, report: str) -> WeightedScore:
    """Weigh a scored reasoning by the significance of its findings and of those it misses."""
    right, lost = weigh_reference(scored)
    wrong = [judged for judged in scored.prediction if judged.factual is False]
    false = sum(weight * share for weight, share in _things([_invented(judged, report) for judged in wrong]))
    return WeightedScore(right=right, missed=lost, false=false, start=load_significances().weight(Significance.NOTABLE))


def weigh_reference(scored: ScoredReasoning, *, normal: float = 0.0) -> tuple[float, float]:
    """Return the weight of what the reference states and the reasoning holds, and of what it misses.

    `normal` is what each normal and denial weighs, for which the pack has no significance.
    """
    told = _Prediction([judged.finding for judged in scored.prediction if judged.factual is not None])
    right = lost = 0.0
    shares: list[_Told] = []
    for finding, recalled in zip(scored.reference, scored.recalled, strict=True):
        if significance_of(finding) is not None:
            shares.append((*_weighed(finding), told.share_missed(finding, recalled=recalled)))
        elif recalled:
            right += normal
        else:
            lost += normal
    for weight, share in _things(shares):
        right, lost = right + weight * (1 - share), lost + weight * share
    return right, lost


_Told = tuple[tuple[NormalForm, ...], float, float]
"""What is said, what it weighs, and which share of that is wrong."""
_Places = tuple[tuple[Side | None, tuple[str, ...]], ...]


def _things(told: Sequence[_Told]) -> list[tuple[float, float]]:
    """Return each thing once, however often and closely it is told: what it weighs, and the mean share that is wrong.

    Words without a normal form are each a thing of their own.
    """
    relations = load_relations()
    groups: dict[tuple[tuple[str, ...], _Places], list[tuple[float, float]]] = {}
    unread = [(weight, share) for forms, weight, share in told if not forms]
    # Who tells side and place comes first, so that who does not can be told of the same.
    for forms, weight, share in sorted((one for one in told if one[0]), key=lambda one: not _is_placed(one[0])):
        names = tuple(min(relations.names(form.concept)) for form in forms)
        places: _Places = tuple((form.side, relations.telling_places(form)) for form in forms)
        if not _is_placed(forms):
            places = next((known for same, known in groups if same == names), places)
        groups.setdefault((names, places), []).append((weight, share))
    return [
        (max(weight for weight, _ in group), sum(share for _, share in group) / len(group))
        for group in [*groups.values(), *([each] for each in unread)]
    ]


def _is_placed(forms: Iterable[NormalForm]) -> bool:
    return any(form.side is not None or load_relations().telling_places(form) for form in forms)


def _weighed(finding: Finding) -> tuple[tuple[NormalForm, ...], float]:
    """Return what a finding says is there, and what that weighs; a hedge is less than an assertion."""
    forms, weights = _abnormal(finding), load_significances()
    significance = _significance(forms, _words(finding))
    if significance is None:
        return forms, 0.0
    hedged = all(form.certainty is Certainty.UNCERTAIN for form in forms)
    return forms, weights.weight(significance) * (weights.share(ErrorAttribute.CERTAINTY) if hedged else 1.0)


class _Prediction:
    """What a reasoning tells, read as facts when something of the reference is not simply held by it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = findings

    @cached_property
    def _facts(self) -> Facts:
        return facts_of_list([understood(finding) for finding in self._findings], load_relations())

    def share_missed(self, finding: Finding, *, recalled: bool) -> float:
        """Return which share of a reference finding is missed: all, or what a wrong detail or a wider word costs.

        It is never less than what the finding matters more than what is told: large for small, misplaced for placed.
        """
        weights, significance = load_significances(), significance_of(finding)
        if significance is None:
            return 0.0
        forms, whole = _abnormal(finding), weights.weight(significance)
        if recalled and not (whole > max(weights.weight(weights.of(form.concept)) for form in forms)):
            return 0.0  # it does not matter more than any of its kind, and is held
        near, share = self._nearest(finding, recalled=recalled)
        if not near or not whole:
            return share
        said = max(weights.weight(weights.of_form(fact.form, fact.words)) for fact in near)
        return max(share, 1 - said / whole)

    def _nearest(self, finding: Finding, *, recalled: bool) -> tuple[tuple[Fact, ...], float]:
        """Return what is told that comes nearest to a finding, and which share of the finding is missed by it."""
        share_of, forms = load_significances().share, understood(finding).normal_forms
        outcome = combine([judge_form(form, self._facts) for form in forms], forms)
        error = error_of(outcome.verdict, outcome.reason)
        if recalled:
            return outcome.facts, 0.0
        if error is not ErrorAttribute.PRESENCE or outcome.verdict is not Verdict.UNMENTIONED_ABNORMAL:
            return outcome.facts if error in _DETAILS else (), share_of(error)
        wider = [(form, fact) for form in forms for fact in self._wider(form)]
        if not wider:
            return (), share_of(error)
        aside = all(len({form.side, fact.form.side} - {None, Side.BILATERAL}) > 1 for form, fact in wider)
        return tuple(fact for _, fact in wider), share_of(ErrorAttribute.SIDE if aside else ErrorAttribute.QUALITY)

    def _wider(self, form: NormalForm) -> Iterator[Fact]:
        """Give what is told of the kinds of things that a form is an instance of."""
        relations = self._facts.relations
        for concept in relations.chain(form.concept):
            if not relations.says_little(concept):
                yield from (fact for fact in self._facts.present.get(concept, ()) if fact.form.concept == concept)


_DETAILS = frozenset(ErrorAttribute) - {ErrorAttribute.PRESENCE, ErrorAttribute.CERTAINTY}


def _invented(judged: JudgedFinding, report: str) -> _Told:
    """Return what a wrong finding says is there, or denies, and what that costs."""
    weights, share = load_significances(), load_significances().share(judged.error)
    if _abnormal(judged.finding):
        return (*_weighed(judged.finding), share)
    return understood(judged.finding).normal_forms, weights.weight(_significance_denied(judged, report)), share


def _significance_denied(judged: JudgedFinding, report: str) -> Significance:
    """Return how much the things matter that the report names and a finding denies; else what it denies in itself."""
    forms, facts = understood(judged.finding).normal_forms, report_facts(report)
    relations = facts.relations
    denied = [
        concept
        for form in forms
        for concept in (
            relations.normals[form.concept].broken_by if form.concept in relations.normals else (form.concept,)
        )
    ]
    against = [
        fact for concept in denied for fact in facts.instances(concept) if _stands_in(fact.quote, judged.evidence)
    ]
    found = [load_significances().of_form(fact.form, fact.words) for fact in against]
    found = found or [load_significances().of(form.concept) for form in forms if form.concept not in relations.normals]
    return highest(found) if found else Significance.NOTABLE


def _stands_in(quote: Quote | None, evidence: Iterable[Quote]) -> bool:
    return quote is not None and any(quote.start < one.end and one.start < quote.end for one in evidence)


def _abnormal(finding: Finding) -> tuple[NormalForm, ...]:
    """Return what a finding says is there."""
    normals = load_relations().normals
    return tuple(
        form for form in understood(finding).normal_forms if asserts_presence(form) and form.concept not in normals
    )


def _significance(forms: Sequence[NormalForm], words: str) -> Significance | None:
    return highest(load_significances().of_form(form, words) for form in forms) if forms else None


def _words(finding: Finding) -> str:
    return f"{finding.observation} {finding.status}".lower()
