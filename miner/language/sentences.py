"""Cut a text into sentences, list entries and heading lines, as half-open offsets."""

import re

# A sentence ends at . ? ! before a space, a capital or the end; at a semicolon; or at a line end that ends a paragraph
# or a list entry. A wrapped line (60 characters or more, as in MIMIC-CXR) does not end it.
_END = re.compile(
    r"[.!?;\n](?:(?<=[;\n])|(?:(?<=[.!])|(?<=\S\?))[.?!]*(?=[\s\"')\]}>*\u2019\u201d\u00bb]|$|[A-Z])|(?<=[a-z]{3}\.)(?=[a-z]{3}))"
)
# "X ok / left Y unchanged / no Z": with several in one text they are full stops.
_END_OR_SLASH = re.compile(f"{_END.pattern}| /(?= )")
_SLASHES = 3
_ABBREVIATION = re.compile(r"(?:\b(?:dr|vs|e\.g|i\.e|eg|ie|approx|st|mr|mrs|ms|resp|incl|ca))$", re.IGNORECASE)
_LAST_LETTERS = frozenset(["dr", "vs", ".g", ".e", "eg", "ie", "ox", "st", "mr", "rs", "ms", "sp", "cl", "ca", "no"])
"""How these and "no. 2" end."""
_NUMBERED = re.compile(r"\bno\.\s*\d", re.IGNORECASE)
_NEW_ENTRY = re.compile(r"[ \t]*(?:[-*+\u2022#>|]|\d+[.)]|\d{1,2} +[A-Z]{3}|\(?[A-Ha-h][.)]\s|\n|$)")
# "X? No." is one statement, with its answer; "X seen.y" lacks a blank.
_ANSWER = re.compile(
    r"\s*(?:\(?(?:no|none|neg|negative|nil|absent|yes|present|positive|not seen|n|y)\)?\s*(?=[.,;!\n]|$)|"
    r"(?:(?:small|tiny|trace|minimal|mild|moderate|large|left|right|bilateral|unchanged|stable|resolved|gone|yes|no|on|at|"
    r"the|side|only|both|sides)[, ]*){1,5}(?=[.;!\n]|$))",
    re.IGNORECASE,
)
_CAPITAL = re.compile(r"[ \t]*[A-Z*]")
_WRAPPED = 60
_LONGEST = 1000
"""Longer stretches without an end are cut, so that the work per sentence, and thus in all, stays bounded."""


def split_sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Return the offsets of the sentences of `text[start:end]`, without surrounding white space."""
    stop = len(text) if end is None else end
    found: list[tuple[int, int]] = []
    begin = line = start
    pattern = _END_OR_SLASH if text.count(" / ", start, stop) >= _SLASHES else _END
    for match in pattern.finditer(text, start, stop):
        sign = match.group()
        at = match.start()
        if sign == "\n":
            ends = _line_ends_sentence(text, line, at, match.end(), stop)
            line = match.end()
            if not ends:
                continue
        elif _goes_on(text, sign, begin, match, stop):
            continue
        _keep(text, begin, match.end(), found)
        begin = match.end()
    _keep(text, begin, stop, found)
    return found


def _goes_on(text: str, sign: str, begin: int, match: re.Match[str], stop: int) -> bool:
    """Return whether a sign ends no sentence: it waits for an answer, or belongs to an abbreviation."""
    if sign == "?":
        return _ANSWER.match(text, match.end(), stop) is not None
    return sign == "." and match.end() < stop - 1 and _is_abbreviation(text, begin, match.start())


def _is_abbreviation(text: str, begin: int, at: int) -> bool:
    last = text[max(0, at - 2) : at].lower()
    if last.isascii() and last not in _LAST_LETTERS:
        return False
    return bool(_ABBREVIATION.search(text, max(begin, at - 8), at) or _NUMBERED.match(text, max(begin, at - 2)))


def _line_ends_sentence(text: str, line: int, at: int, after: int, stop: int) -> bool:
    if _NEW_ENTRY.match(text, after, min(stop, after + 12)):
        return True
    return at - line < _WRAPPED and _CAPITAL.match(text, after, min(stop, after + 12)) is not None


def _keep(text: str, begin: int, end: int, found: list[tuple[int, int]]) -> None:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    while end - begin > _LONGEST:
        cut = text.rfind(" ", begin + 1, begin + _LONGEST)
        stop = cut if cut > begin else begin + _LONGEST
        found.append((begin, stop))
        begin = stop
    if end > begin:
        found.append((begin, end))
