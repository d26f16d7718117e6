"""One line of `cxr reward`: a completion in, its rewards and why out. Errors name the field, never its text."""

import math
from typing import Any

from cxr.miner.judge import Judge
from cxr.miner.kit.errors import CxrError
from cxr.schemas.vocabulary import Task
from cxr.trainer.reward.answers import letters_of, parse_completion
from cxr.trainer.reward.grounded import held, read_reference
from cxr.trainer.reward.protocol import ProcessKind
from cxr.trainer.reward.reasoning import Reasoned, reason
from cxr.trainer.reward.rewards import REASONING, accuracy_reward, format_reward, options_of

Json = dict[str, Any]
_MODES = (REASONING, "answer_only")


def reward_line(record: object, judge: Judge, *, process_reward: ProcessKind = "grounded") -> Json:
    """Reward `{"completion", "mode", "task", "answer", "options", "report", "reference"}` as `cxr train grpo` would.

    `reference` is a text, its sentences, or findings with `observation` and `status`; `mode` is reasoning where none is
    given. Comes back with all keys of the record and `format`, `accuracy`, `process` (null for answer-only lines),
    `total`, their sum, and `why`: how many findings are stated, unmentioned and contradicted by the report, how many of
    the reference are recalled, and the share of sentences that assert nothing. Raises ValueError, in one sentence, for
    anything else, and what the judge raises.
    """
    if not isinstance(record, dict):
        raise ValueError("the line is no JSON object; expected one with the named fields")
    mode = record.get("mode") or REASONING
    if mode not in _MODES:
        raise ValueError(f'"mode" is unknown; expected {" or ".join(_MODES)}')
    completion, answer = _text(record, "completion"), _text(record, "answer")
    about = {"task": _task(record), "answer": answer, "options": options_of(_options(record), answer)}
    _check_answer(answer, about["options"])
    parts: dict[str, float | None] = {
        "format": format_reward(completion, mode=mode),
        "accuracy": accuracy_reward(completion, mode=mode, answer_findings=_names(record, "answer_findings"), **about),
        "process": None,
    }
    told: Json = {}
    if mode == REASONING:
        try:
            reasoned = _reasoned(record, completion, judge, process_reward)
        except (ValueError, CxrError):
            raise
        except Exception as error:
            raise ValueError(f"not judged ({type(error).__name__})") from error
        parts["process"] = reasoned.value
        told = {"why": _why(reasoned), "judge": {"name": judge.name, "version": judge.version}}
    total = sum(value for value in parts.values() if value is not None)
    if not math.isfinite(total):
        raise ValueError("the rewards are no finite number; look at what judges")
    return {**record, **parts, "total": total, "process_reward": process_reward, **told}


def _reasoned(record: Json, completion: str, judge: Judge, kind: ProcessKind) -> Reasoned:
    report, given = _text(record, "report"), record.get("reference")
    if not report.strip():
        raise ValueError('"report" is empty; a reasoning is judged against it')
    reference = None
    if given is not None or kind == "grounded":
        reference = read_reference(_reference(record), report, judge)
        if reference.contradicted:
            raise ValueError(
                f"the report contradicts {reference.contradicted} findings of the reference; mend one of them"
            )
        if not reference.findings:
            raise ValueError('"reference" states no finding that the report bears out; give those of the reference')
    think, _ = parse_completion(completion, reasoning=True)
    if not think:
        nothing = Reasoned.nothing(compared=reference is not None)
        return nothing if reference is None else nothing._replace(of=len(reference.findings))
    return reason(think, report, judge, reference, kind)


def _why(reasoned: Reasoned) -> Json:
    """Return what a process reward was made of."""
    told: Json = {**reasoned.claims.counts(), "silent": reasoned.claims.silent, "factuality": reasoned.factuality}
    if reasoned.compared is not None:
        told |= {
            "recalled": reasoned.recalled,
            "of": reasoned.of,
            "stated_factuality": reasoned.compared.stated,
            "completeness": reasoned.compared.completeness,
            "beside": reasoned.compared.beside,
            "both_ways": reasoned.compared.both_ways,
        }
    return told


def _text(record: Json, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise ValueError(f'"{key}" is {"missing" if value is None else "no text"}; expected text')
    return value


def _check_answer(answer: str, options: Any) -> None:
    """Raise ValueError for an answer that no completion could give."""
    if not answer.strip():
        raise ValueError('"answer" is empty; expected a letter, Yes or No, or findings')
    letters = letters_of(options or ())
    if letters and answer.upper() not in letters:
        raise ValueError(f'"answer" is none of the options; expected one of {", ".join(letters)}')


def _task(record: Json) -> str:
    task = _text(record, "task")
    if task not in set(Task):
        raise ValueError(f'"task" is unknown; expected one of {", ".join(Task)}')
    return task


def _options(record: Json) -> list[str] | None:
    """Return options as "A) ..."; they may come with `letter` and `text`, as benchmarks hold them."""
    given = record.get("options")
    if isinstance(given, list) and all(isinstance(one, dict) for one in given):
        return [f"{_text(one, 'letter')}) {_text(one, 'text')}" for one in given]
    return _names(record, "options")


def _names(record: Json, key: str) -> list[str] | None:
    value = record.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'"{key}" is no list of texts; expected one, or null')
    return value


def _reference(record: Json) -> Any:
    value = record.get("reference")
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value:
        findings = [one for one in value if isinstance(one, dict) and isinstance(one.get("observation"), str)]
        if all(isinstance(one.get("status"), str | None) for one in findings) and len(findings) == len(value):
            return held(value)
        if all(isinstance(one, str) for one in value):
            return held(value)
    raise ValueError(
        f'"reference" is {"missing" if value is None else "no reference"}; expected a text, or a list of sentences '
        'or of findings with "observation"'
    )
