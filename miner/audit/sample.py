"""What people read to know who is right: disagreements between labelers, and ordinary chains, as JSON Lines."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cxr.miner.audit.judged import counted, judge_disagreements
from cxr.miner.audit.settings import AuditSettings
from cxr.miner.judge import Judge
from cxr.miner.kit.files import whole_file
from cxr.miner.kit.jsonl import json_line
from cxr.miner.kit.sql import read_sql
from cxr.miner.store import Store
from cxr.schemas.vocabulary import Licence

_SQL = read_sql("cxr.miner.audit")


@dataclass(frozen=True)
class Drawn:
    """How many lines of each kind were written, and how many of them hold credentialed text."""

    disagreements: int
    chains: int
    credentialed: int
    judged: tuple[tuple[object, ...], ...] = ()
    """Whom reports bear out, by labeler and by who decided it, where a judge was asked."""


def write_sample(store: Store, settings: AuditSettings, target: Path, judge: Judge | None = None) -> Drawn:
    """Write half disagreements and half chains, fewer where there are not enough; needs what `audit` made.

    A line has ids, findings and values; text of reports and chains only where it was asked for. A `judge` says of each
    disagreement whom the report bears out. Raises InputError where the target cannot be written, and what the judge
    raises.
    """
    most = settings.sample // 2
    apart = store.frame(_SQL["draw_disagreements"], {"seed": settings.seed, "most": most})
    chains = store.frame(_SQL["draw_chains"], {"seed": settings.seed, "most": settings.sample - most})
    lines = [*apart.to_dicts(), *chains.to_dicts()]
    if judge is not None:
        _judge(store, lines[: apart.height], judge)
    if settings.with_text:
        _add_texts(store, lines, apart, chains)
    with whole_file(target) as written:
        for line in lines:
            written.write(json_line(line))
    secret = sum(line["licence"] != Licence.PUBLIC for line in lines) if settings.with_text else 0
    return Drawn(apart.height, chains.height, secret, tuple(counted(lines)))


def _judge(store: Store, disagreements: list[dict[str, object]], judge: Judge) -> None:
    studies = list({line["study_id"] for line in disagreements})
    reports = dict(store.rows("select study_id, text from reports where list_contains(?, study_id)", [studies]))
    read = [line for line in disagreements if line["study_id"] in reports]
    for line, said in zip(read, judge_disagreements(read, reports, judge), strict=True):
        line.update(said._asdict())


def _add_texts(store: Store, lines: list[dict[str, object]], apart: pl.DataFrame, chains: pl.DataFrame) -> None:
    studies = list({*apart["study_id"], *chains["study_id"]})
    found = store.rows(_SQL["texts"], {"studies": studies, "chains": chains["chain_id"].to_list()})
    reports = {study: report for study, report, _, _ in found}
    reasonings = {chain: reasoning for _, _, chain, reasoning in found}
    for line in lines:
        line["report"] = reports.get(line["study_id"])
        if "chain_id" in line:
            line["reasoning"] = reasonings.get(line["chain_id"])
