"""Filter: the chains that are factual enough, and well reviewed where reviewed, as JSON Lines."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxr.miner.kit.errors import InputError
from cxr.miner.kit.jsonl import whole_path
from cxr.miner.score.settings import FilterSettings
from cxr.miner.store import Store

# A reviewed chain stays with at least this on every axis (paper, section 2, "RadRBench-CXR compilation").
MIN_REVIEW = 5.0

# The scores of every chain that was judged, once: the view behind them is a window over all scores.
_JUDGED = f"""
    create or replace temporary table judged as
    select chain_id, judge, judge_version, factuality, completeness, effectiveness, radrscore,
           factuality >= $least and chain_id not in (
               select chain_id from reviews where least(factuality, validity, completeness) < {MIN_REVIEW}) as is_kept
    from latest_scores
"""

_COUNTED = """
    select chains.task, count(*) filter (where is_kept) as kept, count(*) as chains,
           count(*) filter (where is_kept is null) as unscored,
           count(*) filter (where is_kept and licence = 'credentialed') as credentialed
    from {chains} as chains left join judged using (chain_id) left join studies using (study_id)
    group by chains.task order by chains.task
"""

_LINES = """
    select chain_id, question_id, chains.study_id, questions.corpus, questions.split, licence, chains.task,
           questions.text as question, options, questions.answer, answer_findings, plan, evidence, steps,
           chains.text as reasoning, engine, engine_version, model, judge, judge_version,
           factuality, completeness, effectiveness, radrscore
    from {chains} as chains join judged using (chain_id) join questions using (question_id)
    join studies on studies.study_id = chains.study_id
    where is_kept
    order by chains.study_id, chains.task, chain_id
"""


@dataclass(frozen=True)
class FilterResult:
    """How many chains there are per task, how many were kept, and how many no judge has scored yet."""

    kept: dict[str, tuple[int, int]]
    unscored: int
    credentialed: int
    judges: tuple[str, ...]


def filter_chains(store: Store, settings: FilterSettings, target: Path | None) -> FilterResult:
    """Keep chains whose latest score is factual enough; write them to `target` if one is given.

    Each question is there once, by its newest chain, unless `all_settings` asks for all.
    A line holds the study, question, answer, plan, evidence with its quotes, steps, scores and the licence tag.
    Raises InputError where the target cannot be written.
    """
    store.connection.execute(_JUDGED, {"least": settings.min_factuality})
    chains = "chains" if settings.all_settings else "current_chains"
    if target is not None:
        _write(store, _LINES.format(chains=chains), target)
    counted = store.rows(_COUNTED.format(chains=chains))
    judges = store.rows("select distinct judge || ' ' || judge_version from judged order by 1")
    return FilterResult(
        kept={task: (kept, chains) for task, kept, chains, _, _ in counted},
        unscored=sum(unscored for *_, unscored, _ in counted),
        credentialed=sum(credentialed for *_, credentialed in counted),
        judges=tuple(name for (name,) in judges),
    )


def _write(store: Store, lines: str, target: Path) -> None:
    with whole_path(target) as partial:
        place = str(partial).replace("'", "''")
        try:
            store.connection.execute(f"copy ({lines}) to '{place}' (format json)")
        except duckdb.IOException:
            raise InputError(f"{target} could not be written whole; check the space on its disk") from None
