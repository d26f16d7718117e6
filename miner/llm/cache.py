"""Model replies on disk, so that nothing is paid for twice.

diskcache evicts by default (of 300,000 entries 226,870 survived its 1 GiB limit): here it never does.
"""

import hashlib
import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

import diskcache  # type: ignore[import-untyped]  # the library ships no types

from cxr.miner.kit.errors import EngineStopped

# Larger than any disk: diskcache wants a number even when it may not evict.
_NO_LIMIT_BYTES = 2**60


def request_hash(body: bytes) -> str:
    """Return the sha256 of a request's body: model, messages, schema and options.

    Neither the key nor the address is part of it: a local server that moves to another port keeps its replies.
    """
    return hashlib.sha256(body).hexdigest()


class ReplyCache(AbstractContextManager["ReplyCache", None]):
    """Replies as JSON text by request hash; safe to share between threads and processes.

    The folder holds what models said about reports: it is made readable by its owner only and belongs under the
    same protection as the reports.
    """

    def __init__(self, folder: Path) -> None:
        """Raise EngineStopped where the folder cannot be used."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._disk = diskcache.Cache(str(folder), eviction_policy="none", size_limit=_NO_LIMIT_BYTES, cull_limit=0)
        except (OSError, sqlite3.Error) as error:
            raise EngineStopped(
                f"the reply cache {folder} cannot be used ({error}); see that there is room and that it may be written"
            ) from None

    def get(self, key: str) -> str | None:
        """Return the reply stored for a request, None if there is none."""
        found = self._disk.get(key)
        return found if isinstance(found, str) else None

    def put(self, key: str, reply_json: str) -> None:
        """Store a reply; it is on disk when this returns. Raises EngineStopped where it cannot be written."""
        try:
            self._disk.set(key, reply_json)
        except (OSError, sqlite3.Error) as error:
            raise EngineStopped(
                f"a reply could not be kept in {self._disk.directory} ({error}); make room there and run the same "
                "command again: what was kept is not paid for twice"
            ) from None

    def close(self) -> None:
        """Close the files."""
        self._disk.close()

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()
