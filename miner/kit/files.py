"""Files that appear whole, and what a kill left of others.

What is written goes under a hidden name in the same folder, onto the disk, and only then takes its own name; a power
failure leaves the old file or the new one. The hidden name says whose it is, so that the next run can tell what a dead
process left behind from what a live one is writing.
"""

import contextlib
import errno
import os
import re
import shutil
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TextIO

from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError

_LONGEST_NAME = 255  # bytes, in every file system that is in use
_OURS = re.compile(r"\..+\.(?P<place>[0-9a-f]{8})-(?P<pid>\d+)-(?P<started>\d+)\.partial")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that takes its name only when it is complete; raises InputError where it cannot be made."""
    with whole_path(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as handle:
        yield handle


@contextlib.contextmanager
def whole_path(path: Path, *, private: bool = False) -> Iterator[Path]:
    """Return a name to write to; what is there in the end takes `path`'s name; raises InputError where it cannot.

    A `private` file is made readable by its owner only, before anything is in it.
    """
    path = path.resolve()  # through a link to the file that it names, not over the link
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is a device or a pipe; expected a file name to write to")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} for {path.name} does not exist; create it or write elsewhere")
    if path.is_dir():
        raise InputError(f"{path} is a folder; expected a file name to write to")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path} cannot be written; check the permissions of its folder")
    sweep(path.parent)
    partial = path.with_name(_hidden(path.name))
    try:
        if private:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600))
        yield partial
        _sync(partial)
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Return a new folder to fill, which takes `path`'s name when it is complete; what had that name goes then.

    Nothing of it stays where the block raises. Raises InputError where the disk does not take it.
    """
    path = path.resolve()
    sweep(path.parent)
    partial = path.with_name(_hidden(path.name))
    try:
        partial.mkdir()
        yield partial
        settle(partial, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        if partial.exists():
            shutil.rmtree(partial)


def settle(partial: Path, path: Path) -> None:
    """Give a folder that is complete its own name, once all of it is on disk; what had that name goes."""
    for folder, _, files in os.walk(partial):
        for name in files:
            _sync(Path(folder, name))
        sync_folder(Path(folder))
    discard(path)
    partial.rename(path)
    sync_folder(path.parent)


def discard(folder: Path) -> None:
    """Delete a folder if it is there; a kill on the way leaves no half of it under its name."""
    if folder.is_symlink() or not folder.exists():
        return
    aside = folder.resolve().with_name(_hidden(f"old-{folder.name}"))
    folder.rename(aside)
    shutil.rmtree(aside)


def append(path: Path, data: bytes) -> None:
    """Put whole lines at the end of a file, made if need be; they are safe on disk when this returns."""
    with path.open("ab") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Let new names in a folder survive a power failure, where the file system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@cache  # once is enough: a process cannot find its own
def sweep(folder: Path) -> None:
    """Delete what processes of this machine that are dead left under hidden names; what cannot be told apart stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            made_by = _OURS.fullmatch(entry.name)
            if made_by is None or made_by["place"] != _place() or _started(int(made_by["pid"])) == made_by["started"]:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _hidden(name: str) -> str:
    """Return the name under which a file is written; it is never too long where the file's own is not."""
    mark = f".{_place()}-{os.getpid()}-{_started(os.getpid())}.partial"
    room = _LONGEST_NAME - len(mark) - 1
    return f".{name.encode()[:room].decode(errors='ignore')}{mark}"


@cache
def _place() -> str:
    """Return where process ids mean what they mean here: a machine, or a container on it."""
    try:
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbers = ""
    return digest(socket.gethostname(), numbers, length=8)


def _started(pid: int) -> str | None:
    """Return when a process began, in the system's own count, which tells a number used again apart; None if dead."""
    try:
        # The name of the program, in brackets, may hold anything; the 20th field after it is the time.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:  # a system without /proc: whoever is alive is taken to be the one
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "0"


def _unwritable(path: Path, error: OSError) -> InputError:
    """Return the sentence for a file or folder that the disk does not take."""
    if error.errno == errno.ENAMETOOLONG:
        return InputError(f"{path} cannot be written: the name is longer than its disk allows; give a shorter one")
    return InputError(f"{path} cannot be written ({error.strerror}); check its disk and permissions")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
