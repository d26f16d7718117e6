"""CONTRIBUTING.md can be followed: its files are written, its commands run, and they print what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, CliIn

RECIPES = ROOT / "CONTRIBUTING.md"
_FILE = re.compile(r"^```(?:python|toml|)\n# ([a-z_]+\.(?:py|toml))\b[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ELSEWHERE = ("corpora", "export", "training")


def recipes() -> dict[str, str]:
    """Give each recipe's text by its title."""
    parts = re.split(r"^### (.*)\n", RECIPES.read_text("utf-8").partition("## Recipes")[2], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(recipe: str) -> list[tuple[str, list[str]]]:
    """Give the commands of a recipe, each with the lines that it is said to print; a line of dots is any lines."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(_CONSOLE.findall(recipe)).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def as_pattern(lines: list[str]) -> str:
    return "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
        for line in lines
    )


def test_there_is_a_recipe_for_everything_that_one_adds() -> None:
    assert list(recipes()) == [
        "A corpus",
        "A judge",
        "A reward",
        "An engine",
        "An export",
        "A finding",
        "A prompt version",
    ]


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory, cxr_in: CliIn) -> Path:
    """A folder with the files of all recipes and the store of the demo, from which the checkout can be seen."""
    folder = tmp_path_factory.mktemp("kitchen")
    for page in (RECIPES, *(ROOT / "docs" / f"{name}.md" for name in _ELSEWHERE)):
        for name, content in _FILE.findall(page.read_text("utf-8")):
            (folder / name).write_text(content, "utf-8")
    for room in ("miner", "prompts"):
        (folder / room).symlink_to(ROOT / room)
    assert cxr_in(folder, "demo").returncode == 0
    return folder


@pytest.fixture
def kitchen(larder: Path, tmp_path: Path) -> Path:
    """A copy of it for one recipe."""
    return Path(shutil.copytree(larder, tmp_path / "kitchen", symlinks=True))


@pytest.mark.parametrize("title", recipes())
def test_a_recipe_does_what_it_says(kitchen: Path, title: str) -> None:
    environment = {**os.environ, "COLUMNS": "120", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    asked = commands(recipes()[title])
    assert asked
    for command, lines in asked:
        shell = ["sh", "-c", command]
        done = subprocess.run(
            shell, cwd=kitchen, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        printed = "".join(f"{line.rstrip()}\n" for line in (done.stderr + done.stdout).splitlines())
        assert done.returncode == 0, f"{command}\n{printed}"
        assert re.fullmatch(as_pattern(lines), printed), f"{command}\n{printed}"
