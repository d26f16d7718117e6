"""Print a compiled benchmark as the tables of docs/benchmark.md, beside the paper's numbers.

python benchmarks/compile_table.py FOLDER
"""

import sys
from collections import defaultdict
from pathlib import Path

from cxr.miner.benchmark.manifest import read_manifest
from cxr.schemas.vocabulary import Task

PAPER = {
    ("train", "answer_only"): "1.2 M",
    ("train", "reasoning"): "59 K",
    ("test", "answer_only"): "7.3 K",
    ("test", "reasoning"): "1 K",
}


def main() -> None:
    manifest = read_manifest(Path(sys.argv[1]))
    counts = {(row["split"], row["mode"], row["task"]): row["reached"] for row in manifest.tasks}
    print("| split, mode | paper | reached | " + " | ".join(Task) + " |")
    print("|---|---|---|" + "---|" * len(Task))
    for (split, mode), published in PAPER.items():
        reached = [counts.get((split, mode, task), 0) for task in Task]
        cells = [f"{split}, {mode}", published, f"{sum(reached):,}", *(f"{count:,}" for count in reached)]
        print("| " + " | ".join(cells) + " |")
    left_out: dict[str, int] = defaultdict(int)
    for row in manifest.excluded:
        left_out[row["reason"]] += row["questions"]
    print("\nLeft out: " + ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items())))
    print("\nSamples per finding (least and most frequent answer or asked-for finding of a task):\n")
    print("| split, mode | " + " | ".join(Task) + " |")
    print("|---|" + "---|" * len(Task))
    for split, mode in PAPER:
        print(
            f"| {split}, {mode} | " + " | ".join(_range(manifest.findings, split, mode, task) for task in Task) + " |"
        )


def _range(findings: list[dict[str, object]], split: str, mode: str, task: str) -> str:
    counts: dict[str, int] = defaultdict(int)
    for row in findings:
        if (row["split"], row["mode"], row["task"]) == (split, mode, task):
            counts[str(row["finding"])] += int(str(row["samples"]))
    if not counts:
        return ""
    least, most = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    return f"{counts[least]:,} {least} to {counts[most]:,} {most}"


if __name__ == "__main__":
    main()
