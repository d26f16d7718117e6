"""The store's schema as append-only steps in `schema/`: a published file is never edited, only followed by another.

Tables carry no primary-key indexes: DuckDB keeps such an index in memory, which costs gigabytes at MIMIC's
size. Uniqueness comes from deterministic ids and set-based anti-joins on insert, and tests prove it.
"""

from typing import NamedTuple

from cxr.miner.kit.sql import read_sql


class Migration(NamedTuple):
    """One step: the file's name without its ending, and its statements."""

    name: str
    sql: str


MIGRATIONS = tuple(Migration(name, sql) for name, sql in read_sql("cxr.miner.store", "schema").items())
