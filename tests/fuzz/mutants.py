"""Mutants of a file: its bytes, columns, encoding, records and members, each drawn from a seeded chance."""

import csv
import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

Mutator = Callable[[bytes, random.Random], bytes]

NASTY = (
    "", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "1.0000000000000000000001", "9" * 40, "9" * 5_000, "\x00",
    "\ufeff", "\u202e\x1b[31m", "=1+1", "../../etc/passwd", "/", "\\", "a" * 300, '"', "'", ",", "\n", "\r", "None",
    "null", "true", "21800506", "2180-05-06", "99999999", "1/0", "{}", "[]", "%s%n", "\u00e9\u0301", "\U0001f9b4",
    "-2147483649", "18446744073709551616",
    "p10000032/s50414267", "1 0 1 -1", "<a>&b;</a>", "Pleural Effusion", "Yes",
)  # fmt: skip
_BITS = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x80",
    b"\xed\xa0\x80",
    b"\r",
    b"\n\n",
    b'"',
    b",",
    b"\x1a",
    b"<!--",
    b"{",
    b"]",
)
_DEEP = 100_000
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, [], {}, [[]], {"a": {}}, "\ud800", "@digits", "@deep", "@nan", "@big",
)  # fmt: skip


def mutate(name: str, data: bytes, chance: random.Random) -> bytes:
    """Return a file that is like another but for something: what it is follows from its name."""
    if name.endswith((".tgz", ".zip")) and chance.random() < 0.7:
        return _member(name, data, chance)
    if name.endswith(".gz") and chance.random() < 0.85:
        return gzip.compress(mutate(name.removesuffix(".gz"), gzip.decompress(data), chance), 1)
    of_kind: tuple[Mutator, ...] = ()
    if name.endswith(".csv"):
        of_kind = (columns, cells, rows)
    elif name.endswith((".json", ".jsonl")):
        of_kind = (values, values, lines)
    chosen = chance.choice((some_bytes, encoding, *of_kind, *of_kind))
    return chosen(data, chance)


def some_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, exchange or put in some bytes, up to four times."""
    for _ in range(chance.randint(1, 4)):
        first, last = sorted(chance.randint(0, len(data)) for _ in range(2))
        last = min(last, first + chance.choice((1, 4, 40, len(data))))
        match chance.randint(0, 5):
            case 0:
                data = data[:first] + bytes(byte ^ 1 << chance.randint(0, 7) for byte in data[first:last]) + data[last:]
            case 1:
                data = data[:first] + data[last:]
            case 2:
                data = data[:last] + data[first:last] * chance.choice((1, 2, 9)) + data[last:]
            case 3:
                data = data[:first] + chance.choice((*_BITS, chance.randbytes(8))) + data[first:]
            case 4:
                data = data[:first]
            case _:
                data = data[last:] + data[first:last] + data[:first]
    return data


def encoding(data: bytes, chance: random.Random) -> bytes:
    """Write the same text as another program would: other encodings, line ends, a mark in front, nothing at all."""
    text = data.decode("utf-8", "replace")
    return chance.choice((
        lambda: text.encode("utf-16"), lambda: text.encode("utf-16-le"), lambda: text.encode("utf-32"),
        lambda: text.replace("e", "\u00e9").encode("latin-1", "replace"), lambda: b"\xef\xbb\xbf" + data,
        lambda: data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), lambda: data.replace(b"\n", b"\r"), lambda: b"",
        lambda: b"\n", lambda: gzip.compress(data), lambda: data + b"\x00" * 600,
        lambda: text.replace(" ", "\u2028").encode(), lambda: text.upper().encode(), lambda: text.encode("utf-7"),
    ))()  # fmt: skip


# --- tables ----------------------------------------------------------------------------------------------------------


def _table(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline="")))


def _written(table: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(table)
    return text.getvalue().encode("utf-8", "surrogatepass")


def columns(data: bytes, chance: random.Random) -> bytes:
    """Take a column away, exchange two, or give one a name that is blank, another's, or odd."""
    table = [row for row in _table(data) if row]
    if not table:
        return data
    at, other = (chance.randrange(len(table[0])) for _ in range(2))
    match chance.randint(0, 5):
        case 0:
            table = [row[:at] + row[at + 1 :] for row in table]
        case 1:
            table[0][at], table[0][other] = table[0][other], table[0][at]
        case 2:
            table[0][at] = chance.choice(("", " ", table[0][other], table[0][other].upper(), *NASTY))
        case 3:
            table = [[*row, row[at] if at < len(row) else ""] for row in table]
        case 4:
            table = [[row[at] if at < len(row) else "", *row] for row in table]
        case _:
            table = table[1:]
    return _written(table)


def cells(data: bytes, chance: random.Random) -> bytes:
    """Put something into a few cells that nobody expects there."""
    table = [row for row in _table(data) if row]
    for _ in range(chance.randint(1, 5)):
        if (row := chance.choice(table or [[]])) and row is not table[0]:
            row[chance.randrange(len(row))] = chance.choice(NASTY)
    return _written(table)


def rows(data: bytes, chance: random.Random) -> bytes:
    """Leave the header alone, or rows with too few or too many cells, twice, or in another order."""
    table = [row for row in _table(data) if row]
    if len(table) < 2:
        return data
    at = chance.randrange(1, len(table))
    match chance.randint(0, 4):
        case 0:
            table = table[:1]
        case 1:
            table[at] = table[at][: chance.randrange(len(table[at]) + 1)]
        case 2:
            table[at] = [*table[at], *table[at][:3]]
        case 3:
            table.insert(at, list(chance.choice(table)))
        case _:
            body = table[1:]
            chance.shuffle(body)
            table = [table[0], *body]
    return _written(table)


# --- records ---------------------------------------------------------------------------------------------------------


def values(data: bytes, chance: random.Random) -> bytes:
    """Put something else in the place of a value, a name or a whole record of JSON."""
    text = data.decode("utf-8", "replace")
    try:
        records, whole = json.loads(text), True
    except ValueError:
        try:
            records, whole = [json.loads(line) for line in text.splitlines() if line.strip()], False
        except ValueError:
            return some_bytes(data, chance)
    for _ in range(chance.randint(1, 3)):
        records = _changed(records, chance)
    made = json.dumps(records) if whole or not isinstance(records, list) else "\n".join(map(json.dumps, records))
    # What `json.dumps` would not write, readers meet all the same.
    odd = {'"@digits"': "9" * 5_000, '"@deep"': "[" * _DEEP + "]" * _DEEP, '"@nan"': "NaN", '"@big"': "1e999"}
    for name, raw in odd.items():
        made = made.replace(name, raw)
    return made.encode("utf-8", "surrogatepass")


def _changed(node: Any, chance: random.Random) -> Any:
    inside = node if isinstance(node, list) else list(node) if isinstance(node, dict) else []
    if not inside or chance.random() < 0.15:
        return chance.choice((*_ODD, *NASTY, [node], {"id": node}, str(node)))
    if isinstance(node, list):
        at = chance.randrange(len(node))
        return [*node[:at], _changed(node[at], chance), *node[at + 1 :]]
    key = chance.choice(inside)
    match chance.randint(0, 6):
        case 0:
            return {name: value for name, value in node.items() if name != key}
        case 1:
            return {(chance.choice(NASTY) if name == key else name): value for name, value in node.items()}
        case 2:
            return node | {key: node[chance.choice(inside)]}
        case _:
            return node | {key: _changed(node[key], chance)}


def lines(data: bytes, chance: random.Random) -> bytes:
    """Repeat, exchange, cut or put in a line."""
    there = data.split(b"\n")
    at = chance.randrange(len(there))
    odd = (
        b"null",
        b"[]",
        b"{",
        b'"a"',
        b"{}" * 2,
        b"[" * _DEEP,
        b'{"id": ' + b"9" * 5_000 + b"}",
        there[at][: len(there[at]) // 2],
    )
    return b"\n".join([*there[:at], chance.choice((*odd, there[at])), *there[at:]])


# --- archives --------------------------------------------------------------------------------------------------------


def _member(name: str, data: bytes, chance: random.Random) -> bytes:
    """Change one member, or its name, and pack all again."""
    members = _unpacked(name, data)
    at = chance.randrange(len(members))
    inside, content = members[at]
    match chance.randint(0, 4):
        case 0:
            odd = (
                "../" + inside,
                "/" + inside,
                "a" * 250 + ".txt",
                inside.upper(),
                "x/" * 60 + inside,
                inside + "\u202e",
            )
            members[at] = (chance.choice(odd), content)
        case 1:
            members.append(members[at])
        case 2:
            members.pop(at)
        case _:
            members[at] = (inside, mutate(inside, content, chance))
    return _packed(name, members)


def _unpacked(name: str, data: bytes) -> list[tuple[str, bytes]]:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(inside, archive.read(inside)) for inside in archive.namelist()]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info.name, handle.read()) for info in tar if (handle := tar.extractfile(info)) is not None]


def _packed(name: str, members: list[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for inside, content in dict(members).items():
                archive.writestr(inside, content)
    else:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for inside, content in members:
                info = tarfile.TarInfo(inside)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()
