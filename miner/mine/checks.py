"""The medical checks that plan, evidence and chain of every engine must pass; each says what is wrong, never quotes.

A failed check gives a `Rejection`: for the `llm` engine its message goes back to the model, and what still fails
becomes a row of `rejects`. Messages therefore name findings and numbers, but never words of a report.
"""

import re
from functools import partial

from cxr.miner.language.grounding import locate
from cxr.miner.language.sentences import split_sentences
from cxr.miner.mine.details import check_details
from cxr.miner.mine.relevance import assures_all, check_relevance, topic_of
from cxr.miner.mine.talk import talk_of_a_report
from cxr.miner.mine.understood import check_understood
from cxr.miner.mine.unquoted import check_measured, check_statements
from cxr.miner.mine.words import words_of
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.rejection import Rejection
from cxr.schemas.study import Report
from cxr.schemas.text import Section
from cxr.schemas.vocabulary import EvidenceKind, Presence, RejectReason, Task

# A letter counts only as a capital, or the article of "the answer is a small X" would be option A; "Answer: A small X".
_STATED_ANSWER = re.compile(
    r"(?i:\banswer\s*(?:is|:)?\s*(?:option\s*)?)[\"'(]?((?i:yes|no)|[B-Z]|A(?!\s(?!as|and|because|since|is)[a-z]))\b"
)
_NAMED_LETTER = re.compile(
    r"(?i:\b(?:options?|choice|answer)\b\s*(?:is|:)?\s*)[\"'(]?([A-Z])\b|\(([A-Z])\)|\b([A-Z])\)"
)
_ARTICLES = frozenset({"a", "an", "the"})
# Where a report observes; a finding's name under "indication" is a reason to look, not something seen.
_OBSERVING_SECTIONS = frozenset({"findings", "impression"})
_NOT_OBSERVING_SECTIONS = frozenset({"indication", "history", "comparison", "technique", "examination"})

_incomplete = partial(Rejection, RejectReason.EVIDENCE_INCOMPLETE)
_unfounded = partial(Rejection, RejectReason.QUOTE_NOT_FOUND)
_mismatch = partial(Rejection, RejectReason.ANSWER_MISMATCH)
_contradiction = partial(Rejection, RejectReason.EVIDENCE_CONTRADICTS_ANSWER)


def check_all(
    question: Question, plan: Plan, evidence: tuple[Evidence, ...], chain: Chain, report: Report
) -> Rejection | None:
    """Run every check below on one question's finished reasoning; None if all hold."""
    return (
        check_plan(question, plan)
        or check_evidence(plan, evidence, report, compared=question.task is Task.TEMPORAL)
        or check_understood(evidence, report)
        or check_answer_supported(question, evidence)
        or check_chain(question, evidence, chain)
    )


def check_plan(question: Question, plan: Plan) -> Rejection | None:
    """Check that a plan has exactly one item for every finding of the question."""
    planned = [_fold(item.finding) for item in plan.items]
    asked = [_fold(finding) for finding in question.findings]
    missing = [finding for finding in question.findings if _fold(finding) not in planned]
    extra = len([finding for finding in planned if finding not in asked])
    twice = [finding for finding in question.findings if planned.count(_fold(finding)) > 1]
    if missing:
        return _incomplete(f"the plan has no item for {', '.join(missing)}")
    if extra:
        return _incomplete(
            f"{extra} of the plan's items are on findings that were not asked about; "
            f"plan only {', '.join(question.findings)}"
        )
    if twice:
        return _incomplete(f"the plan has more than one item for {', '.join(twice)}")
    return None


def check_evidence(
    plan: Plan, evidence: tuple[Evidence, ...], report: Report, *, compared: bool = False
) -> Rejection | None:
    """Check that every quote stands in the report, every planned finding is answered, and silence is real.

    Silence is not real where an observing section of the report contains the finding's own name. That evidence
    inferred from silence asserts absence, and that quoted evidence has a quote, the schema guarantees. `compared`: the
    statements compare with an earlier image, of which these quotes say nothing.
    """
    planned = {_fold(item.finding) for item in plan.items}
    elsewhere = _not_observing(report)
    for item in evidence:
        if _fold(item.finding) not in planned:
            return _incomplete(f"evidence {item.evidence_no} is on a finding that the plan does not have")
        for quote_no, quote in enumerate(item.quotes, start=1):
            if report.text[quote.start : quote.end] != quote.text:
                return _unfounded(f"quote {quote_no} on {item.finding} is not what the report says at its offsets")
            if any(section.start <= quote.start and quote.end <= section.end for section in elsewhere):
                return _unfounded(
                    f"quote {quote_no} on {item.finding} is not from the findings or the impression; "
                    "the reason for an examination and the history are not observations"
                )
    answered = {_fold(item.finding) for item in evidence}
    unanswered = [item.finding for item in plan.items if _fold(item.finding) not in answered]
    if unanswered:
        return _incomplete(f"no evidence answers {', '.join(unanswered)}, which the plan asks for")
    return (
        _check_silence(evidence, report)
        or check_relevance(evidence, report.text)
        or check_statements(evidence, compared=compared)
    )


def check_answer_supported(question: Question, evidence: tuple[Evidence, ...]) -> Rejection | None:
    """Check that the evidence agrees with the question's answer, which comes from labels.

    Contradictory are: a finding of the answer with no evidence of its presence, a finding asked about with "No" that
    is present, and a wrong option all of whose findings are present. Temporal questions are about change and pass.
    """
    if question.task is Task.TEMPORAL:
        return None
    present = {_fold(item.finding) for item in evidence if item.presence is Presence.PRESENT}
    unsupported = [finding for finding in question.answer_findings if _fold(finding) not in present]
    if question.task is Task.BINARY and question.answer == "Yes":
        unsupported = [finding for finding in question.findings if _fold(finding) not in present]
    if unsupported:
        return _contradiction(f"the answer says that {', '.join(unsupported)} is present, the evidence does not")
    if question.task is Task.BINARY and question.answer == "No" and present:
        return _contradiction(f"the answer is No, but the evidence says that {question.findings[0]} is present")
    for option in question.options:
        if option.letter != question.answer and {_fold(finding) for finding in option.findings} <= present:
            return _contradiction(f"option {option.letter} is not the answer, but the evidence holds for it too")
    return None


def check_chain(question: Question, evidence: tuple[Evidence, ...], chain: Chain) -> Rejection | None:
    """Check that a chain speaks of the image only, rests on evidence that exists, and ends with the answer."""
    known = {item.evidence_no for item in evidence}
    used: set[int] = set()
    compared = question.task is Task.TEMPORAL
    for step in chain.steps:
        if talk := talk_of_a_report(step.text, compared=compared):
            return Rejection(
                RejectReason.MENTIONS_REPORT,
                f"step {step.step_no} says {talk}; a chain speaks of what is seen on the image, never of a report, "
                f"its writer, a plan or numbered evidence{'' if compared else ', nor of an earlier examination'}",
            )
        if unknown := sorted(set(step.evidence) - known):
            return _incomplete(f"step {step.step_no} names evidence {unknown}, but there is only {sorted(known)}")
        if not step.evidence and step not in (chain.steps[0], chain.steps[-1]):
            return _incomplete(
                f"step {step.step_no} names no evidence; only the opening and the conclusion may rest on none"
            )
        used |= set(step.evidence)
    reached = {item.finding for item in evidence if item.evidence_no in used}
    unused = sorted({item.finding for item in evidence} - reached)
    if unused:
        return _incomplete(f"no step rests on the evidence on {', '.join(unused)}")
    # The sizes and degrees of an earlier image stand in no quote.
    said_more = None if compared else check_measured(evidence, chain) or check_details(question, evidence, chain)
    return said_more or _check_answer(question, chain)


def same_answer(given: str, question: Question) -> bool:
    """Return whether two answers are the same up to case, order of findings, and a letter's option text beside it."""
    plain = _fold(given).rstrip(".")
    accepted = {_fold(question.answer), _fold(question.answer_text)}
    if question.options:
        letter, text = _fold(question.answer), _fold(question.answer_text)
        accepted |= {f"{letter})", f"({letter})", f"option {letter}", f"{letter}) {text}", f"{letter} ({text})"}
    if plain in accepted:
        return True
    return question.task is Task.ANOMALY and _as_set(given) == _as_set(question.answer)


def _check_answer(question: Question, chain: Chain) -> Rejection | None:
    """Check the answer of a chain and that its last step states no other."""
    if not same_answer(chain.answer, question):
        return _mismatch(f"the chain's answer is not the correct answer, which is {question.answer}")
    last = chain.steps[-1].text
    stated = {match.casefold() for match in _STATED_ANSWER.findall(last)}
    possible = (
        {"yes", "no"} if question.task is Task.BINARY else {option.letter.casefold() for option in question.options}
    )
    if (stated & possible) - {question.answer.casefold()}:
        return _mismatch(f"the last step states another answer than the correct one, {question.answer}")
    if question.task is Task.TEMPORAL and _concludes_another_change(question, last):
        return _mismatch(f"the last step names another change than the correct answer, which is {question.answer_text}")
    if question.task is not Task.BINARY and not _names_answer(question, last):
        return _mismatch(
            f"the last step does not state the correct answer, {question.answer}: name its letter or all its findings"
        )
    return None


def _names_answer(question: Question, text: str) -> bool:
    """Return whether a conclusion names the answer's letter, or each finding or the change of the answer by name.

    Other words for a finding are its name too ("an enlarged Y"), unless they name another option as well.
    """
    letters = {letter for groups in _NAMED_LETTER.findall(text) for letter in groups if letter}
    if question.options and question.answer in letters:
        return True
    if question.task is Task.TEMPORAL:  # its answer is a change and names no finding
        return _stems(question.answer_text) in _stems(text)
    others = [option.findings for option in question.options if option.letter != question.answer]
    is_another = any(all(_is_called(finding, text) for finding in findings) for findings in others)
    return all(
        _stems(finding) in _stems(text) or (not is_another and _is_called(finding, text))
        for finding in question.answer_findings
    )


def _is_called(finding: str, text: str) -> bool:
    """Return whether a text has a finding in other words: by its concepts, or that all is normal."""
    if topic_of(finding).whole:
        return any(assures_all(text[start:end]) for start, end in split_sentences(text))
    named = words_of(finding).concepts
    return bool(named) and named <= words_of(text).concepts


def _concludes_another_change(question: Question, text: str) -> bool:
    """Return whether a conclusion names a change, but not the one that is the answer: "improving, option A"."""
    said = _stems(text)
    others = [option.text for option in question.options if option.letter != question.answer]
    return _stems(question.answer_text) not in said and any(_stems(other) in said for other in others)


def _stems(text: str) -> str:
    """Return a text's words without articles and plurals, so that "the support device" names Support Devices."""
    words = re.findall(r"[a-z0-9]+", text.casefold())
    return f" {' '.join(word.removesuffix('s') for word in words if word not in _ARTICLES)} "


def _check_silence(evidence: tuple[Evidence, ...], report: Report) -> Rejection | None:
    silent = [item.finding for item in evidence if item.kind is EvidenceKind.INFERRED_NORMAL]
    for finding in silent:
        if topic_of(finding).whole:
            return _incomplete(
                f"evidence on {finding} is inferred from silence, which cannot deny that all is normal; quote what the "
                "report says"
            )
    observing = [section for section in report.sections if silent and section.name in _OBSERVING_SECTIONS]
    for section in observing:
        text = report.text[section.start : section.end]
        for finding in silent:
            if locate(finding, text):
                return _incomplete(
                    f"evidence on {finding} is inferred from silence, but the {section.name} name it; quote them"
                )
    return None


def _not_observing(report: Report) -> list[Section]:
    """Return the sections that do not observe, of a report that has one that does."""
    if not any(section.name in _OBSERVING_SECTIONS for section in report.sections):
        return []
    return [section for section in report.sections if section.name in _NOT_OBSERVING_SECTIONS]


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())


def _as_set(findings: str) -> frozenset[str]:
    return frozenset(_fold(finding).rstrip(".") for finding in findings.split(","))
