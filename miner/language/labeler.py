"""Labels of a report by the pack's names, with the words that decided each.

Follows the CheXpert labeler (Irvin et al. 2019, arXiv 1901.07031): labels count explicit mentions in the final report
(findings and impression, not indication or history); a positive mention outweighs an uncertain one, which outweighs a
negative one; a finding that is not mentioned stays None. Which concept sets which label is data of the pack, and so
are its choices where the paper leaves room (`labels.toml`). General ones are:

- A structure called normal, or free of its signs, is an explicit negative of the label that is about it, unless the
  words speak of one side or zone only; what follows beyond that sets no label.
- A denial of one kind among many leaves the label open, as data of the pack says.
- Labels are not passed up a hierarchy: a kind of X does not set X.
- "likely" and "consistent with" assert; "possible", "may", "suspicious for", "cannot exclude" are uncertain.
  "Borderline" and the two sides of "X or Y", "X versus Y" are 1, and stay uncertain in their normal form.
- The label that says that there is nothing is 1 where no abnormality is asserted, not even uncertainly, and the report
  was understood (`coverage.py`); devices and incidental things do not count. Otherwise it is None.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cxr.miner.language.analysis import Analysis, Mention, analyse_report
from cxr.miner.language.coverage import coverage
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.sides import ONE_SIDE
from cxr.miner.language.tokens import fold
from cxr.miner.language.version import reader_version
from cxr.miner.pack import pack
from cxr.schemas import Finding, NormalForm, Presence, Quote

LABELER = "rules"

Value = Literal[1, 0, -1]
_RANK = {1: 3, -1: 2, 0: 1}
_WORDS = re.compile(r"[a-z]+")
PRESENT = Presence.PRESENT


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """Why a label has its value: a finding of the report and the words that state it."""

    value: Value
    finding: Finding
    quote: Quote
    """Offsets are in the whole report."""
    via: str | None = None
    """The concept that entails the absence ("Y is clear"); None where the report names the finding itself."""
    hedge: str = ""
    """Why the finding is uncertain: possible, alternative ("or", "versus") or borderline; empty where certain."""
    several: bool = False
    """The report names it in the plural."""
    mention: int = 0
    """Which mention of the report's analysis it is."""


@dataclass(frozen=True, slots=True)
class _LabelRules:
    """Which concepts set which label, read off the lexicon once."""

    named: dict[str, str]
    named_too: dict[str, str]
    suggested: dict[str, str]
    absent: dict[str, tuple[str, ...]]
    """Labels that an asserted normal or a denied abnormality makes 0."""
    rules_out: frozenset[str]
    """Concepts that make them 0 where they are present: normals, and what cannot stand beside something else."""
    normals: frozenset[str]
    one_of_many: frozenset[str]
    entailed: dict[str, tuple[str, ...]]
    """Labels that a denied concept or an asserted normal rules out without naming them."""
    counts_as_finding: frozenset[str]


@lru_cache(maxsize=1)
def _rules() -> _LabelRules:
    lexicon = load_lexicon()
    concepts = lexicon.concepts.values()

    def ruled(absent: frozenset[str]) -> tuple[str, ...]:
        return tuple(label.name for label in pack().labels if label.core and absent.issuperset(label.core))

    return _LabelRules(
        named={c.id: c.label for c in concepts if c.label is not None},
        named_too={c.id: c.label_too for c in concepts if c.label_too is not None},
        suggested={c.id: c.label_possible for c in concepts if c.label_possible is not None},
        absent={c.id: c.label_absent for c in concepts if c.label_absent},
        rules_out=frozenset(c.id for c in concepts if c.entails_absence or c.kind == "normal"),
        normals=frozenset(c.id for c in concepts if c.kind == "normal"),
        one_of_many=frozenset(c.id for c in concepts if c.one_of_many),
        entailed={
            c.id: ruled(lexicon.ruled_out[c.id] if c.kind == "normal" else lexicon.descendants[c.id]) for c in concepts
        },
        counts_as_finding=frozenset(c.id for c in concepts if c.kind == "abnormality" and not c.incidental),
    )


def _explicit(mention: Mention) -> tuple[tuple[str, Value], ...]:
    form = mention.form
    return _labels_named(form.concept, form.presence, mention.hedge, _of_a_part(form))


@lru_cache(maxsize=8192)
def _labels_named(concept: str, presence: Presence, hedge: str, part: bool) -> tuple[tuple[str, Value], ...]:  # noqa: FBT001
    """Return the labels that a concept sets by itself, each with its value."""
    return tuple(_each_label(concept, hedge, _rules(), present=presence is PRESENT, part=part))


def _each_label(
    concept: str, hedge: str, rules: _LabelRules, *, present: bool, part: bool
) -> Iterator[tuple[str, Value]]:
    label = rules.named.get(concept)
    if label is not None and (present or concept not in rules.one_of_many):
        uncertain = bool(hedge)
        yield label, (-1 if uncertain else 1) if present else 0
    too = rules.named_too.get(concept)
    if too is not None and present:
        yield too, -1 if hedge else 1
    negatives = rules.absent.get(concept)
    if negatives is not None and present is (concept in rules.rules_out) and not part:
        for negative in negatives:
            yield negative, 0


def label(report: str) -> dict[str, int | None]:
    """Return 1, 0, -1 or None for each label of the pack; all None for a report without a reading."""
    rules = _rules()
    analysis = analyse_report(report)
    labels: dict[str, int | None] = dict.fromkeys(pack().label_names)
    if not analysis.cuts:
        return labels
    normal = True
    suggested = []
    for mention in analysis.mentions:
        form = mention.form
        for finding, value in _explicit(mention):
            previous = labels[finding]
            if previous is None or _RANK[value] > _RANK[previous]:
                labels[finding] = value
        if form.presence is PRESENT and form.concept in rules.counts_as_finding:
            normal = False
        if form.concept in rules.suggested and form.presence is Presence.PRESENT:
            suggested.append(rules.suggested[form.concept])
    for finding in suggested:
        if labels[finding] is None:  # what is denied by name stays so
            labels[finding] = -1
    if normal and (nothing := pack().nothing) is not None and coverage(report).understood:
        labels[nothing] = 1
    return labels


def label_evidence(report: str) -> dict[str, list[LabelEvidence]]:
    """Return for each label what the report says on it, in text order; entailed absences carry `via`.

    The value of `label` is the strongest explicit one; entailed evidence never decides it.
    """
    rules = _rules()
    analysis = analyse_report(report)
    evidence: dict[str, list[LabelEvidence]] = {name: [] for name in pack().label_names}
    for index, mention in enumerate(analysis.mentions):
        form = mention.form
        stated = dict(_explicit(mention))
        suggested = rules.suggested.get(form.concept)
        if suggested is not None and form.presence is Presence.PRESENT and label(report)[suggested] != 0:
            stated[suggested] = -1
        for finding, value in stated.items():
            evidence[finding].append(_evidence(analysis, index, mention, value, None))
        normal = form.concept in rules.normals
        if normal is (form.presence is Presence.PRESENT) and not _narrow(form):  # a denial, or an assurance
            for finding in rules.entailed[form.concept]:
                if finding not in stated:
                    evidence[finding].append(_evidence(analysis, index, mention, 0, form.concept))
    return evidence


def _of_a_part(form: NormalForm) -> bool:
    """Return whether a form speaks of one side, or of a zone of the organ whose zones are told apart."""
    if form.side in ONE_SIDE:
        return True
    if not form.locations:
        return False
    relations, parts = pack().relations, load_lexicon().parts
    zoned = relations.organs.get(relations.regions.zoned, ())
    return any(parts[place].region.id in zoned for place in form.locations)


def _narrow(form: NormalForm) -> bool:
    """Return whether a form speaks of one side, a place or a degree only, which rules out nothing elsewhere."""
    return form.side in ONE_SIDE or bool(form.locations) or form.severity is not None


def _evidence(analysis: Analysis, index: int, mention: Mention, value: Value, via: str | None) -> LabelEvidence:
    start, end = mention.clause_start, mention.clause_end
    return LabelEvidence(
        value=value,
        finding=analysis.findings[index],
        quote=Quote(start=start, end=end, text=analysis.text[start:end]),
        via=via,
        hedge=mention.hedge,
        several=in_plural(analysis.text[mention.start : mention.end], mention),
        mention=index,
    )


def in_plural(words: str, mention: Mention) -> bool:
    """Return whether a present thing is named in the plural: its concept's words, or the last one that is counted."""
    if mention.form.presence is Presence.ABSENT:
        return False
    name = load_lexicon().concepts[mention.form.concept].name.rsplit(" ", 1)[-1].lower()
    return any(word != name and fold(word) == fold(name) for word in _WORDS.findall(words.lower()))


def label_line(record: dict[str, Any]) -> dict[str, Any]:
    """Label one record `{"id", "report"}`: it comes back whole, with `labels` by name, who gave them, and `read`.

    That is the share of the report that was read, and whether it was understood.

    Raises ValueError, in one sentence, for a record without a report text.
    """
    report = record.get("report")
    if not isinstance(report, str):
        raise ValueError('the line has no "report" that is text; expected {"id", "report"}')
    read = coverage(report)
    return {
        **record,
        "labels": label(report),
        "labeler": {"name": LABELER, "version": reader_version()},
        "read": {"share": read.share, "understood": read.understood},
    }
