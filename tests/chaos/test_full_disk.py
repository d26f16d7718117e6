"""A disk that is full in the middle of a command: one sentence, nothing lost, and a next run that ends."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.killing import run
from tests.chaos.writers import WRITERS, Writer, content
from tests.conftest import ROOT

_MOUNT_BYTES = 2 * 1024 * 1024
_NAMES = {"ask", "mine", "score", "filter", "report", "bench compile", "export"}
HEAVY = tuple(writer for writer in WRITERS if writer.name in _NAMES)


def _one_sentence(said: str) -> None:
    sentences = [line for line in said.splitlines() if line.startswith("cxr: ")]
    assert len(sentences) == 1, said
    assert any(words in sentences[0] for words in ("disk", "space", "room", "ulimit -f")), sentences
    assert "Traceback" not in said
    assert "defect" not in said


@pytest.mark.parametrize("writer", HEAVY, ids=lambda writer: " ".join(writer.command[:2]))
def test_files_that_may_not_grow(writer: Writer, state: Callable[[str], Path], tmp_path: Path) -> None:
    """`ulimit -f` stands for a full disk where nothing may be mounted."""
    place = tmp_path / "place"
    shutil.copytree(state(writer.begins), place)
    before = content(place)
    largest = (place / "cxr.duckdb").stat().st_size // 512 if writer.name in {"ask", "mine", "score"} else 4
    words = [sys.executable, "-P", "-m", "cxr", *writer.command]
    limited = subprocess.run(
        ["sh", "-c", f'ulimit -f {largest}; exec "$@"', "sh", *words],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if limited.returncode in {0, 4}:
        pytest.skip("what it writes fits")
    assert limited.returncode == 1
    _one_sentence(limited.stderr)
    assert not any((place / name).is_file() for name in writer.leaves), "half a file at its final name"
    kept = content(place)
    assert all(kept[table] == rows for table, rows in before.items() if table in {"studies", "reports", "labels"})
    again = run(writer, place, *writer.over)
    said = again.communicate()[1]
    assert again.returncode in {0, 4}, said


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[None]:
    """Mount a disk of 2 MB, where that is allowed."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_MOUNT_BYTES}", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount here")
def test_an_ingest_into_a_disk_of_two_megabytes(state: Callable[[str], Path], tmp_path: Path) -> None:
    ingest = WRITERS[0]
    with _small_disk(tmp_path / "disk"):
        place = tmp_path / "disk"
        shutil.copy(state("files") / "own.csv", place)
        filling = place / "filling"
        filling.write_bytes(b"\0" * (_MOUNT_BYTES - 128 * 1024))
        full = run(ingest, place)
        said = full.communicate()[1]
        assert full.returncode == 1, said
        _one_sentence(said)
        filling.unlink()
        again = run(ingest, place)
        said = again.communicate()[1]
        if again.returncode == 1:  # a store of this size does not fit at all: it says so once more
            _one_sentence(said)
        else:
            assert content(place)["studies"] == content(state("ingested"))["studies"]
