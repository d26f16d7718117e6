"""The `rules` engine: plan, evidence and chain from the language layer, offline and deterministic.

What the report says of a finding is what our labeler found: its mentions decide the label, and the same
mentions, with their places, become the evidence. Where no mention speaks of a finding it is inferred normal
(paper, section 2).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.labeler import LabelEvidence, label_evidence
from cxr.miner.language.version import VERSION_LENGTH
from cxr.miner.mine.engines import named, temporal
from cxr.miner.mine.engines.nouns import is_plural, plural, with_article
from cxr.miner.mine.engines.wording import describe, describe_borderline, more_telling
from cxr.miner.mine.job import SyncRunner
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding, NormalForm
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Certainty, EvidenceKind, Finding14, Presence, RejectReason, Side, Task, Verdict

# Beside the judge, which rests on the reader: how evidence is worded, and which checks it has to pass.
_CODE = (
    *(f"cxr.miner.mine.engines.{name}" for name in ("rules", "named", "nouns", "temporal", "wording")),
    *("cxr.miner.mine.checks", "cxr.miner.mine.assertion"),
)


# Where the lexicon's regions come in the reading order of signs.toml.
_READ_WITH = {
    "lungs": "lungs",
    "airways": "lungs",
    "pleura": "pleura",
    "diaphragm": "pleura",
    "heart": "heart and mediastinum",
    "mediastinum": "heart and mediastinum",
    "hila": "heart and mediastinum",
    "aorta": "heart and mediastinum",
    "pulmonary_vessels": "heart and mediastinum",
    "bones": "bones",
    "spine": "bones",
}


class _Signs(NamedTuple):
    region: str
    noun: str
    look_for: tuple[str, ...]


@lru_cache(maxsize=1)
def _signs() -> dict[str, _Signs]:
    return {
        finding: _Signs(entry["region"], entry.get("noun", finding.lower()), tuple(entry["look_for"]))
        for finding, entry in pack().table("signs.toml").items()
    }


class RulesEngine:
    """The offline engine; it knows what to look for in each of the 12 findings that questions are about."""

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
            regions = list(dict.fromkeys(signs.region for signs in _signs().values()))
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
            return (temporal.change_evidence(question, _noun(finding), known[Finding14(finding)]),)
        numbered = [
            (number, item.finding, item.finding in question.answer_findings)
            for number, item in enumerate(plan.items, start=1)
        ]
        labeled = [
            _evidence(number, finding, expected, known[Finding14(finding)])
            for number, finding, expected in numbered
            if finding in _signs()
        ]
        _demand_silence(report, [piece.finding for piece in labeled if piece.presence is Presence.ABSENT])
        in_words = named.named_evidence(report.text, [each for each in numbered if each[1] not in _signs()])
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
    return _signs()[finding].noun if finding in _signs() else finding.lower()


def _named(finding: str) -> str:
    """Name a finding in the middle of a sentence: "a fracture", "support devices", "atelectasis"."""
    return finding.lower() if is_plural(finding.lower()) else with_article(_noun(finding))


def _region(finding: str) -> str:
    """Return the part of the reading in which a finding's turn comes."""
    if finding in _signs():
        return _signs()[finding].region
    return _READ_WITH.get(named.region_of(finding), "rest of the chest")


def _in_order_of_options(question: Question) -> list[str]:
    # The options of a temporal question are changes, not findings.
    offered = [finding for option in question.options for finding in option.findings if finding in question.findings]
    return list(dict.fromkeys([*offered, *question.findings]))


def _look_for(question: Question, finding: str) -> str:
    if finding not in _signs():
        return named.look_for(finding)
    wordings = _signs()[finding].look_for
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
        raise MiningReject(
            RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
            f"the answer takes {finding} as absent, and the report says that it is {said}",
        )
    if absent:
        return Evidence(
            evidence_no=number,
            finding=finding,
            kind=EvidenceKind.QUOTED,
            presence=Presence.ABSENT,
            statement=_absence(finding, absent),
            quotes=_quotes(absent),
        )
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.INFERRED_NORMAL,
        presence=Presence.ABSENT,
        statement=f"There is no sign of {_named(finding)}.",
    )


def _rules_out(mention: LabelEvidence) -> bool:
    """Return whether an absence is that of the whole finding: not of one side, one degree, or one removed device."""
    lexicon = load_lexicon()
    for form in mention.finding.normal_forms:
        one_of_many = lexicon.concepts[form.concept].kind == "device" and form.concept != "device"
        if form.side in {Side.LEFT, Side.RIGHT} or form.severity is not None or one_of_many:
            return False
    return True


def _asserted(
    finding: str, present: Sequence[LabelEvidence], uncertain: Sequence[LabelEvidence]
) -> Sequence[LabelEvidence]:
    """Leave out what the report only suspects; a heart of borderline size is described as such (it is not normal)."""
    certain = [mention for mention in present if not mention.hedge]
    borderline = [mention for mention in present if mention.hedge == "borderline"]
    if certain or (borderline and finding == str(Finding14.CARDIOMEGALY)):
        return certain or borderline
    said = "only suspects it" if present or uncertain else "does not say so"
    raise MiningReject(
        RejectReason.EVIDENCE_CONTRADICTS_ANSWER, f"the answer takes {finding} as present, and the report {said}"
    )


def _present(number: int, finding: str, mentions: Sequence[LabelEvidence]) -> Evidence:
    several = {form for mention in mentions if mention.several for form in mention.finding.normal_forms}
    forms = more_telling([form for mention in mentions for form in mention.finding.normal_forms])
    seen = list(dict.fromkeys(_in_words(form, several=form in several) for form in forms))
    statement = f"The image shows {_enumerate(seen)}"
    names = (_noun(finding), plural(_noun(finding)), "borderline enlarged heart")
    if not any(name in phrase for phrase in seen for name in names):
        statement += _kind_of(finding, seen)
    return Evidence(
        evidence_no=number,
        finding=finding,
        kind=EvidenceKind.QUOTED,
        presence=Presence.PRESENT,
        statement=f"{statement}.",
        quotes=_quotes(mentions),
    )


def _in_words(form: NormalForm, *, several: bool) -> str:
    if form.certainty is Certainty.UNCERTAIN:
        return with_article(describe_borderline(form))
    return with_article(describe(form, several=several))


def _kind_of(finding: str, seen: Sequence[str]) -> str:
    """Tie what is seen to the finding that the question names: ", a kind of lung lesion"."""
    if finding == str(Finding14.SUPPORT_DEVICES):
        many = len(seen) > 1 or is_plural(seen[0])
        return ", which are support devices" if many else ", a support device"
    if finding == str(Finding14.ENLARGED_CARDIOMEDIASTINUM):
        return ", that is, an enlarged cardiomediastinum"
    return f", {'kinds' if len(seen) > 1 else 'a kind'} of {_noun(finding)}"


def _demand_silence(report: Report, absent: Sequence[str]) -> None:
    """Reject a question that takes a finding as absent where the report has something of its kind.

    Labels name 14 findings; the report may name a kind of one that sets no label (a granuloma is a lung lesion).
    """
    denials = [Finding(observation=finding, status="not present") for finding in absent]
    for judged in RulesJudge().verdicts(report.text, denials):
        if judged.verdict is Verdict.CONTRADICTED:
            raise MiningReject(
                RejectReason.EVIDENCE_CONTRADICTS_ANSWER,
                f"the answer takes {judged.finding.observation} as absent, and {in_plain_words(judged.reason)}",
            )


def _absence(finding: str, mentions: Sequence[LabelEvidence]) -> str:
    """Return what is normal where the report says it of that very structure, else that the finding is not there."""
    lexicon = load_lexicon()
    normals = [
        lexicon.concepts[form.concept].name
        for mention in mentions
        if mention.via is None
        for form in mention.finding.normal_forms
        if lexicon.concepts[form.concept].kind == "normal"
    ]
    if normals:
        return f"The image shows {with_article(normals[0])}, with no {_noun(finding)}."
    return f"No {_noun(finding)} is seen."


def _quotes(mentions: Sequence[LabelEvidence]) -> tuple[Quote, ...]:
    return tuple(dict.fromkeys(mention.quote for mention in mentions))[:MOST_QUOTES]


def _enumerate(phrases: Sequence[str], conjunction: str = "and") -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} {conjunction} {phrases[-1]}"


# --- chain -------------------------------------------------------------------------------------------------

_Step = tuple[str, tuple[int, ...]]


def _observe(question: Question, plan: Plan, evidence: tuple[Evidence, ...]) -> tuple[str, list[_Step]]:
    """Return the opening, and a step per finding; anomalies are read region by region."""
    if question.task is Task.BINARY:
        (item,) = plan.items
        opening = f"To decide whether this chest X-ray shows {_named(item.finding)}, {_search(item)}."
        return opening, [(piece.statement, (piece.evidence_no,)) for piece in evidence]
    if question.task is Task.TEMPORAL:
        return temporal.opening(_search(plan.items[0])), [(piece.statement, (piece.evidence_no,)) for piece in evidence]
    if question.task is Task.ANOMALY:
        return _region_by_region(plan, evidence)
    names = _enumerate([_named(item.finding) for item in plan.items])
    steps: list[_Step] = [
        (f"{_turn(number, len(evidence))}, {_search(item)}. {piece.statement}", (piece.evidence_no,))
        for number, (item, piece) in enumerate(zip(plan.items, evidence, strict=True))
    ]
    return f"I look for {names}, one after the other.", steps


def _looked_for(finding: str) -> str:
    """Name what is looked for in a region; a finding that only the answer names must not be given away before."""
    return _named(finding) if finding in _signs() else named.look_for(finding)


def _turn(number: int, total: int) -> str:
    if number == 0:
        return "First"
    return "Finally" if number == total - 1 else ("Next", "Then")[number % 2]


def _search(item: PlanItem) -> str:
    return f"I look for signs of {_named(item.finding)}, such as {item.look_for}"


def _region_by_region(plan: Plan, evidence: tuple[Evidence, ...]) -> tuple[str, list[_Step]]:
    regions: dict[str, list[Evidence]] = {}
    for item, piece in zip(plan.items, evidence, strict=True):
        regions.setdefault(_region(item.finding), []).append(piece)
    steps: list[_Step] = []
    for region, pieces in regions.items():
        # What is there comes first, what is not there follows in one breath.
        present = [piece.statement for piece in pieces if piece.presence is Presence.PRESENT]
        absent = [_noun(piece.finding) for piece in pieces if piece.presence is Presence.ABSENT]
        sentences = [*present, *([f"There is no {_enumerate(absent, 'or')}."] if absent else [])]
        numbers = tuple(piece.evidence_no for piece in pieces)
        looked = _enumerate(list(dict.fromkeys(_looked_for(piece.finding) for piece in pieces)))
        steps.append((f"In the {region}, I look for {looked}. {' '.join(sentences)}", numbers))
    return "I go through the image region by region, from the lungs to whatever was placed in the chest.", steps


def _conclusion(question: Question) -> str:
    if question.task is Task.TEMPORAL:
        return temporal.conclusion(question)
    if question.task is Task.BINARY:
        finding = _named(question.findings[0])
        shows = "shows" if question.answer == "Yes" else "does not show"
        return f"In conclusion, this chest X-ray {shows} {finding}: the answer is {question.answer}."
    shown = _enumerate([_named(finding) for finding in question.answer_findings])
    if question.task is Task.ANOMALY:
        return f"In conclusion, this chest X-ray shows {shown}."
    return f"In conclusion, this chest X-ray shows {shown}: the answer is {question.answer}."


RUNNER = SyncRunner(RulesEngine)
