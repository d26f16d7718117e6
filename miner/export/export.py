"""`cxr export`: may it go there, what is written, and the note of it in `runs`."""

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cxr.miner.benchmark.manifest import hash_file, write_json
from cxr.miner.benchmark.settings import Existing
from cxr.miner.export.images import count_absent, find_undecodable, sample_images, write_rejects
from cxr.miner.export.parquet import EMBEDDED_SHARD
from cxr.miner.export.registry import FORMATS, with_pixels
from cxr.miner.export.rows import Benchmark, splits_of
from cxr.miner.export.settings import ExportSettings
from cxr.miner.kit.errors import InputError, PolicyError, SettingsError
from cxr.miner.kit.files import whole_folder
from cxr.miner.store import Run, Store
from cxr.prompts.instructions import read_instructions

NOTE = "export.json"


@dataclass(frozen=True)
class ExportResult:
    """What was written: files with their rows, and the licence that they carry."""

    files: tuple[tuple[str, int], ...]
    licence: str
    was_there: bool = False
    """It had been written before, and was left as it is."""
    absent: int = 0
    """Samples with the path of an image that is not there."""
    first_absent: str | None = None
    rejects: dict[str, int] = field(default_factory=dict)
    """Samples that were left out for their images, by reason."""


def may_export(licence: str, target: str, *, public: bool, allowed_because: str | None) -> None:
    """Raise PolicyError where credentialed samples would go to a public place and nobody said why they may."""
    if licence == "public" or not (public or is_address(target)) or allowed_because:
        return
    raise PolicyError(
        "these samples derive from a credentialed corpus, whose agreement forbids sharing it with others "
        "(PhysioNet Credentialed Health Data License 1.5.0; Stanford's research use agreement): keep the export "
        "where only signatories reach it, share a recipe instead (cxr bench compile --recipe), or say why it is "
        'allowed with --i-am-allowed "WHY", which is recorded'
    )


def is_address(target: str) -> bool:
    """Return whether a destination is an address on a network (hf://, s3://, https://) and not a folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", target) is not None


def export(
    store: Store,
    source: Path,
    target: str,
    name: str,
    settings: ExportSettings,
    existing: Existing,
    *,
    public: bool = False,
    allowed_because: str | None = None,
    advance: Callable[[int, int | None], None],
) -> ExportResult:
    """Write a benchmark in the format of that name to a new folder, and note in `runs` what went where and why it may.

    Raises SettingsError for a format that does not exist, PolicyError for credentialed samples with a public
    destination, InputError where the benchmark is not finished or the folder exists and `existing` says stop.
    """
    form = FORMATS.open(name)
    benchmark = Benchmark.open(source)
    licence = benchmark.manifest.licence
    may_export(licence, target, public=public, allowed_because=allowed_because)
    if is_address(target):
        raise InputError(f"{target} is no folder; export to a folder and upload that with the place's own client")
    folder = Path(target)
    if settings.pixels == "embed" and not form.pixels:
        *others, last = with_pixels()
        raise SettingsError(
            f"export: {name} holds image paths only; --pixels embed is for {', '.join(others)} and {last}"
        )
    rooted = _rooted(store, settings)
    splits = splits_of(benchmark, rooted)
    if form.modes is not None:
        rooted = rooted.model_copy(update={"modes": [mode for mode in rooted.modes if mode in form.modes]})
    given = settings.model_dump(mode="json")
    made_of = {
        "format": name,
        "benchmark": benchmark.manifest.name,
        "fingerprint": benchmark.manifest.fingerprint,
        "licence": licence,
        "instructions": read_instructions(settings.instructions).facts(),
    }
    if (finished := _finished(folder, existing, {**made_of, "settings": given})) is not None:
        return finished
    with (
        store.run("export", {**given, **made_of, "target": str(folder.resolve()), "public": public}) as run,
        whole_folder(folder) as making,
    ):
        run.attestation = [f"allowed to publish: {allowed_because}"] if allowed_because else None
        benchmark, images = _with_images(store, run, benchmark, splits, rooted)
        written: list[tuple[Path, int]] = []
        for split in splits:
            written += form.write(benchmark, split, making, rooted)
            advance(sum(rows for _, rows in written), None)
        run.rows_written = sum(rows for _, rows in written)
        files = {str(path.relative_to(making)): rows for path, rows in written}
        if not files:
            raise InputError(f"{source} has no reasoning samples, which {name} is made of; see its manifest.json")
        hashes = {file: hash_file(making / file) for file in files}
        if form.describe is not None:
            form.describe(benchmark, making, hashes, rooted)
        listed = {file: {"rows": rows, "sha256": hashes[file]} for file, rows in files.items()}
        told = {"absent": images.absent, "rejected": sum(images.rejects.values())}
        write_json(making / NOTE, {**made_of, "settings": given, "images": told, "files": listed})
    return dataclasses.replace(images, files=tuple(files.items()), licence=licence)


def _with_images(
    store: Store, run: Run, benchmark: Benchmark, splits: list[str], settings: ExportSettings
) -> tuple[Benchmark, ExportResult]:
    """Count the samples whose images are not there; where pixels are embedded, leave out those that do not decode."""
    images = sample_images(benchmark, splits, settings)
    if settings.pixels == "paths":
        absent, first = count_absent(images)
        return benchmark, ExportResult((), "", absent=absent, first_absent=first)
    bad = find_undecodable(images)
    if bad and len(bad) == images["sample_id"].n_unique():
        _, why = next(iter(bad.values()))
        raise InputError(
            f"no sample has images that can be embedded ({why.message}); say where images lie with --image-root "
            "CORPUS=PATH, or export paths only (--pixels paths)"
        )
    rejects = write_rejects(store, run, benchmark.manifest.fingerprint, bad)
    return dataclasses.replace(benchmark, left_out=frozenset(bad)), ExportResult((), "", rejects=rejects)


def _rooted(store: Store, settings: ExportSettings) -> ExportSettings:
    """Return the settings with where images lie, as the user said or else where ingest saw them."""
    known = dict(store.rows("select corpus, image_root from corpora where image_root is not null"))
    changes: dict[str, object] = {
        "image_roots": {**({} if "*" in settings.image_roots else known), **settings.image_roots}
    }
    if settings.pixels == "embed":
        changes["shard_rows"] = min(settings.shard_rows, EMBEDDED_SHARD)
    return settings.model_copy(update=changes)


def _finished(folder: Path, existing: Existing, wanted: dict[str, object]) -> ExportResult | None:
    """Return what a folder holds already where that is what is wanted, None where it is to be written.

    An export takes its name when it is whole, so that there is never a half one to go on with. Raises InputError where
    the folder may not be written to.
    """
    if not folder.parent.is_dir():
        raise InputError(f"the folder {folder.parent} for {folder.name} does not exist; create it or give another -o")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; expected a folder to write to")
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    if existing is Existing.STOP:
        raise InputError(
            f"{folder} exists; choose --existing replace, --existing resume (which leaves a finished export of the "
            "same as it is), or another -o"
        )
    note = folder / NOTE
    if not note.is_file():
        raise InputError(f"{folder} exists and is no export of cxr; it is left alone: give another -o")
    try:
        told = json.loads(note.read_bytes())
    except ValueError:
        told = None
    if existing is Existing.REPLACE or not isinstance(told, dict) or told.get("unfinished"):
        return None
    if {key: told.get(key) for key in wanted} != wanted:
        raise InputError(
            f"{folder} is an export of another benchmark, format or settings; choose --existing replace, or another -o"
        )
    files = {name: entry["rows"] for name, entry in told["files"].items()}
    return ExportResult(tuple(files.items()), str(told["licence"]), was_there=True)
