"""Sampled completions with their rewards: OUT/samples.jsonl, and now and then a small table on the terminal.

Completions speak about a report's findings, so those of credentialed corpora stay in the user's own OUT: on the
terminal only completions to public samples are shown, unless the user asks for all.
"""

import json
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxr.miner.kit.console import say, table, talk
from cxr.miner.kit.files import append
from cxr.schemas.vocabulary import Licence
from cxr.trainer.reward.protocol import RewardFunction
from cxr.trainer.reward.rewards import text_of
from cxr.trainer.train.run_record import keep_steps

SAMPLES = "samples.jsonl"
KEEP = 8
"""Completions kept of a step: one group of the paper's size. All of them would be 800,000 at the paper's setting."""
SHOW_EVERY_S = 60.0
SHOWN = 4
SHOWN_CHARACTERS = 240
_ABOUT: tuple[str, ...] = ("mode", "task", "corpus", "licence")
IDS_NAMED = 8


class LastBatch:
    """Which samples the model saw last; filled where batches are made, read when a loss is no number."""

    def __init__(self) -> None:
        self.sample_ids: tuple[str, ...] = ()

    def saw(self, sample_ids: Iterable[str]) -> None:
        """Keep the ids of the batch that is about to be used."""
        self.sample_ids = tuple(dict.fromkeys(sample_ids))

    def words(self) -> str:
        """Name the samples, the first few of many."""
        if not self.sample_ids:
            return "samples unknown"
        more = len(self.sample_ids) - IDS_NAMED
        return "samples " + ", ".join(self.sample_ids[:IDS_NAMED]) + (f" and {more} more" if more > 0 else "")


class SampleTable:
    """Collects completions and the rewards they got, batch by batch.

    `num_generations` is the size of a group; with it, and a batch that holds whole groups, `advantage` is what GRPO
    takes it to be: the sum of the weighted rewards, minus its group's mean, over its standard deviation + 1e-4
    (TRL's `scale_rewards="group"`). Otherwise it is null. Nothing is written where `write` is false (a process that
    is not the first).
    """

    def __init__(
        self,
        out: Path,
        *,
        num_generations: int | None = None,
        weights: Mapping[str, float] | None = None,
        keep: int = KEEP,
        show_text: bool = False,
        write: bool = True,
    ) -> None:
        self.path = out / SAMPLES
        self._group = num_generations
        self._weights = dict(weights or {})
        self._keep = keep
        self._show_text = show_text
        self._write = write
        self._shown_at = time.monotonic()
        self._latest: list[dict[str, Any]] = []
        self._names: tuple[str, ...] = ()

    def resume(self, step: int) -> None:
        """Drop what was sampled after a step; the table starts empty at step 0."""
        if self._write:
            keep_steps(self.path, step)

    def add(
        self,
        step: int,
        sample_ids: Sequence[str],
        completions: Sequence[str],
        rewards: Mapping[str, Sequence[float | None]],
        *,
        columns: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        """Write the first completions of a batch; `columns` (mode, task, corpus, licence) go along as they are."""
        if not self._write:
            return
        advantages = advantage(rewards, self._weights, self._group)
        rows: list[dict[str, Any]] = []
        for index in range(min(self._keep, len(completions))):
            told = {name: values[index] for name, values in (columns or {}).items()}
            given = {name: values[index] for name, values in rewards.items()}
            ours = {"step": step, "sample_id": sample_ids[index], **told, "completion": completions[index]}
            rows.append({**ours, **given, "advantage": None if advantages is None else advantages[index]})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append(self.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
        self._latest = rows
        self._names = tuple(rewards)

    def show(self, *, now: bool = False) -> None:
        """Print a few of the latest completions, at most once a minute unless `now`; text of public samples only."""
        if not self._latest or not (now or time.monotonic() - self._shown_at >= SHOW_EVERY_S):
            return
        self._shown_at = time.monotonic()
        may = [row for row in self._latest if self._show_text or row.get("licence") == Licence.PUBLIC]
        if not may:
            say(f"sampled completions are in {self.path} (not shown: their corpus is not public)")
            return
        rows = [
            (row["step"], row["sample_id"], _short(row["completion"]), *(row[name] for name in self._names))
            for row in may[:SHOWN]
        ]
        talk().print(table("Sampled completions", ["step", "sample", "completion", *self._names], rows))


def advantage(
    rewards: Mapping[str, Sequence[float | None]], weights: Mapping[str, float], group: int | None
) -> list[float] | None:
    """Return each completion's advantage within its group of consecutive completions, or None for broken groups."""
    if not group or group < 2 or any(len(values) % group for values in rewards.values()):
        return None
    filled = {name: _with_group_means(values, group) for name, values in rewards.items()}
    total = [
        sum(weights.get(name, 1.0) * value for name, value in zip(filled, values, strict=True) if value is not None)
        for values in zip(*filled.values(), strict=True)
    ]
    found: list[float] = []
    for start in range(0, len(total), group):
        of_group = total[start : start + group]
        mean, spread = statistics.fmean(of_group), statistics.stdev(of_group)
        found += [(value - mean) / (spread + 1e-4) for value in of_group]
    return found


def _with_group_means(values: Sequence[float | None], group: int) -> list[float | None]:
    """Return values where a completion without one has the mean of its group, as the trainer takes it."""
    filled: list[float | None] = []
    for start in range(0, len(values), group):
        of_group = values[start : start + group]
        known = [value for value in of_group if value is not None]
        mean = statistics.fmean(known) if known else None
        filled += [mean if value is None else value for value in of_group]
    return filled


class RewardWatch:
    """Watches the rewards of a run: on which samples, and what each gave.

    `watch(reward)` gives a function of the same name to hand to GRPOTrainer. It tells the `LastBatch` the sample ids,
    and hands each batch with all its rewards to the `SampleTable`.
    """

    def __init__(self, last_batch: LastBatch, samples: SampleTable) -> None:
        self._last_batch = last_batch
        self._samples = samples
        self._names: list[str] = []
        self._batch: dict[str, Sequence[float | None]] = {}

    def watch(self, reward: RewardFunction) -> RewardFunction:
        """Wrap a reward function."""
        name = reward.__name__
        self._names.append(name)

        def watched(**given: Any) -> Sequence[float | None]:
            ids = [str(sample) for sample in given.get("sample_id") or ()]
            self._last_batch.saw(ids)
            self._batch[name] = values = reward(**given)
            if len(self._batch) == len(self._names):  # the last reward of this batch
                batch, self._batch = {name: self._batch[name] for name in self._names}, {}
                completions = [text_of(completion) for completion in given["completions"]]
                state = given.get("trainer_state")
                step = 0 if state is None else int(state.global_step) + 1  # the step that these completions are for
                about = {key: given[key] for key in _ABOUT if key in given}
                self._samples.add(step, ids or [""] * len(completions), completions, batch, columns=about)
            return values

        watched.__name__ = name
        return watched


def _short(text: str) -> str:
    """Return a completion as one line without control characters: a model may write what would move the cursor."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"
