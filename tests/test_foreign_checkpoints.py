"""DeepSpeed unpickles its checkpoints, which runs what stands in them: only those of the user alone are resumed.

DeepSpeed itself is not needed for that: what it would be handed is refused, or let through, before it is.
"""

import os
import stat
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

from cxr.miner.kit.errors import InputError  # noqa: E402
from cxr.trainer.train import run as training_run  # noqa: E402
from cxr.trainer.train.exact import demand_only_ours  # noqa: E402
from tests.training_world import ONE_STEP, World, make_world  # noqa: E402

STATES = "zero_pp_rank_0_mp_rank_00_optim_states.pt"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder as DeepSpeed lays it out, which only this user can write to."""
    folder = tmp_path / "checkpoint-2"
    states = folder / "global_step2"
    states.mkdir(parents=True)
    for path in (
        states / "zero_pp_rank_0_mp_rank_00_optim_states.pt",
        folder / "latest",
        folder / "trainer_state.json",
    ):
        path.write_text("states")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_a_checkpoint_that_nobody_else_can_write_to_is_let_through(checkpoint: Path) -> None:
    demand_only_ours(checkpoint)


@pytest.mark.parametrize("where", [".", "latest", "global_step2", f"global_step2/{STATES}"])
@pytest.mark.parametrize("more", [stat.S_IWGRP, stat.S_IWOTH])
def test_whatever_others_may_write_to_is_refused_by_its_name(checkpoint: Path, where: str, more: int) -> None:
    path = checkpoint / where
    path.chmod(path.stat().st_mode | more)
    with pytest.raises(InputError) as raised:
        demand_only_ours(checkpoint)
    assert f"{checkpoint} holds {path.name}, which others may write to" in str(raised.value)
    path.chmod(path.stat().st_mode & ~more)  # as the sentence says
    demand_only_ours(checkpoint)


@pytest.mark.parametrize("points_at", ["file", "folder", "nothing"])
def test_a_link_is_refused_wherever_it_leads(checkpoint: Path, tmp_path: Path, points_at: str) -> None:
    there = tmp_path / "elsewhere"
    if points_at == "file":
        there.write_text("a program")
    elif points_at == "folder":
        there.mkdir()
    (checkpoint / "global_step2" / "more.pt").symlink_to(there)
    with pytest.raises(InputError, match=r"holds more\.pt, which others may write to"):
        demand_only_ours(checkpoint)


def test_what_another_user_wrote_is_refused(checkpoint: Path) -> None:
    with (
        patch.object(os, "getuid", return_value=os.getuid() + 1),
        pytest.raises(InputError, match="DeepSpeed would run"),
    ):
        demand_only_ours(checkpoint)


@pytest.mark.parametrize("by_deepspeed", [True, False])
def test_a_run_by_deepspeed_looks_before_anything_is_unpickled(
    tmp_path_factory: pytest.TempPathFactory, by_deepspeed: bool
) -> None:
    """What else loads a checkpoint reads weights as weights, so that a shared folder may be resumed."""
    world: World = make_world(tmp_path_factory.mktemp("deep"))
    output = world.folder / f"run-{by_deepspeed}"
    two = (*ONE_STEP, "--set", "steps=2", "--set", "save_steps=1")
    assert world.train("sft", output, *two).exit_code == 0
    (output / "checkpoint-2" / "trainer_state.json").chmod(0o666)
    made = training_run._trainer
    resumed: list[Any] = []

    def as_by_deepspeed(*given: Any) -> Any:
        trainer, log = made(*given)
        trainer.is_deepspeed_enabled = by_deepspeed
        trainer.train = lambda **told: resumed.append(told["resume_from_checkpoint"])
        return trainer, log

    with patch.object(training_run, "_trainer", as_by_deepspeed), patch.object(training_run, "_save_final"):
        result = world.train("sft", output, *two, "--existing", "resume")
    if by_deepspeed:
        assert result.exit_code == 1
        assert "holds trainer_state.json, which others may write to" in result.output.replace("\n", " ")
        assert resumed == []
    else:
        assert result.exit_code == 0, result.output
        assert resumed == [str(output / "checkpoint-2")]
