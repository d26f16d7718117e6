"""No command calls anybody: nobody is looked up, nothing is sent, but to a server on this machine that was named."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.every import COMMANDS, Command, make_all
from tests.chaos.sockets import LICENCES, Run, called, calls, table, watched
from tests.chaos.writers import commands
from tests.forked import ForkedCommands

CLOSED = LICENCES[1]
"""`make chaos` goes through a public store as well, and trains."""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What the commands begin in."""
    return make_all(tmp_path_factory.mktemp("states") / "made", CLOSED)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where calls are written down."""
    return tmp_path_factory.mktemp("seen") / "calls"


@pytest.fixture(scope="module")
def run(seen: Path) -> Iterator[Run]:
    """Run a command in a fork of a watched process; what that called while it imported everything counts as well."""
    with pytest.MonkeyPatch.context() as patch:
        environment = watched(seen)
        patch.delenv("CI", raising=False)
        for name in ("PYTHONPATH", "SOCKETS_SEEN"):
            patch.setenv(name, environment[name])
        forked = ForkedCommands()
        yield lambda line, place: forked.run(line, place, environment)
        forked.close()


def test_every_command_is_in_one_of_the_tables() -> None:
    assert set(commands()) - {command.name for command in COMMANDS} == set(), "join OTHERS in tests/chaos/every.py"


def test_what_a_command_called_would_be_seen(seen: Path) -> None:
    asks = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'', ('127.0.0.1', 9)); "
    asks += "s.connect(('127.0.0.2', 9)); socket.getaddrinfo('localhost', 9); socket.socketpair()"
    subprocess.run([sys.executable, "-c", asks], env=watched(seen), check=True)
    assert list(called(seen)) == [("sent", "127.0.0.1"), ("sent", "127.0.0.2"), ("look-up", "localhost")]


@pytest.mark.parametrize("command", table(CLOSED, trains=False), ids=lambda command: command.name)
def test_nobody_is_called(command: Command, state: Callable[[str], Path], run: Run, seen: Path, tmp_path: Path) -> None:
    assert calls(command, state(command.begins), tmp_path / "place", CLOSED, run, seen) == []
