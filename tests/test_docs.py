"""The docs and the program agree: every command has help and stands in the docs, every link leads somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cxr.cli import app
from tests.conftest import ROOT, Cli

PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


def _commands() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []

    def walk(group: Any, words: str) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, f"{words} {name}")
            else:
                found.append((f"{words} {name}", command))

    walk(typer.main.get_command(app), "cxr")
    return found


@pytest.mark.parametrize(
    ("words", "command"), _commands(), ids=lambda value: str(value) if isinstance(value, str) else ""
)
def test_every_command_and_option_has_help_and_every_command_stands_in_the_docs(words: str, command: Any) -> None:
    assert command.help
    assert all(getattr(parameter, "help", "said") for parameter in command.params), words
    assert any(words in page.read_text() for page in PAGES), f"{words} is in no page of README.md or docs/"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_no_page_or_module_names_this_machine() -> None:
    ours = [
        *PAGES,
        *(path for room in ("miner", "schemas", "prompts", "trainer") for path in (ROOT / room).rglob("*.*")),
    ]
    for path in ours:
        if path.suffix in {".py", ".md", ".toml", ".json"}:
            assert "/work/" not in path.read_text(encoding="utf-8"), path


def _shown(title: str) -> str:
    """Give the README's first block after some words."""
    return (ROOT / "README.md").read_text("utf-8").partition(title)[2].partition("```\n")[2].partition("```")[0]


def test_the_tree_of_the_readme_is_the_tree() -> None:
    said, room = set(), ""
    for line in _shown("## What is where").splitlines():
        name = line.split()[0]
        room = room if line.startswith(" ") else name
        said.add(f"{room}{name}" if line.startswith(" ") else name)
    rooms = [folder for stage in ("miner", "trainer") for folder in (ROOT / stage).iterdir()]
    there = {f"{folder.parent.name}/{folder.name}/" for folder in rooms if (folder / "__init__.py").exists()}
    top = {"schemas/", "prompts/", "miner/", "trainer/", "cli.py", "cxr/", "tests/", "benchmarks/", "docs/"}
    assert said == there | top
    assert not [path for stage in ("miner", "trainer") for path in (ROOT / stage).glob("[!_]*.py")]


def test_the_demo_of_the_readme_is_what_it_prints(cxr: Cli) -> None:
    done = cxr("demo", COLUMNS="119")
    printed = _masked(" ".join(f"{done.stderr}\n{done.stdout}".split()))
    lines = re.split(r"\n|\.\.\.", _shown("unless you set that up.").partition("\n")[2])
    assert len(lines) > 50
    for line in lines:
        assert _masked(" ".join(line.split())) in printed, line


def _masked(text: str) -> str:
    """Leave out ids and versions, which change with every word of the reader."""
    return re.sub(r"\b(?=[0-9a-f]*\d)(?:[0-9a-f]{20}|[0-9a-f]{12})\b", "<digest>", text)
