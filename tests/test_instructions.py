"""How a model is asked: by name or by a file, the same in exports, in training's records and in prediction."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from cxr.miner.kit.errors import SettingsError
from cxr.prompts.instructions import NAMED, PAPER, RELEASED, Instructions, read_instructions, recorded_instructions
from cxr.trainer.predict.samples import SampleSource, requests_of
from cxr.trainer.predict.samples import read_samples as read_shown
from cxr.trainer.predict.settings import PredictSettings
from tests.benchmarks_world import make_store, read_samples, rows, run_cxr

MINE = """
system = "You're a radiologist; $reasoning costs nothing."
reasoning = "Look closely. {question} Don't guess; {\\"tags\\"} are fine: <think></think><answer></answer>"
answer_only = "{question}\\nAnswer."
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark, and exports of it by each way of asking."""
    folder = tmp_path_factory.mktemp("asked")
    make_store(folder, rows(48))
    (folder / "mine.toml").write_text(MINE)
    assert run_cxr(folder, "bench", "compile", "bench").returncode == 0
    for name in (*NAMED, "mine.toml"):
        for form in ("sft", "grpo", "verl"):
            told = () if name == "paper" else ("--instructions", name)
            done = run_cxr(folder, "export", form, "bench", "-o", f"{form}-{name}", *told)
            assert done.returncode == 0, done.stderr
    return folder


def test_the_papers_words_are_section_6_2s_and_the_released_ones_their_codes() -> None:
    assert (
        PAPER.ask("What is seen?", "answer_only") == "What is seen? Please enclose the answer within <answer></answer>"
    )
    assert PAPER.turns("x")[0] == {"role": "system", "content": "You are a helpful AI assistant."}
    asked = RELEASED.ask("What is seen?", "reasoning")
    assert asked.startswith("What is seen?\nLet's think step by step.")
    assert asked.endswith("<think></think> and the answer within <answer></answer>.")
    assert RELEASED.ask("What is seen?", "answer_only") == "What is seen?"
    assert RELEASED.turns("x") == [{"role": "user", "content": "x"}]
    assert PAPER.sha256 != RELEASED.sha256


@pytest.mark.parametrize("name", [*NAMED, "mine.toml"])
@pytest.mark.parametrize("mode", ["reasoning", "answer_only"])
def test_a_question_comes_back_out_of_what_was_asked(world: Path, name: str, mode: str) -> None:
    instructions = read_instructions(name if name in NAMED else str(world / name))
    for question in ("Is there edema?", "Which {of these}? A) x\nB) it's $y", ""):
        assert instructions.question_of(instructions.ask(question, mode), mode) == question
    with pytest.raises(ValueError, match="another form"):
        PAPER.question_of("Is there edema?", mode)


@pytest.mark.parametrize("name", [*NAMED, "mine.toml"])
def test_every_export_asks_in_the_form_that_is_named(world: Path, name: str) -> None:
    instructions = read_instructions(name if name in NAMED else str(world / name))
    samples = {row["sample_id"]: row for row in read_samples(world / "bench").to_dicts()}
    for form in ("sft", "grpo"):
        read = pl.read_parquet(world / f"{form}-{name}" / "data" / "*.parquet").to_dicts()
        assert {row["mode"] for row in read} == {"reasoning", "answer_only"}
        for row in read:
            sample = samples[row["sample_id"]]
            assert row["prompt"] == instructions.turns(instructions.ask(sample["question"], sample["mode"]))
    for row in pl.read_parquet(world / f"verl-{name}" / "*.parquet").to_dicts():
        told = row["extra_info"]
        seen = "<image>" * len(row["images"])
        assert row["prompt"] == instructions.turns(seen + instructions.ask(told["question"], told["mode"]))


@pytest.mark.parametrize("name", [*NAMED, "mine.toml"])
def test_an_export_says_how_it_asks_and_is_asked_about_again_in_any_form(world: Path, name: str) -> None:
    note = json.loads((world / f"grpo-{name}" / "export.json").read_text())
    recorded = recorded_instructions(note)
    assert (recorded.name, note["instructions"]["sha256"]) == (name.removesuffix(".toml"), recorded.sha256)
    settings = PredictSettings(split="test")
    shown = read_shown(SampleSource.open(world / f"grpo-{name}"), settings)
    questions = {one.sample_id: one.question for one in read_shown(SampleSource.open(world / "bench"), settings)}
    assert {one.sample_id: one.question for one in shown} == questions
    for request in requests_of(shown, settings, RELEASED):
        assert request.text == RELEASED.ask(request.sample.question, request.mode)


def test_an_export_of_an_earlier_version_asks_as_the_paper_does() -> None:
    assert recorded_instructions({"format": "sft"}) == PAPER


def test_a_finished_export_by_other_words_is_not_taken_for_the_same(world: Path) -> None:
    again = ("export", "sft", "bench", "-o", "sft-paper", "--existing", "resume")
    assert "were there already" in run_cxr(world, *again).stderr
    other = run_cxr(world, *again, "--instructions", "released")
    assert other.returncode == 1
    assert "is an export of another benchmark, format or settings" in other.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('reasoning = "{question}"', "answer_only is missing"),
        (
            'reasoning = "Think."\nanswer_only = "{question}"',
            "reasoning holds no placeholder; expected {question} once",
        ),
        ('reasoning = "{question} {question}"\nanswer_only = "{question}"', "reasoning holds {question}, {question}"),
        ('reasoning = "{question} {options}"\nanswer_only = "{question}"', "reasoning holds {question}, {options}"),
        ('reasoning = "{question}"\nanswer_only = "{question}"\nsuffix = "x"', "suffix is none of system, reasoning"),
        ('reasoning = 3\nanswer_only = "{question}"', "reasoning"),
        ("reasoning = ", "are not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_asked_by_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(SettingsError, match=re.escape(says)) as raised:
        read_instructions(str(tmp_path / "mine.toml"))
    assert "\n" not in str(raised.value)


def test_a_name_that_is_none_stops_the_command(world: Path) -> None:
    done = run_cxr(world, "export", "sft", "bench", "-o", "none", "--instructions", "thiers")
    assert done.returncode == 2
    assert "there are no instructions 'thiers'; expected paper, released, or a TOML file" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (world / "none").exists()


def test_instructions_are_compared_by_their_words() -> None:
    other = Instructions(name="ours", system=PAPER.system, reasoning=PAPER.reasoning, answer_only=PAPER.answer_only)
    assert other.sha256 == PAPER.sha256
