"""Every kind of model server ends with the chains that its model gave, or with the sentence that its user needs."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr.miner.mine.job import load
from cxr.miner.store import Store
from tests.benchmarks_world import run_cxr, sql
from tests.corpora import write_openi
from tests.personas import PERSONAS
from tests.personas.model import KnowingModel
from tests.personas.persona import Persona
from tests.personas.server import PersonaServer

pytestmark = pytest.mark.usefixtures("no_waiting")

QUESTIONS = 24
FEW = 3
MOST_PROBES = 3
MOST_PAID_FOR_NOTHING = 12


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of questions, each in its own words, so that a model knows it by them."""
    folder = tmp_path_factory.mktemp("personas")
    write_openi(folder / "openi")
    for arguments in (("ingest", "openi", "openi"), ("ask", "--balance", "none")):
        assert run_cxr(folder, *arguments).returncode == 0
    sql(
        folder,
        "delete from questions where question_id not in (select min(question_id) from questions "
        f"where task <> 'anomaly' group by text order by 1 limit {QUESTIONS})",
    )
    return folder / "cxr.duckdb"


@pytest.fixture(scope="module")
def server(asked: Path) -> Iterator[PersonaServer]:
    with Store.read(asked) as store:
        model = KnowingModel(load(store, store.frame("select question_id from questions order by 1")))
    with PersonaServer(model) as made:
        yield made


@pytest.fixture
def folder(asked: Path, tmp_path: Path) -> Path:
    (tmp_path / "cxr.duckdb").write_bytes(asked.read_bytes())
    return tmp_path


def mine(folder: Path, url: str, persona: Persona) -> "subprocess.CompletedProcess[str]":
    limit = () if persona.sentence("mine") else ("--limit", str(FEW))
    words = ("mine", "--engine", "llm", "--model", persona.name, "--base-url", url)
    return run_cxr(folder, *words, *limit, *persona.options)


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_every_chain_that_a_model_gave_arrives(persona: Persona, server: PersonaServer, folder: Path) -> None:
    done = mine(folder, server.be(persona), persona)
    log, said = server.log, done.stderr + done.stdout
    assert len(log.probes) <= MOST_PROBES
    if (sentence := persona.sentence("mine")) is not None:
        assert done.returncode == 1, said
        assert re.search(sentence, said), said
        assert len(log.paid) <= MOST_PAID_FOR_NOTHING
    else:
        assert done.returncode == 0, said
        assert sql(folder, "select count(*) from chains") == [(FEW,)]
        assert len([one for one in log.paid if one.step in {"plan", "evidence", "chain"}]) == 3 * FEW
