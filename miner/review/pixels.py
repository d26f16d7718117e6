"""Pixels for the reader's screen: decoded once, off the event loop, and kept within a bound.

Decoders of compressed DICOM hold the interpreter for as long as they work, a second for JPEG 2000, and nobody could
save meanwhile: they work in processes of their own. All others let threads run beside them.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.miner.images.deep import Deep, is_compressed, load
from cxr.miner.images.facts import read_facts
from cxr.miner.images.pictures import BadPicture, depth, open_deep
from cxr.miner.kit.parallel import end_pool, process_pool, processors
from cxr.schemas.vocabulary import FileStatus, RejectReason

KEPT_BYTES = 384_000_000
"""A dozen pairs of 2,500 x 3,000 pixels."""
SMALLEST_SIDE, LARGEST_SIDE = 16, 20_000
# What the page says in the picture's place; nothing of a path, which may name a patient.
_SENTENCES = {
    RejectReason.IMAGE_ABSENT: "the image file is missing; the report and the rest can be read without it",
    RejectReason.IMAGE_TRUNCATED: "the image file is damaged: it ends early or cannot be decoded",
    RejectReason.IMAGE_UNREADABLE: "the image file cannot be read: it is no PNG, JPEG or DICOM that we can decode",
}
_UNREADABLE = _SENTENCES[RejectReason.IMAGE_UNREADABLE]


@dataclass(frozen=True)
class Facts:
    """What an image's header says; sizes in pixels, None where unknown; `problem` is a sentence or None."""

    width: int | None = None
    height: int | None = None
    bits: int | None = None
    problem: str | None = None


class NoPixels(Exception):
    """An image that cannot be shown; the message is a sentence for the reader."""

    def __init__(self, sentence: str, is_missing: bool) -> None:  # noqa: FBT001 - as it comes from another process
        super().__init__(sentence, is_missing)
        self.sentence, self.is_missing = sentence, is_missing

    def __str__(self) -> str:
        return self.sentence


class Pixels:
    """Decoded images within a number of bytes; what was asked for longest ago goes first. May be used by threads."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, Deep] = OrderedDict()
        self._going_on: dict[Hashable, Future[Deep]] = {}
        self._facts: dict[Hashable, Facts] = {}
        self._lock = threading.Lock()
        self._ahead = ThreadPoolExecutor(2, thread_name_prefix="decode")
        self._processes: ProcessPoolExecutor | None = None

    @property
    def bytes_kept(self) -> int:
        """How many bytes of pixels are kept."""
        return self._bytes

    def facts(self, path: str) -> Facts:
        """Return what the header of a file says; never raises for what is in it."""
        key = _stamp(path)
        if (known := self._facts.get(key)) is None:
            known = self._facts[key] = _read(path)
        return known

    def image(self, path: str, side: int | None = None) -> Deep:
        """Return the pixels of a file, its longer side at `side` at most; raises NoPixels."""
        stamp = _stamp(path)
        if side is None:
            return self._once(stamp, lambda: self._decode(path))
        if stamp not in self._kept and is_compressed(path):
            return self._once((stamp, side), lambda: self._decode(path, side).within(side))
        return self._once((stamp, side), lambda: self.image(path).within(side))

    def begin(self, paths: Sequence[str]) -> None:
        """Import what decodes such files before anybody waits for one, and return at once."""

        def imported() -> None:
            load()
            if any(map(is_compressed, paths)):
                self._pool().submit(load)

        self._ahead.submit(imported)

    def prepare(self, paths: Sequence[str]) -> None:
        """Begin to decode what will be asked for in a moment, and return at once.

        What is compressed is not: it is asked for small first, which is another and a shorter work.
        """
        for path in paths:
            if not is_compressed(path):
                self._ahead.submit(self.image, path)

    def close(self) -> None:
        """Decode nothing more."""
        if self._processes is not None:
            end_pool(self._processes)
        self._ahead.shutdown(cancel_futures=True)

    def _decode(self, path: str, side: int | None = None) -> Deep:
        if not is_compressed(path):
            return _decoded(path)
        pool = self._pool()
        try:
            return pool.submit(_decoded, path, side).result()
        except (BrokenExecutor, RuntimeError):  # a worker was killed, as where memory ran out: others come next time
            with self._lock:
                self._processes = None if self._processes is pool else self._processes
            raise NoPixels(_UNREADABLE, is_missing=False) from None

    def _pool(self) -> ProcessPoolExecutor:
        with self._lock:
            self._processes = self._processes or process_pool(min(2, processors()))
            return self._processes

    def _once(self, key: Hashable, make: Callable[[], Deep]) -> Deep:
        """Return what is kept, or make it; whoever asks meanwhile waits for the same."""
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
            going_on = self._going_on.get(key)
            if going_on is None:
                mine = self._going_on[key] = Future()
        if going_on is not None:
            return going_on.result()
        try:
            made = make()
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            self._keep(key, made)
            mine.set_result(made)
            return made
        finally:
            with self._lock:
                del self._going_on[key]

    def _keep(self, key: Hashable, made: Deep) -> None:
        with self._lock:
            self._kept[key] = made
            self._bytes += made.values.nbytes
            while self._bytes > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.values.nbytes


def packed(image: Deep) -> tuple[bytes, dict[str, str]]:
    """Return the samples, little-endian and row by row, and the headers that describe them."""
    rows, columns = image.values.shape
    samples: Any = image.values.astype(image.values.dtype.newbyteorder("<"), copy=False)
    return samples.tobytes(), {
        "X-Width": str(columns),
        "X-Height": str(rows),
        "X-Bits": str(image.bits),
        "X-Window-Center": f"{image.center:.6g}",
        "X-Window-Width": f"{image.width:.6g}",
        "X-Inverted": str(int(image.is_inverted)),
    }


def _stamp(path: str) -> Hashable:
    """Return what tells a file from what was in its place before."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return (path, None, None)
    return (path, found.st_mtime_ns, found.st_size)


def _decoded(path: str, side: int | None = None) -> Deep:
    try:
        return open_deep(path, side)
    except BadPicture as bad:
        is_missing = bad.reason is RejectReason.IMAGE_ABSENT
        raise NoPixels(_SENTENCES.get(bad.reason, _UNREADABLE), is_missing) from None
    except (MemoryError, ValueError):  # more pixels than the machine holds, or a name that is none
        raise NoPixels(_UNREADABLE, is_missing=False) from None


def _read(path: str) -> Facts:
    try:
        found = read_facts(path)
        if found.status is not FileStatus.PRESENT:
            return Facts(problem=_SENTENCES[RejectReason(f"image_{found.status}")])
        return Facts(found.width, found.height, depth(path))
    except (BadPicture, ValueError):
        return Facts(problem=_UNREADABLE)
