"""A store, a file or a name that is damaged: one sentence without words of a report, and a next run that goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.conftest import ROOT, Cli
from tests.corpora import write_openi
from tests.fuzz.seeds import MARK
from tests.mimic_corpus import CHEXPERT_CSV, LABELS, label_rows, write_csv, write_mimic
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

_BLOCK = 262_144
_HEADERS = 3 * 4_096


def said(done: "subprocess.CompletedProcess[str]", code: int = 1) -> str:
    """Give the one sentence of a command that failed."""
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("cxr: "), line
    assert "defect" not in line, line
    assert MARK not in line
    return line


@pytest.fixture
def store(ingested: Path, tmp_path: Path) -> Path:
    """A store whose reports hold MARK."""
    path = Path(shutil.copy(ingested, tmp_path))
    with duckdb.connect(str(path)) as open_store:
        open_store.execute("update reports set text = text || ?", [f" {MARK}"])
    return path


def test_a_store_whose_making_was_killed_is_made_by_the_next_ingest(cxr: Cli, tmp_path: Path) -> None:
    write_openi(tmp_path / "openi")
    duckdb.connect(str(tmp_path / "cut.duckdb")).close()
    done = cxr("ingest", "openi", "openi", "--db", "cut.duckdb")
    assert done.returncode in {0, 4}, done.stderr
    assert "new studies" in done.stderr


def test_a_garbage_block_is_named_and_whole_tables_are_still_read(cxr: Cli, store: Path) -> None:
    with store.open("r+b") as file:
        for start in range(_HEADERS, store.stat().st_size, _BLOCK):
            file.seek(start + 8_000)
            file.write(os.urandom(2_000))
    for command in (("status",), ("ask",), ("mine",), ("score",), ("filter",), ("sql", "select * from reports")):
        assert "is damaged" in said(cxr(*command)), command


@pytest.mark.parametrize("where", ["its middle", "its first sign", "all of it"])
def test_a_damaged_log_of_changes_says_what_is_kept_and_the_store_goes_on_without_it(
    cxr: Cli, store: Path, where: str
) -> None:
    """A writer that died leaves its newest changes in the .wal; here that is damaged as well."""
    dies = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(\"update reports set indication = repeat('x', 3000)\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", dies, store], check=False)
    log = store.with_name(store.name + ".wal")
    data = bytearray(log.read_bytes())
    middle = len(data) // 2
    start, end = {"its middle": (middle, middle + 1), "its first sign": (0, 1), "all of it": (0, len(data))}[where]
    data[start:end] = b"\xff" * (end - start)
    log.write_bytes(data)
    for command in (("status",), ("ask",)):
        sentence = said(cxr(*command))
        assert f"mv {store.name}.wal" in sentence
        assert "is kept" in sentence
    log.rename(log.with_name("damaged"))  # as the sentence says
    assert cxr("ask", "--balance", "none").returncode == 0
    assert cxr("sql", "select count(*) as n from reports", "--format", "json").stdout == '{"n": 12}\n'


def test_who_only_reads_is_not_called_a_writer(cxr: Cli, store: Path) -> None:
    reads = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", reads, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        sentence = said(cxr("ask"))
        assert f"is being read by process {reader.pid}" in sentence
        assert "written" not in sentence
        reader.communicate(b"")
    assert cxr("ask").returncode == 0


JSON_COMMANDS = (
    ("agreement", "in.jsonl", "in.jsonl"),
    ("import", "radrbench", "in.jsonl", "-o", "back"),
    ("import", "chexbench", "in.jsonl", "-o", "back"),
    ("import", "reviews", "in.jsonl"),
)


@pytest.mark.parametrize("command", JSON_COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("line", "expected"),
    [('{"id": ' + "9" * 5_000 + "}", "more than 4,300 digits"), ("[" * 100_000, "nested too deeply")],
    ids=["digits", "deep"],
)
def test_numbers_without_end_and_nests_without_ground_are_named(
    cxr: Cli, store: Path, tmp_path: Path, command: tuple[str, ...], line: str, expected: str
) -> None:
    assert store.exists()
    (tmp_path / "in.jsonl").write_text(f"{line}\n")
    sentence = said(cxr(*command))
    assert "in.jsonl" in sentence
    assert expected in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize("command", ["label", "judge", "radrscore"])
def test_such_a_line_is_a_reject_among_lines_that_are_kept(cxr: Cli, tmp_path: Path, command: str) -> None:
    record = {"id": "a", "report": "No effusion.", "findings": [], "prediction": "Clear.", "reference": "Clear."}
    bad = ['{"id": ' + "9" * 5_000 + "}", "[" * 100_000]
    (tmp_path / "in.jsonl").write_text("\n".join([*bad, json.dumps(record)]) + "\n")
    assert cxr(command, "in.jsonl", "-o", "out.jsonl").returncode == 4
    rejects = [json.loads(line) for line in (tmp_path / "out.jsonl.rejects.jsonl").read_text().splitlines()]
    assert [reject["reason"] for reject in rejects] == ["not_json", "not_json"]
    assert "set_int_max_str_digits" not in str(rejects)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("header", [(), ("",), ("", ""), ("Edema",)], ids=["rows", "blank", "two blank", "twin"])
def test_label_tables_with_a_header_alone_or_an_odd_one(cxr: Cli, tmp_path: Path, header: tuple[str, ...]) -> None:
    write_mimic(tmp_path / "mimic")
    rows = [(*row, *("" for _ in header)) for row in label_rows()] if header else []
    write_csv(tmp_path / "mimic" / CHEXPERT_CSV, ("subject_id", "study_id", *LABELS, *header), rows)
    done = cxr("ingest", "mimic-cxr", "mimic")
    if header == ("Edema",):
        assert "names the column Edema twice" in said(done)
    else:
        assert done.returncode == 0, done.stderr


def test_a_name_of_250_characters_is_written_and_a_longer_one_is_named(cxr: Cli, store: Path, tmp_path: Path) -> None:
    assert store.exists()
    name = "a" * 251
    for command in (("status", "--db", "a" * 260), ("ingest", "openi", "a" * 260)):
        assert "too long" in said(cxr(*command)) or "longer than its disk allows" in said(cxr(*command))
    write_openi(tmp_path / name)
    assert cxr("ingest", "openi", name, "--dry-run").returncode == 0


def test_too_few_handles_are_not_a_refused_connection(cxr: Cli, tmp_path: Path) -> None:
    """With 128 requests in flight and 64 handles, the server is there, and it is ours that are missing."""
    db = write_store(tmp_path / "cxr.duckdb", 60)
    with ScriptedServer(REPLIES, 0.5, keep_requests=False) as server:
        options = ["--engine", "llm", "--model", "scripted", "--base-url", server.url, "--price", "1,1"]
        command = ["mine", *options, "--db", str(db), "--concurrency", "128"]
        limited = f'ulimit -n 64; exec "{sys.executable}" -m cxr "$@"'
        here = {**os.environ, "PYTHONPATH": str(ROOT)}
        first = subprocess.run(
            ["sh", "-c", limited, "sh", *command], env=here, capture_output=True, text=True, check=False
        )
        assert first.returncode == 1, first.stderr
        assert "ulimit -n" in first.stderr
        assert "refused" not in first.stderr
        assert "Traceback" not in first.stderr
        again = cxr(*command)
    assert again.returncode in {0, 4}, again.stderr
    with duckdb.connect(str(db), read_only=True) as connection:
        ((refused,),) = connection.execute("select count(*) from calls where error = 'connection refused'").fetchall()
    assert refused == 0
