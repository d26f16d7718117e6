"""From phantoms to training data, by the same functions that work on real corpora: ingest, ask, mine, score, export."""

from dataclasses import dataclass
from pathlib import Path

from cxr.miner.ask.ask import ask
from cxr.miner.ask.settings import AskSettings
from cxr.miner.benchmark.compile import compile_benchmark
from cxr.miner.benchmark.settings import BenchSettings, Existing, Targets
from cxr.miner.export.export import export
from cxr.miner.export.settings import ExportSettings
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.judge import RulesJudge
from cxr.miner.kit.parallel import quiet
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence, Task
from cxr.trainer.phantom.corpus import NAME, PhantomCorpus

ONE_STUDY = (Task.BINARY, Task.SINGLE, Task.MULTIPLE)


@dataclass(frozen=True)
class PhantomExports:
    """Where the store, the benchmark and its two exports lie."""

    store: Path
    benchmark: Path
    sft: Path
    grpo: Path

    @classmethod
    def inside(cls, folder: Path) -> "PhantomExports":
        """Return where they lie in a folder."""
        return cls(folder / "phantom.duckdb", folder / "benchmark", folder / "sft", folder / "grpo")


def make_exports(corpus: PhantomCorpus, folder: Path, targets: Targets, *, seed: int = 0) -> PhantomExports:
    """Ingest phantoms, ask, mine, score, compile to `targets` and export for SFT and GRPO, into `folder`.

    Templated reports repeat one another from patient to patient, and the pictures do not: so shared words put no study
    out (duplicates "both"), which would be wrong for real reports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = PhantomExports.inside(folder)
    ingest(made.store, lambda: read_csv_corpus(corpus.csv, {}, NAME, Licence.PUBLIC), quiet)
    with Store.write(made.store) as store:
        ask(store, AskSettings(tasks=ONE_STUDY, seed=seed))
        if corpus.pairs:
            ask(store, AskSettings(tasks=(Task.TEMPORAL,), source="report", seed=seed))
        mine(store, RulesEngine(), MineSettings(engine="rules"), quiet)
        score(store, RulesJudge(), ScoreSettings(judge="rules"), quiet)
        settings = BenchSettings(seed=seed, targets=targets, duplicates="both", max_images=1)
        compile_benchmark(store, made.benchmark, settings, Existing.REPLACE, quiet)
        for name, place in (("sft", made.sft), ("grpo", made.grpo)):
            export(store, made.benchmark, str(place), name, ExportSettings(seed=seed), Existing.REPLACE, advance=quiet)
    return made
