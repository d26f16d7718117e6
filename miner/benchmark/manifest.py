"""The manifest of a benchmark: what it holds, made from what and by what, and the hash of every file.

It holds no time and no machine, so that building again from the same store gives the same bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import duckdb
from pydantic import Field, ValidationError

from cxr.miner.kit.errors import InputError
from cxr.miner.kit.files import whole_file
from cxr.schemas.base import Frozen

MANIFEST_FORMAT = "cxr-benchmark/1"
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"


class FileEntry(Frozen):
    """One file of a benchmark."""

    sha256: str
    bytes: int
    rows: int


class Manifest(Frozen):
    """What a benchmark holds; every list of records reads as a table."""

    format: str = MANIFEST_FORMAT
    name: str
    licence: str = Field(description="the strictest licence of any sample: credentialed if one is")
    fingerprint: str = Field(description="hash of settings and chosen ids: equal fingerprints, equal samples")
    settings: dict[str, Any]
    versions: dict[str, str]
    corpora: list[dict[str, Any]] = Field(description="corpus, title, licence, samples, studies, patients")
    made_by: list[dict[str, Any]] = Field(description="labelers, engines and judges with their counts")
    totals: list[dict[str, Any]] = Field(description="split, mode, target, reached")
    tasks: list[dict[str, Any]] = Field(description="split, mode, task, target, available, reached")
    findings: list[dict[str, Any]] = Field(description="split, mode, task, finding, answer, samples")
    shortfalls: list[dict[str, Any]] = Field(description="split, mode, task, finding, share, reached")
    excluded: list[dict[str, Any]] = Field(description="reason, split, questions, studies")
    files: dict[str, FileEntry]


def write_json(path: Path, value: object) -> None:
    """Write canonical JSON: keys in their order, two blanks of indent, one line end at the end."""
    with whole_file(path) as out:
        out.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read a benchmark's manifest; raises InputError where there is none or it is not ours."""
    path = folder / MANIFEST
    if not path.is_file():
        unfinished = (folder / UNFINISHED).is_file()
        what = (
            "an unfinished benchmark; `cxr bench compile --existing resume` goes on" if unfinished else "no benchmark"
        )
        raise InputError(f"{folder} holds {what} (there is no {MANIFEST}); `cxr bench compile NAME` makes one")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path} is no manifest of cxr ({where}: {first['msg']}); compile the benchmark again"
        ) from None


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(folder: Path) -> list[str]:
    """Check a benchmark against its manifest and against its own promises; give every problem in words.

    Checked are the hash of each file, files that are missing or unknown, and, in the samples themselves, that no
    study and no patient is in two splits, no sample occurs twice and every letter answers one of the options.
    """
    manifest = read_manifest(folder)
    problems = []
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif (found := hash_file(path)) != entry.sha256:
            problems.append(
                f"{name} was altered: its SHA-256 begins {found[:12]}, the manifest says {entry.sha256[:12]}"
            )
    known = {*manifest.files, MANIFEST}
    present = (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file())
    problems += [f"{name} is not in the manifest" for name in present if name not in known]
    return problems or _check_samples(folder, manifest)


_CHECKS = {
    "studies are in two splits": "select study_id from samples group by study_id having count(distinct split) > 1",
    "patients are in two splits": (
        "select patient_id from samples where patient_id is not null group by patient_id "
        "having count(distinct split) > 1"
    ),
    "samples occur twice": "select sample_id from samples group by sample_id having count(*) > 1",
    "answers are none of the options": (
        "select sample_id from samples where len(options) > 0 "
        "and not list_contains(list_transform(options, lambda o: o.letter), answer)"
    ),
    "samples have two equal options": (
        "select sample_id from samples where len(list_distinct(list_transform(options, lambda o: o.text))) "
        "<> len(options)"
    ),
}


def _check_samples(folder: Path, manifest: Manifest) -> list[str]:
    files = [str(folder / name) for name in manifest.files if name.endswith(".parquet")]
    if not files:
        return []
    problems = []
    with duckdb.connect() as connection:
        connection.read_parquet(files, union_by_name=True).create_view("samples")
        for what, query in _CHECKS.items():
            found = connection.execute(f"select count(*), min(columns(*)) from ({query})").fetchall()[0]
            if found[0]:
                problems.append(f"{found[0]:,} {what}, e.g. {found[1]}")
    return problems
