"""What an ingest was made of, as the store keeps it: which files, read how; and whether they were read before."""

import json
from pathlib import Path
from typing import Any

from cxr.miner.ingest.corpus import Fingerprint, Ingested
from cxr.miner.kit.digest import digest
from cxr.miner.store import Run, Store


def provenance(ingested: Ingested) -> dict[str, object]:
    """Return what goes into `runs` about an ingest."""
    files = [
        {"path": file.path, "size": file.size, "modified": file.modified.isoformat(), "sha256": file.sha256}
        for file in ingested.sources
    ]
    return {
        "corpus": ingested.corpus.slug,
        "layout": ingested.layout,
        "files": files,
        "settings": dict(ingested.settings),
        "notes": list(ingested.warnings),
    }


def kept_root(store: Store, ingested: Ingested) -> Path | None:
    """Return the folder of images of the last ingest where this one found none in another; else None."""
    if "image_root" not in ingested.unknown or ingested.image_root is None:
        return None
    found = store.rows("select image_root from corpora where corpus = ?", [ingested.corpus.slug])
    root = Path(found[0][0]) if found and found[0][0] else None
    return root if root != ingested.image_root.resolve() else None


def write_corpus(store: Store, ingested: Ingested, run: Run) -> None:
    """Write the row of `corpora`."""
    root = kept_root(store, ingested) or (None if ingested.image_root is None else ingested.image_root.resolve())
    store.connection.execute("delete from corpora where corpus = ?", [ingested.corpus.slug])
    store.connection.execute(
        "insert into corpora values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            ingested.corpus.slug,
            ingested.corpus.title,
            ingested.corpus.licence.value,
            ingested.layout,
            None if root is None else str(root),
            [count._asdict() for count in ingested.counts],
            list(ingested.warnings),
            run.run_id,
        ],
    )


def last_notes(store: Store, corpus: str) -> tuple[str, ...]:
    """Return what the last ingest of a corpus had to say."""
    found = store.rows("select notes from corpora where corpus = ?", [corpus])
    return tuple(found[0][0] or ()) if found else ()


def reports_hash(ingested: Ingested) -> str:
    """Return a hash of the files that the reports of a large corpus are read from, and of how they are read."""
    files = [file for file in ingested.fingerprint.files if file[0] in ingested.report_sources]
    return digest("reports", ingested.layout, dict(ingested.settings), files)


def last_ingest(store: Store, corpus: str) -> dict[str, Any] | None:
    """Return what the last ingest of a corpus that ended well recorded."""
    found = store.rows(
        "select settings from runs where command = 'ingest' and status = 'done' and settings->>'corpus' = ? "
        "order by started_at desc limit 1",
        [corpus],
    )
    return json.loads(found[0][0]) if found else None


def is_last(store: Store, fingerprint: Fingerprint) -> bool:
    """Return whether the last ingest of a corpus that ended well had this fingerprint."""
    last = last_ingest(store, fingerprint.corpus)
    if last is None:
        return False
    files = sorted((file["path"], file["size"], file["sha256"]) for file in last["files"])
    return bool(
        files == fingerprint.files
        and last["layout"] == fingerprint.layout
        and last.get("settings") == dict(fingerprint.settings)
    )


def has_these_reports(store: Store, ingested: Ingested) -> bool:
    """Return whether the last ingest read the reports from the same bytes, in the same way."""
    last = last_ingest(store, ingested.corpus.slug)
    if last is None or last["layout"] != ingested.layout or last.get("settings") != dict(ingested.settings):
        return False
    files = [(file["path"], file["size"], file["sha256"]) for file in last["files"]]
    wanted = [file for file in ingested.fingerprint.files if file[0] in ingested.report_sources]
    return bool(wanted) and sorted(file for file in files if file[0] in ingested.report_sources) == wanted
