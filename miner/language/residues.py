r"""What other programs left in a text: tags, entities, RTF, escapes, invisible characters, wrong encodings, masks.

The reader reads through them: `readable` returns the text that was meant, and where each character of it stands in the
text as it was written, so that quotes and offsets are those of the report. Linear in the length; most texts have none
of it, which is known in a microsecond.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

_ASCII_SIGNS = ("&", "<", "[", "\\", "\x0b", "\x0c", "\x00")
_HIDDEN = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_BLANKS = "\u00a0\u2000-\u200a\u202f\u205f\u3000\ufffd\x00-\x08"
_LINE_ENDS = "\x0b\x0c\u0085\u2028\u2029"
_HYPHENS = "\u2010\u2011\u2212"
_OTHER_FORMS = "\ufb00-\ufb06\uff01-\uff5e"
_CP1252 = {bytes([code]).decode("cp1252", "ignore") or chr(code): code for code in range(0x80, 0x100)}
"""The characters that are made of the bytes of UTF-8 where these are taken for CP1252."""
_INNER = "".join(sign for sign, code in _CP1252.items() if code < 0xC0)

_LINES = "br|hr|line"
_PARAGRAPHS = "p|div|li|ul|ol|dl|dt|dd|tr|table|tbody|thead|h[1-6]|pre|body|html|head|title|section|paragraph|center"
_IN_LINE = "span|b|i|u|em|strong|small|font|td|th|sub|sup|a|text|content|o:p|style|meta|list|item|caption|mark"
_NAMED = "nbsp|lt|gt|amp|quot|apos"
_RESIDUE = re.compile(
    rf"(?P<tag>(?:<|&lt;)/?(?P<of>{_LINES}|{_PARAGRAPHS}|{_IN_LINE})(?:\s[^<>&]{{0,200}})?/?(?:>|&gt;)|<!--|-->)"
    r"|(?P<mark>\[\*\*[^\]\n]{0,80}\]|(?:&lt;|[<\[])(?:(?:first|last|doctor|patient|hospital) ?)?"
    r"(?:name|date|time|id|age|redacted|removed|deleted|phi|location|hospital|person)(?:[ _-]?\d{1,4})?(?:&gt;|[>\]]))"
    rf"|(?P<entity>&(?:amp;)*(?P<name>(?:\#\d{{1,7}}|\#x[\da-f]{{1,6}}|[a-z][a-z\d]{{1,31}});|(?:{_NAMED})(?![a-z\d])))"
    r"|(?P<escape>\\(?:r\\n|[nr]|\.br\\|x0[ad]\\))"
    r"|(?P<code>\\u(?P<hex>[\da-f]{4}))"
    r"|(?P<sign>\\[\"'/]|\\[tfsre]\\)"
    r"|(?P<word>\\(?:par|pard|line|tab|plain|ansi|[biu]0?|ulnone|[fl]s?\d{1,4}|cf\d{1,2}|t)(?![a-z\d]) ?)"
    rf"|(?P<bytes>(?-i:[\u00c2\u00c3][{_INNER}]|[\u00e2\u00ef][{_INNER}]{{2}}|\u00c2(?=\s)))"
    rf"|(?P<hidden>[{_HIDDEN}]+)|(?P<blank>[{_BLANKS}])|(?P<end>[{_LINE_ENDS}])|(?P<hyphen>[{_HYPHENS}])"
    rf"|(?P<form>[{_OTHER_FORMS}])",
    re.IGNORECASE,
)
_ODD = re.compile(f"[&<\\[\\\\\u00c2\u00c3\u00e2\u00ef{_HIDDEN}{_BLANKS}{_LINE_ENDS}{_HYPHENS}{_OTHER_FORMS}]")
_PARAGRAPH = re.compile(_PARAGRAPHS, re.IGNORECASE)
MASKED = "___"
"""What stands for a name or a date that was taken out."""
_HL7 = {"t": "&", "f": "|", "s": "^", "r": "~", "e": "\\"}

_RTF = "{\\rtf"
_RTF_TOKEN = re.compile(r"[{}]|\\'[\da-fA-F]{2}|\\u-?\d{1,6}\??|\\([a-z]{1,32})(-?\d{1,10})? ?|\\[^a-z]|[\r\n]+")
_RTF_UNSEEN = frozenset(
    {"fonttbl", "colortbl", "stylesheet", "info", "generator", "pict", "header", "footer", "listtable", "themedata"}
)
_RTF_ENDS = {"par": "\n", "line": "\n", "sect": "\n", "row": "\n", "tab": " ", "cell": " "}


class Readable(NamedTuple):
    """The text that was meant, and where it stands in the one that was written."""

    text: str
    pieces: tuple[tuple[int, int, int], ...] = ()
    """(start here, start there, end there) of each stretch that is not as it was written, and of what follows it."""

    def place(self, at: int) -> int:
        """Return where the character at a place stands in the text as written."""
        if not self.pieces:
            return at
        here, there, end = self._piece(at)
        return there if end >= 0 else there + at - here

    def end(self, at: int) -> int:
        """Return where what ends before a place ends in the text as written."""
        if not (self.pieces and at):
            return at
        here, there, end = self._piece(at - 1)
        return end if end >= 0 else there + at - here

    def _piece(self, at: int) -> tuple[int, int, int]:
        return self.pieces[bisect_right(self.pieces, at, key=lambda piece: piece[0]) - 1]


def readable(text: str) -> Readable:
    """Return the text without what other programs left in it; the text itself where there is nothing of the kind."""
    if text.isascii():
        if not any(sign in text for sign in _ASCII_SIGNS):
            return Readable(text)
    elif _ODD.search(text) is None:
        return Readable(text)
    changes = list(_rtf(text) if _RTF in text else _residues(text))
    return _joined(text, changes) if changes else Readable(text)


def _joined(text: str, changes: list[tuple[int, int, str]]) -> Readable:
    """Put other words in the place of stretches, (start, end, instead) in text order."""
    words: list[str] = []
    pieces: list[tuple[int, int, int]] = []
    here = there = 0
    for start, end, instead in [*changes, (len(text), len(text), "")]:
        if there < start or not pieces:
            pieces.append((here, there, -1))
            words.append(text[there:start])
            here += start - there
        if instead:
            pieces.append((here, start, end))
            words.append(instead)
            here += len(instead)
        there = end
    pieces.append((here, there, -1))
    kept = [first for first, after in pairwise(pieces) if first[0] < after[0]]  # what is empty holds no character
    return Readable("".join(words), (*kept, pieces[-1]))


def _residues(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _RESIDUE.finditer(text):
        instead = _meant(match)
        if instead != match.group():
            yield match.start(), match.end(), instead


def _meant(match: re.Match[str]) -> str:
    """Return what a residue stands for."""
    kind = match.lastgroup or ""
    return _FIXED[kind] if kind in _FIXED else _READ[kind](match)


def _tag(match: re.Match[str]) -> str:
    """Return what stands for a tag; letters in bold or higher up belong to their word."""
    name = (match["of"] or "item").lower()
    if name in _LINES.split("|"):
        return "\n"
    if _PARAGRAPH.fullmatch(name):
        return "\n\n"
    return " " if name in {"td", "th", "item", "list", "caption"} else ""


def _character(found: str) -> str:
    """Return a character that was decoded as it is read: what cannot be seen is none, odd blanks are blanks."""
    return found if found.isascii() else readable(found).text


def _decoded(said: str) -> str:
    """Return the character of UTF-8 that was taken for CP1252; the text itself where it is none."""
    try:
        return bytes(_CP1252[sign] for sign in said).decode()
    except (KeyError, UnicodeDecodeError):
        return " " if said == "\u00c2" else said


_FIXED = {"mark": MASKED, "escape": "\n", "end": "\n", "hidden": "", "hyphen": "-", "blank": " "}
_READ: dict[str, Callable[[re.Match[str]], str]] = {
    "tag": _tag,
    "entity": lambda match: _character(html.unescape(f"&{match['name'].rstrip(';')};")),
    "code": lambda match: _character(chr(int(match["hex"], 16))),
    "sign": lambda match: _HL7.get(match.group()[1].lower(), match.group()[1]),
    "word": lambda match: "\n" if match.group()[1:4].lower() in {"par", "lin"} else " ",
    "bytes": lambda match: _character(_decoded(match.group())),
    "form": lambda match: unicodedata.normalize("NFKC", match.group()),
}


def _rtf(text: str) -> Iterator[tuple[int, int, str]]:
    """Read RTF: groups for fonts, colours and the like are left out, control words are blanks or line ends."""
    depth, unseen, reached = 0, 0, 0
    for token in _RTF_TOKEN.finditer(text):
        said, word = token.group(), token.group(1)
        if unseen and token.start() > reached:
            yield reached, token.start(), ""  # words of a group that is not shown
        reached = token.end()
        instead = ""
        if said == "{":
            depth += 1
        elif said == "}":
            unseen = 0 if depth <= unseen else unseen
            depth = max(0, depth - 1)
        elif not unseen and (word in _RTF_UNSEEN or said == "\\*"):
            unseen = depth
        elif not unseen:
            instead = _rtf_meant(said, word)
        yield token.start(), token.end(), instead


def _rtf_meant(said: str, word: str | None) -> str:
    """Return what an RTF token that is shown stands for."""
    if word is not None:
        return _RTF_ENDS.get(word, "")
    if said[1:2] == "'":
        return _character(bytes([int(said[2:4], 16)]).decode("cp1252", "replace"))
    if said[1:2] == "u" and said[2:]:
        return _character(chr(int(said[2:].rstrip("?")) % 0x10000))
    if said[0] != "\\":
        return ""
    return {"~": " ", "-": "", "_": "-", "\n": "\n", "\r": "\n"}.get(said[1], said[1])
