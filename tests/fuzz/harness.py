"""Runs commands on mutants, in this process, and says what went wrong: a traceback, an odd code, words of a report."""

import contextlib
import io
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer.testing

from cxr.cli import app
from tests.forked import build_commands_once
from tests.fuzz.mutants import NASTY, mutate
from tests.fuzz.seeds import MARK, SEEDS, Command, Seed
from tests.predictions_world import make_benchmark

EXIT_CODES = frozenset({0, 1, 2, 4})
LONGEST_S = 30.0
"""How many seconds of the processor a command may take over a file of a few kilobytes."""
HANGS_S = 600.0
"""How long it may take in all, on a machine that does much else."""
MESSAGE = 2_000
"""A sentence is shorter; several of them may come."""


class TooSlow(BaseException):
    """A command did not come to an end."""


@dataclass(frozen=True)
class Fault:
    """What a mutant brought to light, and how to see it again."""

    seed: str
    number: int
    command: Command
    what: str


@dataclass
class Found:
    """What came of a number of mutants."""

    mutants: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


def attack(seed: str, numbers: Sequence[int], folder: Path, world: Path) -> Found:
    """Run the commands of a seed on mutants of its files; each number is one mutant, and always the same one."""
    build_commands_once(typer.testing, "_get_command")
    made, found = SEEDS[seed], Found()
    whole = folder / "whole"
    whole.mkdir(parents=True)
    made.make(whole)
    for number in numbers:
        chance = random.Random(f"{seed} {number}")
        place = folder / str(number)
        _prepare(made, whole, place, world)
        _damage(place, chance)
        # A path with the number, so that a rerun reads nothing of the mutant before it.
        command = made.commands[number % len(made.commands)]
        code, problem = run(command, place)
        found.mutants += 1
        found.codes[code] += 1
        if problem:
            found.faults.append(Fault(seed, number, command, problem))
        shutil.rmtree(place)
    return found


def run(command: Command, folder: Path) -> tuple[int, str]:
    """Return a command's exit code, and what is wrong with how it ended: nothing, or words for people."""
    raw, code, problem = io.BytesIO(), -1, ""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(raw)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with _alarm(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _arguments(command):
            app()
    except SystemExit as ended:
        code = int(ended.code) if isinstance(ended.code, int) else int(ended.code is not None)
    except TooSlow:
        problem = f"it did not end in {LONGEST_S:g} s of the processor, or {HANGS_S:g} s in all"
    except BaseException:  # noqa: BLE001 - it is what we look for
        problem = traceback.format_exc()[-MESSAGE:]
    finally:
        os.chdir(before)
    err.flush()
    said = raw.getvalue().decode("utf-8", "replace")
    return code, problem or _complaint(code, said)


def _complaint(code: int, said: str) -> str:
    if code not in EXIT_CODES:
        return f"exit code {code}: {said[-MESSAGE:]}"
    if MARK in said.lower():
        return f"words of a report: {said[-MESSAGE:]}"
    if "Traceback" in said or "defect of cxr" in said or "Exception ignored" in said:
        return said[-MESSAGE:]
    if code == 1 and not said.startswith("cxr: "):
        return f"no sentence: {said[-MESSAGE:]!r}"
    return ""


@contextlib.contextmanager
def _arguments(command: Command) -> Iterator[None]:
    before, sys.argv = sys.argv, ["cxr", *command]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooSlow

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, LONGEST_S), (signal.ITIMER_REAL, signal.SIGALRM, HANGS_S))
    before = [signal.signal(name, ring) for _, name, _ in clocks]
    for clock, _, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        for (clock, name, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(name, handler)


def _prepare(seed: Seed, whole: Path, place: Path, world: Path) -> None:
    shutil.copytree(whole, place, symlinks=True)
    if seed.needs:
        shutil.copy(world / "cxr.duckdb", place)
    if seed.needs == "benchmark":
        (place / "bench").symlink_to(world / "bench")


def _damage(place: Path, chance: random.Random) -> None:
    """Change one of the files, or sometimes its name, its kind or that it is there at all."""
    files = sorted(
        path for path in place.rglob("*") if path.is_file() and path.suffix != ".duckdb" and "bench" not in path.parts
    )
    path = chance.choice(files)
    match chance.randint(0, 24):
        case 0:
            path.unlink()
        case 1:
            path.unlink()
            path.mkdir()
        case 2:
            path.unlink()
            path.symlink_to(path.name)
        case 3:
            path.rename(path.with_name("a" * (250 - len(path.suffix)) + path.suffix))
        case 4:
            with contextlib.suppress(OSError, ValueError):
                path.rename(path.with_name(chance.choice(NASTY)))
        case _:
            path.write_bytes(mutate(path.name, path.read_bytes(), chance))


def make_world(folder: Path) -> Path:
    """Return a folder with a store of chains and a benchmark of them."""
    folder.mkdir(parents=True, exist_ok=True)
    make_benchmark(folder, 16)
    return folder
