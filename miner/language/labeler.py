"""Labels of a report by the pack's names, with the words that decided each.

Follows the CheXpert labeler (Irvin et al. 2019, arXiv 1901.07031): labels count explicit mentions in the final report
(findings and impression, not indication or history); a positive mention outweighs an uncertain one, which outweighs a
negative one; a finding that is not mentioned stays None. Which concept sets which label is data of the pack, and so
are its choices where the paper leaves room (`labels.toml`). General ones are:

- A structure called normal is an explicit negative of its own label, and sets no other.
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
from cxr.miner.language.tokens import fold
from cxr.miner.language.version import reader_version
from cxr.miner.pack import pack
from cxr.schemas import Finding, NormalForm, Presence, Quote, Side

LABELER = "rules"

Value = Literal[1, 0, -1]
_RANK = {1: 3, -1: 2, 0: 1}
_WORDS = re.compile(r"[a-z]+")


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


@dataclass(frozen=True, slots=True)
class _LabelRules:
    """Which concepts set which label, read off the lexicon once."""

    named: dict[str, str]
    suggested: dict[str, str]
    absent_by_normal: dict[str, tuple[str, ...]]
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
        suggested={c.id: c.label_possible for c in concepts if c.label_possible is not None},
        absent_by_normal={c.id: c.label_absent for c in concepts},
        entailed={
            c.id: ruled(lexicon.ruled_out[c.id] if c.kind == "normal" else lexicon.descendants[c.id]) for c in concepts
        },
        counts_as_finding=frozenset(c.id for c in concepts if c.kind == "abnormality" and not c.incidental),
    )


def _explicit(mention: Mention, rules: _LabelRules) -> Iterator[tuple[str, Value]]:
    form = mention.form
    present = form.presence is Presence.PRESENT
    label = rules.named.get(form.concept)
    if label is not None:
        uncertain = bool(mention.hedge)
        yield label, (-1 if uncertain else 1) if present else 0
    suggested = rules.suggested.get(form.concept)
    if suggested is not None and present:
        yield suggested, -1
    if label is None and present:
        for negative in rules.absent_by_normal[form.concept]:
            yield negative, 0


def label(report: str) -> dict[str, int | None]:
    """Return 1, 0, -1 or None for each label of the pack; all None for a report without a reading."""
    rules = _rules()
    analysis = analyse_report(report)
    labels: dict[str, int | None] = dict.fromkeys(pack().label_names)
    if not analysis.cuts:
        return labels
    normal = True
    for mention in analysis.mentions:
        form = mention.form
        for finding, value in _explicit(mention, rules):
            previous = labels[finding]
            if previous is None or _RANK[value] > _RANK[previous]:
                labels[finding] = value
        if form.presence is Presence.PRESENT and form.concept in rules.counts_as_finding:
            normal = False
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
        stated = dict(_explicit(mention, rules))
        for finding, value in stated.items():
            evidence[finding].append(_evidence(analysis, index, mention, value, None))
        normal = load_lexicon().concepts[form.concept].kind == "normal"
        if normal is (form.presence is Presence.PRESENT) and not _narrow(form):  # a denial, or an assurance
            for finding in rules.entailed[form.concept]:
                if finding not in stated:
                    evidence[finding].append(_evidence(analysis, index, mention, 0, form.concept))
    return evidence


def _narrow(form: NormalForm) -> bool:
    """Return whether a form speaks of one side, a place or a degree only, which rules out nothing elsewhere."""
    return form.side in {Side.LEFT, Side.RIGHT} or bool(form.locations) or form.severity is not None


def _evidence(analysis: Analysis, index: int, mention: Mention, value: Value, via: str | None) -> LabelEvidence:
    start, end = mention.clause_start, mention.clause_end
    return LabelEvidence(
        value=value,
        finding=analysis.findings[index],
        quote=Quote(start=start, end=end, text=analysis.text[start:end]),
        via=via,
        hedge=mention.hedge,
        several=_in_plural(analysis.text[mention.start : mention.end], mention),
    )


def _in_plural(words: str, mention: Mention) -> bool:
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
