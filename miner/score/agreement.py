"""`cxr agreement`: pair the findings of two JSONL files and say how well their judgements agree, and where not.

Both files hold what `cxr judge` or `cxr radrscore` read and write: lines with `id` and `findings` (each with a
`verdict`), or `reference` (each with `recalled`). Lines are paired by id, findings by their place in the list.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from cxr.miner.kit.console import table
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.jsonl import why_not_json
from cxr.miner.stats.agreement import Agreement, agreement
from cxr.schemas.vocabulary import Verdict

FACTUAL = frozenset({Verdict.SUPPORTED, Verdict.UNMENTIONED_NORMAL})


class JudgedPair(NamedTuple):
    """One finding's judgement on both sides; `measure` is verdict, factual or recalled."""

    measure: str
    identity: str
    finding: str
    gold: str
    predicted: str


@dataclass(frozen=True)
class Comparison:
    """Agreement by measure, the pairs that differ, who judged, and what could not be paired."""

    agreements: Mapping[str, Agreement]
    differing: tuple[JudgedPair, ...]
    judges: tuple[str, str]
    unpaired: Mapping[str, int] = field(default_factory=dict)


def compare_files(gold: Path, predicted: Path, *, retest: bool = False) -> Comparison:
    """Compare the judgements of two files; `retest` demands that one and the same judge gave both.

    A gold finding without a judgement (null: the readings differed) is left out, and so is one that is
    `not_assessable` from the measure `factual`. Raises InputError where a file cannot be read, holds nothing to
    compare, or lists other findings than its counterpart.
    """
    left, right = _read(gold), _read(predicted)
    judges = (_judge(left.values()), _judge(right.values()))
    if retest and judges[0] != judges[1]:
        raise InputError(f"--retest compares a judge with itself; {gold} is by {judges[0]}, {predicted} by {judges[1]}")
    shared = [identity for identity in left if identity in right]
    pairs = [pair for identity in shared for pair in _pairs(identity, left[identity], right[identity])]
    if not pairs:
        raise InputError(
            f"{gold} and {predicted} share {len(shared)} ids and no judged finding; "
            "expected the outputs of `cxr judge` or `cxr radrscore` for the same lines"
        )
    agreements = {}
    for measure in ("factual", "verdict", "recalled"):
        chosen = [pair for pair in pairs if pair.measure == measure]
        if chosen:
            agreements[measure] = agreement(
                [pair.gold for pair in chosen],
                [pair.predicted for pair in chosen],
                clusters=[pair.identity for pair in chosen],
            )
    unpaired = Counter({"only in the first": len(left) - len(shared), "only in the second": len(right) - len(shared)})
    return Comparison(
        agreements=agreements,
        differing=tuple(pair for pair in pairs if pair.gold != pair.predicted and pair.measure != "factual"),
        judges=judges,
        unpaired=+unpaired,
    )


def comparison_tables(result: Comparison, names: tuple[str, str], *, most: int) -> list[Table]:
    """Return tables of the agreements, of what was confused with what, and of at most `most` pairs that differ."""
    rows = []
    for measure, found in result.agreements.items():
        numbers = [number for one in (found.accuracy, found.kappa) for number in (one.value, one.low, one.high)]
        rows.append((measure, found.n, *numbers))
    columns = ["measure", "n", "agreement", "low", "high", "kappa", "low", "high"]
    made = [table(f"{result.judges[0]} against {result.judges[1]} (95 % bootstrap over ids)", columns, rows)]
    for measure, found in result.agreements.items():
        labels = list(found.confusion)
        counts = [(label, *found.confusion[label].values()) for label in labels]
        made.append(table(f"{measure}: {names[0]} down, {names[1]} across", [measure, *labels], counts))
    shown = [pair[1:] for pair in result.differing[:most]]
    if shown:
        made.append(table(f"{len(shown)} of {len(result.differing)} that differ", ["id", "finding", *names], shown))
    return made


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        raise InputError(f"{path} is not a file; expected JSON Lines")
    lines: dict[str, dict[str, Any]] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
            identity = str(record["id"])
        except (ValueError, RecursionError) as error:
            raise InputError(
                f'line {number} of {path} is {why_not_json(error)}; expected an object with an "id"'
            ) from None
        except (KeyError, TypeError):
            raise InputError(f'line {number} of {path} is no JSON object with an "id"') from None
        if identity in lines:
            raise InputError(f"line {number} of {path} repeats the id {identity!r}; expected each id once")
        lines[identity] = record
    return lines


def _judge(records: Any) -> str:
    """Name whoever judged a file; one without a `judge` is somebody's reading."""
    named = {json.dumps(record.get("judge"), sort_keys=True): record.get("judge") for record in records}
    if len(named) != 1:
        return "several judges"
    (judge,) = named.values()
    return (
        f"{judge.get('name', 'unnamed')} {judge.get('version', '')}".rstrip() if isinstance(judge, dict) else "readers"
    )


def _pairs(identity: str, left: dict[str, Any], right: dict[str, Any]) -> Iterator[JudgedPair]:
    for first, second in _side_by_side(identity, "findings", left, right):
        words, gold, predicted = _words(first), first.get("verdict"), second.get("verdict")
        if gold is None or predicted is None:
            continue
        yield JudgedPair("verdict", identity, words, str(gold), str(predicted))
        if gold != Verdict.NOT_ASSESSABLE:
            yield JudgedPair("factual", identity, words, str(gold in FACTUAL), str(predicted in FACTUAL))
    for first, second in _side_by_side(identity, "reference", left, right):
        gold, predicted = first.get("recalled"), second.get("recalled")
        if gold is not None and predicted is not None:
            yield JudgedPair("recalled", identity, _words(first), str(gold), str(predicted))


def _side_by_side(
    identity: str, key: str, left: dict[str, Any], right: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    first, second = left.get(key, []), right.get(key, [])
    if not (_judged(first) and _judged(second)):
        return
    if not all(map(_is_finding, (*first, *second))):
        raise InputError(
            f'"{key}" of {identity} holds something else than judged findings; expected objects with "observation", '
            '"status" and a "verdict" as text, or "recalled" as true or false'
        )
    if [_words(item) for item in first] != [_words(item) for item in second]:
        raise InputError(f'"{key}" of {identity} lists other findings in the two files; expected the same, in order')
    yield from zip(first, second, strict=True)


def _judged(findings: object) -> bool:
    if not isinstance(findings, list):
        return False
    return any(isinstance(item, dict) and {"verdict", "recalled"} & item.keys() for item in findings)


def _is_finding(item: object) -> bool:
    return isinstance(item, dict) and all(
        isinstance(item.get(key), str | bool | int | None) for key in ("verdict", "recalled")
    )


def _words(finding: dict[str, Any]) -> str:
    return f"{finding.get('observation', '')}: {finding.get('status') or ''}"
