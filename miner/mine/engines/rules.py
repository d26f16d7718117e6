"""The `rules` engine: plan, evidence and chain from the language layer, offline and deterministic.

What the report says of a finding is what our labeler found: its mentions decide the label, and the same
mentions, with their places, become the evidence. Where no mention speaks of a finding it is inferred normal
(paper, section 2).
"""

from collections.abc import Sequence

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon
from cxr.miner.language.coverage import coverage
from cxr.miner.language.labeler import LabelEvidence, label_evidence
from cxr.miner.language.version import VERSION_LENGTH
from cxr.miner.mine.engines import named, temporal
from cxr.miner.mine.engines.nouns import is_plural, plural, with_article
from cxr.miner.mine.engines.pieces import against_answer, evidence_of
from cxr.miner.mine.engines.wording import describe, describe_borderline, more_telling
from cxr.miner.mine.job import SyncRunner
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding, NormalForm
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Certainty, EvidenceKind, Presence, RejectReason, Side, Task, Verdict

# Beside the judge, which rests on the reader: how evidence is worded, and which checks it has to pass.
_CODE = (
    *(f"cxr.miner.mine.engines.{name}" for name in ("rules", "named", "nouns", "pieces", "temporal", "wording")),
    *("cxr.miner.mine.checks", "cxr.miner.mine.assertion"),
)


class RulesEngine:
    """The offline engine; it knows what to look for in each label that questions are about, and in each region."""

    name = "rules"

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that stand for the code of engine, judge and reader, and every word of the pack."""
        return digest("rules engine", RulesJudge().version, code_digest(*_CODE), length=VERSION_LENGTH)

    def settings(self) -> dict[str, object]:
        """Return everything that can change a chain: the version knows it all."""
        return {"engine": self.name, "engine_version": self.version}

    def plan(self, question: Question, report: Report) -> Plan:  # noqa: ARG002 - a plan does not need the report
        """Return the signs of every finding of the question.

        Raises MiningReject for words that nobody knows, and for an answer that names no finding where it must.
        """
        _demand_answer(question)
        findings = _in_order_of_options(question)
        if question.task is Task.ANOMALY:
            regions = list(dict.fromkeys(signs.region for signs in pack().signs.values()))
            findings = sorted(findings, key=lambda finding: regions.index(_region(finding)))
        return Plan(
            items=tuple(PlanItem(finding=finding, look_for=_look_for(question, finding)) for finding in findings)
        )

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Return one piece of evidence per planned finding, with the mentions that decided it as quotes.

        Raises MiningReject where what the report says contradicts the question's answer.
        """
        known = label_evidence(report.text)
        if question.task is Task.TEMPORAL:
            finding = question.findings[0]
            return (temporal.change_evidence(question, _noun(finding), known.get(finding, ())),)
        numbered = [
            (number, item.finding, item.finding in question.answer_findings)
            for number, item in enumerate(plan.items, start=1)
        ]
        labeled = [
            _evidence(number, finding, expected, known[finding])
            for number, finding, expected in numbered
            if finding in pack().signs
        ]
        _demand_understood(report, labeled)
        _demand_silence(report, [piece.finding for piece in labeled if piece.presence is Presence.ABSENT])
        in_words = named.named_evidence(report.text, [each for each in numbered if each[1] not in pack().signs])
        return tuple(sorted([*labeled, *in_words], key=lambda piece: piece.evidence_no))

    def chain(
        self,
        question: Question,
        plan: Plan,
        evidence: tuple[Evidence, ...],
        report: Report,  # noqa: ARG002
    ) -> Chain:
        """Return the reasoning: what is looked for, what is seen, and the answer that follows."""
        opening, observations = _observe(question, plan, evidence)
        steps = [(opening, ()), *observations, (_conclusion(question), ())]
        return Chain(
            steps=tuple(
                ChainStep(step_no=number, text=text, evidence=numbers)
                for number, (text, numbers) in enumerate(steps, start=1)
            ),
            answer=question.answer,
        )


def _demand_answer(question: Question) -> None:
    """Reject a stored question whose answer names no finding; only binary ("No") and temporal (a change) may."""
    if question.task not in {Task.BINARY, Task.TEMPORAL} and not question.answer_findings:
        raise MiningReject(
            RejectReason.BAD_VALUE,
            f"the question has no answer_findings, and the answer to a question of the task {question.task} names at "
            "least one finding; make it again with `cxr ask`",
        )


def _noun(finding: str) -> str:
    signs = pack().signs.get(finding)
    return (signs and signs.noun) or finding.lower()


def _named(finding: str) -> str:
    """Name a finding in the middle of a sentence: with an article where it is one of several."""
    return finding.lower() if is_plural(finding.lower()) else with_article(_noun(finding))


def _region(finding: str) -> str:
    """Return the part of the reading in which a finding's turn comes."""
    signs = pack().signs.get(finding)
    return named.region_of(finding).read_in if signs is None else signs.region


def _in_order_of_options(question: Question) -> list[str]:
    # The options of a temporal question are changes, not findings.
    offered = [finding for option in question.options for finding in option.findings if finding in question.findings]
    return list(dict.fromkeys([*offered, *question.findings]))


def _look_for(question: Question, finding: str) -> str:
    signs = pack().signs.get(finding)
    if signs is None:
        return named.region_of(finding).look_for
    wordings = signs.look_for
    return wordings[int(digest(question.question_id, finding, length=8), 16) % len(wordings)]


# --- evidence ----------------------------------------------------------------------------------------------


def _evidence(number: int, finding: str, expected: bool, mentions: Sequence[LabelEvidence]) -> Evidence:  # noqa: FBT001
    present = [mention for mention in mentions if mention.value == 1]
    uncertain = [mention for mention in mentions if mention.value == -1]
    absent = [mention for mention in mentions if mention.value == 0 and _rules_out(mention)]
    if expected:
        return _present(number, finding, _asserted(finding, present, uncertain))
    if present or uncertain:
        said = "present" if present else "possible"
        raise against_answer(finding, Presence.ABSENT, f"the report says that it is {said}")
    statement = _absence(finding, absent)
    return evidence_of(number, finding, Presence.ABSENT, statement, (mention.quote for mention in absent))


def _rules_out(mention: LabelEvidence) -> bool:
    """Return whether an absence is that of the whole finding: not of one side, one degree, or one removed device."""
    lexicon = load_lexicon()
    for form in mention.finding.normal_forms:
        one_of_many = lexicon.concepts[form.concept].kind == "device" and form.concept != pack().roles.device
        if form.side in {Side.LEFT, Side.RIGHT} or form.severity is not None or one_of_many:
            return False
    return True


def _asserted(
    finding: str, present: Sequence[LabelEvidence], uncertain: Sequence[LabelEvidence]
) -> Sequence[LabelEvidence]:
    """Leave out what the report only suspects; what is borderline may be described as such (it is not normal)."""
    certain = [mention for mention in present if not mention.hedge]
    borderline = [mention for mention in present if mention.hedge == "borderline"]
    described = any(label.borderline for label in pack().labels if label.name == finding)
    if certain or (borderline and described):
        return certain or borderline
    said = "only suspects it" if present or uncertain else "does not say so"
    raise against_answer(finding, Presence.PRESENT, f"the report {said}")


def _present(number: int, finding: str, mentions: Sequence[LabelEvidence]) -> Evidence:
    several = {form for mention in mentions if mention.several for form in mention.finding.normal_forms}
    forms = more_telling([form for mention in mentions for form in mention.finding.normal_forms])
    seen = list(dict.fromkeys(_in_words(form, several=form in several) for form in forms))
    said = _enumerate(seen)
    names = (_noun(finding), plural(_noun(finding)), *pack().wording.phrases.borderline.values())
    if not any(name in phrase for phrase in seen for name in names):
        said += _kind_of(finding, seen)
    statement = pack().wording.sentences.shows.format(seen=said)
    return evidence_of(number, finding, Presence.PRESENT, statement, (mention.quote for mention in mentions))


def _in_words(form: NormalForm, *, several: bool) -> str:
    if form.certainty is Certainty.UNCERTAIN:
        return with_article(describe_borderline(form))
    return with_article(describe(form, several=several))


def _kind_of(finding: str, seen: Sequence[str]) -> str:
    """Tie what is seen to the finding that the question names: ", a kind of X"."""
    signs, sentences = pack().signs[finding], pack().wording.sentences
    if len(seen) > 1 or (signs.kinds is not None and is_plural(seen[0])):
        said = signs.kinds or signs.kind or sentences.kinds
    else:
        said = signs.kind or sentences.kind
    return said.format(finding=_noun(finding))


def _demand_silence(report: Report, absent: Sequence[str]) -> None:
    """Reject a question that takes a finding as absent where the report has something of its kind.

    The report may name a kind of a finding that sets no label.
    """
    denials = [Finding(observation=finding, status="not present") for finding in absent]
    for judged in RulesJudge().verdicts(report.text, denials):
        if judged.verdict is Verdict.CONTRADICTED:
            raise against_answer(judged.finding.observation, Presence.ABSENT, in_plain_words(judged.reason))


def _demand_understood(report: Report, evidence: Sequence[Evidence]) -> None:
    """Reject a question that takes silence for absence where too little of the report was read."""
    silent = [piece.finding for piece in evidence if piece.kind is EvidenceKind.INFERRED_NORMAL]
    if silent and not coverage(report.text).understood:
        raise MiningReject(
            RejectReason.REPORT_NOT_UNDERSTOOD,
            f"the answer takes {_enumerate(silent)} as absent because the report does not say otherwise, and too "
            "little of the report was read for that; `cxr unread` says which words",
        )


def _absence(finding: str, mentions: Sequence[LabelEvidence]) -> str:
    """Return what is normal where the report says it of that very structure, else that the finding is not there."""
    lexicon, sentences = load_lexicon(), pack().wording.sentences
    if not mentions:
        return sentences.no_sign.format(finding=_named(finding))
    normals = [
        lexicon.concepts[form.concept].name
        for mention in mentions
        if mention.via is None
        for form in mention.finding.normal_forms
        if lexicon.concepts[form.concept].kind == "normal"
    ]
    if normals:
        return sentences.normal.format(normal=with_article(normals[0]), finding=_noun(finding))
    return sentences.not_seen.format(finding=_noun(finding))


def _enumerate(phrases: Sequence[str], conjunction: str = "and") -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} {conjunction} {phrases[-1]}"


# --- chain -------------------------------------------------------------------------------------------------

_Step = tuple[str, tuple[int, ...]]


def _observe(question: Question, plan: Plan, evidence: tuple[Evidence, ...]) -> tuple[str, list[_Step]]:
    """Return the opening, and a step per finding; anomalies are read region by region."""
    said = pack().wording.sentences
    if question.task is Task.ANOMALY:
        return _region_by_region(plan, evidence)
    if question.task in {Task.BINARY, Task.TEMPORAL}:
        item = plan.items[0]
        opening = said.open_binary if question.task is Task.BINARY else said.open_temporal
        opening = opening.format(finding=_named(item.finding), search=_search(item))
        return opening, [(each.statement, (each.evidence_no,)) for each in evidence]
    names = _enumerate([_named(item.finding) for item in plan.items])
    steps: list[_Step] = [
        (f"{_turn(number, len(evidence))}, {_search(item)}. {piece.statement}", (piece.evidence_no,))
        for number, (item, piece) in enumerate(zip(plan.items, evidence, strict=True))
    ]
    return said.open_options.format(findings=names), steps


def _looked_for(finding: str) -> str:
    """Name what is looked for in a region; a finding that only the answer names must not be given away before."""
    return _named(finding) if finding in pack().signs else named.region_of(finding).look_for


def _turn(number: int, total: int) -> str:
    if number == 0:
        return "First"
    return "Finally" if number == total - 1 else ("Next", "Then")[number % 2]


def _search(item: PlanItem) -> str:
    return pack().wording.sentences.search.format(finding=_named(item.finding), look_for=item.look_for)


def _region_by_region(plan: Plan, evidence: tuple[Evidence, ...]) -> tuple[str, list[_Step]]:
    said = pack().wording.sentences
    regions: dict[str, list[Evidence]] = {}
    for item, piece in zip(plan.items, evidence, strict=True):
        regions.setdefault(_region(item.finding), []).append(piece)
    steps: list[_Step] = []
    for region, pieces in regions.items():
        # What is there comes first, what is not there follows in one breath.
        sentences = [piece.statement for piece in pieces if piece.presence is Presence.PRESENT]
        if absent := [_noun(piece.finding) for piece in pieces if piece.presence is Presence.ABSENT]:
            sentences.append(said.none_of.format(findings=_enumerate(absent, "or")))
        looked_for = _enumerate(list(dict.fromkeys(_looked_for(piece.finding) for piece in pieces)))
        step = said.in_region.format(region=region, looked_for=looked_for, seen=" ".join(sentences))
        steps.append((step, tuple(piece.evidence_no for piece in pieces)))
    return said.open_anomaly, steps


def _conclusion(question: Question) -> str:
    said = pack().wording.sentences
    if question.task is Task.TEMPORAL:
        return temporal.conclusion(question)
    if question.task is Task.BINARY:
        close = said.close_yes if question.answer == "Yes" else said.close_no
        return close.format(finding=_named(question.findings[0]), answer=question.answer)
    shown = _enumerate([_named(finding) for finding in question.answer_findings])
    if question.task is Task.ANOMALY:
        return said.close_anomaly.format(findings=shown)
    return said.close_options.format(findings=shown, answer=question.answer)


RUNNER = SyncRunner(RulesEngine)
