"""A folder of phantoms as anybody's own corpus: image files, and one CSV that `cxr ingest csv` reads as it stands."""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from PIL import ImageOps

from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.files import whole_file
from cxr.miner.pack import pack
from cxr.trainer.phantom.drawing import draw
from cxr.trainer.phantom.scene import Rng, Scene, by_share, draw_lots, later
from cxr.trainer.phantom.wording import describe_scene, labels_of

NAME = "phantom"
CSV = "phantom.csv"
SHARE_OF_PAIRS = 0.5
"""Of the patients, so many have a second study."""
MIRRORED = 0.5
"""Of the pictures, so many are mirrored, as films without a side marker may be: the report knows a side that cannot be
seen. Reports say more than images show, and what a model learns from them it then makes up; that is what a reward for
factual reasoning has to undo."""
SPLITS = {"train": 0.8, "validate": 0.05, "test": 0.15}
SMALLEST, LARGEST = 28, 1024

_COLUMNS = ("study_id", "patient_id", "split", "study_datetime", "image", "view", "findings", "impression")


@dataclass(frozen=True)
class PhantomCorpus:
    """What was written: the CSV, whose folder holds the images, and how much there is."""

    csv: Path
    studies: int
    patients: int
    pairs: int


def write_phantom(folder: Path, studies: int = 2000, seed: int = 0, *, size: int = 96) -> PhantomCorpus:
    """Write invented images and reports: `phantom.csv` and `images/*.png`, byte for byte the same for a seed.

    Half of the patients have two studies, whose second report compares. Splits are by patient. Images are grey,
    `size` pixels wide and high. Raises SettingsError for counts and sizes out of bounds, InputError where the folder
    holds something already.
    """
    if studies < 1 or not SMALLEST <= size <= LARGEST:
        raise SettingsError(
            f"phantom: {studies} studies of {size} pixels cannot be drawn; expected at least 1 study, and images of "
            f"{SMALLEST} to {LARGEST} pixels"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not empty; give a new folder for the phantoms")
    (folder / "images").mkdir(parents=True)
    rows: list[dict[str, object]] = []
    patients = pairs = 0
    while len(rows) < studies:
        # A generator of their own makes a patient's pictures the same, however many others are drawn.
        rng = np.random.default_rng((seed, patients))
        made = _patient(folder, patients, rng, size, room=studies - len(rows))
        rows += made
        patients += 1
        pairs += len(made) > 1
    with whole_file(folder / CSV) as file:
        writer = csv.DictWriter(file, (*_COLUMNS, *labels_of(Scene())), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return PhantomCorpus(folder / CSV, len(rows), patients, pairs)


def _patient(folder: Path, number: int, rng: Rng, size: int, room: int) -> list[dict[str, object]]:
    """Draw a patient's one or two studies; return their rows of the CSV."""
    split = by_share(rng.random(), SPLITS)
    first = draw_lots(rng)
    scenes: list[Scene] = [first]
    if rng.random() < SHARE_OF_PAIRS and room > 1:
        scenes.append(later(first, rng))
    day = date(2020, 1, 1) + timedelta(days=int(rng.integers(1000)))
    rows = []
    for turn, scene in enumerate(scenes):
        study = f"p{number:05d}s{turn + 1}"
        image = f"images/{study}.png"
        film = draw(scene, rng, size)
        (ImageOps.mirror(film) if rng.random() < MIRRORED else film).save(folder / image)
        reading = describe_scene(scene, rng, scenes[turn - 1] if turn else None)
        rows.append(
            {
                "study_id": study,
                "patient_id": f"p{number:05d}",
                "split": split,
                "study_datetime": (day + timedelta(days=3 * turn)).isoformat(),
                "image": image,
                "view": pack().views.order[0],
                "findings": reading.findings,
                "impression": reading.impression,
                **labels_of(scene),
            }
        )
    return rows
