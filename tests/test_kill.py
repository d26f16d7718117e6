"""A run that is killed at random moments and started again ends as an undisturbed one, and knows what it has spent."""

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import duckdb

from tests.conftest import Cli, CliIn
from tests.forked import CXR
from tests.judge_world import answers
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store
from tests.test_judge_llm_commands import LINES

CONTENT = {
    "chains": "chain_id, question_id, text, answer, plan, evidence, steps",
    "rejects": "stage, reject_key, reason, message",
}


def content(db: Path) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return {
            table: connection.execute(f"select {columns} from {table} order by all").fetchall()
            for table, columns in CONTENT.items()
        }


def command(db: Path, url: str, concurrency: int) -> list[str]:
    options = ["--engine", "llm", "--model", "scripted", "--base-url", url, "--price", "1,1", "--db", str(db)]
    return ["mine", *options, "--concurrency", str(concurrency)]


def kill_and_restart(
    cxr_in: CliIn, folder: Path, questions: int, kills: int, concurrency: int, latency_s: float, seed: int
) -> dict[str, int]:
    """Mine with SIGKILLs at random moments of the asking; give what was counted on both sides."""
    db = write_store(folder / "killed.duckdb", questions)
    undisturbed = write_store(folder / "undisturbed.duckdb", questions)
    chance = random.Random(seed)
    with ScriptedServer(REPLIES, latency_s, keep_requests=False) as server:
        cxr_in(folder, *command(undisturbed, server.url, concurrency))
        needed = server.received
        server.received = 0
        done_kills = 0
        for _ in range(kills):
            process = subprocess.Popen([CXR, *command(db, server.url, concurrency)], stderr=subprocess.DEVNULL)
            before = server.received
            # The kill comes once the run is asking, after a random number of further requests.
            wanted = before + chance.randint(1, max(2 * needed // kills, 2))
            # Where the kill is late, on a machine with much else to do, the run must not have ended before it.
            server.held_from = wanted + concurrency
            while process.poll() is None and server.received < wanted:
                time.sleep(0.001)
            time.sleep(chance.random() * latency_s)
            if process.poll() is None:
                done_kills += 1
            process.kill()
            process.wait()
            server.held_from, server.held = None, False
        last = cxr_in(folder, *command(db, server.url, concurrency))
        assert last.returncode in {0, 4}, last.stderr
        received = server.received
    assert content(db) == content(undisturbed)
    with duckdb.connect(str(db), read_only=True) as connection:
        ((ours, unknown, tokens, lost, duplicates),) = connection.execute(
            "select count(*), count(*) filter (where cost_usd is null), sum(prompt_tokens), "
            "count(*) filter (where error = 'killed in flight'), count(*) - count(distinct call_id) "
            "from calls where not cache_hit"
        ).fetchall()
    return {
        "needed": needed,
        "received": received,
        "ours": ours,
        "unknown": unknown,
        "tokens": int(tokens),
        "lost": lost,
        "kills": done_kills,
        "duplicates": duplicates,
    }


def test_kills_lose_nothing_double_nothing_and_hide_no_spending(cxr_in: CliIn, tmp_path: Path) -> None:
    counted = kill_and_restart(cxr_in, tmp_path, questions=30, kills=3, concurrency=8, latency_s=0.04, seed=1)
    assert counted["kills"] >= 2
    # A server does not see a request whose asker dies between the line on disk and the sending; we count it all the
    # same.
    assert 0 <= counted["ours"] - counted["received"] <= counted["kills"] * 8
    assert counted["tokens"] == 100 * counted["ours"]
    assert counted["unknown"] == 0
    assert counted["duplicates"] == 0
    assert counted["received"] - counted["needed"] <= counted["kills"] * 8


def test_a_file_command_that_is_killed_counts_what_was_in_flight(cxr: Cli, tmp_path: Path) -> None:
    """Four requests leave and are never answered: the next run knows of them, and its limit counts them."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES[:4]))
    with ScriptedServer(answers) as server:
        options = ("--judge", "llm", "--judge-model", "m", "--base-url", server.url, "--concurrency", "4")
        judge = ("judge", "in.jsonl", "-o", "out.jsonl", *options)
        server.held = True
        with subprocess.Popen([CXR, *judge], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            while server.received < 4:
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
        server.held_from, server.held = None, False
        full = cxr(*judge, "--max-calls", "4")
        assert full.returncode == 3, full.stderr
        assert "the budget of 4 calls is used up (4 made" in full.stderr
        assert server.received == 4
        assert cxr(*judge).returncode == 0
    calls = [json.loads(line) for line in (tmp_path / "out.jsonl.calls.jsonl").read_text().splitlines()]
    assert [call["error"] for call in calls[:4]] == ["killed in flight"] * 4
    assert len({call["call_id"] for call in calls}) == len(calls) == server.received
    assert not (tmp_path / "out.jsonl.calls.open").exists()
