"""Whether the steps of a chain add a side, degree, number or place to a finding that no quote has.

Only what a step asserts of a finding with evidence of presence is compared: it may well name what would be on the left
if it were there, and details of signs that nobody asked about are left to the judge.
"""

import re
from collections.abc import Iterator

from cxr.miner.language import analyse, load_lexicon
from cxr.miner.mine.relevance import topic_of
from cxr.miner.mine.unquoted import missing_in
from cxr.miner.mine.words import Words, words_of
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence
from cxr.schemas.rejection import Rejection
from cxr.schemas.vocabulary import Certainty, Presence, RejectReason

_NOTHING = words_of("")
# What a sentence supposes is not what is there: "a large X would shift the Y".
_SUPPOSES = re.compile(
    r"\b(?:would|could|might|may|should|can|if|whether|typically|usually|often|option|choice)\b", re.IGNORECASE
)


def check_details(question: Question, evidence: tuple[Evidence, ...], chain: Chain) -> Rejection | None:
    """Check that no step says more of what is there than the quotes do, or the question in its options."""
    present = frozenset[str]().union(
        *(topic_of(item.finding).itself for item in evidence if item.presence is Presence.PRESENT)
    )
    known = tuple(
        words_of(text)
        for text in (
            *(quote.text for item in evidence for quote in item.quotes),
            *question.findings,
            question.answer_text,
        )
    )
    for step in chain.steps:
        if not missing_in(words_of(step.text)._replace(counts=frozenset(), sizes_mm=frozenset()), known):
            continue  # nothing to look closer at
        for said in _asserted(step.text, present):
            if missing := missing_in(said, known):
                return Rejection(
                    RejectReason.STATEMENT_NOT_QUOTED,
                    f"step {step.step_no} says {', '.join(missing)} of what is there, and no quote does; leave it out",
                )
    return None


def _asserted(text: str, concepts: frozenset[str]) -> Iterator[Words]:
    """Return the attributes that a text gives to each mention of these concepts as surely present."""
    analysis = analyse(text)
    for mention in analysis.mentions:
        form, (start, end) = mention.form, analysis.cuts[mention.sentence]
        is_sure = form.presence is Presence.PRESENT and form.certainty is not Certainty.UNCERTAIN
        if is_sure and form.concept in concepts and not _SUPPOSES.search(text, start, end):
            yield _attributes(form, words_of(text[mention.clause_start : mention.clause_end]))


def _attributes(form: NormalForm, clause: Words) -> Words:
    """Return a form's attributes as far as its clause has the words: "significant" is no degree."""
    sides = {form.side} if form.concept not in pack().wording.phrases.unsided else set()
    home = load_lexicon().concepts[form.concept].region
    return _NOTHING._replace(
        sides=clause.sides & sides,
        severities=clause.severities & {form.severity},
        several=clause.several and form.number == "multiple",
        places=clause.places & set(form.locations) - {home or ""},
    )
