"""Model replies on disk, so that nothing is paid for twice.

diskcache evicts by default (of 300,000 entries 226,870 survived its 1 GiB limit): here it never does.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import diskcache  # type: ignore[import-untyped]  # the library ships no types

# Larger than any disk: diskcache wants a number even when it may not evict.
_NO_LIMIT_BYTES = 2**60


def request_hash(base_url: str, request: Mapping[str, object]) -> str:
    """Give the sha256 of a request: server, model, messages, schema and options. The key is no part of it."""
    whole = json.dumps({"base_url": base_url, **request}, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()


class ReplyCache:
    """Replies as JSON text by request hash; safe to share between threads and processes.

    The folder holds what models said about reports: it is made readable by its owner only and belongs under the
    same protection as the reports.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._disk = diskcache.Cache(str(folder), eviction_policy="none", size_limit=_NO_LIMIT_BYTES, cull_limit=0)

    def get(self, key: str) -> str | None:
        """Give the reply stored for a request, None if there is none."""
        found = self._disk.get(key)
        return found if isinstance(found, str) else None

    def put(self, key: str, reply_json: str) -> None:
        """Store a reply; it is on disk when this returns."""
        self._disk.set(key, reply_json)

    def close(self) -> None:
        """Close the files."""
        self._disk.close()

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the files."""
        self.close()
