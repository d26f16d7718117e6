"""What one sees of a training: the log has each step once, a NaN stops with its samples, nothing private is shown."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from PIL import Image  # noqa: E402
from transformers import Trainer, TrainingArguments  # noqa: E402

from cxr.miner.kit.errors import CxrError, InputError, SettingsError  # noqa: E402
from cxr.trainer.train.curves import panels, smoothed, window_of, write_curves  # noqa: E402
from cxr.trainer.train.logs import TrainingLog, report_to, words  # noqa: E402
from cxr.trainer.train.run_record import RunRecord, keep_steps, read_log, read_record  # noqa: E402
from cxr.trainer.train.samples import LastBatch, RewardWatch, SampleTable  # noqa: E402


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate collects garbage after a training, which takes longer than these."""
    monkeypatch.setattr("accelerate.utils.memory.clear_device_cache", lambda **_: None)


class Line(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A model of one weight, whose loss is NaN for the input 99."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Any) -> dict[str, Any]:
        poisoned = torch.where(x == 99, torch.nan, x)
        return {"loss": ((self.weight * poisoned - 2 * poisoned) ** 2).mean()}


class Watched(Trainer):
    """Tells the last batch what it works on, as the trainers of both stages do."""

    last_batch: LastBatch

    def training_step(self, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        self.last_batch.saw(f"sample-{int(value)}" for value in inputs["x"])
        return super().training_step(model, inputs, *more, **named)


def train(out: Path, rows: list[float], *, resume: Path | None = None, **more: Any) -> Watched:
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=len(rows),
        per_device_train_batch_size=1,
        learning_rate=0.01,
        logging_steps=more.pop("logging_steps", 1),
        logging_nan_inf_filter=False,
        save_steps=more.pop("save_steps", 2),
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        train_sampling_strategy="sequential",
    )
    trainer = Watched(model=Line(), args=arguments, train_dataset=[{"x": torch.tensor(row)} for row in rows])
    trainer.last_batch = LastBatch()
    with TrainingLog(out, trainer.last_batch, name="toy", **more) as log:
        log.attach(trainer)
        trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    return trainer


def test_a_resumed_run_has_each_step_once_with_the_same_losses(tmp_path: Path) -> None:
    out, rows = tmp_path / "run", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    train(out, rows)
    whole = [(line["step"], line["loss"]) for line in read_log(out / "log.jsonl")]
    with (out / "log.jsonl").open("a") as handle:
        handle.write('{"step": 7, "loss": 0.1}\n{"step": 8, "los')  # a kill in the middle of a line
    shutil.rmtree(out / "checkpoint-6")
    train(out, rows, resume=out / "checkpoint-4")
    assert [(line["step"], line["loss"]) for line in read_log(out / "log.jsonl")] == whole
    assert [step for step, _ in whole] == [1, 2, 3, 4, 5, 6]


def test_a_new_run_forgets_the_log_of_the_one_before(tmp_path: Path) -> None:
    train(tmp_path, [1.0, 2.0, 3.0])
    train(tmp_path, [1.0, 2.0])
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2]


def test_a_loss_that_is_nan_stops_with_step_and_samples_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CxrError, match=r"the loss is no number at step 4 \(samples sample-99\).*resume from the last"):
        train(tmp_path, [1.0, 2.0, 3.0, 99.0, 5.0])
    last = read_log(tmp_path / "log.jsonl")[-1]
    assert (last["step"], last["loss"], last["sample_ids"]) == (4, None, ["sample-99"])
    assert not (tmp_path / "checkpoint-4").exists()
    assert "NaN" not in (tmp_path / "log.jsonl").read_text()
    assert [line["step"] for line in keep_steps(tmp_path / "log.jsonl", 2)] == [1, 2]


def test_a_nan_between_two_logged_steps_is_found_before_the_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CxrError, match="the loss is no number at step 4"):
        train(tmp_path, [1.0, 2.0, 99.0, 4.0, 5.0, 6.0], logging_steps=10, save_steps=4)
    assert not (tmp_path / "checkpoint-4").exists()


def test_a_line_tells_the_time_of_its_step_and_the_share_of_the_process_reward(tmp_path: Path) -> None:
    spent = iter([0.0, 1e-6, 2e-6, 3e-6])
    train(tmp_path, [1.0, 2.0, 3.0], process_seconds=lambda: next(spent))
    lines = read_log(tmp_path / "log.jsonl")
    for line in lines:
        assert line["process_reward_share"] == pytest.approx(1e-6 / line["step_seconds"])
    assert all(line["step_seconds"] > 0 for line in lines)


def test_the_last_line_of_progress_is_said_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, [1.0, 2.0])
    said = capsys.readouterr()
    assert re.search(r"toy: step 2 of 2, loss [\d.e-]+, 0:00 left", said.err)
    assert said.out == ""


@pytest.mark.parametrize(
    ("line", "left", "said"),
    [
        ({"step": 3, "loss": 0.5}, 65.2, "step 3 of 1,000, loss 0.5, 1:05 left"),
        ({"step": 3, "loss": None}, None, "step 3 of 1,000"),
        (
            {"step": 3, "rewards/format/mean": 1.0, "rewards/format/std": 0.5, "tokens_per_s": 1234.5},
            7325.0,
            "step 3 of 1,000, format 1.000, 1,234 tokens/s, 2:02:05 left",
        ),
        ({"step": 3, "rewards/process_factuality/mean": None}, 1.0, "step 3 of 1,000, 0:01 left"),
    ],
)
def test_progress_in_words(line: dict[str, Any], left: float | None, said: str) -> None:
    assert words(line, 1000, left) == said


def test_many_samples_are_named_by_the_first_few() -> None:
    batch = LastBatch()
    assert batch.words() == "samples unknown"
    batch.saw(f"s{number}" for number in [*range(10), *range(10)])
    assert batch.words() == "samples s0, s1, s2, s3, s4, s5, s6, s7 and 2 more"


@pytest.mark.parametrize(
    ("wanted", "error"),
    [(["mlflow"], "choose from tensorboard, wandb, trackio, none"), (["wandb"], "pip install wandb")],
)
def test_a_tracker_that_is_unknown_or_not_installed(wanted: list[str], error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        report_to(wanted)


def test_networked_trackers_are_never_on_unless_asked_for() -> None:
    assert report_to([]) == report_to(["none"]) == []
    assert set(report_to(["tensorboard"])) <= {"tensorboard"}


def sampled(out: Path, licence: str, **more: Any) -> SampleTable:
    table = SampleTable(out, **more)
    rewards: dict[str, list[float | None]] = {"format": [1.0, 0.0], "process_factuality": [0.5, None]}
    table.add(
        1, ["s1", "s1"], ["A \u2028secret\x1b[2J text", "other"], rewards, columns={"licence": [licence, licence]}
    )
    return table


def test_completions_of_credentialed_data_stay_in_the_output_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampled(tmp_path / "own", "credentialed").show(now=True)
    assert "secret" not in (said := capsys.readouterr().err)
    assert "not public" in said
    sampled(tmp_path / "asked", "credentialed", show_text=True).show(now=True)
    assert "secret" in capsys.readouterr().err
    sampled(tmp_path / "public", "public").show(now=True)
    assert "secret" in (said := capsys.readouterr().err)
    assert "\x1b[2J" not in said
    first, second = read_log(tmp_path / "own" / "samples.jsonl")
    assert first["completion"] == "A \u2028secret\x1b[2J text"
    assert (first["format"], first["process_factuality"], second["process_factuality"]) == (1.0, 0.5, None)


def test_samples_after_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    table = SampleTable(tmp_path)
    for step in (1, 2, 3):
        table.add(step, ["s"], [f"of step {step}"], {"format": [1.0]})
    table.resume(2)
    assert [row["step"] for row in read_log(tmp_path / "samples.jsonl")] == [1, 2]


def test_the_first_group_of_a_large_batch_is_kept(tmp_path: Path) -> None:
    SampleTable(tmp_path, keep=3).add(1, list("abcdef"), list("ABCDEF"), {"format": [0.0] * 6})
    assert [row["sample_id"] for row in read_log(tmp_path / "samples.jsonl")] == ["a", "b", "c"]


def test_the_watch_hands_on_a_batch_with_the_advantages_that_were_used(tmp_path: Path) -> None:
    last = LastBatch()
    watch = RewardWatch(last, SampleTable(tmp_path))

    def form(completions: list[Any], **_: Any) -> list[float | None]:
        return [1.0 for _ in completions]

    def process_factuality(completions: list[Any], **_: Any) -> list[float | None]:
        return [None for _ in completions]

    one, two = watch.watch(form), watch.watch(process_factuality)
    assert (one.__name__, two.__name__) == ("form", "process_factuality")
    first, again = (
        {"completions": [[{"role": "assistant", "content": text}]], "sample_id": ["s1"], "mode": ["reasoning"]}
        for text in ("no", "yes")
    )
    for batch in (first, again):  # answered twice, and the second answer is kept
        one(**batch)
        two(**batch)
    assert not (tmp_path / "samples.jsonl").exists()
    watch.used([0.5], [-0.25])
    (row,) = read_log(tmp_path / "samples.jsonl")
    assert (row["completion"], row["form"], row["process_factuality"], row["mode"]) == ("yes", 1.0, None, "reasoning")
    assert (row["advantage"], row["advantage_wrong"]) == (0.5, -0.25)
    assert last.sample_ids == ("s1",)


# Curves.


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_smoothed_curve_stays_within_its_values(values: list[float]) -> None:
    smooth = smoothed(values, window_of(len(values)))
    assert len(smooth) == len(values)
    assert min(values) - 1e-6 <= min(smooth) <= max(smooth) <= max(values) + 1e-6


def test_a_straight_line_is_its_own_mean_away_from_its_ends() -> None:
    values = [2.0 * step for step in range(90)]
    half = window_of(90) // 2
    assert half > 0
    assert list(smoothed(values, window_of(90))[half:-half]) == pytest.approx(values[half:-half])


def grpo_log() -> Iterator[dict[str, Any]]:
    for step in range(1, 31):
        yield {
            "step": step,
            "loss": 0.1,
            "learning_rate": 1e-5,
            "rewards/format/mean": step / 30,
            "rewards/format/applied": 1.0,
            "rewards/process_factuality/mean": None if step == 5 else 0.5,
            "rewards/process_factuality/applied": 0.5,
            "kl": 0.0,
            "entropy": 6.0,
            "completions/mean_length": 40.0,
            "step_seconds": 0.2,
        }


def test_every_reward_has_its_curve_and_its_share_and_a_missing_value_is_no_zero() -> None:
    by_name = {panel.name: panel for panel in panels(list(grpo_log()))}
    assert [curve.name for curve in by_name["rewards"].curves] == ["format", "process_factuality"]
    assert [curve.values[0] for curve in by_name["shares"].curves] == [1.0, 0.5]
    factuality = by_name["rewards"].curves[1]
    assert 5 not in factuality.steps
    assert set(factuality.values) == {0.5}
    assert {"loss", "kl", "entropy", "length", "seconds", "rate"} <= by_name.keys()
    assert "gradient" not in by_name


def test_the_curves_of_a_resumed_run_are_one_picture(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in grpo_log()))
    RunRecord.start(tmp_path, stage="grpo", settings={}, model="model", resumed_from=4)
    picture = write_curves(tmp_path)
    assert picture == tmp_path / "curves.png"
    with Image.open(picture) as drawn:
        assert drawn.width > 1000
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "run.json", "curves.png"}


def test_a_folder_without_a_step_has_no_curves(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no step"):
        write_curves(tmp_path)


# The record of a run.


def test_the_record_stands_from_the_start_and_a_resumed_run_keeps_its_beginning(tmp_path: Path) -> None:
    data = {"path": "data", "fingerprint": "f"}
    first = RunRecord.start(tmp_path / "run", stage="sft", settings={"learning_rate": 1e-3}, data=data)
    running = read_record(tmp_path / "run")
    assert (running["exit"], running["ended"], running["steps_done"]) == ("running", None, 0)
    first.end(exit_reason="interrupted", steps_done=7)
    RunRecord.start(tmp_path / "run", stage="sft", settings={}, data=data, resumed_from=5).end(
        exit_reason="done", steps_done=9
    )
    record = read_record(tmp_path / "run")
    assert record["started"] == running["started"]
    assert [one["step"] for one in record["resumed_from"]] == [5]
    assert (record["exit"], record["steps_done"]) == ("done", 9)
    assert record["hardware"]["cores"] >= 1
    assert record["versions"]["torch"] == torch.__version__
    assert record["data"] == running["data"]


def test_a_record_that_cannot_be_read_is_not_overlooked(tmp_path: Path) -> None:
    assert read_record(tmp_path) == {}
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match="not the record of a training"):
        read_record(tmp_path)
