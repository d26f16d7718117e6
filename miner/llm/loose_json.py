"""JSON in what a model writes: between prose and fences, with the slips that models make, and nothing added.

What is mended is how a value is written: trailing commas, comments, Python's words and quotes, raw control signs,
names without quotes. A value that does not end is none, and what stands inside it is none either: a reply that was cut
off is never completed. (`json-repair` completes it, and jiter, which pydantic and openai bring, mends none of these.)
"""

import json
import re
from typing import Any, NamedTuple

# A model's reply to one question; more is no reply.
_LONGEST = 2_000_000
_DEEPEST = 60
# Each failed start is scanned on its own: prose full of braces shall not cost the square of its length.
_MOST_STARTS = 200
_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |(?P<single>'(?:[^'\\]|\\.)*')
    |(?P<curly>“(?:[^”\\]|\\.)*”)
    |(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<colon>:)
    |(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)
_START = re.compile(r"[{\[]")
_WORDS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_BAD_ESCAPE = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|(.))', re.DOTALL)
_STRICT = json.JSONDecoder(strict=False)


class Found(NamedTuple):
    """The values of a text, in its order."""

    values: list[Any]
    """Objects and lists that are whole and stand in no other."""
    ends: int
    """Where the last of them ends; 0 without one."""
    cut: bool
    """The text ends within a value."""
    broken: bool
    """Something began like a value and was none."""


class _Cut(Exception):
    """The text ends before the value does."""


def values_in(text: str) -> Found:
    """Return the objects and lists that a text holds; none of a text that is too long to be a reply."""
    values: list[Any] = []
    at, ends, starts, broken = 0, 0, 0, False
    while len(text) <= _LONGEST and (start := _START.search(text, at)) and (starts := starts + 1) <= _MOST_STARTS:
        try:
            value, at = _value_at(text, start.start())
        except _Cut:
            return Found(values, ends, cut=True, broken=broken)
        except (ValueError, RecursionError):
            at, broken = start.end(), True
        else:
            ends = at
            values.append(value)
    return Found(values, ends, cut=False, broken=broken)


def _value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins here and where it ends; raises ValueError for none, _Cut for one without an end."""
    try:
        return _STRICT.raw_decode(text, start)
    except ValueError:
        written, end = _mended(text, start)
        return _STRICT.decode(written), end


def _mended(text: str, start: int) -> tuple[str, int]:
    """Return a value as JSON writes it, and where it ends in the text."""
    parts: list[str] = []
    depth, at = 0, start
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            # A quote without an end may only be one that the text does not reach.
            raise _Cut if at >= len(text) or text[at] in "\"'“" else ValueError
        kind, token = match.lastgroup, match.group()
        at = match.end()
        if kind == "blank":
            continue
        if kind == "close" and parts[-1] == ",":
            parts.pop()
        parts.append(_plain(str(kind), token, text, at))
        depth += (kind == "open") - (kind == "close")
        if depth > _DEEPEST:
            raise ValueError
        if depth == 0:
            return "".join(parts), at


def _plain(kind: str, token: str, text: str, after: int) -> str:
    """Return one token as JSON writes it; raises ValueError for a word that stands for no value."""
    if kind in {"string", "single", "curly"}:
        inner = token[1:-1]
        if kind != "string":
            inner = re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner)
        return f'"{_BAD_ESCAPE.sub(_escaped, inner)}"'
    if kind == "name":
        rest = _TOKEN.match(text, after)
        while rest is not None and rest.lastgroup == "blank":
            rest = _TOKEN.match(text, rest.end())
        if rest is not None and rest.lastgroup == "colon":
            return json.dumps(token)
        if token not in _WORDS:
            raise ValueError
        return _WORDS[token]
    return token


def _escaped(match: re.Match[str]) -> str:
    """Keep an escape that JSON knows; one that it does not know is the sign itself, or a backslash before a letter."""
    if match.group(1):
        return match.group()
    sign = match.group(2)
    return f"\\\\{sign}" if sign.isalnum() else sign
