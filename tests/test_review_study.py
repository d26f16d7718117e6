"""A study from the store into a book and back: drawn once, blind, renewed with its chains, taken in once."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.kit.errors import StoreError, StoreLocked
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.draw import open_study
from cxr.miner.review.queues import queues
from cxr.miner.review.refusals import StaleItem
from cxr.miner.review.state import AXES, Change
from cxr.miner.review.take_in import once_free, take_in
from cxr.miner.review.verify import problem_of
from tests.benchmarks_world import make_store, rows, run_cxr
from tests.test_review_book import changed, scores


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ten studies without images, mined and scored, to be copied."""
    corpus = [{name: value for name, value in row.items() if name != "image"} for row in rows(10)]
    return make_store(tmp_path_factory.mktemp("mined"), corpus)


@pytest.fixture
def db(mined: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(mined, tmp_path / "cxr.duckdb"))


def cxr(db: Path, *words: str, code: int = 0) -> str:
    """Run a command beside a store and give what it says."""
    done = run_cxr(db.parent, *words)
    assert done.returncode == code, (words, done.stderr)
    return f"{done.stdout}{done.stderr}"


def drawn(db: Path, *words: str) -> ReviewBook:
    """Draw a study by the command line and open its book."""
    cxr(db, "review", "--no-serve", *words)
    return ReviewBook(db.with_name("cxr.reviews.sqlite"))


def read_all(book: ReviewBook, **axis: int) -> None:
    """Let every reader score all that is in their queue; readers are named with the score that they give."""
    for reader, score in axis.items():
        for place in book.queue(reader):
            if not place.is_done:
                book.save(reader, place.position, scores(score, score, score), 10.0)


def told(db: Path, sql: str) -> list[tuple[Any, ...]]:
    """Give the rows of a query on the store."""
    with duckdb.connect(str(db), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_images_are_shown_from_the_folder_in_which_ingest_saw_them(db: Path) -> None:
    with duckdb.connect(str(db)) as connection:
        connection.execute(
            "insert into images (image_id, study_id, path) select study_id, study_id, 'a/b.png' from studies"
        )
        connection.execute("update corpora set image_root = '/films'")
    with drawn(db, "--sample", "4", "--readers", "r1") as book:
        assert {path for item in book.items() for path in item.images} == {"/films/a/b.png"}


# --- who reads what -------------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 3), st.floats(0, 1), st.floats(0, 0.5), st.integers(0, 99))
def test_each_item_is_read_by_one_or_a_pair_and_repeats_come_half_a_queue_later(
    items: int, readers: int, training: int, overlap: float, repeats: float, seed: int
) -> None:
    names = [f"r{number}" for number in range(readers)]
    ids = [f"i{number}" for number in range(items)]
    train = [f"t{number}" for number in range(training)]
    read = queues(ids, train, names, overlap=overlap, repeats=repeats, seed=seed)
    assert read == queues(ids, train, names, overlap=overlap, repeats=repeats, seed=seed)
    often = Counter(item for queue in read.values() for item, round_ in queue if round_ == "first")
    assert set(often) == set(ids)
    assert sum(count == 2 for count in often.values()) == (round(overlap * items) if readers > 1 else 0)
    assert set(often.values()) <= {1, 2}
    for queue in read.values():
        assert queue[:training] == [(item, "training") for item in train]
        first = {item: place for place, (item, round_) in enumerate(queue) if round_ == "first"}
        again = {item: place for place, (item, round_) in enumerate(queue) if round_ == "repeat"}
        assert (
            len(again)
            == sum(round_ == "repeat" for _, round_ in queue)
            == min(round(repeats * len(first)), len(first) // 2)
        )
        assert all(place - first[item] > len(first) // 2 for item, place in again.items())
    if overlap < 0.5 and items >= 4 * readers:
        loads = [sum(round_ == "first" for _, round_ in queue) for queue in read.values()]
        assert max(loads) - min(loads) <= 1


def test_a_study_is_drawn_over_tasks_each_reader_in_an_order_of_their_own_and_blind(db: Path) -> None:
    with drawn(db, "--sample", "8", "--readers", "r1,r2", "--overlap", "1", "--repeats", "0.25") as book:
        orders = [[place.item_id for place in book.queue(reader)] for reader in ("r1", "r2")]
        assert set(orders[0]) == set(orders[1])
        assert orders[0] != orders[1]
        assert len({book.item(item).study_id for item in orders[0]}) == 8, "studies before second chains of one"
        assert len({book.item(item).task for item in orders[0]}) > 1
        repeat = next(place for place in book.queue("r1") if place.round == "repeat")
        first = next(place for place in book.queue("r1") if place.item_id == repeat.item_id)
        shown = [book.shown("r1", place.position) for place in (first, repeat)]
        for place in shown:
            del place["position"]
        assert shown[0] == shown[1], "nothing tells that it is there again"
        assert not _keys(shown) & {"engine", "engine_version", "model", "judge", "verdicts", "chain_id", "corpus"}
        for step in shown[0]["steps"]:
            for quote in (quote for piece in step["evidence"] for quote in piece["quotes"]):
                report = next(r for r in shown[0]["reports"] if r["which"] == quote["which"])
                assert report["text"][quote["start"] : quote["end"]].strip()
        assert problem_of(book) is None


def _keys(value: Any) -> set[str]:
    """Give the names of all that is told, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_only_what_was_asked_for_is_drawn(db: Path) -> None:
    with drawn(db, "--sample", "500", "--readers", "r1", "--task", "binary", "--factual") as book:
        assert {item.task for item in book.items()} == {"binary"}
        kept = {chain for (chain,) in told(db, "select chain_id from latest_scores where factuality >= 1")}
        assert {item.chain_id for item in book.items()} <= kept


def test_the_same_command_goes_on_another_is_refused_and_a_new_reader_adjudicates(db: Path) -> None:
    words = ("--sample", "6", "--readers", "r1,r2", "--overlap", "1", "--repeats", "0")
    with drawn(db, *words) as book:
        links, queue = book.readers(), book.queue("r1")
        read_all(book, r1=9, r2=1)
        assert book.waiting() == 6
        assert "6 items wait for a third reader" in cxr(db, "review", "status")
    with drawn(db, *words) as book:
        assert book.readers() == links
        assert [place.item_id for place in book.queue("r1")] == [place.item_id for place in queue]
    assert "--sample" in cxr(db, "review", "--no-serve", "--sample", "7", code=2)
    with drawn(db, "--readers", "r1,r2,r3") as book:
        assert [place.round for place in book.queue("r3")] == ["adjudication"] * 6
        assert problem_of(book) is None
    assert "r3" in cxr(db, "review", "status")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--readers"),
        (("--readers", "r1", "--sample", "0"), 2, "sample"),
        (("--readers", "r\x07", "--sample", "2"), 2, "printable"),
        (("--readers", "r1", "--what", "films"), 2, "what"),
        (("--readers", "r1", "--overlap", "2"), 2, "overlap"),
        (("--readers", "r1", "--what", "audit"), 2, "cxr audit"),
        (("--readers", "r1", "--task", "temporal"), 1, "nothing to review"),
        (("--readers", "r1", "--training", "no.jsonl"), 1, "no.jsonl"),
        (("--readers", "r1", "--book", "nowhere/b.sqlite"), 1, "nowhere"),
        (("--readers", "r1", "--book", "cxr.duckdb"), 1, "no SQLite file"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(db: Path, words: tuple[str, ...], code: int, said: str) -> None:
    sentence = cxr(db, "review", "--no-serve", *words, code=code)
    assert said in sentence
    assert "defect" not in sentence
    assert not db.with_name("cxr.reviews.sqlite").exists()


# --- findings and audits --------------------------------------------------------------------------------------------


def test_findings_are_read_for_the_five_verdicts_and_come_back_as_gold(db: Path) -> None:
    with drawn(db, "--what", "findings", "--sample", "8", "--readers", "r1,r2", "--overlap", "0.5") as book:
        assert {item.content["what"] for item in book.items()} == {"finding"}
        shown = book.shown("r1", 1)
        assert set(shown["finding"]) == {"observation", "status"}
        for reader, verdict in (("r1", "supported"), ("r2", "contradicted")):
            for place in book.queue(reader):
                said = [changed("verdict", verdict), changed("done", True, False)]
                book.save(reader, place.position, said, 5.0)
        assert book.waiting() == 4, "other verdicts are for a third reader"
        assert take_in(db, book).written == len(book.queue("r1")) + len(book.queue("r2"))
    kept = told(db, "select distinct reviewer, verdict from finding_reviews order by all")
    assert kept == [("r1", "supported"), ("r2", "contradicted")]
    lines = [json.loads(line) for line in _exported(db).read_text().splitlines()]
    assert all(line["observation"] and line["verdict"] for line in lines)
    cxr(db, "review", "export", "gold.jsonl", "--as", "gold")
    gold = [json.loads(line) for line in db.with_name("gold.jsonl").read_text().splitlines()]
    findings = [finding for line in gold for finding in line["findings"]]
    assert len(findings) == 8
    assert sum(finding["verdict"] is None for finding in findings) == 4, "where readers differ there is no gold"
    cxr(db, "judge", "gold.jsonl", "-o", "judged.jsonl")
    assert "readers against rules" in cxr(db, "agreement", "gold.jsonl", "judged.jsonl")


def test_an_audits_lines_are_shown_without_who_said_what(db: Path) -> None:
    (study, chain), *_ = told(db, "select study_id, chain_id from chains order by chain_id")
    lines = [
        {"kind": "disagreement", "study_id": study, "finding": "Edema", "labeler": "other", "ours": "1", "theirs": "0"},
        {"kind": "chain", "study_id": study, "chain_id": chain},
        {"kind": "chain", "study_id": "gone", "chain_id": "gone"},
    ]
    db.with_name("audit.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with drawn(db, "--what", "audit", "--audit", "audit.jsonl", "--readers", "r1", "--repeats", "0") as book:
        shown = [book.shown("r1", place.position) for place in book.queue("r1")]
    assert sorted(place["what"] for place in shown) == ["chain", "finding"]
    assert [place["finding"] for place in shown if place["finding"]] == [{"observation": "Edema", "status": "present"}]


def _exported(db: Path, name: str = "reviews.jsonl") -> Path:
    cxr(db, "review", "export", name)
    return db.with_name(name)


# --- into the store -------------------------------------------------------------------------------------------------


def test_reviews_are_taken_in_once_and_the_last_word_decides(db: Path) -> None:
    words = ("--sample", "6", "--readers", "r1,r2", "--adjudicators", "r3", "--overlap", "1", "--repeats", "0.3")
    with drawn(db, *words) as book:
        read_all(book, r1=9, r2=1)
        first = take_in(db, book)
        assert (first.reviews, first.written) == (16, 16)
        assert take_in(db, book).written == 0
        with ReviewBook(book.path) as another:
            assert take_in(db, another).written == 0
        assert _counted(db) == {("first", 1.0): 6, ("first", 9.0): 6}, "repeats decide nothing"
        for place in book.queue("r3"):
            final = [change._replace(field=f"final.{change.field}") for change in scores(8, 8, 8)]
            book.save("r3", place.position, scores(2, 2, 2))
            book.save("r3", place.position, final)
        assert take_in(db, book).written == 6
        assert _counted(db) == {("adjudication", 8.0): 6}
        book.save("r1", 1, [changed("factuality", 7, 9), changed("steps.1", {"verdict": "wrong", "attribute": "side"})])
        assert take_in(db, book).written == 1
    rows = told(db, "select factuality, steps, seconds from reviews where factuality = 7")
    assert rows == [(7.0, [{"step_no": 1, "verdict": "wrong", "attribute": "side"}], 10.0)]
    assert told(db, "select count(*) from reviews") == [(22,)]


def _counted(db: Path) -> dict[tuple[str, float], int]:
    return {
        (round_, score): count
        for round_, score, count in told(db, "select round, factuality, count(*) from counted_reviews group by all")
    }


def test_what_was_made_anew_before_it_was_read_is_shown_anew_and_after_it_counts_no_more(db: Path) -> None:
    with drawn(db, "--sample", "4", "--readers", "r1", "--repeats", "0") as book:
        read, unread, gone, kept = (book.item(place.item_id) for place in book.queue("r1"))
        book.save("r1", 1, scores(1, 1, 1))
        book.save("r1", 4, scores(2, 2, 2))
        assert take_in(db, book).stale == 0
        factual = f"select count(*) from all_factual_chains where chain_id = '{read.chain_id}'"
        assert told(db, factual) == [(0,)]
        assert told(db, "select count(*) from counted_reviews") == [(2,)]
        with duckdb.connect(str(db)) as connection:
            anew = "update chains set steps = [{'step_no': 1, 'text': 'Made anew.', 'evidence': []}] where chain_id = ?"
            connection.execute(anew, [read.chain_id])
            connection.execute(anew, [unread.chain_id])
            connection.execute("delete from chains where chain_id = ?", [gone.chain_id])
        taken = take_in(db, book)
        assert taken.stale == 1
        assert len(taken.told) == 2
        assert book.shown("r1", 1)["stale"]
        with pytest.raises(StaleItem):
            book.save("r1", 1, [changed("factuality", 5, 1)])
        assert book.shown("r1", 2)["steps"][0]["text"] == "Made anew."
        assert not book.shown("r1", 2)["stale"]
        assert book.shown("r1", 3)["stale"]
        assert not book.shown("r1", 4)["stale"]
        assert problem_of(book) is None
    assert told(db, "select chain_id from counted_reviews") == [(kept.chain_id,)]
    assert told(db, factual) == [(1,)]
    assert "2 items were made anew" in cxr(db, "review", "status")


_HOLDER = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.readline()"


def test_a_store_that_another_command_holds_is_waited_for(db: Path) -> None:
    with drawn(db, "--sample", "3", "--readers", "r1", "--repeats", "0") as book:
        read_all(book, r1=6)
        with subprocess.Popen(
            [sys.executable, "-c", _HOLDER, db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stdout.readline()
            with pytest.raises(StoreLocked):
                take_in(db, book)
            assert f"process {holder.pid}" in cxr(db, "import", "reviews", book.path.name, "--wait", "0", code=1)
            # Readers save meanwhile, and who goes on with the study is told.
            book.save("r1", 1, [changed("comment", "While it is held.", "")])
            assert "will be seen when it is free" in cxr(db, "review", "--no-serve")

            def lets_go(sentence: str) -> None:
                said.append(sentence)
                print(file=holder.stdin, flush=True)
                holder.wait()

            said: list[str] = []
            assert once_free(lambda: take_in(db, book), 30.0, lets_go).written == 3
        assert len(said) == 1
        assert "waiting" in said[0]


def test_reviews_of_another_store_are_named_and_those_of_shared_chains_taken(db: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    foreign = Path(shutil.copy(db, other / "cxr.duckdb"))
    with drawn(db, "--sample", "4", "--readers", "r1", "--repeats", "0") as book:
        read_all(book, r1=6)
        gone = book.item(book.queue("r1")[0].item_id).chain_id
        with duckdb.connect(str(foreign)) as connection:
            connection.execute("update cxr_schema set applied_at = '2020-01-01' where version = 1")
            connection.execute("delete from chains where chain_id = ?", [gone])
        with pytest.raises(StoreError, match="another store"):
            take_in(foreign, book)
        with pytest.raises(StoreError, match="another store"):
            open_study(foreign, book.path, {})
        path = book.path
    exported = _exported(db)
    for source in (path, exported):
        said = cxr(foreign, "import", "reviews", str(source), code=4)
        assert "3 reviews of 3 chains written" in said
        assert "1 unknown_chain" in said
    assert "3 of them were there already" in said
    assert told(foreign, "select count(*) from reviews") == [(3,)]
    with ReviewBook(path) as book:
        take_in(db, book)
    for source in (path, exported):
        assert "4 of them were there already" in cxr(db, "import", "reviews", str(source))
    assert exported.stat().st_mode & 0o077 == 0


def test_an_export_trains_the_next_readers(db: Path) -> None:
    with drawn(db, "--sample", "2", "--readers", "lead", "--repeats", "0") as book:
        read_all(book, lead=3)
        book.save("lead", 1, [changed("comment", "The answer does not follow.", "")])
        taught = {item.chain_id for item in book.items()}
    _exported(db, "taught.jsonl")
    words = ("--book", "next.sqlite", "--sample", "5", "--readers", "r1", "--training", "taught.jsonl")
    cxr(db, "review", "--no-serve", *words)
    with ReviewBook(db.with_name("next.sqlite")) as book:
        rounds = [place.round for place in book.queue("r1")]
        assert rounds[:3] == ["training", "training", "first"]
        assert not {book.item(place.item_id).chain_id for place in book.queue("r1")[2:]} & taught
        read_all(book, r1=8)
        shown = book.shown("r1", 1)["feedback"]
        assert shown["state"]["factuality"] == 3
        assert "does not follow" in json.dumps([book.shown("r1", number)["feedback"] for number in (1, 2)])
        assert take_in(db, book).reviews == rounds.count("first") + rounds.count("repeat"), "training is not taken in"


# --- what was done to a book ----------------------------------------------------------------------------------------


def test_a_book_that_was_changed_is_told_by_every_command_and_not_taken_in(db: Path) -> None:
    with drawn(db, "--sample", "2", "--readers", "r1", "--repeats", "0") as book:
        read_all(book, r1=6)
        take_in(db, book)
    good = book.path.read_bytes()
    with sqlite3.connect(book.path) as connection:
        connection.executescript("drop trigger events_are_never_changed; update events set new = '9' where no = 1")
    connection.close()
    assert "line 1" in cxr(db, "review", "status", code=1)
    assert "line 1" in cxr(db, "import", "reviews", book.path.name, code=1)
    assert "line 1" in cxr(db, "review", "export", "kept.jsonl")
    book.path.write_bytes(good)
    with sqlite3.connect(book.path) as connection:
        connection.executescript(
            "drop trigger events_are_never_removed; delete from events where no = 8;"
            "delete from marks where position = 2 and field = 'done';"
            "update places set is_done = 0 where position = 2"
        )
    connection.close()
    with ReviewBook(book.path) as cut:
        assert problem_of(cut) is None, "a log whose end is cut off is whole in itself"
        with pytest.raises(StoreError, match="line 8"):
            take_in(db, cut)


def test_a_study_is_closed_once_and_what_was_read_is_in_the_store(db: Path) -> None:
    with drawn(db, "--sample", "2", "--readers", "r1", "--repeats", "0") as book:
        book.save("r1", 1, [*(changed(axis, 6) for axis in AXES), Change("closing-change", "done", False, True)])
    assert "1 reviews taken into" in cxr(db, "review", "close")
    assert "closed" in cxr(db, "review", "--no-serve", code=2)
    assert "it was closed" in cxr(db, "review", "status")
    assert told(db, "select reviewer, factuality from counted_reviews") == [("r1", 6.0)]
    assert "there is no review book" in cxr(db, "review", "close", "--book", "none.sqlite", code=1)
    log = _log(db)
    assert [line["field"] for line in log[-2:]] == ["done", "closed"]
    assert log[1]["previous"] == log[0]["hash"]


def _log(db: Path) -> list[dict[str, Any]]:
    cxr(db, "review", "export", "log.jsonl", "--as", "log")
    return [json.loads(line) for line in db.with_name("log.jsonl").read_text().splitlines()]
