"""What personas are met with: a store of questions, one with chains, a benchmark, and three commands."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cxr.miner.mine.job import load
from cxr.miner.store import Store
from tests.benchmarks_world import make_store, run_cxr, sql
from tests.corpora import INVENTED
from tests.personas.model import ANSWER, STEPS, KnowingModel
from tests.personas.persona import FEW, Persona
from tests.personas.server import Log, PersonaServer
from tests.prediction_world import lines, write_picture

MOST_PROBES = 3
MOST = 20
"""Questions where nothing can come of them."""
MOST_PAID_FOR_NOTHING = 12
MORE = 8
"""Chains or samples likewise: a run is stopped after five failures."""


@dataclass(frozen=True)
class World:
    """Where everything lies."""

    folder: Path

    @property
    def model(self) -> KnowingModel:
        """A model that knows the questions of the store."""
        with Store.read(self.folder / "asked.duckdb") as store:
            return KnowingModel(load(store, store.frame("select question_id from questions order by 1")))


def make_world(folder: Path) -> World:
    """Ask questions of a few invented studies; those are kept that a good model can answer, one of each wording."""
    corpus = [
        {
            "study_id": f"s{number}",
            "findings": findings,
            "impression": impression,
            "split": "test",
            "image": f"images/{number}.png",
        }
        for number, (findings, impression) in enumerate(INVENTED)
    ]
    for number, row in enumerate(corpus):
        write_picture(folder / row["image"], number)
    db = make_store(folder, corpus, mined=False)
    targets = ("--only", "--images", "optional", "--target", f"test.answer_only={MORE}")
    assert run_cxr(folder, "bench", "compile", "bench", *targets).returncode == 0
    shutil.copy(db, folder / "unmined.duckdb")
    assert run_cxr(folder, "mine").returncode in {0, 4}
    answered = "select min(question_id) from questions semi join chains using (question_id) where task <> 'anomaly'"
    kept = [key for (key,) in sql(folder, f"{answered} group by text")]
    shutil.copy(folder / "unmined.duckdb", db)
    sql(folder, f"delete from questions where question_id not in ({', '.join(map(repr, kept))})")
    shutil.copy(db, folder / "asked.duckdb")
    for name, more in (("few", FEW), ("more", MORE - FEW)):
        assert run_cxr(folder, "mine", "--limit", str(more)).returncode == 0
        shutil.copy(db, folder / f"{name}.duckdb")
    return World(folder)


@dataclass(frozen=True)
class Outcome:
    """How one command ended with one persona."""

    persona: Persona
    command: str
    code: int
    said: str
    log: Log
    made: int
    """Chains, scores or predictions that arrived."""
    wanted: int
    """How many there could be."""

    @property
    def fault(self) -> str | None:
        """Return what is wrong with it, None where all is well."""
        if len(self.log.probes) > MOST_PROBES:
            return f"{len(self.log.probes)} requests only to try the server"
        sentence = self.persona.sentence(self.command)
        if sentence is not None and not (self.persona.may_succeed and self.made == self.wanted):
            return self._stopped_otherwise(sentence)
        if self.made != self.wanted or self.code != 0:
            return f"{self.made} of {self.wanted} arrived, exit {self.code}: {self._last}"
        needed = self.needed + self.persona.may_pay_more
        paid = len(self.log.paid) - len([one for one in self.log.probes if one.status == 200])
        if self.needed and paid > needed:
            return f"{paid} paid requests where {needed} are needed"
        return None

    @property
    def needed(self) -> int:
        """How many replies the command needs; 0 where it depends on what the judge finds."""
        return {"mine": (len(STEPS) - 1) * self.wanted, "predict": self.wanted}.get(self.command, 0)

    def _stopped_otherwise(self, sentence: str) -> str | None:
        # An output is kept as it is, with a word to the user.
        if self.code == 0 and self.command != "predict":
            return f"ended well, with {self.made}"
        if not re.search(sentence, self.said, re.IGNORECASE | re.DOTALL):
            return f"does not say {sentence!r}: {self._last}"
        if self.persona.then is None and len(self.log.paid) > MOST_PAID_FOR_NOTHING:
            return f"{len(self.log.paid)} paid requests for nothing"
        return None

    @property
    def _last(self) -> str:
        return " / ".join(self.said.strip().splitlines()[-2:])[:400]


def _store(world: World, name: str, persona: Persona, folder: Path) -> None:
    """Give the folder a copy of a store, and the settings that the persona's user would write."""
    shutil.copy(world.folder / f"{name}.duckdb", folder / "cxr.duckdb")
    if persona.api != "openai":
        tables = (f'[{command}]\napi = "{persona.api}"\n' for command in COMMANDS)
        (folder / "cxr.toml").write_text("".join(tables))


def mine(world: World, persona: Persona, server: PersonaServer, folder: Path, *others: Persona) -> Outcome:
    """Mine a few questions, or many where nothing can come of it; one for each persona where there are several."""
    _store(world, "asked", persona, folder)
    limit = len(others) + 1 if others else MOST if persona.sentence("mine") else FEW
    done = run_cxr(
        folder, "mine", "--engine", "llm", "--model", persona.name, "--base-url", server.be(persona, *others),
        "--limit", str(limit),

    )  # fmt: skip
    made: int = sql(folder, "select count(*) from chains")[0][0]
    return Outcome(persona, "mine", done.returncode, done.stderr + done.stdout, server.log, made, limit)


def score(world: World, persona: Persona, server: PersonaServer, folder: Path) -> Outcome:
    """Score a few chains."""
    limit = MORE if persona.sentence("score") else FEW
    _store(world, "few" if limit == FEW else "more", persona, folder)
    done = run_cxr(
        folder, "score", "--judge", "llm", "--judge-model", persona.name, "--base-url", server.be(persona),
    )  # fmt: skip
    made: int = sql(folder, "select count(*) from scores")[0][0]
    return Outcome(persona, "score", done.returncode, done.stderr + done.stdout, server.log, made, limit)


def predict(world: World, persona: Persona, server: PersonaServer, folder: Path) -> Outcome:
    """Ask a few samples of a benchmark."""
    _store(world, "asked", persona, folder)
    limit = MORE if persona.sentence("predict") else FEW
    done = run_cxr(
        folder, "predict", world.folder / "bench", "--model", persona.name, "--base-url", server.be(persona),
        "-o", "out.jsonl", "--cache", "out.replies", "--db", "cxr.duckdb", "--image-root", world.folder,
        "--limit", str(limit),
    )  # fmt: skip
    out = folder / "out.jsonl"
    texts = [str(line["text"]) for line in lines(out) if line["text"]] if out.exists() else []
    made = sum(ANSWER.partition("<answer>")[2] in text for text in texts)
    return Outcome(persona, "predict", done.returncode, done.stderr + done.stdout, server.log, made, limit)


COMMANDS: dict[str, Callable[[World, Persona, PersonaServer, Path], Outcome]] = {
    "mine": mine,
    "score": score,
    "predict": predict,
}


def table(outcomes: list[Outcome]) -> pl.DataFrame:
    """Return a line for every outcome."""
    return pl.DataFrame(
        {
            "persona": [one.persona.name for one in outcomes],
            "command": [one.command for one in outcomes],
            "exit": [int(one.code) for one in outcomes],
            "made": [one.made for one in outcomes],
            "probes": [len(one.log.probes) for one in outcomes],
            "paid": [len(one.log.paid) for one in outcomes],
            "refused": [len(one.log.refused) for one in outcomes],
            "fault": [one.fault or "" for one in outcomes],
        }
    )
