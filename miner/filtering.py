"""Filter: the chains that are factual enough, and well reviewed where reviewed, as JSON Lines."""

import json
from dataclasses import dataclass
from pathlib import Path

from miner.errors import SettingsError
from miner.jsonl import whole_file
from miner.store import Store

# A reviewed chain stays with at least this on every axis (paper, section 2, "RadRBench-CXR compilation").
MIN_REVIEW = 5.0

_KEPT = f"""
    from chains join latest_scores using (chain_id) join questions using (question_id)
    join studies on studies.study_id = chains.study_id
    where factuality >= $least and chain_id not in (
        select chain_id from reviews where least(factuality, validity, completeness) < {MIN_REVIEW})
"""


@dataclass(frozen=True)
class FilterResult:
    """How many chains there are per task, how many were kept, and how many no judge has scored yet."""

    kept: dict[str, tuple[int, int]]
    unscored: int
    credentialed: int
    judges: tuple[str, ...]


def filter_chains(store: Store, min_factuality: float, target: Path | None) -> FilterResult:
    """Keep chains whose latest score has at least this factuality; write them to `target` if one is given.

    A line holds the study, question, answer, plan, evidence with its quotes, steps, scores and the licence tag.
    Raises SettingsError for a bound outside [0, 1].
    """
    if not 0 <= min_factuality <= 1:
        raise SettingsError(f"filter: --min-factuality {min_factuality} is no share; give a number from 0 to 1")
    least = {"least": min_factuality}
    if target is not None:
        _write(store, least, target)
    kept: dict[str, int] = dict(store.rows(f"select chains.task, count(*) {_KEPT} group by 1 order by 1", least))
    total: dict[str, int] = dict(store.rows("select task, count(*) from chains group by 1 order by 1"))
    return FilterResult(
        kept={task: (kept.get(task, 0), count) for task, count in total.items()},
        unscored=store.count("select count(*) from chains where chain_id not in (select chain_id from scores)"),
        credentialed=store.count(f"select count(*) {_KEPT} and licence = 'credentialed'", least),
        judges=tuple(
            name
            for (name,) in store.rows("select distinct judge || ' ' || judge_version from latest_scores order by 1")
        ),
    )


def _write(store: Store, least: dict[str, float], target: Path) -> None:
    rows = store.frame(
        f"""
        select chain_id, question_id, chains.study_id, questions.corpus, questions.split, licence, chains.task,
               questions.text as question, options, questions.answer, answer_findings, plan, evidence, steps,
               chains.text as reasoning, engine, engine_version, model, judge, judge_version,
               factuality, completeness, effectiveness, radrscore
        {_KEPT}
        order by chains.study_id, chains.task, chain_id
        """,
        dict(least),
    )
    with whole_file(target) as out:
        for row in rows.iter_rows(named=True):
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
