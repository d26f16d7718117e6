"""Fixtures: a private working folder, the real command line in a process, and the shared public data."""

import functools
import gc
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import typer.testing

from tests.corpora import write_openi
from tests.forked import ForkedCommands, build_commands_once, run_script

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
REQUIRED = {name: os.environ.get(f"TESTS_REQUIRE_{name}") == "1" for name in ("SHARED", "BROWSER")}
"""What CI demands; elsewhere a test that lacks it is skipped."""

# How long an example takes says more of the machine than of what is tested.
# Every run draws others, and the suite has ten minutes: half of hypothesis's hundred do.
hypothesis.settings.register_profile(
    "suite", deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

TAKE_LONG = {
    "test_kills",
    "test_main_job",
    "test_validation",
    "test_train_processes",
    "test_batches",
    "test_weather",
    "test_terminal",
    "test_forked",
    "test_train",
    "test_report_browser",
    "test_no_look_ups",
    "test_in_flight",
    "test_kill",
    "test_report",
    "test_ingest_sources",
    "test_fuzz",
    "test_full_disk",
    "test_sockets",
}
"""Files of tests that take more than a quarter of a minute, most of it spent in other processes."""

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
"""Takes arguments, and by name what stands in the environment."""
CliIn = Cli
"""Takes a folder before them."""


def pytest_configure() -> None:
    """Nothing that the suite imports is ever thrown away, so that the collector need not look for it."""
    gc.disable()
    # A shell that starts the suite in the background ignores interrupts for it and for every command that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    build_commands_once(typer.testing, "_get_command")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, or one worker would be busy with them when the others have ended."""
    items.sort(key=lambda item: item.path.stem not in TAKE_LONG)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public data beside the project; absent on most machines, required in CI."""
    if SHARED.is_dir():
        return SHARED
    if REQUIRED["SHARED"]:
        pytest.fail(f"TESTS_REQUIRE_SHARED=1, but there is no folder {SHARED}")
    pytest.skip("needs the public data in ../shared, which is not part of the project")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine's user reaches a test, and no key does."""
    for name in list(os.environ):
        if name.startswith("CXR_"):
            monkeypatch.delenv(name)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of a model server again is asked at once."""
    monkeypatch.setattr("cxr.miner.llm.attempts._LONGEST_WAIT_S", 0.0)
    monkeypatch.setattr("cxr.miner.llm.pace._FIRST_REST_S", 0.01)


@pytest.fixture(scope="session")
def forked_commands() -> Iterator[ForkedCommands]:
    """Where `cxr` is run from; one for each worker of the suite."""
    commands = ForkedCommands()
    yield commands
    commands.close()


@pytest.fixture(scope="session")
def cxr_in(forked_commands: ForkedCommands) -> CliIn:
    """Run `cxr` in a process of its own, in a given folder: for what is made once for several tests."""

    def run(folder: Path, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        return forked_commands.run(list(map(str, arguments)), folder, {**os.environ, "COLUMNS": "200", **environment})

    return run


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> Path:
    """A store of the invented OpenI, to be copied."""
    folder = tmp_path_factory.mktemp("ingested")
    write_openi(folder / "openi")
    assert cxr_in(folder, "ingest", "openi", "openi").returncode == 0
    return folder / "cxr.duckdb"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Where `cxr` makes its store."""
    return tmp_path / "cxr.duckdb"


@pytest.fixture
def cxr(tmp_path: Path, cxr_in: CliIn) -> Cli:
    """Run `cxr` in a process of its own, in an empty folder."""
    return functools.partial(cxr_in, tmp_path)


@pytest.fixture
def cxr_script(tmp_path: Path) -> Cli:
    """Run the installed `cxr` itself, in an empty folder."""

    def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
        return run_script(list(map(str, arguments)), tmp_path, {**os.environ, "COLUMNS": "200", **environment})

    return run
