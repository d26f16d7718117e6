"""The checks before step 1: sound rows pass, and each planted fault stops with a sentence and sample ids."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import CxrError, InputError, SettingsError
from cxr.prompts.instructions import ASK_FOR_ANSWER, ASK_WITH_REASONING, SYSTEM
from cxr.trainer.reward.process import ProcessReward
from cxr.trainer.reward.protocol import RewardFunction
from cxr.trainer.reward.registry import WeightedReward
from cxr.trainer.reward.rewards import reward_functions
from cxr.trainer.train.checks import (
    check_answers,
    check_lengths,
    check_padding,
    check_patients,
    check_rewards,
    run_checks,
    show_checks,
)
from cxr.trainer.train.image_checks import check_image_tokens, check_pixels, check_processor, image_sizes

pytest.importorskip("torch")
from datasets import Dataset, Features, List, Value
from datasets import Image as ImageColumn
from huggingface_hub import constants
from huggingface_hub.utils import send_telemetry  # type: ignore[attr-defined]
from PIL import Image

from cxr.trainer.models.families import FAMILIES, family_of, load_processor
from cxr.trainer.models.tiny import build_tiny
from cxr.trainer.train.run import quiet_libraries

OPTIONS = ["A) edema", "B) pleural effusion"]
PAPERS: list[RewardFunction] = [*reward_functions(ProcessReward())]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    for family in FAMILIES:
        build_tiny(root / family, family)
    return root


@pytest.fixture
def processor(folders: Path) -> Any:
    return load_processor(str(folders / "qwen2_vl"), min_pixels=28 * 28, max_pixels=84 * 84)


def row(name: str, images: Sequence[str] = (), **changed: Any) -> dict[str, Any]:
    """Make a row of a GRPO export."""
    made = {
        "images": list(images),
        "answer": "B",
        "answer_text": "pleural effusion",
        "answer_findings": ["Pleural Effusion"],
        "options": OPTIONS,
        "report": "FINDINGS: Pleural effusion.",
        "mode": "reasoning",
        "task": "single",
        "corpus": "invented",
        "licence": "public",
        "sample_id": name,
        "patient_id": f"patient of {name}",
        **changed,
    }
    asked = ASK_WITH_REASONING if made["mode"] == "reasoning" else ASK_FOR_ANSWER
    user = f"Which finding is in this chest X-ray? Options: {' '.join(made['options'] or ())} {asked}"
    return {"prompt": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}], **made}


def rows_of(rows: Sequence[dict[str, Any]]) -> Dataset:
    text, texts = Value("string"), List(Value("string"))
    kinds = {"images": List(ImageColumn()), "prompt": List({"role": text, "content": text}), "options": texts,
             "completion": List({"role": text, "content": text}), "answer_findings": texts}  # fmt: skip
    return Dataset.from_list(list(rows), features=Features({name: kinds.get(name, text) for name in rows[0]}))


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., str]:
    def draw(width: int, height: int, name: str = "") -> str:
        path = tmp_path / f"{name or f'{width}x{height}'}.png"
        Image.new("L", (width, height), 128).save(path)
        return str(path)

    return draw


@pytest.fixture
def sound(picture: Callable[..., str]) -> list[dict[str, Any]]:
    one, other = picture(60, 50), picture(200, 120)
    return [
        row("q0"),
        row("q1", [one]),
        row("q2", [one, other], task="temporal", options=["A) worsening", "B) stable"], answer_findings=[]),
        row("q3", [other], task="binary", options=None, answer="No", answer_findings=[], mode="answer_only"),
        row(
            "q4",
            [other],
            task="anomaly",
            options=None,
            answer="Edema, Fracture",
            answer_findings=["Edema", "Fracture"],
        ),
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_sound_rows_with_no_one_and_two_images_pass_every_check(
    folders: Path, family: str, sound: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    processor = load_processor(str(folders / family), max_pixels=96 * 96)
    results = run_checks(
        rows_of(sound),
        processor,
        max_length=1000,
        max_completion_length=64,
        held_out={"somebody else"},
        rewards=PAPERS,
    )
    names = [result.name for result in results]
    assert names == ["patients", "padding", "pixels", "image tokens", "lengths", "completions", "answers", "rewards"]
    assert [result.name for result in results if result.warning] == ["pixels"]
    tokens = results[3]
    assert tokens.looked_at == 4
    assert "0 or 1 or 2 images" in tokens.found
    show_checks(results)
    assert "scaled down" in capsys.readouterr().err


def test_a_held_out_patient_is_named_by_its_samples(sound: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match=r"1 samples are of patients that are also in validation or test: q3;"):
        check_patients(rows_of(sound), {"patient of q3"})


def test_padding_on_the_right_is_found_by_padding(processor: Any) -> None:
    processor.tokenizer.padding_side = "right"
    with pytest.raises(SettingsError, match="pads on the right, expected left"):
        check_padding(processor)
    processor.tokenizer.pad_token = None
    with pytest.raises(SettingsError, match="no padding token"):
        check_padding(processor)


def test_image_tokens_that_do_not_match_the_grid_are_found(
    processor: Any, sound: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = image_sizes(rows_of(sound))
    assert sizes["q2"] == ((60, 50), (200, 120))
    assert check_image_tokens(sizes, processor).looked_at == 4
    stock = type(processor).__call__

    def twice_as_high(self: Any, **given: Any) -> Any:
        made = stock(self, **given)
        if "image_grid_thw" in made:
            made["image_grid_thw"][:, 1] *= 2
        return made

    monkeypatch.setattr(type(processor), "__call__", twice_as_high)
    with pytest.raises(InputError, match=r"prompt of q3, q4 has 6 image tokens where its 1 images make 12;"):
        check_image_tokens(sizes, processor)


def test_a_chat_template_without_images_is_found(processor: Any, sound: list[dict[str, Any]]) -> None:
    processor.chat_template = "{% for message in messages %}{{ message.role }}{% endfor %}"
    with pytest.raises(InputError, match="use the processor and chat template that belong to the model"):
        check_image_tokens(image_sizes(rows_of(sound)), processor)


def test_the_processor_of_another_family_is_found(folders: Path) -> None:
    from transformers import AutoConfig  # noqa: PLC0415

    for family in FAMILIES:
        config = AutoConfig.from_pretrained(folders / family)
        assert check_processor(load_processor(str(folders / family)), config).looked_at == 4
    with pytest.raises(SettingsError, match="processor has patch_size 14, expected 16"):
        check_processor(load_processor(str(folders / "qwen2_vl")), AutoConfig.from_pretrained(folders / "qwen3_vl"))


def test_a_processor_that_mixes_up_a_batch_is_found(
    processor: Any, sound: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = type(processor).__call__

    def last_token_lost(self: Any, *, text: list[str], **more: Any) -> Any:
        made = stock(self, text=text, **more)
        if len(text) > 1:
            made["input_ids"][0, -1] = 0
        return made

    monkeypatch.setattr(type(processor), "__call__", last_token_lost)
    with pytest.raises(InputError, match="another one in a batch"):
        check_image_tokens(image_sizes(rows_of(sound)), processor)


def test_images_that_cannot_be_read_are_named_with_what_is_wrong(picture: Callable[..., str], tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.png"
    corrupt.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    text = tmp_path / "text.png"
    text.write_text("no image", encoding="utf-8")
    rows = [row("q0", [picture(60, 50)]), row("q1", [str(tmp_path / "gone.png")]), row("q2", [str(text)])]
    with pytest.raises(InputError, match=r"2 samples .* cannot be read: q1 \(absent\), q2 \(no image\)"):
        image_sizes(rows_of(rows))
    with pytest.raises(InputError, match=r"1 samples .* cannot be read: q3"):
        image_sizes(rows_of([row("q3", [str(corrupt)])]))


def test_images_above_the_pixel_budget_are_counted_and_stop_where_nothing_resizes(
    processor: Any, picture: Callable[..., str]
) -> None:
    sizes = image_sizes(rows_of([row("q0", [picture(60, 50)]), row("q1", [picture(300, 400)])]))
    result = check_pixels(sizes, processor)
    assert result.warning
    assert result.found.startswith("1 samples with images above 7,056 pixels")
    assert "q1, 120,000" in result.found
    processor.image_processor.do_resize = False
    with pytest.raises(InputError, match=r"1 samples have an image of more than 7,056 pixels.*: q1;"):
        check_pixels(sizes, processor)
    strip = image_sizes(rows_of([row("q2", [picture(2, 500)])]))
    with pytest.raises(InputError, match="200 times as long as wide: q2;"):
        check_pixels(strip, processor)


def test_lengths_are_those_that_the_trainer_will_see(processor: Any, sound: list[dict[str, Any]]) -> None:
    """The counted length is the length of the real tokens, images in place."""
    from trl.data_utils import prepare_multimodal_messages  # noqa: PLC0415

    rows = rows_of(sound)
    sizes = image_sizes(rows)
    real = []
    for one in rows:
        images = [image.convert("RGB") for image in one["images"]]
        turns = prepare_multimodal_messages(one["prompt"], images)
        text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        real.append(processor(text=[text], images=images or None)["input_ids"][0])
    longest = max(map(len, real))
    (result,) = check_lengths(rows, sizes, processor, longest)
    assert f"{longest} tokens at most, of {longest} allowed" in result.found
    name = max(zip(map(len, real), rows["sample_id"], strict=True))[1]
    with pytest.raises(InputError, match=rf"1 samples have a prompt of more than {longest - 1} tokens.*: {name};"):
        list(check_lengths(rows, sizes, processor, longest - 1))


def test_an_answer_that_cannot_be_written_in_the_space_stops(processor: Any, sound: list[dict[str, Any]]) -> None:
    rows = rows_of(sound)
    with pytest.raises(SettingsError, match="more than max_completion_length=3"):
        list(check_lengths(rows, image_sizes(rows), processor, 1000, 3))


@pytest.mark.parametrize(
    "changed",
    [
        {"answer": "E"},
        {"answer": "pleural effusion"},
        {"answer": "maybe", "task": "binary", "options": None},
        {"answer": "Edema", "answer_findings": ["Edema", "Fracture"], "task": "anomaly", "options": None},
        {"answer": "<answer> B </answer>"},
        {"answer": "B", "options": ["A) edema", "C) fracture"]},
    ],
)
def test_an_answer_that_no_completion_can_reach_stops(changed: dict[str, Any], sound: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match=r"right answer of 1 samples would not be rewarded: q9;"):
        check_answers(rows_of([*sound, row("q9", **changed)]))


def sft(name: str, completion: str, mode: str = "reasoning") -> dict[str, Any]:
    made = row(name, mode=mode)
    kept = ("images", "prompt", "mode", "task", "corpus", "licence", "sample_id", "patient_id")
    return {**{key: made[key] for key in kept}, "completion": [{"role": "assistant", "content": completion}]}


def test_reference_completions_are_in_their_form_and_within_the_length(processor: Any) -> None:
    rows = [sft("q0", "<think> No. </think><answer> B </answer>"), sft("q1", "<answer> B </answer>", "answer_only")]
    results = run_checks(rows_of(rows), processor, max_length=1000, max_completion_length=8)
    by_name = {result.name: result for result in results}
    assert by_name["answers"].looked_at == 2
    assert by_name["completions"].warning
    assert "50.0%" in by_name["completions"].found
    for broken in ("<answer> B </answer>", "<think> No. </think><answer> </answer>", "B"):
        with pytest.raises(InputError, match=r"completions of 1 samples .*: q2;"):
            check_answers(rows_of([*rows, sft("q2", broken)]))
    long = sft("q3", f"<think> {'Clear. ' * 2000}</think><answer> B </answer>")
    with pytest.raises(InputError, match=r"prompt and completion of more than 1,000 tokens.*: q3;"):
        run_checks(rows_of([*rows, long]), processor, max_length=1000)


def always(value: float, name: str) -> RewardFunction:
    def reward(completions: Sequence[Any], **_: Any) -> list[float | None]:
        return [value] * len(completions)

    reward.__name__ = name
    return reward


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("format", 0.5, "perfect completion 0.5"),
        ("format", 1.0, "with nested tags 1.0"),
        ("accuracy", 1.0, "with wrong answer 1.0"),
        ("process_factuality", 1.0, "with flipped negation 1.0"),
    ],
)
def test_rewards_that_do_not_part_hand_made_completions_stop(name: str, value: float, told: str) -> None:
    check_rewards(PAPERS)
    swapped = [always(value, name) if reward.__name__ == name else reward for reward in PAPERS]
    with pytest.raises(SettingsError, match=rf"reward {name} gives a .*{told}"):
        check_rewards(swapped)


def test_the_variant_without_process_reward_is_checked_without_it() -> None:
    assert "process" not in check_rewards(reward_functions()).found


def test_a_reward_of_ones_own_has_to_run_and_may_reward_what_it_likes() -> None:
    own = always(0.25, "brevity")
    assert "brevity" in check_rewards([*PAPERS, WeightedReward(own)]).found

    def of_text(completions: Sequence[str], **_: Any) -> list[float | None]:
        return [float(len(completion.split())) for completion in completions]

    with pytest.raises(CxrError, match=r"the reward of_text failed with AttributeError at test_train_checks\.py"):
        check_rewards([WeightedReward(of_text)])


# --- nobody is told, and no hub is asked ----------------------------------------------------------------------------


def test_libraries_tell_their_developers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """TRL would tell of every training, from a thread that it starts then."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    before = threading.enumerate()
    quiet_libraries()
    send_telemetry("trl/SFTTrainer", library_name="trl")
    assert threading.enumerate() == before
    assert os.environ["DO_NOT_TRACK"] == "1"


@pytest.mark.parametrize("name", ["tny", "./tny", "run/final", "/nowhere/tny", "a/b/c"])
def test_a_folder_that_is_misspelt_is_not_asked_for_at_a_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    with pytest.raises(InputError, match=r"there is no folder .*; expected that of a Qwen2-VL"):
        family_of(name)
    assert asked == []
