"""One line of `cxr judge` and `cxr radrscore`: a JSON object in, the same object with the answers out.

Errors name the field, never its text: a report must not reach a log.
"""

from collections.abc import Mapping
from typing import Any

from cxr.miner.judge.protocol import Judge, Marks
from cxr.miner.judge.radrscore import Empty, score_reasoning
from cxr.miner.judge.significance import weights_version
from cxr.miner.judge.weighted import significance_of, weigh
from cxr.miner.judge.weights import Weights
from cxr.schemas import Finding, JudgedFinding

Json = dict[str, Any]


def judge_line(record: object, judge: Judge) -> Json:
    """Judge `{"report", "findings": [{"observation", "status"}]}`, or `{"report", "text"}`.

    Of a text, every place that asserts something is judged, where the judge can mark them: what was said before
    has `repeats`, the index of the finding that says it first.

    Comes back with all keys of the record and `findings`, each with its own keys and `verdict`, `factual`
    (true, false, or null where nothing can be checked), `reason`, `error` (in what a wrong finding is wrong),
    `extra_detail` and `evidence` spans into the report; `judge` names who said so. Raises ValueError, in one sentence,
    for anything else.
    """
    line = _object(record)
    report = _text(line, "report")
    if "findings" in line:
        given = _finding_objects(line["findings"], "findings")
        findings = [_finding(item) for item in given]
    elif "text" in line:
        text = _text(line, "text")
        findings = judge.mentions(text) if isinstance(judge, Marks) else judge.extract(text)
        given = _marked(findings)
    else:
        raise ValueError(
            'the line has neither "findings" nor "text"; give a list of findings or the text to read them from'
        )
    judged = judge.verdicts(report, findings)
    answers = [{**item, **_verdict(answer)} for item, answer in zip(given, judged, strict=True)]
    return {**line, "findings": answers, "judge": _signature(judge)}


def radrscore_line(
    record: object, judge: Judge, *, empty: Empty | str = Empty.ZERO, weights: Weights | str = Weights.NONE
) -> Json:
    """Score `{"prediction", "reference", "report"}`; both sides are texts or lists of findings.

    Comes back with all keys of the record, `factuality`, `completeness`, `effectiveness` and `radrscore`
    (null only under `empty="skip"`), and both sides as lists of findings: each of `reference` with
    `recalled`, each of `prediction` with its verdict and `effective` (null where the finding asserts
    nothing checkable). Lists that were given keep order, length and their other keys. By significance, there is
    also `weighted`, a score that weighs findings, and each finding's `significance` (null where it tells of
    nothing abnormal). Raises ValueError, in one sentence, for anything else.
    """
    line = _object(record)
    report = _text(line, "report")
    predicted, predicted_objects = _side(line, "prediction")
    expected, expected_objects = _side(line, "reference")
    scored = score_reasoning(predicted, expected, report, judge, empty=Empty(empty))
    if predicted_objects is None:
        predicted_objects = [_written(item.finding) for item in scored.prediction]
    if expected_objects is None:
        expected_objects = [_written(item) for item in scored.reference]
    prediction = [
        {**item, **_verdict(answer), "effective": effective}
        for item, answer, effective in zip(predicted_objects, scored.prediction, scored.effective, strict=True)
    ]
    reference = [
        {**item, "recalled": recalled} for item, recalled in zip(expected_objects, scored.recalled, strict=True)
    ]
    weighted: Json = {}
    if Weights(weights) is Weights.SIGNIFICANCE:
        weighted = {"weighted": weigh(scored, report).score, "weights": weights_version()}
        for item, answer in zip(prediction, scored.prediction, strict=True):
            item["significance"] = significance_of(answer.finding)
        for item, finding in zip(reference, scored.reference, strict=True):
            item["significance"] = significance_of(finding)
    return {
        **line,
        "factuality": scored.score.factuality,
        "completeness": scored.score.completeness,
        "effectiveness": scored.score.effectiveness,
        "radrscore": scored.score.radrscore,
        **weighted,
        "prediction": prediction,
        "reference": reference,
        "judge": _signature(judge),
    }


def _signature(judge: Judge) -> Json:
    """Return the judge's name and version, which stand beside every score."""
    return {"name": judge.name, "version": judge.version}


def _verdict(answer: JudgedFinding) -> Json:
    """Return a verdict as the keys that are added to a finding."""
    return {
        "verdict": answer.verdict.value,
        "factual": answer.factual,
        "reason": answer.reason,
        "error": answer.error,
        "extra_detail": answer.extra_detail,
        "evidence": [{"start": quote.start, "end": quote.end, "text": quote.text} for quote in answer.evidence],
        **({} if answer.sureness is None else _two_judged(answer)),
    }


def _two_judged(answer: JudgedFinding) -> Json:
    """Return how sure the first of two judges was, and what it said where the second was asked."""
    return {"sureness": answer.sureness, "first_verdict": answer.first_verdict}


def _marked(findings: list[Finding]) -> list[Json]:
    """Return extracted findings as JSON objects; what was said before tells where."""
    first: dict[object, int] = {}
    marked = []
    for index, finding in enumerate(findings):
        said = first.setdefault(finding.normal_forms or index, index)
        marked.append(_written(finding) | ({"repeats": said} if said != index else {}))
    return marked


def _written(finding: Finding) -> Json:
    """Return an extracted finding as a JSON object, with its span in the text it was read from."""
    written: Json = {"observation": finding.observation, "status": finding.status}
    if finding.span is not None:
        written["span"] = {"start": finding.span.start, "end": finding.span.end}
    return written


def _finding(item: Mapping[str, Any]) -> Finding:
    """Read a finding from its observation and status; a missing status is an empty one."""
    return Finding(observation=item["observation"], status=item.get("status") or "")


def _object(record: object) -> Json:
    """Check that the line is a JSON object with text keys."""
    if not isinstance(record, dict):
        raise ValueError(f"the line is a JSON {_kind(record)}; expected an object with the named fields")
    return record


def _text(line: Mapping[str, Any], key: str) -> str:
    """Return a field that must be text."""
    if key not in line:
        raise ValueError(f'the line has no "{key}"; add it as text')
    value = line[key]
    if not isinstance(value, str):
        raise ValueError(f'"{key}" is a JSON {_kind(value)}; expected text')
    return value


def _side(line: Mapping[str, Any], key: str) -> tuple[str | list[Finding], list[Json] | None]:
    """Return one side of a RadRScore line: a text, or the findings of a list and the list as it was given."""
    if key not in line:
        raise ValueError(f'the line has no "{key}"; add a text or a list of findings')
    value = line[key]
    if isinstance(value, str):
        return value, None
    given = _finding_objects(value, key)
    return [_finding(item) for item in given], given


def _finding_objects(value: object, key: str) -> list[Json]:
    """Check a list of findings as it came."""
    if not isinstance(value, list):
        raise ValueError(f'"{key}" is a JSON {_kind(value)}; expected a list of findings')
    for number, item in enumerate(value, start=1):
        if not isinstance(item, dict) or not isinstance(item.get("observation"), str):
            raise ValueError(
                f'item {number} of "{key}" is not a finding; expected an object with "observation" as text'
            )
        if not isinstance(item.get("status"), str | None):
            raise ValueError(
                f'the "status" of item {number} of "{key}" is a JSON {_kind(item["status"])}; expected text'
            )
    return value


def _kind(value: object) -> str:
    """Name a decoded value the way JSON does."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)
