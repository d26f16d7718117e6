"""`cxr import predictions`: outputs made anywhere find their samples, and what cannot be used is a reject by name."""

import csv
import json
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cxr.miner.imports.prediction_files import Given, read_predictions
from cxr.miner.imports.thoughts import with_thoughts
from cxr.schemas import Prediction
from tests.benchmarks_world import run_cxr, sql
from tests.predictions_world import completion, fingerprint_of, lines, make_benchmark, samples_of, write_jsonl

EDEMA = "Does this chest X-ray show edema? Options:\nA) Yes\nB) No"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_benchmark(tmp_path_factory.mktemp("world"), studies=48).parent


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the store and the benchmark."""
    shutil.copy(world / "cxr.duckdb", tmp_path)
    shutil.copytree(world / "bench", tmp_path / "bench")
    return tmp_path


def run(folder: Path, file: str | Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return run_cxr(folder, "import", "predictions", file, "--benchmark", "bench", *options)


def rejects(folder: Path) -> list[tuple[Any, ...]]:
    return sql(folder, "select reject_key, reason, message from rejects where corpus = 'predictions' order by 1")


def test_our_own_file_comes_back_whole_and_a_rerun_writes_nothing(here: Path) -> None:
    samples = samples_of(here / "bench")
    write_jsonl(here / "p.jsonl", lines(here / "bench", samples))
    done = run(here, "p.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"{len(samples):,} predictions written, 0 were already" in done.stderr
    stored = sql(here, "select sample_id, model, mode, text, benchmark, question_id, error from predictions order by 1")
    assert stored == [
        (s["sample_id"], "oracle", s["mode"], completion(s), fingerprint_of(here / "bench"), s["question_id"], None)
        for s in samples
    ]
    assert f"0 predictions written, {len(samples):,} were already" in run(here, "p.jsonl").stderr
    assert sql(here, "select count(*), count(distinct prediction_id) from predictions") == [(len(samples),) * 2]


def test_coverage_is_printed_by_mode(here: Path) -> None:
    reasoned = [sample for sample in samples_of(here / "bench") if sample["mode"] == "reasoning"]
    made = lines(here / "bench", reasoned[:5])
    made[0] |= {"text": None, "error": "the server gave no answer"}
    write_jsonl(here / "p.jsonl", made)
    done = run(here, "p.jsonl")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if "oracle" in line)
    assert [part.strip() for part in row.split("│")[1:-1]] == [
        "oracle", "reasoning", "test", "reasoning", "4", "1", str(len(reasoned)), str(len(reasoned) - 4)
    ]  # fmt: skip


def test_plain_files_name_samples_or_questions_and_the_command_line_names_the_rest(here: Path) -> None:
    samples = samples_of(here / "bench")
    question = next(s for s in samples if s["mode"] == "reasoning")
    with (here / "p.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["note", "question_id", "output"])
        writer.writerow(["x", question["question_id"], 'Yes,\n"quoted" text'])
    done = run(here, "p.csv", "--model", "gpt", "--mode", "reasoning")
    assert done.returncode == 0, done.stderr
    write_jsonl(here / "p.jsonl", [{"sample_id": samples[0]["sample_id"], "text": ""}])
    assert run(here, "p.jsonl", "--model", "gpt").returncode == 0
    assert sql(here, "select sample_id, mode, text from predictions order by text") == [
        (samples[0]["sample_id"], samples[0]["mode"], ""),
        (question["sample_id"], "reasoning", 'Yes,\n"quoted" text'),
    ]


def test_a_question_without_a_mode_is_the_sample_that_its_output_looks_like(here: Path) -> None:
    question = next(s["question_id"] for s in samples_of(here / "bench") if s["mode"] == "reasoning")
    made = [{"question_id": question, "text": f"{think}<answer>Yes</answer>"} for think in ("<think>a</think>", "")]
    write_jsonl(here / "p.jsonl", made)
    assert run(here, "p.jsonl", "--model", "m").returncode == 0
    modes = sql(here, "select sample_id, mode from predictions order by mode")
    assert modes == [(f"{question}/{mode}", mode) for mode in ("answer_only", "reasoning")]


def test_thoughts_in_a_field_of_their_own_are_put_before_the_output(tmp_path: Path) -> None:
    made: list[dict[str, Any]] = [
        {"text": "Yes", "reasoning_content": "It is large."},
        {"text": "Yes", "reasoning": [{"type": "reasoning.text", "text": "It is"}, {"text": "large."}]},
        {"text": "Yes", "thinking": " It is large. "},
        {"text": "<think>a</think>Yes", "reasoning": "It is large."},
        {"text": None, "reasoning_content": "It never ends"},
        # One of our samples with an output beside it: the reasoning is the reference's.
        {"text": "Yes", "reasoning": "The reference.", "report": "FINDINGS: Clear."},
        {"text": "Yes", "reasoning": None},
    ]
    path = write_jsonl(tmp_path / "p.jsonl", [{"sample_id": "s", "model": "m"} | line for line in made])
    texts = [given.text for given in read_predictions(path, None) if isinstance(given, Given)]
    assert texts == [
        "<think> It is large. </think>Yes",
        "<think> It is\nlarge. </think>Yes",
        "<think> It is large. </think>Yes",
        "<think>a</think>Yes",
        "<think> It never ends </think>",
        "Yes",
        "Yes",
    ]
    assert with_thoughts("", "It never", cut_off=True) == "<think> It never"


def test_the_reference_projects_results_find_the_samples_of_its_imported_benchmark(here: Path) -> None:
    # The shapes of the published records, with invented words.
    published: list[dict[str, object]] = [
        {"item_id": "[mimic-cxr] [50000001]MIMIC-CXR", "question": EDEMA,
         "answer": "B", "original_report": "FINDINGS: Clear.", "reason_steps": "The lungs are clear."},
        {"item_id": "[siim] [1.2.3]", "question": "Does this chest X-ray show pneumothorax?", "answer": "Yes",
         "image_path": []},
    ]  # fmt: skip
    (here / "mimic_binary.json").write_text(json.dumps(published))
    assert run_cxr(here, "import", "radrbench", "mimic_binary.json", "-o", "published").returncode == 0
    results = [record | {"pred": f"out {number}", "correct": True} for number, record in enumerate(published)]
    # A result file of another name does not tell the task of a question, and an item may be left out or be unknown.
    results.append(published[0] | {"item_id": "[mimic-cxr] [59999999]MIMIC-CXR", "pred": "x"})
    results.append(published[1])
    (here / "temporal_res.json").write_text(json.dumps(results))
    done = run_cxr(here, "import", "predictions", "temporal_res.json", "--benchmark", "published", "--model", "gpt4o",
                   "--mode", "reasoning")  # fmt: skip
    assert done.returncode == 4
    found = sql(here, "select mode, text, split_part(sample_id, '/', 2) from predictions order by text")
    assert found == [("reasoning", "out 0", "reasoning"), ("reasoning", "out 1", "answer_only")]
    assert [(key, reason) for key, reason, _ in rejects(here)] == [
        ("temporal_res.json:3", "unknown_sample"), ("temporal_res.json:4", "wrong_fields"),
    ]  # fmt: skip


def test_lines_that_cannot_be_used_are_rejects_with_their_reason_and_the_rest_is_kept(here: Path) -> None:
    sample = samples_of(here / "bench")[0]
    good = lines(here / "bench", [sample])[0]
    bad: list[tuple[object, str]] = [
        (good | {"sample_id": "nobody/reasoning"}, "unknown_sample"),
        (good | {"text": "another text"}, "duplicate_key"),
        (good | {"text": None}, "wrong_fields"),
        (good | {"text": 5}, "wrong_fields"),
        (good | {"mode": "cot"}, "wrong_fields"),
        ({"model": "m", "text": "x"}, "missing_key"),
        ([1], "wrong_fields"),
        ('{"sample_id": ', "not_json"),
        ('{"sample_id": "a", "text": "\\ud800"}', "not_utf8"),
    ]
    written = [line if isinstance(line, str) else json.dumps(line) for line in [good, good, *(line for line, _ in bad)]]
    (here / "p.jsonl").write_text("\n".join(written))
    done = run(here, "p.jsonl")
    assert done.returncode == 4
    assert "1 predictions written, 0 were already, 1 lines said the same twice" in done.stderr
    found = {int(key.rpartition(":")[2]): reason for key, reason, _ in rejects(here)}
    assert found == {number: reason for number, (_, reason) in enumerate(bad, start=3)}
    assert not any("another text" in message for _, _, message in rejects(here)), "no output in a message"
    assert run(here, "p.jsonl").returncode == 4
    assert len(rejects(here)) == len(bad), "a rerun does not reject twice"


def test_every_line_is_written_merged_there_already_or_rejected(here: Path) -> None:
    draw = random.Random(0)
    samples = samples_of(here / "bench")
    pieces: dict[str, list[object]] = {
        "sample_id": [*(s["sample_id"] for s in samples[:8]), "nobody", "", None, 3],
        "question_id": [None, None, samples[0]["question_id"], "nobody"],
        "model": ["m", "m", "n", 5],
        "mode": ["reasoning", "answer_only", None, "cot"],
        "text": ["a", "b", "", None, ["a"]],
        "error": [None, None, None, "why", 1],
        "benchmark": [None, fingerprint_of(here / "bench")],
    }
    made = [{name: draw.choice(values) for name, values in pieces.items()} for _ in range(600)]
    write_jsonl(here / "p.jsonl", made)
    for already in (False, True):
        done = run(here, "p.jsonl", *([] if already else ["--model", "m"]))
        assert done.returncode == 4, done.stderr
        said = [
            int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:predictions|were|lines)", done.stderr)
        ]
        assert sum(said) == len(made), done.stderr
    assert sql(here, "select count(*) - count(distinct prediction_id) from predictions") == [(0,)]


def test_another_version_of_the_benchmark_is_refused_with_both_fingerprints(here: Path) -> None:
    made = lines(here / "bench", samples_of(here / "bench")[:2])
    made[1]["benchmark"] = "0123456789abcdef"
    write_jsonl(here / "p.jsonl", made)
    done = run(here, "p.jsonl")
    assert done.returncode == 1
    assert "0123456789abcdef" in done.stderr
    assert fingerprint_of(here / "bench") in done.stderr
    assert sql(here, "select count(*) from predictions") == [(0,)]


def test_an_error_gives_way_to_an_output_and_an_output_only_to_replace(here: Path) -> None:
    sample = samples_of(here / "bench")[0]
    line = lines(here / "bench", [sample])[0]
    failed = line | {"text": None, "error": "timeout"}
    write_jsonl(here / "failed.jsonl", [failed])
    write_jsonl(here / "said.jsonl", [failed, line])
    write_jsonl(here / "other.jsonl", [line | {"text": "other"}])
    assert run(here, "failed.jsonl").returncode == 0
    assert sql(here, "select text, error from predictions") == [(None, "timeout")]
    assert run(here, "said.jsonl").returncode == 0
    assert sql(here, "select text, error from predictions") == [(line["text"], None)]
    assert run(here, "failed.jsonl").returncode == 0
    assert run(here, "other.jsonl").returncode == 4
    assert "--replace" in rejects(here)[0][2]
    assert sql(here, "select text, error from predictions") == [(line["text"], None)]
    assert run(here, "other.jsonl", "--replace").returncode == 0
    assert sql(here, "select text from predictions") == [("other",)]


@pytest.mark.parametrize(
    ("name", "content", "options", "code", "said"),
    [
        ("none.jsonl", None, ["--model", "m"], 1, "none.jsonl is not a file"),
        ("p.csv", b"a,b\n1,2\n", ["--model", "m"], 1, "expected sample_id or question_id, and text"),
        ("p.csv", b"sample_id,text\n1,\xff\n", ["--model", "m"], 1, "not UTF-8"),
        ("p.json", b'[{"a": 1}', ["--model", "m"], 1, "not JSON"),
        ("p.jsonl", b'{"sample_id": "a", "text": "x"}', [], 2, "give --model NAME"),
        ("p.jsonl", b'{"sample_id": "a", "text": "x"}', ["--model", "m", "--mode", "cot"], 2, "choose from"),
    ],
)
def test_files_that_are_no_predictions_are_one_sentence(
    here: Path, name: str, content: bytes | None, options: list[str], code: int, said: str
) -> None:
    if content is not None:
        (here / name).write_bytes(content)
    done = run(here, name, *options)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_hundred_kilobytes_and_any_script_survive(here: Path) -> None:
    samples = samples_of(here / "bench")[:3]
    texts = ["лёгкие чистые 肺野清晰 " * 8000, "a\x00b", "x" * 200_000]
    with (here / "p.csv").open("w", newline="", encoding="utf-8-sig") as out:
        csv.writer(out).writerows(
            [["sample_id", "text"], *((s["sample_id"], t) for s, t in zip(samples, texts, strict=True))]
        )
    done = run(here, "p.csv", "--model", "m")
    assert done.returncode == 0, done.stderr
    assert {text for (text,) in sql(here, "select text from predictions")} == set(texts)


@pytest.mark.parametrize(("text", "error"), [(None, None), ("x", "why")])
def test_a_prediction_is_an_output_or_an_error(text: str | None, error: str | None) -> None:
    with pytest.raises(ValidationError):
        Prediction(sample_id="a/reasoning", model="m", mode="reasoning", text=text, error=error)
