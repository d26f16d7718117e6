"""In what form a model is asked: as the user says, or else as its training's record says that it was taught."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.miner.kit.errors import InputError
from cxr.prompts.instructions import PAPER, Instructions, read_instructions, recorded_instructions
from cxr.trainer.predict.naming import run_of
from cxr.trainer.predict.settings import PredictSettings

_RECORD = "run.json"
"""What `cxr train` leaves above `final/` and each checkpoint."""


@dataclass(frozen=True)
class Form:
    """How a model is asked, and what of it differs from how it was trained, each as a sentence."""

    instructions: Instructions
    image_side: int | None
    warnings: tuple[str, ...] = ()


def form_of(model: str, settings: PredictSettings) -> Form:
    """Return the form that a run asks in; raises SettingsError for instructions that cannot be used."""
    told = {} if settings.is_server else _record(model)
    given = None if settings.instructions is None else read_instructions(settings.instructions)
    if not told:
        return Form(given or PAPER, settings.image_side)
    trained = recorded_instructions(told.get("data") or {})
    side = (told.get("settings") or {}).get("image_side")
    warnings = []
    if given is not None and given.sha256 != trained.sha256:
        warnings.append(
            f"{model} was trained on the instructions {trained.name!r}, and is asked by {given.name!r}: it may answer "
            "in no form at all; leave --instructions out to ask it as it was trained"
        )
    if settings.image_side not in {None, side}:
        shown = "images of their own shape" if side is None else f"images of {side} x {side} pixels"
        warnings.append(f"{model} was trained on {shown}, and is shown some of {settings.image_side} to each side")
    return Form(given or trained, side if settings.image_side is None else settings.image_side, tuple(warnings))


def _record(model: str) -> dict[str, Any]:
    """Return the record of the training that made a model folder, empty where there is none."""
    run = run_of(model)
    if run is None or not (run / _RECORD).is_file():
        return {}
    path: Path = run / _RECORD
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise InputError(
            f"{path} is not the record of a training, which says how {model} was taught to be asked; mend it, or move "
            "the model's folder away from it"
        )
    return told
