"""`python -m tests.fuzz --mutants 20000 --seed 1`: so many mutants over all readers, in several processes."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.fuzz.harness import Found, attack, make_world
from tests.fuzz.seeds import SEEDS

CHUNK = 50


def main() -> int:
    """Print what was run and what was found; return 1 where anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=20_000, help="How many, over all readers.")
    parser.add_argument("--seed", type=int, default=1, help="The number of the first; others are other mutants.")
    parser.add_argument("--only", default="", help="Readers whose name holds this.")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    names = [name for name in SEEDS if asked.only in name]
    each = -(-asked.mutants // len(names))
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        world = make_world(Path(scratch, "world"))
        first = asked.seed * 1_000_000
        tasks = [
            (name, range(start, min(start + CHUNK, first + each)))
            for start in range(first, first + each, CHUNK)
            for name in names
        ]
        began = time.monotonic()
        futures = [
            pool.submit(attack, name, numbers, Path(scratch, name.replace(" ", "-"), str(numbers[0])), world)
            for name, numbers in tasks
        ]
        return _told((future.result() for future in futures), began)


def _told(results: Iterable[Found], began: float) -> int:
    mutants, faults, codes = 0, 0, Counter[int]()
    for found in results:
        mutants += found.mutants
        codes += found.codes
        for fault in found.faults:
            faults += 1
            sys.stdout.write(f"--- {fault.seed}, mutant {fault.number}: cxr {' '.join(fault.command)}\n{fault.what}\n")
            sys.stdout.flush()
    said = ", ".join(f"{count:,} with {code}" for code, count in sorted(codes.items()))
    sys.stdout.write(f"{mutants:,} mutants in {time.monotonic() - began:.0f} s, ended {said}; {faults:,} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
