"""Labels of the 14 CheXpert findings from a report, with the words that decided each.

Follows the CheXpert labeler (Irvin et al. 2019, arXiv 1901.07031): labels count explicit mentions in the final report
(findings and impression, not indication or history); a positive mention outweighs an uncertain one, which outweighs a
negative one; a finding that is not mentioned stays None.

Choices where the paper leaves room:
- A structure called normal is an explicit negative of its own label: "heart size is normal" is Cardiomegaly 0,
  "mediastinal contours are normal" is Enlarged Cardiomediastinum 0. "Lungs are clear" names no label and sets none.
- Labels are not passed up the hierarchy: consolidation does not set Lung Opacity. As in the CheXpert phrases, opacity,
  infiltrate, airspace disease, interstitial markings and scars do.
- What only suggests a label makes it uncertain, where the CheXpert phrases say 1: vascular congestion for Edema, a
  nodular opacity for Lung Lesion. The indexers of OpenI give congestion and round opacities codes of their own.
- A calcified nodule is a Lung Lesion, which the CheXpert phrases leave out; a calcified granuloma is none.
- "likely" and "consistent with" assert; "possible", "may", "suspicious for", "cannot exclude" are uncertain.
  "Borderline" and the two sides of "atelectasis or scar", "atelectasis versus scar" are 1, and the findings stay
  uncertain in their normal form. The CheXpert rules hedge "versus" and "borderline heart size" and not a bare "or";
  the indexers of OpenI code both sides, and -1 there costs 0.04 of micro F1 (0.944 to 0.905; borderline: to 0.928).
- Devices of the abdomen and pelvis (ureteral stent, hip prosthesis, vena cava filter) are no Support Devices.
- No Finding is 1 where no abnormality is asserted, not even uncertainly; support devices and incidental things (clips,
  a tortuous aorta, low lung volumes) do not count, as in the CheXpert phrase list. Otherwise it is None.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cxr.miner.language.analysis import Analysis, Mention, analyse_report
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.tokens import fold
from cxr.miner.language.version import reader_version
from cxr.schemas import Finding, Finding14, NormalForm, Presence, Quote, Side

LABELER = "rules"

Value = Literal[1, 0, -1]
_RANK = {1: 3, -1: 2, 0: 1}
_WORDS = re.compile(r"[a-z]+")
_SILENT: frozenset[Finding14] = frozenset({Finding14.NO_FINDING})


@dataclass(frozen=True, slots=True)
class LabelEvidence:
    """Why a label has its value: a finding of the report and the words that state it."""

    value: Value
    finding: Finding
    quote: Quote
    """Offsets are in the whole report."""
    via: str | None = None
    """The concept that entails the absence (clear_lungs); None where the report names the finding itself."""
    hedge: str = ""
    """Why the finding is uncertain: possible, alternative ("or", "versus") or borderline; empty where certain."""
    several: bool = False
    """The report names it in the plural."""


@dataclass(frozen=True, slots=True)
class _LabelRules:
    """Which concepts set which label, read off the lexicon once."""

    named: dict[str, Finding14]
    suggested: dict[str, Finding14]
    absent_by_normal: dict[str, tuple[Finding14, ...]]
    entailed: dict[str, tuple[Finding14, ...]]
    """Labels that a denied concept or an asserted normal rules out without naming them."""
    counts_as_finding: frozenset[str]


@lru_cache(maxsize=1)
def _rules() -> _LabelRules:
    lexicon = load_lexicon()
    named = {c.id: Finding14(c.chexpert) for c in lexicon.concepts.values() if c.chexpert is not None}
    core = {
        label: [c for c, of in named.items() if of is label and lexicon.concepts[c].name.lower() in _core_names(label)]
        for label in Finding14
    }

    def ruled(absent: frozenset[str]) -> tuple[Finding14, ...]:
        return tuple(label for label, ids in core.items() if ids and all(c in absent for c in ids))

    entailed: dict[str, tuple[Finding14, ...]] = {}
    for concept in lexicon.concepts.values():
        absent = lexicon.ruled_out[concept.id] if concept.kind == "normal" else lexicon.descendants[concept.id]
        entailed[concept.id] = ruled(absent)
    return _LabelRules(
        named=named,
        suggested={
            c.id: Finding14(c.chexpert_possible) for c in lexicon.concepts.values() if c.chexpert_possible is not None
        },
        absent_by_normal={
            c.id: tuple(Finding14(name) for name in c.chexpert_absent) for c in lexicon.concepts.values()
        },
        entailed=entailed,
        counts_as_finding=frozenset(
            c.id for c in lexicon.concepts.values() if c.kind == "abnormality" and not c.incidental
        ),
    )


def _core_names(label: Finding14) -> frozenset[str]:
    """Names of the concepts whose absence is the absence of the label."""
    extra = {
        Finding14.EDEMA: {"pulmonary edema"},
        Finding14.LUNG_LESION: {"lung nodule", "lung mass"},
        Finding14.ENLARGED_CARDIOMEDIASTINUM: {"mediastinal widening"},
        Finding14.PLEURAL_OTHER: {"pleural thickening"},
        Finding14.SUPPORT_DEVICES: {"support device"},
    }
    return frozenset(extra.get(label, {label.value.lower()}))


def _explicit(mention: Mention, rules: _LabelRules) -> Iterator[tuple[Finding14, Value]]:
    form = mention.form
    present = form.presence is Presence.PRESENT
    label = rules.named.get(form.concept)
    if label is not None:
        uncertain = mention.hedge == "possible"
        yield label, (-1 if uncertain else 1) if present else 0
    suggested = rules.suggested.get(form.concept)
    if suggested is not None and present:
        yield suggested, -1
    if label is None and present:
        for negative in rules.absent_by_normal[form.concept]:
            yield negative, 0


def label(report: str) -> dict[Finding14, int | None]:
    """Return 1, 0, -1 or None for each of the 14 findings; all None for a report without a reading."""
    rules = _rules()
    analysis = analyse_report(report)
    labels: dict[Finding14, int | None] = dict.fromkeys(Finding14)
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
    if normal:
        labels[Finding14.NO_FINDING] = 1
    return labels


def label_evidence(report: str) -> dict[Finding14, list[LabelEvidence]]:
    """Return for each finding what the report says on it, in text order; entailed absences carry `via`.

    The value of `label` is the strongest explicit one; entailed evidence never decides it.
    """
    rules = _rules()
    analysis = analyse_report(report)
    evidence: dict[Finding14, list[LabelEvidence]] = {finding: [] for finding in Finding14}
    for index, mention in enumerate(analysis.mentions):
        form = mention.form
        stated = dict(_explicit(mention, rules))
        for finding, value in stated.items():
            evidence[finding].append(_evidence(analysis, index, mention, value, None))
        normal = form.concept in rules.absent_by_normal and rules.absent_by_normal[form.concept] is not None
        denies = form.presence is Presence.ABSENT and load_lexicon().concepts[form.concept].kind != "normal"
        assures = form.presence is Presence.PRESENT and load_lexicon().concepts[form.concept].kind == "normal"
        if normal and (denies or assures) and not _narrow(form):
            for finding in rules.entailed[form.concept]:
                if finding not in stated and finding not in _SILENT:
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
    """Label one record `{"id", "report"}`: it comes back whole, with `labels` by CheXpert name and who gave them.

    Raises ValueError, in one sentence, for a record without a report text.
    """
    report = record.get("report")
    if not isinstance(report, str):
        raise ValueError('the line has no "report" that is text; expected {"id", "report"}')
    labels = {str(finding): value for finding, value in label(report).items()}
    return {**record, "labels": labels, "labeler": {"name": LABELER, "version": reader_version()}}
