"""The chain of the rules engine: what is looked for, what is seen, and the answer that follows.

In the plain wording findings are told one after the other; else they are told by region (`grouped.py`).
"""

from cxr.miner.mine.engines import grouped, named, temporal
from cxr.miner.mine.engines.nouns import enumerated, named_as, noun_of
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.pack import pack
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.vocabulary import Presence, Task

Step = tuple[str, tuple[int, ...]]


def chain_of(question: Question, plan: Plan, evidence: tuple[Evidence, ...], report_text: str, voice: Voice) -> Chain:
    """Return the reasoning about a question; the report only tells what two pieces of evidence have in common."""
    opening, observations = _observe(question, plan, evidence, report_text, voice)
    steps = [(opening, ()), *observations, (_conclusion(question, voice), ())]
    return Chain(
        steps=tuple(
            ChainStep(step_no=number, text=text, evidence=numbers)
            for number, (text, numbers) in enumerate(steps, start=1)
        ),
        answer=question.answer,
    )


def _observe(
    question: Question, plan: Plan, evidence: tuple[Evidence, ...], report_text: str, voice: Voice
) -> tuple[str, list[Step]]:
    """Return the opening, and the steps between it and the conclusion."""
    said = pack().wording.sentences
    if question.task in {Task.BINARY, Task.TEMPORAL}:
        return _opening(question, plan.items[0], voice), [(each.statement, (each.evidence_no,)) for each in evidence]
    if question.task is Task.ANOMALY or (not voice.plain and grouped.in_reading_order(plan)):
        opening = voice.say(said.open_anomaly, "open")
    else:
        names = [named_as(item.finding if voice.plain else named.without_degree(item.finding)) for item in plan.items]
        opening = voice.say(said.open_options, "open", findings=enumerated(names))
    if not voice.plain:
        return opening, grouped.steps(question, plan, evidence, report_text, voice)
    if question.task is Task.ANOMALY:
        return opening, _region_by_region(plan, evidence)
    return opening, [
        (f"{_turn(number, len(evidence))}, {_search(item)}. {piece.statement}", (piece.evidence_no,))
        for number, (item, piece) in enumerate(zip(plan.items, evidence, strict=True))
    ]


def _opening(question: Question, item: PlanItem, voice: Voice) -> str:
    said, signs = pack().wording.sentences, pack().signs.get(item.finding)
    wordings = said.open_binary if question.task is Task.BINARY else said.open_temporal
    name = named_as(item.finding if voice.plain else named.without_degree(item.finding))
    opening = voice.say(wordings, "open", finding=name, search=_search(item, name), look_for=item.look_for)
    where = "" if voice.plain or signs is None else voice.maybe(signs.where, "where")
    return f"{opening} {where}".rstrip()


def _turn(number: int, total: int) -> str:
    if number == 0:
        return "First"
    return "Finally" if number == total - 1 else ("Next", "Then")[number % 2]


def _search(item: PlanItem, name: str = "") -> str:
    search = pack().wording.sentences.search[0]
    return search.format(finding=name or named_as(item.finding), look_for=item.look_for)


def _region_by_region(plan: Plan, evidence: tuple[Evidence, ...]) -> list[Step]:
    said = pack().wording.sentences
    regions: dict[str, list[Evidence]] = {}
    for item, piece in zip(plan.items, evidence, strict=True):
        regions.setdefault(named.read_in(item.finding), []).append(piece)
    steps: list[Step] = []
    for region, pieces in regions.items():
        # What is there comes first, what is not there follows in one breath.
        sentences = [piece.statement for piece in pieces if piece.presence is Presence.PRESENT]
        if absent := [noun_of(piece.finding) for piece in pieces if piece.presence is Presence.ABSENT]:
            sentences.append(said.none_of[0].format(findings=enumerated(absent, "or")))
        looked_for = enumerated(list(dict.fromkeys(named.looked_for(piece.finding) for piece in pieces)))
        step = said.in_region[0].format(region=region, looked_for=looked_for, seen=" ".join(sentences))
        steps.append((step, tuple(piece.evidence_no for piece in pieces)))
    return steps


def _conclusion(question: Question, voice: Voice) -> str:
    said = pack().wording.sentences
    if question.task is Task.TEMPORAL:
        return temporal.conclusion(question, voice)
    if question.task is Task.BINARY:
        close = said.close_yes if question.answer == "Yes" else said.close_no
        finding = question.findings[0] if voice.plain else named.without_degree(question.findings[0])
        return voice.say(close, "close", finding=named_as(finding), answer=question.answer)
    if question.task is Task.ANOMALY:  # the answer is these very names
        shown = enumerated([named_as(finding) for finding in question.answer_findings])
        return voice.say(said.close_anomaly, "close", findings=shown)
    names = [finding if voice.plain else named.without_degree(finding) for finding in question.answer_findings]
    shown = enumerated([named_as(name) for name in names])
    return voice.say(said.close_options, "close", findings=shown, answer=question.answer)
