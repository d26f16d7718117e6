"""`cxr mine --estimate`: what a job would cost and how long it would take, before anything is spent.

A sample of the questions is worded exactly as it would be sent, with the rules engine's plans, evidence and chains in
the place of replies that do not exist yet. Tokens are counted from bytes, and as cached those of a beginning that was
sent before, as far as the vendor bills that at less: the system's words and the examples, and of every question after
the first of its study the report. Where the store has calls of this model and these prompts, their own counts are used
instead, thoughts included.
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
from cxr.miner.mine.engines.repair import repair_values
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import load, unmined
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.yields import share_of_model
from cxr.miner.store import Store
from cxr.prompts import Prompt
from cxr.prompts.render import TEMPORAL
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Task

SAMPLE = 200
# Where no call of the model is on record.
_LATENCY_S = 3.0
# Replies that fail a check are sent back; a careful model needs this at every tenth question.
_REASKS = 1.1
_ENOUGH_CALLS = 20
_COSTS = ("USD", "USD in batches", "time", "basis")


@dataclass(frozen=True)
class _Step:
    name: str
    prompt_tokens: float
    cached_tokens: float
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
        say(f"price of {settings.model}: {price.source}")
    if settings.reasoning_effort is not None:
        say("thoughts are paid for as reply tokens are; they count here once calls of the model are on record")
    columns = [*("calls", "step", "requests", "prompt tokens", "of them cached", "reply tokens"), *_COSTS]
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
        usd = row[6]
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
        return [(settings.calls, "nothing to do", 0, 0, 0, 0, 0.0, 0.0, "", "")]
    temporal = pl.col("task") == str(Task.TEMPORAL)
    steps = [
        *_steps(store, settings, price, engine.prompts, todo.filter(~temporal)),
        *_steps(store, settings, price, engine.temporal_prompts, todo.filter(temporal)),
        *_repairs(store, settings, price, engine.repair_prompt, todo),
    ]
    rows: list[tuple[object, ...]] = []
    totals = [0.0] * 6
    for step, questions, sampled in steps:
        requests = questions * _REASKS * _times(settings, step.name)
        sent, replied, cached = (
            requests * count for count in (step.prompt_tokens, step.completion_tokens, step.cached_tokens)
        )
        usd = None if price is None else price.cost(sent, replied, cached, batch=False)
        # What is sent as a file is answered at any time: nothing is taken to be still in anybody's cache.
        batch = None if price is None else price.cost(sent, replied, batch=True)
        seconds = seconds_for(settings, requests, sent + replied, step.seconds)
        basis = "calls on record" if step.measured else f"{sampled} questions worded" if sampled else "an example"
        rows.append(
            (
                settings.calls,
                step.name,
                *map(round, (requests, sent, cached, replied)),
                usd,
                batch,
                clock(seconds),
                basis,
            )
        )
        totals = [
            a + b for a, b in zip(totals, (sent, cached, replied, usd or 0.0, batch or 0.0, seconds), strict=True)
        ]
    if len(rows) > 1:
        *counts, usd_of_all, in_batches, seconds = totals
        costs = (None, None) if price is None else (usd_of_all, in_batches)
        all_requests = sum(int(str(row[2])) for row in rows)
        rows.append((settings.calls, "all", all_requests, *map(round, counts), *costs, clock(seconds), ""))
    return rows


def _steps(
    store: Store, asked: MineSettings, price: Price | None, prompts: dict[str, Prompt], todo: pl.DataFrame
) -> list[tuple[_Step, int, int]]:
    """Return each step with the number of questions that take it and of those in its sample; 0: an example's size."""
    if not todo.height:
        return []
    sample = todo.select("question_id").sample(min(SAMPLE, todo.height), seed=0)
    reasoned = _reasoned(store, sample)
    # Questions come study by study: every one but the first finds its report where the one before has left it.
    follow = 1 - todo["study_id"].n_unique() / todo.height
    shared = {name: 0.0 if name == "plan" and asked.blind_plan else follow for name in prompts}
    return [
        (
            _measured(store, asked.named_model, prompt) or _counted(prompt, reasoned, price, shared[name]),
            todo.height,
            sample.height * bool(reasoned),
        )
        for name, prompt in prompts.items()
    ]


def _repairs(
    store: Store, asked: MineSettings, price: Price | None, prompt: Prompt, todo: pl.DataFrame
) -> list[tuple[_Step, int, int]]:
    """Return the step that is taken by questions whose chain is not factual; all of them, where no share is known."""
    if not asked.repair:
        return []
    known = share_of_model(store, asked.named_model, asked.calls)
    number = round(todo.height * (1 - (0.0 if known is None else known[0])))
    if (step := _measured(store, asked.named_model, prompt)) is not None:
        return [(step, number, 0)]
    reasoned = _reasoned(store, todo.select("question_id").sample(min(SAMPLE, todo.height), seed=0))
    messages = [
        prompt.messages(repair_values(question, made.plan, made.evidence, made.chain, ()))
        for question, _, made in reasoned
    ]
    sent = sum(map(_size, messages)) / max(len(reasoned), 1) or _size(prompt.opening)
    replied = sum(len(made.chain.model_dump_json()) for _, _, made in reasoned) / max(len(reasoned), 1)
    return [(_counted_step(prompt, sent, replied, _cached(price, prompt)), number, len(reasoned))]


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


def _counted(
    prompt: Prompt, reasoned: list[tuple[Question, Report, Reasoning]], price: Price | None, follow: float
) -> _Step:
    if not reasoned:
        return _like_an_example(prompt, price)
    sent = replied = beginning = 0
    step = prompt.name.removesuffix(TEMPORAL)
    for question, report, (plan, evidence, chain) in reasoned:
        values = prompt.values(question, report.text, plan.items, evidence, report.prior)
        messages = prompt.messages(values)
        sent += _size(messages)
        beginning += len(messages[-1]["content"].partition(question.text)[0].encode())
        parts = {
            "plan": plan.model_dump(mode="json"),
            "evidence": [piece.model_dump(mode="json", exclude={"evidence_no"}) for piece in evidence],
            "chain": chain.model_dump(mode="json"),
        }
        replied += _size(parts if step == "whole" else parts[step])
    first, further = _cached(price, prompt), _cached(price, prompt, beginning / len(reasoned))
    cached = follow * further + (1 - follow) * first
    return _counted_step(prompt, sent / len(reasoned), replied / len(reasoned), cached)


def _cached(price: Price | None, prompt: Prompt, beginning: float = 0.0) -> float:
    """Return the tokens that are billed as cached: the prompt's opening, and what begins a question's message."""
    return 0.0 if price is None else price.cached((_size(prompt.opening) + beginning) / BYTES_PER_TOKEN)


def _like_an_example(prompt: Prompt, price: Price | None) -> _Step:
    """Count a prompt's own first example, where rules answer no question of the sample."""
    _, asked, replied, *_ = prompt.opening
    sent, made = _size([*prompt.opening, asked]), len(replied["content"].encode())
    return _counted_step(prompt, sent, made, _cached(price, prompt))


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _counted_step(prompt: Prompt, sent_bytes: float, replied_bytes: float, cached_tokens: float) -> _Step:
    sent, replied = sent_bytes / BYTES_PER_TOKEN, replied_bytes / BYTES_PER_TOKEN
    return _Step(prompt.name, sent, min(cached_tokens, sent), replied, _LATENCY_S, measured=False)


def _measured(store: Store, model: str, prompt: Prompt) -> _Step | None:
    """Return the means of calls of this model and prompt, if there are enough of them."""
    ((number, sent, cached, replied, seconds),) = store.rows(
        "select count(*), avg(prompt_tokens), avg(coalesce(cached_tokens, 0)), avg(completion_tokens), avg(latency_s) "
        "from calls "
        "where model = ? and prompt_hash = ? and not cache_hit and error is null "
        "and prompt_tokens >= 0 and completion_tokens >= 0",  # an earlier version booked whatever a server said
        [model, prompt.hash],
    )
    if number < _ENOUGH_CALLS:
        return None
    return _Step(prompt.name, sent, cached, replied, seconds, measured=True)
