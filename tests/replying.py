"""Good replies to any question, made by the rules engine: what a careful model would say, for the scripted server."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from cxr.miner.kit.errors import MiningReject
from cxr.miner.mine.engines.replies import to_evidence, to_plan
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.prompts import load
from cxr.prompts.replies import EvidenceReply, PlanReply
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import EvidenceKind, Presence
from tests.scripted_server import Act, Fail, Say, schema_name


def plan_reply(plan: Plan) -> dict[str, Any]:
    return plan.model_dump(mode="json")


def evidence_reply(evidence: tuple[Evidence, ...]) -> dict[str, Any]:
    return {
        "items": [
            {
                "finding": item.finding,
                "kind": str(item.kind),
                "presence": str(item.presence),
                "statement": item.statement,
                "quotes": [quote.text for quote in item.quotes],
            }
            for item in evidence
        ]
    }


def chain_reply(chain: Chain) -> dict[str, Any]:
    return {
        "steps": [{"text": step.text, "evidence": list(step.evidence)} for step in chain.steps],
        "answer": chain.answer,
    }


@lru_cache(maxsize=64)
def replies(question: Question, report: Report) -> dict[str, Any]:
    """Give the replies to all steps by schema name; where the report contradicts the answer, evidence that says so."""
    engine = RulesEngine()
    plan = engine.plan(question, report)
    try:
        evidence = engine.evidence(question, plan, report)
        chain = engine.chain(question, plan, evidence, report)
    except MiningReject:
        silent = tuple(
            Evidence(
                evidence_no=number,
                finding=item.finding,
                kind=EvidenceKind.INFERRED_NORMAL,
                presence=Presence.ABSENT,
                statement="Nothing is there.",
            )
            for number, item in enumerate(plan.items, start=1)
        )
        return {"PlanReply": plan_reply(plan), "EvidenceReply": evidence_reply(silent)}
    made = {
        "PlanReply": plan_reply(plan),
        "EvidenceReply": evidence_reply(evidence),
        "ChainReply": chain_reply(chain),
    }
    whole = {"plan": made["PlanReply"], "evidence": made["EvidenceReply"], "chain": made["ChainReply"]}
    return {**made, "WholeReply": whole}


class Model:
    """A scripted model that knows every question of a store by the words of its prompts, in one call or three."""

    def __init__(self, questions: Iterable[tuple[Question, Report]]) -> None:
        self.known: dict[tuple[str, str], str] = {}
        for question, report in questions:
            for name, reply in replies(question, report).items():
                step = name.removesuffix("Reply").lower()
                self.known[name, _shown(step, question, report)] = json.dumps(reply)

    def __call__(self, request: dict[str, Any]) -> Act:
        name = schema_name(request)
        for message in reversed(request["messages"]):
            asked = what_is_asked(message["content"])
            if message["role"] == "user" and (reply := self.known.get((name, asked))) is not None:
                return Say(reply)
        return Fail(400)


def _shown(step: str, question: Question, report: Report) -> str:
    """Give the last message of a request, as the engine words it for replies that are all good."""
    made = replies(question, report)
    plan = to_plan(PlanReply.model_validate_json(json.dumps(made["PlanReply"])), question)
    evidence = to_evidence(EvidenceReply.model_validate_json(json.dumps(made["EvidenceReply"])), plan, report)
    prompt = load(step)
    return what_is_asked(prompt.messages(prompt.values(question, report.text, plan.items, evidence))[-1]["content"])


def what_is_asked(content: str) -> str:
    """Give the words of a message without the voice, and without what was wrong with earlier replies to it."""
    return content.partition("\n\nAn earlier reply to this ")[0].partition("\n\nVoice: ")[0]
