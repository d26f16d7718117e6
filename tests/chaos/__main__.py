"""`python -m tests.chaos --kills 200`: so many kills over every command that writes."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.killing import kill_and_go_on
from tests.chaos.writers import WRITERS, make_states


def main() -> int:
    """Print what was killed and what was wrong afterwards; return 1 where anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="Commands whose name holds this.")
    asked = parser.parse_args()
    writers = [writer for writer in WRITERS if asked.only in writer.name]
    each, total, wrong = -(-asked.kills // len(writers)), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        state = make_states(Path(scratch, "states"))
        for number, writer in enumerate(writers):
            found = kill_and_go_on(writer, state, Path(scratch, str(number)), each, asked.seed)
            total, wrong = total + found.kills, wrong + len(found.problems)
            sys.stdout.write(f"{' '.join(writer.command[:3])}: {found.kills} kills\n")
            sys.stdout.writelines(f"    {problem}\n" for problem in found.problems)
            sys.stdout.flush()
    sys.stdout.write(f"{total} kills of {len(writers)} commands, {wrong} problems\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
