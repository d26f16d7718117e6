"""A server's message as it may be shown: without the words of the request, which can be report text."""

import json
import re
from collections.abc import Iterator

from cxr.miner.llm.refusals import OPTIONS, Refusal, one_line

_LONGEST_QUOTE = 240
# Words that servers write and that no report gives away, though a request may have them too.
_USUAL = frozenset(
    re.findall(
        r"\w+",
        """
        a all allowed allows an and api are as at be been but by can cannot choose content context could default did
        do does enabled error expected failed field fields for format found from given has have however in input
        invalid is its json key larger length less limit longer max maximum message messages minimum model models
        must name no not on only or output parameter parameters permitted please prompt property provided reduce
        reply request requested requires response role schema server set shorter should string supplied support
        supported supports system that the this to token tokens too total try type unexpected unknown unrecognized
        unsupported use user value was were when which with you your
        """,
    )
)
_ESCAPES = re.compile(r"\\+(?:[nrtbf\"'/]|u00[0-9a-fA-F]{2})")
_WORDS = re.compile(r"\w+")
_RUN = 3


def quoted(said: Refusal, request: bytes) -> str:
    """Return the server's words without those of the request: in one line, cut, fit for a message; may be empty.

    Out go all words that stand in the request's messages, be it in part, but for those that servers use themselves;
    three of the request's in a row go out even then. What follows a brace is a body or a reply, and goes out too.
    """
    message = _ESCAPES.sub(" ", said.message.partition("{")[0].partition("<|")[0])
    asked = _asked_text(request)
    words = _WORDS.findall(asked)
    known, runs = set(words), {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}
    found = list(_WORDS.finditer(message))
    folded = [match.group().casefold() for match in found]
    out = [_given_away(word, known, asked) for word in folded]
    for at in range(len(folded) - _RUN + 1):
        if tuple(folded[at : at + _RUN]) in runs:
            out[at : at + _RUN] = [True] * _RUN
    pieces, reached = [], 0
    for match, hidden in zip(found, out, strict=True):
        if hidden:
            pieces += [message[reached : match.start()], "…"]
            reached = match.end()
    shown = re.sub(r"…(?:\W*…)+", "…", "".join([*pieces, message[reached:]]))
    shown = one_line(shown).strip(" :;,-[(")
    if not any(sign.isalpha() for sign in shown.replace("…", "")):
        return ""
    return shown if len(shown) <= _LONGEST_QUOTE else shown[: _LONGEST_QUOTE - 1].rsplit(" ", 1)[0] + "…"


def _given_away(word: str, known: set[str], asked: str) -> bool:
    if word in _USUAL or word in OPTIONS:
        return False
    return len(word) > 40 or word in known or (len(word) >= 4 and not word.isdigit() and word in asked)


def _asked_text(request: bytes) -> str:
    """Return all words of a request's messages, folded."""
    try:
        messages = json.loads(request).get("messages")
    except (ValueError, RecursionError, AttributeError):
        return request.decode("utf-8", "replace").casefold()
    return _ESCAPES.sub(" ", " ".join(_texts(messages))).casefold()


def _texts(said: object) -> Iterator[str]:
    if isinstance(said, str):
        yield said if not said.startswith("data:") else ""
    elif isinstance(said, list):
        for one in said:
            yield from _texts(one)
    elif isinstance(said, dict):
        for name, one in said.items():
            if name not in {"role", "type", "id", "name"}:
                yield from _texts(one)
