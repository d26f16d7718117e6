"""An output as its maker writes it: what of it is reasoning, and what is the answer.

Evaluation reads the traces of other makers: thoughts between their own tags or tokens, before a lone `</think>`,
between several answers, or in a field of their own (`miner/imports` puts those into <think>), and answers in a box. The
format reward knows the paper's form alone (`trainer/reward/answers.py`).
"""

import re
from typing import NamedTuple

from cxr.trainer.reward.answers import TAG

_THINK = r"think(?:ing)?|thoughts?|reason(?:ing)?|analysis|scratchpad|reflection|seed:think"
_ANSWER = r"final[ _-]?answer|final[ _-]?response|solution|answer"
_CHANNEL = r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>\s*"
# Of open reasoning models: their sources are named in docs/evaluation.md.
_FOREIGN = re.compile(
    rf"(?P<think><\s{{0,2}}(?:{_THINK})\s{{0,2}}>|<\|begin_of_thought\|>|\[think\]|\u25c1think\u25b7"
    rf"|{_CHANNEL}(?:analysis|commentary)[^<\n]{{0,40}}<\|message\|>|(?:^|(?<=\n))\#{{1,4}}\s*thinking\s*(?=\n|$))"
    rf"|(?P<thought><\s{{0,2}}/\s{{0,2}}(?:{_THINK})\s{{0,2}}>|<\|end_of_thought\|>|\[/think\]|\u25c1/think\u25b7)"
    rf"|(?P<answer><\s{{0,2}}(?:{_ANSWER})\s{{0,2}}>|<\|begin_of_solution\|>|<\|begin_of_box\|>"
    rf"|{_CHANNEL}final[^<\n]{{0,40}}<\|message\|>"
    rf"|(?:^|(?<=\n))\#{{1,4}}\s*final\s(?:answer|response)\s*:?\s*(?=\n|$))"
    rf"|(?P<answered><\s{{0,2}}/\s{{0,2}}(?:{_ANSWER})\s{{0,2}}>|<\|end_of_solution\|>|<\|end_of_box\|>)"
    r"|(?P<token><[|\uff5c][^<>\n]{1,40}[|\uff5c]>|</?s>)",
    re.IGNORECASE,
)
_OURS = {"think": "<think>", "thought": "</think>", "answer": "<answer>", "answered": "</answer>", "token": " "}
_BOX = "\\boxed{"


class Output(NamedTuple):
    """What of an output is what."""

    reasoning: str
    answer: str
    tagged: bool
    """The answer stood between tags."""
    cut_off: bool
    """The reasoning never ended, so no answer began."""


def in_our_tags(text: str) -> str:
    """Return an output with <think> and <answer> for what other makers write; one that begins in thought is opened."""
    if not any(sign in text for sign in "<[\u25c1#"):
        return text
    ours = _FOREIGN.sub(lambda match: _OURS[match.lastgroup or "token"], text)
    first = next((tag for tag in TAG.finditer(ours) if tag[2].lower() == "think"), None)
    return f"<think>{ours}" if first is not None and first[1] else ours


def parts_of(text: str) -> tuple[str, str]:
    """Return the reasoning and the answer of an output, whatever its form; one without tags is both.

    Reasoning is what stands in <think>, to the end of the text where that never closes; without <think>, it is all
    that is not in <answer>. The answer is the last <answer> block that is not empty, else what follows the reasoning.
    """
    output = output_of(text)
    return output.reasoning, output.answer


def output_of(text: str) -> Output:
    """Return what of an output is reasoning and what is the answer. Never raises; takes time linear in the text."""
    text = in_our_tags(text)
    blocks: dict[str, list[tuple[int, int, int]]] = {"think": [], "answer": []}
    opened: tuple[str, int, int] | None = None
    for tag in TAG.finditer(text):
        name = tag[2].lower()
        if opened is not None:
            blocks[opened[0]].append((opened[1], tag.start(), opened[2]))
            opened = None
        if not tag[1]:
            opened = (name, tag.end(), tag.start())
    if opened is not None:
        blocks[opened[0]].append((opened[1], len(text), opened[2]))
    thoughts, answers = blocks["think"], blocks["answer"]
    said = [text[start:end].strip() for start, end, _ in answers]
    answer = next((words for words in reversed(said) if words), "")
    if thoughts:
        after = TAG.sub(" ", text[thoughts[-1][1] :]).strip()
        reasoning = "\n".join(text[start:end].strip() for start, end, _ in thoughts)
        never_ends = opened is not None and opened[0] == "think" and not answers
        return Output(reasoning.strip(), answer if answers else after, bool(answers), never_ends)
    if not answers:
        return Output(TAG.sub(" ", text).strip(), TAG.sub(" ", text).strip(), tagged=False, cut_off=False)
    outside, at = [], 0
    for start, end, tag_start in answers:
        outside.append(text[at:tag_start])
        at = max(at, end, start)
    outside.append(text[at:])
    return Output(TAG.sub(" ", "\n".join(outside)).strip(), answer, tagged=True, cut_off=False)


def last_boxed(text: str) -> str | None:
    r"""Return what stands in the last `\boxed{…}` that is not empty, braces and all; None without one."""
    end = len(text)
    while (at := text.rfind(_BOX, 0, end)) >= 0:
        start = at + len(_BOX)
        if inner := text[start : _closing(text, start, end)].strip():
            return inner
        end = at
    return None


def _closing(text: str, start: int, end: int) -> int:
    """Return where the brace closes that was opened before `start`; the end where it does not."""
    depth = 1
    for at in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return end
