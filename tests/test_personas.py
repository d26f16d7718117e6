"""Every kind of model server ends with the chains that its model gave, or with the sentence that its user needs.

Those that answer every request alike are met together, each with a question of its own; of the others some are met here
and all by `make personas`, which does the same with every command (TESTS_PERSONAS=all does it with pytest).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.personas import PERSONAS
from tests.personas.page import tables
from tests.personas.persona import Persona
from tests.personas.server import PersonaServer
from tests.personas.world import COMMANDS, World, make_world, mine

pytestmark = pytest.mark.usefixtures("no_waiting")

EVEN = tuple(persona for persona in PERSONAS if persona.is_even)
SOME = {
    "mine": (
        "gpt-5", "gpt-5-thinks-it-all-away", "o1-preview", "mistral", "deepseek", "vllm-gemma", "vllm-short-context",
        "groq-json-validate", "nothing-but-messages", "then-no-schema", "errs-once-no-tool-role", "ollama-cuts-context",
        "login-page", "gemini-bad-key", "sglang-gemma",
    ),
    "score": ("deepseek-deserializes", "lm-studio-overflow"),
    "predict": ("o1-preview", "vllm-no-images", "bad-key"),
}  # fmt: skip
MET = [
    pytest.param(command, persona, id=f"{command}-{persona.name}")
    for command in COMMANDS
    for persona in PERSONAS
    if os.environ.get("TESTS_PERSONAS") == "all" or persona.name in SOME[command]
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("personas"))


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[PersonaServer]:
    with PersonaServer(world.model) as made:
        yield made


@pytest.mark.parametrize(("command", "persona"), MET)
def test_a_command_ends_well_or_with_the_sentence_that_its_user_needs(
    command: str, persona: Persona, world: World, server: PersonaServer, tmp_path: Path
) -> None:
    outcome = COMMANDS[command](world, persona, server, tmp_path)
    assert outcome.fault is None, outcome.said


@pytest.mark.parametrize("half", [0, 1])
def test_every_chain_arrives_however_its_reply_is_worded_and_wrapped(
    half: int, world: World, server: PersonaServer, tmp_path: Path
) -> None:
    first, *others = EVEN[half::2]
    outcome = mine(world, first, server, tmp_path, *others)
    steps: dict[str, int] = {}
    for one in server.log.paid:
        steps[one.persona] = steps.get(one.persona, 0) + 1
    assert {name for name, paid in steps.items() if paid != 3} == set()
    assert outcome.fault is None, outcome.said


def test_personas_have_names_and_sources_of_their_own() -> None:
    assert len({persona.name for persona in PERSONAS}) == len(PERSONAS)
    assert len(PERSONAS) >= 110
    assert all(persona.source[0] in "DM" for persona in PERSONAS)
    assert {name for names in SOME.values() for name in names} <= {persona.name for persona in PERSONAS}


def test_the_page_on_servers_has_a_row_for_every_persona() -> None:
    assert tables() in (ROOT / "docs" / "servers.md").read_text(encoding="utf-8")
