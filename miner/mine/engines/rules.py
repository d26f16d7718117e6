"""The `rules` engine: plan, evidence and chain from the language layer, offline and deterministic.

What the report says of a finding is what our labeler found: its mentions decide the label, and the same
mentions, with their places, become the evidence. Where no mention speaks of a finding it is inferred normal
(paper, section 2).
"""

from collections.abc import Container, Sequence
from functools import lru_cache

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.facts import stated
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.judge.relations import load_relations
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language import load_lexicon
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.labeler import LabelEvidence, label_evidence
from cxr.miner.language.version import VERSION_LENGTH
from cxr.miner.mine.engines import absence, named, temporal
from cxr.miner.mine.engines.backing import backed, on_topic
from cxr.miner.mine.engines.nouns import enumerated, is_plural, named_as, noun_of, plural, with_article
from cxr.miner.mine.engines.pieces import against_answer, evidence_of
from cxr.miner.mine.engines.wording import describe, describe_borderline, merged
from cxr.miner.mine.job import SyncRunner
from cxr.miner.mine.relevance import denies_less
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding, NormalForm
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Certainty, Presence, RejectReason, Task, Verdict

_PARTS = ("rules", "absence", "backing", "named", "nouns", "pieces", "temporal", "wording")
# Beside the judge, which rests on the reader: how evidence is worded, and which checks it has to pass.
_CODE = (
    *(f"cxr.miner.mine.engines.{name}" for name in _PARTS),
    *(
        f"cxr.miner.mine.{name}"
        for name in ("checks", "assertion", "details", "relevance", "talk", "understood", "unquoted", "words")
    ),
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
            return (temporal.change_evidence(question, noun_of(finding), known.get(finding, ())),)
        numbered = [
            (number, item.finding, item.finding in question.answer_findings)
            for number, item in enumerate(plan.items, start=1)
        ]
        labeled = [
            _evidence(number, finding, expected, known[finding], report.text)
            for number, finding, expected in numbered
            if finding in pack().signs
        ]
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


def _evidence(
    number: int,
    finding: str,
    expected: bool,  # noqa: FBT001
    mentions: Sequence[LabelEvidence],
    report_text: str,
) -> Evidence:
    present = [mention for mention in mentions if mention.value == 1]
    uncertain = [mention for mention in mentions if mention.value == -1]
    if expected:
        return _present(number, finding, _asserted(finding, present, uncertain), report_text)
    if present or uncertain:
        said = "present" if present else "possible"
        raise against_answer(finding, Presence.ABSENT, f"the report says that it is {said}")
    absent = [
        mention
        for mention in mentions
        if mention.value == 0
        and absence.rules_out(mention)
        and on_topic([mention.quote], finding, Presence.ABSENT, report_text)
    ]
    quotes = [mention.quote for mention in absent]
    piece = evidence_of(number, finding, Presence.ABSENT, absence.statement(finding, absent), quotes)
    return (
        evidence_of(number, finding, Presence.ABSENT, absence.statement(finding, ())) if denies_less(piece) else piece
    )


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


def _present(number: int, finding: str, mentions: Sequence[LabelEvidence], report_text: str) -> Evidence:
    placed = _with_shared_places(report_text)
    said_of = merged([(form, mention.several) for mention in mentions for form in placed[mention.mention]])
    forms = [form for form, _ in said_of]
    words_said = {word for mention in mentions for word in mention.quote.text.lower().split()}

    def say(forms: Sequence[NormalForm]) -> str:
        counted = zip(forms, said_of, strict=True)
        seen = list(
            dict.fromkeys(_in_words(form, several=several, words_said=words_said) for form, (_, several) in counted)
        )
        said = enumerated(seen)
        names = (noun_of(finding), plural(noun_of(finding)), *pack().wording.phrases.borderline.values())
        if not any(name in phrase for phrase in seen for name in names):
            said += _kind_of(finding, seen)
        return pack().wording.sentences.shows.format(seen=said)

    quotes = on_topic(_telling(mentions, forms), finding, Presence.PRESENT, report_text)
    statement, quotes = backed(say, forms, quotes or [mention.quote for mention in mentions], report_text)
    return evidence_of(number, finding, Presence.PRESENT, statement, quotes, most=len(quotes))


@lru_cache(maxsize=256)
def _with_shared_places(report_text: str) -> dict[int, tuple[NormalForm, ...]]:
    """Return the forms of each mention with the side and place that its sentence gives to all of one thing.

    A place in another organ than its own ("an X of the left lower Z and a Y") gives a Y its side alone.
    """
    analysis, lexicon = analyse_report(report_text), load_lexicon()
    forms: dict[int, tuple[NormalForm, ...]] = {}
    for index, placed, _ in stated(analysis, load_relations()):
        form = analysis.mentions[index].form
        organ = lexicon.concepts[form.concept].region
        there = form.locations or all(lexicon.parts[place].region.id == organ for place in placed.locations)
        told = {"side": placed.side, "severity": placed.severity, "locations": placed.locations if there else ()}
        forms[index] = (*forms.get(index, ()), form.model_copy(update=told))
    return forms


def _telling(mentions: Sequence[LabelEvidence], forms: Sequence[NormalForm]) -> list[Quote]:
    """Return the quotes in text order: of everything that is said one, then others up to what one reads."""
    first = {
        form.concept: mention.quote
        for form in forms
        for mention in reversed(mentions)
        if any(read.concept == form.concept for read in mention.finding.normal_forms)
    }
    quotes = list(dict.fromkeys([*first.values(), *(mention.quote for mention in mentions)]))
    return sorted(quotes[: max(MOST_QUOTES, len(first))], key=lambda quote: quote.start)


def _in_words(form: NormalForm, *, several: bool, words_said: Container[str]) -> str:
    if form.certainty is Certainty.UNCERTAIN:
        return with_article(describe_borderline(form))
    return with_article(describe(form, several=several, words_said=words_said))


def _kind_of(finding: str, seen: Sequence[str]) -> str:
    """Tie what is seen to the finding that the question names: ", a kind of X"."""
    signs, sentences = pack().signs[finding], pack().wording.sentences
    if len(seen) > 1 or (signs.kinds is not None and is_plural(seen[0])):
        said = signs.kinds or signs.kind or sentences.kinds
    else:
        said = signs.kind or sentences.kind
    return said.format(finding=noun_of(finding))


def _demand_silence(report: Report, absent: Sequence[str]) -> None:
    """Reject a question that takes a finding as absent where the report has something of its kind.

    The report may name a kind of a finding that sets no label.
    """
    denials = [Finding(observation=finding, status="not present") for finding in absent]
    for judged in RulesJudge().verdicts(report.text, denials):
        if judged.verdict is Verdict.CONTRADICTED:
            raise against_answer(judged.finding.observation, Presence.ABSENT, in_plain_words(judged.reason))


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
        opening = opening.format(finding=named_as(item.finding), search=_search(item))
        return opening, [(each.statement, (each.evidence_no,)) for each in evidence]
    names = enumerated([named_as(item.finding) for item in plan.items])
    steps: list[_Step] = [
        (f"{_turn(number, len(evidence))}, {_search(item)}. {piece.statement}", (piece.evidence_no,))
        for number, (item, piece) in enumerate(zip(plan.items, evidence, strict=True))
    ]
    return said.open_options.format(findings=names), steps


def _looked_for(finding: str) -> str:
    """Name what is looked for in a region; a finding that only the answer names must not be given away before."""
    return named_as(finding) if finding in pack().signs else named.region_of(finding).look_for


def _turn(number: int, total: int) -> str:
    if number == 0:
        return "First"
    return "Finally" if number == total - 1 else ("Next", "Then")[number % 2]


def _search(item: PlanItem) -> str:
    return pack().wording.sentences.search.format(finding=named_as(item.finding), look_for=item.look_for)


def _region_by_region(plan: Plan, evidence: tuple[Evidence, ...]) -> tuple[str, list[_Step]]:
    said = pack().wording.sentences
    regions: dict[str, list[Evidence]] = {}
    for item, piece in zip(plan.items, evidence, strict=True):
        regions.setdefault(_region(item.finding), []).append(piece)
    steps: list[_Step] = []
    for region, pieces in regions.items():
        # What is there comes first, what is not there follows in one breath.
        sentences = [piece.statement for piece in pieces if piece.presence is Presence.PRESENT]
        if absent := [noun_of(piece.finding) for piece in pieces if piece.presence is Presence.ABSENT]:
            sentences.append(said.none_of.format(findings=enumerated(absent, "or")))
        looked_for = enumerated(list(dict.fromkeys(_looked_for(piece.finding) for piece in pieces)))
        step = said.in_region.format(region=region, looked_for=looked_for, seen=" ".join(sentences))
        steps.append((step, tuple(piece.evidence_no for piece in pieces)))
    return said.open_anomaly, steps


def _conclusion(question: Question) -> str:
    said = pack().wording.sentences
    if question.task is Task.TEMPORAL:
        return temporal.conclusion(question)
    if question.task is Task.BINARY:
        close = said.close_yes if question.answer == "Yes" else said.close_no
        return close.format(finding=named_as(question.findings[0]), answer=question.answer)
    shown = enumerated([named_as(finding) for finding in question.answer_findings])
    if question.task is Task.ANOMALY:
        return said.close_anomaly.format(findings=shown)
    return said.close_options.format(findings=shown, answer=question.answer)


RUNNER = SyncRunner(RulesEngine)
