"""A benchmark: balanced up to its targets, the same bytes every time, and nothing in two splits."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from tests.benchmarks_world import make_store, read_samples, rows, run_cxr, sql

STUDIES = 96


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with chains, and a benchmark compiled from it; tests copy what they change."""
    folder = tmp_path_factory.mktemp("world")
    make_store(folder, rows(STUDIES))
    done = run_cxr(folder, "bench", "compile", "whole", "--recipe", "recipe.parquet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(world: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the store."""
    shutil.copy(world / "cxr.duckdb", tmp_path)
    return tmp_path


def _manifest(folder: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((folder / "manifest.json").read_text())
    return read


def test_reasoning_samples_are_factual_and_a_subset_of_the_answer_only_ones(world: Path) -> None:
    samples = read_samples(world / "whole")
    reasoning = samples.filter(pl.col("mode") == "reasoning")
    assert reasoning.height > 100
    assert reasoning["factuality"].min() == 1
    assert set(reasoning["question_id"]) <= set(samples.filter(pl.col("mode") == "answer_only")["question_id"])
    for column in ("reasoning", "steps", "plan", "report", "judge"):
        assert reasoning[column].null_count() == 0
    assert samples.filter(pl.col("mode") == "answer_only")["report"].null_count() == samples.height - reasoning.height


def test_no_study_and_no_patient_is_in_two_splits(world: Path) -> None:
    samples = read_samples(world / "whole")
    for column in ("study_id", "patient_id"):
        assert samples.group_by(column).agg(pl.col("split").n_unique())["split"].max() == 1


def test_the_manifest_counts_what_the_files_hold(world: Path) -> None:
    manifest = _manifest(world / "whole")
    samples = read_samples(world / "whole")
    counted = samples.group_by("split", "mode", "task").len().rows()
    assert sorted((*row[:3], row[3]) for row in counted) == sorted(
        (goal["split"], goal["mode"], goal["task"], goal["reached"])
        for goal in manifest["tasks"]  # type: ignore[attr-defined]
        if goal["reached"]
    )
    assert run_cxr(world, "bench", "verify", "whole").returncode == 0


def test_a_second_build_has_the_same_bytes_whatever_the_order_of_the_rows(world: Path, here: Path) -> None:
    for table in ("questions", "chains", "scores", "studies", "images", "reports"):
        sql(
            here,
            f"create table shuffled as select * from {table} order by hash(rowid); delete from {table}; "
            f"insert into {table} select * from shuffled; drop table shuffled",
        )
    assert run_cxr(here, "bench", "compile", "whole").returncode == 0
    files = [path.relative_to(world / "whole") for path in sorted((world / "whole").rglob("*")) if path.is_file()]
    assert len(files) == 5
    for name in files:
        assert (here / "whole" / name).read_bytes() == (world / "whole" / name).read_bytes(), name


def test_another_seed_chooses_and_orders_other_samples(world: Path, here: Path) -> None:
    target = ("--only", "--target", "train.answer_only.binary=40")
    for name, seed in (("a", "1"), ("b", "2"), ("c", "1")):
        assert run_cxr(here, "bench", "compile", name, *target, "--seed", seed).returncode == 0
    first, second, again = (read_samples(here / name)["sample_id"].to_list() for name in "abc")
    assert first == again
    assert len(first) == len(second) == 40
    assert set(first) != set(second)


def test_a_larger_target_only_adds(here: Path) -> None:
    for name, count in (("small", 60), ("large", 120)):
        done = run_cxr(here, "bench", "compile", name, "--only", "--target", f"train.answer_only.binary={count}")
        assert done.returncode == 0, done.stderr
    small, large = (set(read_samples(here / name)["sample_id"]) for name in ("small", "large"))
    assert small < large


def test_a_draw_takes_findings_and_answers_in_turns(world: Path, here: Path) -> None:
    assert run_cxr(here, "bench", "compile", "b", "--only", "--target", "train.answer_only.binary=48").returncode == 0
    drawn = read_samples(here / "b")
    strata = Counter((finding, answer) for (finding,), answer in drawn.select("findings", "answer").rows())
    whole = read_samples(world / "whole").filter((pl.col("task") == "binary") & (pl.col("mode") == "answer_only"))
    there = Counter(
        (finding, answer)
        for (finding,), answer, split in whole.select("findings", "answer", "split").rows()
        if split == "train"
    )
    # Nobody is two turns behind, unless there was no more to take.
    assert all(strata[key] >= max(strata.values()) - 1 or strata[key] == there[key] for key in there)


def test_targets_that_cannot_be_reached_are_said_by_task_and_finding(here: Path) -> None:
    done = run_cxr(here, "bench", "compile", "b", "--only", "--target", "test.answer_only.single=500")
    assert done.returncode == 0
    assert re.search(r"test answer_only: \d+ of 500 reached", done.stderr)
    line = re.search(r"single: (\d+) of 500, all that there is; below an even share: (.*)", done.stderr)
    assert line
    assert "Support Devices 0" in line[2]
    short = {short["finding"]: short for short in _manifest(here / "b")["shortfalls"]}  # type: ignore[attr-defined]
    assert short["Support Devices"] == {
        "split": "test", "mode": "answer_only", "task": "single", "finding": "Support Devices",
        "share": 500 // 12, "reached": 0,
    }  # fmt: skip


def test_targets_can_stand_in_cxr_toml(here: Path) -> None:
    (here / "cxr.toml").write_text(
        "[bench.targets.test]\nanswer_only = 10\n[bench.targets.test.reasoning]\nbinary = 4\nsingle = 3\n"
    )
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    counted = Counter(read_samples(here / "b").select("mode", "task").rows())
    assert sum(count for (mode, _), count in counted.items() if mode == "answer_only") == 10
    assert counted["reasoning", "binary"] == 4
    assert counted["reasoning", "single"] == 3


# --- what is left out -----------------------------------------------------------------------------------------------


def _excluded(folder: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for row in _manifest(folder)["excluded"]:  # type: ignore[attr-defined]
        counts[row["reason"]] += row["questions"]
    return counts


def test_a_patient_in_two_splits_is_in_none(here: Path) -> None:
    sql(here, "update studies set split = 'test' where study_id = 'invented/s2'")
    sql(here, "update questions set split = 'test' where study_id = 'invented/s2'")
    sql(here, "update studies set split = 'validate' where patient_id = 'invented/p9'")
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    assert _excluded(here / "b")["patient_in_two_splits"] > 0
    assert _excluded(here / "b")["split_changed"] > 0
    assert not {"invented/s2", "invented/s3", "invented/s18"} & set(read_samples(here / "b")["study_id"])
    assert "patients in two splits" in run_cxr(here, "bench", "leakage").stdout


@pytest.mark.parametrize(
    ("keeps", "gone", "kept"), [("test", {"invented/s2"}, {"invented/s0"}), ("train", {"invented/s0"}, {"invented/s2"}),
                                ("both", set(), {"invented/s0", "invented/s2"})]
)  # fmt: skip
def test_a_report_that_two_splits_share_stays_on_one_side(
    here: Path, keeps: str, gone: set[str], kept: set[str]
) -> None:
    words = "(select findings || ' Unchanged.' from reports where study_id = 'invented/s0')"
    sql(here, f"update reports set findings = {words} where study_id = 'invented/s2'")
    assert run_cxr(here, "bench", "compile", "b", "--duplicates", keeps, "--near", "0.7").returncode == 0
    studies = set(read_samples(here / "b")["study_id"])
    assert not gone & studies
    assert kept <= studies
    assert bool(_excluded(here / "b").get("report_shared_with_another_split")) is bool(gone)


def test_a_chain_that_a_radiologist_scored_below_five_is_not_taken(world: Path, here: Path) -> None:
    taken = read_samples(world / "whole").filter(pl.col("mode") == "reasoning")["chain_id"].to_list()
    sql(
        here,
        f"insert into reviews (chain_id, reviewer, factuality, validity, completeness) values "
        f"('{taken[0]}', 'A', 8, 8, 8), ('{taken[0]}', 'B', 8, 4.5, 9), ('{taken[1]}', 'A', 5, 5, 5)",
    )
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    now = set(read_samples(here / "b")["chain_id"].drop_nulls())
    assert taken[0] not in now
    assert taken[1] in now


def test_a_question_whose_label_the_report_contradicts_is_left_out_unless_asked_for(world: Path, here: Path) -> None:
    question = read_samples(world / "whole")["question_id"][0]
    sql(
        here,
        f"insert into rejects (stage, reject_key, reason) values ('mine', '{question}', 'evidence_contradicts_answer')",
    )
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    assert question not in set(read_samples(here / "b")["question_id"])
    assert run_cxr(here, "bench", "compile", "c", "--contradicted", "keep").returncode == 0
    assert question in set(read_samples(here / "c")["question_id"])


def test_questions_that_quote_the_report_or_tell_their_answer_are_found_and_left_out(here: Path) -> None:
    sql(
        here,
        """
        update questions set text = 'There is a moderate left pleural effusion with it. Which finding is this? Options:'
        where question_id = (select min(question_id) from questions where study_id = 'invented/s0' and task = 'single');
        update questions set text = 'Which finding beside cardiomegaly is in this chest X-ray? Options:'
        where question_id = (select min(question_id) from questions where task = 'single'
                             and list_contains(answer_findings, 'Cardiomegaly'));
        """,
    )
    told = run_cxr(here, "bench", "leakage").stdout
    assert re.search(r"questions with words of their report\D+1\b", told)
    # The first question names its answer as well.
    assert re.search(r"questions that tell their answer\D+2\b", told)
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    assert not any("beside cardiomegaly" in text for text in read_samples(here / "b")["question"])


def test_studies_without_images_are_left_out_and_said_unless_images_are_optional(here: Path) -> None:
    sql(here, "delete from images where study_id < 'invented/s5'")
    assert run_cxr(here, "bench", "compile", "b").returncode == 0
    assert _excluded(here / "b")["no_image"] > 0
    assert read_samples(here / "b")["images"].list.len().min() == 2
    assert run_cxr(here, "bench", "compile", "c", "--images", "optional").returncode == 0
    assert read_samples(here / "c")["images"].list.len().min() == 0
    sql(here, "delete from images")
    done = run_cxr(here, "bench", "compile", "d")
    assert done.returncode == 2
    assert "no_image; see --images" in done.stderr
    assert not (here / "d").exists()


def test_a_pair_shows_the_priors_image_first(here: Path) -> None:
    sql(
        here,
        """
        insert into questions (question_id, study_id, prior_study_id, corpus, split, task, findings, text, options,
                               answer, answer_findings, labeler)
        values ('pair', 'invented/s3', 'invented/s2', 'invented', 'train', 'temporal', ['Edema'], 'Two images ...',
                [{'letter': 'A', 'findings': ['worsening']}, {'letter': 'B', 'findings': ['stable']}], 'B', [], 'x')
        """,
    )
    assert run_cxr(here, "bench", "compile", "b", "--only", "--target", "train.answer_only.temporal=1").returncode == 0
    (sample,) = read_samples(here / "b").to_dicts()
    assert sample["images"] == ["images/s2_a.png", "images/s3_a.png"]
    assert sample["answer_text"] == "stable"


# --- folders --------------------------------------------------------------------------------------------------------


def test_an_existing_folder_is_a_question_with_named_answers(here: Path) -> None:
    target = ("--only", "--target", "test.answer_only=20")
    assert run_cxr(here, "bench", "compile", "b", *target).returncode == 0
    before = (here / "b" / "manifest.json").read_bytes()
    stopped = run_cxr(here, "bench", "compile", "b", *target)
    assert stopped.returncode == 1
    assert "choose --existing resume" in stopped.stderr
    resumed = run_cxr(here, "bench", "compile", "b", *target, "--existing", "resume")
    assert resumed.returncode == 0
    assert "nothing to do" in resumed.stderr
    other = run_cxr(here, "bench", "compile", "b", *target, "--existing", "resume", "--seed", "5")
    assert other.returncode == 1
    assert "choose --existing replace" in other.stderr
    assert (here / "b" / "manifest.json").read_bytes() == before
    assert run_cxr(here, "bench", "compile", "b", *target, "--existing", "replace", "--seed", "5").returncode == 0
    assert (here / "b" / "manifest.json").read_bytes() != before
    assert run_cxr(here, "bench", "compile", "b", *target, "--existing", "perhaps").returncode == 2


def test_a_folder_that_is_no_benchmark_is_never_replaced(here: Path) -> None:
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter1.txt").write_text("It was a dark and stormy night.")
    done = run_cxr(here, "bench", "compile", "thesis", "--existing", "replace")
    assert done.returncode == 1
    assert "is no benchmark; it is left alone" in done.stderr
    assert (here / "thesis" / "chapter1.txt").exists()


def test_a_build_that_was_killed_goes_on_and_ends_with_the_same_bytes(world: Path, here: Path) -> None:
    shutil.copytree(world / "whole", here / "whole")
    manifest = _manifest(here / "whole")
    files: dict[str, dict[str, str]] = manifest["files"]  # type: ignore[assignment]
    (here / "whole" / "manifest.json").unlink()
    done_before = {name: entry["sha256"] for name, entry in list(files.items())[:2]}
    unfinished = {"fingerprint": manifest["fingerprint"], "files": done_before}
    (here / "whole" / "unfinished.json").write_text(json.dumps(unfinished))
    for name in list(files)[2:]:
        (here / "whole" / name).unlink()
    refused = run_cxr(here, "export", "jsonl", "whole", "-o", "out")
    assert "unfinished benchmark" in refused.stderr
    resumed = run_cxr(here, "bench", "compile", "whole", "--existing", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "2 of them from an earlier build" in resumed.stderr
    assert (here / "whole" / "manifest.json").read_bytes() == (world / "whole" / "manifest.json").read_bytes()


def test_verify_names_what_was_altered_lost_or_added(world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "whole", tmp_path / "b")
    names = sorted(_manifest(tmp_path / "b")["files"])  # type: ignore[call-overload]
    altered, lost = tmp_path / "b" / names[0], tmp_path / "b" / names[1]
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    lost.unlink()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    done = run_cxr(tmp_path, "bench", "verify", "b")
    assert done.returncode == 1
    assert f"{names[0]} was altered" in done.stderr
    assert f"{names[1]} is missing" in done.stderr
    assert "notes.txt is not in the manifest" in done.stderr
    assert "holds no benchmark" in run_cxr(tmp_path, "bench", "verify", ".").stderr


# --- recipes --------------------------------------------------------------------------------------------------------


def test_a_recipe_holds_ids_and_options_but_no_word_of_a_report_and_no_answer(world: Path) -> None:
    recipe = pl.read_parquet(world / "recipe.parquet")
    assert set(recipe.columns) == {
        "split", "mode", "place", "question_id", "study_id", "prior_study_id", "task", "labeler", "findings", "options",
        "chain_id",
    }  # fmt: skip
    raw = (world / "recipe.parquet").read_bytes() + recipe.write_json().encode()
    for word in (b"mark1", b"displaced", b"apical", b"Yes", b"I look for"):
        assert word not in raw
    samples = read_samples(world / "whole")
    assert set(recipe["question_id"]) == set(samples["question_id"])


def test_a_recipe_replayed_on_another_copy_asks_what_is_missing_and_gives_the_same_bytes(
    world: Path, here: Path
) -> None:
    sql(here, "delete from questions where hash(question_id) % 2 = 0")
    done = run_cxr(here, "bench", "replay", world / "recipe.parquet", "-o", "theirs")
    assert done.returncode == 0, done.stderr
    assert "byte for byte" in done.stderr
    assert "questions were asked" in done.stderr
    assert (here / "theirs" / "manifest.json").read_bytes() == (world / "whole" / "manifest.json").read_bytes()


def test_a_recipe_says_what_is_missing(world: Path, here: Path) -> None:
    recipe = world / "recipe.parquet"
    sql(here, "delete from chains where hash(chain_id) % 10 = 0")
    done = run_cxr(here, "bench", "replay", recipe, "-o", "b")
    assert done.returncode == 1
    assert re.search(r"\d+ chains of the recipe are missing or not scored; run `cxr mine`", done.stderr)
    sql(here, "delete from studies where study_id = 'invented/s1'")
    assert "1 studies of the recipe are not in the store" in run_cxr(here, "bench", "replay", recipe, "-o", "b").stderr
    assert not (here / "b").exists()
    table = next((world / "whole").rglob("*.parquet"))
    assert "is a Parquet file but no recipe" in run_cxr(here, "bench", "replay", table, "-o", "b").stderr
    (here / "words.txt").write_text("no recipe")
    assert "is no Parquet file" in run_cxr(here, "bench", "replay", "words.txt", "-o", "b").stderr


def test_wrong_settings_are_one_sentence(here: Path) -> None:
    for arguments, said in (
        (("--corpora", "elsewhere"), "no questions about elsewhere; there are invented"),
        (("--min-factuality", "2"), "min_factuality"),
        (("--near", "0.1"), "near"),
        (("--target", "lots"), "cannot be read"),
    ):
        done = run_cxr(here, "bench", "compile", "b", *arguments)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert not (here / "b").exists()
