"""Engines turn a question and its report into plan, evidence and chain: `rules` at once, `llm` by asking a server.

A new engine is a file with a class and its runner, and a line in `ENGINES` (CONTRIBUTING.md, "An engine").
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cxr.miner.kit.doors import Door
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan
from cxr.schemas.study import Report

if TYPE_CHECKING:
    from rich.table import Table

    from cxr.miner.mine.job import MineResult
    from cxr.miner.mine.settings import MineSettings


class EngineRunner(Protocol):
    """How an engine is run over a store; `cxr mine` calls nothing else."""

    @property
    def version(self) -> str:
        """The version of the engine: chains of another one are by an older engine."""

    def mine(self, db: Path, settings: "MineSettings") -> "MineResult":
        """Mine every question that this engine, with these settings, has neither answered nor rejected."""

    def mine_in_batches(self, db: Path, settings: "MineSettings") -> "MineResult":
        """Send what is missing as batches; raises SettingsError where the engine knows none."""

    def estimate(self, db: Path, settings: "MineSettings") -> "list[Table]":
        """Return what is expected to be spent, as tables; raises SettingsError where the engine spends nothing."""


ENGINES: Door[EngineRunner] = Door(
    "engine", {"rules": "cxr.miner.mine.engines.rules:RUNNER", "llm": "cxr.miner.mine.many:RUNNER"}
)

check_name = ENGINES.check


class Described(Protocol):
    """What every engine says of itself."""

    @property
    def name(self) -> str:
        """The engine's name as it stands beside every chain."""

    @property
    def version(self) -> str:
        """Changes whenever a chain may change: a digest of the code and data that decide."""

    def settings(self) -> dict[str, object]:
        """Return everything that can change the output: it is hashed into the chain ids and kept in `runs`."""


class Engine(Described, Protocol):
    """Three steps, each a function of the ones before; a step that cannot be done raises `MiningReject`."""

    def plan(self, question: Question, report: Report) -> Plan:
        """Return what to look for, with one item for every finding of the question."""

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Return at least one piece of evidence for every planned finding, quoting the report where it speaks."""

    def chain(self, question: Question, plan: Plan, evidence: tuple[Evidence, ...], report: Report) -> Chain:
        """Return the reasoning that leads from the evidence to the question's answer."""


class Reasoning(NamedTuple):
    """What an engine makes of one question."""

    plan: Plan
    evidence: tuple[Evidence, ...]
    chain: Chain
