"""A command that is killed and given again ends as one that nobody killed, and leaves no half file behind."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.killing import kill_and_go_on, named
from tests.chaos.writers import ELSEWHERE, READ_ONLY, WRITERS, commands

IN_THE_SUITE = ("ingest csv", "mine", "filter", "export")
"""Of the main job; `make chaos` goes through the whole table."""


def test_every_command_that_writes_is_in_the_table() -> None:
    named_somewhere = {writer.name for writer in WRITERS} | READ_ONLY | ELSEWHERE.keys()
    known = set(commands())
    # `ingest` and `phantom` alone stand for what is behind their doors.
    assert known - named_somewhere == set(), "join WRITERS in tests/chaos/writers.py"
    assert named_somewhere - known == set(), "no such command any more"


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_THE_SUITE)
def test_a_kill_loses_nothing_and_leaves_nothing_half(name: str, state: Callable[[str], Path], tmp_path: Path) -> None:
    found = kill_and_go_on(named(name), state, tmp_path, kills=1, seed=1)
    assert not found.problems
