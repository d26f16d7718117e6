"""Every kind of model server ends with the chains that its model gave, or with the sentence that its user needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.personas import PERSONAS
from tests.personas.persona import Persona
from tests.personas.server import PersonaServer
from tests.personas.world import COMMANDS, World, make_world

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("personas"))


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[PersonaServer]:
    with PersonaServer(world.model) as made:
        yield made


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_every_chain_that_a_model_gave_arrives(
    persona: Persona, world: World, server: PersonaServer, tmp_path: Path
) -> None:
    outcome = COMMANDS["mine"](world, persona, server, tmp_path)
    assert outcome.fault is None, outcome.said
