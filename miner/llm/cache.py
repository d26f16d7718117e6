"""Model replies on disk, so that nothing is paid for twice.

diskcache evicts by default (of 300,000 entries 226,870 survived its 1 GiB limit): here it never does. It also unpickles
whatever a row says is pickled, which runs code: here a row is text, and nothing else is written or read.
"""

import fcntl
import hashlib
import os
import re
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]  # the library ships no types
from diskcache.core import DBNAME, METADATA, MODE_RAW, MODE_TEXT, UNKNOWN  # type: ignore[import-untyped]  # likewise

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.kit.together import Together

_SETTINGS: dict[str, object] = {
    **diskcache.DEFAULT_SETTINGS,
    "eviction_policy": "none",
    "cull_limit": 0,
    # Larger than any disk: diskcache wants a number even when it may not evict.
    "size_limit": 2**60,
    # A reply is paid for: it survives a power failure too, not only the death of the process.
    "sqlite_synchronous": 2,
}
"""All that diskcache knows of, so that none comes from the file."""
_PLAIN = re.compile(r"[a-z0-9-]{0,40}")
_OWN_FILE = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val")
_CLAIMS = "claims"


def request_hash(body: bytes) -> str:
    """Return the sha256 of a request's body: model, messages, schema and options.

    Neither the key nor the address is part of it: a local server that moves to another port keeps its replies.
    """
    return hashlib.sha256(body).hexdigest()


class _NotText(Exception):
    """A row that is no text: nothing of ours wrote it."""


class _TextDisk(diskcache.Disk):  # type: ignore[misc]  # a class without types
    """Text keys with text values, in their row; older caches have long values in files of their own, which are read."""

    def __init__(self, directory: str, **_: object) -> None:
        super().__init__(directory)

    def put(self, key: str) -> tuple[str, bool]:
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or not isinstance(key, str):
            raise _NotText
        return key

    def store(
        self,
        value: str,
        read: object,  # noqa: ARG002 - diskcache names them
        key: object = UNKNOWN,  # noqa: ARG002 - likewise
    ) -> tuple[int, int, None, str]:
        return 0, MODE_RAW, None, value

    def fetch(self, mode: object, filename: object, value: object, read: object) -> str:  # noqa: ARG002 - likewise
        if mode == MODE_RAW and isinstance(value, str):
            return value
        if mode == MODE_TEXT and isinstance(filename, str) and _OWN_FILE.fullmatch(filename):
            path = Path(self._directory, filename)
            if not path.is_symlink():
                return path.read_text(encoding="utf-8")
        raise _NotText

    def remove(self, file_path: str) -> None:
        if _OWN_FILE.fullmatch(file_path):
            super().remove(file_path)


class ReplyCache(AbstractContextManager["ReplyCache", None]):
    """Replies as JSON text by request hash; safe to share between threads and processes.

    The folder holds what models said about reports: it is made readable by its owner only and belongs under the
    same protection as the reports.
    """

    def __init__(self, folder: Path) -> None:
        """Raise EngineStopped where the folder cannot be used, or somebody else has written into it."""
        self._folder = self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._demand_plain_settings()
            self._disk = diskcache.Cache(str(folder), disk=_TextDisk, **_SETTINGS)
            self._claims = os.open(folder / _CLAIMS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(folder, error) from None
        self._writer = Together(self._put_all, "cxr-replies", at_end=self._disk.close)

    def get(self, key: str) -> str | None:
        """Return the reply stored for a request, None if there is none; raises EngineStopped for what is no text."""
        try:
            found: str | None = self._disk.get(key)
        except (_NotText, UnicodeDecodeError):
            raise EngineStopped(
                f"the reply cache {self._folder} holds a reply that is no text, as no cxr writes it: such a row may be "
                "a program and is never read; find out who else writes there, then move the folder away, or give "
                "another --cache, and run the same command again"
            ) from None
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise _unusable(self._folder, error) from None
        return found

    def put(self, key: str, reply_json: str) -> None:
        """Store a reply; it is on disk when this returns. Raises EngineStopped where it cannot be written."""
        self.put_soon(key, reply_json).result()

    def put_soon(self, key: str, reply_json: str) -> "Future[None]":
        """Store a reply with whatever else waits to be stored; when the future is done it is on disk, synced.

        The future raises EngineStopped where it cannot be written.
        """
        return self._writer.put((key, reply_json))

    def _put_all(self, replies: Sequence[tuple[str, str]]) -> None:
        try:
            with self._disk.transact():
                for key, reply_json in replies:
                    self._disk.set(key, reply_json)
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            if _is_damaged(error):
                raise _unusable(self._folder, error) from None
            raise EngineStopped(
                f"a reply could not be kept in {self._folder} ({error or 'it is locked'}); make room there and run the "
                "same command again: what was kept is not paid for twice"
            ) from None

    def claim(self, key: str) -> bool:
        """Return whether this process may send a request: False while another one that shares the folder is at it.

        A claim ends with `release`, or with the process. Where the file system has no locks everybody may.
        """
        return self._lock(key, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self, key: str) -> None:
        """Let others send this request again."""
        self._lock(key, fcntl.LOCK_UN)

    def _lock(self, key: str, how: int) -> bool:
        try:
            # A byte of the file for each request: the file stays empty, and the system forgets with the process.
            fcntl.lockf(self._claims, how, 1, int(key[:15], 16))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def _demand_plain_settings(self) -> None:
        """Raise EngineStopped for settings that are not diskcache's: it would set them as attributes and pragmas."""
        path = self._folder / DBNAME
        if not path.exists():
            return
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'Settings'").fetchall():
                return
            found = connection.execute("select key, value from Settings").fetchall()
        if not all((key in _SETTINGS or key in METADATA) and _is_plain(value) for key, value in found):
            raise EngineStopped(
                f"the reply cache {self._folder} holds settings that diskcache does not write; find out who else "
                "writes there, then move the folder away, or give another --cache, and run the same command again"
            )

    def leave(self) -> None:
        """Close the connection of this thread, which will read no more."""
        self._disk.close()

    def close(self) -> None:
        """Close the files."""
        self._writer.close()
        self._disk.close()
        os.close(self._claims)

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()


def _unusable(folder: Path, error: Exception) -> EngineStopped:
    """Return the sentence for a folder of replies that cannot be used, and what to do."""
    if _is_damaged(error):
        return EngineStopped(
            f"the reply cache {folder} is damaged ({error}); move it away, or give another --cache, and run the same "
            "command again: what the store has is kept, and only other replies are paid for once more"
        )
    if isinstance(error, FileExistsError | NotADirectoryError):
        return EngineStopped(f"the reply cache {folder} is, or lies below, a file; give a folder with --cache")
    return EngineStopped(
        f"the reply cache {folder} cannot be used ({error or 'it is locked'}); see that there is room and that "
        "everything in it may be written, or give another --cache"
    )


def _is_damaged(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or (
        # Tables that are not diskcache's, or not there.
        type(error) is sqlite3.OperationalError and "no such" in str(error)
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and _PLAIN.fullmatch(value) is not None)
