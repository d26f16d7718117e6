"""Compile: from a store to a benchmark folder; the manifest comes last, so its presence means a finished build."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cxr.miner.benchmark.manifest import (
    MANIFEST,
    UNFINISHED,
    FileEntry,
    Manifest,
    hash_file,
    read_manifest,
    write_json,
)
from cxr.miner.benchmark.recipe import write_recipe
from cxr.miner.benchmark.samples import order_samples, read_shard, shards, write_samples
from cxr.miner.benchmark.selection import Selection, findings, select
from cxr.miner.benchmark.settings import BenchSettings, Existing
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.files import discard
from cxr.miner.kit.machine import FILES, versions
from cxr.miner.kit.parallel import Advance
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.benchmark")

# DuckDB's share; Arrow's copies of a shard come on top of it. More than this spills to disk beside the store.
_MEMORY = "1GB"


@dataclass(frozen=True)
class CompileResult:
    """A finished benchmark, what was chosen for it, and how many files an earlier build had left."""

    manifest: Manifest
    selection: Selection | None
    kept_files: int
    wrote: bool


def compile_benchmark(
    store: Store,
    folder: Path,
    settings: BenchSettings,
    existing: Existing,
    advance: Advance,
    recipe: Path | None = None,
) -> CompileResult:
    """Choose samples and write them to `folder`; `advance(done, total)` counts samples.

    Raises SettingsError where nothing can be chosen, InputError where the folder exists and `existing` says stop, or
    says resume and it holds something else.
    """
    check_folder(folder, existing)
    if recipe is not None and not recipe.parent.is_dir():
        raise InputError(f"the folder {recipe.parent} for the recipe does not exist; create it or write elsewhere")
    spare_memory(store)
    selection = select(store, settings)
    if not any(goal.reached for goal in selection.reached):
        raise SettingsError(f"bench compile: no question can be used: {_why(selection)}; see --images and --target")
    recorded = _settings(settings) | {"folder": str(folder.resolve())}
    with store.run("bench compile", recorded) as run:
        manifest, kept, wrote = write_benchmark(store, folder, settings, selection, existing, advance)
        run.rows_written = sum(entry.rows for entry in manifest.files.values())
        if recipe is not None:
            write_recipe(store, manifest, recipe)
    return CompileResult(manifest, selection, kept, wrote)


def spare_memory(store: Store) -> None:
    """Keep DuckDB small for a whole benchmark's work."""
    store.connection.execute(f"set memory_limit = '{_MEMORY}'")
    # Every row that is written has a place of its own, so nothing needs to stay in the order of its table.
    store.connection.execute("set preserve_insertion_order = false")


def check_folder(folder: Path, existing: Existing) -> None:
    """Raise InputError where a folder may not be written to; nothing that is not a benchmark is ever replaced."""
    if not folder.parent.is_dir():
        raise InputError(f"the folder {folder.parent} for {folder.name} does not exist; create it or give another")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if existing is Existing.STOP:
        raise InputError(
            f"{folder} exists; choose --existing resume (go on with an unfinished build), replace, or another name"
        )
    if not ((folder / MANIFEST).is_file() or (folder / UNFINISHED).is_file()):
        raise InputError(f"{folder} exists and is no benchmark; it is left alone: give another name")


def write_benchmark(
    store: Store,
    folder: Path,
    settings: BenchSettings,
    selection: Selection,
    existing: Existing,
    advance: Advance,
    name: str | None = None,
) -> tuple[Manifest, int, bool]:
    """Write the chosen samples; give the manifest, the number of files kept, and whether anything was written.

    The benchmark is called `name`, or else like its folder.
    """
    counts = order_samples(store, settings.seed)
    mark = samples_fingerprint(store, settings)
    if existing is Existing.RESUME and (folder / MANIFEST).is_file():
        manifest = read_manifest(folder)
        if manifest.fingerprint != mark:
            raise InputError(
                f"{folder} is a finished benchmark of other questions or settings; choose --existing replace"
            )
        return manifest, len(manifest.files), False
    kept = _begin(folder, mark, existing)
    plan = list(shards(counts, settings.shard_rows))
    total, done, unchanged = sum(counts.values()), 0, 0
    files: dict[str, FileEntry] = {}
    for file, split, mode, first, end in plan:
        path = folder / file
        if path.is_file() and file in kept and hash_file(path) == kept[file]:
            unchanged += 1
        else:
            write_samples(read_shard(store, split, mode, first, end, settings.max_images), path)
        files[file] = FileEntry(sha256=hash_file(path), bytes=path.stat().st_size, rows=end - first)
        write_json(folder / UNFINISHED, {"fingerprint": mark, "files": {n: e.sha256 for n, e in files.items()}})
        done += end - first
        advance(done, total)
    for stray in folder.rglob("*.parquet"):
        if str(stray.relative_to(folder)) not in files:
            stray.unlink()
    manifest = _manifest(store, name or folder.name, mark, settings, selection, files)
    write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
    (folder / UNFINISHED).unlink()
    return manifest, unchanged, True


def samples_fingerprint(store: Store, settings: BenchSettings) -> str:
    """Return a hash of everything that decides the samples: the chosen ids with their chains, and the settings."""
    ((samples, ids),) = store.rows(_SQL["samples_hash"])
    return digest("benchmark", samples, str(ids), _settings(settings), versions(FILES), length=32)


def _settings(settings: BenchSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _begin(folder: Path, mark: str, existing: Existing) -> dict[str, str]:
    """Make the folder ready and give the hashes of the files that an earlier build of the same samples finished."""
    if existing is Existing.REPLACE:
        discard(folder)
    folder.mkdir(exist_ok=True)
    unfinished = folder / UNFINISHED
    if not unfinished.is_file():
        write_json(unfinished, {"fingerprint": mark, "files": {}})
        return {}
    started = _read_unfinished(unfinished)
    if started.get("fingerprint") != mark:
        raise InputError(f"{folder} is an unfinished build of other questions or settings; choose --existing replace")
    files = started.get("files")
    return files if isinstance(files, dict) else {}


def _read_unfinished(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _why(selection: Selection) -> str:
    reasons: dict[str, int] = {}
    for reason, _, questions, _ in selection.excluded:
        reasons[reason] = reasons.get(reason, 0) + questions
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return said or "no target asks for any"


def _manifest(
    store: Store,
    name: str,
    mark: str,
    settings: BenchSettings,
    selection: Selection,
    files: dict[str, FileEntry],
) -> Manifest:
    corpora = store.frame(_SQL["corpora_used"]).to_dicts()
    return Manifest(
        name=name,
        licence="credentialed" if any(row["licence"] != "public" for row in corpora) else "public",
        fingerprint=mark,
        settings=_settings(settings),
        versions=versions(FILES),
        corpora=corpora,
        made_by=_made_by(store),
        totals=totals(settings, selection),
        tasks=[asdict(goal) for goal in selection.reached],
        findings=findings(store),
        shortfalls=[asdict(short) for short in selection.shortfalls],
        excluded=[
            {"reason": reason, "split": split, "questions": questions, "studies": studies}
            for reason, split, questions, studies in selection.excluded
        ],
        files=files,
    )


def totals(settings: BenchSettings, selection: Selection) -> list[dict[str, Any]]:
    """Return target and number reached for each split and mode."""
    made = []
    for split, modes in settings.targets.items():
        for mode, target in modes.items():
            reached = sum(goal.reached for goal in selection.reached if (goal.split, goal.mode) == (split, mode))
            wanted = target if isinstance(target, int) else sum(target.values())
            made.append({"split": split, "mode": str(mode), "target": wanted, "reached": reached})
    return made


def _made_by(store: Store) -> list[dict[str, Any]]:
    return store.frame(_SQL["made_by"]).to_dicts()
