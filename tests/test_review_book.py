"""The review book: what is answered is on the disk, once, and in a log that shows every later change."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import CxrError, InputError, StoreError
from cxr.miner.review import book as books
from cxr.miner.review.book import ReviewBook, is_made
from cxr.miner.review.refusals import Conflict, DiskRefused, StudyClosed, UnknownPlace
from cxr.miner.review.state import AXES, Change, differ, empty_state, read_change
from cxr.miner.review.verify import problem_of
from tests.conftest import ROOT
from tests.reviewing import write_book

TOKENS = {"r1": "first-token", "r2": "second-token", "r3": "third-token"}
_ids = itertools.count()


def changed(field: str, new: object, old: object = None) -> Change:
    """Give a change with an id of its own."""
    return Change(f"change-{next(_ids):08}", field, old, new)


def scores(*given: int | None) -> list[Change]:
    """Give three scores, and that this is all."""
    return [*(changed(axis, score) for axis, score in zip(AXES, given, strict=True)), changed("done", True, False)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_book(tmp_path / "book.sqlite", TOKENS)


@pytest.fixture
def book(path: Path) -> Iterator[ReviewBook]:
    with ReviewBook(path) as opened:
        yield opened


# --- saves ----------------------------------------------------------------------------------------------------------


def test_what_was_saved_is_there_for_the_next_process_and_for_its_owner_alone(path: Path, book: ReviewBook) -> None:
    said = [changed("factuality", 7), changed("steps.1", {"verdict": "wrong", "attribute": "side"})]
    state = book.save("r1", 2, said, 4.5)
    assert state["factuality"] == 7
    assert state["steps"] == {"1": {"verdict": "wrong", "attribute": "side"}}
    with ReviewBook(path) as again:
        assert again.shown("r1", 2)["state"] == state
        assert again.shown("r2", 2)["state"] == empty_state()
        assert again.rows("select sum(seconds) from events") == [(4.5,)]
        assert again.reader_of("first-token") == "r1"
        assert again.reader_of("no-token") is None
    files = list(path.parent.glob("book.sqlite*"))
    assert {file.stat().st_mode & 0o077 for file in files} == {0}


def test_a_save_that_is_sent_again_is_answered_as_before_and_written_once(book: ReviewBook) -> None:
    first, then = changed("validity", 3), changed("validity", 5, 3)
    book.save("r1", 1, [first], 2.0)
    # The answer was lost, so the page sends what it sent, and what came since.
    assert book.save("r1", 1, [first, then], 2.0)["validity"] == 5
    assert book.save("r1", 1, [first, then], 2.0)["validity"] == 5
    assert book.rows("select new, seconds from events order by no") == [("3", 2.0), ("5", 2.0)]
    with pytest.raises(InputError, match="id of a change"):
        book.save("r1", 2, [first])


def test_of_two_tabs_the_slower_is_told_what_stands_there_and_nothing_of_it_is_written(book: ReviewBook) -> None:
    book.save("r1", 1, [changed("comment", "Seen.", "")])
    with pytest.raises(Conflict) as raised:
        book.save("r1", 1, [changed("factuality", 4), changed("comment", "Not seen.", "")])
    assert raised.value.state["comment"] == "Seen."
    assert raised.value.state["factuality"] is None
    assert book.head()[0] == 1


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("factuality", 11), ("factuality", 4.5), ("factuality", "7"), ("factuality", True), ("validity", float("nan")),
        ("validity", float("inf")), ("cannot_judge", 1), ("comment", None), ("comment", "x" * 4_001),
        ("steps.0", {"verdict": "right"}), ("steps.2", {"verdict": "right"}), ("steps.01", {"verdict": "right"}),
        ("steps.x", None), ("steps.1", {"verdict": "doubtful"}), ("steps.1", {"verdict": "right", "attribute": "side"}),
        ("steps.1", {"verdict": "wrong", "attribute": "colour"}), ("steps.1", ["wrong"]), ("verdict", "perhaps"),
        ("engine", "rules"), ("final.factuality", 3), ("done", True), ("", 1),
    ],
)  # fmt: skip
def test_a_value_that_a_field_cannot_have_is_refused_in_a_sentence(book: ReviewBook, field: str, new: object) -> None:
    old = {"cannot_judge": False, "comment": "", "done": False}.get(field)
    with pytest.raises(InputError) as raised:
        book.save("r1", 1, [changed(field, new, old)])
    assert len(str(raised.value)) < 200
    assert book.head()[0] == 0


@pytest.mark.parametrize("given", [None, [], {"event": "x"}, {"event": 1, "field": "done", "old": False, "new": True},
                                   {"event": "short", "field": "done", "old": False, "new": True}])  # fmt: skip
def test_what_is_no_change_is_refused(given: object) -> None:
    with pytest.raises(InputError):
        read_change(given)


def test_what_cannot_be_judged_is_done_without_scores_and_a_word_can_be_taken_back(book: ReviewBook) -> None:
    done = [changed("cannot_judge", True, False), changed("done", True, False)]
    assert book.save("r1", 1, done)["done"]
    assert book.progress("r1", after=1) == (1, 3, 2)
    assert not book.save("r1", 1, [changed("done", False, True)])["done"]
    assert book.progress("r1") == (0, 3, 1)
    with pytest.raises(UnknownPlace):
        book.save("r1", 4, done)
    with pytest.raises(UnknownPlace):
        book.shown("nobody", 1)


def test_text_that_no_file_can_hold_is_kept_as_far_as_it_is_text(book: ReviewBook) -> None:
    state = book.save("r1", 1, [changed("comment", "half a pair \ud83d, and\0 nothing", "")])
    assert state["comment"] == "half a pair �, and nothing"
    again = changed("comment", "<b>ümlaut</b> 😀", "half a pair \ud83d, and\0 nothing")
    assert book.save("r1", 1, [again])["comment"] == "<b>ümlaut</b> 😀"


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -3.0, 1e9])
def test_a_time_that_is_none_loses_no_save(book: ReviewBook, seconds: float) -> None:
    book.save("r1", 1, [changed("factuality", 1)], seconds)
    ((kept,),) = book.rows("select seconds from events")
    assert 0 <= kept <= 3600


def test_a_clock_that_jumps_back_changes_no_order(book: ReviewBook, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        years = iter((2036, 1999, 2026))

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime(next(cls.years), 1, 1, tzinfo=UTC)

    monkeypatch.setattr("cxr.miner.review.events.datetime", Clock)
    for old, new in ((None, 1), (1, 2), (2, 3)):
        book.save("r1", 1, [changed("factuality", new, old)])
    assert book.shown("r1", 1)["state"]["factuality"] == 3
    assert problem_of(book) is None


def test_a_closed_study_takes_nothing_more_and_can_be_looked_at(book: ReviewBook) -> None:
    first = changed("factuality", 2)
    book.save("r1", 1, [first])
    book.finish()
    closed_at = book.study().closed_at
    book.finish()
    assert book.study().closed_at == closed_at
    with pytest.raises(StudyClosed):
        book.save("r1", 1, [changed("factuality", 3, 2)])
    assert book.save("r1", 1, [first])["factuality"] == 2, "what was there is answered as before"
    assert book.head()[0] == 2


# --- many at once, full disks and kills -----------------------------------------------------------------------------


def test_savers_at_once_lose_nothing_and_are_one_chain(book: ReviewBook) -> None:
    def reads(reader: str, position: int) -> None:
        for number in range(20):
            book.save(reader, position, [changed("factuality", number % 5, (number - 1) % 5 if number else None)])

    threads = [threading.Thread(target=reads, args=(reader, place)) for reader in TOKENS for place in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert book.head()[0] == 9 * 20
    assert problem_of(book) is None


def test_a_full_disk_is_said_and_the_same_save_goes_through_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = books.connect

    def small(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    monkeypatch.setattr(books, "connect", small)
    with ReviewBook(path) as book:
        book.save("r1", 1, [changed("factuality", 1)])
        pages = opened[-1].execute("pragma page_count").fetchone()[0]
        opened[-1].execute(f"pragma max_page_count = {pages}")
        long = [changed("comment", "x" * 4_000, ""), changed("missing", "y" * 4_000, "")]
        with pytest.raises(DiskRefused, match="disk is full"):
            for _ in range(4):  # free pages of the file may take some
                book.save("r2", 1, [*long])
                long = [changed("comment", "x" * 3_999, "x" * 4_000), changed("missing", "y" * 3_999, "y" * 4_000)]
        assert problem_of(book) is None
        lines = book.head()[0]
        opened[-1].execute("pragma max_page_count = 100000")
        book.save("r3", 1, [changed("comment", "x" * 4_000, "")])
        assert book.head()[0] == lines + 1
        assert problem_of(book) is None


_SAVER = """
import sys
from pathlib import Path
from cxr.miner.review.book import ReviewBook
from cxr.miner.review.state import Change
with ReviewBook(Path(sys.argv[1])) as book:
    old = None
    for number in range(100_000):
        book.save("r1", 1, [Change(f"change-{number:08}", "factuality", old, number % 7)], 1.0)
        old = number % 7
        print(number, flush=True)
"""
_DRAWER = """
import os, signal, sys
from pathlib import Path
from cxr.miner.review.book import make_tables
def fill(connection):
    connection.executemany("insert into readers values (?, ?, 0)", [(f"r{n}", f"{n}" * 900) for n in range(2_000)])
    os.kill(os.getpid(), signal.SIGKILL)
make_tables(Path(sys.argv[1]), fill)
"""


def _python(script: str, path: Path) -> "subprocess.Popen[str]":
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", script, path], env=here, stdout=subprocess.PIPE, text=True)


def test_who_saves_can_be_killed_and_all_that_was_answered_is_there_once(path: Path) -> None:
    with _python(_SAVER, path) as saver:
        assert saver.stdout is not None
        answered = [int(saver.stdout.readline()) for _ in range(40)]
        saver.kill()
        answered += [int(line) for line in saver.stdout if line.endswith("\n")]
    with ReviewBook(path) as book:
        kept = [event for (event,) in book.rows("select event from events order by no")]
        assert kept[: len(answered)] == [f"change-{number:08}" for number in answered]
        assert len(kept) - len(answered) in {0, 1}, "at most one was on the disk and not answered yet"
        assert problem_of(book) is None
        book.save("r1", 1, [changed("validity", 2)])


def test_who_draws_can_be_killed_and_the_next_draws(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    with _python(_DRAWER, path) as drawer:
        drawer.wait()
    assert drawer.returncode == -signal.SIGKILL
    assert path.exists()
    assert not is_made(path)
    write_book(path, TOKENS)
    assert is_made(path)


# --- a log that shows what was done to it ---------------------------------------------------------------------------

_NO_GUARD = "drop trigger events_are_never_changed; drop trigger events_are_never_removed;"


def _tamper(path: Path, statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)


def test_no_statement_changes_the_log(path: Path, book: ReviewBook) -> None:
    book.save("r1", 1, scores(7, 7, 7))
    for statement in ("update events set new = '9'", "delete from events"):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            _tamper(path, statement)


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (_NO_GUARD + "update events set new = '9' where no = 2", "line 2"),
        (_NO_GUARD + "update events set at = '2020-01-01' where no = 4", "line 4"),
        (_NO_GUARD + "delete from events where no = 3", "line 3"),
        ("update marks set value = '10' where field = 'validity'", "beside its log"),
        ("update items set content = replace(content, 'normal', 'large') where item_id = 'item00001'", "item00001"),
        ("update places set is_done = 0 where reader = 'r1'", "beside its log"),
        ("update places set round = 'repeat' where reader = 'r1'", "beside its log"),
        ("update places set is_done = 1 where reader = 'r2'", "beside its log"),
        ("update study set drawn_at = '2020-01-01'", "as it was drawn"),
        ("delete from items where item_id = 'item00003'", "as it was drawn"),
    ],
)
def test_what_is_done_around_the_log_shows(path: Path, book: ReviewBook, statements: str, problem: str) -> None:
    book.save("r1", 1, scores(7, 7, 7))
    assert problem_of(book) is None
    _tamper(path, statements)
    assert problem in str(problem_of(book))


@pytest.mark.parametrize("held", [b"", b"no book", None])
def test_a_file_that_is_no_book_is_named(tmp_path: Path, held: bytes | None) -> None:
    path = tmp_path / "book.sqlite"
    if held is None:
        _tamper(path, "create table others (a)")
    else:
        path.write_bytes(held)
    with pytest.raises(StoreError, match=r"book\.sqlite"):
        ReviewBook(path)


# --- a third reader -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ((7, 7, 7), (7, 7, 7), False),
        ((9, 9, 9), (5, 5, 5), False),  # 4 apart, and both at the gate or above
        ((10, 9, 9), (5, 9, 9), True),  # 5 apart
        ((5, 9, 9), (4, 9, 9), True),  # both sides of 5
        ((4, 9, 9), (0, 9, 9), False),
        ((-10, 9, 9), (-5, 9, 9), True),
        (None, (9, 9, 9), False),  # one who cannot judge differs from nobody
    ],
)
def test_who_is_heard_by_a_third(one: Any, other: Any, wanted: bool) -> None:
    def state(given: tuple[int, ...] | None) -> dict[str, Any]:
        return {**empty_state(), "cannot_judge": given is None, **dict(zip(AXES, given or (), strict=False))}

    assert differ(state(one), state(other)) is wanted
    assert differ(state(other), state(one)) is wanted


def test_verdicts_differ_where_they_are_others() -> None:
    assert differ({**empty_state(), "verdict": "supported"}, {**empty_state(), "verdict": "contradicted"})


@pytest.fixture
def two_and_a_third(tmp_path: Path) -> Path:
    """Write a book whose third reader only adjudicates."""
    path = write_book(tmp_path / "pair.sqlite", {"r1": "one", "r2": "two"})
    with ReviewBook(path) as book:
        book.write(lambda connection: connection.execute("insert into readers values ('r3', 'three', 1)"))
    return path


def test_a_third_reads_alone_then_sees_both_then_has_the_last_word(two_and_a_third: Path) -> None:
    with ReviewBook(two_and_a_third) as book:
        book.save("r1", 1, scores(8, 8, 8))
        assert book.queue("r3") == []
        book.save("r2", 1, scores(8, 2, 8))
        book.save("r1", 2, scores(8, 8, 8))
        book.save("r2", 2, scores(7, 7, 7))
        ((position, item, round_, is_done),) = book.queue("r3")
        assert (position, item, round_, is_done) == (1, "item00001", "adjudication", False)
        assert book.shown("r3", 1)["others"] is None
        with pytest.raises(InputError, match="after one's own"):
            book.save("r3", 1, [changed("final.factuality", 8)])
        own = book.save("r3", 1, scores(6, 3, 8))
        assert not book.queue("r3")[0].is_done, "the last word is to come"
        assert own["final"] == empty_state()
        others = book.shown("r3", 1)["others"]
        assert [view["state"]["validity"] for view in others] == [8, 2]
        assert not {"r1", "r2"} & {view["reader"] for view in others}
        with pytest.raises(InputError, match="own view"):
            book.save("r3", 1, [changed("validity", 8, 3)])
        final = [c._replace(field=f"final.{c.field}") for c in scores(8, 4, 8)]
        assert book.save("r3", 1, final)["final"]["validity"] == 4
        assert book.queue("r3")[0].is_done
        # A reader who thinks again is not in the way of what was decided.
        book.save("r2", 1, [changed("validity", 9, 2)])
        assert len(book.queue("r3")) == 1
        assert problem_of(book) is None


def test_nobody_adjudicates_what_they_have_read(book: ReviewBook) -> None:
    for reader, score in (("r1", 9), ("r2", 1)):
        book.save(reader, 1, scores(score, 9, 9))
    assert [len(book.queue(reader)) for reader in TOKENS] == [3, 3, 3]
    assert book.waiting() == 1


def test_training_is_told_after_ones_own_word_which_then_stays(tmp_path: Path) -> None:
    path = write_book(tmp_path / "book.sqlite", {"r1": "one"})
    feedback = {"text": "The effusion is on the left.", "state": empty_state()}

    def trains(connection: sqlite3.Connection) -> None:
        connection.execute("update places set round = 'training' where position = 1")
        connection.execute("update items set training = ? where item_id = 'item00001'", (json.dumps(feedback),))

    with ReviewBook(path) as book:
        book.write(trains)
        assert book.shown("r1", 1)["feedback"] is None
        book.save("r1", 1, scores(1, 2, 3))
        assert book.shown("r1", 1)["feedback"] == feedback
        with pytest.raises(InputError):
            book.save("r1", 1, [changed("factuality", 9, 1)])


def test_work_that_fails_is_undone_alone(book: ReviewBook) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("insert into readers values ('r9', 'nine', 0)")
        raise CxrError("no")

    works: list[Callable[[], object]] = [
        lambda: book.write(fails),
        lambda: book.save("r1", 1, [changed("validity", 1)]),
    ]
    with pytest.raises(CxrError, match="no"):
        works[0]()
    works[1]()
    assert "r9" not in book.readers()
    assert book.head()[0] == 1
