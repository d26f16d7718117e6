"""What a radiologist would write about a scene: FINDINGS and IMPRESSION, short, complete, and only what is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

from cxr.schemas.vocabulary import Finding14, Progression
from cxr.trainer.phantom.scene import Degree, Rng, Scene, progression

FINDINGS = (
    Finding14.CARDIOMEGALY,
    Finding14.PLEURAL_EFFUSION,
    Finding14.PNEUMOTHORAX,
    Finding14.LUNG_OPACITY,
    Finding14.SUPPORT_DEVICES,
)
"""What a phantom can show, and all that its labels know."""

_CHANGED: Mapping[Progression, tuple[str, ...]] = {
    Progression.WORSENING: ("worse than on the prior study", "larger than on the prior study"),
    Progression.STABLE: ("unchanged since the prior study", "stable since the prior study"),
    Progression.IMPROVING: ("improved since the prior study", "smaller than on the prior study"),
}
TERSE = 0.15
"""Of the findings that have a size, a side or a place, so many are reported by their name alone, as in real reports."""

HEART_WORDS = ("mild", "severe")
"""How large an enlarged heart is called is the reader's choice, not the picture's: readers differ in that."""
_SIZE = {Degree.SMALL: "small", Degree.LARGE: "large"}


@dataclass(frozen=True, slots=True)
class Reading:
    """The two sections of a phantom's report."""

    findings: str
    impression: str


def labels_of(scene: Scene) -> dict[Finding14, int]:
    """Return 1 or 0 for every finding that a phantom can show."""
    there = (scene.heart, scene.effusion, scene.pneumothorax, scene.opacity, scene.device is not None)
    return {finding: int(bool(shown)) for finding, shown in zip(FINDINGS, there, strict=True)}


def describe_scene(scene: Scene, rng: Rng, prior: Scene | None = None) -> Reading:
    """Return the report of a scene; with a prior one it says of every finding how it changed."""
    heart = str(rng.choice(HEART_WORDS))

    def pick(*wordings: str) -> str:
        return wordings[int(rng.integers(len(wordings)))]

    def change(before: Degree | None, after: Degree) -> str:
        said = None if before is None else progression(before, after)
        return "" if said is None else f", {pick(*_CHANGED[said])}"

    full = {finding: rng.random() >= TERSE for finding in FINDINGS}
    sentences: list[str] = []
    if scene.heart:
        tail = change(prior.heart if prior else None, scene.heart)
        sentences.append(f"There is {_heart(heart, full)}{tail}.")
    else:
        sentences.append(pick("The heart size is normal.", "Heart size is normal.", "The heart is normal in size."))
    if scene.effusion:
        tail = change(prior.effusion if prior else None, scene.effusion)
        sentences.append(f"There is a {_effusion(scene, full)}{tail}.")
    if scene.pneumothorax:
        tail = change(prior.pneumothorax if prior else None, scene.pneumothorax)
        sentences.append(f"There is a {_pneumothorax(scene, full)}{tail}.")
    sentences += _not_there(scene, pick("seen", "identified", "present"))
    if scene.opacity:
        tail = change(prior.opacity if prior else None, scene.opacity)
        place = f"n opacity in the {scene.opacity_side} {scene.opacity_zone} lung"
        sentences.append(f"There is a{place if full[Finding14.LUNG_OPACITY] else ' lung opacity'}{tail}.")
    else:
        sentences.append(pick("No lung opacity.", "There is no lung opacity.", "No lung opacity is seen."))
    sentences.append(_device(scene, full))
    return Reading(findings=" ".join(sentences), impression=_impression(scene, heart, full))


def _heart(word: str, full: Mapping[Finding14, bool]) -> str:
    return f"{word} cardiomegaly" if full[Finding14.CARDIOMEGALY] else "cardiomegaly"


def _effusion(scene: Scene, full: Mapping[Finding14, bool]) -> str:
    detail = f"{_SIZE[scene.effusion]} {scene.effusion_side} " if full[Finding14.PLEURAL_EFFUSION] else ""
    return f"{detail}pleural effusion"


def _pneumothorax(scene: Scene, full: Mapping[Finding14, bool]) -> str:
    detail = f"{_SIZE[scene.pneumothorax]} {scene.pneumothorax_side} " if full[Finding14.PNEUMOTHORAX] else ""
    return f"{detail}pneumothorax"


def _not_there(scene: Scene, verb: str) -> list[str]:
    sought = (("pleural effusion", scene.effusion), ("pneumothorax", scene.pneumothorax))
    absent = [noun for noun, degree in sought if not degree]
    return [f"No {' or '.join(absent)} is {verb}."] if absent else []


def _device(scene: Scene, full: Mapping[Finding14, bool]) -> str:
    match scene.device:
        case None:
            return "No support devices."
        case "pacemaker":
            return f"A {f'{scene.device_side} ' if full[Finding14.SUPPORT_DEVICES] else ''}pacemaker is in place."
        case kind:
            return f"An {kind} is in place."


def _impression(scene: Scene, heart: str, full: Mapping[Finding14, bool]) -> str:
    """Return the abnormal findings once more, in the short phrases of an impression."""
    said = []
    if scene.heart:
        said.append(_heart(heart, full))
    if scene.effusion:
        said.append(_effusion(scene, full))
    if scene.pneumothorax:
        said.append(_pneumothorax(scene, full))
    if scene.opacity:
        place = f"{scene.opacity_side} {scene.opacity_zone} " if full[Finding14.LUNG_OPACITY] else ""
        said.append(f"{place}lung opacity")
    return " ".join(f"{phrase.capitalize()}." for phrase in said) or "No acute cardiopulmonary abnormality."
