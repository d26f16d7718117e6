"""What every export keeps to, a format of one's own too: nothing credentialed goes to the public, and all is noted."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cxr.miner.export.registry import FORMATS
from tests.benchmarks_world import make_store, read_samples, rows, run_cxr, sql

PUBLISHED_FORMATS = ("sft", "grpo", "hf", "verl", "swift", "llamafactory", "jsonl", "radrbench", "label-studio")


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of credentialed studies, answers alone."""
    folder = tmp_path_factory.mktemp("closed")
    make_store(folder, rows(16), licence="credentialed", name="mine", mined=False)
    targets = ("--target", "train.answer_only=12", "--target", "test.answer_only=8")
    assert run_cxr(folder, "bench", "compile", "bench", "--only", *targets).returncode == 0
    return folder


def _last_run(folder: Path) -> tuple[Any, ...]:
    columns = "settings, status, attestation, rows_written"
    return sql(folder, f"select {columns} from runs where command = 'export' order by started_at desc limit 1")[0]


PLAIN = """
from pathlib import Path

from cxr.miner.export.registry import ExportFormat
from cxr.miner.export.rows import modes_of, whole


def write(benchmark, split, folder, settings):
    written = []
    for mode in modes_of(benchmark, split, settings):
        table = whole(benchmark, split, mode, settings, "select question, answer from samples")
        path = folder / f"{split}-{mode}.txt"
        path.write_text("".join(f"{row['question']}\\t{row['answer']}\\n" for row in table.to_pylist()))
        written.append((path, table.num_rows))
    return written


def describe(benchmark, folder, hashes, settings):
    (folder / "ABOUT").write_text(" ".join([benchmark.manifest.name, *sorted(hashes)]))


FORMAT = ExportFormat(write, describe=describe)
"""


def test_a_format_in_one_file_is_written_noted_and_kept_to_what_it_can_do(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_text.py").write_text(PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    done = run_cxr(tmp_path, "export", "plain_text:FORMAT", closed / "bench", "-o", "plain")
    assert done.returncode == 0, done.stderr
    noted = json.loads((tmp_path / "plain" / "export.json").read_text())
    assert noted["format"] == "plain_text:FORMAT"
    assert sum(file["rows"] for file in noted["files"].values()) == read_samples(closed / "bench").height
    assert (tmp_path / "plain" / "ABOUT").read_text() == " ".join(["bench", *sorted(noted["files"])])
    for arguments, said, code in (
        (
            ("export", "plain_text:FORMAT", closed / "bench", "-o", "x", "--pixels", "embed"),
            "is for sft, grpo and hf",
            2,
        ),
        (("export", "plain_text:OTHER", closed / "bench", "-o", "x"), "plain_text has no OTHER", 2),
        (("predict", "plain", "--model", "m", "--base-url", "http://127.0.0.1:9"), "is an export for plain_text", 1),
        (
            ("train", "sft", "--data", "plain", "--model", "tiny", "-o", "run"),
            "export for plain_text:FORMAT; `cxr train sft`",
            1,
        ),
    ):
        done = run_cxr(tmp_path, *arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "x").exists()


def test_a_line_in_the_registry_makes_a_format_that_the_help_lists(
    closed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_line.py").write_text(PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FORMATS._ours, "plain", "plain_line:FORMAT")
    assert FORMATS.names[-1] == "plain"
    done = run_cxr(tmp_path, "export", "plain", str(closed / "bench"), "-o", "plain")
    assert done.returncode == 0, done.stderr
    assert set(PUBLISHED_FORMATS) == set(FORMATS.names) - {"plain"}
    assert all(f" {name}" in run_cxr(closed, "export", "--help").stdout for name in PUBLISHED_FORMATS[1:3])


@pytest.mark.parametrize("where", [("-o", "out", "--public"), ("-o", "hf://datasets/somebody/mine")])
@pytest.mark.parametrize("form", ["hf", "sft"])
def test_credentialed_samples_are_refused_for_a_public_destination(
    closed: Path, form: str, where: tuple[str, ...]
) -> None:
    done = run_cxr(closed, "export", form, "bench", *where)
    assert done.returncode == 1
    assert "agreement forbids sharing it" in done.stderr
    assert "--i-am-allowed" in done.stderr
    assert not (closed / "out").exists()


def test_who_is_allowed_says_why_and_that_is_recorded(closed: Path) -> None:
    why = "PhysioNet project 1234, derived data set"
    done = run_cxr(closed, "export", "hf", "bench", "-o", "allowed", "--public", "--i-am-allowed", why)
    assert done.returncode == 0, done.stderr
    settings, status, attestation, written = _last_run(closed)
    assert (status, written) == ("done", 20)
    assert why in attestation
    assert json.loads(settings)["public"] is True
    assert "Licence tag: credentialed" in (closed / "allowed" / "README.md").read_text()


@pytest.mark.parametrize("form", [name for name in PUBLISHED_FORMATS if name != "label-studio"])
def test_every_export_carries_the_licence_tag_and_is_noted_with_its_place(closed: Path, form: str) -> None:
    done = run_cxr(closed, "export", form, "bench", "-o", f"local-{form}")
    assert done.returncode == 0, done.stderr
    assert "licence tag: credentialed" in done.stderr
    assert json.loads((closed / f"local-{form}" / "export.json").read_text())["licence"] == "credentialed"
    settings = json.loads(_last_run(closed)[0])
    assert settings["format"] == form
    assert settings["target"] == str((closed / f"local-{form}").resolve())
    for path in (closed / f"local-{form}").rglob("*.parquet"):
        columns = pl.read_parquet(path)
        tags = columns["licence"] if "licence" in columns else columns["extra_info"].struct.field("licence")
        assert set(tags) == {"credentialed"}
    for path in (closed / f"local-{form}").rglob("*.jsonl"):
        assert {json.loads(line)["licence"] for line in path.read_text("utf-8").splitlines()} == {"credentialed"}
    for path in (closed / f"local-{form}").glob("README.md"):
        assert "Licence tag: credentialed" in path.read_text("utf-8")


def test_what_a_benchmark_lacks_cannot_be_exported(closed: Path) -> None:
    done = run_cxr(closed, "export", "label-studio", "bench", "-o", "x")
    assert done.returncode == 1
    assert "has no reasoning samples" in done.stderr
