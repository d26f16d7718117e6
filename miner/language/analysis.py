"""Analyse a text: its sentences and the findings they state, with exact offsets."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from cxr.miner.language.corrections import standing
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.parts import FINAL, Part, read_parts
from cxr.miner.language.reader import Reading, read_fragment, read_sentence
from cxr.miner.language.sections import outline
from cxr.miner.language.sentences import split_sentences
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Span

# Sections that speak of the patient's past, of other images or of the technique: nothing is asserted there.
_SILENT_SECTIONS = frozenset({"indication", "history", "comparison", "technique", "examination"})
# Without any of these a text that ends a sentence is one paragraph without headers, and need not be searched for them.
# "65M with X and Y." tells who came and why, whatever section it stands in.
_PATIENT = re.compile(
    r"(?:this is an? |an? )?(?:\d{1,3}|_{2,}|xxxx)[ -]*(?:y/?o|year[s -]*old|yr?s?)?[ -]*"
    r"(?:M|F|man|woman|male|female|boy|girl|gentleman|lady|patient)\b[ ,]",
)
_NOW = re.compile(r"\b(?:now|today|currently|any ?more|any longer)\b", re.IGNORECASE)
_FRAGMENT = 60
"""A longer sentence says itself what it speaks of."""
_SECTION_SIGNS = (":", "\n", "- ", "\u2013 ", "\u2014 ")


class Mention(NamedTuple):
    """One normal form and where it stands: the mention `[start, end)`, its clause, its sentence, in the text."""

    form: NormalForm
    start: int
    end: int
    clause_start: int
    clause_end: int
    sentence: int
    """Index into `Analysis.sentences`."""
    hedge: str = ""
    """Why the form is uncertain: possible, alternative ("or", "versus") or borderline; empty where certain."""


@dataclass(frozen=True)
class Analysis:
    """A text and what it states; `findings` has one finding per mention, in text order."""

    text: str
    cuts: tuple[tuple[int, int], ...]
    """Offsets of the sentences."""
    mentions: tuple[Mention, ...]

    @cached_property
    def sentences(self) -> tuple[Span, ...]:
        """The sentences that were read."""
        return tuple(_span(start, end) for start, end in self.cuts)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """One finding per mention, with its exact span; built when first asked for."""
        return tuple(_finding(self.text, mention) for mention in self.mentions)


def _span(start: int, end: int) -> Span:
    return Span.model_construct(start=start, end=end)


def status_of(form: NormalForm) -> str:
    """Return the words for a form's presence and certainty: present, possible, not present, unlikely, normal."""
    normal = load_lexicon().concepts[form.concept].kind == "normal"
    if form.presence is Presence.ABSENT:
        return "not confirmed" if normal else "not present"
    if form.certainty is Certainty.UNCERTAIN:
        return "possible"
    return "normal" if normal else "present"


def _finding(text: str, mention: Mention) -> Finding:
    return Finding.model_construct(
        observation=" ".join(text[mention.start : mention.end].split()),
        status=status_of(mention.form),
        normal_forms=(mention.form,),
        span=_span(mention.start, mention.end),
    )


def tells_of_patient(sentence: str) -> bool:
    """Return whether a sentence tells who came and why, whatever section it stands in."""
    return _PATIENT.match(sentence) is not None


def _spoken(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text that can assert something: all but history, comparison and technique."""
    if not any(sign in text for sign in _SECTION_SIGNS) and "." in text:
        return [(0, len(text))]
    blocks = outline(text)
    kept = [(block.start, block.end) for block in blocks if str(block.name) not in _SILENT_SECTIONS]
    return kept or [(0, len(text))]


def _over(form: NormalForm, readings: Iterable[Reading]) -> bool:
    return any(each.form.concept == form.concept and each.form.presence is Presence.ABSENT for each in readings)


def _read(text: str, spans: Iterable[Part]) -> Analysis:
    sentences: list[tuple[int, int]] = []
    mentions: list[Mention] = []
    ranks: list[int] = []
    for start, end, rank in spans:
        before = ""
        for begin, stop in split_sentences(text, start, end):
            number = len(sentences)
            sentence = text[begin:stop]
            sentences.append((begin, stop))
            readings = () if tells_of_patient(sentence) else read_sentence(sentence)
            if not readings and before and len(sentence) <= _FRAGMENT:
                readings = read_fragment(sentence, before)
                if _NOW.search(sentence):  # "There was an X. None now.": what it was is over
                    mentions = [m for m in mentions if m.sentence != number - 1 or not _over(m.form, readings)]
            before = sentence
            mentions.extend(
                Mention(
                    reading.form,
                    reading.start + begin,
                    reading.end + begin,
                    reading.clause_start + begin,
                    reading.clause_end + begin,
                    number,
                    reading.hedge,
                )
                for reading in readings
            )
        ranks += [rank] * (len(mentions) - len(ranks))
    return Analysis(text=text, cuts=tuple(sentences), mentions=standing(mentions, ranks))


@lru_cache(maxsize=4096)
def analyse(text: str) -> Analysis:
    """Return what a text states; empty for an empty text, never raises. Cached by text.

    Sections on history, comparison and technique are left out: they assert nothing of this image.
    """
    return _read(text, [Part(start, end, FINAL) for start, end in _spoken(text)])


@lru_cache(maxsize=1024)
def analyse_report(report: str) -> Analysis:
    """Return what a report states in the end: findings and impression as an addendum or a later read left them.

    Empty where there is no reading, and for a text that is none ("nan").
    """
    return _read(report, read_parts(report))
