"""`cxr mine --estimate`: what a job would cost and how long it would take, before anything is spent.

A sample of the questions is worded exactly as it would be sent, with the rules engine's plans, evidence and chains in
the place of replies that do not exist yet. Tokens are counted from bytes; where the store has calls of this model and
these prompts, their own counts are used instead.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.table import Table

from cxr.miner.kit.console import say, table
from cxr.miner.kit.errors import MiningReject
from cxr.miner.kit.progress import clock
from cxr.miner.llm.budget import BYTES_PER_TOKEN, seconds_for
from cxr.miner.llm.prices import Price, price_of
from cxr.miner.mine.choosing import job_of
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import load, unmined
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.yields import share_of_model
from cxr.miner.store import Store
from cxr.prompts import Prompt
from cxr.prompts.render import TEMPORAL, stage_values
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Task

SAMPLE = 200
# Where no call of the model is on record.
_LATENCY_S = 3.0
# Replies that fail a check are sent back; a careful model needs this at every tenth question.
_REASKS = 1.1
_ENOUGH_CALLS = 20


@dataclass(frozen=True)
class _Step:
    name: str
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    measured: bool


def estimate_tables(db: Path, settings: MineSettings) -> list[Table]:
    """Return a table of expected calls, tokens, cost and time, for one call a question and for three."""
    price = price_of(settings)
    rows: list[tuple[object, ...]] = []
    with Store.read(db) as store:
        for calls in (3, 1):
            rows += _rows_of(store, settings.model_copy(update={"calls": calls}), price)
        expected = _yield_rows(store, settings, rows)
    if price is None:
        where = f"{settings.model} at {settings.base_url}"
        say(f"the price of {where} is not known; give --price INPUT,OUTPUT to see costs")
    else:
        say(f"price of {settings.model}: {price.source}; a beginning that repeats may be billed at less")
    columns = ["calls", "step", "requests", "prompt tokens", "reply tokens", "USD", "USD in batches", "time", "basis"]
    found = [table(f"Expected for {settings.model}, questions that are not mined yet", columns, rows)]
    if expected:
        columns = ["calls", "questions", "factual chains", "USD a factual chain"]
        found.append(table("Expected to be factual, as of those that are scored", columns, expected))
    else:
        say(f"how many chains of {settings.model} are factual is not known; `cxr score` some that were mined")
    return found


def _yield_rows(store: Store, settings: MineSettings, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Return for each number of calls how many factual chains to expect, and their cost; none where nothing is scored.

    `rows` are those of the main table, of which the last for a number of calls is the sum.
    """
    made: list[tuple[object, ...]] = []
    for calls, row in {row[0]: row for row in rows}.items():
        known = share_of_model(store, settings.named_model, int(str(calls)))
        questions = unmined(store, settings.model_copy(update={"calls": calls}), _job(store, settings, calls)).height
        if known is None or not questions:
            continue
        share, sentence = known
        if not made:
            say(sentence)
        usd = row[5]
        each = f"{usd / (questions * share):.4f}" if isinstance(usd, float) and share else None
        made.append((calls, questions, round(questions * share), each))
    return made


def _job(store: Store, settings: MineSettings, calls: object) -> str:
    return job_of(settings.model_copy(update={"calls": calls}), store.path).fingerprint


def _times(settings: MineSettings, prompt: str) -> int:
    """Return how often a step is asked for each question: candidates have a chain, or a whole reply, of their own."""
    drawn = prompt.removesuffix(TEMPORAL) in {"chain", "whole"}
    return settings.best_of if drawn else 1


def _rows_of(store: Store, settings: MineSettings, price: Price | None) -> list[tuple[object, ...]]:
    engine = LLMEngine(settings)
    todo = unmined(store, settings, job_of(settings, store.path).fingerprint)
    if not todo.height:
        return [(settings.calls, "nothing to do", 0, 0, 0, 0.0, 0.0, "", "")]
    temporal = pl.col("task") == str(Task.TEMPORAL)
    steps = [
        *_steps(store, settings, engine.prompts, todo.filter(~temporal)),
        *_steps(store, settings, engine.temporal_prompts, todo.filter(temporal)),
    ]
    rows: list[tuple[object, ...]] = []
    totals = [0.0, 0.0, 0.0, 0.0]
    for step, questions, sampled in steps:
        requests = questions * _REASKS * _times(settings, step.name)
        counts = (requests * step.prompt_tokens, requests * step.completion_tokens)
        usd = None if price is None else price.cost(*counts, batch=False)
        batch = None if price is None else price.cost(*counts, batch=True)
        seconds = seconds_for(settings, requests, sum(counts), step.seconds)
        basis = "calls on record" if step.measured else f"{sampled} questions worded" if sampled else "an example"
        expected = (round(requests), round(counts[0]), round(counts[1]), usd, batch, clock(seconds))
        rows.append((settings.calls, step.name, *expected, basis))
        totals = [a + b for a, b in zip(totals, (*counts, usd or 0.0, seconds), strict=True)]
    if len(rows) > 1:
        usd_of_all = None if price is None else totals[2]
        in_batches = None if usd_of_all is None or price is None else usd_of_all * price.batch_factor
        all_requests = sum(int(str(row[2])) for row in rows)
        expected = (all_requests, round(totals[0]), round(totals[1]), usd_of_all, in_batches, clock(totals[3]))
        rows.append((settings.calls, "all", *expected, ""))
    return rows


def _steps(
    store: Store, asked: MineSettings, prompts: dict[str, Prompt], todo: pl.DataFrame
) -> list[tuple[_Step, int, int]]:
    """Return each step with the number of questions that take it and of those in its sample; 0: an example's size."""
    if not todo.height:
        return []
    sample = todo.select("question_id").sample(min(SAMPLE, todo.height), seed=0)
    reasoned = _reasoned(store, sample)
    return [
        (
            _measured(store, asked.named_model, prompt) or _counted(prompt, reasoned),
            todo.height,
            sample.height * bool(reasoned),
        )
        for prompt in prompts.values()
    ]


def _reasoned(store: Store, sample: pl.DataFrame) -> list[tuple[Question, Report, Reasoning]]:
    """Reason about the sample with rules; what they reject costs about as much and is left out."""
    rules, made = RulesEngine(), []
    for question, report in load(store, sample):
        try:
            plan = rules.plan(question, report)
            evidence = rules.evidence(question, plan, report)
            chain = rules.chain(question, plan, evidence, report)
        except MiningReject:
            continue
        made.append((question, report, Reasoning(plan, evidence, chain)))
    return made


def _counted(prompt: Prompt, reasoned: list[tuple[Question, Report, Reasoning]]) -> _Step:
    if not reasoned:
        return _like_an_example(prompt)
    sent = replied = 0
    step = prompt.name.removesuffix(TEMPORAL)
    for question, report, (plan, evidence, chain) in reasoned:
        values = stage_values(prompt.name, question, report.text, plan.items, evidence, report.prior)
        sent += _size(prompt.messages(values))
        parts = {
            "plan": plan.model_dump(mode="json"),
            "evidence": [piece.model_dump(mode="json", exclude={"evidence_no"}) for piece in evidence],
            "chain": chain.model_dump(mode="json"),
        }
        replied += _size(parts if step == "whole" else parts[step])
    return _counted_step(prompt, sent / len(reasoned), replied / len(reasoned))


def _like_an_example(prompt: Prompt) -> _Step:
    """Count a prompt's own first example, where rules answer no question of the sample."""
    _, asked, replied, *_ = prompt.opening
    return _counted_step(prompt, _size([*prompt.opening, asked]), len(replied["content"].encode()))


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _counted_step(prompt: Prompt, sent_bytes: float, replied_bytes: float) -> _Step:
    tokens = (sent_bytes / BYTES_PER_TOKEN, replied_bytes / BYTES_PER_TOKEN)
    return _Step(prompt.name, *tokens, _LATENCY_S, measured=False)


def _measured(store: Store, model: str, prompt: Prompt) -> _Step | None:
    """Return the means of calls of this model and prompt, if there are enough of them."""
    ((number, sent, replied, seconds),) = store.rows(
        "select count(*), avg(prompt_tokens), avg(completion_tokens), avg(latency_s) from calls "
        "where model = ? and prompt_hash = ? and not cache_hit and error is null "
        "and prompt_tokens >= 0 and completion_tokens >= 0",  # an earlier version booked whatever a server said
        [model, prompt.hash],
    )
    if number < _ENOUGH_CALLS:
        return None
    return _Step(prompt.name, sent, replied, seconds, measured=True)
