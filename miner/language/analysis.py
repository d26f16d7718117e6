"""Analyse a text: its sentences and the findings they state, with exact offsets."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import NamedTuple

from cxr.miner.language.corrections import standing
from cxr.miner.language.elsewhere import Elsewhere, moved
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.parts import FINAL, Part, read_parts
from cxr.miner.language.reader import read_fragment, read_sentence
from cxr.miner.language.readings import Reading, Sentence
from cxr.miner.language.residues import Readable, readable
from cxr.miner.language.sections import outline
from cxr.miner.language.sentences import split_sentences
from cxr.miner.language.sides import ONE_SIDE, last_side, points_to_a_side
from cxr.miner.language.sought import Sought
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
_DEGREE = re.compile(
    r"\b(?:one|none|left|right|l|r|both|bilateral|small|tiny|trace|mild|mod|moderate|large|severe|minimal|marked|new)\b",
    re.IGNORECASE,
)
"""A fragment has one of these."""
_SENTENCES_BACK = 3
"""So far back "the other side" may point."""
_FRAGMENT = 60
"""A longer sentence says itself what it speaks of."""
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
    return Span(start=start, end=end)


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
    return Finding(
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


def _pointing(text: str, sentences: Sequence[tuple[int, int]], mentions: Sequence[Mention]) -> Sentence:
    """Read the last of the sentences with the side that was named before it, to which it may point.

    That is the side of something wrong: "right X. Left Y clear. Ipsilateral Z" is right.
    """
    begin, stop = sentences[-1]
    oldest = max(0, len(sentences) - 1 - _SENTENCES_BACK)
    recent = list(takewhile(lambda mention: mention.sentence >= oldest, reversed(mentions)))[::-1]
    for number in range(len(sentences) - 2, oldest - 1, -1):
        own = [mention.form for mention in recent if mention.sentence == number]
        wrong = [form.side for form in own if form.side in ONE_SIDE and status_of(form) in _WRONG]
        start, end = sentences[number]
        side = wrong[-1] if wrong else None if own else last_side(text[start:end])
        if side is not None:
            return read_sentence(text[begin:stop], side)
    return read_sentence(text[begin:stop])


def _read(text: str, spans: Iterable[Part]) -> Analysis:
    reading = _Reading(text)
    for part in spans:
        reading.part(part)
    return reading.analysis()


class _Reading:
    """The work on one text: its parts in, what they state together out."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cuts: list[tuple[int, int]] = []
        self.mentions: list[Mention] = []
        self.ranks: list[int] = []
        """How much the part of each mention counts."""
        self.sought = Sought()
        self.points = points_to_a_side(text)

    def part(self, part: Part) -> None:
        """Read a part of the text."""
        before = ""
        elsewhere = Elsewhere(self.text[part.start : part.end])
        for begin, stop in split_sentences(self.text, part.start, part.end):
            self.cuts.append((begin, stop))
            sentence = self.text[begin:stop]
            if tells_of_patient(sentence):
                continue
            read = _pointing(self.text, self.cuts, self.mentions) if self.points else read_sentence(sentence)
            answers = read.said is not None and self.sought.sentences
            if not (read.readings or answers) and before and len(sentence) <= _FRAGMENT and _DEGREE.search(sentence):
                read = self._fragment(sentence, before, read)
            before = sentence
            self._hear(moved(read) if elsewhere.hear(sentence) else read, begin)
        self.ranks += [part.rank] * (len(self.mentions) - len(self.ranks))

    def _fragment(self, sentence: str, before: str, read: Sentence) -> Sentence:
        """Read a fragment by the sentence before it; what that said is over where it says "none now"."""
        readings = read_fragment(sentence, before)
        if not readings:
            return read
        if _NOW.search(sentence):  # "There was an X. None now."
            last = len(self.cuts) - 2
            kept = [
                at for at, told in enumerate(self.mentions) if told.sentence != last or not _over(told.form, readings)
            ]
            self.mentions = [self.mentions[at] for at in kept]
            self.ranks = [self.ranks[at] for at in kept if at < len(self.ranks)]
        return Sentence(readings)

    def _hear(self, read: Sentence, begin: int) -> None:
        """Keep what a sentence states, and what it settles of what was sought before it."""
        number, sought = len(self.cuts) - 1, self.sought
        if read.supposes and sought.sentences and not sought.asserted:
            return  # "such a finding could be X", of what is only sought
        self.mentions += [
            Mention(form, start + begin, end + begin, clause_start + begin, clause_end + begin, number, hedge)
            for form, start, end, clause_start, clause_end, hedge in read.readings
        ]
        if sought.sentences or read.sought is not None:
            found = sought.hear(read, number)
            self.mentions += [_mention(reading, self.cuts[of][0], of) for of, reading in found]
        sought.asserted = bool(read.readings)

    def analysis(self) -> Analysis:
        """Return what the text states in the end, in its order."""
        mentions = standing(self.mentions, self.ranks)
        if self.sought.settled:
            mentions = tuple(sorted(mentions, key=lambda mention: (mention.start, mention.end)))
        return Analysis(text=self.text, cuts=tuple(self.cuts), mentions=mentions)


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
    plain = readable(text)
    parts = [Part(start, end, FINAL) for start, end in _spoken(plain.text)]
    return _as_written(_read(plain.text, parts), text, plain)


@lru_cache(maxsize=1024)
def analyse_report(report: str) -> Analysis:
    """Return what a report states in the end: findings and impression as an addendum or a later read left them.

    Empty where there is no reading, and for a text that is none ("nan").
    """
    plain = readable(report)
    return _as_written(analyse_plain(plain.text), report, plain)


@lru_cache(maxsize=1024)
def analyse_plain(text: str) -> Analysis:
    """Return what a report states in the end, of a text that `readable` has given."""
    return _read(text, read_parts(text))


def _as_written(analysis: Analysis, text: str, plain: Readable) -> Analysis:
    """Return the analysis with its places in the text as it was written."""
    if not plain.pieces:
        return analysis
    mentions = (
        mention._replace(
            start=plain.place(mention.start),
            end=plain.end(mention.end),
            clause_start=plain.place(mention.clause_start),
            clause_end=plain.end(mention.clause_end),
        )
        for mention in analysis.mentions
    )
    cuts = tuple((plain.place(start), plain.end(end)) for start, end in analysis.cuts)
    return Analysis(text=text, cuts=cuts, mentions=tuple(mentions))
