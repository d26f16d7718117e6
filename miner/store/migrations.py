"""The store's schema as append-only steps in `schema/`: a published file is never edited, only followed by another.

Tables carry no primary-key indexes: DuckDB keeps such an index in memory, which costs gigabytes at MIMIC's
size. Uniqueness comes from deterministic ids and set-based anti-joins on insert, and tests prove it.
"""

from importlib import resources
from typing import NamedTuple


class Migration(NamedTuple):
    """One step: the file's name without its ending, and its statements."""

    name: str
    sql: str


def _read() -> tuple[Migration, ...]:
    files = [file for file in resources.files(__package__).joinpath("schema").iterdir() if file.name.endswith(".sql")]
    return tuple(
        Migration(file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    )


MIGRATIONS = _read()
