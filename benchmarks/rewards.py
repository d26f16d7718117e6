"""What the three rewards of GRPO cost a completion, on one core, as TRL calls them: batches of groups of eight.

    python benchmarks/rewards.py                       # phantom reports; and the public ones, where ../shared is
    python benchmarks/rewards.py --steps 50 --batch 64

`phantom` are completions of phantom length: the sentences of other phantom reports, so that some are false. `150 words`
are reasonings that GPT-4o wrote about OpenI reports. `dense` is the worst case that we could make: 150 words of
sentences of OpenI reports, each a finding or more, which no model would say in a row. In the last two no sentence
comes twice, so that no cache has read one before; completions of a model in training repeat themselves, and cost less.
Reports come anew with each group, and are their own reference, which asks for more than a chain does: the paper's is
then measured with the completeness that stands beside it in the logs. What counts is processor time, so that other
programs on the machine do not; the slowest step is the one that a trainer would notice.
"""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judge import WORDS, completions
from benchmarks.judge_speed import forget, sentences
from benchmarks.kit import SHARED, parser, reports
from cxr.miner.kit.console import out, table
from cxr.trainer.phantom.scene import draw_lots
from cxr.trainer.phantom.wording import describe_scene
from cxr.trainer.reward.process import GroundedReward, ProcessReward
from cxr.trainer.reward.rewards import reward_functions

GROUP = 8
TARGET_MS = 1.0
Groups = Iterator[tuple[str, list[str]]]
"""A report and the reasonings of its completions, one group after the other."""


def phantom_groups(seed: int = 0) -> Groups:
    rng = np.random.default_rng(seed)
    while True:
        shown, *others = (describe_scene(draw_lots(rng), rng) for _ in range(GROUP + 1))
        thinks = [f"The heart, the lungs and the pleura have to be looked at. {one.findings}" for one in others]
        yield f"FINDINGS: {shown.findings} IMPRESSION: {shown.impression}", thinks


def mined_groups(shared: Path) -> Groups:
    """Return reasonings that a language model wrote, each group against the report of its first."""
    found = list(completions(shared / "gold"))
    for start in range(0, len(found) - GROUP + 1, GROUP):
        group = found[start : start + GROUP]
        yield group[0][1], [think for think, _ in group]


def dense_groups(shared: Path, seed: int = 0) -> Groups:
    """Return sentences of OpenI in any order; ends when every one was used once."""
    texts = list(reports(shared).values())
    draw = random.Random(seed)  # noqa: S311 - a draw that can be repeated, no secret
    pool = sorted(set(sentences(texts)))
    draw.shuffle(pool)
    draw.shuffle(texts)
    forget()
    for report in texts:
        thinks = []
        for _ in range(GROUP):
            words: list[str] = []
            while len(words) < WORDS and pool:
                words += pool.pop().split()
            thinks.append(" ".join(words[:WORDS]))
        if not pool:
            return
        yield report, thinks


def batch(groups: Groups, size: int) -> dict[str, list[Any]] | None:
    """Return a step's completions with their columns; None at the end."""
    given = list(islice(groups, size // GROUP))
    if len(given) < size // GROUP:
        return None
    text = "<think> {} </think><answer> Edema, Fracture </answer>"
    said = [[{"role": "assistant", "content": text.format(think)}] for _, thinks in given for think in thinks]
    every: dict[str, list[Any]] = {
        "completions": said,
        "report": [report for report, _ in given for _ in range(GROUP)],
        "reference": [report for report, _ in given for _ in range(GROUP)],
        "sample_id": [f"q{number}" for number in range(len(given)) for _ in range(GROUP)],
    }
    fixed = {"mode": "reasoning", "task": "anomaly", "answer": "Edema", "options": None, "licence": "public",
             "prompts": None, "answer_findings": ["Edema"]}  # fmt: skip
    return {**every, **{name: [value] * size for name, value in fixed.items()}}


def measure(groups: Groups, size: int, steps: int, process: ProcessReward) -> list[tuple[Any, ...]]:
    """Return for each reward: completions, milliseconds a completion (mean, slowest step) and the mean reward."""
    rewards = {reward.__name__: reward for reward in reward_functions(process)}
    spent, given = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for step in range(steps + 1):
        rows = batch(groups, size)
        if rows is None:
            break
        for name, reward in rewards.items():
            started = time.process_time()
            values = reward(**rows)
            if step:  # the first one loads the lexicon
                spent[name].append((time.process_time() - started) / size * 1000)
            given[name] += [value for value in values if value is not None]
    means = {name: (statistics.mean(times), max(times), statistics.mean(given[name])) for name, times in spent.items()}
    return [(name, len(spent[name]) * size, *told) for name, told in means.items()]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--shared", type=Path, default=SHARED)
    options.add_argument("--batch", type=int, default=32, help="completions of a step, groups of eight")
    options.add_argument("--steps", type=int, default=20)
    given = options.parse_args()
    columns = ("reward", "completions", "ms each", "slowest step", "mean reward")
    sets: dict[str, Callable[[], Groups]] = {"phantom": phantom_groups}
    if given.shared.is_dir():
        sets["150 words"] = partial(mined_groups, given.shared)
        sets["dense"] = partial(dense_groups, given.shared)
    worst = 0.0
    for (name, groups), process in product(sets.items(), (ProcessReward(), GroundedReward())):
        forget()
        rows = measure(groups(), given.batch, given.steps, process)
        out().print(table(f"{name}, {given.batch} completions a step", columns, rows))
        cost = next(row[2] for row in rows if row[0] == process.__name__)
        worst = worst if name == "dense" else max(worst, cost)
    met = "met" if worst < TARGET_MS else "MISSED"
    out().print(f"process reward: {worst:.3f} ms a completion (dense apart), target below {TARGET_MS:.0f} ms: {met}")


if __name__ == "__main__":
    main()
