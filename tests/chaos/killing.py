"""SIGKILL at random moments of a command, and what is there afterwards."""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.writers import WRITERS, Writer, content
from tests.conftest import ROOT

SENTENCES = {0, 4}
_TRIES = 4
"""How often a kill may come too late, for each that is asked for."""


@dataclass
class Killed:
    """What came of the kills of one command."""

    writer: Writer
    kills: int = 0
    problems: list[str] = field(default_factory=list)


def run(writer: Writer, folder: Path, *more: str) -> "subprocess.Popen[str]":
    """Start a command in a folder."""
    command = [sys.executable, "-P", "-m", "cxr", *writer.command, *more]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=here,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_and_go_on(writer: Writer, state: Callable[[str], Path], scratch: Path, kills: int, seed: int) -> Killed:
    """Kill a command so many times, then let it end; compare with what it makes when nobody kills it."""
    chance, found = random.Random(f"{writer.name} {seed}"), Killed(writer)
    place = scratch / "place"  # the same for both: a store knows where its images lie
    shutil.copytree(state(writer.begins), place, symlinks=True)
    began = time.monotonic()
    ended = run(writer, place)
    said = ended.communicate()[1]
    if ended.returncode not in SENTENCES:
        found.problems.append(f"undisturbed, it ended with {ended.returncode}: {said[-300:]}")
        return found
    took, made, whole = time.monotonic() - began, leavings(writer, place), content(place)
    begin_again(writer, state, place)
    for _ in range(_TRIES * kills):
        if found.kills == kills:
            break
        process = run(writer, place, *_over(writer, place))
        # The last third is where things are written; the first is imports.
        time.sleep(took * chance.uniform(0.3, 1.0))
        process.kill()
        process.communicate()
        found.kills += process.returncode < 0
        if process.returncode in SENTENCES:  # it had ended before the kill, and has nothing left to do
            begin_again(writer, state, place)
            continue
        found.problems += [
            f"half a file at {name}" for name, mark in leavings(writer, place).items() if mark != made.get(name, mark)
        ]
    last = run(writer, place, *_over(writer, place))
    said = last.communicate()[1]
    if last.returncode not in SENTENCES or "Traceback" in said:
        found.problems.append(f"after the kills, it ended with {last.returncode}: {said[-300:]}")
    elif content(place) != whole:
        found.problems.append(f"the store differs: {_difference(whole, content(place))}")
    elif leavings(writer, place) != made:
        found.problems.append("the files differ from those of an undisturbed run")
    return found


def begin_again(writer: Writer, state: Callable[[str], Path], place: Path) -> None:
    """Put what a command begins with in the place of what it has made."""
    shutil.rmtree(place)
    shutil.copytree(state(writer.begins), place, symlinks=True)


def _over(writer: Writer, folder: Path) -> tuple[str, ...]:
    return writer.over if any((folder / name).exists() for name in writer.leaves) else ()


def leavings(writer: Writer, folder: Path) -> dict[str, str]:
    """Give the digest of each file that a command leaves under its final name."""
    found: dict[str, str] = {}
    for name in writer.leaves:
        place = folder / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                found[str(file.relative_to(folder))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _difference(one: dict[str, object], other: dict[str, object]) -> str:
    return ", ".join(
        f"{name} {one.get(name)} {other.get(name)}" for name in {*one, *other} if one.get(name) != other.get(name)
    )


def named(name: str) -> Writer:
    """Give the first command of this name."""
    return next(writer for writer in WRITERS if writer.name == name)
