"""Each bad input gives one clear sentence, the right exit code, and leaves the store as it was."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Cli
from tests.corpora import openi_rows, write_openi


def _one_sentence(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    assert len(lines) == 1, said
    assert lines[0].startswith("cxr: "), said
    assert "Traceback" not in said
    return lines[0]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def store(ingested: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(ingested, tmp_path))


def _empty_folder(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


def _csv_without_columns(folder: Path) -> Path:
    (folder / "indiana_reports.csv").write_text("number,text\n1,There is a nodule.\n")
    return folder


def _truncated_archive(folder: Path) -> Path:
    path = folder / "NLMCXR_reports.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("1.xml", "2.xml"):
            member = folder / name
            member.write_bytes(os.urandom(5000))
            archive.add(member, name)
    path.write_bytes(path.read_bytes()[:3000])
    return path


def _no_archive(folder: Path) -> Path:
    path = folder / "NLMCXR_reports.tgz"
    path.write_bytes(gzip.compress(b"this is no tar"))
    return path


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "missing", "does not exist"),
        (_empty_folder, "no OpenI reports"),
        (_csv_without_columns, "uid"),
        (_truncated_archive, "NLMCXR_reports.tgz"),
        (_no_archive, "NLMCXR_reports.tgz"),
    ],
)
def test_a_corpus_that_cannot_be_read_changes_nothing(
    cxr: Cli, store: Path, tmp_path: Path, make: object, expected: str
) -> None:
    assert callable(make)
    bad = tmp_path / "bad"
    bad.mkdir()
    before = _digest(store)
    done = cxr("ingest", "openi", make(bad))
    assert done.returncode == 1
    assert expected in _one_sentence(done.stderr)
    assert _digest(store) == before


def test_a_corpus_that_cannot_be_read_makes_no_store(cxr: Cli, tmp_path: Path) -> None:
    assert cxr("ingest", "openi", tmp_path / "missing").returncode == 1
    assert not (tmp_path / "cxr.duckdb").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ingest", "radiopaedia", "x"), "unknown dataset 'radiopaedia'"),
        (("dig",), "unknown command 'dig'"),
        (("ask", "--tasks", "binary,ternary"), "expected some of binary"),
        (("ask", "--balance", "perfect"), "'strict'"),
        (("ask", "--labeler", "nobody"), "no labels by 'nobody'"),
        (("mine", "--engine", "magic"), "'rules'"),
        (("mine", "--engine", "llm"), "--model"),
        (("mine", "--limit", "0"), "greater than or equal to 1"),
        (("sql", ""), "expected one statement"),
        (("sql", "select 1; select 2"), "expected one statement"),
        (("score", "--judge", "magic"), "'rules'"),
        (("filter", "--min-factuality", "1.5"), "less than or equal to 1"),
        (("sql", "select 1", "--format", "xls"), "table, csv, json"),
    ],
)
def test_wrong_usage_is_named_and_exits_with_2(
    cxr: Cli, store: Path, arguments: tuple[str, ...], expected: str
) -> None:
    before = _digest(store)
    done = cxr(*arguments)
    assert done.returncode == 2, done.stderr
    assert expected in _one_sentence(done.stderr)
    assert _digest(store) == before


@pytest.mark.parametrize("command", [("ask",), ("mine",), ("score",), ("filter",), ("status",), ("sql", "select 1")])
def test_without_a_store_a_command_says_how_to_make_one(cxr: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
    done = cxr(*command)
    assert done.returncode == 1
    assert "cxr ingest" in _one_sentence(done.stderr)
    assert not (tmp_path / "cxr.duckdb").exists()


def test_a_file_that_is_no_database_is_left_alone(cxr: Cli, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database " * 500)
    before = _digest(notes)
    for command in (("status",), ("ask",), ("ingest", "openi", str(write_openi(tmp_path / "openi")))):
        done = cxr(*command, "--db", notes)
        assert done.returncode == 1
        assert "not a DuckDB file" in _one_sentence(done.stderr)
    assert _digest(notes) == before


def test_somebody_elses_database_is_left_alone(cxr: Cli, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.duckdb"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("create table patients as select 1 as id")
    before = _digest(foreign)
    for command in (("status",), ("ask",), ("ingest", "openi", str(write_openi(tmp_path / "openi")))):
        done = cxr(*command, "--db", foreign)
        assert done.returncode == 1
        assert "no cxr store" in _one_sentence(done.stderr)
    assert _digest(foreign) == before


def test_a_store_of_a_newer_cxr_is_left_alone(cxr: Cli, store: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("insert into cxr_schema values (999, 'm999_the_future', now()::timestamp)")
    done = cxr("ask")
    assert done.returncode == 1
    assert "newer cxr" in _one_sentence(done.stderr)


def test_a_second_writer_is_told_who_holds_the_store(cxr: Cli, store: Path) -> None:
    code = f"import duckdb, time; held = duckdb.connect({str(store)!r}); print(1, flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        for command in ("ask", "status"):
            done = cxr(command)
            assert done.returncode == 1
            assert f"process {holder.pid}" in _one_sentence(done.stderr)
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()


def test_a_broken_cxr_toml_is_named(cxr: Cli, store: Path) -> None:
    store.with_name("cxr.toml").write_text("[mine\nengine = 'llm'")
    done = cxr("mine")
    assert done.returncode == 2
    assert "cxr.toml" in _one_sentence(done.stderr)


def test_cxr_toml_and_the_environment_set_defaults_and_the_command_line_wins(cxr: Cli, store: Path) -> None:
    store.with_name("cxr.toml").write_text('[ask]\ntasks = "single"\nmin_positives = 1\n')
    assert "single" in cxr("ask").stdout
    from_environment = cxr("ask", CXR_ASK_TASKS="multiple").stdout
    assert "multiple" in from_environment
    assert "single" not in from_environment
    given = cxr("ask", "--tasks", "binary", CXR_ASK_TASKS="anomaly").stdout
    assert "binary" in given
    assert "anomaly" not in given


def test_bad_rows_are_rejects_and_the_rest_is_kept(cxr: Cli, tmp_path: Path) -> None:
    rows = openi_rows()
    rows[0] |= {"findings": "", "impression": ""}
    rows[1]["uid"] = "3"
    rows[4]["uid"] = ""
    done = cxr("ingest", "openi", write_openi(tmp_path / "openi", rows))
    assert done.returncode == 4
    assert "no_findings_nor_impression" in done.stderr
    told = cxr("sql", "select reason, reject_key, message from rejects order by reason", "--format", "json")
    rejects = [json.loads(line) for line in told.stdout.splitlines()]
    assert {reject["reason"] for reject in rejects} == {"duplicate_key", "missing_key", "no_findings_nor_impression"}
    assert cxr("sql", "select count(*) from studies", "--format", "csv").stdout.split()[-1] == str(len(rows) - 3)


def test_bytes_that_are_not_utf8_cost_their_row_alone(cxr: Cli, tmp_path: Path) -> None:
    folder = write_openi(tmp_path / "openi")
    path = folder / "indiana_reports.csv"
    path.write_bytes(path.read_bytes().replace(b"Left pleural effusion.", b"Left pleural \xe9ffusion."))
    done = cxr("ingest", "openi", folder)
    assert done.returncode == 4
    assert "1 not_utf8" in done.stderr


def test_no_error_message_holds_report_text(cxr: Cli, tmp_path: Path) -> None:
    rows = openi_rows()
    rows[0]["findings"] = "Zebrawort infiltrate."
    rows[1] |= {"uid": "1", "findings": "Zebrawort again."}
    done = cxr("ingest", "openi", write_openi(tmp_path / "openi", rows))
    assert done.returncode == 4
    told = cxr("sql", "select * from rejects", "--format", "json").stdout
    assert "duplicate_key" in told
    assert "zebrawort" not in (done.stdout + done.stderr + told).lower()


def test_sql_that_fails_says_so_and_cannot_write(cxr: Cli, store: Path) -> None:
    done = cxr("sql", "select nothing from nowhere")
    assert done.returncode == 1
    assert "the SQL failed" in _one_sentence(done.stderr)
    before = _digest(store)
    assert cxr("sql", "delete from studies").returncode == 1
    assert _digest(store) == before


def test_show_of_an_unknown_id_names_a_way_to_find_one(cxr: Cli, store: Path) -> None:
    assert store.exists()
    done = cxr("show", "0000")
    assert done.returncode == 1
    assert "question_id" in _one_sentence(done.stderr)


@pytest.mark.parametrize("command", ["judge", "label", "radrscore"])
class TestFileCommands:
    def test_a_missing_input_is_named(self, cxr: Cli, tmp_path: Path, command: str) -> None:
        done = cxr(command, "missing.jsonl", "-o", "out.jsonl")
        assert done.returncode == 1
        assert "missing.jsonl is not a file" in _one_sentence(done.stderr)
        assert not (tmp_path / "out.jsonl").exists()

    def test_bad_lines_are_rejects_with_their_numbers_and_the_rest_is_kept(
        self, cxr: Cli, tmp_path: Path, command: str
    ) -> None:
        good = {"id": "a", "report": "Findings: No pneumothorax.", "findings": [{"observation": "x", "status": "y"}]}
        good |= {"prediction": "No pneumothorax.", "reference": "No pneumothorax."}
        lines = [json.dumps(good).encode(), b"{not json", b"[1, 2]", b'{"id": "b"}', b'{"id": "\xff"}', b"", b"nul\x00"]
        (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        done = cxr(command, "in.jsonl", "-o", "out.jsonl")
        assert done.returncode == 4
        kept = (tmp_path / "out.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in kept] == ["a"]
        rejects = [json.loads(line) for line in (tmp_path / "out.jsonl.rejects.jsonl").read_text().splitlines()]
        assert [(reject["line"], reject["reason"]) for reject in rejects] == [
            (2, "not_json"), (3, "wrong_fields"), (4, "wrong_fields"), (5, "not_utf8"), (7, "not_json"),
        ]  # fmt: skip

    def test_a_target_that_cannot_be_written_is_named(self, cxr: Cli, tmp_path: Path, command: str) -> None:
        (tmp_path / "in.jsonl").write_text("{}\n")
        done = cxr(command, "in.jsonl", "-o", "no/such/folder/out.jsonl")
        assert done.returncode == 1
        assert "does not exist" in _one_sentence(done.stderr)


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from cxr.cli import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "print([name for name in ('torch', 'polars', 'duckdb', 'openai', 'instructor') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "[]"


def test_an_old_reject_file_does_not_outlive_a_clean_run(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "report": "No pneumothorax."}\nnot json\n')
    assert cxr("label", "in.jsonl", "-o", "out.jsonl").returncode == 4
    (tmp_path / "in.jsonl").write_text('{"id": "a", "report": "No pneumothorax."}\n')
    assert cxr("label", "in.jsonl", "-o", "out.jsonl").returncode == 0
    assert not (tmp_path / "out.jsonl.rejects.jsonl").exists()


def test_sql_reaches_the_store_and_nothing_else(cxr: Cli, store: Path, tmp_path: Path) -> None:
    assert store.exists()
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for query in ("copy (select 1) to 'out.csv'", "select * from 'secret.csv'", "install httpfs"):
        done = cxr("sql", query)
        assert done.returncode == 1
        _one_sentence(done.stderr)
    assert not (tmp_path / "out.csv").exists()


def test_sql_that_stumbles_over_a_report_does_not_print_it(cxr: Cli, store: Path) -> None:
    assert store.exists()
    done = cxr("sql", "select text::integer from reports")
    assert done.returncode == 1
    assert "ConversionException" in _one_sentence(done.stderr)
    assert "effusion" not in done.stderr


def test_sql_prints_values_as_they_are(cxr: Cli, store: Path) -> None:
    assert store.exists()
    query = "select 2115 as year, 0.9996 as share, 'nan'::double as odd, {'a': 1.5::decimal(3, 1)} as nested, 1 as year"
    assert json.loads(cxr("sql", query, "--format", "json").stdout) == {
        "year": 2115, "share": 0.9996, "odd": None, "nested": {"a": 1.5}, "year_2": 1,
    }  # fmt: skip
    assert "2115" in cxr("sql", query).stdout
    assert '"{""a"": 1.5}"' in cxr("sql", query, "--format", "csv").stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[asks]\nseed = 1\n", "'asks' is no table of settings"),
        (b"ask = 3\n", "'ask' is no table of settings"),
        (b"[ask]\nseed = '\xff'\n", "not valid TOML"),
        (b"[ask]\nsed = 1\n", "'sed' is no setting"),
    ],
)
def test_a_settings_file_that_means_nothing_is_named(cxr: Cli, store: Path, content: bytes, expected: str) -> None:
    store.with_name("cxr.toml").write_bytes(content)
    done = cxr("ask")
    assert done.returncode == 2
    assert expected in _one_sentence(done.stderr)


def test_output_goes_through_a_link_and_never_over_a_pipe(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "report": "No pneumothorax."}\n')
    (tmp_path / "real.jsonl").write_text("old\n")
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    assert cxr("label", "in.jsonl", "-o", "link.jsonl").returncode == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert "Pneumothorax" in (tmp_path / "real.jsonl").read_text()
    os.mkfifo(tmp_path / "pipe")
    done = cxr("label", "in.jsonl", "-o", "pipe")
    assert done.returncode == 1
    assert "device or a pipe" in _one_sentence(done.stderr)
    assert (tmp_path / "pipe").is_fifo()


def test_half_a_character_is_a_reject_and_no_message_quotes_it(cxr: Cli, tmp_path: Path) -> None:
    lines = ['{"id": "a", "report": "Zebrawort \\ud800."}', '{"id": "b", "report": "No effusion.\\u2028Clear."}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    done = cxr("label", "in.jsonl", "-o", "out.jsonl")
    assert done.returncode == 4
    rejects = (tmp_path / "out.jsonl.rejects.jsonl").read_text()
    assert "surrogate" in rejects
    assert "zebrawort" not in (rejects + done.stderr).lower()
    assert [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == ["b"]


def test_the_demo_does_not_take_its_users_settings(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "cxr.toml").write_text('[mine]\nengine = "llm"\n')
    done = cxr("demo", CXR_MINE_LIMIT="1", CXR_ASK_TASKS="binary")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "multiple" in done.stdout
