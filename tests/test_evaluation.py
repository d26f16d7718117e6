"""`cxr evaluate`: what a model said becomes measures with intervals, and nothing it left out goes unsaid."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.judge import Judge
from cxr.trainer.evaluate import judging, scoring
from cxr.trainer.evaluate.evaluate import evaluate_benchmark
from cxr.trainer.evaluate.settings import EvaluateSettings
from tests.benchmarks_world import rows, run_cxr, sql, write_images
from tests.predictions_world import completion, evaluate, lines, make_benchmark, predict, samples_of, write_jsonl

REASONING = ("factuality", "completeness", "effectiveness", "radrscore")
WRONG_THINKING = "The heart is enlarged. There is a large left pleural effusion. There is no fracture."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of a corpus with mined reasoning, and of another hospital, which has questions alone."""
    folder = tmp_path_factory.mktemp("world")
    made = rows(24, first=500)
    with (folder / "elsewhere.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(made[0]))
        writer.writeheader()
        writer.writerows([row | {"patient_id": "s" + row["patient_id"]} for row in made])
    write_images(folder, made)
    benchmark = make_benchmark(folder, 96)
    shutil.rmtree(benchmark)
    mapping = [part for column in made[0] for part in ("--map", f"{column}={column}")]
    run_cxr(folder, "ingest", "csv", "elsewhere.csv", "--name", "elsewhere", "--licence", "public", *mapping)
    run_cxr(folder, "ask", "--balance", "none")
    done = run_cxr(folder, "bench", "compile", "bench", "--only", "--target", "test.answer_only=120",
                   "--target", "test.reasoning=60")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the store and the benchmark."""
    shutil.copy(world / "cxr.duckdb", tmp_path)
    shutil.copytree(world / "bench", tmp_path / "bench")
    (tmp_path / "cxr.toml").write_text('[evaluate]\ncross_centre = ["elsewhere"]\n')
    return tmp_path


def results(folder: Path, *options: str) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    done = evaluate(folder, "--format", "json", *options)
    assert done.returncode == 0, done.stderr
    return {(row["model"], row["mode"], row["task"], row["corpus"]): row for row in json.loads(done.stdout)}


def wrong_every_third(sample: dict[str, Any]) -> str:
    return completion(sample, right=hash_of(sample) % 3 > 0)


def hash_of(sample: dict[str, Any]) -> int:
    return sum(map(ord, sample["sample_id"]))


def test_the_reference_itself_is_perfect_and_other_hospitals_have_a_table_of_answers_alone(here: Path) -> None:
    predict(here)
    found = results(here)
    for (_, mode, task, corpus), row in found.items():
        assert row["n_missing"] == row["n_unparsed"] == 0
        if mode == "reasoning" and corpus not in {"elsewhere", "cross_centre"}:
            assert row["n_judged"] == row["n"] > 0
            assert all(row[name]["value"] == 1 for name in REASONING), (task, corpus)
        else:
            assert all(row[name]["value"] is None for name in REASONING)
        assert (row["finding_f1"]["value"] == 1) == (task in {"anomaly", "mean"})
        assert (row["accuracy"]["value"] == 1) == (task != "anomaly")
    assert {corpus for _, _, _, corpus in found} == {"invented", "elsewhere", "mean", "cross_centre"}
    text = evaluate(here).stdout
    assert "In distribution: bench, judged by rules" in text
    own, _, cross = text.partition("Cross-centre: bench, judged by rules")
    assert "invented" in own
    assert "elsewhere" not in own
    assert "elsewhere" in cross
    assert "radrscore" not in cross


def test_values_are_those_of_the_same_counts_judged_elsewhere(here: Path) -> None:
    predict(here, lambda s: completion(s, right=hash_of(s) % 2 > 0, think=WRONG_THINKING))
    found = results(here)
    counted = sql(
        here,
        "select task, n_pred, n_correct, n_gt, n_recalled, n_effective, n_ineffective, correct from prediction_scores "
        "where mode = 'reasoning' and corpus = 'invented'",
    )
    with (here / "counts.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["model", "task", "row", "n_pred", "n_correct", "n_gt", "n_recalled", "n_effective",
                         "n_ineffective", "correct"])  # fmt: skip
        writer.writerows([["oracle", row[0], number, *row[1:]] for number, row in enumerate(counted)])
    done = run_cxr(here, "evaluate", "--from-counts", "counts.csv", "--format", "json")
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout):
        ours = found["oracle", "reasoning", row["task"], "invented"]
        assert ours["n"] == row["n"]
        for name in (*REASONING, "accuracy"):
            assert ours[name]["value"] == (None if row[name]["value"] is None else pytest.approx(row[name]["value"]))
        assert 0 < ours["factuality"]["value"] < 1


def test_accuracy_is_the_share_of_right_answers_and_means_give_tasks_the_same_weight(here: Path) -> None:
    samples = [s for s in samples_of(here / "bench") if s["corpus"] == "invented" and s["mode"] == "answer_only"]
    predict(here, wrong_every_third, samples=samples)
    found = results(here)
    shares = {}
    for task in ("binary", "single", "multiple"):
        own = [hash_of(s) % 3 > 0 for s in samples if s["task"] == task]
        shares[task] = sum(own) / len(own)
        row = found["oracle", "answer_only", task, "invented"]
        assert row["accuracy"]["value"] == pytest.approx(shares[task])
        assert row["accuracy"]["low"] < shares[task] < row["accuracy"]["high"]
    assert found["oracle", "answer_only", "mean", "mean"]["accuracy"]["value"] == pytest.approx(
        sum(shares.values()) / 3
    )


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "html"])
def test_a_partial_result_says_so_in_every_table(here: Path, form: str) -> None:
    samples = samples_of(here / "bench")
    predict(here, samples=samples[::2])
    predict(here, model="whole")
    done = evaluate(here, "--format", form)
    tables = done.stdout.count("PARTIAL: oracle")
    assert tables == 3, "both modes in distribution, and answers elsewhere"
    assert "PARTIAL: whole" not in done.stdout
    assert "the rest is left out" in done.stdout
    asked = [s for s in samples[::2] if s["mode"] == "reasoning"]
    whole = [s for s in samples if s["mode"] == "reasoning"]
    assert f"oracle (reasoning): {len(asked)} of {len(whole)} reasoning samples" in done.stderr


def test_what_is_missing_is_in_every_row_of_csv_and_json(here: Path) -> None:
    samples = samples_of(here / "bench")
    predict(here, samples=samples[::2])
    found = results(here)
    missing = sum(row["n_missing"] for (_, _, task, _), row in found.items() if task != "mean")
    assert missing == len(samples) - len(samples[::2])
    lines_ = list(csv.DictReader(evaluate(here, "--format", "csv").stdout.splitlines()))
    assert sum(int(row["n_missing"]) for row in lines_ if row["task"] != "mean") == missing


def test_a_rerun_scores_nothing_and_gives_the_same_and_what_was_lost_is_scored_again(here: Path) -> None:
    predict(here, wrong_every_third)
    first = evaluate(here, "--format", "json")
    again = evaluate(here, "--format", "json")
    assert "\n0 predictions scored" in again.stderr
    assert again.stdout == first.stdout
    sql(here, "delete from prediction_scores where hash(prediction_id) % 2 = 0")
    third = evaluate(here, "--format", "json")
    assert "\n0 predictions scored" not in third.stderr
    assert third.stdout == first.stdout
    kept = sql(here, "select count(*), count(distinct (model, task, corpus, split, mode, measure)) from evaluations")
    assert kept[0][0] == kept[0][1] > 0


def test_worker_processes_give_what_one_process_gives(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predict(here, wrong_every_third)
    alone = evaluate(here, "--format", "json").stdout
    sql(here, "delete from prediction_scores")
    monkeypatch.setattr(judging, "_ALONE", 5)
    monkeypatch.setattr(judging, "_CHUNK", 9)
    together = evaluate(here, "--format", "json", "--processes", "2")
    assert " 0 were already" in together.stderr
    assert together.stdout == alone


def test_an_interrupt_keeps_what_was_scored_and_the_same_command_goes_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(here, wrong_every_third)
    score = judging.score_prediction
    scored = 0

    def interrupted(work: judging.Work, judge: Judge, weights: str | None) -> judging.Scored:
        nonlocal scored
        scored += 1
        if scored == 47:
            raise KeyboardInterrupt
        return score(work, judge, weights)

    monkeypatch.setattr(judging, "_ALONE", 0)
    monkeypatch.setattr(scoring, "_BATCH", 20)
    monkeypatch.setattr(judging, "score_prediction", interrupted)
    done = evaluate(here, "--processes", "1")
    assert done.returncode == 130
    assert sql(here, "select count(*) from prediction_scores") == [(46,)]
    assert sql(here, "select status from runs order by started_at desc limit 1") == [("interrupted",)]
    monkeypatch.undo()
    done = evaluate(here, "--format", "json")
    assert f"{len(samples_of(here / 'bench')) - 46} predictions scored" in done.stderr
    sql(here, "delete from prediction_scores")
    assert evaluate(here, "--format", "json").stdout == done.stdout


ODD = {
    "empty": "",
    "blank": " \n ",
    "other language": "<think>心影增大。</think><answer>да, конечно</answer>",
    "endless": "<think>" + "The heart is enlarged. " * 5000,
    "refusal": "I am sorry, I cannot determine that.",
    "several": "<think>x</think><answer>A or B</answer>",
    "only tags": "<answer></answer>",
    "hostile": "</think><think><answer><answer>\x00{{}}</think>",
}


def test_outputs_of_every_kind_are_scored_and_what_cannot_be_read_is_counted_apart(here: Path) -> None:
    samples = [s for s in samples_of(here / "bench") if s["mode"] == "reasoning" and s["task"] == "single"][: len(ODD)]
    assert len(samples) == len(ODD)
    texts = dict(zip([s["sample_id"] for s in samples], ODD.values(), strict=True))
    predict(here, lambda s: texts[s["sample_id"]], samples=samples)
    done = evaluate(here, "--format", "json")
    assert done.returncode == 0, done.stderr
    row = next(row for row in json.loads(done.stdout) if (row["task"], row["corpus"]) == ("single", "invented"))
    assert (row["n"], row["n_judged"], row["n_unparsed"]) == (len(ODD),) * 3
    assert row["accuracy"]["value"] == 0
    assert 0 <= row["radrscore"]["value"] < 0.5
    for why in ("empty", "cut_off", "refusal", "several"):
        assert f"({why}); they count as wrong" in done.stderr


def test_a_failed_prediction_is_missing_and_not_wrong(here: Path) -> None:
    samples = [s for s in samples_of(here / "bench") if s["mode"] == "answer_only" and s["corpus"] == "invented"]
    made = lines(here / "bench", samples)
    made[0] |= {"text": None, "error": "the server gave no answer"}
    write_jsonl(here / "p.jsonl", made)
    run_cxr(here, "import", "predictions", "p.jsonl", "--benchmark", "bench")
    done = evaluate(here)
    assert "1 failed" in done.stderr
    row = results(here)["oracle", "answer_only", samples[0]["task"], "invented"]
    assert row["accuracy"]["value"] == 1 or row["finding_f1"]["value"] == 1
    assert row["n_missing"] == 1


def test_reasoning_is_judged_where_it_was_asked_for_and_no_question_counts_twice(here: Path) -> None:
    samples = samples_of(here / "bench")
    predict(here, lambda s: completion(s | {"mode": "answer_only"}), model="direct", mode="answer_only")
    predict(here, lambda s: f"<think>{WRONG_THINKING}</think><answer>{s['answer']}</answer>", model="thinks",
            mode="reasoning")  # fmt: skip
    found = results(here)
    questions = {s["question_id"] for s in samples}
    for model in ("direct", "thinks"):
        assert sum(r["n"] for (m, _, task, _), r in found.items() if m == model and task != "mean") == len(questions)
    judged = [r for (m, _, task, _), r in found.items() if m == "thinks" and task != "mean"]
    assert sum(r["n_judged"] for r in judged) == sum(s["mode"] == "reasoning" for s in samples)
    assert all(r["n_judged"] == 0 for (m, *_), r in found.items() if m == "direct")


def test_patients_are_drawn_whole_on_request_and_values_stay(here: Path) -> None:
    predict(here, wrong_every_third)
    samples, patients = results(here), results(here, "--cluster", "patient")
    assert {k: r["accuracy"]["value"] for k, r in samples.items()} == {
        k: r["accuracy"]["value"] for k, r in patients.items()
    }
    assert any(samples[key]["accuracy"] != patients[key]["accuracy"] for key in samples)


def test_empty_reasonings_are_left_out_on_request_and_counted(here: Path) -> None:
    samples = [s for s in samples_of(here / "bench") if s["mode"] == "reasoning"]
    predict(here, lambda s: completion(s, think="" if hash_of(s) % 2 else None), samples=samples)
    silent = sum(hash_of(s) % 2 for s in samples)
    done = evaluate(here, "--empty", "skip", "--format", "json")
    assert f"{silent:,} of factuality, {silent:,} of effectiveness" in done.stderr
    assert {r["factuality"]["value"] for r in json.loads(done.stdout)} == {1.0}
    zero = results(here, "--empty", "zero")["oracle", "reasoning", "mean", "mean"]
    assert 0 < zero["factuality"]["value"] < 1


class Rate:
    """Stands for RaTEScore, whose weights are on no test machine."""

    name = "ratescore"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __call__(self, answers: Sequence[str], truths: Sequence[str]) -> list[float]:
        self.asked += zip(answers, truths, strict=True)
        return [0.25 for _ in answers]


def test_open_answers_get_ratescore_where_its_weights_are_given_and_only_they_are_scored_again(here: Path) -> None:
    predict(here)
    evaluate(here)
    rate = Rate()
    done = evaluate_benchmark(here / "cxr.duckdb", here / "bench", EvaluateSettings(), lambda *_: None, ratescore=rate)
    opened = [s for s in samples_of(here / "bench") if s["task"] == "anomaly"]
    assert done.scoring.scored == len(opened) == len(rate.asked)
    assert all(answer == truth for answer, truth in rate.asked)
    found = results(here)
    assert found["oracle", "reasoning", "anomaly", "invented"]["ratescore"]["value"] == 0.25
    outcome = found["oracle", "reasoning", "mean", "mean"]["outcome"]["value"]
    tasks = [task for _, mode, task, corpus in found if mode == "reasoning" and corpus == "invented"]
    assert outcome == pytest.approx((len(tasks) - 1 + 0.25) / len(tasks)), "the mean takes RaTEScore of open answers"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["evaluate"], 2, "give the folder of a benchmark, or --from-counts"),
        (["evaluate", "bench", "--from-counts", "x.csv"], 2, "or --from-counts"),
        (["evaluate", "bench"], 1, "has no predictions for bench"),
        (["evaluate", "nowhere"], 1, "no benchmark"),
        (["evaluate", "bench", "--judge", "llm"], 1, "has no predictions"),
        (["evaluate", "bench", "--cluster", "study"], 2, "'sample' or 'patient'"),
        (["evaluate", "bench", "--resamples", "0"], 2, "greater than or equal to 1"),
        (["evaluate", "bench", "--ratescore", "nowhere"], 1, "RaTE-NER-Deberta"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(here: Path, arguments: list[str], code: int, said: str) -> None:
    done = run_cxr(here, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_unknown_model_and_predictions_of_another_benchmark_are_named(here: Path) -> None:
    predict(here)
    done = evaluate(here, "--model", "nobody")
    assert done.returncode == 1
    assert "no predictions by nobody; it has oracle" in done.stderr
    sql(here, "update predictions set benchmark = 'feedbeef'")
    done = evaluate(here)
    assert done.returncode == 1
    assert "feedbeef" in done.stderr
    assert json.loads((here / "bench" / "manifest.json").read_text())["fingerprint"] in done.stderr
