"""A score beside RadRScore that weighs findings by their significance.

Every finding has a cost: one that the reference states and the reasoning misses, and one that the reasoning states
and the report does not bear out. What is there and wrong in one detail costs a share of it. Normals and denials cost
nothing unless the report contradicts them; then they cost what is denied. The score is the part that is right, of it
and all costs, where every study begins with what one notable finding is worth: so a study without findings has a
score too, and a miss costs more the more it matters.
"""

from collections.abc import Iterable, Sequence

from cxr.miner.judge.facts import facts_of_list
from cxr.miner.judge.radrscore import ScoredReasoning
from cxr.miner.judge.reasons import error_of
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.rules import report_facts
from cxr.miner.judge.significance import highest, load_significances
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import asserts_presence, combine, judge_form
from cxr.schemas import Finding, Frozen, JudgedFinding, NormalForm, Quote, Significance


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
    return _significance([form for form in understood(finding).normal_forms if _is_abnormal(form)], _words(finding))


def weigh(scored: ScoredReasoning, report: str) -> WeightedScore:
    """Weigh a scored reasoning by the significance of its findings and of those it misses."""
    weights = load_significances()
    stated = [
        (finding, weights.weight(significance), recalled)
        for finding, recalled in zip(scored.reference, scored.recalled, strict=True)
        if (significance := significance_of(finding)) is not None
    ]
    misses = [(finding, weight) for finding, weight, recalled in stated if not recalled]
    shares = _shares_missed([finding for finding, _ in misses], scored.prediction)
    missed = sum(weight * share for (_, weight), share in zip(misses, shares, strict=True))
    return WeightedScore(
        right=sum(weight for _, weight, _ in stated) - missed,
        missed=missed,
        false=sum(_cost(judged, report) for judged in scored.prediction if judged.factual is False),
        start=weights.weight(Significance.NOTABLE),
    )


def _shares_missed(missed: Sequence[Finding], prediction: Sequence[JudgedFinding]) -> list[float]:
    """Return which share of each finding is missed: all, or what the detail costs that alone is told otherwise."""
    if not missed:
        return []
    told = facts_of_list([understood(one.finding) for one in prediction if one.factual is not None], load_relations())
    outcomes = [
        combine([judge_form(form, told) for form in forms], forms)
        for forms in (understood(finding).normal_forms for finding in missed)
    ]
    return [load_significances().share(error_of(outcome.verdict, outcome.reason)) for outcome in outcomes]


def _cost(judged: JudgedFinding, report: str) -> float:
    """Return what a wrong finding costs: the weight of what it invents, or of what it denies."""
    weights = load_significances()
    significance = significance_of(judged.finding)
    if significance is None:
        significance = _significance_denied(judged, report)
    return weights.weight(significance) * weights.share(judged.error)


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


def _is_abnormal(form: NormalForm) -> bool:
    return asserts_presence(form) and form.concept not in load_relations().normals


def _significance(forms: Sequence[NormalForm], words: str) -> Significance | None:
    return highest(load_significances().of_form(form, words) for form in forms) if forms else None


def _words(finding: Finding) -> str:
    return f"{finding.observation} {finding.status}".lower()
