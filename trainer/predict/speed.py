"""How fast a model writes, and how much of the time its device is kept at it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cxr.trainer.predict.samples import Predicted


@dataclass
class Speed:
    """Counts of one run; the clock starts with the first batch, when the model is loaded."""

    total: int = 0
    samples: int = 0
    errors: int = 0
    tokens: int = 0
    cut_off: int = 0
    """Outputs that reached the limit of tokens."""
    busy_s: float = 0.0
    is_gpu: bool = False
    _started: float | None = None
    _stopped: float | None = None
    _percents: list[float] = field(default_factory=list)

    def start(self, total: int) -> None:
        """Start the clock for so many requests."""
        self.total = total
        self._started, self._stopped = time.perf_counter(), None

    def stop(self) -> None:
        """Stop the clock: what comes now, such as writing to a store, is not the model's time."""
        self._stopped = time.perf_counter()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count the time inside as the model's own."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.busy_s += time.perf_counter() - began
            percent = _gpu_percent() if self.is_gpu else None
            if percent is not None:
                self._percents.append(percent)

    def ended(self, made: Sequence[Predicted]) -> None:
        """Count the predictions of a batch."""
        self.samples += len(made)
        self.errors += sum(one.error is not None for one in made)
        self.tokens += sum(one.tokens or 0 for one in made)
        self.cut_off += sum(one.finish == "length" for one in made)

    @property
    def wall_s(self) -> float:
        """Seconds from the start until now, or until the stop."""
        if self._started is None:
            return 0.0
        return (time.perf_counter() if self._stopped is None else self._stopped) - self._started

    @property
    def busy_share(self) -> float:
        """The part of the time in which the model wrote, from 0 to 1; the rest is waiting for images and disk."""
        return min(self.busy_s / self.wall_s, 1.0) if self.wall_s else 0.0

    @property
    def gpu_percent(self) -> float | None:
        """What the driver calls the GPU's utilisation, as a mean over batches; None where nobody tells."""
        return sum(self._percents) / len(self._percents) if self._percents else None

    @property
    def line(self) -> str:
        """The numbers for people."""
        wall = max(self.wall_s, 1e-9)
        here = f", generating {self.busy_share:.0%} of the time" if self.busy_s else ""
        gpu = "" if self.gpu_percent is None else f", GPU utilisation {self.gpu_percent:.0f} %"
        return f"{self.samples / wall:,.1f} samples/s, {self.tokens / wall:,.0f} tokens/s{here}{gpu}"

    def numbers(self) -> dict[str, float | int | None]:
        """Return the numbers for a file."""
        wall = max(self.wall_s, 1e-9)
        return {
            **{name: getattr(self, name) for name in ("samples", "errors", "cut_off", "tokens")},
            "wall_s": round(self.wall_s, 2),
            "busy_share": round(self.busy_share, 3),
            "samples_per_s": round(self.samples / wall, 2),
            "tokens_per_s": round(self.tokens / wall, 1),
            "gpu_percent": self.gpu_percent,
        }


def _gpu_percent() -> float | None:
    import torch  # noqa: PLC0415 - a server is asked without torch

    try:
        return float(torch.cuda.utilization())
    except Exception:  # noqa: BLE001 - the driver's library is not installed, or has errors of its own
        return None
