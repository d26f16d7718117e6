"""The docs and the program agree: every command has help and stands in the docs, every link leads somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cxr.cli import app
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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
