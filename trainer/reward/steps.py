"""Which sentences of a reasoning are wrong, and what it would earn without them: what step credit pays tokens by.

A sentence is wrong that holds a finding which the report contradicts, or an abnormal one that it does not mention.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from cxr.miner.language.sentences import split_sentences
from cxr.schemas import Finding, JudgedFinding

Spans = tuple[tuple[int, int], ...]


class Steps(NamedTuple):
    """The wrong sentences of one text."""

    spans: Spans
    """Where they stand, half-open, in text order."""
    without: float
    """The process reward of the text without them, and never less than with them."""

    def moved(self, by: int) -> "Steps":
        """Return the same with its spans further on by so many characters."""
        return self._replace(spans=tuple((start + by, end + by) for start, end in self.spans))


def wrong_sentences(text: str, findings: Sequence[JudgedFinding]) -> Spans:
    """Return where the sentences with a wrong finding stand; none where one of these cannot be found in the text."""
    places = [_place(text, judged.finding) for judged in findings if judged.factual is False]
    if None in places:
        return ()
    return tuple(
        (start, end)
        for start, end in split_sentences(text)
        if any(place is not None and place[0] < end and start < place[1] for place in places)
    )


def without(text: str, spans: Spans) -> str:
    """Return a text without parts of it."""
    begins = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(text)]
    return "".join(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def _place(text: str, finding: Finding) -> tuple[int, int] | None:
    """Return where a finding stands: where its judge says, or where its words are."""
    if finding.span is not None:
        return finding.span.start, finding.span.end
    found = re.search(re.escape(finding.observation), text, re.IGNORECASE) if finding.observation else None
    return found.span() if found else None
