"""Every export is read back with the library that its users use, and reviews come back from one."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from cxr.miner.export.registry import FORMATS
from tests.benchmarks_world import make_store, read_samples, rows, run_cxr
from tests.conftest import ROOT
from tests.forked import CXR

RESUME = ("--existing", "resume")
REASONED = "Please think step by step, and enclose the answer within <answer></answer> and the reasoning processes within <think></think>."  # noqa: E501 - word for word


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a benchmark, and every export of it."""
    folder = tmp_path_factory.mktemp("exports")
    make_store(folder, rows(64))
    assert run_cxr(folder, "bench", "compile", "bench").returncode == 0
    for form in FORMATS.names:
        done = run_cxr(folder, "export", form, "bench", "-o", form, "--image-root", "/data")
        assert done.returncode == 0, done.stderr
    return folder


def test_sft_holds_every_sample_in_the_papers_two_formats(world: Path) -> None:
    read = pl.read_parquet(world / "sft" / "data" / "*.parquet")
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    assert set(read["sample_id"]) == set(samples)
    for row in read.to_dicts():
        sample = samples[row["sample_id"]]
        system, user = row["prompt"]
        (assistant,) = row["completion"]
        assert system == {"role": "system", "content": "You are a helpful AI assistant."}
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        answered = f"<answer> {sample['answer']} </answer>"
        if row["mode"] == "reasoning":
            assert user["content"] == f"{sample['question']} {REASONED}"
            assert assistant["content"] == f"<think> {sample['reasoning']} </think>{answered}"
        else:
            assert user["content"] == f"{sample['question']} Please enclose the answer within <answer></answer>"
            assert assistant["content"] == answered
        assert [image["path"] for image in row["images"]] == [f"/data/{path}" for path in sample["images"]]
        assert row["licence"] == "public"


def test_mixing_weights_repeat_whole_times_and_draw_the_rest(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "bench", tmp_path / "bench")
    done = run_cxr(tmp_path, "export", "sft", "bench", "-o", "sft", "--mix", "reasoning=2.5", "--mix", "answer_only=0")
    assert done.returncode == 0, done.stderr
    read = pl.read_parquet(tmp_path / "sft" / "data" / "*.parquet")
    reasoning = read_samples(world / "bench").filter(pl.col("mode") == "reasoning")
    assert set(read["mode"]) == {"reasoning"}
    times = Counter(read["sample_id"])
    assert set(times) == set(reasoning["sample_id"])
    assert set(times.values()) == {2, 3}
    assert 0.3 < sum(count == 3 for count in times.values()) / len(times) < 0.7
    assert run_cxr(tmp_path, "export", "sft", "bench", "-o", "x", "--mix", "both=1").returncode == 2


def test_the_same_export_has_the_same_bytes_and_another_seed_another_order(world: Path, tmp_path: Path) -> None:
    for form in ("sft", "verl", "jsonl"):
        done = run_cxr(world, "export", form, "bench", "-o", tmp_path / form, "--image-root", "/data")
        assert done.returncode == 0, done.stderr
        files = [path for path in sorted((world / form).rglob("*")) if path.is_file()]
        assert all(
            path.read_bytes() == (tmp_path / form / path.relative_to(world / form)).read_bytes() for path in files
        )
    run_cxr(world, "export", "sft", "bench", "-o", tmp_path / "other", "--seed", "3")
    one, other = (pl.read_parquet(tmp_path / name / "data" / "*.parquet")["sample_id"] for name in ("sft", "other"))
    assert set(one) == set(other)
    assert one.to_list() != other.to_list()


def test_grpo_rows_hold_what_rewards_need_and_no_report_where_there_is_no_process_reward(world: Path) -> None:
    read = pl.read_parquet(world / "grpo" / "data" / "*.parquet")
    for row in read.to_dicts():
        assert (row["report"] is not None) is (row["mode"] == "reasoning")
        assert bool(row["reference"]) is (row["mode"] == "reasoning")
        letters = [option[:2] for option in row["options"]]
        assert not letters or f"{row['answer']})" in letters
        assert row["prompt"][1]["content"].endswith("</think>." if row["mode"] == "reasoning" else "</answer>")


def test_exports_load_with_hugging_face_datasets_offline(world: Path, tmp_path: Path) -> None:
    """In a process of its own: `datasets` reads its environment on import, and must not reach a network."""
    script = f"""
import datasets
root = {str(world)!r}
for form in ("sft", "grpo"):
    read = datasets.load_dataset("parquet", data_files={{"train": f"{{root}}/{{form}}/data/train-*.parquet"}})["train"]
    assert isinstance(read.features["images"].feature, datasets.Image), read.features
    assert set(read.features["prompt"].feature) == {{"role", "content"}}
for mode in ("answer_only", "reasoning"):
    read = datasets.load_dataset(f"{{root}}/hf", mode)
    assert set(read) == {{"train", "test"}}, read
    assert isinstance(read["test"].features["images"].feature, datasets.Image)
    assert set(read["test"]["mode"]) == {{mode}}
for chats in ("swift/sft", "swift/grpo", "llamafactory"):  # which both of them load in this way
    read = datasets.load_dataset("json", data_files=f"{{root}}/{{chats}}/**/t*-*.jsonl", split="train")
    assert set(read.features["messages"].feature) == {{"role", "content"}}
    assert read.features["images"].feature.dtype == "string"
    print(read.num_rows)
print(datasets.load_dataset("parquet", data_files=f"{{root}}/verl/*.parquet")["train"].num_rows)
"""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert set(map(int, done.stdout.split())) == {read_samples(world / "bench").height}


def test_the_card_names_fields_counts_licence_settings_and_limits(world: Path) -> None:
    card = (world / "hf" / "README.md").read_text()
    for column in pq.read_schema(world / "hf" / "reasoning" / "test-00000-of-00001.parquet").names:
        assert f"| {column} |" in card
    for said in ("Licence tag: public", '"seed": 0', "Known limits", "Not for diagnosis", "config_name: reasoning",
                 'path: "answer_only/train-*.parquet"', "| engine | rules"):  # fmt: skip
        assert said in card


def test_jsonl_holds_the_samples_as_they_are(world: Path) -> None:
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    lines = [
        json.loads(line)
        for path in sorted((world / "jsonl").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert {line["sample_id"] for line in lines} == set(samples)
    for line in lines:
        sample = samples[line["sample_id"]]
        assert line["images"] == [f"/data/{path}" for path in sample["images"]]
        for column in set(line) - {"images"}:
            assert line[column] == sample[column], column


def test_the_reference_projects_layout_is_written_and_read_back(world: Path, tmp_path: Path) -> None:
    written = sorted((world / "radrbench" / "reason_test").glob("*.json"))
    assert {path.name for path in written} == {
        f"invented_{task}.json" for task in ("binary", "single", "multi_option", "multi_no_option")
    }
    for path in written:
        for record in json.loads(path.read_text()):
            assert isinstance(record["reason_steps"], str if "binary" in path.name else list)
            assert isinstance(record["plan"], dict)
            assert record["original_report"]
    done = run_cxr(tmp_path, "import", "radrbench", *written, "-o", "back")
    assert done.returncode == 0, done.stderr
    back = pl.read_parquet(tmp_path / "back" / "test" / "reasoning-*.parquet")
    before = read_samples(world / "bench").filter((pl.col("mode") == "reasoning") & (pl.col("split") == "test"))
    columns = ["study_id", "task", "question", "answer", "answer_text", "report", "reasoning", "options", "steps"]
    key = ["study_id", "task", "question", "answer"]
    for one, other in zip(back.sort(key).to_dicts(), before.sort(key).to_dicts(), strict=True):
        # Theirs has one text for a binary question's steps.
        same = [name for name in columns if name != "steps" or one["task"] != "binary"]
        assert {name: one[name] for name in same} == {name: other[name] for name in same}
    training = json.loads((world / "radrbench" / "reason_train" / "invented_single.json").read_text())
    assert all(record["process"] and "original_report" not in record for record in training)


def test_the_format_of_the_docs_is_written(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n# plain\.py\n(.*?)```", (ROOT / "docs/export.md").read_text("utf-8"), re.DOTALL)
    assert found is not None
    (tmp_path / "plain.py").write_text(found[1], "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    done = run_cxr(tmp_path, "export", "plain:FORMAT", world / "bench", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert pl.read_csv(tmp_path / "out" / "test-reasoning.csv").columns == ["question", "answer"]


def test_an_address_is_no_folder(world: Path) -> None:
    done = run_cxr(world, "export", "hf", "bench", "-o", "hf://datasets/somebody/open")
    assert done.returncode == 1
    assert "is no folder; export to a folder and upload that" in done.stderr


def test_wrong_use_is_one_sentence_and_writes_nothing(world: Path) -> None:
    for arguments, said, code in (
        (("tfrecord", "bench", "-o", "x"), "expected 'sft', 'grpo'", 2),
        (("sft", "nowhere", "-o", "x"), "holds no benchmark", 1),
        (("sft", "bench", "-o", "sft"), "choose --existing replace", 1),
        (("sft", "bench", "-o", "bench", "--existing", "replace"), "is no export of cxr; it is left alone", 1),
        (("sft", "bench", "-o", "no/where"), "does not exist", 1),
        (("sft", "bench", "-o", "x", "--splits", "validate"), "has no samples of split validate", 1),
    ):
        done = run_cxr(world, "export", *arguments)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
    assert not (world / "x").exists()
    assert run_cxr(world, "export", "sft", "bench", "-o", "sft", "--existing", "replace").returncode == 0


DYING = """
import os, signal
from cxr.miner.export.jsonl import FORMAT as whole
from cxr.miner.export.registry import ExportFormat

def write(benchmark, split, folder, settings):
    written = whole.write(benchmark, split, folder, settings)
    if not os.path.exists("killed"):
        open("killed", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return written

FORMAT = ExportFormat(write)
"""


def test_an_export_that_was_killed_leaves_nothing_in_the_way_of_the_next(world: Path, tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING, encoding="utf-8")
    command: list[str | Path] = [CXR, "export", "dying:FORMAT", world / "bench", "-o", "out", "--existing", "resume"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    codes = []
    for _ in range(3):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        codes.append(done.returncode)
        assert (tmp_path / "out").exists() == (done.returncode == 0)
    assert codes == [-9, 0, 0]
    assert "were there already in out" in done.stderr
    assert not list(tmp_path.glob(".*partial"))


def test_resume_leaves_the_same_export_and_refuses_another(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "jsonl", tmp_path / "out")
    before = (tmp_path / "out" / "export.json").stat().st_mtime_ns
    same = run_cxr(tmp_path, "export", "jsonl", world / "bench", "-o", "out", "--image-root", "/data", *RESUME)
    assert same.returncode == 0, same.stderr
    assert (tmp_path / "out" / "export.json").stat().st_mtime_ns == before
    other = run_cxr(tmp_path, "export", "jsonl", world / "bench", "-o", "out", "--seed", "5", *RESUME)
    assert other.returncode == 1
    assert "is an export of another benchmark, format or settings" in other.stderr
    # What an earlier version left where it was interrupted.
    (tmp_path / "out" / "export.json").write_text('{"unfinished": true}', encoding="utf-8")
    again = run_cxr(tmp_path, "export", "jsonl", world / "bench", "-o", "out", "--seed", "5", *RESUME)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "out" / "export.json").read_bytes())["settings"]["seed"] == 5


# --- and back: reviews ----------------------------------------------------------------------------------------------


def _annotated(task: dict[str, Any], who: object, *scores: float, comment: str = "") -> dict[str, Any]:
    """Give a task as Label Studio exports it after somebody's review."""
    result: list[dict[str, Any]] = [
        {"from_name": axis, "to_name": "reasoning", "type": "number", "value": {"number": score}}
        for axis, score in zip(("factuality", "validity", "completeness"), scores, strict=False)
    ]
    if comment:
        result.append({"from_name": "comment", "type": "textarea", "value": {"text": [comment]}})
    made = {"completed_by": who, "result": result, "created_at": "2026-11-20T10:00:00.000000Z"}
    return {"id": 1, "data": task["data"], "annotations": [made]}


def test_reviews_from_label_studio_decide_what_the_next_benchmark_takes(world: Path, tmp_path: Path) -> None:
    shutil.copy(world / "cxr.duckdb", tmp_path)
    good, bad, half, alien, loud = json.loads((world / "label-studio" / "test.json").read_text())[:5]
    alien["data"]["chain_id"] = "nobody"
    (tmp_path / "reviews.json").write_text(
        json.dumps(
            [
                _annotated(good, {"id": 1, "email": "a@clinic.example"}, 8, 7, 9),
                _annotated(bad, 2, 9, 4, 9, comment="The conclusion does not follow."),
                _annotated(half, 1, 8),
                _annotated(alien, 1, 8, 8, 8),
                _annotated(loud, 1, 11, 8, 8),
            ]
        )
    )
    for _ in range(2):
        done = run_cxr(tmp_path, "import", "reviews", "reviews.json")
        assert done.returncode == 4, done.stderr
        assert "2 reviews of 2 chains written" in done.stderr
    with duckdb.connect(str(tmp_path / "cxr.duckdb"), read_only=True) as connection:
        kept = connection.execute(
            "select chain_id, reviewer, validity, comment from reviews order by reviewer"
        ).fetchall()
        rejects = connection.execute(
            "select reason from rejects where corpus = 'reviews' order by reject_key"
        ).fetchall()
    assert kept == [
        (bad["data"]["chain_id"], "2", 4, "The conclusion does not follow."),
        (good["data"]["chain_id"], "a@clinic.example", 7, None),
    ]
    assert [reason for (reason,) in rejects] == ["wrong_fields", "unknown_chain", "bad_value"]
    assert run_cxr(tmp_path, "bench", "compile", "bench").returncode == 0
    chains = set(read_samples(tmp_path / "bench")["chain_id"].drop_nulls())
    assert good["data"]["chain_id"] in chains
    assert bad["data"]["chain_id"] not in chains
