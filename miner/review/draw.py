"""A study is drawn once, from a store into a review book, and gone on with by the same command."""

import contextlib
import secrets
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cxr.miner.kit.errors import InputError, SettingsError, StoreError, StoreLocked
from cxr.miner.kit.jsonl import records
from cxr.miner.kit.sql import read_sql
from cxr.miner.review.book import Drawn, ReviewBook, is_made, make_tables
from cxr.miner.review.events import About, append, beginning, canonical
from cxr.miner.review.items import chain_items, finding_items, row_of
from cxr.miner.review.queues import queues
from cxr.miner.review.reviews import Review
from cxr.miner.review.saving import ask_for_third
from cxr.miner.review.settings import ReviewSettings, What
from cxr.miner.review.state import Change
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.review")
_DRAWS = ("what", "sample", "task", "factual", "overlap", "repeats", "seed", "audit", "training")
"""What is settled when a study is drawn."""


@dataclass
class Opened:
    """A book that is there to be read from: whether it was drawn just now, and what else to tell, a sentence each."""

    path: Path
    is_new: bool
    told: list[str] = field(default_factory=list)


def book_path(db: Path) -> Path:
    """Return where the review book of a store lies."""
    return db.with_name(f"{db.stem}.reviews.sqlite")


def store_identity(store: Store) -> str:
    """Return what tells a store from another one: when it was made."""
    ((made_at,),) = store.rows("select applied_at from cxr_schema where version = 1")
    return str(made_at.isoformat())


def open_study(db: Path, path: Path, given: Mapping[str, object]) -> Opened:
    """Draw a study into a book, or go on with the one that is there; `given` is what the user said, None unsaid.

    A new name among the readers or adjudicators joins. Raises SettingsError where there is nothing to go on with and no
    reader is named, and where what is given is not what was drawn; StoreError for a book of another store; InputError
    where there is nothing to draw.
    """
    settings = ReviewSettings.resolve(db, **given)
    if not is_made(path):
        if not settings.readers:
            raise SettingsError(f"review: there is no study in {path} yet; --readers r1,r2 says who is to read one")
        with Store.write(db) as store:
            return _draw(store, path, settings)
    opened = Opened(path, is_new=False)
    with ReviewBook(path) as book:
        _demand_same(book, settings, given)
        _join(book, settings)
        try:
            with Store.read(db) as store:
                demand_store(book, store)
                opened.told += renew(book, store)
        except StoreLocked as locked:
            opened.told.append(f"{locked}; whether a chain was made anew will be seen when it is free")
    return opened


def _draw(store: Store, path: Path, settings: ReviewSettings) -> Opened:
    """Draw a study, and note that in `runs`."""
    recorded = settings.model_dump(mode="json")
    with store.run("review", {**recorded, "book": path.name}) as run:
        training = _training(store, settings)
        items = _items(store, settings, [item.chain_id for item in training])
        if not items:
            raise InputError(
                "there is nothing to review that was asked for; `cxr mine` makes chains, `cxr score` takes findings "
                "out of them, and `cxr status` shows what there is"
            )
        study = (uuid.uuid4().hex[:12], store_identity(store), str(settings.what), canonical(recorded), _now())
        make_tables(path, lambda connection: _fill(connection, study, items, training, settings))
        run.rows_written = len(items)
    opened = Opened(path, is_new=True)
    if len(items) < settings.sample and settings.what != What.AUDIT:
        opened.told.append(f"{len(items):,} items were drawn of {settings.sample:,} asked for: there are no more")
    return opened


def _fill(
    connection: sqlite3.Connection,
    study: Sequence[str],
    items: Sequence[Drawn],
    training: Sequence[Drawn],
    settings: ReviewSettings,
) -> None:
    rows = [row_of(item) for item in (*training, *items)]
    begins = beginning(study, {row[0]: row[8] for row in rows})
    connection.execute("insert into study values (?, ?, ?, ?, ?, ?, null)", (*study, begins))
    connection.executemany(f"insert into items values ({', '.join('?' * len(rows[0]))})", rows)
    read_by = queues(
        [item.item_id for item in items],
        [item.item_id for item in training],
        settings.readers,
        overlap=settings.overlap,
        repeats=settings.repeats,
        seed=settings.seed,
    )
    for reader, queue in read_by.items():
        _add_reader(connection, reader, is_adjudicator=False)
        connection.executemany(
            "insert into places values (?, ?, ?, ?, 0)",
            [(reader, position, item, round_) for position, (item, round_) in enumerate(queue, start=1)],
        )
    for reader in settings.adjudicators:
        if reader not in read_by:
            _add_reader(connection, reader, is_adjudicator=True)


def _add_reader(connection: sqlite3.Connection, reader: str, *, is_adjudicator: bool) -> None:
    connection.execute("insert into readers values (?, ?, ?)", (reader, secrets.token_urlsafe(18), int(is_adjudicator)))


def _items(store: Store, settings: ReviewSettings, known: Sequence[str | None]) -> list[Drawn]:
    if settings.what is What.AUDIT:
        return _audited(store, settings)[: settings.sample]
    wanted = {"seed": settings.seed, "tasks": [str(task) for task in settings.task], "most": settings.sample}
    if settings.what is What.FINDINGS:
        return finding_items(store, store.rows(_SQL["draw_findings"], wanted))
    store.connection.execute("create or replace temporary table drawn_already as select unnest(?) as chain_id", [known])
    chains = store.rows(_SQL["draw_chains"], {**wanted, "factual": settings.factual})
    return chain_items(store, [chain for (chain,) in chains])


def _audited(store: Store, settings: ReviewSettings) -> list[Drawn]:
    """Return the lines of an audit's file: its chains, and whether the report bears out what labelers differ on."""
    if settings.audit is None:
        raise SettingsError("review: --what audit shows the lines that `cxr audit -o FILE` drew; give --audit FILE")
    chains: list[str] = []
    findings: list[tuple[str | None, str, str, str]] = []
    for line in _lines(settings.audit, "lines by `cxr audit -o`"):
        if isinstance(line.get("chain_id"), str):
            chains.append(line["chain_id"])
        elif isinstance(line.get("study_id"), str) and isinstance(line.get("finding"), str):
            findings.append((None, line["study_id"], line["finding"], "present"))
    items = {item.item_id: item for item in (*finding_items(store, findings), *chain_items(store, chains))}
    return list(items.values())


def _training(store: Store, settings: ReviewSettings) -> list[Drawn]:
    """Return the chains of an export of reviews, each with what was said of it there."""
    if settings.training is None:
        return []
    if settings.what is not What.CHAINS:
        raise SettingsError("review: --training goes with chains; give it without --what")
    said: dict[str, dict[str, Any]] = {}
    for line in _lines(settings.training, "an export by `cxr review export`"):
        with contextlib.suppress(ValidationError):
            review = Review.model_validate(line)
            if review.chain_id is not None:
                said[review.chain_id] = {"text": review.comment or "", "state": review.state()}
    items = chain_items(store, list(said))
    if not items:
        raise InputError(
            f"{settings.training} has no review of a chain of this store; expected an export by `cxr review export`"
        )
    return [item._replace(training=said[str(item.chain_id)]) for item in items]


def _lines(path: Path, wanted: str) -> list[dict[str, Any]]:
    try:
        return [line for _, line in records(path) if isinstance(line, dict)]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected {wanted}") from None


def _demand_same(book: ReviewBook, settings: ReviewSettings, given: Mapping[str, object]) -> None:
    """Raise SettingsError where the user now says something else than the study was drawn with."""
    study = book.study()
    if study.closed_at is not None:
        raise SettingsError(f"review: the study in {book.path} is closed; --book FILE draws another one, beside it")
    now = settings.model_dump(mode="json")
    for name in _DRAWS:
        if given.get(name) is not None and now[name] != study.settings.get(name):
            raise SettingsError(
                f"review: the study in {book.path} was drawn with another --{name}; give none to go on with it, or "
                "--book FILE for another study"
            )


def _join(book: ReviewBook, settings: ReviewSettings) -> None:
    """Add readers who are named and not there yet: they adjudicate, for what was drawn is given out."""
    there = book.readers()
    new = [name for name in dict.fromkeys((*settings.readers, *settings.adjudicators)) if name not in there]
    if not new:
        return

    def add(connection: sqlite3.Connection) -> None:
        for reader in new:
            _add_reader(connection, reader, is_adjudicator=True)
            append(connection, About(reader), Change(uuid.uuid4().hex, "joined", None, reader))
        for (item_id,) in connection.execute("select item_id from items order by item_id").fetchall():
            ask_for_third(connection, item_id)

    book.write(add)


def demand_store(book: ReviewBook, store: Store) -> None:
    """Raise StoreError where a book was drawn from another store."""
    if book.study().store != store_identity(store):
        raise StoreError(
            f"{book.path} holds a study of another store than {store.path}; give that one with --db, or a --book; "
            "`cxr import reviews` takes over the reviews of chains that both have"
        )


def renew(book: ReviewBook, store: Store) -> list[str]:
    """Look whether items are still in the store as they were drawn, and return what to tell.

    One that nobody has said anything of is drawn anew; one that somebody has is stale, and no longer shown for review.
    """
    items = [item for item in book.items() if not item.is_stale]
    chains = chain_items(store, [item.chain_id for item in items if item.content["what"] == "chain" and item.chain_id])
    findings = finding_items(
        store,
        [
            (item.chain_id, item.study_id, *item.content["finding"].values())
            for item in items
            if item.content["what"] == "finding"
        ],
    )
    today = {item.item_id: item for item in (*chains, *findings)}
    changed = [item for item in items if _fingerprint(today, item) != item.fingerprint]
    if not changed:
        return []
    stale = book.write(lambda connection: sum(_renewed(connection, item, today) for item in changed))
    told = []
    if fresh := len(changed) - stale:
        told.append(f"{fresh:,} items were made anew before anybody had read them, and are shown as they are now")
    if stale:
        told.append(f"{stale:,} items were made anew since they were read: they are not shown again, and do not count")
    return told


def _fingerprint(today: Mapping[str, Drawn], item: Drawn) -> str | None:
    return today[item.item_id].fingerprint if item.item_id in today else None


def _renewed(connection: sqlite3.Connection, item: Drawn, today: Mapping[str, Drawn]) -> bool:
    """Draw an item anew, or mark it stale; return whether it is stale."""
    new = today.get(item.item_id)
    is_read = connection.execute(
        "select 1 from events where item_id = ? and reader <> '' limit 1", (item.item_id,)
    ).fetchone()
    about = About(item_id=item.item_id, fingerprint=item.fingerprint)
    (was,) = connection.execute("select digest from items where item_id = ?", (item.item_id,)).fetchone()
    if is_read or new is None:
        append(connection, about, Change(uuid.uuid4().hex, "stale", was, None))
        connection.execute("update items set is_stale = 1 where item_id = ?", (item.item_id,))
        return True
    row = row_of(new._replace(training=item.training))
    append(connection, about, Change(uuid.uuid4().hex, "renewed", was, row[8]))
    connection.execute(f"insert or replace into items values ({', '.join('?' * len(row))})", row)
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
