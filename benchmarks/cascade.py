"""Print what a cascade of judges costs and gives: how much is asked at each sureness, and how well the rest is judged.

    python benchmarks/cascade.py          # the tables of docs/judge.md
    python benchmarks/cascade.py --write  # and write what was measured into miner/judge/sureness.toml

Findings that careful readers judged (factual or not) come from `factuality_dev` and `readings/reports_dev`, which lie
beside the repository, in ../shared/gold. Every sureness in the tables is of a report that its weights were not measured
on (ten parts of whole reports, each in turn). Both files were looked at while the rules were written, but for
`dev-hold`, half of the first: there the figures flatter least.
"""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.judge import FACTUAL, findings, shown
from benchmarks.kit import SHARED, Json, markdown, parser, records
from cxr.miner.judge import RulesJudge
from cxr.miner.judge.sureness import Kind, Mark, is_understood, kind_of, marks_of
from cxr.miner.stats.agreement import agreement
from cxr.schemas import Verdict

PARTS = 10
SHRINKS = 2.0
"""How strongly a weight is drawn to nothing where few findings speak for it."""
AT = (0.001, 0.90, 0.94, 0.96, 0.97, 0.98, 0.985, 0.99, 1.0)
FILE = Path(__file__).resolve().parents[1] / "miner" / "judge" / "sureness.toml"


class Read(NamedTuple):
    """One finding that readers judged: whose report, what they, the rules and GPT-4o say, and what sureness knows."""

    report: str
    source: str
    gold: bool
    rules: bool
    gpt4o: bool | None
    understood: bool
    kind: Kind
    marks: frozenset[Mark]

    @property
    def half(self) -> str:
        """Which half of `factuality_dev` it is of."""
        return "dev-look" if _number(self.report) % 2 == 0 else "dev-hold"


def _number(report: str) -> int:
    return int(hashlib.sha256(report.encode()).hexdigest(), 16)


def read(judge: RulesJudge, source: str, rows: list[Json]) -> Iterator[Read]:
    """Return what readers and rules say of each finding that asserts something."""
    for row in rows:
        answers = judge.verdicts(row["report"], findings(row["findings"]))
        for item, answer in zip(row["findings"], answers, strict=True):
            if item["verdict"] != Verdict.NOT_ASSESSABLE.value:
                yield Read(
                    row["id"],
                    source,
                    item["verdict"] in FACTUAL,
                    answer.verdict.value in FACTUAL,
                    item.get("gpt4o_correct"),
                    is_understood(row["report"], answer),
                    kind_of(answer),
                    frozenset(marks_of(row["report"], answer)),
                )


def table_of(rows: Sequence[Read]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return a row of ones and zeros per finding: a one, its kind, its marks."""
    return np.array(
        [[1, *(row.kind is kind for kind in Kind), *(mark in row.marks for mark in Mark)] for row in rows], float
    )


def measured(rows: Sequence[Read]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the base and the weights of kinds and marks: a logistic regression, shrunken, by Newton's method."""
    rows = [row for row in rows if row.understood]
    given, right = table_of(rows), np.array([row.gold is row.rules for row in rows], float)
    shrinks = np.array([0.0, *[SHRINKS] * (given.shape[1] - 1)])
    weights = np.zeros(given.shape[1])
    weights[0] = math.log(right.mean() / (1 - right.mean()))
    for _ in range(50):
        chance = 1 / (1 + np.exp(-given @ weights))
        slope = given.T @ (chance - right) + shrinks * weights
        step = np.linalg.solve((given * (chance * (1 - chance))[:, None]).T @ given + np.diag(shrinks), slope)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def sureness_of(weights: np.ndarray[tuple[int], np.dtype[np.float64]], rows: Sequence[Read]) -> list[float]:
    """Return the sureness of each finding by these weights."""
    chances = 1 / (1 + np.exp(-table_of(rows) @ weights))
    return [float(chance) if row.understood else 0.0 for row, chance in zip(rows, chances, strict=True)]


def held_out(rows: Sequence[Read]) -> list[tuple[Read, float]]:
    """Return each finding with its sureness by weights that were measured on other reports."""
    found = []
    for part in range(PARTS):
        inside = [row for row in rows if _number(row.report) // 2 % PARTS == part]
        weights = measured([row for row in rows if _number(row.report) // 2 % PARTS != part])
        found += list(zip(inside, sureness_of(weights, inside), strict=True))
    return found


def judged(rows: Sequence[tuple[Read, bool]]) -> tuple[str, str]:
    """Return how often what somebody says is as the readers have it, and kappa, with 95 % intervals over reports."""
    if not rows:
        return "", ""
    found = agreement(
        [str(row.gold) for row, _ in rows], [str(said) for _, said in rows], clusters=[row.report for row, _ in rows]
    )
    return shown(found.accuracy, ".1%"), shown(found.kappa, ".3f")


def bare(words: str) -> str:
    return words.partition(" [")[0]


def print_levels(title: str, found: Sequence[tuple[Read, float]]) -> None:
    """Print a row per least sureness."""
    print(f"\n{title}: {len(found)} findings\n")
    has_gpt4o = all(row.gpt4o is not None for row, _ in found)
    rows = []
    for least in AT:
        kept = [(row, row.rules) for row, sure in found if sure >= least]
        asked = [row for row, sure in found if sure < least]
        share, kappa = judged(kept)
        perfect = judged([*kept, *((row, row.gold) for row in asked)])
        line = [
            f"{least:g}",
            f"{len(asked) / len(found):.1%}",
            share,
            kappa,
            bare(judged([(row, row.rules) for row in asked])[0]),
            bare(perfect[0]),
            bare(perfect[1]),
        ]
        if has_gpt4o:
            line += [
                bare(judged([(row, bool(row.gpt4o)) for row in asked])[0]),
                bare(judged([*kept, *((row, bool(row.gpt4o)) for row in asked)])[1]),
            ]
        rows.append(line)
    columns = ["sure", "asked", "kept: right", "kappa", "asked: rules right", "all, second perfect", "kappa"]
    print(markdown([*columns, *(["asked: GPT-4o right", "kappa of all with it"] if has_gpt4o else [])], rows))


def print_kinds(rows: Sequence[Read]) -> None:
    """Print how often each kind of rule, and each mark, goes with a right verdict."""
    groups: dict[str, list[Read]] = {"not understood": [row for row in rows if not row.understood]}
    known = [row for row in rows if row.understood]
    groups |= {str(kind): [row for row in known if row.kind is kind] for kind in Kind}
    groups |= {f"+ {mark}": [row for row in known if mark in row.marks] for mark in Mark}
    lines = [
        (name, str(len(group)), bare(judged([(row, row.rules) for row in group])[0])) for name, group in groups.items()
    ]
    print("\n" + markdown(["kind, or mark", "findings", "rules right"], lines))


def written(weights: np.ndarray[tuple[int], np.dtype[np.float64]], n: int, before: str) -> str:
    """Return the file of weights: what was measured, and the levels as they were."""
    base, *rest = (round(float(value), 2) for value in weights)
    names = [*map(str, Kind), *map(str, Mark)]
    lines = [f"{name} = {value}" for name, value in zip(names, rest, strict=True)]
    opening = re.sub(r"of [\d,]+ findings", f"of {n:,} findings", before.partition("base = ")[0])
    kinds, marks = "\n".join(lines[: len(Kind)]), "\n".join(lines[len(Kind) :])
    levels = before[before.index("\n# The least sureness") :]
    return f"{opening}base = {base}\n\n[kinds]\n{kinds}\n\n[marks]\n{marks}\n{levels}"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("gold", type=Path, nargs="?", default=SHARED / "gold", help="the folder with the gold files")
    options.add_argument("--write", action="store_true", help="write the weights")
    given = options.parse_args()
    judge = RulesJudge()
    rows = [
        *read(judge, "factuality_dev", records(given.gold / "factuality_dev.jsonl")),
        *read(judge, "reports_dev", records(given.gold / "readings" / "reports_dev.jsonl")),
    ]
    print(f"judge {judge.name} {judge.version}")
    print_kinds(rows)
    found = held_out(rows)
    print_levels("both", found)
    print_levels("reports_dev", [each for each in found if each[0].source == "reports_dev"])
    opened = [each for each in found if each[0].source == "factuality_dev"]
    print_levels("factuality_dev", opened)
    print_levels("dev-hold", [each for each in opened if each[0].half == "dev-hold"])
    if given.write:
        FILE.write_text(written(measured(rows), len(rows), FILE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
