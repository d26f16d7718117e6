"""One save: changes are checked against what the book has, written into its log, and a third reader is asked for."""

import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

from cxr.miner.kit.errors import InputError
from cxr.miner.review.events import About, append, canonical, loaded
from cxr.miner.review.refusals import Conflict, StaleItem, StudyClosed
from cxr.miner.review.showing import marks_in, place_of, state_in
from cxr.miner.review.state import (
    FINAL,
    Change,
    State,
    checked,
    demand_complete,
    differ,
    empty_state,
    readable,
    state_of,
    value_of,
)

LONGEST_SECONDS = 3600.0
"""A page that stood open over lunch is no hour of reading: longer than this counts as this."""

_THIRD = """
    select reader, (select coalesce(max(position), 0) from places where places.reader = readers.reader)
    from readers where reader not in (select reader from places where item_id = ?)
    order by is_adjudicator desc, (
        select count(*) from places where places.reader = readers.reader and round = 'adjudication'), rowid
    limit 1
"""


def save_in(
    connection: sqlite3.Connection, reader: str, position: int, changes: Sequence[Change], seconds: float
) -> State:
    """Write changes within a transaction and return the state; see `ReviewBook.save` for what is raised."""
    item_id, round_ = place_of(connection, reader, position)
    marks = marks_in(connection, reader, position)
    new = [change for change in changes if not _is_there(connection, reader, position, change)]
    if not new:
        return state_of(marks, round_)
    (closed_at,) = connection.execute("select closed_at from study").fetchone()
    fingerprint, is_stale, text = connection.execute(
        "select fingerprint, is_stale, content from items where item_id = ?", (item_id,)
    ).fetchone()
    if closed_at is not None:
        raise StudyClosed("this study is closed, and takes no more changes; thank you for reading")
    if is_stale:
        raise StaleItem(state_of(marks, round_))
    about = About(reader, position, item_id, fingerprint, round_)
    content = loaded(text)
    before, spent = state_of(marks, round_), min(seconds, LONGEST_SECONDS)
    for change in new:
        if not _is_current(change, marks):
            raise Conflict(before)
        value = checked(change.field, change.new, round_, len(content["steps"]))
        _demand_open(change.field, marks, round_)
        marks[change.field] = value
        append(connection, about, change._replace(old=readable(change.old), new=value), spent)
        connection.execute(
            "insert or replace into marks values (?, ?, ?, ?)", (reader, position, change.field, canonical(value))
        )
        spent = 0.0
    state = state_of(marks, round_)
    _settle(connection, about, state, content["what"])
    return state


def _is_there(connection: sqlite3.Connection, reader: str, position: int, change: Change) -> bool:
    """Return whether a change is in the log already; raises InputError where its id is that of another change."""
    row = connection.execute("select reader, position, field from events where event = ?", (change.event,)).fetchone()
    if row is not None and row != (reader, position, change.field):
        raise InputError("the id of a change was used for another one; every change takes a new id")
    return row is not None


def _is_current(change: Change, marks: dict[str, Any]) -> bool:
    """Return whether a change begins from what the book has; raises InputError for a field that there is not."""
    try:
        return canonical(readable(change.old)) == canonical(value_of(marks, change.field))
    except KeyError:
        raise InputError("a change names a field that there is not; expected one of a review's") from None


def _demand_open(field: str, marks: dict[str, Any], round_: str) -> None:
    """Raise InputError for a change of one's own view after the others' was seen, and of a final word before."""
    if round_ not in {"adjudication", "training"}:
        return
    own_is_done = bool(marks.get("done"))
    if field.startswith(FINAL):
        if not own_is_done:
            raise InputError("the final word comes after one's own view is done")
    elif own_is_done:
        raise InputError("one's own view stays as it was before the other views were seen")


def _settle(connection: sqlite3.Connection, about: About, state: State, what: str) -> None:
    """Keep whether the place is done, and ask for a third reader where two differ."""
    if state["done"]:
        demand_complete(state, what)
    last = state
    if about.round == "adjudication":
        last = state["final"] or empty_state()
        if last["done"]:
            demand_complete(last, what)
    connection.execute(
        "update places set is_done = ? where reader = ? and position = ? and is_done <> ?",
        (last["done"], about.reader, about.position, last["done"]),
    )
    if about.round == "first" and state["done"]:
        ask_for_third(connection, about.item_id)


def ask_for_third(connection: sqlite3.Connection, item_id: str) -> str | None:
    """Put an item on which its two readers differ into a third one's queue; return whose, None where nobody's.

    An adjudicator comes before a reader who has not met the item, and of several the one with the fewest such places.
    Once asked, a third reader stays asked, whatever the two say then.
    """
    if not (views := _apart(connection, item_id)):
        return None
    third = connection.execute(_THIRD, (item_id,)).fetchone()
    if third is None:
        return None
    reader, last = third
    connection.execute("insert into places values (?, ?, ?, 'adjudication', 0)", (reader, last + 1, item_id))
    about = About(reader, last + 1, item_id, "", "adjudication")
    append(connection, about, Change(uuid.uuid4().hex, "asked", None, [view for view, _ in views]))
    return str(reader)


def waiting_in(connection: sqlite3.Connection) -> int:
    """Return how many items wait for a third reader who is not there."""
    items = connection.execute("select item_id from items").fetchall()
    return sum(bool(_apart(connection, item_id)) for (item_id,) in items)


def _apart(connection: sqlite3.Connection, item_id: str) -> list[tuple[str, int]]:
    """Return who first read an item, and where, if two did, differ, and nobody was asked for a final word yet."""
    places = connection.execute(
        "select reader, position, round, is_done from places where item_id = ?", (item_id,)
    ).fetchall()
    views = [(reader, position) for reader, position, round_, is_done in places if round_ == "first" and is_done]
    if len(views) < 2 or any(round_ == "adjudication" for _, _, round_, _ in places):
        return []
    one, other = (state_in(connection, reader, position, "first") for reader, position in views[:2])
    return views if differ(one, other) else []
