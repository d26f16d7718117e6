"""What a statement says of the finding that was asked about: "There is no X" to a question whether there is an X.

The clinical reader is asked only here, and only where it is right to: the question names one finding that the lexicon
knows, and the statement is about that finding or rules it out. What a statement says of other findings, or of the other
side, is no answer.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.language import analyse, load_lexicon
from cxr.miner.mine.relevance import Topic, assures_all, topic_of
from cxr.miner.mine.words import words_of
from cxr.schemas import Certainty, NormalForm, Presence
from cxr.schemas.vocabulary import Side

_IMAGE = (
    r"(?:in|on|within|from)\s(?:this|the|these|that)\s(?:[\w-]+\s){0,3}?"
    r"(?:x-?ray\w?|images?|radiogra\w+|films?|stud(?:y|ies)|scans?|pictures?|patient)"
)
_FINDING = re.compile(
    r"\b(?:shows?|ha(?:ve|s)|demonstrates?|reveals?|contains?|displays?|depicts?|indicates?|suggests?|(?:is|are)\sthere"
    r"|evidence\sof|signs?\sof|presence\sof)\s(?:any\s|an?\s|the\s)?(?!evidence\b|signs?\b|presence\b)(?P<named>[^?\n]{2,120}?)"
    rf"(?:\s(?:visible|present|seen|evident))?(?:,?\s{_IMAGE})?\s*\?"
    rf"|\b(?:is|are)\s(?:an?\s|the\s|any\s)?(?P<there>[^?\n]{{2,120}}?)\s(?:present|visible|seen|evident)(?:\s{_IMAGE})?\s*\?",
    re.IGNORECASE,
)
# A longer text is no answer in a sentence, and is read by its words alone.
_LONGEST = 4_000


class Claim(StrEnum):
    """What is claimed of a finding."""

    YES = "Yes"
    NO = "No"
    HEDGED = "hedged"


class AskedFinding(NamedTuple):
    """A finding, with what names it and what rules it out."""

    topic: Topic
    side: Side | None
    is_device: bool

    @property
    def exactly(self) -> "AskedFinding":
        """The same finding without its kinds and signs, which are what other findings are called by."""
        return self._replace(topic=self.topic._replace(itself=self.topic.core))

    def claim(self, statement: str) -> Claim | None:
        """Return what a statement claims of the finding; None where it says nothing of it. Never raises."""
        if len(statement) > _LONGEST:
            return None
        is_acute = "acute" in statement.lower()  # "no acute abnormality" does not deny an old one
        said = {
            claim
            for mention in analyse(statement).mentions
            if not (is_acute and mention.form.concept in self.topic.deniers)
            and (claim := self._of(mention.form)) is not None
        }
        for claim in Claim:
            if claim in said:
                return claim
        return Claim.NO if assures_all(statement) and not is_acute and not self.is_device else None

    def _of(self, form: NormalForm) -> Claim | None:
        certain = form.certainty is not Certainty.UNCERTAIN
        if form.presence is Presence.PRESENT and form.concept in self.topic.itself:
            if self.side is not None and form.side not in {self.side, Side.BILATERAL}:
                return None
            return Claim.YES if certain else Claim.HEDGED
        if form.presence is Presence.PRESENT:
            is_its_normal = (
                form.concept in self.topic.deniers and load_lexicon().concepts[form.concept].kind == "normal"
            )
            return Claim.NO if is_its_normal and certain else None
        denied = load_lexicon().descendants[form.concept]
        if form.concept not in self.topic.deniers and not self.topic.core <= denied:
            return None
        if form.side not in {None, Side.BILATERAL, self.side} or form.severity is not None:
            return None  # "no left X", "no large X": another may be there
        return Claim.NO if certain else Claim.HEDGED


@lru_cache(maxsize=2048)
def asked_finding(question: str) -> AskedFinding | None:
    """Return the one finding that a yes-no question asks about; None where it names none, several or a normal."""
    match = _FINDING.search(question[:_LONGEST])
    if match is None:
        return None
    phrase = " ".join((match["named"] or match["there"]).split())
    topic, words = topic_of(phrase), words_of(phrase)
    if not topic.core or topic.denied or topic.whole or len(words.sides) > 1 or re.search(r"\b(?:or|and)\b", phrase):
        return None
    kinds = {load_lexicon().concepts[concept].kind for concept in topic.core}
    return AskedFinding(topic, next(iter(words.sides), None), "device" in kinds)
