"""Reading files of predictions: ours, plain CSV or JSON Lines, and the reference project's result files.

A line becomes a `Given`: what it says, and the samples that it could be about. Which of those exists, only the
benchmark knows.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from cxr.miner.benchmark.settings import Mode
from cxr.miner.imports.radrbench import sample_of
from cxr.miner.imports.records import read_list
from cxr.miner.imports.rejects import what_is_wrong
from cxr.miner.imports.thoughts import thoughts_in, with_thoughts
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import BadRecord, InputError
from cxr.miner.kit.jsonl import records
from cxr.miner.kit.visible import columns_found
from cxr.schemas.prediction import Prediction
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import RejectReason, Task

TEXT_COLUMNS = ("text", "prediction", "output", "response", "pred")
"""What a model's output is called; the first that a record has is taken."""

# A model that never stops writes 100 kB; csv alone would refuse a field of more than 131,072 characters.
_LONGEST_FIELD = 100_000_000


class Given(NamedTuple):
    """A prediction as its file gives it."""

    line: int
    candidates: list[str]
    """Ids of the samples that it may be about; the first one that the benchmark has is meant."""
    model: str | None
    mode: str | None
    text: str | None
    error: str | None
    benchmark: str | None


def read_predictions(path: Path, mode: Mode | None) -> Iterator[Given | Reject]:
    """Return every line of a file, or why it is no prediction; `mode` says how the model was asked where it does not.

    A file that ends in .csv has a header; a file whose first character is [ is a JSON list (the reference project's);
    any other is JSON Lines. Raises InputError where the file is none of these.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file; expected predictions as JSON Lines, CSV, or the reference's JSON")
    if path.suffix.lower() == ".csv":
        given: Iterator[tuple[int, Any]] = _csv(path)
    elif _starts_as_list(path):
        given = enumerate(read_list(path, "a list of objects, each with a prediction"), start=1)
    else:
        given = records(path)
    for line, record in given:
        if isinstance(record, tuple):
            yield Reject(f"{path.name}:{line}", *record)
            continue
        try:
            yield _given(line, record, path, mode)
        except BadRecord as bad:
            yield Reject(f"{path.name}:{line}", bad.reason, bad.message)


def _starts_as_list(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")


def _csv(path: Path) -> Iterator[tuple[int, object]]:
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            columns = [name.strip() for name in reader.fieldnames or ()]
            if not {"sample_id", "question_id"} & set(columns) or not set(TEXT_COLUMNS) & set(columns):
                raise InputError(
                    f"{path} has not the columns that it needs ({columns_found(columns)}); expected sample_id or "
                    "question_id, and text"
                )
            reader.fieldnames = columns
            for row in reader:
                if None in row or None in row.values():
                    yield reader.line_num, (RejectReason.WRONG_FIELDS, f"expected {len(columns)} values, as the header")
                else:
                    # CSV cannot tell nothing from an empty text; an empty error, model or mode is none.
                    yield reader.line_num, {name: cell for name, cell in row.items() if cell or name in TEXT_COLUMNS}
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path} is no CSV that can be read ({error}); see the line after {reader.line_num}") from None


def _given(line: int, record: object, path: Path, mode: Mode | None) -> Given:
    if not isinstance(record, Mapping):
        raise BadRecord(RejectReason.WRONG_FIELDS, f"a {type(record).__name__}; expected an object")
    error = record.get("error") or None
    text = next((record[name] for name in TEXT_COLUMNS if record.get(name) is not None), None)
    text = None if error is not None else with_thoughts(text, thoughts_in(record))
    asked = record.get("mode") or (str(mode) if mode else None)
    candidates = _candidates(record, path, text, asked)
    try:
        # The same checks as for our own files; a model that the command line names is not known here.
        checked = Prediction(
            sample_id=candidates[0],
            model=record.get("model") or "-",
            mode=asked or Mode.ANSWER_ONLY,
            text=text,
            benchmark=record.get("benchmark") or None,
            error=error,
        )
    except ValidationError as wrong:
        raise BadRecord(RejectReason.WRONG_FIELDS, what_is_wrong(wrong, named=True)) from None
    return Given(line, candidates, record.get("model"), asked, checked.text, checked.error, checked.benchmark)


def _candidates(record: Mapping[str, Any], path: Path, text: object, asked: object) -> list[str]:
    """Return the samples that a record may be about: its own sample_id, or those of its question in both modes."""
    if isinstance(record.get("sample_id"), str) and record["sample_id"]:
        return [record["sample_id"]]
    if isinstance(record.get("question_id"), str) and record["question_id"]:
        questions = [record["question_id"]]
    elif "item_id" in record:
        questions = _questions_of(record, path)
    else:
        raise BadRecord(RejectReason.MISSING_KEY, "neither sample_id nor question_id; expected one of them")
    reasoned = asked == Mode.REASONING or (asked is None and isinstance(text, str) and "<think>" in text)
    modes = (Mode.REASONING, Mode.ANSWER_ONLY) if reasoned else (Mode.ANSWER_ONLY, Mode.REASONING)
    return [f"{question}/{mode}" for mode in modes for question in questions]


def _questions_of(record: Mapping[str, Any], path: Path) -> list[str]:
    """Return the ids under which `cxr import radrbench` may keep a record's question: its task is told by file name."""
    try:
        sample = sample_of(record, path, {})
    except ValidationError as error:
        raise BadRecord(RejectReason.BAD_VALUE, what_is_wrong(error)) from None
    tasks = sorted(Task, key=lambda task: task != sample.task)
    return [digest("imported", sample.item_id, str(task), sample.question, sample.answer) for task in tasks]
