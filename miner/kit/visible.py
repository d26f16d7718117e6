"""Text as people may see it: what a terminal would obey, or what hides or turns letters around, becomes a sign.

A report, an id, a file name and a model's reply are somebody else's text. Printed as they are, they can retitle a
window, write the clipboard (OSC 52), make links (OSC 8), overwrite lines, or show letters in another order than the
one they stand in. One character becomes one, so that offsets into the text stay true.
"""

import re
from collections.abc import Sequence

# C0 but for tab and line end, DEL, C1; soft hyphen; marks of direction; characters without width, but for the two
# joiners, which some scripts need; line separators; tags; halves of surrogate pairs (names of files have them).
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_DELETE, _DELETE_SIGN, _SIGNS = 0x7F, "\N{SYMBOL FOR DELETE}", 0x2400
# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str) -> str:
    """Return text of the same length in which nothing but line ends and tabs acts on a terminal."""
    return _HARMFUL.sub(_sign, text)


def one_line(text: str) -> str:
    """Return the same as one line: a sentence on stderr cannot pretend to be two."""
    return visible(text).replace("\r", " ").replace("\n", " ")


def exact_json(line: str) -> str:
    """Return JSON with the same content, in which such characters are escapes; `line` is JSON already."""
    return _HARMFUL.sub(_escape, line)


def spreadsheet_cell(text: str) -> str:
    """Return text that no spreadsheet runs: an apostrophe marks what it would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


_COLUMN = re.compile(r"[A-Za-z_][\w/().#-]{0,50}( [\w/().#-]{1,30}){0,2}(?<!\.)|")


def columns_found(header: Sequence[str]) -> str:
    """Return for a message what a header holds; a first line that is no header may be a report, and is not shown."""
    if all(_COLUMN.fullmatch(column) for column in header):
        return f"found: {', '.join(header[:12])}"
    return f"its first line holds {len(header)} cells that do not all read as names of columns"


def _sign(found: "re.Match[str]") -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(_SIGNS + code)
    return _DELETE_SIGN if code == _DELETE else _UNKNOWN


def _escape(found: "re.Match[str]") -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
