"""Sampled completions with their rewards: OUT/samples.jsonl, and now and then a small table on the terminal.

Completions speak about a report's findings, so those of credentialed corpora stay in the user's own OUT: on the
terminal only completions to public samples are shown, unless the user asks for all.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cxr.miner.kit.console import say, table, talk
from cxr.miner.kit.files import append
from cxr.schemas.vocabulary import Licence
from cxr.trainer.reward.protocol import RewardFunction
from cxr.trainer.reward.rewards import text_of
from cxr.trainer.train.run_record import as_lines, keep_steps

SAMPLES = "samples.jsonl"
KEEP = 8
"""Completions kept of a step: one group of the paper's size. All of them would be 800,000 at the paper's setting."""
SHOW_EVERY_S = 60.0
SHOWN = 4
SHOWN_CHARACTERS = 240
_ABOUT: tuple[str, ...] = ("mode", "task", "corpus", "licence")
_KEPT = (*_ABOUT, "sample_id", "completions", "trainer_state")
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

    Nothing is written where `write` is false (a process that is not the first).
    """

    def __init__(
        self,
        out: Path,
        *,
        keep: int = KEEP,
        show_text: bool = False,
        write: bool = True,
    ) -> None:
        self.path = out / SAMPLES
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
        """Write the first completions of a batch; `columns` (mode, task, advantage, ...) go along as they are."""
        if not self._write:
            return
        rows: list[dict[str, Any]] = []
        for index in range(min(self._keep, len(completions))):
            told = {name: values[index] for name, values in (columns or {}).items()}
            given = {name: values[index] for name, values in rewards.items()}
            ours = {"step": step, "sample_id": sample_ids[index], **told, "completion": completions[index]}
            rows.append({**ours, **given})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append(self.path, as_lines(rows).encode())
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


class RewardWatch:
    """Watches the rewards of a run: on which samples, and what each gave.

    `watch(reward)` gives a function of the same name to hand to GRPOTrainer. It tells the `LastBatch` the sample ids,
    and keeps the batch with all its rewards until the trainer says by `used` what advantages it made of them: then it
    is handed to the `SampleTable`. A batch that is answered again, or evaluated, is not.
    """

    def __init__(self, last_batch: LastBatch, samples: SampleTable) -> None:
        self._last_batch = last_batch
        self._samples = samples
        self._given: dict[str, Any] = {}
        self._batch: dict[str, Sequence[float | None]] = {}

    def watch(self, reward: RewardFunction) -> RewardFunction:
        """Wrap a reward function."""
        name = reward.__name__

        def watched(**given: Any) -> Sequence[float | None]:
            self._last_batch.saw(str(sample) for sample in given.get("sample_id") or ())
            self._batch[name] = reward(**given)
            self._given = {key: given[key] for key in _KEPT if key in given}
            return self._batch[name]

        watched.__name__ = name
        self._batch[name] = ()  # rewards stand in the order in which they are watched
        return watched

    def used(self, advantages: Sequence[float], of_wrong: Sequence[float | None]) -> None:
        """Hand on the batch that was rewarded last, with its advantages; `of_wrong` are those in wrong sentences."""
        given, count = self._given, len(advantages)
        state = given.get("trainer_state")
        about = {key: given[key] for key in _ABOUT if key in given}
        self._samples.add(
            0 if state is None else int(state.global_step) + 1,  # the step that these completions are for
            [str(sample) for sample in given.get("sample_id") or [""] * count],
            [text_of(completion) for completion in given["completions"]],
            self._batch,
            columns={**about, "advantage": advantages, "advantage_wrong": of_wrong},
        )


def _short(text: str) -> str:
    """Return a completion as one line without control characters: a model may write what would move the cursor."""
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"
