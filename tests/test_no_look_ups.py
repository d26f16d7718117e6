"""Local training and prediction ask no host for anything: sockets are counted in processes that no CI quiets.

Libraries with telemetry leave it out where `CI` is set, or one of their own switches: none of them is set here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra cxr[train]")

import huggingface_hub  # noqa: E402

from cxr.trainer.models.offline import no_look_ups  # noqa: E402
from tests.chaos.sockets import called, watched  # noqa: E402
from tests.training_world import ONE_STEP, World, make_world  # noqa: E402

SWITCHES = ("CI", "DO_NOT_TRACK", "DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE",
            "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "VLLM_NO_USAGE_STATS")  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = make_world(tmp_path_factory.mktemp("quiet"))
    made.model()
    return made


# All in one process: what takes long are the libraries.
RUN = """
import json, sys
from cxr.cli import app

for words in json.loads(sys.stdin.read()):
    sys.argv = ["cxr", *words]
    try:
        app()
    except SystemExit as ended:
        assert not ended.code, words
"""
ASK = """
import socket, time
from huggingface_hub.utils import send_telemetry

def look_up(host, *_, **__):
    asked.append(host)
    raise socket.gaierror("nobody is asked in a test")

asked, socket.getaddrinfo = [], look_up
send_telemetry("trl/SFTTrainer")
until = time.monotonic() + 30
while not asked and time.monotonic() < until:
    time.sleep(0.05)
assert "huggingface.co" in asked, asked
"""


def run_as_users_do(code: str, place: Path, given: str = "") -> list[tuple[str, str]]:
    """Run Python in a watched process without any switch, in a home of its own; give whom it called."""
    seen = place / "seen"
    clean = {name: value for name, value in watched(seen).items() if name not in SWITCHES}
    clean |= {"HF_HOME": str(place / "hub"), "HOME": str(place)}  # no registry is at hand from an earlier run
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=clean, cwd=place, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(called(seen))


def test_without_our_care_the_libraries_would_call(tmp_path: Path) -> None:
    """Or the test below would show nothing."""
    assert run_as_users_do(ASK, tmp_path) == []


def test_local_training_and_prediction_call_nobody(world: World, tmp_path: Path) -> None:
    asked = ["predict", str(world.exports.benchmark), "--model", str(world.model()), "-o", "told.jsonl"]
    asked += ["--image-root", str(world.folder / "corpus"), "--limit", "2", "--max-new-tokens", "4"]
    trained = [world.command(stage, tmp_path / stage, *ONE_STEP) for stage in ("sft", "grpo")]
    assert run_as_users_do(RUN, tmp_path, json.dumps([*trained, asked])) == []


@contextmanager
def as_users_have_it(patch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in SWITCHES:
        patch.delenv(name, raising=False)
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        patch.setattr(huggingface_hub.constants, name, False)
    yield
    assert not {name for name in SWITCHES if name in os.environ}
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
    assert not huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY


def test_a_hubs_model_is_still_asked_for_and_all_is_as_it_was_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_users_have_it(monkeypatch):
        with no_look_ups(str(tmp_path)):
            assert huggingface_hub.constants.is_offline_mode()
            assert os.environ["HF_HUB_OFFLINE"] == "1"
        with no_look_ups("Qwen/Qwen2-VL-7B-Instruct"):
            assert not huggingface_hub.constants.is_offline_mode()
            assert "HF_HUB_OFFLINE" not in os.environ
            assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
