"""`cxr review` as a process: links, saves that outlive a kill, reviews in the store, an end on a signal, no calls."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from cxr.miner.kit.errors import PolicyError, SettingsError, StoreError
from cxr.miner.review import session as sessions
from cxr.miner.review.app import Application
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.draw import open_study
from cxr.miner.review.guard import names_of
from cxr.miner.review.pixels import Pixels
from cxr.miner.review.reach import Reach, address_of, demand_reach
from cxr.miner.review.server import listen, serve
from cxr.miner.review.session import Session
from cxr.miner.review.state import read_change
from tests.chaos.sockets import called, watched
from tests.conftest import ROOT, Cli, CliIn
from tests.reviewing import Client, change

DRAWN = ("--sample", "4", "--readers", "r1,r2", "--overlap", "1", "--repeats", "0")
SCORES = {"factuality": 8, "validity": 7, "completeness": -2}


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory, ingested: Path, cxr_in: CliIn) -> Path:
    """A store with chains of reports that anybody may read, to be copied."""
    folder = tmp_path_factory.mktemp("mined")
    store = folder / "cxr.duckdb"
    store.write_bytes(ingested.read_bytes())
    for command in (("ask", "--balance", "none"), ("mine",)):
        assert cxr_in(folder, *command).returncode == 0
    return store


@pytest.fixture
def store(mined: Path, db: Path) -> Path:
    db.write_bytes(mined.read_bytes())
    return db


@dataclass
class Running:
    """A server of its own process."""

    process: "subprocess.Popen[str]"
    clients: dict[str, Client]

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; give the exit code and what was said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def running(folder: Path, *more: str, seen: Path | None = None) -> Iterator[Running]:
    """Run `cxr review` in a folder until the block ends, and read its links."""
    command = [sys.executable, "-P", "-m", "cxr", "review", "--port", "0", *more]
    environment = watched(seen or folder / "seen")
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        links = [process.stdout.readline() for _ in range(2)]
        found = [re.fullmatch(r"(\w+)  http://127\.0\.0\.1:(\d+)/r/([\w-]+)/\n", link) for link in links]
        assert all(found), (links, process.poll(), process.stderr and process.poll() and process.stderr.read())
        yield Running(process, {one[1]: Client(int(one[2]), one[3]) for one in found if one})
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def review(client: Client, position: int) -> None:
    """Score an item, to its end."""
    said = [change(axis, score) for axis, score in SCORES.items()]
    assert client.save(position, *said, change("done", True, False))[0] == 200


def reviews_in(store: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(store), read_only=True) as connection:
        return connection.execute(
            "select reviewer, count(*), count(distinct chain_id), max(completeness) from reviews group by 1 order by 1"
        ).fetchall()


def test_a_study_from_the_first_link_to_the_store(store: Path, tmp_path: Path) -> None:
    """One kill at any moment, one end by SIGTERM, one by SIGINT; nobody is called, from the first import on."""
    seen = tmp_path / "seen"
    with running(tmp_path, *DRAWN, seen=seen) as server:
        first = server.clients
        assert set(first) == {"r1", "r2"}
        assert oct((tmp_path / "cxr.reviews.sqlite").stat().st_mode)[-3:] == "600"
        item = first["r1"].json("items/1")[1]
        assert item["reports"][0]["text"]
        assert not re.search(r'engine|model|rules|"judge', json.dumps({**item, "reports": [], "question": ""}))
        review(first["r1"], 1)
        assert first["r2"].save(2, change("comment", "half of it", ""))[0] == 200
        server.process.kill()
        server.process.communicate()
    assert reviews_in(store) == []
    with running(tmp_path, seen=seen) as server:
        assert {name: one.token for name, one in server.clients.items()} == {n: one.token for n, one in first.items()}
        assert server.clients["r1"].json("queue")[1]["next"] == 2
        assert server.clients["r2"].json("items/2")[1]["state"]["comment"] == "half of it"
        review(server.clients["r2"], 1)
        code, said = server.end(signal.SIGTERM)
    assert (code, "2 of 8 reviews are done" in said, "Traceback" in said) == (0, True, False), said
    assert reviews_in(store) == [("r1", 1, 1, -2.0), ("r2", 1, 1, -2.0)]
    with running(tmp_path, "--readers", "r1", seen=seen) as server:
        review(server.clients["r1"], 2)
        assert server.end(signal.SIGINT)[0] == 0
    assert reviews_in(store) == [("r1", 2, 2, -2.0), ("r2", 1, 1, -2.0)]
    with duckdb.connect(str(store)) as connection:
        served = connection.execute("select settings->>'served' from runs where command = 'review'").fetchall()
    assert served.count(("127.0.0.1",)) == 3
    assert list(called(seen)) == []


@contextmanager
def held(store: Path) -> Iterator[None]:
    """Another process has the store open for writing while the block runs."""
    script = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", script, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    yield
    holder.communicate()


@pytest.fixture
def book(store: Path, tmp_path: Path) -> Iterator[ReviewBook]:
    open_study(store, tmp_path / "book", {"sample": 2, "readers": "r1"})
    with ReviewBook(tmp_path / "book") as book:
        yield book


def score(book: ReviewBook) -> None:
    """Review the first item."""
    said = [change(axis, score) for axis, score in SCORES.items()]
    book.save("r1", 1, [read_change(one) for one in (*said, change("done", True, False))], 5.0)


def test_the_store_gets_reviews_while_the_server_runs_when_it_is_free(
    store: Path, book: ReviewBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    session = Session(store, book, told.append)
    score(book)
    with held(store):
        session.take_in()
        monkeypatch.setattr(sessions, "LAST_WAIT_S", 0.1)
        with pytest.raises(StoreError, match=r"all reviews are safe in .*book, and `cxr import reviews"):
            session.end()
        with pytest.raises(PolicyError, match="is noted first"):
            session.note("192.0.2.1", '{"signed_by": "A. Researcher"}')
        session.note("127.0.0.1", None)
    assert (reviews_in(store), book.notes()) == ([], [])
    session.take_in()
    assert reviews_in(store) == [("r1", 1, 1, -2.0)]
    session.end()
    assert told[-1] == f"1 reviews are in {store}"


def test_reviews_of_another_store_are_told_once_and_kept(store: Path, book: ReviewBook) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("update cxr_schema set applied_at = '2020-01-01'")
    told: list[str] = []
    session = Session(store, book, told.append)
    score(book)
    for _ in range(3):
        session.take_in()
    assert len(told) == 1
    assert "another store" in told[0]
    with pytest.raises(StoreError, match="all reviews are safe"):
        session.end()


def test_a_store_that_breaks_stops_no_reader(store: Path, book: ReviewBook, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a small effusion")

    told: list[str] = []
    monkeypatch.setattr(sessions, "take_in", broken)
    session = Session(store, book, told.append)
    session.take_in()
    session.take_in()
    assert (len(told), "defect" in told[0], "effusion" in told[0]) == (1, True, False)


def test_a_server_does_its_other_work_again_and_again_and_ends_on_a_signal(book: ReviewBook) -> None:
    happened: list[str] = []

    def meanwhile() -> None:
        happened.append("meanwhile")
        if happened.count("meanwhile") == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    pixels = Pixels()
    with listen("127.0.0.1", 0) as listening:
        app = Application(book, names_of("127.0.0.1"), pixels).asgi
        serve(app, listening, lambda: happened.append("begun"), meanwhile, 0.01)
    pixels.close()
    assert happened[:4] == ["begun", "meanwhile", "meanwhile", "meanwhile"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"])
def test_this_machine_needs_no_word(host: str) -> None:
    assert demand_reach(Reach(address_of(host), 0), {"credentialed"}) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "readers.example", "", "127.0.0.1:80", "1.2.3"])  # noqa: S104 - none is bound
def test_a_host_is_an_address_that_is_written_out(host: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        address_of(host)


def test_elsewhere_only_what_is_public_is_shown_or_somebody_answers_for_it() -> None:
    assert demand_reach(Reach("192.0.2.1", 0), {"public"}) is None
    for word in ((None, None), ("A. Researcher", " "), (None, "the ward's own network")):
        with pytest.raises(PolicyError, match="credentialed"):
            demand_reach(Reach("192.0.2.1", 0, *word), {"public", "credentialed"})
    signed = demand_reach(Reach("192.0.2.1", 0, "A. Researcher", "the ward's own network"), {"credentialed"})
    assert json.loads(str(signed))["signed_by"] == "A. Researcher"


def test_the_word_is_noted_before_anything_is_shown(store: Path, book: ReviewBook) -> None:
    session = Session(store, book, lambda _: None)
    session.note("192.0.2.1", '{"signed_by": "A. Researcher"}')
    with duckdb.connect(str(store), read_only=True) as connection:
        (row,) = connection.execute(
            "select attestation, settings->>'served' from runs where attestation is not null"
        ).fetchall()
    assert ("A. Researcher" in str(row[0]), row[1]) == (True, "192.0.2.1")
    assert book.notes() == [("attestation", '{"signed_by": "A. Researcher"}')]


def test_credentialed_text_is_served_nowhere_else(store: Path, cxr: Cli) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("update studies set licence = 'credentialed'")
    done = cxr("review", *DRAWN, "--host", "192.0.2.1")
    assert (done.returncode, done.stdout, "credentialed" in done.stderr) == (1, "", True)


def test_what_became_credentialed_after_it_was_drawn_is_not_shown_elsewhere(store: Path, book: ReviewBook) -> None:
    session = Session(store, book, lambda _: None)
    assert session.licences("192.0.2.1") == {"public"}
    with duckdb.connect(str(store)) as connection:
        connection.execute("update studies set licence = 'credentialed'")
    assert session.licences("192.0.2.1") == {"public", "credentialed"}


def test_what_cannot_be_served_is_one_sentence(store: Path, cxr: Cli) -> None:
    assert "--readers" in cxr("review").stderr
    assert cxr("review", *DRAWN, "--no-serve").returncode == 0
    elsewhere = cxr("review", "--host", "192.0.2.1")
    assert (elsewhere.returncode, "no address of this machine" in elsewhere.stderr) == (1, True)
    with running(store.parent) as server:
        port = str(server.clients["r1"].port)
        taken = cxr("review", "--port", port)
        assert (taken.returncode, "is in use" in taken.stderr) == (1, True)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    script = "import sys; sys.modules['starlette'] = None; from cxr.cli import app; app()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, "review"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pip install 'cxr[review]'" in done.stderr
