"""The reference project's JSON (formats.md, section 9): training records, accuracy tests and reasoning tests.

Its files disagree on columns: `reason_steps` is text, a list or an object by task, training records hold `process`
instead, some items lack images, and paths are those of its cluster.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from cxr.miner.imports.records import (
    Read,
    Record,
    Sample,
    corpus_of,
    images_of,
    licence_of,
    options_in,
    plan_of,
    read_list,
    steps_of,
    study_of,
)
from cxr.miner.kit.errors import BadRecord
from cxr.schemas.vocabulary import Progression, RejectReason, Task

# The last two brackets: "[Findings Summarization] [OpenI] [540]OpenI" has one more in front.
_ITEM = re.compile(r"\[(?P<corpus>[^\]]+)\] \[(?P<study>[^\]]+)\][^\[\]]*$")
_TAGGED = re.compile(r"</?(?:think|answer)>")


def read_radrbench(path: Path, roots: Mapping[str, str]) -> Read:
    """Read one published file; raises InputError where it is no list of objects."""
    read = Read()
    for number, record in enumerate(read_list(path, "a list of objects, as in RadRBench-CXR"), start=1):
        read.add(f"{path.name}:{number}", record, lambda given: sample_of(given, path, roots))
    return read


def sample_of(record: Record, path: Path, roots: Mapping[str, str]) -> Sample:
    """Make a sample of one record; raises BadRecord or ValidationError where it cannot be one."""
    question, answer = _text(record, "question"), _text(record, "answer")
    if not question or not answer:
        raise BadRecord(RejectReason.WRONG_FIELDS, "no question or no answer; expected both as text")
    item = _ITEM.search(_text(record, "item_id"))
    if item is None:
        raise BadRecord(RejectReason.MISSING_KEY, "no item_id of the form [corpus] [study]source")
    corpus = corpus_of(item["corpus"])
    study, patient = study_of(corpus, item["study"])
    options = options_in(question)
    answer = _answer(answer, options)
    steps = steps_of(record.get("reason_steps")) or steps_of(record.get("process"))
    report = record.get("original_report") or record.get("original_report2")
    prior = record.get("original_report1")
    return Sample(
        item_id=_text(record, "item_id"),
        task=str(_task(path, question, answer, options, paired=prior is not None)),
        corpus=corpus,
        licence=licence_of(corpus),
        study_id=study,
        patient_id=patient,
        images=images_of(record.get("image_path"), roots),
        question=question,
        options=options,
        answer=answer,
        answer_text=dict(options).get(answer) or _text(record, "answer_content") or answer,
        steps=tuple(_TAGGED.sub("", step).strip() for step in steps),
        plan=plan_of(record.get("plan")),
        report=report if isinstance(report, str) else None,
        prior_report=prior if isinstance(prior, str) else None,
    )


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return value.strip() if isinstance(value, str) else ""


def _answer(answer: str, options: tuple[tuple[str, str], ...]) -> str:
    """Return the letter where there are options: it may be written as `B`, `B) text` or the text alone."""
    answer = _TAGGED.sub("", answer).strip()
    if not options:
        return answer
    letter = re.match(r"\(?([A-Z])\)?(?:[).:\s]|$)", answer)
    if letter and letter[1] in dict(options):
        return letter[1]
    return next((letter for letter, text in options if text.lower() == answer.lower()), answer)


def _task(path: Path, question: str, answer: str, options: tuple[tuple[str, str], ...], *, paired: bool) -> Task:
    """Tell the task by the file's name, as the published ones are named, and else by the question."""
    texts = {text.lower() for _, text in options}
    if paired or "temporal" in path.stem or (texts and texts <= set(Progression)):
        return Task.TEMPORAL
    if "binary" in path.stem or texts == {"yes", "no"} or (not options and answer.lower() in {"yes", "no"}):
        return Task.BINARY
    if not options:
        return Task.ANOMALY
    if "single" in path.stem:
        return Task.SINGLE
    return Task.MULTIPLE if "multi" in path.stem or "findings" in question.lower() else Task.SINGLE
