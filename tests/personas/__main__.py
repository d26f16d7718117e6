"""Meet every persona with every command and print what came of it: `python -m tests.personas [NAME ...]`.

`python -m tests.personas --page` prints the tables of docs/servers.md instead.
"""

import sys
import tempfile
from pathlib import Path

import typer.testing

from tests.forked import build_commands_once
from tests.personas import PERSONAS
from tests.personas.page import tables
from tests.personas.server import PersonaServer
from tests.personas.world import COMMANDS, Outcome, make_world


def main(chosen: list[str]) -> int:
    """Print a line for each persona and command, and how many ended as they should."""
    if chosen == ["--page"]:
        print(tables(), end="")
        return 0
    build_commands_once(typer.testing, "_get_command")
    commands = [name for name in COMMANDS if name in chosen] or list(COMMANDS)
    names = [name for name in chosen if name not in COMMANDS]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as made:
        world = make_world(Path(made) / "world")
        with PersonaServer(world.model) as server:
            for persona in PERSONAS:
                if names and not any(name in persona.name for name in names):
                    continue
                for command in commands:
                    folder = Path(made) / f"{persona.name}-{command}"
                    folder.mkdir()
                    outcome = COMMANDS[command](world, persona, server, folder)
                    outcomes.append(outcome)
                    log = outcome.log
                    counts = f"{len(log.probes)}+{len(log.asked) - len(log.probes)} ({len(log.paid)} paid)"
                    print(f"{persona.name:28} {command:8} {counts:18} {outcome.fault or 'well'}", flush=True)
                    if names:
                        print(outcome.said)
    well = sum(outcome.fault is None for outcome in outcomes)
    print(f"{well} of {len(outcomes)} ended as they should")
    return well < len(outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
