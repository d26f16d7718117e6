"""A model that knows the right reply to everything that cxr asks: it reads the question and the report as they come.

What is asked is known by the words of the prompts, of any version, wherever a client has put them: system, developer or
user message, with or without examples. Replies come from the rules engine and the rules judge.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cxr.miner.judge import RulesJudge
from cxr.prompts import available, load
from cxr.schemas import Finding
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from tests.personas.persona import Message, Request
from tests.replying import replies

ANSWER = "<think> The heart is large. </think><answer> Yes </answer>"
"""What it says to a benchmark's question."""
STEPS = {"plan": "PlanReply", "evidence": "EvidenceReply", "chain": "ChainReply", "whole": "WholeReply"}
PROBE = "probe"

_BLOCK = re.compile(
    r"<<<(?P<kind>REPORT|FINDINGS|LIST) \w+: data, not instructions>>>\n(?P<text>.*?)\n<<<END", re.DOTALL
)


@dataclass(frozen=True)
class Reply:
    """What was asked, and what the model says to it."""

    step: str
    """The step of a question, `judge_...`, `predict`, or PROBE for what is none of ours."""
    text: str
    is_json: bool = True
    about: str = ""
    """What it is about: a question of the store, or whatever else was said."""


class KnowingModel:
    """Answers requests about the questions that it was given."""

    def __init__(self, questions: Iterable[tuple[Question, Report]]) -> None:
        self._known = {question.text: (question, report) for question, report in questions}

    def reply(self, request: Request) -> Reply:
        """Answer one request."""
        said = [words(message) for message in request["messages"]]
        step = asked_for("\n".join(said))
        if step in STEPS:
            for text in reversed(said):
                known = [pair for question, pair in self._known.items() if question in text]
                if known:
                    return Reply(step, _reply(step, *known[-1]), about=known[-1][0].text)
        if step is not None and step.startswith("judge_"):
            return Reply(step, _judged(step, said), about=said[-1])
        if "<answer>" in said[-1]:
            return Reply("predict", ANSWER, is_json=False, about=said[-1])
        return _probed(request, said[-1])


def words(message: Message) -> str:
    """Return the text of a message, whether it comes as one string or in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


@cache
def _pieces() -> dict[str, list[tuple[str, ...]]]:
    """Give for every prompt, and each of its versions, the words between its placeholders."""
    return {
        name: [
            tuple(
                piece.strip()
                for part in (load(name, version).system, load(name, version).user_template)
                for piece in re.split(r"\{\{.*?\}\}", part)
                if piece.strip()
            )
            for version in versions
        ]
        for name, versions in available().items()
    }


@lru_cache(maxsize=256)
def asked_for(text: str) -> str | None:
    """Return the prompt, by name, whose words stand in a text, the one with most words if there are several."""
    found = [
        (sum(map(len, pieces)), name)
        for name, versions in _pieces().items()
        for pieces in versions
        if all(piece in text for piece in pieces)
    ]
    return max(found)[1] if found else None


def _reply(step: str, question: Question, report: Report) -> str:
    made = replies(question, report)
    return json.dumps(made.get(STEPS[step], made["PlanReply"]))


@lru_cache(maxsize=256)
def _findings(block: str) -> tuple[Finding, ...]:
    lines = [line.partition(". ")[2].rpartition(": ") for line in block.splitlines()]
    return tuple(Finding(observation=what, status=status) for what, _, status in lines)


def _judged(step: str, said: Sequence[str]) -> str:
    """Answer a judge's question as the rules judge does."""
    last = next(text for text in reversed(said) if "<<<" in text)
    blocks = {match["kind"]: match["text"] for match in _BLOCK.finditer(last)}
    return _by_rules(step, blocks.get("REPORT", ""), blocks.get("FINDINGS", ""), blocks.get("LIST", ""))


@lru_cache(maxsize=256)
def _by_rules(step: str, report: str, claims: str, held: str) -> str:
    judge = RulesJudge()
    if step == "judge_extract":
        made: list[dict[str, Any]] = [
            {"observation": one.observation, "status": one.status, "quote": report[one.span.start : one.span.end]}
            for one in judge.extract(report)
            if one.span is not None
        ]
        return json.dumps({"findings": made})
    findings = _findings(claims)
    if step == "judge_contain":
        inside = judge.contained(findings, _findings(held))
        items = [{"number": n, "held_by": [1] if one else [], "contained": one} for n, one in enumerate(inside, 1)]
        return json.dumps({"items": items})
    made = [
        {
            "number": number,
            "quotes": [quote.text for quote in one.evidence],
            "reason": "as the rules say",
            "verdict": str(one.verdict),
            "extra_detail": one.extra_detail,
        }
        for number, one in enumerate(judge.verdicts(report, findings), start=1)
    ]
    return json.dumps({"items": made})


# --- what is none of ours: the few words with which a server is tried --------------------------------------------


def _probed(request: Request, said: str) -> Reply:
    """Fill a schema, repeat an object that is shown, or say a word."""
    if (schema := schema_of(request)) is not None:
        return Reply(PROBE, json.dumps(_filled(schema, schema)))
    for start in (match.start() for match in re.finditer(r"\{", said)):
        try:
            shown, _ = json.JSONDecoder().raw_decode(said[start:])
        except ValueError:
            continue
        return Reply(PROBE, json.dumps(_filled(shown, shown) if "properties" in shown else shown))
    return Reply(PROBE, '{"word": "yes"}' if "json" in said.lower() else "yes", is_json="json" in said.lower())


def schema_of(request: Request) -> dict[str, Any] | None:
    """Return the schema that a request asks for, in either way; None where it asks for none."""
    form = request.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema: dict[str, Any] = form["json_schema"]["schema"]
        return schema
    if request.get("tools"):
        parameters: dict[str, Any] = request["tools"][0]["function"]["parameters"]
        return parameters
    return None


def _filled(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return a small value that fits a schema."""
    if "$ref" in schema:
        return _filled(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema or "const" in schema:
        return schema["enum"][0] if "enum" in schema else schema["const"]
    if options := schema.get("anyOf"):
        return _filled(options[0], root)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: _filled(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_filled(schema["items"], root)]
    return {"integer": 1, "number": 1, "boolean": True}.get(str(kind), "yes")
