"""Filter: the chains that are factual enough, and well reviewed where reviewed, as JSON Lines."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.files import whole_path
from cxr.miner.kit.settings import nearest
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.labeler import LABELER
from cxr.miner.score.reviews import review_notes
from cxr.miner.score.settings import FilterSettings
from cxr.miner.store import Store

_SQL = read_sql("cxr.miner.score")


@dataclass(frozen=True)
class FilterResult:
    """How many chains there are per task, how many were kept, and how many no judge has scored yet."""

    kept: dict[str, tuple[int, int]]
    unscored: int
    credentialed: int
    judges: tuple[str, ...]
    repeated: int = 0
    """Chains that were left out although they are factual: they say nearly what another one says."""
    contradicted: int = 0
    """Chains that were left out although they are factual: a named labeler contradicts their evidence."""
    notes: tuple[str, ...] = ()
    """What readers' reviews left out, and which of them do not count, as sentences."""


def filter_chains(store: Store, settings: FilterSettings, target: Path | None) -> FilterResult:
    """Keep chains whose latest score is factual enough; write them to `target` if one is given.

    Each question is there once, by its newest chain, unless `all_settings` asks for all.
    A line holds the study, question, answer, plan, evidence with its quotes, steps, scores and the licence tag.
    Raises InputError where the target cannot be written.
    """
    chains = "chains" if settings.all_settings else "current_chains"
    _demand_labels(store, settings.agree)
    store.connection.execute(_SQL["contradicted"], {"agree": list(settings.agree)})
    least = {"least": settings.min_factuality, "least_review": settings.min_review}
    store.connection.execute(_SQL["judged"], least)
    repeated = 0
    if settings.drop_duplicates:
        store.connection.execute(_SQL["repeated"], {"chains": chains})
        store.connection.execute(_SQL["leave_out_repeated"])
        repeated = store.count("select count(*) from repeated")
    if target is not None:
        _write(store, chains, target)
    counted = store.rows(_SQL["counted"], {"chains": chains})
    contradicted = store.count(_SQL["lost_to_labelers"], {"chains": chains, "least": settings.min_factuality})
    lost = store.count(_SQL["lost_to_readers"], {"chains": chains, **least})
    below = f"to which a reader gave less than {settings.min_review:g} on an axis"
    poor = [f"{lost:,} factual chains were left out, {below}"] if lost else []
    judges = store.rows("select distinct judge || ' ' || judge_version from judged order by 1")
    return FilterResult(
        kept={task: (kept, chains) for task, kept, chains, _, _ in counted},
        unscored=sum(unscored for *_, unscored, _ in counted),
        credentialed=sum(credentialed for *_, credentialed in counted),
        judges=tuple(name for (name,) in judges),
        contradicted=contradicted,
        repeated=repeated,
        notes=(*poor, *review_notes(store)),
    )


def _demand_labels(store: Store, labelers: tuple[str, ...]) -> None:
    """Raise SettingsError where a labeler is our own reader, or labeled nothing in the store."""
    known = [name for (name,) in store.rows("select distinct labeler from labels order by 1") if name != LABELER]
    for name in labelers:
        if name not in known:
            why = "is our own reader, which mined them" if name == LABELER else "labeled nothing in this store"
            there = ", ".join(known) or "nobody"
            raise SettingsError(f"filter: --agree {name!r} {why}; other labelers in it: {there}{nearest(name, known)}")


def _write(store: Store, chains: str, target: Path) -> None:
    with whole_path(target) as partial:
        try:
            store.connection.execute(_SQL["write_kept_chains"], {"chains": chains, "target": str(partial)})
        except duckdb.IOException:
            raise InputError(f"{target} could not be written whole; check the space on its disk") from None
