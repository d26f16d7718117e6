"""Replay: another credentialed group's recipe, on one's own copy: same questions, same chains, same bytes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from cxr.miner.benchmark.compile import check_folder, spare_memory, write_benchmark
from cxr.miner.benchmark.manifest import Manifest
from cxr.miner.benchmark.recipe import KEY
from cxr.miner.benchmark.selection import Selection, images_and_chains
from cxr.miner.benchmark.settings import BenchSettings, Existing
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.parallel import Advance
from cxr.miner.store import Store

_COLUMNS = ("split", "mode", "place", "question_id", "study_id", "task", "findings", "options", "chain_id")


@dataclass(frozen=True)
class ReplayResult:
    """A replayed benchmark, and the files whose hashes differ from the recipe's."""

    manifest: Manifest
    different: tuple[str, ...]
    asked: int


def replay(store: Store, recipe: Path, folder: Path, existing: Existing, advance: Advance) -> ReplayResult:
    """Write the recipe's benchmark from this store; questions that are missing are asked with the recipe's settings.

    Raises InputError for a file that is no recipe, or where studies, questions or chains are missing: it says how
    many of what, and which command makes them.
    """
    check_folder(folder, existing)
    about, table = _read(recipe)
    spare_memory(store)
    manifest = Manifest.model_validate(about["manifest"] | {"findings": []})
    store.connection.register("incoming", table)
    store.connection.execute("create or replace temporary table recipe as select * from incoming")
    store.connection.unregister("incoming")
    _check_studies(store, manifest)
    asked = _ask_again(store, about.get("ask") or [])
    _check_questions(store)
    settings = BenchSettings.as_recorded(manifest.settings)
    images_and_chains(store, settings)
    _check_chains(store, manifest)
    store.connection.execute(
        """
        create or replace temporary table bench_chains as
        select question_id, chain_id from recipe where chain_id is not null;
        create or replace temporary table bench_chosen as
        select question_id, split, task, mode from recipe;
        """
    )
    written, _, _ = write_benchmark(store, folder, settings, _selection(manifest), existing, advance, manifest.name)
    different = [
        name
        for name in sorted({*manifest.files, *written.files})
        if manifest.files.get(name) != written.files.get(name)
    ]
    return ReplayResult(written, tuple(different), asked)


def _read(path: Path) -> tuple[dict[str, Any], pa.Table]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        raise InputError(f"{path} is no Parquet file; expected a recipe by `cxr bench compile --recipe`") from None
    raw = (table.schema.metadata or {}).get(KEY)
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if raw is None or missing:
        raise InputError(f"{path} is a Parquet file but no recipe; expected one by `cxr bench compile --recipe`")
    try:
        about = json.loads(raw)
        Manifest.model_validate(about["manifest"] | {"findings": []})
    except (ValueError, KeyError, TypeError, ValidationError):
        raise InputError(f"the head of {path} cannot be read; get the recipe again from its makers") from None
    return about, table


def _check_studies(store: Store, manifest: Manifest) -> None:
    missing = store.count(
        "select count(distinct study_id) from recipe where study_id not in (select study_id from studies)"
    )
    if missing:
        corpora = ", ".join(row["corpus"] for row in manifest.corpora)
        raise InputError(
            f"{missing:,} studies of the recipe are not in the store; it needs {corpora} as released: `cxr ingest` them"
        )


def _ask_again(store: Store, runs: list[dict[str, Any]]) -> int:
    """Ask with the recipe's settings where questions are missing; give the number of questions added."""
    from cxr.miner.ask.ask import ask  # noqa: PLC0415 - only a replay asks
    from cxr.miner.ask.settings import AskSettings  # noqa: PLC0415

    added = 0
    for settings in runs:
        if not _missing_questions(store):
            break
        try:
            added += sum(ask(store, AskSettings.as_recorded(settings)).added.values())
        except (ValidationError, SettingsError) as error:
            raise InputError(
                f"the recipe's questions cannot be asked here ({str(error).splitlines()[0]}); use the cxr that made it"
            ) from None
    return added


def _missing_questions(store: Store) -> int:
    return store.count(
        "select count(distinct question_id) from recipe where question_id not in (select question_id from questions)"
    )


def _check_questions(store: Store) -> None:
    if missing := _missing_questions(store):
        raise InputError(
            f"{missing:,} questions of the recipe do not come about here: the labels differ from its makers', or the "
            "cxr that asked does; ingest the same release, with the same labeler files"
        )


def _check_chains(store: Store, manifest: Manifest) -> None:
    missing = store.count(
        "select count(*) from recipe where chain_id is not null and chain_id not in (select chain_id from chains "
        "join latest_scores using (chain_id))"
    )
    if missing:
        who = ", ".join(row["who"] for row in manifest.made_by if row["what"] == "engine")
        raise InputError(
            f"{missing:,} chains of the recipe are missing or not scored; run `cxr mine` and `cxr score` first (they "
            f"were mined by {who}; only chains of the rules engine can be made again)"
        )


def _selection(manifest: Manifest) -> Selection:
    return Selection.from_records(manifest.tasks, manifest.shortfalls, manifest.excluded)
