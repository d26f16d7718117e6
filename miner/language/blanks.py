"""What is no text: blanks, and what programs and people write where there is none."""

import re

NO_TEXT = r"\W*(?:nan|nat|none|n/?a|null|nil|undefined|not available|no report|\.+|-+|_+)?\W*"
"""Matches a whole text that is none, in any case; in the dialect of Python and of Polars."""
_NO_TEXT = re.compile(NO_TEXT, re.IGNORECASE)
_LONGEST = 40
"""Characters between the blanks around it: a longer text is one."""


def is_blank(text: str) -> bool:
    """Return whether a text is none: blanks, or what programs write for nothing ("nan", "None", "N/A")."""
    short = text.strip()
    return len(short) < _LONGEST and _NO_TEXT.fullmatch(short) is not None
