"""Analyse a text: its sentences and the findings they state, with exact offsets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.reader import Reading, read_sentence
from cxr.miner.language.sections import final_text_spans, outline
from cxr.miner.language.sentences import split_sentences
from cxr.miner.language.sides import ONE_SIDE, last_side, points_to_a_side
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Span

# Sections that speak of the patient's past, of other images or of the technique: nothing is asserted there.
_SILENT_SECTIONS = frozenset({"indication", "history", "comparison", "technique", "examination"})
# Without any of these a text that ends a sentence is one paragraph without headers, and need not be searched for them.
_WRONG = frozenset({"present", "possible"})
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


def _spoken(text: str) -> list[tuple[int, int]]:
    """Return the stretches of a text that can assert something: all but history, comparison and technique."""
    if not any(sign in text for sign in _SECTION_SIGNS) and "." in text:
        return [(0, len(text))]
    blocks = outline(text)
    kept = [(block.start, block.end) for block in blocks if str(block.name) not in _SILENT_SECTIONS]
    return kept or [(0, len(text))]


def _pointing(text: str, sentences: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> tuple[Reading, ...]:
    """Read the last of the sentences with the side that was named before it, to which it may point.

    That is the side of something wrong: "right X. Left Y clear. Ipsilateral Z" is right.
    """
    begin, stop = sentences[-1]
    for number in range(len(sentences) - 2, max(-1, len(sentences) - 5), -1):
        own = [mention.form for mention in mentions if mention.sentence == number]
        wrong = [form.side for form in own if form.side in ONE_SIDE and status_of(form) in _WRONG]
        start, end = sentences[number]
        side = wrong[-1] if wrong else None if own else last_side(text[start:end])
        if side is not None:
            return read_sentence(text[begin:stop], side)
    return read_sentence(text[begin:stop])


def _read(text: str, spans: Iterable[tuple[int, int]]) -> Analysis:
    sentences: list[tuple[int, int]] = []
    mentions: list[Mention] = []
    points = points_to_a_side(text)
    for start, end in spans:
        for begin, stop in split_sentences(text, start, end):
            number = len(sentences)
            sentences.append((begin, stop))
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
                for reading in (_pointing(text, sentences, mentions) if points else read_sentence(text[begin:stop]))
            )
    return Analysis(text=text, cuts=tuple(sentences), mentions=tuple(mentions))


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
