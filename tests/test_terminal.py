"""What a report, an id or a file name says never acts on the terminal of whoever looks at it; data stays exact."""

import csv
import io
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli
from tests.forked import CXR
from tests.trees import MAPPING, own_row, write_own

ROOT = Path(__file__).resolve().parent.parent
NAME = "\x9b31m\x9d52;c;aGk=\x9c\u202ex\u200b\x7f"  # C0 is refused in ids
ACTS = (
    "\x1b]52;c;ZWNobyBoaQ==\x07 \x1b]8;;http://a.example\x1b\\x\x1b]8;;\x1b\\ \x1b[2J\x9b31m\x9d0;t\x9c "
    "\u202etxet\u202c \u200b\u2066\u2069\ufeff\x7f\x08\x0c"
)
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
REPORT = "FINDINGS: There is a small left pleural effusion. No pneumothorax. Heart size is normal."


@pytest.fixture
def hostile(cxr: Cli, tmp_path: Path) -> Path:
    """A store whose report, ids and labels carry sequences that terminals obey, and chains of them."""
    rows = [own_row(f"a{number}{NAME}", mrn=f"p{number}{NAME}", text=REPORT) for number in range(3)]
    write_own(tmp_path / "own.csv", *rows)
    mapping = [word for field, column in MAPPING.items() for word in ("--map", f"{field}={column}")]
    made = cxr("ingest", "csv", "own.csv", "--name", "own", *mapping)
    assert made.returncode == 0, made.stderr
    assert cxr("ask", "--balance", "none").returncode == 0
    assert cxr("mine").returncode in {0, 4}
    with duckdb.connect(str(tmp_path / "cxr.duckdb")) as store:
        for table in ("reports", "chains", "questions"):
            store.execute(f"update {table} set text = text || ?", [ACTS])
    return tmp_path / "cxr.duckdb"


def _one(db: Path, query: str) -> str:
    with duckdb.connect(str(db), read_only=True) as store:
        (row,) = store.execute(query).fetchall()
    return str(row[0])


def test_what_people_read_holds_nothing_that_a_terminal_obeys(cxr: Cli, hostile: Path, tmp_path: Path) -> None:
    chain = _one(hostile, "select min(chain_id) from chains")
    commands = [
        ("sql", "select r.text, study_id, c.text from reports r join chains c using (study_id)"),
        ("sql", f'select 1 as "{ACTS}"'),
        ("show", chain), ("status",), ("unread", "--min-count", "1"), ("audit",), ("filter",),
        ("show", ACTS), ("ingest", "openi", f"no{ACTS}where"), ("label", f"no{ACTS}where.jsonl", "-o", "x.jsonl"),
        ("prompts", "show", "plan", "--question", _one(hostile, "select min(question_id) from questions")),
    ]  # fmt: skip
    for command in commands:
        done = cxr(*command)
        assert "Traceback" not in done.stderr
        found = HARMFUL.findall(done.stdout + done.stderr)
        assert not found, (command[0], found[:5])
    shown = cxr("show", chain).stdout
    assert "\N{SYMBOL FOR ESCAPE}]52;c;" in shown  # what was there is seen, not swallowed


def test_a_sentence_stays_one_line_whatever_a_file_is_called(cxr: Cli) -> None:
    done = cxr("ingest", "openi", "nowhere\ncxr: all is well")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_json_and_csv_stay_exact(cxr: Cli, hostile: Path) -> None:
    said = _one(hostile, "select min(text) from reports")
    query = "select min(text) as text from reports"
    (row,) = csv.DictReader(io.StringIO(_raw(hostile, query, "csv").decode(), newline=""))
    assert row["text"] == said
    line = cxr("sql", query, "--format", "json").stdout
    assert json.loads(line)["text"] == said
    assert not HARMFUL.search(line)


def test_csv_on_a_terminal_is_looked_at_and_so_it_is_made_visible(hostile: Path) -> None:
    ours, theirs = pty.openpty()
    query = ["sql", "select text from reports", "--format", "csv", "--db", str(hostile)]
    with subprocess.Popen([CXR, *query], stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    assert "\N{SYMBOL FOR ESCAPE}]52;c;".encode() in shown
    assert b"\x1b]52" not in shown
    assert b"\xc2\x9b" not in shown


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""  # the other end is closed


def _raw(db: Path, query: str, form: str) -> bytes:
    # Not through the fork: it takes carriage returns for line ends.
    return subprocess.run(
        [CXR, "sql", query, "--format", form, "--db", str(db)], capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_is_marked_for_people_only(cxr: Cli, hostile: Path, start: str) -> None:
    formula = f"{start}cmd|' /C calc'!A0"
    query = "select '" + formula.replace("'", "''") + "' as cell, -3 as number"
    for form, expected in (("sheet", f"'{formula}"), ("csv", formula)):
        (row,) = csv.DictReader(io.StringIO(_raw(hostile, query, form).decode(), newline=""))
        assert row == {"cell": expected, "number": "-3"}


def test_all_that_is_printed_goes_through_one_place() -> None:
    """A console of another kind, or a bare print, would print what a report says."""
    allowed = {"miner/kit/console.py", "miner/commands/base.py", "miner/commands/options.py", "cli.py"}
    prints = re.compile(r"(?<![\w.])(print|Console)\(|typer\.(secho|echo)\(")
    for room in ("miner", "trainer", "schemas", "prompts"):
        for path in (ROOT / room).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            assert name in allowed or not prints.search(path.read_text()), name
