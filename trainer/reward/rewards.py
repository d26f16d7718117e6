"""The three rewards of the paper's equation 9, as plain functions over one completion and as TRL calls them.

    format      1 where the completion has exactly the form of its mode, with a word in each part, else 0
    accuracy    1 or 0 for options and Yes/No; for open answers the F1 of their findings, or RaTEScore where a scorer
                with weights is given
    process_factuality      the share of the reasoning's findings that the report supports; reasoning samples only

What is not in the form earns nothing: neither an answer nor a reasoning can be told from the rest of it. An answer
within its tags is read by `answers.py`. Evaluation starts from that and reads what models of other makers write
beside it (`trainer/evaluate/answers.py`).
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.judge.radrscore import share
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.pack import pack
from cxr.schemas import JudgedFinding
from cxr.schemas.vocabulary import Task
from cxr.trainer.reward.answers import findings_named, parse_completion, read_answer
from cxr.trainer.reward.protocol import Completion, LogExtra, LogMetric, RewardFunction, RewardRun
from cxr.trainer.reward.registry import WeightedReward

# A letter or digit that can be seen: the four fillers are letters by their category, and blank.
_WORD = re.compile(r"[^\W_\u115f\u1160\u3164\uffa0]")

REASONING = "reasoning"
"""The value of the column `mode` for samples whose completion reasons before it answers."""
FINDING_F1 = "finding_f1"
RATESCORE = "ratescore"


class RateScore(Protocol):
    """Compares open answers with the true ones; `name` says in the logs which metric it is."""

    @property
    def name(self) -> str:
        """The metric's name."""

    def __call__(self, answers: Sequence[str], truths: Sequence[str]) -> list[float]:
        """Return one value between 0 and 1 per answer."""


class JudgedReasoning(NamedTuple):
    """A reasoning's findings with their verdicts, and the share that counts as factual."""

    factuality: float
    findings: tuple[JudgedFinding, ...]


def format_reward(completion: str, *, mode: str) -> float:
    """Return 1 for exactly the form of the mode with a word between each pair of tags, else 0."""
    think, answer = parse_completion(completion, reasoning=mode == REASONING)
    parts = [think, answer] if mode == REASONING else [answer]
    return float(all(part is not None and _WORD.search(part) for part in parts))


def accuracy_reward(completion: str, *, mode: str, **about: Any) -> float:
    """Return the accuracy of the answer in a completion (`about` it: see `answer_accuracy`); 0 out of form."""
    said = parse_completion(completion, reasoning=mode == REASONING)[1]
    return 0.0 if said is None else answer_accuracy(said, **about)


def answer_accuracy(
    said: str,
    *,
    task: str,
    answer: str,
    options: Sequence[str] | None = None,
    answer_findings: Sequence[str] | None = None,
    scorer: RateScore | None = None,
) -> float:
    """Return the accuracy of what stands between the answer tags; an answer that cannot be read is wrong.

    It is 1 or 0 for options and Yes/No, the finding F1 or the scorer's value for open answers.
    """
    if is_open(task, options):
        if scorer is not None:
            return scorer([said], [answer])[0] if said else 0.0
        return finding_f1(findings_named(said), answer_findings or findings_named(answer))
    return float((read_answer(said, task, options).value or "").casefold() == answer.casefold())


def process_factuality(completion: str, report: str, judge: Judge | None = None) -> float:
    """Return the share of the findings in <think> that the report supports; 0 where none is stated, and out of form.

    The judge is `rules` unless another is given; findings that assert nothing checkable are left out, as in RadRScore.
    """
    think, _ = parse_completion(completion, reasoning=True)
    return judge_reasoning(think, report, judge).factuality if think else 0.0


def judge_reasoning(think: str, report: str, judge: Judge | None = None) -> JudgedReasoning:
    """Judge the findings of a reasoning against the report; raises what the judge raises."""
    judge = judge or rules_judge()
    findings = judge.extract(think)
    judged = tuple(judge.verdicts(report, findings)) if findings else ()
    return JudgedReasoning(share(item.factual for item in judged) or 0.0, judged)


@cache
def rules_judge() -> RulesJudge:
    """Return the process's rules judge: it holds no state, and what it reads of a report is kept between calls."""
    return RulesJudge()


def is_open(task: str, options: Sequence[str] | None) -> bool:
    """Return whether a question is answered in its own words: an anomaly question without options."""
    return task == Task.ANOMALY and not options


def options_of(options: Sequence[str] | None, answer: str) -> Sequence[str] | None:
    """Return the options of a question; where nobody gave their words, a letter as the answer is still a letter."""
    return options or ([f"{letter})" for letter in "ABCDEFGH"] if len(answer) == 1 else None)


def finding_f1(named: Iterable[str], true: Iterable[str]) -> float:
    """Return the F1 of two sets of findings; two empty sets are equal, which is 1.

    Only the labels that questions are asked about count (design, Tasks).
    """
    known = set(pack().question_labels)
    found, expected = known & set(named), known & set(true)
    if not found or not expected:
        return float(found == expected)
    return 2 * len(found & expected) / (len(found) + len(expected))


def formats(
    completions: Sequence[Completion], *, mode: Sequence[str], log_extra: LogExtra | None = None, **columns: Any
) -> list[float]:
    """Return the format reward of a batch; its columns `mode`, `task` and `sample_id` go into the table of samples."""
    if log_extra is not None:
        log_extra("sample_id", list(columns.get("sample_id") or [None] * len(completions)))
        log_extra("task", list(columns.get("task") or [None] * len(completions)))
        log_extra("mode", list(mode))
    return [format_reward(text_of(completion), mode=of) for completion, of in zip(completions, mode, strict=True)]


formats.__name__ = "format"


class Accuracy:
    """The accuracy reward of a batch, with a scorer for open answers or the finding F1."""

    def __init__(self, scorer: RateScore | None = None) -> None:
        self.__name__ = "accuracy"
        self._scorer = scorer
        self.open_metric = FINDING_F1 if scorer is None else scorer.name
        """Which metric open answers get: it stands in the logs as `rewards/accuracy/<metric>`."""

    @classmethod
    @contextmanager
    def opened(cls, run: RewardRun) -> Iterator["Accuracy"]:
        """Return the reward with the scorer that the run names."""
        yield cls(None if run.ratescore is None else load_ratescore(run.ratescore))

    def record(self) -> dict[str, Any]:
        """Return what run.json says of it."""
        return {"open_answers": self.open_metric}

    def __call__(
        self,
        completions: Sequence[Completion],
        *,
        mode: Sequence[str],
        task: Sequence[str],
        answer: Sequence[str],
        options: Sequence[Sequence[str] | None] | None = None,
        answer_findings: Sequence[Sequence[str] | None] | None = None,
        log_metric: LogMetric | None = None,
        log_extra: LogExtra | None = None,
        **_: Any,
    ) -> list[float]:
        """Return one value per completion; the open answers of a batch go to the scorer at once."""
        count = len(completions)
        options = options or [None] * count
        answer_findings = answer_findings or [None] * count
        said = [
            parse_completion(text_of(completion), reasoning=of == REASONING)[1]
            for completion, of in zip(completions, mode, strict=True)
        ]
        is_open_answer = [is_open(of, given) for of, given in zip(task, options, strict=True)]
        values = [
            0.0
            if words is None or (is_open_answer[at] and self._scorer is not None)
            else answer_accuracy(
                words, task=task[at], answer=answer[at], options=options[at], answer_findings=answer_findings[at]
            )
            for at, words in enumerate(said)
        ]
        scored = [at for at, words in enumerate(said) if is_open_answer[at] and words]
        if self._scorer is not None and scored:
            found = self._scorer([said[at] or "" for at in scored], [answer[at] for at in scored])
            for at, value in zip(scored, found, strict=True):
                values[at] = value
        opened = [value for value, is_one in zip(values, is_open_answer, strict=True) if is_one]
        if log_metric is not None and opened:
            log_metric(f"rewards/accuracy/{self.open_metric}", sum(opened) / len(opened))
        if log_extra is not None:
            log_extra("answer", list(answer))
            log_extra("answered", [None if words is None else words[:80] for words in said])
        return values


def text_of(completion: Completion) -> str:
    """Return the text of a completion: its own, or that of the last message, whose content may come in parts."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content or ())


def load_ratescore(weights: Path, *, use_gpu: bool = False) -> RateScore:
    """Load RaTEScore (Zhao et al. 2024, arXiv 2406.16845) from a folder that holds both of its models.

    The folder has `RaTE-NER-Deberta` and `BioLORD-2023-C` in it, as downloaded from their hubs: nothing is fetched.
    Raises SettingsError where the package is not installed, InputError where a model is missing.
    """
    models = [weights / "RaTE-NER-Deberta", weights / "BioLORD-2023-C"]
    missing = [model.name for model in models if not (model / "config.json").is_file()]
    if missing:
        raise InputError(
            f"{weights} lacks {' and '.join(missing)}; expected both models of RaTEScore in it, each a folder with "
            "config.json; leave the option out to reward open answers by their finding F1"
        )
    try:
        from RaTEScore import RaTEScore  # noqa: PLC0415 - optional and heavy
    except ImportError as error:
        raise SettingsError(
            f"RaTEScore cannot be imported ({error.name}); pip install RaTEScore, or leave the option out to reward "
            "open answers by their finding F1"
        ) from None
    return _RaTEScore(RaTEScore(bert_model=str(models[0]), eval_model=str(models[1]), batch_size=16, use_gpu=use_gpu))


class _RaTEScore:
    """The package behind our protocol; what it cannot compare (no entity in an answer) is worth 0."""

    name = RATESCORE

    def __init__(self, package: Any) -> None:
        self._package = package

    def __call__(self, answers: Sequence[str], truths: Sequence[str]) -> list[float]:
        values = [float(value) for value in self._package.compute_score(list(answers), list(truths))]
        return [value if math.isfinite(value) else 0.0 for value in values]


def reward_functions(process: RewardFunction | None = None, *, scorer: RateScore | None = None) -> list[WeightedReward]:
    """Return the paper's rewards in their order, for anybody's GRPOTrainer; without `process` there are two."""
    both: list[RewardFunction] = [formats, Accuracy(scorer)]
    return [WeightedReward(reward) for reward in (both if process is None else [*both, process])]
