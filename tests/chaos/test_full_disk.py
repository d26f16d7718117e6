"""A disk that is full in the middle of a command: one sentence, nothing lost, and a next run that ends."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.killing import leavings, run
from tests.chaos.writers import WRITERS, Writer, content
from tests.conftest import ROOT
from tests.forked import ForkedCommands

_NAMES = {"ingest csv", "ask", "mine", "score", "filter", "report", "bench compile", "export"}
_BY_AND_BY = {"ingest csv", "mine", "bench compile"}
_BLOCKS = 4
"""Of 512 bytes: more than a lock, less than anything that is worth writing."""
_EVALUATE = Writer(
    ("evaluate", "bench", "--format", "json", "-o", "table.json", "--resamples", "10"), "predicted", ("table.json",)
)
HEAVY = (*(writer for writer in WRITERS if writer.name in _NAMES), _EVALUATE)


def _may_mount() -> bool:
    return (
        shutil.which("unshare") is not None and not subprocess.run(["unshare", "-rm", "true"], check=False).returncode
    )


MAY_MOUNT = _may_mount()


def _one_sentence(said: str) -> None:
    sentences = [line for line in said.splitlines() if line.startswith("cxr: ")]
    assert len(sentences) == 1, said
    assert any(words in sentences[0] for words in ("disk", "space", "room", "ulimit -f")), sentences
    assert "Traceback" not in said
    assert "defect" not in said


@pytest.mark.skipif(MAY_MOUNT, reason="a disk that is full comes below")
@pytest.mark.parametrize("writer", HEAVY, ids=lambda writer: " ".join(writer.command[:2]))
def test_files_that_may_not_grow(writer: Writer, state: Callable[[str], Path], tmp_path: Path) -> None:
    """`ulimit -f` stands for a full disk where nothing may be mounted."""
    place = tmp_path / "place"
    shutil.copytree(state(writer.begins), place)
    before = content(place)
    words = [sys.executable, "-P", "-m", "cxr", *writer.command]
    limited = subprocess.run(
        ["sh", "-c", f'ulimit -f {_BLOCKS}; exec "$@"', "sh", *words],
        cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert limited.returncode == 1
    _one_sentence(limited.stderr)
    assert not any((place / name).is_file() for name in writer.leaves), "half a file at its final name"
    kept = content(place)
    assert all(kept[table] == rows for table, rows in before.items() if table in {"studies", "reports", "labels"})
    again = run(writer, place, *writer.over)
    said = again.communicate()[1]
    assert again.returncode in {0, 4}, said


class Disk:
    """A file system in memory that can be full to the last byte, and `cxr` in front of it."""

    def __init__(self, place: Path, size: int) -> None:
        place.mkdir()
        script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
        self._commands, self._place = ForkedCommands(("unshare", "-rm", "sh", "-c", script, str(place))), place
        self.run("--version")
        self.seen = self._commands.seen(place)
        """Its name for whoever does not live there."""

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run `cxr` in the folder `work` of the disk, or on top of it where there is none yet."""
        work = self._place / "work"
        return self._commands.run(command, work if hasattr(self, "seen") else self._place, {**os.environ})

    def fill(self, left: int) -> None:
        """Leave so many bytes."""
        room = os.statvfs(self.seen)
        with (self.seen / "filling").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - left)

    def close(self) -> None:
        """End it, and all that is on it."""
        self._commands.close()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A disk of 32 MB."""
    made = Disk(tmp_path_factory.mktemp("full") / "disk", 32 * 1024 * 1024)
    yield made
    made.close()


@pytest.mark.skipif(not MAY_MOUNT, reason="nothing may be mounted here")
@pytest.mark.parametrize(
    ("writer", "left"),
    # In the second cases the first writes fit, and later ones do not.
    [*((writer, 0) for writer in HEAVY), *((writer, 40 * 1024) for writer in HEAVY if writer.name in _BY_AND_BY)],
    ids=lambda given: " ".join(given.command[:2]) if isinstance(given, Writer) else str(given),
)
def test_a_full_disk_is_one_sentence_and_the_next_run_goes_on(
    writer: Writer, left: int, state: Callable[[str], Path], disk: Disk, tmp_path: Path
) -> None:
    place = disk.seen / "work"
    shutil.copytree(state(writer.begins), place)
    try:
        before = content(state(writer.begins))
        disk.fill(left)
        full = disk.run(*writer.command)
        if left == 0 or full.returncode not in {0, 4}:
            assert full.returncode == 1, full.stdout
            _one_sentence(full.stderr)
            assert not any((place / name).is_file() for name in writer.leaves), "half of it under its final name"
        left_there = leavings(writer, place)
        (disk.seen / "filling").unlink()
        shutil.copytree(place, tmp_path / "left", symlinks=True)  # DuckDB does not see it where it is
        kept = content(tmp_path / "left")
        assert all(kept[table] == rows for table, rows in before.items() if table in {"studies", "reports", "labels"})
        over = writer.over if any((place / name).exists() for name in writer.leaves) else ()
        again = disk.run(*writer.command, *over)
        assert again.returncode in {0, 4}, again.stderr
        whole = leavings(writer, place)
        assert all(mark == whole.get(name, mark) for name, mark in left_there.items()), "half a file"
        assert not [path for path in place.rglob("*.partial*") if path.name.startswith(".")]
    finally:
        shutil.rmtree(place)
        (disk.seen / "filling").unlink(missing_ok=True)
