"""Filter: the chains that are factual enough, and well reviewed where reviewed, as JSON Lines."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxr.miner.kit.errors import InputError
from cxr.miner.kit.jsonl import whole_path
from cxr.miner.kit.sql import read_sql
from cxr.miner.score.settings import FilterSettings
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.score")

# A reviewed chain stays with at least this on every axis (paper, section 2, "RadRBench-CXR compilation").
MIN_REVIEW = 5.0


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
    chains = "chains" if settings.all_settings else "current_chains"
    store.connection.execute(_SQL["judged"], {"least": settings.min_factuality, "least_review": MIN_REVIEW})
    if target is not None:
        _write(store, chains, target)
    counted = store.rows(_SQL["counted"], {"chains": chains})
    judges = store.rows("select distinct judge || ' ' || judge_version from judged order by 1")
    return FilterResult(
        kept={task: (kept, chains) for task, kept, chains, _, _ in counted},
        unscored=sum(unscored for *_, unscored, _ in counted),
        credentialed=sum(credentialed for *_, credentialed in counted),
        judges=tuple(name for (name,) in judges),
    )


def _write(store: Store, chains: str, target: Path) -> None:
    with whole_path(target) as partial:
        try:
            store.connection.execute(_SQL["write_kept_chains"], {"chains": chains, "target": str(partial)})
        except duckdb.IOException:
            raise InputError(f"{target} could not be written whole; check the space on its disk") from None
