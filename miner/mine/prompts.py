"""`cxr prompts`: what stands in the prompt files, and how a prompt looks when it is sent."""

import difflib
import re
from pathlib import Path

from cxr.miner.kit.errors import InputError
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import load as load_questions
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.prompts import Prompt, available, load, source
from cxr.prompts.render import TEMPORAL
from cxr.prompts.styles import load_styles, styles_file
from cxr.schemas.vocabulary import Task

_NAME = re.compile(r"^(?P<name>[a-z_]+)(?:\.v(?P<version>[1-9]\d*))?$")


def prompt_rows() -> list[list[object]]:
    """Return name, version, hash, examples, characters of the instructions and purpose of every prompt and style."""
    of = pack().prompts
    every = [load(name, version, of) for name, versions in available(of).items() for version in versions]
    prompts: list[list[object]] = [
        [prompt.name, prompt.version, prompt.hash[:12], len(prompt.examples), len(prompt.system), _about(prompt)]
        for prompt in every
    ]
    voices = load_styles(of).values()
    return prompts + [
        [style.named["name"], style.named["version"], style.named["hash"][:12], 0, len(style.words), style.about]
        for style in voices
    ]


def prompt_text(name: str, question_id: str | None, db: Path) -> str:
    """Return a prompt's file, or the messages that it becomes for one question; for `styles` the file of the voices.

    Plan and evidence, which a later step shows, are those of the rules engine, and the voice is that of the seed 0.
    Raises InputError for a prompt or question that does not exist.
    """
    if name == "styles" and question_id is None:
        return styles_file(pack().prompts).read_text(encoding="utf-8")
    prompt = _find(name)
    if question_id is None:
        return source(prompt.name, prompt.version, pack().prompts)
    if prompt.name.startswith("judge_") or prompt.name == "repair":
        why = (
            "holds a chain that was judged"
            if prompt.name == "repair"
            else "is asked by the llm judge, not of a question"
        )
        raise InputError(f"{prompt.name} {why}; show it without --question")
    with Store.read(db) as store:
        ids = store.frame("select question_id from questions where question_id = $id", {"id": question_id})
        if ids.is_empty():
            raise InputError(f"there is no question {question_id!r} in {db}; `cxr sql` lists questions")
        ((question, report),) = load_questions(store, ids)
    if (question.task is Task.TEMPORAL) is not prompt.name.endswith(TEMPORAL):
        raise InputError(
            f"{prompt.name} is not asked of question {question_id!r}, which is of task {question.task}; prompts whose "
            f"names end in {TEMPORAL} are those of temporal questions"
        )
    engine = RulesEngine()
    plan = engine.plan(question, report)
    shows_evidence = prompt.name.removesuffix(TEMPORAL) == "chain"
    evidence = engine.evidence(question, plan, report) if shows_evidence else ()
    values = prompt.values(question, report.text, plan.items, evidence, report.prior)
    messages = prompt.messages(values)
    return "\n\n".join(f"--- {message['role']}\n{message['content']}" for message in messages)


def prompt_diff(old: str, new: str) -> str:
    """Return a unified diff of two prompt files; raises InputError for one that does not exist."""
    both = [_find(old), _find(new)]
    texts = [source(prompt.name, prompt.version, pack().prompts).splitlines() for prompt in both]
    titles = [f"{prompt.name}.v{prompt.version}" for prompt in both]
    lines = difflib.unified_diff(texts[0], texts[1], titles[0], titles[1], lineterm="")
    return "\n".join(lines) or f"{old} and {new} say the same"


def _find(said: str) -> Prompt:
    match, of = _NAME.match(said), pack().prompts
    try:
        if match is None:
            raise LookupError(f"there is no prompt {said!r}; there are {', '.join(available(of))}")
        return load(match["name"], int(match["version"]) if match["version"] else None, of)
    except LookupError as error:
        raise InputError(f"{error}; `cxr prompts list` shows all") from None


def _about(prompt: Prompt) -> str:
    """Return the first sentence of a prompt's opening."""
    text = " ".join(prompt.note.partition("\n")[2].split())
    return text.partition(": ")[0] if ": " in text[:90] else text[:90]
