"""The installed script, and what the suite runs in its place: the same bytes, exit codes and files."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.corpora import openi_rows, write_openi
from tests.forked import ForkedCommands

RECORD = {
    "id": "a",
    "report": "Findings: There is a small left pleural effusion. No pneumothorax.",
    "findings": [{"observation": "pneumothorax", "status": "absent"}],
    "prediction": "There is a left pleural effusion.",
    "reference": "There is a small left pleural effusion.",
}
Commands = tuple[tuple[str, ...], ...]
INGEST = ("ingest", "openi", "openi")
ASK = ("ask", "--balance", "none")
BEFORE: dict[str, Commands] = {"questions": (), "chains": (INGEST, ASK), "files": ()}
"""What is only done, so that the commands below have something to work on."""
COMPARED: dict[str, Commands] = {
    "questions": (INGEST, ASK, ("sql", "select question_id from questions order by 1")),
    "chains": (("mine",), ("score",), ("filter", "-o", "kept.jsonl")),
    "files": (
        ("--version",), ("mine", "--help"), ("dig",), ("status",), ("label", "in.jsonl", "-o", "labels.jsonl"),
        ("judge", "in.jsonl", "-o", "verdicts.jsonl"), ("radrscore", "in.jsonl", "-o", "scores.jsonl"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", COMPARED)
def test_the_script_and_its_fork_do_the_same(cxr: Cli, cxr_script: Cli, tmp_path: Path, what: str) -> None:
    outcomes = []
    for run in (cxr_script, cxr):
        write_openi(tmp_path / "openi", openi_rows())
        (tmp_path / "in.jsonl").write_text(f"{json.dumps(RECORD)}\nno json\n")
        for command in BEFORE[what]:
            cxr(*command)
        told = [(done.returncode, done.stdout, lasting(done)) for done in (run(*command) for command in COMPARED[what])]
        made = {path.name: path.read_text() for path in sorted(tmp_path.glob("*.jsonl"))}
        outcomes.append((told, made))
        (tmp_path / "cxr.duckdb").unlink(missing_ok=True)
    assert outcomes[0] == outcomes[1]
    assert 0 in {code for code, _, _ in outcomes[0][0]}


def lasting(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Give what a command said beside its progress, which a slow machine shows and a quick one does not."""
    return [line for line in done.stderr.splitlines() if not re.match(r"\w+: \d", line)]


def test_a_command_leaves_nothing_behind_for_the_next(forked_commands: ForkedCommands, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "cxr.toml").write_text("[ask]\nsed = 1\n")
    environment = {**os.environ, "CXR_DB": "other.duckdb"}
    assert "'sed' is no setting" in forked_commands.run(["ask"], here, environment).stderr
    assert "other.duckdb" in forked_commands.run(["ask"], there, environment).stderr
    assert "cxr.duckdb" in forked_commands.run(["ask"], there, os.environ).stderr


def test_what_an_interpreter_looks_up_when_it_starts_makes_it_start(
    forked_commands: ForkedCommands, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONVERBOSE": "1"}
    assert "import 'encodings'" in forked_commands.run(["--version"], tmp_path, environment).stderr
