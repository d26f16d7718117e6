"""How many samples of each task a benchmark takes: up to its targets, which are the paper's unless said otherwise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.benchmark.selection import quotas
from cxr.miner.benchmark.settings import PAPER_TARGETS, Mode, parse_targets
from cxr.miner.kit.errors import SettingsError
from cxr.schemas.vocabulary import Task

tasks = st.sampled_from(list(Task))


@given(st.integers(0, 5000), st.dictionaries(tasks, st.integers(0, 1000)))
def test_a_total_is_reached_exactly_or_everything_is_taken(target: int, available: dict[Task, int]) -> None:
    given_ = quotas(target, available)
    assert sum(given_.values()) == min(target, sum(available.values()))
    assert all(given_[task] <= available[task] for task in available)
    # No task gets more than one that still had samples left, but for the remainder.
    left = [given_[task] for task in available if given_[task] < available[task]]
    assert not left or max(given_.values()) - min(left) <= 1


@given(st.dictionaries(tasks, st.integers(0, 50)), st.dictionaries(tasks, st.integers(0, 50)))
def test_a_table_of_targets_is_kept_task_by_task(target: dict[Task, int], available: dict[Task, int]) -> None:
    assert quotas(target, available) == {task: min(wanted, available.get(task, 0)) for task, wanted in target.items()}


def test_targets_are_read_from_the_command_line_and_default_to_the_papers() -> None:
    assert parse_targets(["test.reasoning=1000", "train.answer_only.binary=3", "train.answer_only.single=4"]) == {
        "test": {Mode.REASONING: 1000},
        "train": {Mode.ANSWER_ONLY: {Task.BINARY: 3, Task.SINGLE: 4}},
    }
    assert PAPER_TARGETS["train"] == {Mode.ANSWER_ONLY: 1_200_000, Mode.REASONING: 59_000}
    assert PAPER_TARGETS["test"] == {Mode.ANSWER_ONLY: 7_300, Mode.REASONING: 1_000}
    for bad in ("test=3", "exam.reasoning=1", "test.reasoning.guess=1", "test.reasoning=-1"):
        with pytest.raises(SettingsError, match="expected SPLIT"):
            parse_targets([bad])
