"""Where nothing was written, nothing is stored: one helper for the cells of every corpus."""

import polars as pl

from cxr.miner.language.blanks import NO_TEXT

# What programs write into an empty cell. A person may write "None." under a comparison: there it is a word.
_NOTHING = ("nan", "NaN", "NAN", "null", "NULL", "Null", "<NA>", "NA", "N/A", "n/a", "#N/A", "NaT")
_NONE = ("None", "none", "NONE")
_PEOPLE_SAY_NONE = ("comparison", "indication", "history", "technique", "narrative", "comments", "examination")


def cell(column: str) -> pl.Expr:
    """Return a column of text, null where a cell is blank or holds what programs write for nothing."""
    words = _NOTHING if column.lower().endswith(_PEOPLE_SAY_NONE) else (*_NOTHING, *_NONE)
    value = pl.col(column)
    return pl.when((value.str.strip_chars() != "") & ~value.is_in(words)).then(value).alias(column)


def reading(column: str) -> pl.Expr:
    """Return a column of reports, findings or impressions, null where it holds no words ("nan", "None.", "--")."""
    value = pl.col(column)
    return pl.when(~value.str.contains(rf"(?i)^{NO_TEXT}$")).then(value).alias(column)
