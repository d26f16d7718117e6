"""No file that another may have written runs code: a poisoned one is refused in one sentence, and stays as it was."""

import pickle
import sqlite3
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]  # the library ships no types
import pytest

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.llm.cache import ReplyCache
from tests.conftest import Cli
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

LLM = ("mine", "--engine", "llm", "--model", "scripted")


class Touch:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def changed(folder: Path, sql: str, values: tuple[object, ...] = ()) -> int:
    with sqlite3.connect(folder / "cache.db") as connection:
        count = connection.execute(sql, values).rowcount
    connection.close()
    return count


def filled(folder: Path) -> Path:
    """Make a cache as diskcache makes one that is told nothing, with a short reply and one in a file of its own."""
    with diskcache.Cache(str(folder), eviction_policy="none") as old:
        old.set("short", "{}")
        old.set("long", "x" * 100_000)
    return folder


def test_a_poisoned_cache_runs_nothing_and_stops_the_run_with_a_sentence(tmp_path: Path, cxr: Cli) -> None:
    write_store(tmp_path / "cxr.duckdb", 3)
    replies, mark = tmp_path / "shared", tmp_path / "ran"
    with ScriptedServer(REPLIES) as server:
        command = [*LLM, "--base-url", server.url, "--cache", str(replies)]
        assert cxr(*command).returncode == 0
        poison = pickle.dumps(Touch(mark))
        assert changed(replies, "update Cache set mode = 4, value = ?", (poison,))
        (tmp_path / "cxr.duckdb").unlink()
        write_store(tmp_path / "cxr.duckdb", 3)
        done = cxr(*command)
    assert not mark.exists()
    assert done.returncode == 1
    assert "never read" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(replies / "cache.db") as connection:
        assert connection.execute("select distinct value from Cache").fetchall() == [(poison,)]


def test_a_cache_of_an_older_cxr_is_read_without_unpickling(tmp_path: Path) -> None:
    with ReplyCache(filled(tmp_path / "old")) as cache:
        assert cache.get("short") == "{}"
        assert cache.get("long") == "x" * 100_000
        assert cache.get("neither") is None


@pytest.mark.parametrize(
    "poison",
    [
        "update Cache set mode = 4, value = x'80049500' where key = 'long'",
        "update Cache set mode = 4, value = null where key = 'long'",
        "update Cache set mode = 2 where key = 'long'",
        "update Cache set filename = '../secret' where key = 'long'",
        "update Cache set filename = '/etc/passwd' where key = 'long'",
        "update Cache set filename = null where key = 'long'",
        "update Cache set mode = 1, value = x'00' where key = 'long'",
        "update Cache set mode = 1, value = 7 where key = 'long'",
        "update Cache set mode = 'new' where key = 'long'",
    ],
)
def test_a_row_that_is_no_text_is_refused_and_kept(tmp_path: Path, poison: str) -> None:
    folder = filled(tmp_path / "old")
    (tmp_path / "secret").write_text("of somebody", encoding="utf-8")
    assert changed(folder, poison) == 1
    with ReplyCache(folder) as cache:
        assert cache.get("short") == "{}"
        with pytest.raises(EngineStopped, match="never read"):
            cache.get("long")
        cache.put("long", "{}")
        assert cache.get("long") == "{}"
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_directory", "/elsewhere"),
        ("disk_more", 1),
        ("get", 1),
        ("sqlite_cache_size", "1; attach 'x' as y"),
        ("sqlite_temp_store_directory", "/elsewhere"),
        ("disk_min_file_size", b"0"),
    ],
)
def test_settings_that_diskcache_would_not_have_written_are_refused(tmp_path: Path, name: str, value: object) -> None:
    folder = filled(tmp_path / "old")
    changed(folder, "insert or replace into Settings values (?, ?)", (name, value))
    with pytest.raises(EngineStopped, match="settings that diskcache does not write"):
        ReplyCache(folder)
