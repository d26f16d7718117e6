"""`cxr demo`: the main job on a bundled corpus of invented studies, offline and in seconds."""

from importlib import resources
from pathlib import Path

from cxr.miner.ask.ask import ask
from cxr.miner.ask.settings import AskSettings
from cxr.miner.audit.independent import one_reader
from cxr.miner.ingest.csv.reader import read_csv_corpus
from cxr.miner.ingest.write.ingest import ingest
from cxr.miner.judge import RulesJudge
from cxr.miner.kit.console import out, progress, say, table
from cxr.miner.kit.sql import read_sql
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.mine.show import show_chain
from cxr.miner.score.filtering import filter_chains
from cxr.miner.score.score import score
from cxr.miner.score.settings import FilterSettings, ScoreSettings
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence

_SQL = read_sql("cxr.miner.demo")

COLUMNS = {
    "study_id": "uid",
    "indication": "indication",
    "comparison": "comparison",
    "findings": "findings",
    "impression": "impression",
}
# Every invented study counts: with 42 of them no finding can be called rare.
MIN_POSITIVES = 2


WORTH_TYPING = (
    "select task, count(*), avg(factuality) from factual_chains group by task",
    "select finding, presence, quotes from chain_evidence where kind = 'quoted' limit 10",
    "select step_no, text from chain_steps where task = 'anomaly' limit 8",
)


def run_demo(db: Path) -> None:
    """Ingest, ask, mine, score and filter the invented studies; a second run finds all of it done."""
    with resources.as_file(resources.files("cxr.miner.demo").joinpath("reports.csv")) as reports:
        with progress("ingest") as advance:
            ingested = ingest(db, lambda: read_csv_corpus(reports, COLUMNS, "demo", Licence.PUBLIC), advance)
        say(f"ingest  {ingested.sentence}")
    with Store.write(db) as store:
        asked = ask(store, AskSettings(seed=0, balance="strict", min_positives=MIN_POSITIVES))
        say(f"ask     {sum(asked.added.values()):,} questions added, {asked.existing:,} were there already")
        with progress("mine") as advance:
            mined = mine(store, RulesEngine(), MineSettings(engine="rules"), advance)
        say(f"mine    {mined.mined:,} chains by the rules engine, {mined.already:,} were there already")
        if mined.rejects:
            reasons = ", ".join(f"{count} {reason}" for reason, count in mined.rejects.items())
            say(f"        {sum(mined.rejects.values()):,} questions rejected: {reasons}")
        with progress("score") as advance:
            scored = score(store, RulesJudge(), ScoreSettings(judge="rules"), advance)
        say(f"score   {scored.scored:,} chains by judge {scored.judge}, {scored.already:,} were scored already")
    with Store.read(db) as store:
        kept = filter_chains(store, FilterSettings(), None)
        say(f"filter  {sum(kept for kept, _ in kept.kept.values()):,} chains are factual")
        say("")
        funnel = store.frame(_SQL["funnel"])
        out().print(table("Invented studies, from reports to factual chains", funnel.columns, funnel.rows()))
        say(f"{one_reader(store)}\n")
        ((chain_id,),) = store.rows(_SQL["worth_showing"])
        for part in show_chain(store, chain_id, verdicts=False):
            out().print(part)
    say("")
    say("Worth typing next:")
    for query in WORTH_TYPING:
        say(f'  cxr sql --db {db} "{query}"')
