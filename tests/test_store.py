"""The store: what is written is what is read, an exception leaves nothing half done, and runs are recorded."""

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import StoreError
from cxr.miner.store import Store
from cxr.miner.store.migrations import MIGRATIONS
from tests.conftest import ROOT

DESIGNED = {
    "studies", "images", "reports", "labels", "progressions", "questions", "chains", "findings", "scores", "calls",
    "rejects", "runs", "predictions", "reviews",
}  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "cxr.duckdb"
    with Store.write(path, create=True):
        pass
    return path


def test_a_new_store_has_every_table_and_view_of_the_design(db: Path) -> None:
    with Store.read(db) as store:
        names = {name for (name,) in store.rows("select table_name from information_schema.tables")}
    assert names >= DESIGNED | {"chain_steps", "factual_chains", "chain_evidence", "latest_scores"}


def test_an_exception_in_a_transaction_leaves_nothing(db: Path) -> None:
    with Store.write(db) as store:
        with pytest.raises(RuntimeError, match="no"), store.transaction():
            store.insert("studies", pl.DataFrame({"study_id": ["a"]}))
            raise RuntimeError("no")
        assert store.count("select count(*) from studies") == 0


def test_a_run_says_how_it_ended(db: Path) -> None:
    with Store.write(db) as store:
        with store.run("good", {"seed": 1}) as run:
            run.rows_written = 3
        with pytest.raises(KeyboardInterrupt), store.run("stopped", {}):
            raise KeyboardInterrupt
        with pytest.raises(ValueError, match="broken"), store.run("bad", {}):
            raise ValueError("broken")
        told = store.rows("select command, status, rows_written, settings->>'seed' from runs order by started_at")
    assert told == [("good", "done", 3, "1"), ("stopped", "interrupted", 0, None), ("bad", "failed", 0, None)]


def test_every_migration_runs_once(db: Path) -> None:
    for _ in range(2):
        with Store.write(db) as store:
            assert store.count("select count(*) from cxr_schema") == len(MIGRATIONS)


def test_readers_are_refused_an_older_schema_and_a_writer_brings_it_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table cxr_schema (version integer, name varchar, applied_at timestamp)")
    with pytest.raises(StoreError, match="older cxr"), Store.read(path):
        pass
    with Store.write(path):
        pass
    with Store.read(path) as store:
        assert store.count("select count(*) from chains") == 0


def test_readers_cannot_write(db: Path) -> None:
    with Store.read(db) as store, pytest.raises(duckdb.Error, match="read-only"):
        store.connection.execute("delete from studies")


def test_a_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a DuckDB file"), Store.read(tmp_path):
        pass


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(values, values)
def test_ids_differ_exactly_where_contents_do(first: object, second: object) -> None:
    assert (digest(first) == digest(second)) == (_plain(first) == _plain(second))


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True)


@settings(max_examples=20)
@given(st.lists(st.text(max_size=200).filter(lambda text: "\x00" not in text and text.isprintable()), max_size=20))
def test_report_text_survives_the_store(texts: list[str]) -> None:
    with duckdb.connect() as connection:
        connection.execute(MIGRATIONS[0].sql)
        store = Store(connection, Path("memory"))
        rows = [(str(number), text) for number, text in enumerate(texts)]
        store.insert("reports", pl.DataFrame(rows, schema={"study_id": pl.String, "text": pl.String}, orient="row"))
        assert sorted(store.rows("select study_id, text from reports")) == sorted(rows)


def test_every_file_of_sql_says_what_it_is_for_and_holds_one_statement() -> None:
    files = [file for room in ("miner", "trainer") for file in (ROOT / room).rglob("sql/*.sql")]
    assert len(files) > 80
    for file in files:
        text = file.read_text()
        assert text.startswith("-- "), file
        assert len(duckdb.extract_statements(text)) == 1, file
