"""What a training leaves beside its weights: OUT/run.json, and the lines of OUT/log.jsonl and OUT/samples.jsonl.

The record says what a training was given, what it ran on, and how it ended; a part of the result, like the weights.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr.miner.benchmark.manifest import hash_file, write_json
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_file
from cxr.miner.kit.machine import MODELS, git_commit, time_stamp, versions
from cxr.trainer.models.hardware import hardware
from cxr.trainer.train.settings import preset_hash

RECORD = "run.json"
LOG = "log.jsonl"
VALIDATION = "validation.jsonl"
LogLine = dict[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """The run record of one output folder; `start` and `end` write it whole or not at all."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def start(
        cls,
        out: Path,
        *,
        stage: str,
        settings: Mapping[str, Any],
        preset: str | None = None,
        data: Mapping[str, Any] | None = None,
        model: str | Path | None = None,
        resumed_from: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> "RunRecord":
        """Write OUT/run.json at the start of a run and give its record.

        `settings` are the resolved ones, as JSON values. A run that resumes keeps the first start, and adds the step
        it goes on from to `resumed_from`. `extra` holds what else is worth keeping, e.g. the launch plan.
        """
        path = out / RECORD
        before = read_record(out) if resumed_from is not None else {}
        now = time_stamp()
        content = {
            "stage": stage,
            "started": before.get("started", now),
            "ended": None,
            "exit": "running",
            "steps_done": resumed_from or 0,
            "resumed_from": [
                *before.get("resumed_from", []),
                *([] if resumed_from is None else [{"step": resumed_from, "at": now}]),
            ],
            "settings": dict(settings),
            "preset": None if preset is None else {"name": preset, "sha256": preset_hash(preset)},
            "model": None if model is None else model_facts(model),
            "data": None if data is None else dict(data),
            "versions": versions(MODELS),
            "hardware": hardware(),
            "git_commit": git_commit(Path.cwd()),
            "world_size": int(os.environ.get("WORLD_SIZE", "1")),
            **(extra or {}),
        }
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
        return cls(path, content)

    def end(self, *, exit_reason: str, steps_done: int, extra: Mapping[str, Any] | None = None) -> "RunRecord":
        """Write how the run ended: `done`, `interrupted`, or the sentence of the error; give the new record."""
        ended = {"ended": time_stamp(), "exit": exit_reason, "steps_done": steps_done}
        record = RunRecord(self.path, {**self.content, **(extra or {}), **ended})
        write_json(record.path, record.content)
        return record


def read_record(out: Path) -> dict[str, Any]:
    """Return the record of a run folder, empty where there is none; raises InputError for one that cannot be read."""
    path = out / RECORD
    if not path.is_file():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{path} is not the record of a training; expected a JSON object, move it away or start anew")
    return record


def model_facts(model: str | Path) -> dict[str, Any]:
    """Return the base model's folder, or name on a hub, with the hash of its config.json where that is a file."""
    folder = Path(model)
    if not folder.is_dir():
        return {"name": str(model), "config_sha256": None}
    config = folder / "config.json"
    return {"name": str(folder.resolve()), "config_sha256": hash_file(config) if config.is_file() else None}


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
