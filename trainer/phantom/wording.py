"""What a radiologist would write about a scene: FINDINGS and IMPRESSION, short, complete, and only what is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from cxr.miner.pack import pack
from cxr.miner.pack.phantom import PhantomFinding
from cxr.trainer.phantom.scene import Degree, Rng, Scene, Shown, progression


@dataclass(frozen=True, slots=True)
class Reading:
    """The two sections of a phantom's report."""

    findings: str
    impression: str


def labels_of(scene: Scene) -> dict[str, int]:
    """Return 1 or 0 for every label that a phantom can show."""
    return {finding.label: int(bool(scene[finding.name])) for finding in pack().phantom.finding}


def describe_scene(scene: Scene, rng: Rng, prior: Scene | None = None) -> Reading:
    """Return the report of a scene; with a prior one it says of every finding how it changed."""
    table = pack().phantom
    words = {finding.name: str(rng.choice(finding.words)) for finding in table.finding if finding.words}
    full = {finding.name: rng.random() >= table.terse for finding in table.finding}
    denied = {name for denial in table.denied for name in denial.of}
    sentences: list[str] = []
    for finding in table.finding:
        shown = scene[finding.name]
        if shown:
            said = _said(finding, shown, words, full=full[finding.name])
            change = _change(finding, shown, prior, rng)
            sentences.append(finding.there.format(what=said, change=change))
        elif finding.name not in denied:
            sentences.append(_pick(finding.absent, rng))
        for denial in (denial for denial in table.denied if denial.after == finding.name):
            verb = _pick(denial.verbs, rng)
            absent = [other.terse for other in table.finding if other.name in denial.of and not scene[other.name]]
            if absent:
                sentences.append(denial.text.format(findings=" or ".join(absent), verb=verb))
    return Reading(findings=" ".join(sentences), impression=_impression(scene, words, full))


def _pick(wordings: tuple[str, ...], rng: Rng) -> str:
    return wordings[int(rng.integers(len(wordings)))] if len(wordings) > 1 else wordings[0]


def _change(finding: PhantomFinding, shown: Shown, prior: Scene | None, rng: Rng) -> str:
    """Return how a finding with a degree changed since the prior scene; nothing without one."""
    said = None if prior is None or finding.kinds else progression(prior[finding.name].degree, shown.degree)
    return "" if said is None else f", {_pick(pack().phantom.changed[said], rng)}"


def _said(finding: PhantomFinding, shown: Shown, words: Mapping[str, str], *, full: bool) -> str:
    """Return a finding as the findings name it: with all that is seen, or by its name alone."""
    kind = next((kind for kind in finding.kinds if kind.name == shown.kind), finding)
    return _filled(kind.full if full else kind.terse, finding, shown, words)


def _filled(wording: str, finding: PhantomFinding, shown: Shown, words: Mapping[str, str]) -> str:
    size = pack().phantom.sizes[shown.degree is Degree.LARGE]
    return wording.format(size=size, side=shown.side, zone=shown.zone, word=words.get(finding.name, ""))


def _impression(scene: Scene, words: Mapping[str, str], full: Mapping[str, bool]) -> str:
    """Return the abnormal findings once more, in the short phrases of an impression."""
    said = [
        _filled(finding.short if full[finding.name] else finding.short_terse, finding, scene[finding.name], words)
        for finding in pack().phantom.finding
        if scene[finding.name] and finding.short
    ]
    return " ".join(f"{phrase.capitalize()}." for phrase in said) or pack().phantom.nothing
