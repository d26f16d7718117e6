"""Whose text it is was said once: no later ingest makes it looser, and who does so on purpose signs for it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import Cli

SIGNED = ("--signed-by", "A. Researcher", "--i-am-allowed", "our ethics board, 2026/17")


def write_csv(path: Path, first: int, studies: int) -> Path:
    rows = [f"{number},FINDINGS: Small left effusion {number}." for number in range(first, first + studies)]
    path.write_text("\n".join(["study_id,text", *rows]) + "\n", encoding="utf-8")
    return path


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def own(tmp_path: Path, db: Path, cxr: Cli) -> Path:
    """A store with 24 credentialed studies."""
    path = write_csv(tmp_path / "own.csv", 1, 24)
    assert cxr("ingest", "csv", path, "--name", "own", "--map", "report=text").returncode == 0
    assert rows(db, "select distinct licence from studies") == [("credentialed",)]
    return path


@pytest.mark.parametrize("again", ["the same", "others"])
def test_an_ingest_never_loosens_a_licence(own: Path, db: Path, cxr: Cli, again: str) -> None:
    path = own if again == "the same" else write_csv(own.with_name("more.csv"), 100, 3)
    done = cxr("ingest", "csv", path, "--name", "own", "--map", "report=text", "--licence", "public")
    assert done.returncode == 1
    assert "own is credentialed in this store (24 studies), and an ingest never loosens that" in done.stderr
    assert rows(db, "select licence, count(*) from studies group by all") == [("credentialed", 24)]
    assert rows(db, "select licence from corpora") == [("credentialed",)]


def test_another_name_does_not_loosen_it(own: Path, db: Path, cxr: Cli) -> None:
    public = ("ingest", "csv", own, "--name", "other", "--map", "report=text", "--licence", "public")
    done = cxr(*public)
    assert done.returncode == 1
    assert "other would be public, and own.csv is what own, credentialed in this store, was read from" in done.stderr
    assert rows(db, "select distinct corpus from studies") == [("own",)]
    assert cxr("licence", "own", "public", *SIGNED).returncode == 0
    assert cxr(*public).returncode == 0


def test_a_signed_word_loosens_it_and_is_on_record(own: Path, db: Path, cxr: Cli) -> None:
    done = cxr("licence", "own", "public", *SIGNED)
    assert done.returncode == 0, done.stderr
    assert "own is public now: 24 studies changed" in done.stderr
    ((attestation, status),) = rows(db, "select attestation, status from runs where command = 'licence'")
    (word,) = json.loads(attestation)
    assert json.loads(word) == {
        "corpus": "own",
        "licence": "public",
        "signed_by": "A. Researcher",
        "signed_on": str(datetime.now(UTC).date()),
        "why": "our ethics board, 2026/17",
    }
    assert status == "done"
    # From now on the store says the same as the option.
    again = cxr("ingest", "csv", own, "--name", "own", "--map", "report=text", "--licence", "public")
    assert again.returncode == 0, again.stderr
    assert rows(db, "select distinct licence from studies union select licence from corpora") == [("public",)]


@pytest.mark.parametrize("left_out", [0, 2])
def test_nobody_loosens_it_without_a_name_and_a_reason(own: Path, db: Path, cxr: Cli, left_out: int) -> None:
    said = [*SIGNED[:left_out], *SIGNED[left_out + 2 :]]
    for words in (said, [*said, SIGNED[left_out], " "]):
        done = cxr("licence", "own", "public", *words)
        assert done.returncode == 2
        assert "takes --signed-by NAME, who answers for it, and --i-am-allowed WHY" in done.stderr
    assert rows(db, "select distinct licence from studies") == [("credentialed",)]
    assert rows(db, "select count(*) from runs where command = 'licence'") == [(0,)]


def test_stricter_is_always_allowed(own: Path, db: Path, cxr: Cli) -> None:
    assert cxr("licence", "own", "public", *SIGNED).returncode == 0
    assert cxr("ingest", "csv", own, "--name", "own", "--map", "report=text").returncode == 0
    assert rows(db, "select distinct licence from studies union select licence from corpora") == [("credentialed",)]
    assert cxr("licence", "own", "public", *SIGNED).returncode == 0
    assert cxr("licence", "own", "credentialed").returncode == 0
    assert rows(db, "select distinct licence from studies union select licence from corpora") == [("credentialed",)]


def test_a_corpus_or_licence_that_does_not_exist_is_named(own: Path, cxr: Cli) -> None:
    other = cxr("licence", "else", "public", *SIGNED)
    assert (other.returncode, "it holds own" in other.stderr) == (1, True)
    word = cxr("licence", "own", "open", *SIGNED)
    assert (word.returncode, "choose from public, credentialed" in word.stderr) == (2, True)
