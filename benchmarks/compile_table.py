"""Print a compiled benchmark as the tables of docs/benchmark.md, beside the paper's numbers.

python benchmarks/compile_table.py FOLDER
"""

import sys
from collections import Counter
from pathlib import Path

from benchmarks.kit import markdown
from cxr.miner.benchmark.manifest import read_manifest
from cxr.schemas.vocabulary import Task

PAPER = {("train", "answer_only"): "1.2 M", ("train", "reasoning"): "59 K",
         ("test", "answer_only"): "7.3 K", ("test", "reasoning"): "1 K"}  # fmt: skip


def main() -> None:
    manifest = read_manifest(Path(sys.argv[1]))
    counts = {(row["split"], row["mode"], row["task"]): row["reached"] for row in manifest.tasks}
    reached = {place: [counts.get((*place, task), 0) for task in Task] for place in PAPER}
    lines = [
        [", ".join(place), PAPER[place], f"{sum(found):,}", *(f"{count:,}" for count in found)]
        for place, found in reached.items()
    ]
    print(markdown(["split, mode", "paper", "reached", *Task], lines))
    left_out = Counter[str]()
    for row in manifest.excluded:
        left_out[row["reason"]] += row["questions"]
    print("\nLeft out: " + ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items())))
    print("\nSamples per finding (least and most frequent answer or asked-for finding of a task):\n")
    spans = [[", ".join(place), *(_range(manifest.findings, *place, task) for task in Task)] for place in PAPER]
    print(markdown(["split, mode", *Task], spans))


def _range(findings: list[dict[str, object]], *place: str) -> str:
    counts = Counter[str]()
    for row in findings:
        if (row["split"], row["mode"], row["task"]) == place:
            counts[str(row["finding"])] += int(str(row["samples"]))
    if not counts:
        return ""
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return f"{counts[least]:,} {least} to {counts[most]:,} {most}"


if __name__ == "__main__":
    main()
