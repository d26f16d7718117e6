"""The file of a prediction run: a line for each sample, and beside it a header that says what the lines come from.

A kill at any moment leaves whole lines and at most one half, which the next run drops. When a run is through, the lines
are put into the benchmark's order, whatever batches they were written in.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxr.miner.benchmark.manifest import write_json
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import append, whole_path
from cxr.miner.kit.jsonl import json_line
from cxr.miner.kit.machine import time_stamp
from cxr.trainer.predict.samples import Predicted

PREDICTIONS_FORMAT = "cxr-predictions/1"

RequestKey = tuple[str, str]


def header_path(path: Path) -> Path:
    """Return where the header of a file of predictions lies."""
    return path.with_name(f"{path.name.removesuffix('.jsonl')}.run.json")


class PredictionFile:
    """A file of predictions that is open for more; made by `open_predictions`."""

    def __init__(self, path: Path, header: dict[str, Any], done: dict[RequestKey, Predicted]) -> None:
        self.path = path
        self.header = header
        self.done = done
        """What is there already and stays: every prediction with a text, by sample and mode."""

    def append(self, made: Sequence[Predicted]) -> None:
        """Write predictions to the end of the file; they are safe on disk when this returns."""
        append(self.path, b"".join(map(_line, made)))
        self.done.update({_key(one): one for one in made})

    def sort(self, order: Iterable[RequestKey]) -> None:
        """Put the lines into an order; what the order does not name keeps its place before the rest."""
        wanted = {key: place for place, key in enumerate(order)}
        lines = sorted(self.done.values(), key=lambda one: wanted.get(_key(one), -1))
        _write(self.path, lines)

    def note(self, **changes: object) -> None:
        """Change the header, here and on disk."""
        self.header = {**self.header, **changes}
        write_json(header_path(self.path), self.header)


@contextmanager
def open_predictions(
    path: Path, identity: Mapping[str, Any], about: Mapping[str, Any], wanted: set[RequestKey], *, replace: bool
) -> Iterator[PredictionFile]:
    """Open a file to go on with, or make it; `identity` is what two runs must share to write into one file.

    Lines with an error for a sample in `wanted` are dropped, so that it is tried again. Raises InputError for a file
    of another identity, naming both, for one that is no such file, and where another process writes to it.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} for {path.name} does not exist; create it or give another -o")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file; expected a name for JSON Lines")
    with _alone(path):
        _refuse_foreign(path)
        if replace:
            path.unlink(missing_ok=True)
            header_path(path).unlink(missing_ok=True)
        before = _read_header(path)
        if before is not None:
            _check_same(path, before["identity"], identity)
        done, is_clean = _read(path, wanted)
        started = time_stamp() if before is None else before["started"]
        header = {"format": PREDICTIONS_FORMAT, "identity": dict(identity), **about, "started": started}
        opened = PredictionFile(path, header, done)
        opened.note(ended=None, exit="running")
        if not is_clean:
            _write(path, done.values())
        path.touch()
        try:
            yield opened
        except BaseException as error:
            ended = "interrupted" if isinstance(error, KeyboardInterrupt | GeneratorExit) else type(error).__name__
            opened.note(ended=time_stamp(), exit=ended, lines=len(opened.done))
            raise
        opened.note(ended=time_stamp(), exit="done", lines=len(opened.done))


def _refuse_foreign(path: Path) -> None:
    """Raise InputError for a file that has no header: it is somebody's, and not replaced either."""
    if path.is_file() and path.stat().st_size and not header_path(path).is_file():
        raise InputError(
            f"{path} exists and was not written by `cxr predict` (there is no {header_path(path).name}); it is left "
            "alone: give another -o"
        )


def _read_header(path: Path) -> dict[str, Any] | None:
    """Return the header beside a file, None where there is none; raises InputError for one that is not ours."""
    header = header_path(path)
    if not header.is_file():
        return None
    try:
        told = json.loads(header.read_text(encoding="utf-8"))
    except ValueError:
        told = None
    is_ours = isinstance(told, dict) and told.get("format") == PREDICTIONS_FORMAT
    if not is_ours or not isinstance(told.get("identity"), dict):
        raise InputError(f"{header} is no header of `cxr predict`; give another -o, or --replace to start anew")
    return dict(told)


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    if names:
        told = "; ".join(f"its {name} is {before.get(name)}, this run's is {now.get(name)}" for name in names[:3])
        raise InputError(f"{path} belongs to another run: {told}; give another -o, or --replace to start it anew")


def _read(path: Path, wanted: set[RequestKey]) -> tuple[dict[RequestKey, Predicted], bool]:
    """Return the predictions that stay, and whether the file holds nothing else."""
    done: dict[RequestKey, Predicted] = {}
    if not path.is_file():
        return done, True
    is_clean = True
    lines = path.read_bytes().split(b"\n")
    half = lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            one = Predicted.model_validate_json(line)
        except ValidationError:
            raise InputError(
                f"{path} line {number} is no prediction; correct or remove it, or give --replace to start anew"
            ) from None
        if _key(one) in done or (one.error is not None and _key(one) in wanted):
            is_clean = False
        else:
            done[_key(one)] = one
    return done, is_clean and not half


def _write(path: Path, made: Iterable[Predicted]) -> None:
    with whole_path(path) as partial, partial.open("wb") as file:
        file.writelines(map(_line, made))


def _line(one: Predicted) -> bytes:
    return json_line(one.model_dump(mode="json")).encode()


def _key(one: Predicted) -> RequestKey:
    return one.sample_id, one.mode


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep a second process away from the file; a lock ends with its process, whatever way that ends."""
    lock = path.with_name(f".{path.name}.lock")
    handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process writes to {path}; wait for it, or give another -o") from None
        yield
        lock.unlink(missing_ok=True)
    finally:
        os.close(handle)
