"""`cxr evaluate --from-counts`: the promises of issue 8, through the command line."""

import csv
import io
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.judge.radrscore import Empty, radrscore
from cxr.trainer.evaluate.counts import COUNT_COLUMNS, evaluate_counts
from tests.benchmarks_world import run_cxr
from tests.conftest import Cli

HEADER = ",".join(COUNT_COLUMNS)
# model, task, row, n_pred, n_correct, n_gt, n_recalled, n_effective, n_ineffective, correct
GOOD = ["a,binary,1,4,2,2,1,3,1,1", "a,binary,2,0,0,2,2,0,0,0", "a,single,3,2,2,4,1,1,1,", "b,binary,1,1,1,1,1,1,0,1"]


def write(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "counts.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def run(folder: Path, rows: list[str], *options: str, header: str = HEADER) -> "subprocess.CompletedProcess[str]":
    return run_cxr(folder, "evaluate", "--from-counts", write(folder, rows, header), *options)


def test_every_group_is_a_row_with_each_measure_as_value_low_high(tmp_path: Path) -> None:
    done = run(tmp_path, GOOD, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["model"], row["task"], row["n"]) for row in rows] == [
        ("a", "binary", 2), ("a", "single", 1), ("b", "binary", 1),
    ]  # fmt: skip
    first = rows[0]
    # By hand: (2/4 + 0) / 2, (1/2 + 2/2) / 2, (3/4 + 0) / 2, and the mean of (0.5 + 0.5 + 0.75)/3 and (0 + 1 + 0)/3.
    values = {"factuality": 0.25, "completeness": 0.75, "effectiveness": 0.375, "accuracy": 0.5}
    assert {name: first[name]["value"] for name in values} == values
    assert first["radrscore"]["value"] == pytest.approx(((0.5 + 0.5 + 0.75) / 3 + 1 / 3) / 2)
    assert all(first[name]["low"] <= first[name]["value"] <= first[name]["high"] for name in values)
    assert rows[1]["accuracy"] == {"value": None, "low": None, "high": None}, "a blank answer is not counted"
    assert rows[1]["factuality"] == {"value": 1.0, "low": None, "high": None}, "one row says nothing about spread"


def test_empty_shares_can_be_left_out_and_are_counted(tmp_path: Path) -> None:
    done = run(tmp_path, GOOD, "--format", "json", "--empty", "skip")
    first = json.loads(done.stdout)[0]
    assert first["n"] == 2
    assert first["factuality"]["value"] == 0.5
    assert first["completeness"]["value"] == 0.75
    assert first["radrscore"]["value"] == pytest.approx((0.5 + 0.5 + 0.75) / 3)
    assert "1 of factuality, 1 of effectiveness" in done.stderr


def test_impossible_counts_are_named_kept_as_given_or_stop(tmp_path: Path) -> None:
    bad = ["a,binary,r1,2,3,1,1,1,1,1", "a,binary,r2,2,1,1,2,1,1,1", "a,binary,r3,2,-1,1,1,1,1,1", GOOD[0]]
    done = run(tmp_path, bad, "--format", "json")
    assert done.returncode == 0
    for said in ("line 2: a, binary, row r1: n_correct 3 > n_pred 2", "row r2: n_recalled 2 > n_gt 1",
                 "row r3: n_correct -1 is negative", "3 rows with counts that cannot be, kept as given"):  # fmt: skip
        assert said in done.stderr
    row = json.loads(done.stdout)[0]
    assert row["factuality"]["value"] == pytest.approx((3 / 2 + 1 / 2 - 1 / 2 + 2 / 4) / 4)
    stopped = run(tmp_path, bad, "--impossible", "fail")
    assert stopped.returncode == 1
    assert "3 rows" in stopped.stderr
    assert not stopped.stdout
    assert run(tmp_path, GOOD, "--impossible", "fail").returncode == 0


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([GOOD[0], "a,binary,2,x,0,2,2,0,0,0"], HEADER, "line 3: n_pred is 'x'; expected a whole number"),
        ([GOOD[0], "a,binary,2,1.5,0,2,2,0,0,0"], HEADER, "line 3: n_pred is '1.5'"),
        (["a,binary,2,,0,2,2,0,0,0"], HEADER, "line 2: n_pred is ''"),
        (["a,binary,2,nan,0,2,2,0,0,0"], HEADER, "line 2: n_pred is 'nan'"),
        (["a,binary,2,1e999,0,2,2,0,0,0"], HEADER, "line 2: n_pred is '1e999'"),
        (["a,binary,1,4,2,2,1,3,1,maybe"], HEADER, "line 2: correct is 'maybe'"),
        (["a,binary,1,4,2,2"], HEADER, "line 2 has 6 values; expected 10"),
        ([",binary,1,4,2,2,1,3,1,1"], HEADER, "line 2 names no model"),
        (["a,,1,4,2,2,1,3,1,1"], HEADER, "line 2 names no task"),
        ([], HEADER, "a header and no rows"),
        ([], "", "line 1 lacks model"),
        (GOOD, HEADER.replace("n_gt,", ""), "line 1 lacks n_gt"),
        (GOOD, HEADER + ",task", "line 1 names task twice"),
        (["a,bin\x00ary,1,4,2,2,1,3,1,1" + "x" * 200_000], HEADER, "counts.csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_with_the_line(
    tmp_path: Path, rows: list[str], header: str, said: str
) -> None:
    done = run(tmp_path, rows, header=header)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe\x00", "not UTF-8"), (None, "cannot be read"), ((HEADER + "\n" + GOOD[0]).encode("utf-8-sig"), "")],
)
def test_files_of_any_kind(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "counts.csv"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    done = run_cxr(tmp_path, "evaluate", "--from-counts", path)
    assert (done.returncode == 0) == (said == "")
    assert said in done.stderr


def test_floats_of_whole_numbers_and_words_of_truth_are_what_data_frames_write(tmp_path: Path) -> None:
    rows = ["a,binary,1,4.0,2.0,2.0,1.0,3.0,1.0,True", "a,binary,2,0.0,0,2,2,0,0,False", *GOOD[2:]]
    assert run(tmp_path, rows, "--format", "json").stdout == run(tmp_path, GOOD, "--format", "json").stdout


def test_columns_may_stand_in_any_order_with_others_beside_them(tmp_path: Path) -> None:
    names = ["note", *reversed(COUNT_COLUMNS)]
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    for row in GOOD:
        writer.writerow(dict(zip(COUNT_COLUMNS, row.split(","), strict=True)) | {"note": "a, b"})
    path = tmp_path / "other.csv"
    path.write_text(out.getvalue())
    other = run_cxr(tmp_path, "evaluate", "--from-counts", path, "--format", "json").stdout
    assert other == run(tmp_path, GOOD, "--format", "json").stdout


def test_the_seed_names_the_intervals(tmp_path: Path) -> None:
    rows = [
        f"a,binary,{number},{number % 5},{number % 3 % (number % 5 + 1)},2,1,1,1,{number % 2}" for number in range(60)
    ]
    again = [run(tmp_path, rows, "--format", "json", "--seed", seed).stdout for seed in ("1", "1", "2")]
    assert again[0] == again[1] != again[2]


FORMS = {
    "table": "a      binary  2",
    "csv": "model,task,n,factuality,factuality_low,factuality_high",
    "latex": r"\begin{tabular}",
    "markdown": "| model | task | n |",
    "html": "<th>factuality</th>",
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_format_says_the_same_numbers(tmp_path: Path, form: str) -> None:
    done = run(tmp_path, GOOD, "--format", form)
    assert done.returncode == 0
    assert FORMS[form] in done.stdout
    assert "0.75" in done.stdout
    to_file = run(tmp_path, GOOD, "--format", form, "-o", "result.txt")
    assert not to_file.stdout
    assert (tmp_path / "result.txt").read_text() == done.stdout


@pytest.mark.parametrize(
    ("form", "written"),
    [("latex", r"a\_1 \& 50\%"), ("markdown", r"a_1 & 50%\|<b>"), ("html", "a_1 &amp; 50%|&lt;b&gt;")],
)
def test_names_are_written_as_they_are_in_every_language(tmp_path: Path, form: str, written: str) -> None:
    assert written in run(tmp_path, ["a_1 & 50%|<b>,binary,1,4,2,2,1,3,1,1"], "--format", form).stdout


def test_unknown_options_are_wrong_usage(tmp_path: Path) -> None:
    for option in (("--format", "xml"), ("--empty", "drop"), ("--impossible", "fix"), ("--cluster", "patient")):
        assert run(tmp_path, GOOD, *option).returncode == 2


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.lists(st.booleans(), max_size=5),
            st.lists(st.booleans(), max_size=5),
            st.lists(st.booleans(), max_size=5),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(list(Empty)),
)
def test_aggregating_counts_is_the_mean_of_the_judges_own_scores(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[list[bool], list[bool], list[bool]]], empty: Empty
) -> None:
    rows = [
        f"m,binary,{number},{len(factual)},{sum(factual)},{len(recalled)},{sum(recalled)},"
        f"{sum(effective)},{len(effective) - sum(effective)},"
        for number, (factual, recalled, effective) in enumerate(samples)
    ]
    path = write(tmp_path_factory.mktemp("counts"), rows)
    line = evaluate_counts(path, empty=empty, resamples=2, seed=0).lines[0]
    scored = [radrscore(*sample, empty=empty) for sample in samples]
    for name in ("factuality", "completeness", "effectiveness", "radrscore"):
        values = [value for score in scored if (value := getattr(score, name)) is not None]
        found = line.measures[name].value
        assert found == (pytest.approx(sum(values) / len(values)) if values else None)


def test_six_thousand_rows_in_thirty_groups_take_less_than_three_seconds_without_torch(
    tmp_path: Path, cxr_script: Cli
) -> None:
    rows = [
        f"m{number % 6},task{number % 5},{number},5,{number % 6},4,{number % 5},2,3,{number % 2}"
        for number in range(6000)
    ]
    path = write(tmp_path, rows)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = cxr_script("evaluate", "--from-counts", path, "--format", "csv")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: what else the machine does is not measured.
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert len(done.stdout.splitlines()) == 31
    assert took < 3
    script = "import sys, cxr.trainer.evaluate.counts as c, pathlib; "
    script += "c.evaluate_counts(pathlib.Path('counts.csv'), empty=c.Empty.ZERO, resamples=9, seed=0); "
    script += "print([name for name in ('torch', 'duckdb', 'polars') if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
