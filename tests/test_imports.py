"""Published benchmarks are read whatever their records disagree on; what cannot be used is a reject by name."""

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from cxr.miner.imports.records import map_image, options_in, plan_of, steps_of, study_of
from tests.benchmarks_world import run_cxr

CLUSTER = "/mnt/petrel/somebody/cxr"
MULTI = "Which findings are in this chest X-ray? Options:\nA) edema, fracture\nB) cardiomegaly, edema"
# The shapes of the published records, with invented words.
BINARY = {
    "item_id": "[mimic-cxr] [50000001]MIMIC-CXR", "dataset_name": "reason Image Classification",
    "image_path": [f"{CLUSTER}/mimic/files/p10/p10000001/s50000001/a.jpg"], "original_report": "FINDINGS: Clear.",
    "question": "Does this chest X-ray show edema? Options:\nA) Yes\nB) No", "answer": "B", "answer_content": "No",
    "plan": {"Edema": "hazy vessels"}, "reason_steps": "First the lungs. They are clear.", "correct": True,
}  # fmt: skip
SINGLE: dict[str, object] = {
    "item_id": "[chexpert] [patient64742_study1]CheXpert-Public", "image_path": [],
    "question": "Which finding is in this chest X-ray? Options:\nA) edema\nB) fracture\nC) pneumonia",
    "answer": "C) pneumonia",
    "reason_steps": ["Look at the lungs.", "There is consolidation."], "original_report": "FINDINGS: Consolidation.",
    "plan": None, "gt_key_finding": {"key_conclusion": []},
}  # fmt: skip
TEMPORAL = {
    "item_id": "[ms-cxr-t-tic] [test-94]MS-CXR-T", "original_report1": "IMPRESSION: Edema.",
    "image_path": [f"{CLUSTER}/mimic/files/p10/p10000001/s1/a.jpg", f"{CLUSTER}/mimic/files/p10/p10000001/s2/b.jpg"],
    "question": "Please identify the progression of edema. Options:\nA) worsening\nB) stable\nC) improving",
    "answer": "improving", "original_report2": "IMPRESSION: Less edema.",
    "reason_steps": {"step 1": "Edema before.", "step 2": ["Less of it now.", "So it improves."]},
}  # fmt: skip
TRAINING = {
    "item_id": "[Findings Summarization] [OpenI] [540]OpenI", "question": "Which findings are in this chest X-ray?",
    "answer": "<answer> cardiomegaly, edema </answer>", "process": "<think> The heart is large. </think>",
    "image_path": f"{CLUSTER}/openi/images_normalized/540_IM-1.png", "data_source": "openi",
}  # fmt: skip
ANSWER_ONLY = {"item_id": "[siim] [1.2.3]", "question": "Does this chest X-ray show pneumothorax?", "answer": "Yes"}


def _import(folder: Path, content: object, *options: str, name: str = "published.json") -> Any:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return run_cxr(folder, "import", "radrbench", name, "-o", "back", *options)


def _samples(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    files = sorted((folder / "back").rglob("*.parquet"))
    rows = pl.concat([pl.read_parquet(path) for path in files], how="diagonal").to_dicts()
    return {(row["study_id"], row["mode"]): row for row in rows}


def _rejects(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "cxr.duckdb"), read_only=True) as connection:
        return connection.execute(
            "select reject_key, reason, message from rejects where stage = 'import' order by reject_key"
        ).fetchall()


def test_records_that_disagree_on_columns_become_samples_of_one_shape(tmp_path: Path) -> None:
    done = _import(tmp_path, [BINARY, SINGLE, TEMPORAL, TRAINING, ANSWER_ONLY])
    assert done.returncode == 0, done.stderr
    assert "2 questions came without an image path" in done.stderr
    samples = _samples(tmp_path)
    assert len(samples) == 9
    binary = samples["mimic-cxr/s50000001", "reasoning"]
    assert (binary["task"], binary["answer"], binary["answer_text"]) == ("binary", "B", "No")
    assert binary["steps"] == ["First the lungs. They are clear."]
    assert binary["plan"] == [{"finding": "Edema", "look_for": "hazy vessels"}]
    single = samples["chexpert/patient64742/study1", "reasoning"]
    assert (single["task"], single["answer"], single["answer_text"]) == ("single", "C", "pneumonia")
    assert single["patient_id"] == "chexpert/patient64742"
    assert single["steps"] == ["Look at the lungs.", "There is consolidation."]
    pair = samples["ms-cxr-t/test-94", "reasoning"]
    assert (pair["task"], pair["answer"], pair["answer_text"]) == ("temporal", "C", "improving")
    assert pair["steps"] == ["Edema before.", "Less of it now.", "So it improves."]
    assert (pair["prior_report"], pair["report"]) == ("IMPRESSION: Edema.", "IMPRESSION: Less edema.")
    training = samples["openi/CXR540", "reasoning"]
    assert (training["task"], training["answer"], training["reasoning"]) == (
        "anomaly", "cardiomegaly, edema", "The heart is large.",
    )  # fmt: skip
    assert ("siim/1.2.3", "reasoning") not in samples
    assert {key[0]: row["licence"] for key, row in samples.items()} == {
        "mimic-cxr/s50000001": "credentialed", "chexpert/patient64742/study1": "credentialed",
        "ms-cxr-t/test-94": "credentialed", "openi/CXR540": "public", "siim/1.2.3": "credentialed",
    }  # fmt: skip


def test_an_import_is_a_benchmark_that_verifies_and_exports_under_its_licence(tmp_path: Path) -> None:
    assert _import(tmp_path, [BINARY, TEMPORAL]).returncode == 0
    assert run_cxr(tmp_path, "bench", "verify", "back").returncode == 0
    done = run_cxr(tmp_path, "export", "sft", "back", "-o", "sft")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "sft" / "data" / "*.parquet").height == 4
    assert run_cxr(tmp_path, "export", "sft", "back", "-o", "open", "--public").returncode == 1


def test_studies_go_out_again_under_the_ids_and_sources_that_they_came_in_with(tmp_path: Path) -> None:
    plain: list[dict[str, object]] = [
        BINARY,
        {**ANSWER_ONLY, "item_id": "[siim] [1.2.3]SIIM"},
        {**TRAINING, "item_id": "[openi] [540]OpenI"},
    ]
    assert _import(tmp_path, plain).returncode == 0
    done = run_cxr(tmp_path, "export", "radrbench", "back", "-o", "out")
    assert done.returncode == 0, done.stderr
    written = [record for path in (tmp_path / "out").rglob("*_test/*.json") for record in json.loads(path.read_text())]
    assert {record["item_id"] for record in written} == {record["item_id"] for record in plain}


def test_bad_records_are_rejects_by_line_and_reason_and_the_rest_is_kept(tmp_path: Path) -> None:
    bad: list[object] = [
        BINARY, {**BINARY, "answer": "D"}, {**SINGLE, "question": None}, {**SINGLE, "item_id": "540"}, "text",
        {**SINGLE, "answer": "the heart"}, BINARY,
    ]  # fmt: skip
    for _ in range(2):
        done = _import(tmp_path, bad, "--existing", "replace")
        assert done.returncode == 4, done.stderr
        assert "6 records rejected" in done.stderr
        assert [(key, reason) for key, reason, _ in _rejects(tmp_path)] == [
            ("published.json:2", "bad_value"), ("published.json:3", "wrong_fields"),
            ("published.json:4", "missing_key"), ("published.json:5", "wrong_fields"),
            ("published.json:6", "bad_value"), ("published.json:7", "duplicate_key"),
        ]  # fmt: skip
        assert len(_samples(tmp_path)) == 2
        assert not any("Clear" in message for *_, message in _rejects(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "holds dict; expected a list of objects"),
        ("[{]", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "none of the records"),
        (json.dumps([{"question": "?"}]), "none of the records"),
    ],
)
def test_files_that_cannot_be_used_are_one_sentence_and_leave_no_folder(
    tmp_path: Path, content: str, said: str
) -> None:
    done = _import(tmp_path, content)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "back").exists()
    assert "is not a file" in run_cxr(tmp_path, "import", "radrbench", "nowhere.json", "-o", "back").stderr


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    assert _import(tmp_path, json.dumps(BINARY) + "\n" + json.dumps(SINGLE) + "\n").returncode == 0
    assert len(_samples(tmp_path)) == 4


@pytest.mark.parametrize(
    ("roots", "path", "mapped"),
    [
        ({}, f"{CLUSTER}/a.jpg", f"{CLUSTER}/a.jpg"),
        ({CLUSTER: "/data"}, f"{CLUSTER}/mimic/files/p10/a.jpg", "/data/mimic/files/p10/a.jpg"),
        ({"*": "/mimic"}, f"{CLUSTER}/x/files/p10/p10000001/s5/a.jpg", "/mimic/files/p10/p10000001/s5/a.jpg"),
        ({"*": "/c/"}, f"{CLUSTER}/CheXpert-v1.0/valid/patient6/study1/v.jpg", "/c/valid/patient6/study1/v.jpg"),
        ({"*": "/r"}, f"{CLUSTER}/rsna/stage_2_train_images/1.dcm", "/r/stage_2_train_images/1.dcm"),
        ({"*": "/d"}, "s3://bucket/deep/1.png", "/d/1.png"),
        ({"/other": "/x", "*": "/d"}, "/cluster/1.png", "/d/1.png"),
    ],
)  # fmt: skip
def test_paths_of_someone_elses_cluster_are_mapped(roots: dict[str, str], path: str, mapped: str) -> None:
    assert map_image(path, roots) == mapped


def test_the_command_line_maps_paths(tmp_path: Path) -> None:
    assert _import(tmp_path, [BINARY], "--image-root", f"{CLUSTER}=/data").returncode == 0
    (path,) = _samples(tmp_path)["mimic-cxr/s50000001", "answer_only"]["images"]
    assert path == "/data/mimic/files/p10/p10000001/s50000001/a.jpg"


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ("One. Two.", ("One. Two.",)),
        (["One.", " Two. ", ""], ("One.", "Two.")),
        ({"step1": "One.", "step2": "Two."}, ("One.", "Two.")),
        ({"Edema": "hazy", "Fracture": ["line", "gap"]}, ("Edema: hazy", "Fracture: line", "Fracture: gap")),
        ([{"step 1": "One."}, "Two."], ("One.", "Two.")),
        (None, ()),
        (7, ()),
        ("  ", ()),
    ],
)
def test_steps_of_any_shape(given: object, steps: tuple[str, ...]) -> None:
    assert steps_of(given) == steps


def test_options_plans_and_studies_are_read_as_published() -> None:
    assert options_in(MULTI) == (("A", "edema, fracture"), ("B", "cardiomegaly, edema"))
    assert options_in("What? Options: A) yes B) no") == (("A", "yes"), ("B", "no"))
    assert options_in("What? Options:\nB) yes\nA) no") == ()
    assert options_in("What is in area A)?") == ()
    assert plan_of({"A": ["one", "two"]}) == (("A", "one two"),)
    assert plan_of("look") == (("", "look"),)
    assert study_of("mimic-cxr", "50414267") == ("mimic-cxr/s50414267", None)
    assert study_of("rsna", "0004cfab") == ("rsna/0004cfab", None)


# --- CheXbench ------------------------------------------------------------------------------------------------------

CHEXBENCH = {
    "View Classification": [
        {"data_source": "MIMIC-CXR", "image_path": [f"{CLUSTER}/a.jpg"], "question": "Which view is it?",
         "option_0": "AP", "option_1": "PA", "option_2": math.nan, "option_3": math.nan, "answer": 1},
    ],
    "Temporal Classification": [
        {"data_source": "MS-CXR-T", "image_path": ["a.jpg", "b.jpg"], "question": "How did it change?", "answer": 2.0,
         "option_0": "improving", "option_1": "stable", "option_2": "worsening", "option_3": math.nan},
    ],
    "Visual Question Answering": [
        {"data_source": "Rad-Restruct", "image_path": [], "question": "Is there a mass?", "option_0": "yes",
         "option_1": "no", "answer": 5},
    ],
    "Findings Generation": [{"data_source": "OpenI", "section_findings": "Clear.", "image_path": ["x.png"]}],
}  # fmt: skip


def test_chexbench_becomes_an_evaluation_set_and_what_it_cannot_ask_is_a_reject(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(CHEXBENCH))  # with NaN, as the published file
    done = run_cxr(tmp_path, "import", "chexbench", "data.json", "-o", "back", "--image-root", f"{CLUSTER}=/here")
    assert done.returncode == 4, done.stderr
    rows = {row["task"]: row for row in _samples(tmp_path).values()}
    view = rows["view"]
    assert view["question"] == "Which view is it? Options:\nA) AP\nB) PA"
    assert (view["answer"], view["answer_text"], view["images"]) == ("B", "PA", ["/here/a.jpg"])
    assert (view["split"], view["mode"], view["corpus"]) == ("test", "answer_only", "mimic-cxr")
    assert rows["temporal"]["answer_text"] == "worsening"
    assert [(key, reason) for key, reason, _ in _rejects(tmp_path)] == [
        ("Findings Generation:0", "unsupported_task"), ("Visual Question Answering:0", "bad_value"),
    ]  # fmt: skip
    (tmp_path / "list.json").write_text("[]")
    assert "expected an object of task names" in run_cxr(tmp_path, "import", "chexbench", "list.json", "-o", "x").stderr
