"""Images of exports: what is not there is counted, what does not decode is left out, and readers find the rest."""

import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.benchmarks_world import make_store, read_samples, rows, run_cxr, sql
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, and a benchmark of it."""
    folder = tmp_path_factory.mktemp("images")
    make_store(folder, rows(64))
    assert run_cxr(folder, "bench", "compile", "bench").returncode == 0
    return folder


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that knows of images that are not there: all of one study, and one of another."""
    folder = tmp_path_factory.mktemp("thinned")
    make_store(folder, rows(32))
    for name in ("s0_a", "s0_b", "s1_a"):
        (folder / "images" / f"{name}.png").unlink()
    assert run_cxr(folder, "images", "check").returncode == 0
    assert run_cxr(folder, "bench", "compile", "required").returncode == 0
    assert run_cxr(folder, "bench", "compile", "optional", "--images", "optional").returncode == 0
    return folder


def _images(samples: pl.DataFrame) -> set[str]:
    return set(samples["images"].explode().drop_nulls())


def test_a_benchmark_that_requires_images_takes_none_that_the_store_knows_absent(thinned: Path) -> None:
    gone = {f"images/{name}.png" for name in ("s0_a", "s0_b", "s1_a")}
    required = read_samples(thinned / "required")
    assert not _images(required) & gone
    assert "invented/s0" not in set(required["study_id"])
    assert set(required.filter(pl.col("study_id") == "invented/s1")["images"].list.len()) == {1}
    optional = read_samples(thinned / "optional")
    assert _images(optional) == _images(required) | gone
    for form in ("sft", "verl", "swift", "llamafactory", "label-studio"):
        counted = {}
        for name in ("required", "optional"):
            done = run_cxr(thinned, "export", form, name, "-o", f"{form}-{name}")
            assert done.returncode == 0, done.stderr
            counted[name] = json.loads((thinned / f"{form}-{name}" / "export.json").read_text())["images"]["absent"]
            assert ("have an image that is not there" in done.stderr) == bool(counted[name])
        # Label Studio is shown reasoning only, and counts no other sample.
        told = optional.filter(pl.col("mode") == "reasoning") if form == "label-studio" else optional
        assert counted == {"required": 0, "optional": sum(bool(set(row) & gone) for row in told["images"])}


def test_pixels_can_be_embedded_and_only_what_decodes_is(world: Path, tmp_path: Path) -> None:
    for path in {name for row in read_samples(world / "bench")["images"] for name in row}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), color=128).save(tmp_path / path)
    shutil.copytree(world / "bench", tmp_path / "bench")
    arguments = ("export", "hf", "bench", "--pixels", "embed", "--image-root", f"invented={tmp_path}")
    assert run_cxr(tmp_path, *arguments, "-o", "hf").returncode == 0
    image = pl.read_parquet(tmp_path / "hf" / "reasoning" / "test-*.parquet")["images"][0][0]
    assert image["bytes"].startswith(b"\x89PNG")
    assert "/" not in image["path"]
    assert run_cxr(tmp_path, "export", "verl", *arguments[2:], "-o", "verl").returncode == 2
    (tmp_path / "images" / "s0_a.png").unlink()
    cut = tmp_path / "images" / "s1_a.png"
    cut.write_bytes(cut.read_bytes()[:50])
    Image.fromarray(np.linspace(0, 60_000, 64, dtype=np.uint16).reshape(8, 8)).save(tmp_path / "images" / "s2_a.png")
    samples = read_samples(world / "bench").explode("images")
    spoilt = {f"images/s{number}_a.png": reason for number, reason in ((0, "image_absent"), (1, "image_truncated"))}
    hit = samples.filter(pl.col("images").is_in(list(spoilt)))
    assert set(hit["images"]) == set(spoilt)
    done = run_cxr(tmp_path, *arguments, "-o", "again")
    assert done.returncode == 4
    assert f"{hit.height} samples rejected: " in done.stderr
    written = read_samples(tmp_path / "again")
    assert set(written["sample_id"]) == set(samples["sample_id"]) - set(hit["sample_id"])
    rejects = sql(tmp_path, "select reject_key, reason from rejects where stage = 'export' order by all")
    assert rejects == sorted((row["sample_id"], spoilt[row["images"]]) for row in hit.to_dicts())
    deep = [image for row in written["images"] for image in row if image["path"] == "s2_a.png"]
    assert deep
    with Image.open(io.BytesIO(deep[0]["bytes"])) as shown:  # as any reader shows it
        assert (shown.mode, shown.getextrema()) == ("L", (0, 255))
    shutil.rmtree(tmp_path / "images")
    done = run_cxr(tmp_path, *arguments, "-o", "none")
    assert done.returncode == 1
    assert re.search(r"there is no .*; say where images lie with --image-root", done.stderr)
    assert not (tmp_path / "none").exists()


def test_rows_with_an_image_that_is_not_there_are_counted(world: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(world / "images", copy / "images")
    (copy / "images" / "s0_a.png").unlink()
    samples = read_samples(world / "bench").explode("images")
    count = samples.filter(pl.col("images") == "images/s0_a.png")["sample_id"].n_unique()
    done = run_cxr(world, "export", "sft", "bench", "-o", tmp_path / "sft", "--image-root", copy)
    assert done.returncode == 0
    assert f"{count} samples have an image that is not there (the first: {copy}/images/s0_a.png)" in done.stderr
    assert json.loads((tmp_path / "sft" / "export.json").read_text())["images"] == {"absent": count, "rejected": 0}
    done = run_cxr(world, "export", "sft", "bench", "-o", tmp_path / "whole")
    assert "not there" not in done.stderr


# --- as verl sees them ----------------------------------------------------------------------------------------------


def _tokens_for_verl(path: Path, image: Mapping[str, Any], smart_resize: Any) -> int:
    """Give the tokens of an image: its reader scales a file to the row's bound, the model's processor to its own."""
    with Image.open(path) as opened:
        width, height = opened.size
    height, width = smart_resize(height, width, max_pixels=image["max_pixels"])
    height, width = smart_resize(height, width)
    return int(height * width) // 28**2


def test_a_full_size_radiograph_of_verl_fits_the_prompt_that_the_docs_state(thinned: Path, tmp_path: Path) -> None:
    """Its filter drops, without a word, a row whose text and images are more tokens than data.max_prompt_length."""
    resizing = pytest.importorskip("transformers.models.qwen2_vl.image_processing_pil_qwen2_vl")
    stated = re.search(r"data\.max_prompt_length=([\d_]+)", (ROOT / "docs/export.md").read_text("utf-8"))
    assert stated is not None
    Image.new("L", (2544, 3056)).save(tmp_path / "full.png", compress_level=1)
    assert run_cxr(thinned, "export", "verl", "required", "-o", tmp_path / "verl").returncode == 0
    seen: dict[int, set[int]] = {1: set(), 2: set()}
    for row in pl.read_parquet(tmp_path / "verl" / "*.parquet").to_dicts():
        images = sum(_tokens_for_verl(tmp_path / "full.png", one, resizing.smart_resize) for one in row["images"])
        # A word is two tokens at most, more or less; the chat's own marks are some thirty.
        text = sum(len(turn["content"].replace("<image>", "").split()) * 2 for turn in row["prompt"]) + 30
        assert text + images <= int(stated[1])
        seen[len(row["images"])].add(images)
    assert seen == {1: {238}, 2: {476}}
    done = run_cxr(thinned, "export", "verl", "required", "-o", tmp_path / "more", "--max-pixels", "1003520")
    assert done.returncode == 0
    read = pl.read_parquet(tmp_path / "more" / "*.parquet")["images"].explode().struct.field("max_pixels")
    assert set(read) == {1_003_520}


# --- as Label Studio serves them ------------------------------------------------------------------------------------


def _served(address: str, root: Path, storage: Path) -> Path | None:
    """Give the file that its server sends: one below the document root, in a folder that was added as storage."""
    parts = urlsplit(address)
    assert parts.path == "/data/local-files/"
    (below,) = parse_qs(parts.query, strict_parsing=True)["d"]
    found = root / below.lstrip("/")
    return found if storage in found.parents and root in storage.parents and found.is_file() else None


def _odd(folder: Path, *, single: int) -> Path:
    """Make a benchmark whose images lie in folders with names that an address cannot hold as they are.

    Every `single`th study has one image, the others have two.
    """
    corpus = rows(16)
    for at, row in enumerate(corpus):
        row["image"] = row["image"].replace("images/", "ward a+b/" if at % 2 else "ward #1 & 50%/")
        if at % single == 0:
            row["image"] = row["image"].split(";")[0]
    make_store(folder, corpus)
    assert run_cxr(folder, "bench", "compile", "bench").returncode == 0
    assert run_cxr(folder, "export", "label-studio", "bench", "-o", "tasks").returncode == 0
    return folder


def test_label_studio_serves_every_image_with_what_the_readme_says_to_set(tmp_path: Path) -> None:
    odd = _odd(tmp_path / "radiographs", single=3)
    said = (odd / "tasks" / "README.md").read_text("utf-8")
    root = re.search(r"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=(.*)", said)
    storage = re.search(r"add the folder `(.*)`", said)
    assert root is not None
    assert storage is not None
    assert "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true" in said
    samples = {row["sample_id"]: row["images"] for row in read_samples(odd / "bench").to_dicts()}
    tasks = [task["data"] for path in (odd / "tasks").glob("t*.json") for task in json.loads(path.read_text())]
    assert {len(samples[task["sample_id"]]) for task in tasks} == {1, 2}
    for task in tasks:
        shown = [task[name] for name in ("image", "second_image") if task[name]]
        files = [_served(address, Path(root[1]), Path(storage[1])) for address in shown]
        assert files == [odd / path for path in samples[task["sample_id"]]]


def test_label_studio_has_a_place_for_a_second_image_where_there_is_one(tmp_path: Path) -> None:
    configs = [(_odd(tmp_path / str(single), single=single) / "tasks" / "config.xml").read_text() for single in (1, 3)]
    assert ["$second_image" in config for config in configs] == [False, True]


def test_label_studio_gets_relative_paths_where_nobody_knows_the_folder(world: Path, tmp_path: Path) -> None:
    done = run_cxr(tmp_path, "export", "label-studio", world / "bench", "-o", "tasks")  # a store without corpora
    assert done.returncode == 0, done.stderr
    tasks = json.loads((tmp_path / "tasks" / "test.json").read_text())
    assert {urlsplit(task["data"]["image"]).query.split("/")[0] for task in tasks} == {"d=images"}
    assert "DOCUMENT_ROOT=ROOT" in (tmp_path / "tasks" / "README.md").read_text("utf-8")
