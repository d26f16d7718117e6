"""Replies and ledgers that are damaged: one sentence, a run that goes on, and never less counted than was spent."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ROOT, Cli, CliIn
from tests.forked import CXR
from tests.fuzz.seeds import MARK
from tests.judge_world import answers
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store
from tests.test_judge_llm_commands import LINES

LLM = ("mine", "--engine", "llm", "--model", "scripted", "--price", "1,1", "--concurrency", "1")
QUESTIONS = 4
PAID = 3 * QUESTIONS
LEDGER, REPLIES_AT = "cxr.duckdb.attempts", "cxr.replies"


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> Path:
    """A folder whose store, ledger and replies know of a run in which everything was paid for."""
    folder = tmp_path_factory.mktemp("mined")
    write_store(folder / "cxr.duckdb", QUESTIONS)
    with ScriptedServer(REPLIES) as server:
        assert cxr_in(folder, *LLM, "--base-url", server.url).returncode == 0
        assert server.received == PAID
    return folder


@pytest.fixture
def killed(mined: Path, tmp_path: Path) -> Path:
    """The same as a kill leaves it that came before the store had any of it: only ledger and replies know."""
    shutil.copytree(mined, tmp_path, dirs_exist_ok=True)
    with duckdb.connect(str(tmp_path / "cxr.duckdb")) as store:
        for table in ("chains", "calls", "rejects"):
            store.execute(f"delete from {table}")
    return tmp_path


def one_sentence(done: "subprocess.CompletedProcess[str]", *words: str) -> str:
    """Give the sentence of a command that stopped."""
    assert done.returncode == 1, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("cxr: "))
    assert "Traceback" not in done.stderr
    assert "defect" not in line
    assert "effusion" not in done.stderr + MARK
    assert all(word in line for word in words), line
    return line


def counted(folder: Path) -> tuple[int, int]:
    """Give how many calls the store counts, and how many of those at no known cost."""
    with duckdb.connect(str(folder / "cxr.duckdb"), read_only=True) as store:
        ((calls, unknown),) = store.execute(
            "select count(*), count(*) filter (where cost_usd is null) from calls where not cache_hit "
            "and settings_hash is not null"
        ).fetchall()
    return calls, unknown


# --- the ledger ---------------------------------------------------------------------------------------------------


def _garbled(data: bytes) -> bytes:
    """Overwrite what is in the middle of a line in the middle, its id too."""
    lines = data.split(b"\n")
    lines[len(lines) // 2] = lines[len(lines) // 2][:5] + b"\x00\xff\r" * 100
    return b"\n".join(lines)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a line in the middle": _garbled,
    "half a line in the middle": lambda data: data[:3000] + data[data.index(b"\n", 3000) :],
    "half a line at the end": lambda data: data[:-300],
    "an end of zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "binary": lambda data: bytes(range(256)) * (len(data) // 256 + 1),
    "all zeros": lambda data: bytes(len(data)),
    "one line that is no call": lambda data: data + b'{"report": "small effusion"}\n',
    "a call without an owner": lambda data: data + b'{"begin": {"call_id": "x"}}\n',
    "an owner that is a column": lambda data: data.replace(b'"run_id"', b'"drop"', 1),
    "numbers, lists and words": lambda data: data + b'7\n[]\n"begin"\nnull\n\n[1, {"begin": 2}]\n',
    "a number of 5,000 digits": lambda data: data + b'{"begin": ' + b"9" * 5_000 + b"}\n",
    "a nest without end": lambda data: data + b"[" * 100_000 + b"\n",
    "no text": lambda data: data + "é".encode("utf-16") + b"\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_said_and_counts_no_less_than_was_spent(killed: Path, cxr: Cli, damage: str) -> None:
    (killed / LEDGER).write_bytes(DAMAGES[damage]((killed / LEDGER).read_bytes()))
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url, "--max-calls", str(PAID), "--max-usd", "1")
        assert server.received == 0
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if LEDGER in line]
    calls, unknown = counted(killed)
    assert calls >= PAID
    assert len(said) == (1 if unknown else 0)
    assert not said or "of unknown cost" in said[0]
    assert "effusion" not in done.stderr
    if damage != "binary":
        return
    # Counted once: the next run has nothing to say of it.
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url)
    assert LEDGER not in done.stderr
    assert counted(killed) == (calls, unknown)


def test_what_a_damaged_ledger_may_hold_uses_up_the_budget(killed: Path, cxr: Cli) -> None:
    (killed / LEDGER).write_bytes(bytes((killed / LEDGER).stat().st_size))
    shutil.rmtree(killed / REPLIES_AT)
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url, "--max-calls", str(PAID))
        assert server.received == 0
    assert done.returncode == 3
    assert "is used up" in done.stderr


def test_the_log_beside_an_output_counts_damaged_lines_and_begins_a_new_one(tmp_path: Path, cxr: Cli) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES[:6]))
    log = tmp_path / "out.jsonl.calls.jsonl"
    with ScriptedServer(answers) as server:
        command = (
            "judge",
            "in.jsonl",
            "-o",
            "out.jsonl",
            "--judge",
            "llm",
            "--judge-model",
            "m",
            "--base-url",
            server.url,
        )
        assert cxr(*command).returncode == 0
        data = log.read_bytes()
        lines = data.splitlines(keepends=True)
        log.write_bytes(b"".join([*lines[:2], b'{"no": "call"}\n', *lines[3:]])[:-40])
        shutil.rmtree(tmp_path / REPLIES_AT)
        full = cxr(*command, "--max-calls", "6")
        assert full.returncode == 3, full.stderr
        assert "2 calls of unknown cost" in full.stderr
        assert server.received == 6
        assert cxr(*command, "--max-calls", "12").returncode == 0
    assert len([line for line in log.read_bytes().splitlines() if b'"call_id"' in line and line.endswith(b"}")]) == 10


# --- replies ------------------------------------------------------------------------------------------------------


def _changed(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / REPLIES_AT / "cache.db") as replies:
        replies.execute(statement)
    replies.close()


@pytest.mark.parametrize(
    "statement",
    [
        "update Cache set value = substr(value, 1, length(value) / 2) where rowid = 5",
        "update Cache set value = '' where rowid = 5",
        "update Cache set value = replace(hex(zeroblob(100000)), '00', '[') where rowid = 5",
        "update Cache set value = '{\"choices\": ' || replace(hex(zeroblob(3000)), '00', '99') || '}' where rowid = 5",
    ],
    ids=["half", "empty", "deep", "digits"],
)
def test_a_damaged_reply_is_said_asked_again_and_replaced(killed: Path, cxr: Cli, statement: str) -> None:
    _changed(killed, statement)
    (killed / LEDGER).unlink()
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url)
        assert server.received == 1
        assert done.returncode == 0, done.stderr
        (said,) = (line for line in done.stderr.splitlines() if "reply cache" in line)
        assert "asked again and replaced" in said
        assert "effusion" not in done.stderr


def _in_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(path.stat().st_size - 4_096))


def _at_the_start(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(200))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


@pytest.mark.parametrize(
    ("damage", "log"),
    [(_in_the_middle, "beside it"), (_at_the_start, "damaged"), (_cut, "of another"), (_in_the_middle, "absent")],
)
def test_damaged_replies_stop_the_run_with_what_to_do_and_it_then_goes_on(
    killed: Path, cxr: Cli, damage: Callable[[Path], None], log: str
) -> None:
    place = killed / REPLIES_AT / "cache.db"
    wal = place.with_name("cache.db-wal")
    with sqlite3.connect(place) as replies:
        replies.execute("update Cache set access_count = 1 where rowid = 1")
        replies.commit()
        held = wal.read_bytes()
    replies.close()
    damage(place)
    if log != "absent":
        wal.write_bytes({"damaged": os.urandom(len(held)), "of another": held[::-1]}.get(log, held))
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url, "--max-calls", "30")
        if done.returncode:
            one_sentence(done, REPLIES_AT, "move it away", "same command again")
            (killed / REPLIES_AT).rename(killed / "damaged")  # as the sentence says
            done = cxr(*LLM, "--base-url", server.url, "--max-calls", "30")
        assert done.returncode == 0, done.stderr
        assert server.received <= PAID
    calls, _ = counted(killed)
    assert calls >= PAID


def test_an_empty_cache_is_a_new_one(killed: Path, cxr: Cli) -> None:
    (killed / REPLIES_AT / "cache.db").write_bytes(b"")
    with ScriptedServer(REPLIES) as server:
        done = cxr(*LLM, "--base-url", server.url)
        assert server.received == PAID
    assert done.returncode == 0, done.stderr
    assert counted(killed)[0] == 2 * PAID


def test_a_cache_that_is_a_file_is_named(killed: Path, cxr: Cli) -> None:
    (killed / "file").write_text(MARK)
    with ScriptedServer(REPLIES) as server:
        one_sentence(cxr(*LLM, "--base-url", server.url, "--cache", "file"), "file", "--cache")
        one_sentence(cxr(*LLM, "--base-url", server.url, "--cache", "file/below"), "file", "--cache")
        assert (killed / "file").read_text() == MARK
        assert cxr(*LLM, "--base-url", server.url).returncode == 0
        assert server.received == 0


@pytest.mark.parametrize(("closed", "mode"), [(REPLIES_AT, 0o500), (f"{REPLIES_AT}/cache.db", 0o000), (LEDGER, 0o400)])
def test_what_may_not_be_written_is_named(killed: Path, cxr: Cli, closed: str, mode: int) -> None:
    was = (killed / closed).stat().st_mode
    (killed / closed).chmod(mode)
    with ScriptedServer(REPLIES) as server:
        command = [str(CXR), *LLM, "--base-url", server.url]
        if os.geteuid() == 0:  # whom no mode of a file keeps out, but in a space of names where it is nobody
            command = ["unshare", "-U", *command]
            if subprocess.run(["unshare", "-U", "true"], check=False).returncode:
                pytest.skip("root may write everywhere")
        here = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=killed, env=here, capture_output=True, text=True, check=False)
        (killed / closed).chmod(was)
        one_sentence(done, closed.partition("/")[0])
        assert cxr(*LLM, "--base-url", server.url).returncode == 0
        assert server.received == 0
    assert counted(killed)[0] >= PAID
