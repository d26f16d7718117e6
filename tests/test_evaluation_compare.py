"""`cxr compare`: differences on common samples, tests that can be repeated, and the paper's numbers marked as such."""

import csv
import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cxr.trainer.evaluate.leaderboard import PAPER, published_lines
from tests.benchmarks_world import run_cxr
from tests.predictions_world import completion, lines, make_benchmark, samples_of, write_jsonl

THOUGHT = "The heart is enlarged. There is a large left pleural effusion. There is no fracture."


def right(sample: dict[str, Any], one_in: int) -> bool:
    return sum(map(ord, sample["sample_id"])) % one_in > 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two models' predictions, evaluated."""
    folder = tmp_path_factory.mktemp("world")
    samples = samples_of(make_benchmark(folder, 96))
    wrote = {
        "good": lambda s: completion(s, right=right(s, 5)),
        "bad": lambda s: completion(s, right=right(s, 2), think=THOUGHT if right(s, 3) else None),
    }
    for model, write in wrote.items():
        write_jsonl(folder / f"{model}.jsonl", lines(folder / "bench", samples, write, model))
        assert run_cxr(folder, "import", "predictions", f"{model}.jsonl", "--benchmark", "bench").returncode == 0
    assert run_cxr(folder, "evaluate", "bench").returncode == 0
    return folder


def compare(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_cxr(folder, "compare", *arguments, "--benchmark", "bench")


def found(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = compare(folder, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_means_are_those_of_evaluate_and_the_difference_is_theirs(world: Path) -> None:
    done = run_cxr(world, "evaluate", "bench", "--format", "json")
    evaluated = {(r["model"], r["mode"], r["task"], r["corpus"]): r for r in json.loads(done.stdout)}
    compared = found(world, "good", "bad")
    assert len(compared) > 20
    for row in compared:
        corpus = "mean" if row["task"] == "mean" else "invented"
        for side, model in (("first", "good"), ("second", "bad")):
            whole = evaluated[model, row["mode"], row["task"], corpus][row["measure"]]
            assert row[side] == {end: pytest.approx(whole[end]) for end in ("value", "low", "high")}
        difference = row["difference"]
        assert difference["value"] == pytest.approx(row["first"]["value"] - row["second"]["value"])
        assert difference["low"] <= difference["value"] <= difference["high"]


def test_p_values_are_scipys_on_the_same_pairs(world: Path) -> None:
    samples = [s for s in samples_of(world / "bench") if s["mode"] == "answer_only" and s["task"] == "single"]
    ours = np.array([right(s, 5) for s in samples], dtype=float)
    theirs = np.array([right(s, 2) for s in samples], dtype=float)
    expected = stats.permutation_test(
        (ours, theirs), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=100_000, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    rows = found(world, "good", "bad", "--permutations", "100000")
    row = next(r for r in rows if (r["mode"], r["task"], r["measure"]) == ("answer_only", "single", "accuracy"))
    assert row["n"] == len(samples)
    assert row["p"] == pytest.approx(expected, abs=0.01)
    holm = [r for r in rows if r["mode"] == "answer_only" and r["measure"] == "accuracy" and r["task"] != "mean"]
    smallest = min(holm, key=lambda r: r["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, len(holm) * smallest["p"]))
    assert all(r["p_holm"] >= r["p"] for r in holm)


def test_order_turns_signs_and_nothing_else_and_the_seed_names_the_draws(world: Path) -> None:
    rows, turned = found(world, "good", "bad"), found(world, "bad", "good")
    for row, other in zip(rows, turned, strict=True):
        assert (row["task"], row["measure"], row["p"]) == (other["task"], other["measure"], other["p"])
        assert row["difference"]["value"] == pytest.approx(-other["difference"]["value"])
    assert found(world, "good", "bad") == rows
    assert found(world, "good", "bad", "--seed", "1") != rows


def test_patients_change_sign_together_on_request(world: Path) -> None:
    key = [(r["measure"], r["task"], r["difference"]["value"]) for r in found(world, "good", "bad")]
    rows = found(world, "good", "bad", "--cluster", "patient")
    assert [(r["measure"], r["task"], pytest.approx(r["difference"]["value"])) for r in rows] == key
    assert [r["p"] for r in rows] != [r["p"] for r in found(world, "good", "bad")]


def test_models_that_answered_other_samples_are_compared_on_the_common_ones_and_it_is_said(
    world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "w")
    here = tmp_path / "w"
    samples = samples_of(here / "bench")
    write_jsonl(here / "half.jsonl", lines(here / "bench", samples[::2], model="half"))
    assert run_cxr(here, "import", "predictions", "half.jsonl", "--benchmark", "bench").returncode == 0
    done = compare(here, "good", "half")
    assert done.returncode == 1
    assert "not scored by rules" in done.stderr
    assert f"{len(samples[::2])} of half" in done.stderr
    assert run_cxr(here, "evaluate", "bench", "--model", "half").returncode == 0
    done = compare(here, "good", "half", "--format", "markdown")
    assert f"PARTIAL: {len(samples[::2])} of {len(samples)} questions are answered by both" in done.stdout
    rows = found(here, "good", "half")
    binary = [s for s in samples[::2] if s["mode"] == "answer_only" and s["task"] == "binary"]
    row = next(r for r in rows if (r["mode"], r["task"], r["measure"]) == ("answer_only", "binary", "accuracy"))
    assert row["n"] == len(binary)
    assert row["first"]["value"] == pytest.approx(sum(right(s, 5) for s in binary) / len(binary))


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "table"])
def test_the_leaderboard_marks_the_papers_numbers(world: Path, form: str) -> None:
    done = compare(world, "--leaderboard", "--format", form)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("measured by its authors") == 5
    assert f"published ({PAPER}, 3.1)" in done.stdout
    assert done.stdout.index("good") < done.stdout.index("bad")
    without = compare(world, "--leaderboard", "--format", form, "--no-published").stdout
    assert "published" not in without
    assert "good" in without


def test_the_leaderboard_as_csv_names_measure_and_source(world: Path) -> None:
    rows = list(csv.DictReader(compare(world, "--leaderboard", "--format", "csv").stdout.splitlines()))
    row = next(r for r in rows if r["model"] == "ChestX-Reasoner" and r["measure"] == "completeness")
    assert (row["binary"], row["binary_low"], row["binary_high"]) == ("0.24", "0.218", "0.262")
    ours = next(r for r in rows if r["model"] == "good" and r["measure"] == "radrscore")
    assert ours["source"] == "bench, judged by rules"
    assert float(ours["mean"]) == 1


def test_published_numbers_are_in_the_papers_text(shared: Path) -> None:
    text = (shared / "paper.txt").read_text().replace("\u2013", "-")
    for measure in ("factuality", "completeness", "effectiveness", "radrscore", "outcome"):
        rows = published_lines(measure)
        assert rows
        for line in rows:
            for found_ in line.measures.values():
                assert f"{found_.value:.3f}" in text
                if found_.low is not None:
                    assert f"{found_.low:.3f}" in text
                    assert f"{found_.high:.3f}" in text
    given = tomllib.loads((Path(__file__).parents[1] / "trainer" / "evaluate" / "published.toml").read_text())
    assert {row["section"] for row in given["row"]} == {"3.1", "3.2", "3.3"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["good", "--benchmark", "bench"], 2, "two different models or more"),
        (["good", "good", "--benchmark", "bench"], 2, "two different models or more"),
        (["good", "bad"], 2, "give --benchmark"),
        (["good", "nobody", "--benchmark", "bench"], 1, "no predictions by nobody; it has bad, good"),
        (["good", "bad", "--benchmark", "nowhere"], 1, "no benchmark"),
        (["good", "bad", "--benchmark", "bench", "--judge", "llm"], 1, "not scored by llm yet"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(world: Path, arguments: list[str], code: int, said: str) -> None:
    done = run_cxr(world, "compare", *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
