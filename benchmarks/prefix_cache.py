"""Count the prompt tokens that llama.cpp finds in its cache, for both versions of the mining prompts.

    python benchmarks/prefix_cache.py [--studies 10] [--questions 3] [--folder .integration]

Takes studies of OpenI with several questions each, words all steps as `cxr mine --engine llm` does, in its order, with
the rules engine's plans and evidence in the place of a model's, and sends them to the server of `make integration`, one
after the other, for one token each. Of the model the first layer alone is served: the same tokens, a fraction of the
work. A fresh server for each row; what is counted is the server's own `usage`.
"""

import shutil
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import openai

from benchmarks.integration import MODEL, server_and_model, serving
from benchmarks.kit import SHARED, cxr, markdown, parser, run
from cxr.miner.kit.errors import MiningReject
from cxr.miner.mine.engines import Reasoning
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import load as questions_of
from cxr.miner.store import Store
from cxr.prompts import load
from cxr.schemas.question import Question
from cxr.schemas.study import Report

STEPS = {3: ("plan", "evidence", "chain"), 1: ("whole",)}
Reasoned = tuple[Question, Report, Reasoning]


def reasoned(db: Path, studies: int, questions: int) -> list[Reasoned]:
    """Return questions of studies that have so many, in the order in which they are mined."""
    engine, made = RulesEngine(), []
    with Store.read(db) as store:
        ids = store.frame("select question_id, study_id from questions order by study_id, task, question_id")
        several = [list(group) for _, group in groupby(ids.iter_rows(), key=lambda row: row[1])]
        for group in islice((group for group in several if len(group) >= questions), 2 * studies):
            chosen = ids.filter(ids["question_id"].is_in([question_id for question_id, _ in group[:questions]]))
            try:
                for question, report in questions_of(store, chosen):
                    plan = engine.plan(question, report)
                    evidence = engine.evidence(question, plan, report)
                    chain = engine.chain(question, plan, evidence, report)
                    made.append((question, report, Reasoning(plan, evidence, chain)))
            except MiningReject:
                continue
    return made[: studies * questions]


def counted(url: str, version: int, calls: int, asked: list[Reasoned]) -> dict[str, int]:
    """Return the prompt tokens of all requests, and those of them that the server had in its cache."""
    told = {"requests": 0, "prompt": 0, "cached": 0}
    for question, report, made in asked:
        for step in STEPS[calls]:
            prompt = load(step, version)
            messages = prompt.messages(prompt.values(question, report.text, made.plan.items, made.evidence))
            sent, cached = _asked(url, messages)
            told["requests"] += 1
            told["prompt"] += sent
            told["cached"] += cached
    return told


def _asked(url: str, messages: Any) -> tuple[int, int]:
    """Return the tokens of a prompt, and those of them that were in the server's cache."""
    ask = openai.OpenAI(base_url=url, api_key="none").chat.completions.create
    usage = ask(model=MODEL, messages=messages, max_tokens=1, temperature=0).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens or 0


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--studies", type=int, default=10)
    options.add_argument("--questions", type=int, default=3, help="of each study")
    options.add_argument("--folder", type=Path, default=Path(".integration"))
    asked = options.parse_args()
    folder = asked.folder.resolve()
    work = folder / "prefix"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    cxr(work, "ingest", "openi", SHARED / "data" / "openi")
    cxr(work, "ask", "--balance", "none")
    questions = reasoned(work / "cxr.duckdb", asked.studies, asked.questions)
    python, whole = server_and_model(folder)
    shallow, rows = work / "one_layer.gguf", []
    run(work, python, Path(__file__).with_name("one_layer.py"), whole, shallow)
    for calls in STEPS:
        for version in (1, 2):
            with serving(folder, python, shallow) as url:
                told = counted(url, version, calls, questions)
            each = [told[name] / len(questions) for name in ("requests", "prompt", "cached")]
            read = each[1] - each[2]
            told_of_row = [f"{each[0]:.0f}", *(f"{number:,.0f}" for number in (each[1], each[2], read))]
            rows.append([str(calls), str(version), *told_of_row, f"{each[2] / each[1]:.0%}"])
            print(rows[-1], flush=True)
    print(f"\n{len(questions)} questions of {asked.studies} studies; tokens a question")
    print(markdown(("calls", "version", "requests", "prompt tokens", "cached", "read anew", "cached share"), rows))


if __name__ == "__main__":
    main()
