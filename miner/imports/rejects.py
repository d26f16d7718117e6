"""Records that cannot be used: what is wrong with them, and their rows in the store."""

from collections import Counter
from collections.abc import Sequence

import polars as pl
from pydantic import ValidationError

from cxr.miner.store import Run, Store
from cxr.schemas.rejection import Reject
from cxr.schemas.vocabulary import Stage


def what_is_wrong(error: ValidationError, *, named: bool = False) -> str:
    """Return the first thing that a record's check found; `named` says in which field."""
    first = error.errors()[0]
    said, field = first["msg"].removeprefix("Value error, "), ".".join(str(part) for part in first["loc"])
    return f"{field}: {said}" if named and field else said


def by_reason(rejects: Sequence[Reject]) -> dict[str, int]:
    """Return how many records were rejected, by reason."""
    return dict(Counter(reject.reason for reject in rejects))


def insert_rejects(
    store: Store, corpus: str, rejects: Sequence[Reject], run: Run, settings_hash: str | None = None
) -> None:
    """Append rejects of the import stage under a corpus's name, and count them for the run."""
    columns = ("stage", "corpus", "reject_key", "reason", "message", "run_id", "settings_hash")
    rows = [
        (str(Stage.IMPORT), corpus, key, str(reason), message, run.run_id, settings_hash)
        for key, reason, message in rejects
    ]
    run.rejects += store.insert("rejects", pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row"))


def replace_rejects(store: Store, corpus: str, file: str, rejects: Sequence[Reject], run: Run) -> None:
    """Put the rejects of a file, whose keys begin with its name, in the place of those of an earlier import of it."""
    store.connection.execute(
        "delete from rejects where stage = ? and corpus = ? and starts_with(reject_key, ?)",
        [str(Stage.IMPORT), corpus, f"{file}:"],
    )
    insert_rejects(store, corpus, rejects, run)
