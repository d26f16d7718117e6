"""Reading comfort: `cxr sql` and `cxr show` as table, CSV, JSON or Parquet; `cxr ui` with DuckDB's own tools."""

import json
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from tests.benchmarks_world import make_store, rows, run_cxr
from tests.conftest import Cli


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("reading"), rows(8))


@pytest.fixture(scope="module")
def chain(db: Path) -> str:
    done = run_cxr(db.parent, "sql", "select min(chain_id) as id from chains", "--format", "json", "--db", db)
    return str(json.loads(done.stdout)["id"])


def test_parquet_keeps_types_nested_values_and_columns_of_one_name(db: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.parquet"
    query = "select 1 as a, 2.5 as a, date '2020-01-01' as d, [1, null] as l, {'x': 'y'} as s, null::varchar as n"
    done = run_cxr(db.parent, "sql", query, "--format", "parquet", "-o", target, "--db", db)
    assert done.returncode == 0, done.stderr
    frame = pl.read_parquet(target)
    assert frame.columns == ["a", "a_2", "d", "l", "s", "n"]
    assert frame.schema["d"] == pl.Date
    assert frame["l"].to_list() == [[1, None]]
    assert frame["s"].to_list() == [{"x": "y"}]


def test_parquet_of_no_rows_has_the_columns(db: Path, tmp_path: Path) -> None:
    target = tmp_path / "rows.parquet"
    run_cxr(db.parent, "sql", "select * from chains where false", "--format", "parquet", "-o", target, "--db", db)
    frame = pl.read_parquet(target)
    assert frame.height == 0
    assert "evidence" in frame.columns


def test_parquet_goes_through_a_pipe_whole(db: Path, tmp_path: Path) -> None:
    query = ("sql", "select chain_id, evidence from chains", "--format", "parquet", "--db", str(db))
    assert run_cxr(db.parent, *query, "-o", tmp_path / "file").returncode == 0
    with (tmp_path / "piped").open("wb") as sink:
        subprocess.run([Path(sys.executable).with_name("cxr"), *query], stdout=sink, check=True)
    assert pl.read_parquet(tmp_path / "piped").equals(pl.read_parquet(tmp_path / "file"))


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_file_appears_only_when_the_statement_has_ended_well(db: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "rows"
    target.write_text("what was there")
    query = "select if(i = 9000, error('words of a report'), i::varchar) from range(10000) as t(i)"
    done = run_cxr(db.parent, "sql", query, "--format", kind, "-o", target, "--db", db)
    assert done.returncode == 1
    assert "words of a report" not in done.stderr
    assert target.read_text() == "what was there"
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_csv_and_json_go_into_files_as_they_go_to_the_screen(db: Path, tmp_path: Path) -> None:
    for kind in ("csv", "json", "table"):
        query = ("sql", "select question_id, findings from questions order by 1", "--format", kind, "--db", db)
        shown = run_cxr(db.parent, *query)
        assert run_cxr(db.parent, *query, "-o", tmp_path / kind).returncode == 0
        if kind == "table":
            assert "question_id" in (tmp_path / kind).read_text()
        else:
            assert (tmp_path / kind).read_text() == shown.stdout


def test_show_gives_a_row_per_chain_with_everything_that_belongs_to_it(db: Path, chain: str, tmp_path: Path) -> None:
    done = run_cxr(db.parent, "show", chain, "--format", "json", "--db", db)
    record = json.loads(done.stdout)
    assert record["chain_id"] == chain
    assert {"question", "plan", "evidence", "steps", "reasoning", "report", "scores", "verdicts"} <= set(record)
    for piece in record["evidence"]:
        for quote in piece["quotes"]:
            assert record["report"][quote["start"] : quote["end"]] == quote["text"]
    assert run_cxr(db.parent, "show", chain, "--format", "csv", "--db", db).stdout.count(chain) >= 1
    target = tmp_path / "chain.parquet"
    assert run_cxr(db.parent, "show", chain, "--format", "parquet", "-o", target, "--db", db).returncode == 0
    assert pl.read_parquet(target)["verdicts"].to_list()[0] == record["verdicts"]
    by_question = run_cxr(db.parent, "show", record["question_id"], "--format", "json", "--db", db)
    assert json.loads(by_question.stdout) == record


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing", "--format", "json"), 1, "no question and no chain has the id 'nothing'"),
        (("show", "nothing", "--format", "xml"), 2, "choose from table, csv, json, parquet"),
        (("show", "nothing", "-o", "x.txt"), 2, "goes with --format"),
        (("sql", "select 1", "--format", "parquet", "-o", "no/such/folder/x"), 1, "does not exist"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(db: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = run_cxr(db.parent, *arguments, "--db", db)
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())


def shell(folder: Path, script: str) -> str:
    """Put a program `duckdb` into a folder, and give a PATH that finds no other."""
    path = folder / "bin" / "duckdb"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{path.parent}:/usr/bin:/bin"


def test_ui_becomes_duckdb_s_shell_on_the_store_read_only(db: Path, cxr: Cli, tmp_path: Path) -> None:
    before = sha256(db.read_bytes()).hexdigest()
    # The first call asks whether the shell can read the store; the second is the shell itself.
    script = 'echo "$@"; case "$*" in *" -c "*) exit 0;; *) exit 7;; esac'
    done = cxr("ui", "--db", db, PATH=shell(tmp_path, script))
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[-1] == f"-readonly {db}"
    assert sha256(db.read_bytes()).hexdigest() == before


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "there is no DuckDB shell `duckdb` on the PATH"),
        (
            'case "$*" in --version) echo v1.0.0;; *) echo "IO Error: too old" >&2; exit 1;; esac',
            "(v1.0.0) cannot read",
        ),
    ],
)
def test_ui_says_what_to_install(db: Path, cxr: Cli, tmp_path: Path, script: str | None, said: str) -> None:
    path = "/nowhere" if script is None else shell(tmp_path, script)
    done = cxr("ui", "--db", db, PATH=path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "cxr sql" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ui_in_the_browser_downloads_nothing_and_is_not_for_credentialed_text(
    db: Path, cxr: Cli, tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path)}
    done = cxr("ui", "--browser", "--db", db, **home)
    assert done.returncode == 1
    assert "extension `ui` is not installed" in done.stderr
    assert not (tmp_path / ".duckdb").exists()
    hidden = make_store(tmp_path / "hidden", rows(2), licence="credentialed", mined=False)
    done = cxr("ui", "--browser", "--db", hidden, **home)
    assert done.returncode == 1
    assert "credentialed corpora" in done.stderr
