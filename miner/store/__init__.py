"""The store: one DuckDB file, its schema, reading and writing it, and what `cxr sql`, `status` and `ui` show of it.

Imports kit; called by every stage.
"""

from cxr.miner.store.store import (
    Parameters,
    Run,
    Store,
    demand_folder,
    is_interrupt,
)

__all__ = ["Parameters", "Run", "Store", "demand_folder", "is_interrupt"]
