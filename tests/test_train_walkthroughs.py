"""The two walkthroughs of docs/training.md on real public data: reports alone, and images with notes and pairs."""

from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.trainer.models.tiny import build_tiny
from cxr.trainer.train.run_record import read_log
from tests.training_world import ONE_STEP, QUICK, QUICK_GRPO, SMALL, quickly, run

# Open answers name findings: they take more than the dozen tokens that suffice for a letter.
LONG = ("--set", "max_completion_length=60")
COVID = ("study_id=filename", "patient_id=patientid", "report=clinical_notes", "study_order=offset", "image=local_file")


def did(*arguments: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    result = run(*arguments)
    assert result.exit_code in codes, result.output
    return result.output


def some_of(corpus: Path, folder: Path, reports: int = 500) -> Path:
    """Copy the first reports of OpenI's CSVs, whose texts hold line ends."""
    folder.mkdir()
    tables = {
        name: pl.read_csv(corpus / f"indiana_{name}.csv", infer_schema=False) for name in ("reports", "projections")
    }
    kept = tables["reports"].head(reports)
    kept.write_csv(folder / "indiana_reports.csv")
    tables["projections"].join(kept, on="uid", how="semi").write_csv(folder / "indiana_projections.csv")
    return folder


def exported(folder: Path, db: Path, *compile_options: str) -> dict[str, Path]:
    """Compile a store and export it for both stages, with a tiny model beside."""
    targets = ("--target", "train.answer_only=120", "--target", "train.reasoning=60", "--target", "test.reasoning=10")
    did("bench", "compile", folder / "bench", "--only", *targets, *compile_options, "--db", db)
    found = {stage: folder / stage for stage in ("sft", "grpo")}
    for stage, place in found.items():
        did("export", stage, folder / "bench", "-o", place, "--db", db)
    rows = pl.read_parquet(sorted((found["sft"] / "data").glob("train-*.parquet")))
    build_tiny(folder / "tiny", texts=[turn["content"] for turns in rows["completion"] for turn in turns], size=SMALL)
    return found


def trained(folder: Path, exports: dict[str, Path], *more: str) -> list[dict[str, object]]:
    """Train a step of each stage; give the sampled completions of the second."""
    tiny, sft, grpo = ("--preset", "tiny", *ONE_STEP, *more), folder / "run-sft", folder / "run-grpo"
    with quickly():
        did("train", "sft", "--model", folder / "tiny", "--data", exports["sft"], "-o", sft, *tiny, *QUICK)
        start = ("--model", sft / "final", "--data", exports["grpo"])
        did("train", "grpo", *start, "-o", grpo, *tiny, *QUICK_GRPO, *LONG)
    return read_log(folder / "run-grpo" / "samples.jsonl")


def test_openi_trains_on_questions_and_reports_without_images(shared: Path, tmp_path: Path) -> None:
    db = tmp_path / "cxr.duckdb"
    corpus = some_of(shared / "data" / "openi", tmp_path / "openi")
    did("ingest", "openi", corpus, "--layout", "csv", "--db", db, codes=(4,))
    did("ask", "--balance", "soft", "--db", db)
    did("mine", "--limit", "200", "--db", db, codes=(0, 4))
    did("score", "--db", db)
    exports = exported(tmp_path, db, "--images", "optional")
    words = ("--preset", "tiny", "--model", tmp_path / "tiny", "--data", exports["sft"])
    result = run("train", "sft", *words, "-o", tmp_path / "no")
    assert result.exit_code == 1
    assert "have images that cannot be used" in result.output
    assert trained(tmp_path, exports, "--set", "images=none")


def test_covid_images_train_with_notes_and_pairs(shared: Path, tmp_path: Path) -> None:
    db, table = tmp_path / "cxr.duckdb", shared / "data" / "covid_chestxray" / "metadata_selected.csv"
    columns = [word for pair in COVID for word in ("--map", pair)]
    did("ingest", "csv", table, "--name", "covid", *columns, "--licence", "public", "--db", db, codes=(4,))
    did("ask", "--balance", "none", "--db", db)
    did("ask", "--tasks", "temporal", "--source", "report", "--balance", "none", "--db", db)
    did("mine", "--tasks", "temporal", "--db", db, codes=(0, 4))
    did("mine", "--limit", "200", "--db", db, codes=(0, 4))
    did("score", "--db", db)
    exports = exported(tmp_path, db)
    rows = pl.read_parquet(sorted((exports["grpo"] / "data").glob("train-*.parquet")))
    assert set(rows.filter(pl.col("task") == "temporal")["images"].list.len()) == {2}
    samples = trained(tmp_path, exports)
    assert {sample["corpus"] for sample in samples} == {"covid"}
