"""The lines of OUT/log.jsonl and OUT/samples.jsonl: reading them, and dropping those after a step."""

import json
from pathlib import Path
from typing import Any

from cxr.miner.kit.jsonl import whole_file

LOG = "log.jsonl"
LogLine = dict[str, Any]


def read_log(path: Path) -> list[LogLine]:
    """Return the lines of a log or of a table of samples; a line that a kill cut off is left out."""
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8").split("\n"):  # a text may hold what else splitlines() splits at
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
    return lines


def keep_steps(path: Path, last: int) -> list[LogLine]:
    """Drop the lines of a log after step `last`, whole or not at all; give those that stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [line for line in read_log(path) if line["step"] <= last and "stopped" not in line]
    with whole_file(path) as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
    return kept
