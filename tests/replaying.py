"""Recorded plans and chains of GPT-4o as a scripted server; evidence, which was not recorded, from the rules judge."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxr.miner.judge import RulesJudge
from cxr.miner.language.grounding import MOST_QUOTES
from cxr.miner.language.sections import parse_sections
from cxr.miner.language.sentences import split_sentences
from cxr.miner.mine.engines.replies import to_evidence, to_plan
from cxr.miner.mine.relevance import topic_of
from cxr.miner.mine.unquoted import called, unquoted, without
from cxr.miner.mine.words import words_of
from cxr.prompts import load
from cxr.prompts.replies import EvidenceReply, PlanReply
from cxr.schemas.finding import Finding
from cxr.schemas.question import Option, Question
from cxr.schemas.study import Report
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Licence, Task, Verdict
from tests.replying import what_is_asked
from tests.scripted_server import Act, Fail, Say, ScriptedServer, schema_name

_LETTER = re.compile(r"^(?:option )?([A-Z])[).:]\s*", re.IGNORECASE)
_NAMED = re.compile(r"\boption ([A-Z])\b|\b([A-Z])\)", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """One record as a question of ours, with its replies."""

    question: Question
    report: Report
    plan: dict[str, Any]
    evidence: dict[str, Any]
    chain: dict[str, Any]


def questions(records: Sequence[dict[str, Any]]) -> list[Asked]:
    """Turn every record into a question; an option is one finding, in the words of the record."""
    return [_asked(number, record) for number, record in enumerate(records)]


def _asked(number: int, record: dict[str, Any]) -> Asked:
    planned = [(_LETTER.sub("", name).strip(), _plain(words)) for name, words in record["plan"].items()]
    offered = [(line.partition(")")[2].strip(),) for line in record["question"].splitlines()[1:]]
    parts = [tuple(part.strip(" .") for part in option.split(",")) for (option,) in offered]
    each = list(dict.fromkeys(part for option in parts for part in option))
    named = {_fold(name): name for name, _ in planned}
    if offered and len(planned) == len(offered):
        # One item per option, in its order, but in GPT-4o's own spelling: we ask for the option's.
        planned = [(name, words) for (name,), (_, words) in zip(offered, planned, strict=True)]
    elif len(planned) == len(each) and len(each) > len(offered):
        # One item for each part of an option, in their order.
        offered, planned = parts, [(name, words) for name, (_, words) in zip(each, planned, strict=True)]
    elif all(_fold(part) in named for part in each):
        spelled = {_fold(part): part for part in each}
        offered, planned = parts, [(spelled.get(_fold(name), name), words) for name, words in planned]
    names = [name for name, _ in planned]
    findings = tuple(dict.fromkeys([name for option in offered for name in option] or names))
    report = Report(
        study_id=f"openi/CXR{record['uid']}",
        text=record["report"],
        sections=parse_sections(record["report"]),
        licence=Licence.PUBLIC,
    )
    plan = {"items": [{"finding": name, "look_for": words} for name, words in planned]}
    evidence = {"items": _evidence(report.text, names)}
    of_letters = [{names.index(name) + 1 for name in option if name in names} for option in offered]
    return Asked(
        _question(number, record, findings, offered),
        report,
        plan,
        evidence,
        {"steps": _steps(record["steps"], names, of_letters), "answer": record["answer"]},
    )


def _fold(name: str) -> str:
    return " ".join(name.casefold().strip(" .").split())


def _plain(words: Any) -> str:
    """Give the text of a planned item; a few were recorded as a list or a table of parts."""
    if isinstance(words, dict):
        return " ".join(_plain(part) for part in words.values())
    return " ".join(map(_plain, words)) if isinstance(words, list) else str(words)


def _question(
    number: int, record: dict[str, Any], findings: tuple[str, ...], offered: Sequence[tuple[str, ...]]
) -> Question:
    answers = {part.strip().casefold() for part in record["answer_text"].split(",")}
    right = offered["ABCDEFGH".index(record["answer"])] if offered else ()
    return Question(
        question_id=f"gpt4o-{number}",
        study_id=f"openi/CXR{record['uid']}",
        task=Task(record["task"]),
        # The number keeps apart two questions about one study.
        text=f"{record['question']}\n({number})",
        findings=findings,
        options=tuple(
            Option(letter=letter, findings=names) for letter, names in zip("ABCDEFGH", offered, strict=False)
        ),
        answer=record["answer"],
        answer_findings=right or tuple(name for name in findings if name.casefold() in answers),
    )


def _evidence(report: str, names: list[str]) -> list[dict[str, Any]]:
    judged = RulesJudge().verdicts(report, [Finding(observation=name, status="present") for name in names])
    items = []
    for name, verdict in zip(names, judged, strict=True):
        present = verdict.verdict is Verdict.SUPPORTED
        quoted = list(verdict.evidence)
        if topic_of(name).whole and verdict.verdict is Verdict.UNMENTIONED_NORMAL:
            # No sentence sums up: what the report says of each part does.
            spans = split_sentences(report)
            quoted = [_quote(report, *span) for span in spans if words_of(report[slice(*span)]).assures][:MOST_QUOTES]
            present = bool(quoted)
        # A careful model says no more than it quotes, and that another place than the one asked about has it, is no.
        missing = unquoted(name, quoted)
        elsewhere = [words_of(quote.text) for quote in quoted]
        if present and any(called(place) in missing for place in words_of(name).places):
            present = not any(words.places for words in elsewhere)
        quotes = [quote.text for quote in quoted]
        items.append(
            {
                "finding": name,
                "kind": "quoted" if quotes else "inferred_normal",
                "presence": "present" if present and quotes else "absent",
                "statement": f"{without(name, missing) if present else name} is {'seen' if present else 'not seen'}.",
                "quotes": quotes,
            }
        )
    return items


def _quote(report: str, start: int, end: int) -> Quote:
    return Quote(start=start, end=end, text=report[start:end])


def _steps(texts: list[str], names: list[str], of_letters: list[set[int]]) -> list[dict[str, Any]]:
    """Give the steps the numbers of the evidence they speak of; the last one gets what no other speaks of."""
    spoken = [_spoken_of(text, names, of_letters) for text in texts]
    for place in range(1, len(texts) - 1):
        spoken[place] = spoken[place] or [min(place, len(names))]
    used = {number for numbers in spoken for number in numbers}
    spoken[-1] = sorted({*spoken[-1], *(set(range(1, len(names) + 1)) - used)})
    return [{"text": text, "evidence": numbers} for text, numbers in zip(texts, spoken, strict=True)]


def _spoken_of(text: str, names: list[str], of_letters: list[set[int]]) -> list[int]:
    letters = {(one or two).upper() for one, two in _NAMED.findall(text)}
    words = set(re.findall(r"[a-z]+", text.casefold()))
    lettered = {
        number for letter, of in zip("ABCDEFGH", of_letters, strict=False) if letter in letters for number in of
    }
    named = {
        number for number, name in enumerate(names, start=1) if set(re.findall(r"[a-z]{4,}", name.casefold())) <= words
    }
    return sorted(lettered | named)


class Replay(ScriptedServer):
    """Answers each request with what was recorded for its question."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        super().__init__(self._act)
        self._known: dict[tuple[str, str], str] = {}
        for item in asked:
            plan = to_plan(PlanReply.model_validate_json(json.dumps(item.plan)), item.question)
            reply = EvidenceReply.model_validate_json(json.dumps(item.evidence))
            evidence = to_evidence(reply, plan, item.report)
            for step, said in (("plan", item.plan), ("evidence", item.evidence), ("chain", item.chain)):
                prompt = load(step)
                values = prompt.values(item.question, item.report.text, plan.items, evidence)
                shown = prompt.messages(values)[-1]["content"]
                self._known[f"{step.capitalize()}Reply", what_is_asked(shown)] = json.dumps(said)

    def _act(self, request: dict[str, Any]) -> Act:
        for message in reversed(request["messages"]):
            asked = what_is_asked(message["content"])
            if message["role"] == "user" and (said := self._known.get((schema_name(request), asked))):
                return Say(said)
        return Fail(400)
