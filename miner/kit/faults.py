"""What the system, a disk or a damaged file did, as one sentence; the command line says it in place of a traceback.

The words of such an error are not ours: they may quote a record, and a record can be a report. So nothing of them is
said but the name of a file and the kind of fault.
"""

import errno
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_GOES_ON = "then run the same command again: what was finished is kept"
_BY_NUMBER = {
    errno.ENOSPC: f"the disk is full; free some space, {_GOES_ON}",
    errno.EDQUOT: f"your quota on its disk is used up; free some space, {_GOES_ON}",
    errno.EFBIG: f"the file would be larger than its disk or `ulimit -f` allows; raise that, {_GOES_ON}",
    errno.EROFS: "its disk can only be read; write elsewhere",
    errno.EMFILE: "more files and connections are open than `ulimit -n` allows; raise it, or lower --concurrency",
    errno.ENFILE: f"the machine has too many open files; close other programs, {_GOES_ON}",
    errno.ENAMETOOLONG: "the name is longer than its disk allows; expected 255 bytes at most, folders apart",
    errno.ENOMEM: f"the machine's memory is used up; close other programs, {_GOES_ON}",
    errno.EIO: "its disk reports an error; look at the disk before anything else",
    errno.ELOOP: "the link leads back to itself; expected a file",
}
_NO_MEMORY = f"memory is used up; give the machine more, or do less at once, {_GOES_ON}"
_BY_KIND = {
    "MemoryError": _NO_MEMORY,
    "OutOfMemoryException": _NO_MEMORY,
    "RecursionError": "a file nests lists or objects too deeply to be read; expected a few levels of JSON",
    "UnicodeError": "a file or a name holds bytes that are no text; save it as UTF-8",
}
_MANY_DIGITS = "a file holds a number of more than 4,300 digits; expected numbers that can be counted with"
_BY_WORDS = {os.strerror(number): said for number, said in _BY_NUMBER.items()}


def sentence(error: BaseException) -> str | None:
    """Return what happened and what to do, None for what is no fault of the system or of a file."""
    return next((said for one in _within(error) if (said := _said(one)) is not None), None)


def _said(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno is not None:
        return _of_the_system(error)
    if (said := of_a_disk(str(error))) is not None and _is_a_library(error):
        return said
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # what pathlib makes of ELOOP
        return f"a file: {_BY_NUMBER[errno.ELOOP]}"
    if isinstance(error, ValueError) and "integer string conversion" in str(error):
        return _MANY_DIGITS
    return next((said for kind, said in _BY_KIND.items() if kind in _names(error)), None)


def of_a_disk(words: str) -> str | None:
    """Return the sentence for a library's words about its disk, None where they speak of something else."""
    return next((said for name, said in _BY_WORDS.items() if name in words), None)


def defect(error: BaseException) -> str:
    """Return the sentence for what should not happen at all: where it happened, and nothing of what was handled."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(_ROOT)] or frames
    place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else "an unknown place"
    return (
        f"a defect of cxr itself ({type(error).__name__} in {place}); please report that, and what you ran; "
        "CXR_TRACEBACK=1 shows where it came from, and may show words of a report"
    )


def _within(error: BaseException) -> Iterator[BaseException]:
    """Return an error, or those of a group of tasks, the first before the others."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _within(one)
    else:
        yield error


def _of_the_system(error: OSError) -> str:
    name = error.filename if isinstance(error.filename, str | os.PathLike) else "a file"
    said = _BY_NUMBER.get(error.errno or 0, f"{error.strerror}; check space and permissions")
    return f"{os.fspath(name)}: {said}"


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _is_a_library(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in {"_duckdb", "duckdb", "sqlite3", "polars", "pyarrow"}
