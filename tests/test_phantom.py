"""Phantoms: the same for a seed, drawn as their reports say, and carried by the real pipeline without a reject."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cxr.miner.benchmark.settings import Mode, Targets
from cxr.miner.kit.errors import InputError
from cxr.miner.language.labeler import label
from cxr.schemas.vocabulary import Progression, Side, Task
from cxr.trainer.phantom.corpus import write_phantom
from cxr.trainer.phantom.drawing import draw
from cxr.trainer.phantom.scene import Degree, Scene, Shown, draw_lots, later, progression
from cxr.trainer.phantom.wording import describe_scene, labels_of
from cxr.trainer.phantom.world import make_world

torch = pytest.importorskip("torch")
from cxr.trainer.models.families import load_model, load_processor  # noqa: E402
from cxr.trainer.models.tiny import build_tiny  # noqa: E402
from tests.training_world import run  # noqa: E402

FINDINGS = tuple(labels_of(Scene()))
SMALL: Targets = {"train": {Mode.ANSWER_ONLY: {Task.BINARY: 20}, Mode.REASONING: {Task.BINARY: 10}}}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_seed_names_every_byte(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        write_phantom(tmp_path / name, studies=12, seed=seed)
    one, two, three = (all_bytes(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one.keys() != three.keys() or one != three


def test_more_studies_change_no_earlier_patient(tmp_path: Path) -> None:
    few, many = (write_phantom(tmp_path / str(n), studies=n, seed=1) for n in (10, 30))
    first, longer = pl.read_csv(few.csv), pl.read_csv(many.csv)
    # The last patient may have lost the second study to the count.
    assert first.equals(longer.head(10))


def test_our_labeler_reads_in_each_report_what_was_drawn() -> None:
    for seed in range(200):
        scene = draw_lots(rng(seed))
        reading = describe_scene(scene, rng(seed))
        read = label(f"FINDINGS: {reading.findings}\nIMPRESSION: {reading.impression}")
        assert {finding: read[finding] for finding in FINDINGS} == labels_of(scene), reading
        others = {finding for finding, value in read.items() if value is not None and finding not in FINDINGS}
        assert others <= {"No Finding"}


def test_every_finding_is_drawn_about_as_often(tmp_path: Path) -> None:
    corpus = write_phantom(tmp_path / "corpus", studies=400, seed=0, size=28)
    labels = pl.read_csv(corpus.csv).select(FINDINGS)
    assert all(0.3 < float(str(labels[name].mean())) < 0.55 for name in labels.columns)


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_pictures_show_fluid_air_and_devices_on_the_side_that_the_report_names(side: Side) -> None:
    def halves(scene: Scene) -> dict[Side, np.ndarray]:
        plane = np.asarray(draw(scene, rng(), 96), dtype=float) / 255
        # The patient's right is on the viewer's left.
        return {Side.RIGHT: plane[:, :48], Side.LEFT: plane[:, 48:]}

    other = Side.RIGHT if side is Side.LEFT else Side.LEFT
    none = halves(Scene())
    fluid = halves(Scene({"effusion": Shown(Degree.LARGE, side)}))
    air = halves(Scene({"pneumothorax": Shown(Degree.LARGE, side)}))
    device = halves(Scene({"device": Shown(Degree.SMALL, side, kind="pacemaker")}))
    for shown, sign in ((fluid, 1), (air, -1), (device, 1)):
        here, there = (shown[at].mean() - none[at].mean() for at in (side, other))
        assert sign * here > 0.01
        assert abs(there) < abs(here) / 3


def test_a_larger_degree_is_larger_on_the_picture() -> None:
    def bright(scene: Scene) -> float:
        return float(np.asarray(draw(scene, rng(), 96), dtype=float).mean())

    for name, sign in (("heart", 1), ("effusion", 1), ("opacity", 1), ("pneumothorax", -1)):
        none, small, large = (bright(Scene({name: Shown(degree, zone="upper")})) for degree in Degree)
        assert sign * none < sign * small < sign * large, name


def test_a_later_scene_keeps_what_is_there_and_its_side() -> None:
    seen = set()
    for seed in range(100):
        before = draw_lots(rng(seed))
        after = later(before, rng(seed + 1000))
        assert labels_of(before) == labels_of(after)
        assert [(shown.side, shown.zone, shown.kind) for shown in before.shown.values()] == [
            (shown.side, shown.zone, shown.kind) for shown in after.shown.values()
        ]
        seen.add(progression(before["heart"].degree, after["heart"].degree))
    assert seen == {None, *Progression}


def test_phantoms_go_through_the_real_pipeline_without_a_reject(tmp_path: Path) -> None:
    corpus = write_phantom(tmp_path / "corpus", studies=60, seed=5, size=28)
    db = ("--db", tmp_path / "phantom.duckdb")
    steps: list[tuple[str | Path, ...]] = [
        ("ingest", "csv", corpus.csv, "--name", "phantom", "--licence", "public"),
        ("ask", "--tasks", "binary,single,multiple", "--balance", "none"),
        ("ask", "--source", "report", "--tasks", "temporal", "--balance", "none"),
        ("mine",),
        ("score",),
    ]
    for step in steps:
        done = run(*step, *db)
        assert done.exit_code == 0, (step, done.stderr)

    def rows(query: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in run("sql", query, "--format", "json", *db).stdout.splitlines()]

    (counts,) = rows("select (select count(*) from questions) as questions, count(*) as chains, min(factuality) least "
                     "from chains join latest_scores using (chain_id)")  # fmt: skip
    assert counts["questions"] == counts["chains"]
    assert counts["least"] == 1
    torn = rows("select patient_id from studies group by 1 having count(distinct split) > 1")
    assert torn == []
    agree = rows(
        "select count(*) filter (where a.value is distinct from b.value) as differ, count(*) as compared "
        "from labels a join labels b using (study_id, finding) where a.labeler = 'corpus' and b.labeler = 'rules'"
    )
    assert agree == [{"differ": 0, "compared": 60 * len(FINDINGS)}]
    tasks = {row["task"] for row in rows("select distinct task from questions")}
    assert tasks == {"binary", "single", "multiple", "temporal"}


@pytest.mark.parametrize("pixels", [28, 96, 200])
def test_images_are_grey_and_as_large_as_asked(tmp_path: Path, pixels: int) -> None:
    write_phantom(tmp_path / "corpus", studies=2, size=pixels)
    for path in (tmp_path / "corpus" / "images").iterdir():
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((pixels, pixels), "L")


def test_the_command_says_what_to_type_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("phantom", "corpus", "--studies", "4", "--pixels", "28")
    assert done.exit_code == 0, done.stderr
    assert "4 invented studies" in done.stderr
    assert "cxr ingest csv corpus/phantom.csv" in done.stderr
    again = run("phantom", "corpus", "--studies", "4")
    assert again.exit_code == 1
    assert "not empty" in again.stderr
    tiny = run("phantom", "other", "--pixels", "5")
    assert tiny.exit_code != 0
    assert "28 to 1024 pixels" in tiny.stderr


def test_tiny_models_of_three_families_look_and_write(tmp_path: Path) -> None:
    picture = draw(Scene({"effusion": Shown(Degree.LARGE)}), rng(), 96).convert("RGB")
    question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there an effusion?"}]}]
    for family in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl"):
        folder = tmp_path / family
        build_tiny(folder, family, texts=["The image shows a small left pleural effusion. "] * 9)
        model, processor = load_model(str(folder)), load_processor(str(folder))
        text = processor.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
        batch = processor(images=[picture], text=[text], return_tensors="pt")
        assert int((batch["input_ids"] == model.config.image_token_id).sum()) == 9
        made = model.generate(**batch, max_new_tokens=3, do_sample=False)
        assert made.shape[1] > batch["input_ids"].shape[1]
        # A stock sentence is one token; what was never seen is still spelled out.
        assert len(processor.tokenizer("The image shows a small left pleural effusion. ").input_ids) == 1
        assert processor.tokenizer.decode(processor.tokenizer("Zürich 7%").input_ids) == "Zürich 7%"
        twice = build_again(tmp_path, family)
        assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twice, strict=True))


def build_again(folder: Path, family: str) -> list[object]:
    """Give the weights of a second build with the same seed."""
    build_tiny(folder / "again", family, texts=["The image shows a small left pleural effusion. "] * 9)
    return list(load_model(str(folder / "again")).state_dict().values())


def test_a_world_is_made_once_and_an_unfinished_one_anew(tmp_path: Path) -> None:
    folder = tmp_path / "world"
    world = make_world(folder, studies=40, pixels=28, targets=SMALL)
    before = all_bytes(world.exports.sft)
    assert (world.model / "config.json").is_file()
    assert make_world(folder) == world
    (folder / "unfinished").touch()
    anew = make_world(folder, studies=40, pixels=28, targets=SMALL)
    assert all_bytes(anew.exports.sft).keys() == before.keys()
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    with pytest.raises(InputError):
        make_world(other)
