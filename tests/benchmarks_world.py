"""A small invented store for benchmarks: a corpus with images and splits, its chains mined and scored."""

import contextlib
import csv
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from typer.testing import CliRunner

from cxr.cli import app
from tests.pictures import picture

# Invented; each text is made distinct below, so that only planted repeats are repeats.
PATTERNS: tuple[tuple[str, str], ...] = (
    ("There is a moderate {side} pleural effusion with {detail}. No pneumothorax.", "Pleural effusion."),
    ("The heart is enlarged, {detail}. The lungs are clear on the {side}. No pneumothorax.", "Cardiomegaly."),
    ("Patchy consolidation in the {side} lower lobe near {detail}. No pleural effusion.", "Pneumonia."),
    ("There is a small {side} apical pneumothorax beside {detail}. No pleural effusion.", "Pneumothorax."),
    ("Linear opacities at the {side} base by {detail} are consistent with atelectasis.", "Atelectasis."),
    ("Diffuse pulmonary edema, more on the {side}, with {detail}. No pneumothorax.", "Pulmonary edema."),
    ("There is a 2 cm nodule in the {side} upper lobe close to {detail}. Heart size is normal.", "Lung nodule."),
    ("Displaced fracture of a {side} rib near {detail}. No pneumothorax. The lungs are clear.", "Rib fracture."),
)
_SIDES = ("left", "right")


def rows(studies: int, first: int = 0) -> list[dict[str, str]]:
    """Invent rows of a CSV: three of four studies train, the rest test, two studies a patient."""
    made = []
    for number in range(first, first + studies):
        findings, impression = PATTERNS[number % len(PATTERNS)]
        marks = (f"mark{(number * 31 + place * 7) % 997} spot{(number * 17 + place) % 991}" for place in range(3))
        detail = " ".join(marks)
        patient = number // 2
        made.append(
            {
                "study_id": f"s{number}",
                "patient_id": f"p{patient}",
                "findings": findings.format(side=_SIDES[patient % 2], detail=detail),
                "impression": impression,
                "split": "test" if patient % 4 == 0 else "train",
                "image": f"images/s{number}_a.png;images/s{number}_b.png",
            }
        )
    return made


def make_store(
    folder: Path,
    corpus: Sequence[dict[str, str]],
    *,
    name: str = "invented",
    licence: str = "public",
    mined: bool = True,
    db: str = "cxr.duckdb",
) -> Path:
    """Ingest, ask, mine and score rows of a CSV through the real command line; give the store."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "own.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(corpus[0]))
        writer.writeheader()
        writer.writerows(corpus)
    write_images(folder, corpus)
    mapping = [part for column in corpus[0] for part in ("--map", f"{column}={column}")]
    steps = [["ingest", "csv", "own.csv", "--name", name, "--licence", licence, *mapping], ["ask", "--balance", "none"]]
    for step in [*steps, *([["mine"], ["score"]] if mined else [])]:
        done = run_cxr(folder, *step, "--db", db)
        assert done.returncode in {0, 4}, (step, done.stderr)
    return folder / db


def write_images(folder: Path, corpus: Sequence[dict[str, str]]) -> None:
    """Write a file for every image that the rows name and nobody drew: a benchmark takes none that is absent."""
    for path in {folder / path for row in corpus for path in row.get("image", "").split(";") if path}:
        if not path.exists():
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(picture("PNG"))


def run_cxr(folder: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a folder: the real one, in this process, because starting one takes most of the time."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def sql(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement in the store of a folder."""
    with duckdb.connect(str(folder / "cxr.duckdb")) as connection:
        return connection.execute(statement).fetchall()


def read_samples(benchmark: Path) -> pl.DataFrame:
    """Read the samples of a benchmark, file after file."""
    return pl.concat([pl.read_parquet(path) for path in sorted(benchmark.rglob("*.parquet"))], how="diagonal")
