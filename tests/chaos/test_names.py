"""Names as long as a disk allows: every -o writes to them, or says in one sentence that it cannot."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.writers import WRITERS, Writer
from tests.conftest import CliIn

_LONGEST = 255
TO_FILES = [writer for writer in WRITERS if "-o" in writer.command and writer.name != "unread"]
"""In the states here everything was read, and `unread` writes nothing."""


def long_name(name: str, size: int, letter: str = "n") -> str:
    """Give a name of so many bytes that ends as another does."""
    suffix = Path(name).suffix
    room = size - len(suffix)
    return "x" * (room % len(letter.encode())) + letter * (room // len(letter.encode())) + suffix


@pytest.mark.parametrize("writer", TO_FILES, ids=lambda writer: " ".join(writer.command[:2]))
def test_long_names_are_written_or_refused_in_one_sentence(
    writer: Writer, state: Callable[[str], Path], tmp_path: Path, cxr_in: CliIn
) -> None:
    place = tmp_path / "place"
    shutil.copytree(state(writer.begins), place)
    there = set(place.iterdir())
    at = writer.command.index("-o") + 1
    for size, letter in ((_LONGEST, "é"), (_LONGEST + 1, "n")):
        name = long_name(writer.command[at], size, letter)
        done = cxr_in(place, *writer.command[:at], name, *writer.command[at + 1 :])
        new = set(place.iterdir()) - there
        assert "Traceback" not in done.stderr
        if done.returncode in {0, 4}:
            assert size <= _LONGEST
            assert name in {path.name for path in new}
        else:
            assert done.returncode == 1, done.stderr
            (said,) = (line for line in done.stderr.splitlines() if line.startswith("cxr: "))
            assert "longer than its disk allows" in said, said
            assert {path.name for path in new} <= {"cxr.duckdb"}, "something was left behind"
        assert not [path for path in new if path.name.startswith(".")]
        for path in new:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
