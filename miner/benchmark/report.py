"""What `cxr bench` prints: tables of what was chosen, missed and left out."""

from pathlib import Path

from rich.table import Table

from cxr.miner.benchmark.compile import CompileResult
from cxr.miner.benchmark.leakage import LeakageReport
from cxr.miner.benchmark.selection import REASONS
from cxr.miner.kit.console import out, say, table


def say_compiled(folder: Path, result: CompileResult, recipe: Path | None) -> None:
    """Print what a compile chose, which targets it missed by which findings, and what it left out."""
    manifest = result.manifest
    rows = [(row["split"], row["mode"], row["task"], row["reached"], row["available"]) for row in manifest.tasks]
    out().print(table("Samples", ["split", "mode", "task", "chosen", "available"], rows))
    if manifest.excluded:
        left_out = [
            (REASONS[row["reason"]], row["split"], row["questions"], row["studies"]) for row in manifest.excluded
        ]
        out().print(table("Questions left out", ["why", "split", "questions", "studies"], left_out))
    for line in missed(result):
        say(line)
    if not result.wrote:
        say(f"{folder} is finished and holds exactly these samples; nothing to do")
        return
    samples = sum(entry.rows for entry in manifest.files.values())
    kept = f", {result.kept_files:,} of them from an earlier build" if result.kept_files else ""
    say(f"{samples:,} samples in {len(manifest.files):,} files{kept}: {folder}, fingerprint {manifest.fingerprint}")
    if recipe is not None:
        say(f"recipe without any report text: {recipe}")
    if manifest.licence != "public":
        say(f"it holds credentialed samples: {folder} may be shared only with those who signed the same agreement")


def missed(result: CompileResult) -> list[str]:
    """Return a sentence for every target that was not reached, with the findings that ran out."""
    lines = []
    for total in result.manifest.totals:
        if total["reached"] >= total["target"]:
            continue
        split, mode = total["split"], total["mode"]
        lines.append(f"{split} {mode}: {total['reached']:,} of {total['target']:,} reached")
        for goal in result.manifest.tasks:
            if (goal["split"], goal["mode"]) != (split, mode):
                continue
            if goal["target"] is not None and goal["reached"] >= goal["target"]:
                continue
            lines.append("  " + _task_line(goal, result))
    return lines


def _task_line(goal: dict[str, object], result: CompileResult) -> str:
    wanted = "" if goal["target"] is None else f" of {goal['target']:,}"
    line = f"{goal['task']}: {goal['reached']:,}{wanted}, all that there is"
    if not goal["reached"]:
        return f"{goal['task']}: none"
    scarce = [
        f"{short['finding']} {short['reached']:,}"
        for short in result.manifest.shortfalls
        if all(short[key] == goal[key] for key in ("split", "mode", "task"))
    ]
    return line + (f"; below an even share: {', '.join(scarce)}" if scarce else "")


def leakage_tables(found: LeakageReport) -> list[Table]:
    """Return the contamination report."""
    columns = ["corpus", "reports", "repeat another", "words of a stronger split", "nearly its words"]
    rows = [(r.corpus, r.reports, r.repeats, r.shared_exactly, r.shared_nearly) for r in found.repeats]
    made = [table(f"Reports that repeat (near: {found.near:g} of word trigrams)", columns, rows)]
    if found.shared:
        made.append(
            table("Studies whose words stand in a stronger split", ["corpus", "split", "how", "studies"], found.shared)
        )
    counts = [
        ("near pairs of distinct reports across splits", found.near_pairs),
        ("patients in two splits", found.torn_patients),
        ("studies in two splits", found.torn_studies),
        ("questions with words of their report", found.copied_questions),
        ("questions that tell their answer", found.told_questions),
    ]
    made.append(table("Checks", ["what", "found"], counts))
    return made
