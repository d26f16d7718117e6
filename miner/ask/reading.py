"""What the language layer reads in a report for questions: all that is abnormal, and how findings changed.

Labels know a few findings; a report names many more. Pure functions over texts, light enough for worker processes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cxr.miner.kit.parallel import process_map, processors
from cxr.miner.language import load_lexicon
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.coverage import coverage
from cxr.miner.language.labeler import in_plural, label_evidence
from cxr.miner.mine.engines.temporal import progression_said
from cxr.miner.mine.engines.wording import describe, merged
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Presence

# Below this, starting processes takes longer than reading.
WORTH_PROCESSES = 20_000
CHUNK = 2_000


class Reading(NamedTuple):
    """One report: what is abnormal in words and as concepts, whether all of it is sure, and what changed."""

    anomalies: tuple[str, ...]
    concepts: tuple[str, ...]
    is_sure: bool
    reason: str | None
    """Why these may not be all that is abnormal; None where the report was understood."""
    changes: tuple[tuple[str, str], ...]
    """(finding, progression) of the question findings on which the report states one change."""


def read_report(text: str) -> Reading:
    """Return a report's reading; an empty one for a report that asserts nothing."""
    analysis = analyse_report(text)
    abnormal = [mention for mention in analysis.mentions if _is_abnormal(mention.form)]
    forms = [mention.form for mention in abnormal]
    sure = merged(
        [
            (mention.form, in_plural(text[mention.start : mention.end], mention))
            for mention in abnormal
            if mention.form.certainty is Certainty.CERTAIN
        ]
    )
    clauses = (text[mention.clause_start : mention.clause_end].lower() for mention in abnormal)
    said = {word for clause in clauses for word in clause.split()}
    described = {describe(form, several=several, words_said=said): form.concept for form, several in sure}
    return Reading(
        anomalies=tuple(described),
        concepts=tuple(dict.fromkeys(described.values())),
        is_sure=all(form.certainty is Certainty.CERTAIN for form in forms),
        reason=coverage(text).reason,
        changes=tuple(_changes(text)),
    )


def read_reports(texts: Sequence[str]) -> Iterator[Reading]:
    """Return the readings of many reports in order, on all cores where there are enough of them."""
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    for readings in process_map(_read_chunk, chunks, processors() if len(texts) >= WORTH_PROCESSES else 1):
        yield from readings


def _read_chunk(texts: Sequence[str]) -> list[Reading]:
    return [read_report(text) for text in texts]


def _is_abnormal(form: NormalForm) -> bool:
    """Return whether a form asserts an abnormality by name; "an abnormality of Y" names none."""
    concept = load_lexicon().concepts[form.concept]
    return form.presence is Presence.PRESENT and concept.kind != "normal" and not concept.unnamed


def _changes(text: str) -> Iterable[tuple[str, str]]:
    evidence = label_evidence(text)
    for finding in pack().question_labels:
        said = {
            progression
            for mention in evidence[finding]
            for form in mention.finding.normal_forms
            if (progression := progression_said(form)) is not None
        }
        if len(said) == 1:
            yield finding, str(said.pop())
