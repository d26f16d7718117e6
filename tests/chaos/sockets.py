"""`python -m tests.chaos.sockets`: every command with a public and with a credentialed store, and whom it calls.

Nobody is looked up and nothing is sent, but to the server on this machine that a command was given. The suite runs the
same table with a credentialed store, without the commands that import torch.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from tests.batch_server import BatchingServer
from tests.chaos.every import COMMANDS, OTHER, QUESTION, SERVER, Command, make_all
from tests.conftest import ROOT
from tests.judge_world import generic
from tests.scripted_server import Act, Say, schema_name
from tests.synthetic import CHAIN, EVIDENCE, PLAN

LICENCES = ("public", "credentialed")
Run = Callable[[list[str], Path], "subprocess.CompletedProcess[str]"]
_HERE = {"127.0.0.1", "::1"}
_REPLIES = {"PlanReply": PLAN, "EvidenceReply": EVIDENCE, "ChainReply": CHAIN}


def answer(request: dict[str, Any]) -> Act:
    """Say something of the right form: what is said is not looked at here."""
    if "response_format" not in request and "tools" not in request:
        return Say("<think> The heart is large. </think><answer> Yes </answer>")
    said = _REPLIES.get(schema_name(request))
    return generic(request) if said is None else Say(said)


def watched(place: Path) -> dict[str, str]:
    """Give an environment whose Pythons write into a file whom they call; libraries with telemetry look at CI."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CXR_", "OPENAI_", "AZURE_"))}
    clean.pop("CI", None)
    clean.pop("PYTEST_CURRENT_TEST", None)
    paths = (str(Path(__file__).parent / "watched"), str(ROOT))
    return {**clean, "PYTHONPATH": os.pathsep.join(paths), "SOCKETS_SEEN": str(place), "COLUMNS": "200"}


def calls(command: Command, begins: Path, scratch: Path, licence: str, run: Run, seen: Path) -> list[str]:
    """Run a command on a copy of its state; return what is wrong: whom it called, or how it ended."""
    shutil.copytree(begins, scratch, symlinks=True)
    there = {OTHER: next(name for name in LICENCES if name != licence), QUESTION: _question(scratch)}
    seen.unlink(missing_ok=True)
    wrong = []
    with BatchingServer(answer) as server:
        for line in command.lines({**there, SERVER: server.url}):
            done = run(line, scratch)
            if done.returncode not in command.codes:
                wrong.append(f"cxr {' '.join(line)} ended with {done.returncode}: {done.stderr[-300:]}")
        if command.asks and not (server.paths or server.batches):
            wrong.append("the server on this machine was asked nothing")
    shutil.rmtree(scratch)
    allowed = _HERE if command.asks else set()
    return wrong + [f"{what} {where}" for what, where in called(seen) if what == "look-up" or where not in allowed]


def _question(place: Path) -> str:
    if not (place / "cxr.duckdb").exists():
        return ""
    with duckdb.connect(str(place / "cxr.duckdb"), read_only=True) as store:
        found = store.execute("select min(question_id) from questions").fetchone()
    return str(found and found[0])


def called(seen: Path) -> Iterator[tuple[str, str]]:
    """Give each look-up and each address that was sent to."""
    if seen.exists():
        for line in seen.read_text("utf-8").splitlines():
            what, where = json.loads(line)
            yield what, where


def table(licence: str, *, trains: bool) -> list[Command]:
    """Give the commands that are run with a store of this licence."""
    return [one for one in COMMANDS if one.trains <= trains and not (one.closed and licence == "public")]


def in_a_process(environment: dict[str, str]) -> Run:
    """Return what runs `cxr` in a new Python."""

    def run(line: list[str], place: Path) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-P", "-m", "cxr", *line]
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)

    return run


def main() -> int:
    """Print whom each command calls; return 1 where that is anybody who was not named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Commands whose words hold this.")
    asked = parser.parse_args()
    wrong = count = 0
    with tempfile.TemporaryDirectory() as folder:
        seen = Path(folder, "seen")
        run = in_a_process(watched(seen))
        for licence in LICENCES:
            state = make_all(Path(folder, licence), licence, trains=True)
            for command in table(licence, trains=True):
                if asked.only in " ".join(command.words):
                    found = calls(command, state(command.begins), Path(folder, "place"), licence, run, seen)
                    count, wrong = count + 1, wrong + len(found)
                    sys.stdout.write(f"{licence}: cxr {' '.join(command.words)}\n")
                    sys.stdout.writelines(f"    {problem}\n" for problem in found)
                    sys.stdout.flush()
    sys.stdout.write(f"{count} commands, {wrong} problems\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
