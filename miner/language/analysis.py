"""Analyse a text: its sentences and the findings they state, with exact offsets."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.reader import read_sentence
from cxr.miner.language.readings import Reading
from cxr.miner.language.sections import final_text_spans, outline
from cxr.miner.language.sentences import split_sentences
from cxr.miner.language.sought import Sought
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Span

# Sections that speak of the patient's past, of other images or of the technique: nothing is asserted there.
_SILENT_SECTIONS = frozenset({"indication", "history", "comparison", "technique", "examination"})
# Without any of these a text that ends a sentence is one paragraph without headers, and need not be searched for them.
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
    """Return the words for a form's presence and certainty: present, possible, not present, not confirmed, normal.

    What is normal is called so, be it concluded or seen: "possible" would say that something might be wrong.
    """
    normal = load_lexicon().concepts[form.concept].kind == "normal"
    if form.presence is Presence.ABSENT:
        return "not confirmed" if normal else "not present"
    if normal:
        return "normal"
    return "possible" if form.certainty is Certainty.UNCERTAIN else "present"


def _finding(text: str, mention: Mention) -> Finding:
    return Finding.model_construct(
        observation=" ".join(text[mention.start : mention.end].split()),
        status=status_of(mention.form),
        normal_forms=(mention.form,),
        span=_span(mention.start, mention.end),
    )


def _spoken(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text that can assert something: all but history, comparison and technique."""
    if not any(sign in text for sign in _SECTION_SIGNS) and "." in text:
        return [(0, len(text))]
    blocks = outline(text)
    kept = [(block.start, block.end) for block in blocks if str(block.name) not in _SILENT_SECTIONS]
    return kept or [(0, len(text))]


def _read(text: str, spans: Iterable[tuple[int, int]]) -> Analysis:
    cuts: list[tuple[int, int]] = []
    mentions: list[Mention] = []
    sought = Sought()
    for start, end in spans:
        for begin, stop in split_sentences(text, start, end):
            number = len(cuts)
            cuts.append((begin, stop))
            sentence = text[begin:stop]
            read = read_sentence(sentence)
            if read.supposes and sought.sentences and not sought.asserted:
                continue  # "such a finding could be X", of what is only sought
            mentions.extend(_mention(reading, begin, number) for reading in read.readings)
            if sought.sentences or read.sought is not None:
                mentions.extend(_mention(reading, cuts[of][0], of) for of, reading in sought.hear(read, number))
            sought.asserted = bool(read.readings)
    if sought.settled:
        mentions.sort(key=lambda mention: (mention.start, mention.end))
    return Analysis(text=text, cuts=tuple(cuts), mentions=tuple(mentions))


def _mention(reading: Reading, offset: int, number: int) -> Mention:
    return Mention(
        reading.form,
        reading.start + offset,
        reading.end + offset,
        reading.clause_start + offset,
        reading.clause_end + offset,
        number,
        reading.hedge,
    )


@lru_cache(maxsize=4096)
def analyse(text: str) -> Analysis:
    """Return what a text states; empty for an empty text, never raises. Cached by text.

    Sections on history, comparison and technique are left out: they assert nothing of this image.
    """
    return _read(text, _spoken(text))


@lru_cache(maxsize=1024)
def analyse_report(report: str) -> Analysis:
    """Return what the final reading of a report states (findings, impression); empty where there is none."""
    return _read(report, ((span.start, span.end) for span in final_text_spans(report)))
