"""Exports for the trainers and tools of others, read as their published loaders read them.

None of these libraries is here (each needs an environment of its own, and some a GPU), so what their loaders do is done
again below. Croissant was read by mlcroissant 1.1.1 itself as well, and is here where that is installed.
"""

import fnmatch
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.benchmarks_world import make_store, read_samples, rows, run_cxr

FORMS = ("hf", "verl", "swift", "llamafactory", "label-studio", "sft", "grpo")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a benchmark, and the exports that other people's software reads; some samples have one image."""
    folder = tmp_path_factory.mktemp("loaders")
    corpus = rows(64)
    for row in corpus[::3]:
        row["image"] = row["image"].split(";")[0]
    make_store(folder, corpus)
    assert run_cxr(folder, "bench", "compile", "bench").returncode == 0
    for form in FORMS:
        assert run_cxr(folder, "export", form, "bench", "-o", form).returncode == 0
    return folder


def _lines(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- verl -----------------------------------------------------------------------------------------------------------


def test_verl_rows_have_an_image_mark_per_image_and_its_reward_file_runs_our_rewards(world: Path) -> None:
    read = pl.read_parquet(world / "verl" / "*.parquet").to_dicts()
    assert sorted(row["extra_info"]["index"] for row in read if row["extra_info"]["split"] == "train") == list(
        range(sum(row["extra_info"]["split"] == "train" for row in read))
    )
    reward = _module(world / "verl" / "reward.py")
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    for row in read[:60]:
        extra = row["extra_info"]
        assert row["prompt"][1]["content"].count("<image>") == len(row["images"])
        assert row["data_source"] == f"invented/{extra['task']}"
        think = f"<think> {samples[extra['sample_id']]['reasoning']} </think>" if extra["mode"] == "reasoning" else ""
        truth = row["reward_model"]["ground_truth"]
        score = reward.compute_score(row["data_source"], f"{think}<answer> {truth} </answer>", truth, extra)
        assert score["score"] == (3 if extra["mode"] == "reasoning" else 2), score
        assert score["grounded_applies"] == (extra["mode"] == "reasoning")
        wrong = reward.compute_score(row["data_source"], f"{think}<answer> no idea </answer>", truth, extra)
        assert wrong["accuracy"] == 0
        assert reward.compute_score(row["data_source"], f"the answer is {truth}", truth, extra)["score"] == 0


# --- ms-swift -------------------------------------------------------------------------------------------------------

# What its preprocessor gives another name or keeps for itself, and the fields of a sample in its GRPO.
SWIFTS_OWN = {
    "image", "audio", "audios", "video", "videos", "conversation", "conversations", "system", "system_prompt", "tools",
    "objects", "label", "channel", "margin", "loss_scale", "rejected_response", "extra", "encoded", "prompt_id",
    "request_id", "response_token_ids", "response_loss_mask", "rollout_logprobs", "finish_reason", "add_eos",
    "rollout_infos", "routed_experts", "rewards", "advantages", "is_truncated", "chat_template_kwargs", "data_dict",
    "solution", "dataset", "completions", "trainer_state",
}  # fmt: skip


def _swift_row(line: Mapping[str, Any]) -> dict[str, Any]:
    """Give a line as its MessagesPreprocessor and template leave it; fails where they would drop it."""
    turns = line["messages"]
    assert turns
    for turn in turns:
        assert turn["role"] in {"system", "user", "assistant"}
        assert turn["content"] is not None
    marks = sum(turn["content"].count("<image>") for turn in turns)
    assert marks == len(line["images"])
    assert not set(line) & SWIFTS_OWN
    return {**line, "images": [{"bytes": None, "path": path} for path in line["images"]]}


def test_swift_chats_say_what_our_own_sft_export_says(world: Path) -> None:
    ours = {row["sample_id"]: row for row in pl.read_parquet(world / "sft" / "data" / "*.parquet").to_dicts()}
    found = [_swift_row(line) for line in _lines(*(world / "swift" / "sft").glob("*.jsonl"))]
    assert {row["sample_id"] for row in found} == set(ours)
    assert {len(row["images"]) for row in found} == {1, 2}
    for row in found:
        same = ours[row["sample_id"]]
        system, user, assistant = row["messages"]
        marks = "<image>" * len(row["images"])
        assert user["content"].startswith(marks)
        user = {**user, "content": user["content"].removeprefix(marks)}
        assert ([system, user], [assistant]) == (same["prompt"], same["completion"])
        assert row["images"] == same["images"]
        assert all(Path(image["path"]).is_file() for image in row["images"])
        assert row["licence"] == "public"


@pytest.fixture(params=["swift.rewards", "swift.plugin"])
def orms(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where ms-swift looks for rewards, in its newer and its older place."""

    class ORM:
        def __init__(self, args: Any = None, **_: Any) -> None:
            self.args = args

    known: dict[str, Any] = {}
    for name in ("swift", "swift.rewards", "swift.plugin"):
        monkeypatch.setitem(sys.modules, name, None if name != "swift" else ModuleType("swift"))
    here = ModuleType(str(request.param))
    here.__dict__.update(ORM=ORM, orms=known)
    monkeypatch.setitem(sys.modules, str(request.param), here)
    return known


def _swift_scores(names: str, orms: Mapping[str, Any], rows: list[dict[str, Any]], said: list[str]) -> Iterator[Any]:
    """Call rewards as ms-swift's GRPO does: with the completions, the chats that they end, and every other column."""
    chats = [[*row["messages"], {"role": "assistant", "content": text}] for row, text in zip(rows, said, strict=True)]
    columns = {name: [row[name] for row in rows] for name in rows[0]} | {"messages": chats}
    for name in names.split():
        yield orms[name](args=None)(said, **columns, trainer_state=None, prompt_id=[""] * len(rows))


def test_swift_prompts_and_plugin_give_the_rewards_of_our_own_trainer(world: Path, orms: dict[str, Any]) -> None:
    ours = {row["sample_id"]: row for row in pl.read_parquet(world / "grpo" / "data" / "*.parquet").to_dicts()}
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    found = [_swift_row(line) for line in _lines(*(world / "swift" / "grpo").glob("*.jsonl"))]
    assert {row["sample_id"] for row in found} == set(ours)
    for row in found:
        same = ours[row["sample_id"]]
        assert [turn["role"] for turn in row["messages"]] == ["system", "user"]
        assert {**row, "prompt": None, "messages": None} == {**same, "prompt": None, "messages": None}
    rewards = _module(world / "swift" / "reward.py")
    assert rewards.__doc__ is not None
    names = rewards.__doc__.split("--reward_funcs ")[1].splitlines()[0]
    assert set(names.split()) == set(orms) == {type(orms[name]()).__name__ for name in orms}
    chosen = [next(row for row in found if row["mode"] == mode) for mode in ("reasoning", "answer_only")]
    think = f"<think> {samples[chosen[0]['sample_id']]['reasoning']} </think>"
    right = [f"{think}<answer> {chosen[0]['answer']} </answer>", f"<answer> {chosen[1]['answer']} </answer>"]
    assert list(_swift_scores(names, orms, chosen, right)) == [[1, 1], [1, 1], [1, None]]
    wrong = ["<think> A large fracture. </think><answer> none </answer>", "Yes"]
    form, accuracy, process = _swift_scores(names, orms, chosen, wrong)
    assert (form, accuracy) == ([1, 0], [0, 0])
    assert process[0] < 0.5
    assert process[1] is None


# --- LLaMA-Factory --------------------------------------------------------------------------------------------------


def _llamafactory(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Give the rows of a data set as its parser, loader and sharegpt converter make them; fails where they skip one."""
    told = json.loads((folder / "dataset_info.json").read_text())[name]
    assert told["formatting"] == "sharegpt"
    place = folder / told["file_name"]
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    assert {path.suffix for path in files} == {".jsonl"}  # one kind of file, which its loader knows
    # Once columns or tags are named, one that is not is none.
    columns, tags = told["columns"], told["tags"]
    assert set(columns) == {"messages", "images"}
    for line in _lines(*files):
        turns = line[columns["messages"]]
        system = ""
        if turns[0][tags["role_tag"]] == tags["system_tag"]:
            system, turns = turns[0][tags["content_tag"]], turns[1:]
        roles = [turn[tags["role_tag"]] for turn in turns]
        assert roles == [tags["user_tag"], tags["assistant_tag"]] * (len(turns) // 2)
        contents = [turn[tags["content_tag"]] for turn in turns]
        images = [str(folder / path) for path in line[columns["images"]]]  # a whole path stays as it is
        assert sum(text.count("<image>") for text in contents) == len(images)
        yield {"system": system, "turns": contents, "images": images, "sample_id": line["sample_id"]}


def test_llamafactory_data_sets_hold_what_our_own_sft_export_holds(world: Path) -> None:
    ours = {row["sample_id"]: row for row in pl.read_parquet(world / "sft" / "data" / "*.parquet").to_dicts()}
    named = json.loads((world / "llamafactory" / "dataset_info.json").read_text())
    assert set(named) == {"bench_train", "bench_test"}
    found = [row for name in named for row in _llamafactory(world / "llamafactory", name)]
    assert {row["sample_id"] for row in found} == set(ours)
    for row in found:
        same = ours[row["sample_id"]]
        marks = "<image>" * len(row["images"])
        asked = [turn["content"] for turn in (*same["prompt"], *same["completion"])]
        assert [row["system"], row["turns"][0].removeprefix(marks), row["turns"][1]] == asked
        assert row["images"] == [image["path"] for image in same["images"]]
    assert "bench_train" in (world / "llamafactory" / "README.md").read_text("utf-8")


# --- both -----------------------------------------------------------------------------------------------------------


def test_a_mark_in_the_words_of_a_question_is_no_image(world: Path, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    record = {"item_id": "[own] [1]", "image_path": ["images/s0_a.png"], "question": "Is <image> normal?",
              "answer": "Yes", "answer_content": "Yes", "dataset_name": "reason Image Classification",
              "data_source": "own"}  # fmt: skip
    (tmp_path / "own_binary.json").write_text(json.dumps([record]))
    done = run_cxr(tmp_path, "import", "radrbench", "own_binary.json", "-o", "back", "--image-root", world)
    assert done.returncode == 0, done.stderr
    for form in ("swift", "llamafactory"):
        assert run_cxr(tmp_path, "export", form, "back", "-o", form).returncode == 0
        (line, *_) = _lines(*(tmp_path / form).rglob("test-*.jsonl"))
        assert line["messages"][1]["content"].startswith("<image>Is  normal? Please enclose")


@pytest.mark.parametrize("form", ["swift", "llamafactory", "label-studio"])
def test_the_readme_names_licence_terms_and_limits(world: Path, form: str) -> None:
    readme = (world / form / "README.md").read_text("utf-8")
    for said in ("Licence tag: public", "| invented |", "Known limits", "Not for diagnosis"):
        assert said in readme


# --- Label Studio ---------------------------------------------------------------------------------------------------


def test_label_studio_tasks_fit_their_labeling_interface(world: Path) -> None:
    config = (world / "label-studio" / "config.xml").read_text()
    tasks = json.loads((world / "label-studio" / "test.json").read_text())
    chains = set(read_samples(world / "bench").filter(pl.col("split") == "test")["chain_id"].drop_nulls())
    assert {task["data"]["chain_id"] for task in tasks} == chains
    for name in ("image", "question", "answer", "reasoning", "report"):
        assert f"${name}" in config
        assert all(task["data"][name] for task in tasks)


# --- Croissant ------------------------------------------------------------------------------------------------------


def _extracted(row: Mapping[str, Any], field: Mapping[str, Any]) -> Any:
    """Give what a field of Croissant 1.0 takes out of a row: a column, or a part of each of its objects."""
    source = field["source"]
    value = row[source["extract"]["column"]]
    part = source.get("transform", {}).get("jsonPath")
    if part is None or value is None:
        return value
    return [one[part] for one in value] if isinstance(value, list) else value[part]


def _records(folder: Path, described: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Give the records of a set as mlcroissant reads them: files of the folder that a file set's pattern includes."""
    sets = {part["@id"]: part for part in described["distribution"] if part["@type"] == "cr:FileSet"}
    (record_set,) = (one for one in described["recordSet"] if one["@id"] == name)
    leaves = [leaf for field in record_set["field"] for leaf in field.get("subField", [field])]
    (among,) = {leaf["source"]["fileSet"]["@id"] for leaf in leaves}
    assert "containedIn" not in sets[among]  # that would be an archive
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in files:
        if fnmatch.fnmatch(str(path.relative_to(folder)), sets[among]["includes"]):
            for row in pq.read_table(path).to_pylist():
                yield {leaf["@id"]: _extracted(row, leaf) for leaf in leaves}


def test_croissant_names_every_file_with_its_hash_and_every_column(world: Path) -> None:
    described = json.loads((world / "hf" / "croissant.json").read_text())
    for name in ("@context", "conformsTo", "name", "description", "license", "url", "distribution", "recordSet"):
        assert described[name]
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    objects = {part["@id"]: part["sha256"] for part in described["distribution"] if part["@type"] == "cr:FileObject"}
    noted = json.loads((world / "hf" / "export.json").read_text())["files"]
    assert objects == {name: part["sha256"] for name, part in noted.items()}
    for records in described["recordSet"]:
        columns = pq.read_schema(world / "hf" / records["name"] / "test-00000-of-00001.parquet").names
        assert [field["name"] for field in records["field"]] == columns
        assert all("dataType" in field or "subField" in field for field in records["field"])


def test_croissants_records_are_the_samples(world: Path) -> None:
    described = json.loads((world / "hf" / "croissant.json").read_text())
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    found = {name: list(_records(world / "hf", described, name)) for name in ("answer_only", "reasoning")}
    assert sum(map(len, found.values())) == len(samples)
    for name, records in found.items():
        for record in records:
            sample = samples[record[f"{name}/sample_id"]]
            assert record[f"{name}/question"] == sample["question"]
            assert record[f"{name}/images"] == [str(world / path) for path in sample["images"]]
            assert record[f"{name}/options/letter"] == [option["letter"] for option in sample["options"]]
    evidence = [record["reasoning/evidence/statement"] for record in found["reasoning"]]
    assert all(evidence)


def test_croissants_records_hold_the_images_where_they_are_embedded(world: Path) -> None:
    done = run_cxr(world, "export", "hf", "bench", "-o", "embedded", "--pixels", "embed")
    assert done.returncode == 0, done.stderr
    described = json.loads((world / "embedded" / "croissant.json").read_text())
    (field,) = (one for one in described["recordSet"][0]["field"] if one["name"] == "images")
    assert field["dataType"] == "sc:ImageObject"
    for record in _records(world / "embedded", described, "reasoning"):
        assert all(image.startswith(b"\x89PNG") for image in record["reasoning/images"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own, of rdflib
def test_mlcroissant_reads_the_records(world: Path) -> None:
    reader = pytest.importorskip("mlcroissant", reason="needs mlcroissant, which is no part of the environment")
    read = reader.Dataset(str(world / "hf" / "croissant.json"))
    samples = read_samples(world / "bench")
    for mode in ("answer_only", "reasoning"):
        ids = {record[f"{mode}/sample_id"].decode() for record in read.records(mode)}
        assert ids == set(samples.filter(pl.col("mode") == mode)["sample_id"])
