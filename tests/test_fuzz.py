"""A few mutants of every reader's files, always the same: no traceback, a known exit code, no words of a report."""

from pathlib import Path

import pytest

from tests.fuzz.harness import attack, make_world
from tests.fuzz.seeds import SEEDS

EACH = 8


@pytest.fixture(scope="module")
def fuzz_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of chains and a benchmark of them, for the seeds that need one."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_damaged_file_is_one_sentence(seed: str, fuzz_world: Path, tmp_path: Path) -> None:
    found = attack(seed, range(EACH), tmp_path / "mutants", fuzz_world)
    assert found.mutants == EACH
    assert not found.faults, "\n".join(f"{fault.number}: {fault.what}" for fault in found.faults)


# What the long run found, each again: kind and number of the mutant.
FOUND = (
    ("openi csv", 3_000_025), ("mimic zip", 3_000_049), ("mimic sectioned", 3_000_033), ("ms-cxr-t", 3_000_013),
    ("chexpert plus", 4_000_015), ("openi tgz", 4_000_128), ("settings", 3_000_048), ("settings", 4_000_030),
    ("agreement", 11_000_247), ("openi csv", 11_000_328),
)  # fmt: skip


@pytest.mark.parametrize(("seed", "number"), FOUND)
def test_what_was_found_stays_mended(seed: str, number: int, fuzz_world: Path, tmp_path: Path) -> None:
    found = attack(seed, [number], tmp_path / "mutants", fuzz_world)
    assert not found.faults, found.faults
