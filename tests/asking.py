"""The llm engine on a scripted server, a step at a time: one question, its report, and good replies to it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cxr.miner.llm.budget import Budget, Spent
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.client import Client
from cxr.miner.llm.prices import price_of
from cxr.miner.llm.wire import Wire, key_from_environment
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.call import Call
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report
from cxr.schemas.text import Section
from cxr.schemas.vocabulary import Licence, Task
from tests.scripted_server import Act, Say, ScriptedServer

TEXT = "INDICATION: Rule out fracture.\nFINDINGS: There is a small left pleural effusion. The heart is\nnot enlarged."
FINDINGS_AT = TEXT.index("There is")
REPORT = Report(
    study_id="s1",
    text=TEXT,
    sections=(
        Section(name="indication", start=12, end=30),
        Section(name="findings", start=FINDINGS_AT, end=len(TEXT)),
    ),
    licence=Licence.CREDENTIALED,
)
QUESTION = Question(
    question_id="q1",
    study_id="s1",
    task=Task.SINGLE,
    text="Which finding is in this chest X-ray? Options:\nA) cardiomegaly\nB) pleural effusion\nC) fracture",
    findings=("Cardiomegaly", "Pleural Effusion", "Fracture"),
    options=(
        Option(letter="A", findings=("Cardiomegaly",)),
        Option(letter="B", findings=("Pleural Effusion",)),
        Option(letter="C", findings=("Fracture",)),
    ),
    answer="B",
    answer_findings=("Pleural Effusion",),
)
PLAN = {"items": [{"finding": finding, "look_for": "Look there."} for finding in QUESTION.findings]}
CHAIN = {
    "steps": [
        {"text": "The heart, the costophrenic angles and the bones have to be examined.", "evidence": []},
        {"text": "The heart is not enlarged.", "evidence": [1]},
        {"text": "On the left there is a small pleural effusion.", "evidence": [2]},
        {"text": "The bones show no fracture.", "evidence": [3]},
        {"text": "So the finding is pleural effusion, option B.", "evidence": [2]},
    ],
    "answer": "B",
}


def evidence_reply(effusion_quote: str = "a small left pleural effusion", presence: str = "present") -> dict[str, Any]:
    return {
        "items": [
            {
                "finding": "cardiomegaly",
                "kind": "quoted",
                "presence": "absent",
                "statement": "The heart is not enlarged.",
                "quotes": ["the heart is not enlarged."],
            },
            {
                "finding": "Pleural Effusion",
                "kind": "quoted",
                "presence": presence,
                "statement": "There is a small left pleural effusion.",
                "quotes": [effusion_quote],
            },
            {
                "finding": "Fracture",
                "kind": "inferred_normal",
                "presence": "absent",
                "statement": "There is no fracture.",
                "quotes": [],
            },
        ]
    }


GOOD: dict[str, Sequence[Act]] = {
    "PlanReply": [Say(PLAN)],
    "EvidenceReply": [Say(evidence_reply())],
    "ChainReply": [Say(CHAIN)],
}


class Asking:
    """The engine in a loop of its own, a step at a time."""

    def __init__(
        self,
        settings: MineSettings,
        folder: Path,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        wire = Wire(settings, key_from_environment(settings))
        self.cache = ReplyCache(folder)
        self.runner = asyncio.Runner()
        self.client = Client(settings, wire, self.cache, Budget(settings, price_of(settings), Spent()))
        if on_call is not None:
            self.client.on_call = on_call
        self.engine = LLMEngine(settings, self.client)

    def __enter__(self) -> Self:
        self.runner.run(self.client.wire.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.runner.run(self.client.wire.__aexit__(None, None, None))
        self.runner.close()
        self.cache.close()

    def settings(self) -> dict[str, object]:
        return self.engine.settings()

    def plan(self, question: Question, report: Report) -> Plan:
        return self.runner.run(self.engine.plan(question, report))

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        return self.runner.run(self.engine.evidence(question, plan, report))

    def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        return self.runner.run(self.engine.chain(question, plan, evidence, report))

    def reason(self, question: Question, report: Report) -> Reasoning:
        return self.runner.run(self.engine.reason(question, report))

    def reason_all(self, questions: Sequence[Question], report: Report) -> list[Reasoning]:
        async def everything() -> list[Reasoning]:
            return list(await asyncio.gather(*(self.engine.reason(question, report) for question in questions)))

        return self.runner.run(everything())


@contextmanager
def engine_on(
    script: Mapping[str, Sequence[Act]], folder: Path, calls: list[Call] | None = None, **options: Any
) -> Iterator[tuple[Asking, ScriptedServer]]:
    with ScriptedServer({**GOOD, **script}) as server:
        settings = MineSettings(model="scripted", base_url=server.url, **options)
        with Asking(settings, folder, on_call=None if calls is None else calls.append) as engine:
            yield engine, server


def mine(engine: Asking) -> tuple[Plan, tuple[Evidence, ...], Chain]:
    plan = engine.plan(QUESTION, REPORT)
    evidence = engine.evidence(QUESTION, plan, REPORT)
    return plan, evidence, engine.chain(QUESTION, plan, evidence, REPORT)
