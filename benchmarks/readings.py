"""Print how well reports of other styles, and chains of a language model, are read: by style, with 95 % intervals.

    python benchmarks/readings.py         # ../shared/gold/readings
    python benchmarks/readings.py FOLDER  # the gold folder of somebody else, with a folder `readings` in it

Everything of these files was looked at while the rules were written, so that the figures flatter. Whole reports are
drawn with replacement for the intervals.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from benchmarks.judge import FACTUAL, findings, shown
from benchmarks.kit import SHARED, Json, parser, records
from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.language.coverage import coverage
from cxr.miner.language.labeler import label
from cxr.miner.stats.agreement import Agreement, agreement
from cxr.schemas import Finding, Verdict

Extract = Callable[[str], list[Finding]]
"""What finds the findings that a text asserts."""
POLARITY = {
    "present": "asserted",
    "uncertain": "asserted",
    "absent": "denied",
    "normal": "denied",
    "nothing": "nothing",
}
Pair = tuple[str, str, str]
"""The report, what the readers said, and what we say."""


def labels_of(report: str) -> dict[str, int | None]:
    return {str(name): value for name, value in label(report).items()}


def factual_pairs(judge: Judge, rows: list[Json]) -> dict[str, list[Pair]]:
    """Return by style whether each finding is factual."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for row in rows:
        answers = judge.verdicts(row["report"], findings(row["findings"]))
        for item, answer in zip(row["findings"], answers, strict=True):
            if item["verdict"] != Verdict.NOT_ASSESSABLE.value:
                said = str(answer.verdict.value in FACTUAL)
                pairs[row["style"]].append((row["id"], str(item["verdict"] in FACTUAL), said))
    return pairs


def print_reports(judge: RulesJudge, rows: list[Json]) -> None:
    """Print verdicts by style, then labels, and how many of the reports that were misread were flagged."""
    print(f"{'factual or not':16} {'n':>5}  {'agreement [95 %]':24} kappa [95 %]")
    by_style = factual_pairs(judge, rows)
    lines = [(style, pairs) for style, pairs in sorted(by_style.items())]
    for style, pairs in [*lines, ("all", list(chain.from_iterable(by_style.values())))]:
        ids, gold, said = zip(*pairs, strict=True)
        found = agreement(gold, said, clusters=ids)
        print(f"{style:16} {found.n:5}  {shown(found.accuracy, '.1%'):24} {shown(found.kappa, '.2f')}")
    labeled = [(row, labels_of(row["report"])) for row in rows]
    values = [(row["id"], name, gold, said.get(name)) for row, said in labeled for name, gold in row["labels"].items()]
    exact = agreement(
        [str(each[2]) for each in values], [str(each[3]) for each in values], clusters=[v[0] for v in values]
    )
    print(f"\nlabels exact {shown(exact.accuracy, '.1%')} of {exact.n}")
    positive = Counter((value == 1, said == 1) for _, name, value, said in values if name != "No Finding")
    hits, extra, missed = positive[True, True], positive[False, True], positive[True, False]
    print(f"positives: precision {hits / (hits + extra):.3f}, recall {hits / (hits + missed):.3f}")
    lost = {report for report, name, value, said in values if value == 1 != said and name != "No Finding"}
    wrong = {report for report, _, value, said in values if value != said}
    doubted = {row["id"] for row in rows if not coverage(row["report"]).understood}
    right = {row["id"] for row in rows} - wrong
    print(
        f"reports with a positive that was lost, not understood: {len(lost & doubted)} of {len(lost)}; "
        f"of those that are right in all labels: {len(right & doubted)} of {len(right)}"
    )


def place(text: str, quote: str, occurrence: int) -> tuple[int, int]:
    at = -1
    for _ in range(occurrence):
        at = text.find(quote, at + 1)
    return at, at + len(quote)


def denies(finding: Finding) -> bool:
    status = finding.status
    return status in {"absent", "normal", "clear"} or "not " in status or status.startswith("no")


def read_chains(extract: Extract, rows: list[Json]) -> tuple[Agreement, list[str], Counter[bool]]:
    """Return how what is extracted agrees with mentions at its place, what those assert, and how many were found."""
    said, gold, ids, found = [], [], [], Counter[bool]()
    for row in rows:
        mentions = [(*place(row["text"], m["quote"], m.get("nth", 1)), POLARITY[m["asserts"]]) for m in row["mentions"]]
        extracted = [
            (each.span.start, each.span.end, "denied" if denies(each) else "asserted")
            for each in extract(row["text"])
            if each.span is not None
        ]
        for start, end, polarity in extracted:
            met = [each for first, last, each in mentions if first < end and start < last]
            ids.append(row["id"])
            said.append(polarity)
            gold.append(polarity if polarity in met else next(iter(met), "not annotated"))
        for first, last, polarity in mentions:
            if polarity != "nothing":
                found[any(p == polarity and s < last and first < e for s, e, p in extracted)] += 1
    return agreement(gold, said, clusters=ids), gold, found


def print_chains(judge: RulesJudge, rows: list[Json]) -> None:
    """Print what is extracted from reasoning: whether a mention at the same place asserts the same."""
    right, gold, found = read_chains(judge.mentions, rows)
    print(f"\nchains: extracted findings that assert what the text asserts {shown(right.accuracy, '.1%')} of {right.n}")
    for kind in ("nothing", "not annotated"):
        print(f"said of what is {kind}: {gold.count(kind) / len(gold):.1%}")
    print(f"mentions found where they stand {found[True] / found.total():.1%} of {found.total()}")


def print_small(judge: RulesJudge, rows: list[Json]) -> None:
    """Print how many of the small inputs after public bug reports come out as expected."""
    wrong = []
    for row in rows:
        if "finding" in row:
            (answer,) = judge.verdicts(row["report"], findings([row["finding"]]))
            good = answer.verdict.value in row["expected"]
        else:
            labels = labels_of(row["report"])
            good = all(labels.get(name) in allowed for name, allowed in row["expected"].items())
        if not good:
            wrong.append(row["kind"])
    print(f"\nsmall inputs: {len(rows) - len(wrong)} of {len(rows)} right; wrong: {', '.join(sorted(wrong)) or 'none'}")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("gold", type=Path, nargs="?", default=SHARED / "gold")
    folder = arguments.parse_args().gold / "readings"
    judge = RulesJudge()
    print_reports(judge, records(folder / "reports_dev.jsonl"))
    print_chains(judge, records(folder / "chains_dev.jsonl"))
    print_small(judge, records(folder / "public_reports_dev.jsonl"))


if __name__ == "__main__":
    main()
