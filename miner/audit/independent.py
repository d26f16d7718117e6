"""What can be said of chains that our reader mined and our reader judged: who shares that reader, and who does not."""

from cxr.miner.judge.rules import RulesJudge
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.audit")

_ENGINE = "rules"
ONE_READER = (
    "the rules engine and the rules judge share one reader: their mean factuality says that they agree, not that the "
    "report was read right"
)


def shares_one_reader(store: Store) -> bool:
    """Return whether the store shows a factuality that our judge gave to chains by our engine."""
    query = (
        "select count(*) from newest_chains join latest_scores using (chain_id) where engine = ? and judge = ? limit 1"
    )
    return store.count(query, [_ENGINE, RulesJudge.name]) > 0


def independent_share(store: Store) -> tuple[int, int, tuple[str, ...]]:
    """Return how much evidence other labelers labeled, how much of it none contradicts, and who they are.

    Nobody counts who gave the question its answer.
    """
    if not store.count("select count(*) from (select 1 from labels where labeler <> ? limit 1)", [LABELER]):
        return 0, 0, ()
    ((labeled, agreed, labelers),) = store.rows(_SQL["independent"], {"engine": _ENGINE, "ours": LABELER})
    return int(labeled), int(agreed), tuple(labelers or ())


def one_reader(store: Store) -> str:
    """Return the sentence that goes with a mean factuality of our chains by our judge; empty where there is none."""
    if not shares_one_reader(store):
        return ""
    labeled, agreed, labelers = independent_share(store)
    if not labeled:
        return ONE_READER
    share = f"{agreed:,} of {labeled:,} pieces of evidence ({100 * agreed / labeled:.1f} %)"
    return f"{ONE_READER}; independent of it, {share} are contradicted by no other labeler ({', '.join(labelers)})"
