"""Replies and attempts that are damaged on the disk: one sentence at most, no word of a reply, and a next run."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr.miner.llm.store_books import ledger_path
from tests.conftest import Cli
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

_WORDS = "costophrenic"
"""Stands in the replies of the scripted model, and in no report."""


def cut_in_half(replies: Path, _: Path) -> None:
    with sqlite3.connect(replies / "cache.db") as connection:
        connection.execute("update Cache set value = substr(value, 1, length(value) / 2)")
    connection.close()


def garbled(replies: Path, _: Path) -> None:
    """Its log of changes lies beside it, as a run leaves it that was killed."""
    path = replies / "cache.db"
    with sqlite3.connect(path, isolation_level=None) as open_still:
        open_still.execute("update Settings set value = value")
        shutil.copy(f"{path}-wal", f"{path}-kept")
    open_still.close()
    with path.open("r+b") as file:
        file.seek(200)
        file.write(os.urandom(path.stat().st_size - 200))
    (replies / "cache.db-kept").rename(f"{path}-wal")


def broken_lines(_: Path, db: Path) -> None:
    lines = ('{"begin": {"call', "[]", "null", '{"begin": 3}', '{"end": {}}', '{"owner": {}}')
    ledger_path(db).write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")


@pytest.mark.parametrize("damage", [cut_in_half, garbled, broken_lines], ids=lambda one: one.__name__)
def test_damaged_books_are_a_sentence_at_most(
    damage: Callable[[Path, Path], None], db: Path, tmp_path: Path, cxr: Cli
) -> None:
    write_store(db, 4)
    replies = tmp_path / "replies"
    with ScriptedServer(REPLIES) as server:
        command = ("mine", "--engine", "llm", "--model", "scripted", "--base-url", server.url, "--cache", str(replies))
        assert cxr(*command).returncode == 0
        db.unlink()
        write_store(db, 4)
        damage(replies, db)
        done = cxr(*command)
        assert "Traceback" not in done.stderr
        assert "defect" not in done.stderr
        assert _WORDS not in done.stderr
        if done.returncode == 1:
            assert len([line for line in done.stderr.splitlines() if line.startswith("cxr: ")]) == 1
            assert "move it away" in done.stderr
            (replies if damage is not broken_lines else ledger_path(db)).rename(tmp_path / "away")
            done = cxr(*command)
        assert done.returncode in {0, 4}, done.stderr
    assert cxr("sql", "select count(*) as n from chains", "--format", "json").stdout == '{"n": 4}\n'
