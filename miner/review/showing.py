"""What the page shows in a place of a reader's queue, and what it does not: engine, judge, repeats, others' views."""

import sqlite3
from typing import Any

from cxr.miner.review.events import loaded
from cxr.miner.review.refusals import UnknownPlace
from cxr.miner.review.state import State, state_of

AS_TOLD = {"repeat": "first"}
"""Rounds as a reader is told them: that an item comes twice is not announced."""


def shown_in(connection: sqlite3.Connection, reader: str, position: int) -> dict[str, Any]:
    """Return a place with its item, the reader's state, and what their own word has opened to them."""
    item_id, round_ = place_of(connection, reader, position)
    content, training, is_stale = connection.execute(
        "select content, training, is_stale from items where item_id = ?", (item_id,)
    ).fetchone()
    (of,) = connection.execute("select count(*) from places where reader = ?", (reader,)).fetchone()
    state = state_in(connection, reader, position, round_)
    return {
        "position": position,
        "of": of,
        "round": AS_TOLD.get(round_, round_),
        **loaded(content),
        "state": state,
        "others": _others(connection, item_id) if round_ == "adjudication" and state["done"] else None,
        "feedback": loaded(training) if round_ == "training" and state["done"] and training else None,
        "stale": bool(is_stale),
    }


def place_of(connection: sqlite3.Connection, reader: str, position: int) -> tuple[str, str]:
    """Return the item and the round of a place; raises UnknownPlace where there is none."""
    row = connection.execute(
        "select item_id, round from places where reader = ? and position = ?", (reader, position)
    ).fetchone()
    if row is None:
        raise UnknownPlace("there is no such place in this reader's queue")
    return row[0], row[1]


def marks_in(connection: sqlite3.Connection, reader: str, position: int) -> dict[str, Any]:
    """Return the newest value of each field of a place that was ever changed."""
    rows = connection.execute("select field, value from marks where reader = ? and position = ?", (reader, position))
    return {field: loaded(value) for field, value in rows}


def state_in(connection: sqlite3.Connection, reader: str, position: int, round_: str) -> State:
    """Return the state of a place."""
    return state_of(marks_in(connection, reader, position), round_)


def _others(connection: sqlite3.Connection, item_id: str) -> list[dict[str, Any]]:
    """Return what the first readers of an item said, without their names, in an order that does not tell them."""
    rows = connection.execute(
        "select reader, position from places where item_id = ? and round = 'first' and is_done "
        "order by position, reader",
        (item_id,),
    ).fetchall()
    return [
        {"reader": f"Reader {chr(ord('A') + number)}", "state": state_in(connection, reader, position, "first")}
        for number, (reader, position) in enumerate(rows)
    ]
