"""What is built is what runs: from a wheel alone, every package is ours, and the data files are in it."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("cli", "miner", "prompts", "schemas", "trainer")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation: the build backend is one of the tested versions, and nothing is fetched.
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_our_rooms_with_their_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"cli.py", "miner", "prompts", "schemas", "trainer"}
    for data in ("miner/demo/reports.csv", "miner/engines/signs.toml"):
        assert data in names
    for folder in ("miner/language/data", "prompts"):
        ours = [path for path in (ROOT / folder).iterdir() if path.suffix in {".toml", ".md", ".json"}]
        assert ours
        assert {f"{folder}/{path.name}" for path in ours} <= set(names)


def test_from_a_wheel_in_a_fresh_environment_every_package_is_ours(wheel: Path, tmp_path: Path) -> None:
    """Another distribution ships a top-level `trainer`, so this has to be proved, not hoped for."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout.strip()  # fmt: skip
    code = (
        "import importlib.util, pathlib\n"
        f"for name in {PACKAGES}:\n"
        "    print(name, pathlib.Path(importlib.util.find_spec(name).origin).resolve())"
    )
    found = subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path
    ).stdout.split()
    origins = dict(zip(found[::2], found[1::2], strict=True))
    assert set(origins) == set(PACKAGES)
    assert all(Path(origin).is_relative_to(Path(site).resolve()) for origin in origins.values())
