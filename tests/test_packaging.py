"""What is built is what runs: a wheel holds one import package, and no name of somebody else's stands in its way."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = ("cli", "miner", "prompts", "schemas", "trainer")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation: the build backend is one of the tested versions, and nothing is fetched.
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_one_package_with_its_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"cxr"}
    for room in ("miner", "prompts", "trainer"):
        kinds = {".toml", ".md", ".json", ".csv", ".html", ".sql"}
        data = [path for path in (ROOT / room).rglob("*") if path.suffix in kinds]
        assert data
        assert {f"cxr/{path.relative_to(ROOT)}" for path in data} <= set(names)


def test_packages_and_files_of_our_rooms_names_on_the_path_change_nothing(wheel: Path, tmp_path: Path) -> None:
    """PyPI has packages that install a top-level `trainer` and `schemas`; a `cli.py` lies in many a home folder."""
    site, in_the_way = tmp_path / "site", tmp_path / "in_the_way"
    zipfile.ZipFile(wheel).extractall(site)
    in_the_way.mkdir()
    for room in ROOMS:
        (in_the_way / f"{room}.py").write_text("raise ImportError('somebody else')\n")
    environment = {**os.environ, "PYTHONPATH": f"{in_the_way}{os.pathsep}{site}", "COLUMNS": "200"}

    def python(*arguments: str) -> str:
        command = [sys.executable, "-P", *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "factual" in python("-m", "cxr", "demo")
    assert "count" in python("-m", "cxr", "sql", "--db", "cxr-demo.duckdb", "select count(*) from factual_chains")
    code = (
        "import cxr, cxr.trainer.reward.rewards as rewards\n"
        "print(cxr.__file__, rewards.format_reward('<answer>Yes</answer>', mode='answer_only'))"
    )
    where, reward = python("-c", code).split()
    assert Path(where).is_relative_to(site)
    assert float(reward) == 1.0
