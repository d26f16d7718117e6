"""How a model is called in tables, and how one tells two models of the same name apart."""

import hashlib
import re
from pathlib import Path

# What a training calls the folders of its models; the run's folder above them is what tells them apart.
_IN_A_RUN = re.compile(r"final|checkpoint-\d+")
_WEIGHTS = (".safetensors", ".bin", ".json")
_PIECES, _PIECE_BYTES = 64, 65_536


def model_name(model: str) -> str:
    """Return the name of a model folder, with the run's name where it is one of a training; a hub's name stays."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    folder = folder.resolve()
    if not _IN_A_RUN.fullmatch(folder.name) or not folder.parent.name:
        return folder.name
    run = folder.parent.name
    return run if folder.name == "final" else f"{run}/{folder.name}"


def run_of(model: str) -> Path | None:
    """Return the folder of the training that a model folder lies in; None where it lies in none."""
    folder = Path(model)
    if not folder.is_dir() or not _IN_A_RUN.fullmatch(folder.resolve().name):
        return None
    return folder.resolve().parent


def weights_hash(model: str) -> str | None:
    """Return a hash that differs between any two trained models, in a second; None for a model on a hub.

    Of each file the size and 64 pieces are read, spread over it: training changes nearly every weight.
    """
    folder = Path(model)
    if not folder.is_dir():
        return None
    made = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.suffix in _WEIGHTS and path.is_file()):
        size = path.stat().st_size
        made.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            for number in range(_PIECES):
                file.seek(max(0, size - _PIECE_BYTES) * number // max(_PIECES - 1, 1))
                made.update(file.read(_PIECE_BYTES))
                if size <= _PIECE_BYTES:
                    break
    return made.hexdigest()[:20]
