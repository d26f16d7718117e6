"""JSON Lines in and out: a bad line is a reject with its number."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxr.miner.kit.errors import BadRecord, InputError, MiningReject
from cxr.miner.kit.files import whole_file
from cxr.miner.kit.parallel import Advance, ordered_map
from cxr.miner.kit.visible import exact_json
from cxr.schemas.vocabulary import RejectReason, Stage

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class LineCounts:
    """How many lines became output and how many were rejected."""

    written: int
    rejects: int


def transform(
    source: Path,
    target: Path,
    stage: Stage,
    convert: Callable[[JsonObject], JsonObject],
    advance: Advance,
    workers: int = 1,
) -> LineCounts:
    """Convert each record of a JSONL file into a line of another.

    Lines that are not JSON objects, and records that `convert` refuses with a ValueError or a MiningReject, go to
    `<target>.rejects.jsonl` with line number, id, reason and message; the rest is kept. `advance(done, None)`
    counts lines; how many there will be is not known. With `workers` above 1, `convert` is called from that many
    threads at once; the lines keep their order.
    Raises InputError where the source cannot be read or the target's folder does not exist.
    """
    if not source.is_file():
        raise InputError(f"{source} is not a file; expected JSON Lines, one record a line")
    if source.resolve() == target.resolve():
        raise InputError(f"{target} is both input and output; give another -o")
    target = target.resolve()
    rejects_path = target.with_name(target.name + ".rejects.jsonl")
    written = rejects = 0
    with whole_file(target) as out, whole_file(rejects_path) as rejected:
        for result, reject in ordered_map(partial(_outcome, stage, convert), _lines(source), workers):
            if reject is not None:
                rejects += 1
                rejected.write(json_line(reject))
            else:
                written += 1
                out.write(json_line(result))
            advance(written + rejects, None)
    if not rejects:
        rejects_path.unlink()
    return LineCounts(written, rejects)


def records(source: Path) -> Iterator[tuple[int, JsonObject | tuple[RejectReason, str]]]:
    """Return the number of each line that is not blank with its record, or with why it is none."""
    for number, line in _lines(source):
        try:
            yield number, _parse(line)
        except BadRecord as bad:
            yield number, (bad.reason, bad.message)


def why_not_json(error: ValueError | RecursionError) -> str:
    """Return in words what `json.loads` stumbled over, without any of the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at column {error.colno} ({error.msg})"
    if isinstance(error, RecursionError):
        return "JSON nested too deeply"
    return "JSON with a number of more than 4,300 digits"


def whole_lines(data: bytes) -> Iterator[JsonObject]:
    """Return the objects of JSON Lines; a line that is none, such as one that a kill has cut off, is left out."""
    for line in data.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(entry := json.loads(line), dict):
                yield entry


def _outcome(
    stage: Stage, convert: Callable[[JsonObject], JsonObject], numbered: tuple[int, bytes]
) -> tuple[JsonObject, JsonObject | None]:
    """Return a line's result, and its reject where there is none."""
    number, line = numbered
    record: object = None
    try:
        record = _parse(line)
        return convert(record), None
    except (ValueError, MiningReject) as error:
        # A validation error would quote what it found, which can be a report.
        said = f"{error.error_count()} of its values do not fit" if isinstance(error, ValidationError) else str(error)
        identity = record.get("id") if isinstance(record, dict) else None
        reason = error.reason if isinstance(error, MiningReject) else RejectReason.WRONG_FIELDS
        return {}, {"stage": stage, "line": number, "id": identity, "reason": reason, "message": said}


def _lines(source: Path) -> Iterator[tuple[int, bytes]]:
    with source.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - a byte order mark is no content
            if line.strip():
                yield number, line


def _parse(line: bytes) -> JsonObject:
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRecord(RejectReason.NOT_UTF8, f"byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BadRecord(RejectReason.NOT_JSON, f"{why_not_json(error)}; expected one flat object a line") from None
    if b"\\ud" in line.lower() and not _is_text(record):
        raise BadRecord(RejectReason.NOT_UTF8, "half of a surrogate pair (\\ud800 to \\udfff), which is no text")
    if not isinstance(record, dict):
        raise BadRecord(RejectReason.WRONG_FIELDS, f"a {type(record).__name__}; expected a JSON object")
    return record


def _is_text(record: object) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def json_line(record: JsonObject) -> str:
    """Return a record as one line of text, its end included."""
    # Some readers take two separators for line ends, which JSON allows inside a string; and lines are looked at.
    return exact_json(json.dumps(record, ensure_ascii=False)) + "\n"
