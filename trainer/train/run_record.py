"""What a training leaves beside its weights: OUT/run.json, and the lines of OUT/log.jsonl and OUT/samples.jsonl.

The record says what a training was given, what it ran on, and how it ended; a part of the result, like the weights.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
WEIGHTS = (".safetensors", ".bin")
VALIDATION = "validation.jsonl"
LogLine = dict[str, Any]

_HASHED_AT_ONCE = 4
_SHA256 = re.compile(r"[0-9a-f]{64}")


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

    def noted(self, **facts: Any) -> "RunRecord":
        """Write what became known since the start; give the new record."""
        record = RunRecord(self.path, {**self.content, **facts})
        write_json(record.path, record.content)
        return record

    def end(self, *, exit_reason: str, steps_done: int, extra: Mapping[str, Any] | None = None) -> "RunRecord":
        """Write how the run ended: `done`, `interrupted`, or the sentence of the error; give the new record."""
        return self.noted(**(extra or {}), ended=time_stamp(), exit=exit_reason, steps_done=steps_done)


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
    folder = _folder_of(model)
    config = None if folder is None else folder / "config.json"
    facts: dict[str, Any] = {"name": str(Path(model).resolve()) if Path(model).is_dir() else str(model)}
    if folder is not None and not Path(model).is_dir():
        facts["commit"] = folder.name
    return {**facts, "config_sha256": hash_file(config) if config is not None and config.is_file() else None}


def start_facts(model: str | Path) -> dict[str, Any]:
    """Return `model_facts` with the SHA-256 of each file of weights; a hub's model has to be loaded for them."""
    folder = _folder_of(model)
    files = [] if folder is None else sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS)
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as threads:  # hashing lets go of the interpreter
        hashes = dict(zip((path.name for path in files), threads.map(_sha256, files), strict=True))
    return {**model_facts(model), "weights_sha256": hashes}


def _folder_of(model: str | Path) -> Path | None:
    """Return the folder of a model, for a hub's that of the commit that was loaded; None where there is none."""
    if Path(model).is_dir():
        return Path(model)
    import huggingface_hub  # noqa: PLC0415 - only a hub's model needs it

    try:
        found = huggingface_hub.try_to_load_from_cache(str(model), "config.json")
    except ValueError:  # no name that a hub could have
        return None
    return Path(found).parent if isinstance(found, str) else None


def _sha256(path: Path) -> str:
    """Return a file's hash; the hub's client keeps a large file under its hash, so that none is read again."""
    named = path.resolve().name
    return named if path.is_symlink() and _SHA256.fullmatch(named) else hash_file(path)


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


def as_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as a log or a table of samples holds them."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def keep_steps(path: Path, last: int) -> list[LogLine]:
    """Drop the lines of a log after step `last`, whole or not at all; give those that stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [line for line in read_log(path) if line["step"] <= last and "stopped" not in line]
    with whole_file(path) as out:
        out.write(as_lines(kept))
    return kept
