"""Imported samples as a benchmark's folder, so that everything that reads a benchmark reads them too."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from cxr.miner.benchmark.compile import check_folder
from cxr.miner.benchmark.manifest import MANIFEST, FileEntry, Manifest, hash_file, write_json
from cxr.miner.benchmark.samples import SCHEMAS, write_samples
from cxr.miner.benchmark.settings import Existing, Mode, Split
from cxr.miner.imports.records import Read, Sample
from cxr.miner.imports.rejects import by_reason, insert_rejects
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_folder
from cxr.miner.kit.machine import FILES, versions
from cxr.miner.store import Run, Store
from cxr.schemas.vocabulary import Licence, Stage


@dataclass(frozen=True)
class ImportResult:
    """What was imported: the benchmark's manifest, and how many records were rejected, by reason."""

    manifest: Manifest
    rejects: dict[str, int]
    without_images: int


def import_files(
    store: Store,
    what: str,
    sources: Sequence[Path],
    folder: Path,
    split: Split,
    existing: Existing,
    read: Callable[[Path, Mapping[str, str]], Read],
    roots: Mapping[str, str],
) -> ImportResult:
    """Read published files into a benchmark's folder; bad records go to the store's `rejects`.

    Raises InputError where a file cannot be read, nothing in it can be used, or the folder may not be written to.
    """
    if existing is Existing.RESUME:
        existing = Existing.STOP  # an import is one step: there is nothing to go on with
    for source in sources:
        if not source.is_file():
            raise InputError(f"{source} is not a file; expected a JSON file of {what}")
    check_folder(folder, existing)
    reads = {source: read(source, roots) for source in sources}
    samples = {sample.question_id: sample for one in reads.values() for sample in one.samples}
    recorded = {
        "what": what,
        "files": {source.name: hash_file(source) for source in sources},
        "split": split,
        "folder": str(folder.resolve()),
    }
    with store.run(f"import {what}", recorded) as run:
        _write_rejects(store, what, reads, run)
        if not samples:
            raise InputError(f"none of the records of {', '.join(map(str, sources))} can be used; see `cxr status`")
        settings = {key: value for key, value in recorded.items() if key != "folder"}
        manifest = _write(folder, list(samples.values()), split, settings)
        run.rows_written = sum(entry.rows for entry in manifest.files.values())
    reasons = by_reason([reject for one in reads.values() for reject in one.rejects])
    return ImportResult(manifest, reasons, sum(one.without_images for one in reads.values()))


def _write_rejects(store: Store, what: str, reads: Mapping[Path, Read], run: Run) -> None:
    with store.transaction():
        for source in reads:
            store.connection.execute(
                "delete from rejects where stage = ? and corpus = ? and settings_hash = ?",
                [str(Stage.IMPORT), what, hash_file(source)],
            )
        for source, one in reads.items():
            insert_rejects(store, what, one.rejects, run, hash_file(source))


def _write(folder: Path, samples: list[Sample], split: Split, settings: dict[str, Any]) -> Manifest:
    files: dict[str, FileEntry] = {}
    with whole_folder(folder) as making:
        for mode in Mode:
            rows = [_row(sample, split, mode) for sample in _asked_in(mode, samples)]
            if rows:
                name = f"{split}/{mode}-00000.parquet"
                path = making / name
                write_samples(pa.Table.from_pylist(rows, schema=SCHEMAS[mode]), path)
                files[name] = FileEntry(sha256=hash_file(path), bytes=path.stat().st_size, rows=len(rows))
        manifest = _manifest(folder.name, samples, split, settings, files)
        write_json(making / MANIFEST, manifest.model_dump(mode="json"))
    return manifest


def _asked_in(mode: Mode, samples: list[Sample]) -> list[Sample]:
    return samples if mode is Mode.ANSWER_ONLY else [sample for sample in samples if sample.steps]


def _row(sample: Sample, split: Split, mode: Mode) -> dict[str, Any]:
    names_findings = sample.task in {"single", "multiple", "anomaly"}
    row: dict[str, Any] = {
        **sample.model_dump(include={"task", "corpus", "study_id", "patient_id", "question", "answer", "answer_text"}),
        "licence": str(sample.licence),
        "sample_id": f"{sample.question_id}/{mode}",
        "mode": str(mode),
        "split": split,
        "question_id": sample.question_id,
        "images": list(sample.images),
        "options": [{"letter": letter, "text": text} for letter, text in sample.options],
        "findings": [],
        "answer_findings": [part.strip() for part in sample.answer_text.split(",")] if names_findings else [],
        "labeler": "imported",
    }
    if mode is Mode.REASONING:
        row |= {
            "chain_id": sample.question_id,
            "reasoning": " ".join(sample.steps),
            "steps": list(sample.steps),
            "plan": [{"finding": finding, "look_for": look_for} for finding, look_for in sample.plan],
            "evidence": [],
            "report": sample.report,
            "prior_report": sample.prior_report,
            "engine": "imported",
        }
    return row


def _manifest(
    name: str, samples: list[Sample], split: Split, settings: dict[str, Any], files: dict[str, FileEntry]
) -> Manifest:
    counted = Counter((mode, sample.task) for mode in Mode for sample in _asked_in(mode, samples))
    corpora = sorted({sample.corpus for sample in samples})
    credentialed = any(sample.licence is not Licence.PUBLIC for sample in samples)
    return Manifest(
        name=name,
        licence=str(Licence.CREDENTIALED if credentialed else Licence.PUBLIC),
        fingerprint=digest("import", settings, {name: entry.sha256 for name, entry in files.items()}, length=32),
        settings=settings,
        versions=versions(FILES),
        corpora=[_corpus(corpus, [sample for sample in samples if sample.corpus == corpus]) for corpus in corpora],
        made_by=[{"what": "importer", "who": str(settings["what"]), "samples": len(samples)}],
        totals=[],
        tasks=[
            {"split": split, "mode": str(mode), "task": task, "target": None, "available": count, "reached": count}
            for (mode, task), count in sorted(counted.items())
        ],
        findings=[],
        shortfalls=[],
        excluded=[],
        files=files,
    )


def _corpus(corpus: str, samples: list[Sample]) -> dict[str, Any]:
    return {
        "corpus": corpus,
        "title": corpus,
        "licence": str(samples[0].licence),
        "samples": len(samples),
        "studies": len({sample.study_id for sample in samples}),
        "patients": len({sample.patient_id for sample in samples if sample.patient_id}),
    }
