"""Training in processes: several share a step, one that is killed goes on, and a command ends what it started."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.trainer.train.launch import meeting_place, plan  # noqa: E402
from cxr.trainer.train.run_record import read_log  # noqa: E402
from cxr.trainer.train.settings import SFTSettings  # noqa: E402
from tests.training_world import World, make_world  # noqa: E402

STEPS = ("--set", "steps=4", "--set", "learning_rate=3e-3")

# Imports take several seconds: they are done once, and every process is a fork of what has done them. It runs nothing
# itself, so that it has no threads, which a fork would lose.
SERVER = """
import json, os, signal, sys
import cxr.trainer.train.run, cxr.trainer.train.sft, cxr.trainer.train.grpo
from cxr.cli import app
from cxr.trainer.train.logs import TrainingLog

log = TrainingLog.on_log

def train(job):
    def on_log(self, args, state, control, **more):
        log(self, args, state, control, **more)
        if state.global_step == job["kill_after"]:
            os.kill(os.getpid(), signal.SIGKILL)

    TrainingLog.on_log = on_log
    os.environ.update(job["environment"])
    said = os.open(job["said"], os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 1), os.dup2(said, 2)
    exec(job["first"], {})
    app(job["words"])

def forked(job):
    child = os.fork()
    if child:
        return child
    try:
        train(job)
    except SystemExit as end:
        os._exit(end.code or 0)
    except BaseException:
        import traceback
        traceback.print_exc()
    os._exit(1)

for line in sys.stdin:
    children = [forked(job) for job in json.loads(line)]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)
"""


class Forks:
    """Runs `cxr` in processes that have imported it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(
        self,
        words: Sequence[str],
        environments: Sequence[dict[str, str]] = ({},),
        *,
        kill_after: int | None = None,
        first: str = "",
    ) -> tuple[list[int], list[str]]:
        """Run a command once in each environment, all at once; give their exit codes and what they said.

        Each process runs the Python text `first` before.
        """
        places = [self._folder / f"said-{number}" for number in range(len(environments))]
        jobs = [
            {
                "words": list(words),
                "environment": environment,
                "said": str(place),
                "kill_after": kill_after,
                "first": first,
            }
            for environment, place in zip(environments, places, strict=True)
        ]
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(jobs) + "\n")
        self._server.stdin.flush()
        codes: list[int] = json.loads(self._server.stdout.readline())
        said = [place.read_text() for place in places]
        for place in places:
            place.unlink()
        return codes, said

    def close(self) -> None:
        """End the server; torch would take seconds to leave by itself."""
        self._server.kill()
        self._server.communicate()


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("said"))
    yield forks
    forks.close()


@pytest.fixture(scope="module")
def world(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> World:  # meanwhile the other process imports
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def alone(world: World) -> Path:
    """A finished run of one process."""
    result = world.train("sft", world.folder / "alone", *STEPS)
    assert result.exit_code == 0, result.output
    return world.folder / "alone"


def losses(output: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_log(output / "log.jsonl")]


def test_several_processes_are_started_by_accelerate_with_the_same_words(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in for `cxr` here writes down what it was started with, and needs no torch for that."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "accelerate").symlink_to(Path(sys.executable).with_name("accelerate"))
    (programs / "cxr").write_text(
        "import json, os, pathlib, sys\n"
        "told = {name: os.environ[name] for name in ('LOCAL_RANK', 'WORLD_SIZE', 'PROCESSES_RENDEZVOUS')}\n"
        "pathlib.Path(f\"{sys.argv[0]}-{os.environ['RANK']}.json\").write_text(json.dumps([sys.argv[1:], told]))\n"
    )
    words = world.command("sft", tmp_path / "out", "--nproc", "2")
    monkeypatch.setattr(sys, "argv", ["cxr", *words])
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    result = world.train("sft", tmp_path / "out", "--nproc", "2")
    assert result.exit_code == 0, result.output
    started = [json.loads((programs / f"cxr-{rank}.json").read_text()) for rank in range(2)]
    places = {told.pop("PROCESSES_RENDEZVOUS") for _, told in started}
    assert started == [[words, {"LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}] for rank in range(2)]
    (place,) = places  # they meet in one file, which is gone when they are
    assert not Path(place).parent.exists()


def test_ending_the_command_ends_what_it_started(tmp_path: Path) -> None:
    child = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
    made = dataclasses.replace(
        plan(SFTSettings(global_batch=1, device_batch=1), 1),
        command=(sys.executable, "-c", child, str(tmp_path / "pid")),
    )
    parent = (
        "import dataclasses, sys\nfrom cxr.trainer.train.launch import launch, plan\n"
        "from cxr.trainer.train.settings import SFTSettings\n"
        "made = plan(SFTSettings(global_batch=1, device_batch=1), 1)\n"
        "raise SystemExit(launch(dataclasses.replace(made, command=tuple(sys.argv[1:]))))"
    )
    with subprocess.Popen([sys.executable, "-c", parent, *(made.command or ())], stderr=subprocess.PIPE) as process:
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.terminate()
        assert process.wait() != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_killed_run_goes_on_where_it_was(world: World, forks: Forks, alone: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    codes, _ = forks.run(world.command("sft", killed, *STEPS), kill_after=3)
    assert codes == [-9]
    assert losses(killed) == losses(alone)[:3]
    assert json.loads((killed / "run.json").read_text())["exit"] == "running"
    resumed = world.train("sft", killed, *STEPS, "--existing", "resume")
    assert resumed.exit_code == 0, resumed.output
    assert losses(killed) == losses(alone)
    assert json.loads((killed / "run.json").read_text())["resumed_from"][0]["step"] == 2


def test_two_processes_take_the_steps_that_one_takes(world: World, forks: Forks, alone: Path, tmp_path: Path) -> None:
    codes, said = forks.run(world.command("sft", tmp_path / "two", *STEPS, "--nproc", "2"), both_ranks(tmp_path))
    assert codes == [0, 0], said
    values = [[loss for _, loss in losses(output)] for output in (alone, tmp_path / "two")]
    assert len(values[0]) == 4
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert "".join(said).count("4 steps of sft done") == 1
    assert (tmp_path / "two" / "final" / "model.safetensors").is_file()
    assert json.loads((tmp_path / "two" / "run.json").read_text())["world_size"] == 2


# What the model says, call by call, in each of two processes, and in one. The second group of the first process is
# equal, and answered again; the second process answers one of its own as well, which is thrown away.
SCRIPT = """
import os
from cxr.trainer.train.grpo import ExactGRPOTrainer

right, no = "<think> The trachea is midline. </think><answer> Yes </answer>", "no"
wrong = "<think> The trachea is midline. There is a right rib fracture. </think><answer> No </answer>"
first, second = [[right, wrong, no, no], [right, wrong]], [[wrong, no, right, wrong], [no, no]]
calls = [first[0] + second[0], first[1]]
if "RANK" in os.environ:
    calls = [first, second][int(os.environ["RANK"])]
calls = iter(calls)

def generate(self, prompt_ids, *_, **__):
    said, tokenizer = next(calls), self.processing_class.tokenizer
    assert len(said) == len(prompt_ids)
    return [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in said], None

ExactGRPOTrainer._generate_single_turn = generate
"""


def test_two_processes_pay_steps_and_answer_groups_again_as_one_does(
    world: World, forks: Forks, tmp_path: Path
) -> None:
    given = {"steps": 1, "warmup": 0, "credit": "step", "resample": 1, "modes": "reasoning"}
    how = ["--process-reward", "factuality"]
    how += [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    codes, said = forks.run(world.command("grpo", tmp_path / "one", *how), first=SCRIPT)
    assert codes == [0], said
    codes, said = forks.run(
        world.command("grpo", tmp_path / "two", *how, "--nproc", "2"), both_ranks(tmp_path), first=SCRIPT
    )
    assert codes == [0, 0], said
    one, two = (read_log(tmp_path / name / "log.jsonl")[0] for name in ("one", "two"))
    same = ("loss", "grad_norm", "reward", "credit/wrong_tokens", "groups/resampled", "frac_reward_zero_std")
    assert [two[name] for name in same] == pytest.approx([one[name] for name in same], rel=1e-4, abs=1e-6)
    assert (one["groups/resampled"], one["frac_reward_zero_std"]) == (0.25, 0)
    rows = [read_log(tmp_path / name / "samples.jsonl") for name in ("one", "two")]
    for own, row in zip(rows[0], rows[1], strict=False):
        assert row["completion"] == own["completion"]
        assert (row["advantage"], row["advantage_wrong"]) == pytest.approx((own["advantage"], own["advantage_wrong"]))
    counts = [json.loads((tmp_path / name / "run.json").read_text())["groups"] for name in ("one", "two")]
    assert counts == [{"groups": 4, "resampled": 1, "equal": 0}] * 2


def both_ranks(folder: Path) -> list[dict[str, str]]:
    """Give the environments of two processes, which meet in files: nobody says at which address or port."""
    together = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", **meeting_place(str(folder))}
    return [{"RANK": str(rank), "LOCAL_RANK": str(rank), **together} for rank in range(2)]


def test_two_processes_answer_what_is_held_out_together(world: World, forks: Forks, tmp_path: Path) -> None:
    watched = ("--set", "steps=2", "--set", "warmup=0", "--set", "eval_steps=1", "--set", "eval_samples=7")
    one = world.train("sft", tmp_path / "one", *watched)
    assert one.exit_code == 0, one.output
    codes, said = forks.run(world.command("sft", tmp_path / "two", *watched, "--nproc", "2"), both_ranks(tmp_path))
    assert codes == [0, 0], said
    assert "".join(said).count("held out, step 2:") == 1
    samples = [read_log(output / "validation_samples.jsonl") for output in (tmp_path / "one", tmp_path / "two")]
    assert [row for row in samples[1] if row["step"] == 0] == [row for row in samples[0] if row["step"] == 0]
    asked = [[(row["step"], row["sample_id"]) for row in rows] for rows in samples]
    assert asked[0] == asked[1]
    best = json.loads((tmp_path / "two" / "run.json").read_text())["best"]["step"]
    assert (tmp_path / "two" / "best").readlink() == Path(f"checkpoint-{best}")
