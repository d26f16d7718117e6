"""Print how well and how fast the rules judge judges: the table of agreement and the time per completion.

    python benchmarks/judge.py            # the whole table, with the classes of errors counted
    python benchmarks/judge.py --errors   # and the rows of dev-look that differ, by kind
    python benchmarks/judge.py FOLDER     # the gold files of another folder

The development files are split by a hash of the report id. `dev-look` may be read while rules are written;
of `dev-hold` only figures are read. The public files lie beside the repository, in ../shared/gold.
"""

import hashlib
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.kit import SHARED, Json, parser, records
from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.stats.agreement import agreement
from cxr.miner.stats.resampling import Estimate
from cxr.schemas import Finding, Verdict

# issue 4: least agreement and kappa
TARGETS = {"factual or not": (0.94, 0.87), "five verdicts": (0.88, None), "recall": (0.90, 0.79)}
FACTUAL = {Verdict.SUPPORTED.value, Verdict.UNMENTIONED_NORMAL.value}
WORDS = 150


def findings(items: list[Json]) -> list[Finding]:
    return [Finding(observation=item["observation"], status=item["status"]) for item in items]


class Row(NamedTuple):
    """One finding: whose report, its words, and what the readers, GPT-4o and our judge (and why) said."""

    report: str
    words: str
    gold: str
    gpt4o: str
    judged: str
    reason: str = ""

    @property
    def half(self) -> str:
        """Which half of the development data the report belongs to."""
        even = int(hashlib.sha256(self.report.encode()).hexdigest(), 16) % 2 == 0
        return "dev-look" if even else "dev-hold"

    @classmethod
    def of(cls, record: Json, item: Json, gold: str, judged: object, reason: str = "") -> "Row":
        """Make the row of an item of a gold file."""
        words, said = f"{item['observation']} | {item['status']}", item["verdict" if gold == "correct" else gold]
        return cls(record["id"], words, str(said), str(item[f"gpt4o_{gold}"]), str(judged), reason)


def verdict_rows(judge: Judge, gold: Path) -> list[Row]:
    rows = []
    for record in records(gold / "factuality_dev.jsonl"):
        answers = judge.verdicts(record["report"], findings(record["findings"]))
        for item, answer in zip(record["findings"], answers, strict=True):
            rows.append(Row.of(record, item, "correct", answer.verdict.value, str(answer.reason)))
    return rows


def factual_rows(rows: list[Row]) -> list[Row]:
    """Fold five verdicts into factual or not; a finding judged not assessable counts as not factual."""
    return [
        row._replace(gold=str(row.gold in FACTUAL), judged=str(row.judged in FACTUAL))
        for row in rows
        if row.gold != Verdict.NOT_ASSESSABLE.value
    ]


def recall_rows(judge: RulesJudge, gold: Path) -> list[Row]:
    rows = []
    for record in records(gold / "recall_dev.jsonl"):
        answers = judge.contained(findings(record["reference"]), findings(record["prediction"]))
        for item, answer in zip(record["reference"], answers, strict=True):
            if item["recalled"] is not None:
                rows.append(Row.of(record, item, "recalled", answer))
    return rows


def shown(found: Estimate, form: str) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"


def print_table(tables: dict[str, list[Row]]) -> None:
    print(f"{'measure':16} {'half':9} {'n':>4}  {'agreement [95 %]':24} {'kappa [95 %]':20} target")
    for measure, rows in tables.items():
        least, least_kappa = TARGETS[measure]
        target = f"{least:.0%}" + (f", {least_kappa:.2f}" if least_kappa else "")
        for name in ("dev-look", "dev-hold", "both"):
            part = [row for row in rows if name in (row.half, "both")]
            gold, judged, reports = ([getattr(row, field) for row in part] for field in ("gold", "judged", "report"))
            found = agreement(gold, judged, clusters=reports)
            share, kappa = shown(found.accuracy, ".1%"), shown(found.kappa, ".2f")
            print(f"{measure:16} {name:9} {found.n:4}  {share:24} {kappa:20} {target}")


def print_classes(tables: dict[str, list[Row]]) -> None:
    """Print how often each kind of error occurs in each half: counts only, so that dev-hold stays unread."""
    print("\nerrors by class: gold -> judged (reason): dev-look, dev-hold")
    for measure in ("five verdicts", "recall"):
        counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        for row in tables[measure]:
            if row.gold != row.judged:
                counts[row.gold, row.judged, row.reason][row.half] += 1
        for (gold, judged, reason), found in sorted(counts.items(), key=lambda item: -item[1].total()):
            why = f" ({reason})" if reason else ""
            print(f"  {measure}: {gold} -> {judged}{why}: {found['dev-look']}, {found['dev-hold']}")


def print_errors(tables: dict[str, list[Row]], reports: dict[str, str]) -> None:
    for measure in ("five verdicts", "recall"):
        for row in sorted(tables[measure], key=lambda row: (row.gold, row.judged)):
            if row.half == "dev-look" and row.gold != row.judged:
                print(f"\n{measure}: gold {row.gold}, judged {row.judged} ({row.reason})\n  {row.words}")
                print(f"  {row.report}  {reports.get(row.report, '')}")


def completions(gold: Path) -> Iterator[tuple[str, str]]:
    """Return completions of about 150 words, cut from mined reasoning, each with its report."""
    for record in records(gold / "openi_gpt4o_mined.jsonl"):
        words = " ".join(record["steps"]).split()
        if len(words) >= WORDS:
            yield " ".join(words[:WORDS]), record["report"]


def print_speed(judge: RulesJudge, most: int, gold: Path) -> None:
    times = []
    for completion, report in islice(completions(gold), most):
        judge.verdicts(report, [])  # the report's analysis is cached, as in a group of rollouts
        start = time.process_time()
        judge.verdicts(report, judge.extract(completion))
        times.append((time.process_time() - start) * 1000)
    if not times:
        print("no completion is long enough to time")
        return
    late = sorted(times)[int(0.95 * (len(times) - 1))]
    print(
        f"\nprocessor time to extract and judge a completion of {WORDS} words, report cached, one core: "
        f"median {statistics.median(times):.2f} ms, 95 % under {late:.2f} ms ({len(times)} completions; target 1 ms)"
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("gold", type=Path, nargs="?", default=SHARED / "gold", help="the folder with the gold files")
    options.add_argument("--errors", action="store_true", help="also print the rows of dev-look that differ")
    options.add_argument("--completions", type=int, default=200, help="how many completions to time")
    given = options.parse_args()
    if not (given.gold / "factuality_dev.jsonl").is_file():
        raise SystemExit(f"{given.gold} holds no factuality_dev.jsonl; give the folder with the gold files")
    start = time.perf_counter()
    judge = RulesJudge()
    judge.verdicts("Lungs are clear.", [Finding(observation="opacity", status="not present")])
    print(f"judge {judge.name} {judge.version}; first verdict after {time.perf_counter() - start:.2f} s\n")
    verdicts, recall = verdict_rows(judge, given.gold), recall_rows(judge, given.gold)
    tables = {"factual or not": factual_rows(verdicts), "five verdicts": verdicts, "recall": recall}
    print_table(tables)
    print_classes(tables)
    if given.errors:
        print_errors(tables, {row["id"]: row["report"] for row in records(given.gold / "factuality_dev.jsonl")})
    print_speed(judge, given.completions, given.gold)


if __name__ == "__main__":
    main()
