"""Written means written: on the disk before it is used, whole under its own name, and nothing of the dead stays."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit import files
from cxr.miner.kit.errors import EngineStopped, InputError
from cxr.miner.kit.files import append, discard, sweep, whole_file, whole_folder, whole_path
from cxr.miner.kit.together import Together
from cxr.miner.llm.cache import ReplyCache
from cxr.miner.llm.ledger import Ledger
from cxr.miner.llm.wire import WireReply
from tests.conftest import ROOT
from tests.scripted_server import Say, completion
from tests.test_hostile_server import Answering, ask, client_of

Watched = list[str]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """What is synced, and what takes its name, in order."""
    seen: Watched = []
    sync = os.fsync

    def name_of(handle: int) -> str:
        name = Path(os.readlink(f"/proc/self/fd/{handle}")).name  # noqa: PTH115
        return ".partial" if name.endswith(".partial") else name

    def synced(handle: int) -> None:
        seen.append(f"sync {name_of(handle)}")
        sync(handle)

    def named(rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def noted(old: Path, new: Path) -> Path:
            seen.append(f"name {new.name}")
            return rename(old, new)

        return noted

    monkeypatch.setattr(os, "fsync", synced)
    for way in ("replace", "rename"):
        monkeypatch.setattr(Path, way, named(getattr(Path, way)))
    return seen


# --- files --------------------------------------------------------------------------------------------------------


def test_a_file_is_on_disk_before_it_takes_its_name_and_its_name_is_too(tmp_path: Path, watched: Watched) -> None:
    with whole_file(tmp_path / "out.txt") as out:
        out.write("all of it")
        assert not (tmp_path / "out.txt").exists()
    assert watched == ["sync .partial", "name out.txt", f"sync {tmp_path.name}"]


def test_a_folder_takes_its_name_when_everything_in_it_is_on_disk(tmp_path: Path, watched: Watched) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with whole_folder(tmp_path / "out") as making:
        (making / "inner").mkdir()
        (making / "inner" / "new").touch()
        assert (tmp_path / "out" / "old").exists()
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["inner", "new"]
    assert "sync new" in watched[: watched.index("name out")]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "file").write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "out") as making:
        (making / "half").touch()
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "file") as out:
        out.write("half")
        raise ZeroDivisionError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "out"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_the_hidden_name_is_never_too_long(tmp_path: Path) -> None:
    for name in ("n" * 255, "ü" * 127, "n" * 250 + ".json"):
        with whole_file(tmp_path / name) as out:
            out.write("x")
        assert (tmp_path / name).read_text(encoding="utf-8") == "x"


def test_a_private_file_is_private_from_its_first_byte(tmp_path: Path) -> None:
    with whole_path(tmp_path / "out", private=True) as partial:
        assert partial.stat().st_mode & 0o777 == 0o600
        partial.write_text("x", encoding="utf-8")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_a_sentence_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written"), whole_file(tmp_path / "out") as out:
        out.write("x")
    assert list(tmp_path.iterdir()) == []


def test_appended_lines_are_on_disk(tmp_path: Path, watched: Watched) -> None:
    append(tmp_path / "log", b"line\n")
    assert watched == ["sync log"]


# --- what the dead leave ------------------------------------------------------------------------------------------

LEAVING = """
import os, sys
from pathlib import Path
from cxr.miner.kit.files import whole_file, whole_folder
with whole_file(Path(sys.argv[1], "out.txt")) as out, whole_folder(Path(sys.argv[1], "folder")) as making:
    (making / "half").touch()
    print("there", flush=True)
    sys.stdin.read()
"""


def leaving(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVING, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


def swept(folder: Path) -> list[str]:
    sweep.cache_clear()
    sweep(folder)
    return sorted(path.name for path in folder.iterdir())


def test_the_next_run_sweeps_what_a_killed_one_left_and_nothing_of_a_live_one(tmp_path: Path) -> None:
    killed, live = leaving(tmp_path), leaving(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list(tmp_path.iterdir())) == 4
    with whole_file(tmp_path / "next") as out:
        out.write("x")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 3
    assert all(str(live.pid) in name for name in left if name != "next")
    live.communicate("", timeout=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "next", "out.txt"]


def test_a_number_used_again_is_not_taken_for_the_old_process(tmp_path: Path) -> None:
    """A file of this process's number that began at another time is of a dead one."""
    ours = files._hidden("out")
    earlier = ours.replace(f"-{files._started(os.getpid())}.", "-1.")
    for name in (ours, earlier):
        (tmp_path / name).touch()
    assert swept(tmp_path) == [ours]


def test_what_cannot_be_told_apart_stays(tmp_path: Path) -> None:
    elsewhere = files._hidden("out").replace(files._place(), "0" * 8).replace(str(os.getpid()), "1")
    names = sorted([elsewhere, ".out.partial", ".out.123.partial", "mine.partial"])
    for name in names:
        (tmp_path / name).touch()
    assert swept(tmp_path) == names


def test_a_folder_that_is_thrown_away_is_gone_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill in the middle of deleting leaves a hidden folder, not half of one under its name."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "manifest.json").touch()

    def killed(folder: Path) -> None:
        assert folder.name != "bench"
        raise KeyboardInterrupt

    monkeypatch.setattr("cxr.miner.kit.files.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        discard(tmp_path / "bench")
    assert not (tmp_path / "bench").exists()


# --- what was paid for --------------------------------------------------------------------------------------------


def test_replies_are_synced_with_every_commit(tmp_path: Path) -> None:
    with ReplyCache(tmp_path) as cache:
        cache.put("one", "{}")
        assert cache._writer._thread.submit(lambda: cache._disk._sql("pragma synchronous").fetchall()).result() == [
            (2,)
        ]
    with sqlite3.connect(tmp_path / "cache.db") as connection:
        assert connection.execute("select value from Settings where key = 'sqlite_synchronous'").fetchall() == [(2,)]
    connection.close()


def test_an_attempt_is_on_disk_before_the_request_leaves_and_its_reply_before_it_is_read(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = json.dumps(completion({"model": "m"}, Say("fine"))).encode()

    def answer(_: bytes) -> WireReply:
        watched.append("asked")
        return WireReply(200, {}, good)

    def put(kept: Callable[[Any, str, str], "Future[None]"]) -> Callable[[Any, str, str], "Future[None]"]:
        def noted(cache: Any, key: str, reply: str) -> "Future[None]":
            future = kept(cache, key, reply)
            future.add_done_callback(lambda _: watched.append("kept"))
            return future

        return noted

    monkeypatch.setattr(ReplyCache, "put_soon", put(ReplyCache.put_soon))
    with ReplyCache(tmp_path / "replies") as cache, Ledger(tmp_path / "attempts") as ledger:
        wire = Answering(answer)

        async def one() -> None:
            client = client_of(wire, cache)
            client.ledger = ledger
            await ask(client, 1)
            watched.append("used")

        asyncio.run(one())
    steps = [step for step in watched if step in {"sync attempts", "asked", "kept", "used"}]
    assert steps == ["sync attempts", "asked", "kept", "used", "sync attempts"]


def test_a_ledger_that_cannot_be_synced_lets_nothing_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(5, "Input/output error")

    with ReplyCache(tmp_path / "replies") as cache, Ledger(tmp_path / "attempts") as ledger:
        wire = Answering(lambda _: WireReply(200, {}, b"{}"))

        async def one() -> None:
            client = client_of(wire, cache)
            client.ledger = ledger
            await ask(client, 1)

        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", full)
            with pytest.raises(EngineStopped, match="without it no call may be made"):
                asyncio.run(one())
    assert wire.asked == []


def test_what_waits_together_is_written_together_and_what_does_not_fit_fails_alone() -> None:
    written: list[list[int]] = []
    gate = threading.Event()

    def write(items: Any) -> None:
        gate.wait()
        if 13 in items:
            raise EngineStopped("the disk is full")
        written.append(list(items))

    together: Together[int] = Together(write, "test")
    futures = [together.put(number) for number in (1, 2, 13, 4)]
    gate.set()
    assert [future.exception() is None for future in futures] == [True, True, False, True]
    together.close()
    assert sorted(number for one in written for number in one) == [1, 2, 4]
