"""How sure a verdict of the rules judge is: the chance that a careful reader would give the same, factual or not.

It is 0 where the report was not understood, or nothing was read of the finding. Else it rests on the kind of rule that
gave the verdict and on the words of the finding; what each of these is worth is in `sureness.toml`, measured on
readings (`benchmarks/cascade.py`; docs/judge.md has the table).
"""

import math
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.words import observation_words, telling, word_sentences
from cxr.miner.language.coverage import coverage
from cxr.miner.language.lexicon import load_lexicon
from cxr.schemas import Certainty, JudgedFinding, Verdict


class Kind(StrEnum):
    """What kind of rule gave a verdict."""

    STATED = "stated"
    """The report says the finding, or its opposite, in so many words."""
    ENTAILED = "entailed"
    """A normal, or a denial of something wider, decides."""
    CONFLICT = "conflict"
    """Another side, place, degree, number, change, size or quality."""
    RELATED = "related"
    """A kind, a sign or another variant of it decides."""
    DETAIL = "detail"
    """The finding says more, or less, than the report."""
    HEDGED = "hedged"
    """The report doubts, or a radiologist would grant it."""
    SILENT_NORMAL = "silent_normal"
    """The report does not speak of it, and it is normal or absent."""
    SILENT_ABNORMAL = "silent_abnormal"
    """The report does not speak of it, and it is abnormal."""
    WORDS = "words"
    """Words that the lexicon does not know."""
    NOTHING = "nothing"
    """It asserts nothing, to the rules."""


_KINDS: dict[str, Kind] = {
    Reason.STATED: Kind.STATED,
    Reason.OPPOSITE_STATED: Kind.STATED,
    Reason.RESOLVED: Kind.STATED,
    Reason.MORE_GENERAL: Kind.RELATED,
    Reason.KIND_PRESENT: Kind.RELATED,
    Reason.OTHER_VARIANT: Kind.RELATED,
    Reason.NORMAL_SIGN_OF_ABSENCE: Kind.RELATED,
    Reason.ENTAILED_BY_SIGN: Kind.RELATED,
    Reason.EXTRA_DETAIL: Kind.DETAIL,
    Reason.COULD_BE_THE_DENIED_VARIANT: Kind.DETAIL,
    Reason.HEDGED: Kind.HEDGED,
    Reason.HEDGED_IN_REPORT: Kind.HEDGED,
    Reason.GRANTED: Kind.HEDGED,
    Reason.WORD_OVERLAP: Kind.WORDS,
    Reason.ASSERTS_NOTHING: Kind.NOTHING,
}


class Mark(StrEnum):
    """What speaks against a verdict."""

    UNKNOWN_WORDS = "unknown_words"
    """The finding has a word that the lexicon does not know."""
    SEVERAL = "several"
    """The finding says three things or more."""
    ECHOED = "echoed"
    """The report is silent, yet one of its sentences has half of the finding's own words."""
    DOUBTFUL = "doubtful"
    """The finding is only possible."""
    MIXED = "mixed"
    """The finding says that one thing is there and another is not."""


class Weights(NamedTuple):
    """What kinds and marks are worth, in log odds, and what a user's levels of sureness are."""

    base: float
    kinds: Mapping[Kind, float]
    marks: Mapping[Mark, float]
    levels: Mapping[str, float]
    text: str
    """The file: what is in it changes verdicts."""


@cache
def load_weights() -> Weights:
    """Return the measured weights."""
    text = resources.files("cxr.miner.judge").joinpath("sureness.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    return Weights(
        float(table["base"]),
        {Kind(name): float(value) for name, value in table["kinds"].items()},
        {Mark(name): float(value) for name, value in table["marks"].items()},
        {name: float(value) for name, value in table["levels"].items()},
        text,
    )


def sureness(report: str, answer: JudgedFinding) -> float:
    """Return the chance, between 0 and 1, that a verdict of the rules judge on a report is right; 0 is not known."""
    if not is_understood(report, answer):
        return 0.0
    weights = load_weights()
    odds = weights.base + weights.kinds[kind_of(answer)] + sum(weights.marks[mark] for mark in marks_of(report, answer))
    return 1.0 / (1.0 + math.exp(-odds))


def is_understood(report: str, answer: JudgedFinding) -> bool:
    """Return whether report and finding were both read well enough for a verdict to mean anything."""
    return bool(understood(answer.finding).normal_forms) and coverage(report).understood


def kind_of(answer: JudgedFinding) -> Kind:
    """Return which kind of rule gave a verdict."""
    if answer.reason == Reason.NOT_MENTIONED:
        normal = answer.verdict is Verdict.UNMENTIONED_NORMAL
        return Kind.SILENT_NORMAL if normal else Kind.SILENT_ABNORMAL
    if answer.reason.endswith("_conflict"):
        return Kind.CONFLICT
    return _KINDS.get(answer.reason, Kind.ENTAILED)  # what is left are normals, by the pack's own words too


def marks_of(report: str, answer: JudgedFinding) -> Iterator[Mark]:
    """Return what speaks against a verdict."""
    forms = understood(answer.finding).normal_forms
    if _has_unknown_words(answer.finding.observation):
        yield Mark.UNKNOWN_WORDS
    if len(forms) > 2:
        yield Mark.SEVERAL
    if answer.reason == Reason.NOT_MENTIONED and _is_echoed(answer.finding.observation, report):
        yield Mark.ECHOED
    if any(form.certainty is Certainty.UNCERTAIN for form in forms):
        yield Mark.DOUBTFUL
    if len({form.presence for form in forms}) > 1:
        yield Mark.MIXED


@lru_cache(maxsize=8192)
def _has_unknown_words(observation: str) -> bool:
    entries = load_lexicon().entries
    return any((word,) not in entries for word in observation_words(observation))


def _is_echoed(observation: str, report: str) -> bool:
    words = telling(observation_words(observation))
    most = max((len(words & sentence.words) for sentence in word_sentences(report)), default=0)
    return bool(words) and 2 * most >= len(words)


def _level(value: object) -> object:
    levels = load_weights().levels
    if isinstance(value, str) and value in levels:
        return levels[value]
    try:
        return float(str(value))
    except ValueError:
        named = ", ".join(f"{name} ({least:g})" for name, least in levels.items())
        raise ValueError(f"expected {named}, or a number from 0 to 1") from None


Sure = Annotated[float, BeforeValidator(_level), Field(ge=0, le=1)]
"""The least sureness with which a verdict stands: a number, or the name of a level."""
