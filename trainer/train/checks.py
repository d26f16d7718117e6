"""The checks before step 1: what would train silently on the wrong thing stops here, with a sentence and sample ids.

Known ways to do so: image placeholders that do not match the image features, padding on the side where a model
generates, prompts that are cut, answers that no completion can hit, a patient on both sides of a split.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from cxr.miner.kit.console import table, talk
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.pack import pack
from cxr.miner.pack.labels import Example
from cxr.trainer.reward.answers import parse_completion
from cxr.trainer.reward.protocol import RewardFunction
from cxr.trainer.reward.rewards import REASONING, accuracy_reward, format_reward
from cxr.trainer.train.image_checks import (
    CheckLine,
    Sizes,
    check_image_tokens,
    check_pixels,
    check_processor,
    image_sizes,
    patches,
    some,
)

if TYPE_CHECKING:
    from datasets import Dataset

MOST_ROWS = 20_000
"""Rows whose text, answers and image headers are looked at; all of a million would take an hour."""


def run_checks(
    rows: "Dataset",
    processor: Any,
    *,
    max_length: int,
    max_completion_length: int | None = None,
    held_out: Collection[str] = (),
    rewards: Sequence[RewardFunction] = (),
    config: Any = None,
    image_side: int | None = None,
) -> list[CheckLine]:
    """Check rows of an export, as they will be trained on, against the processor; give what was looked at.

    Patients are looked up for all rows; the rest is looked at in `MOST_ROWS` of them, spread evenly. `max_length`
    bounds prompt and reference completion together, in tokens; `max_completion_length` is what GRPO may write.
    `held_out` are the patients of validation and test. `rewards` are tried on hand-made completions. `config` is the
    model's configuration, with which the processor has to agree; `image_side` that of the squares as which images are
    shown.
    Raises InputError for samples that cannot be trained on, SettingsError for settings that cannot train.
    """
    patients, rows = check_patients(rows, held_out), spread(rows)
    sizes = image_sizes(rows)
    if image_side is not None:
        sizes = {name: ((image_side, image_side),) * len(own) for name, own in sizes.items()}
    results = [
        patients,
        check_padding(processor),
        *([] if config is None else [check_processor(processor, config)]),
        check_pixels(sizes, processor),
        check_image_tokens(sizes, processor),
        *check_lengths(rows, sizes, processor, max_length, max_completion_length),
        check_answers(rows),
    ]
    return [*results, check_rewards(rewards)] if rewards else results


def spread(rows: "Dataset") -> "Dataset":
    """Return `MOST_ROWS` of the rows, evenly apart, or all where there are no more."""
    step = -(-len(rows) // MOST_ROWS)
    return rows if step <= 1 else rows.select(range(0, len(rows), step))


def show_checks(results: Sequence[CheckLine]) -> None:
    """Show what the checks found, on stderr."""
    lines = [(result.name, result.looked_at, ("! " if result.warning else "") + result.found) for result in results]
    talk().print(table("Checks before step 1", ("check", "looked at", "found"), lines))


def check_patients(rows: "Dataset", held_out: Collection[str]) -> CheckLine:
    """Check that no patient of the rows is held out; raises InputError with the samples of those who are."""
    held = pa.array(sorted(set(held_out)), pa.string())
    torn: list[str] = []
    for batch in rows.select_columns(["sample_id", "patient_id"]).with_format("arrow").iter(batch_size=10_000):
        torn += batch.filter(pc.is_in(batch["patient_id"], value_set=held))["sample_id"].to_pylist()
    if torn:
        raise InputError(
            f"{len(torn):,} samples are of patients that are also in validation or test: {some(torn)}; compile the "
            "benchmark again, which splits by patient"
        )
    return CheckLine("patients", len(held), "no held-out patient is trained on")


def check_padding(processor: Any) -> CheckLine:
    """Check by padding two texts that the shorter one ends with its own last token: a model goes on from there."""
    tokenizer = processor.tokenizer
    if tokenizer.pad_token_id is None:
        raise SettingsError("the tokenizer has no padding token; give a model folder whose tokenizer names one")
    padded = tokenizer(["A short text.", "A text that is longer than the other."], padding=True)
    ids, mask = padded["input_ids"], padded["attention_mask"]
    if len(ids[0]) != len(ids[1]) or not mask[0][-1] or mask[0][0]:
        raise SettingsError(
            f"the tokenizer pads on the {tokenizer.padding_side}, expected left: completions would go on from padding; "
            "set padding_side to left in the model folder's tokenizer_config.json"
        )
    return CheckLine("padding", 2, "on the left, where generation needs it")


def check_lengths(
    rows: "Dataset",
    sizes: Mapping[str, Sizes],
    processor: Any,
    max_length: int,
    max_completion_length: int | None = None,
) -> Iterator[CheckLine]:
    """Check that every prompt, with its reference completion where there is one, has at most `max_length` tokens.

    Raises InputError with the samples that are longer. Where completions have a limit of their own, the shortest right
    one must fit into it (SettingsError), and reference completions that do not are a warning.
    """
    longest, too_long, cut, completions = 0, [], [], 0
    references = "completion" in rows.column_names
    merge = processor.image_processor.merge_size**2
    prompt_lengths = _PromptLengths(processor)
    columns = ("sample_id", "mode", "prompt", "completion" if references else "answer")
    for batch in _batches(rows, columns):
        answers = [
            _written(completion) if references else in_form(completion, mode)
            for completion, mode in zip(batch[columns[-1]], batch["mode"], strict=True)
        ]
        prompt_tokens, answer_tokens = prompt_lengths(batch["prompt"]), _token_counts(processor, answers)
        for name, asked, answered in zip(batch["sample_id"], prompt_tokens, answer_tokens, strict=True):
            # Each image adds its tokens and two that enclose it.
            seen = sum(patches(size, processor) // merge + 2 for size in sizes.get(name, ()))
            length = asked + seen + (answered + 1 if references else 0)
            longest = max(longest, length)
            if length > max_length:
                too_long.append(name)
            if max_completion_length is not None and answered + 1 > max_completion_length:
                cut.append(name)
        completions += len(answers)
    what = "prompt and completion" if references else "prompt"
    if too_long:
        raise InputError(
            f"{len(too_long):,} samples have a {what} of more than {max_length:,} tokens (the longest: {longest:,}): "
            f"{some(too_long)}; raise max_length or lower max_pixels (--set)"
        )
    yield CheckLine("lengths", completions, f"{what}: {longest:,} tokens at most, of {max_length:,} allowed")
    if max_completion_length is None:
        return
    if cut and not references:
        raise SettingsError(
            f"the right answer of {len(cut):,} samples takes more than max_completion_length={max_completion_length} "
            f"tokens: {some(cut)}; raise it with --set"
        )
    share = len(cut) / completions if completions else 0.0
    found = f"{share:.1%} of the reference completions exceed {max_completion_length} tokens"
    yield CheckLine("completions", completions, found if references else "every answer fits", warning=bool(cut))


def check_answers(rows: "Dataset") -> CheckLine:
    """Check that the right completion of every sample earns the full format and accuracy reward.

    Where it has a reference completion (an SFT export), that must be in the form of its mode, with an answer in it.
    Raises InputError with the samples whose answer cannot be reached.
    """
    if "completion" in rows.column_names:
        return _check_references(rows)
    lost = []
    about = ("mode", "task", "answer", "options", "answer_findings")
    for row in _rows(rows, ("sample_id", *about)):
        right = in_form(row["answer"], row["mode"])
        accuracy = accuracy_reward(right, **{name: row[name] for name in about})
        if format_reward(right, mode=row["mode"]) < 1 or accuracy < 1:
            lost.append(row["sample_id"])
    if lost:
        raise InputError(
            f"the right answer of {len(lost):,} samples would not be rewarded: {some(lost)}; expected Yes or No, the "
            "letter of an option, or findings by their names; export again"
        )
    return CheckLine("answers", len(rows), "every right answer earns format 1 and accuracy 1")


def check_reference_findings(rows: "Dataset") -> CheckLine:
    """Check that every sample with a report has the findings of its reference reasoning, which `grounded` asks for.

    Raises InputError for an export of an earlier version.
    """
    looked_at = 0
    if "reference" in rows.column_names:
        pairs = [(row["report"], row["reference"]) for row in _rows(rows, ("report", "reference"))]
        looked_at = sum(bool(report) for report, _ in pairs)
        lacking = sum(bool(report) and not reference for report, reference in pairs)
    else:
        lacking = sum(bool(row["report"]) for row in _rows(rows, ("report",)))
    if lacking:
        raise InputError(
            f"{lacking:,} samples have no reference findings, which process_reward=grounded compares with (an export "
            "of an earlier version has none); export again, or give --process-reward factuality"
        )
    return CheckLine("references", looked_at, "every reasoning sample has its reference findings")


def _check_references(rows: "Dataset") -> CheckLine:
    lost = [
        row["sample_id"]
        for row in _rows(rows, ("sample_id", "mode", "completion"))
        if not parse_completion(_written(row["completion"]), reasoning=row["mode"] == REASONING)[1]
    ]
    if lost:
        raise InputError(
            f"the completions of {len(lost):,} samples are not in the form of their mode, so the model would learn "
            f"another one: {some(lost)}; export again"
        )
    return CheckLine("answers", len(rows), "every completion is in the form of its mode and has an answer")


def _hand_made(example: Example) -> dict[str, str]:
    """Return completions about the pack's invented report, the perfect one first."""
    true = example.true
    return {
        "perfect": f"<think> {true} </think><answer> B </answer>",
        "flipped negation": f"<think> {example.false} </think><answer> B </answer>",
        "wrong answer": f"<think> {true} </think><answer> A </answer>",
        "nested tags": f"<think> <think> {true} </think> </think><answer> B </answer>",
        "doubled tags": f"<think> {true} </think><answer> B </answer><answer> B </answer>",
        "text outside": f"So: <think> {true} </think><answer> B </answer>",
    }


# What each of the paper's rewards must take something off for; others say themselves what they reward.
_LOSES = {
    "format": ("nested tags", "doubled tags", "text outside"),
    "accuracy": ("wrong answer",),
    "process_factuality": ("flipped negation",),
    "process_grounded": ("flipped negation",),
}


def check_rewards(rewards: Sequence[RewardFunction]) -> CheckLine:
    """Try the rewards of a run on hand-made completions about an invented report.

    Raises SettingsError where one of the paper's does not give a perfect completion the maximum, or takes nothing off
    a spoilt one that it should; CxrError where a reward cannot be called.
    """
    example = pack().example
    hand_made = _hand_made(example)
    count = len(hand_made)
    of_all: dict[str, Any] = {
        **dict.fromkeys(("patient_id", "corpus"), "hand-made"),
        "licence": "public",
        "mode": REASONING,
        "task": "single",
        "answer": "B",
        "report": example.report,
        "reference": example.true,
        "answer_text": example.label.lower(),
        "answer_findings": [example.label],
        "options": [f"A) {example.other.lower()}", f"B) {example.label.lower()}"],
        "images": [],
        "prompts": [{"role": "user", "content": "What is seen?"}],
        "completion_ids": [0],
    }
    given_to_all = {name: [value] * count for name, value in of_all.items()}
    for reward in rewards:
        values = reward(
            **given_to_all,
            sample_id=[f"hand-made: {name}" for name in hand_made],
            completions=[[{"role": "assistant", "content": text}] for text in hand_made.values()],
            trainer_state=SimpleNamespace(global_step=0),
            log_metric=lambda _name, _value: None,
            log_extra=lambda _name, _values: None,
        )
        given = dict(zip(hand_made, values, strict=True))
        name = reward.__name__
        if name in _LOSES and given["perfect"] != 1:
            raise SettingsError(f"the reward {name} gives a perfect completion {given['perfect']}, expected 1")
        for case in _LOSES.get(name, ()):
            got = given[case]
            if got is None or got >= 1:
                raise SettingsError(f"the reward {name} gives a completion with {case} {got}, expected less than 1")
    names = ", ".join(reward.__name__ for reward in rewards)
    return CheckLine("rewards", count, f"{names} part hand-made completions as they should")


def in_form(answer: str, mode: str) -> str:
    """Return the shortest completion of a mode that holds an answer."""
    return ("<think> So. </think>" if mode == REASONING else "") + f"<answer> {answer} </answer>"


def _batches(rows: "Dataset", columns: Iterable[str]) -> Iterator[dict[str, list[Any]]]:
    """Return the rows' columns batch by batch, images left alone."""
    return iter(rows.select_columns(list(columns)).iter(batch_size=1000))


def _rows(rows: "Dataset", columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Return those columns of the rows one by one."""
    for batch in _batches(rows, columns):
        for values in zip(*(batch[name] for name in columns), strict=True):
            yield dict(zip(columns, values, strict=True))


def _token_counts(processor: Any, texts: list[str]) -> list[int]:
    if not texts:
        return []
    return [len(ids) for ids in processor.tokenizer(texts, add_special_tokens=False)["input_ids"]]


class _PromptLengths:
    """Counts the tokens of prompts, each distinct one once: many samples ask the same question."""

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._known: dict[tuple[str, ...], int] = {}

    def __call__(self, prompts: Sequence[Sequence[Mapping[str, Any]]]) -> list[int]:
        keys = [tuple(str(turn["content"]) for turn in prompt) for prompt in prompts]
        new = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in self._known}
        # The form that all chat templates read: content as parts.
        in_parts = [
            [{"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]} for turn in prompt]
            for prompt in new.values()
        ]
        template = partial(self._processor.apply_chat_template, add_generation_prompt=True, tokenize=False)
        texts = list(map(template, in_parts))
        self._known |= dict(zip(new, _token_counts(self._processor, texts), strict=True))
        return [self._known[key] for key in keys]


def _written(completion: Sequence[Mapping[str, Any]]) -> str:
    return str(completion[-1]["content"])
