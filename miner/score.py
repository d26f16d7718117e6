"""Score: RadRScore of every chain against its report, with its own evidence as the reference reasoning.

A mined chain *is* the reference reasoning of its question, so there is no second one to compare it with. What
it must be true to is the evidence it was made from: E_pred are the findings of the chain's text, E_ref those
of its evidence. Factuality then says whether the report supports the chain, completeness whether the chain
tells all of the evidence, and effectiveness whether it tells nothing beside it (design.md, "RadRScore").
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from miner.judge import Judge
from miner.judge.radrscore import ScoredReasoning, score_reasoning
from miner.mine import BATCH
from miner.settings import ScoreSettings
from miner.store import Run, Store
from schemas.finding import Finding, JudgedFinding


@dataclass
class ScoreResult:
    """What `cxr score` did, and the means over all chains that this judge has scored."""

    scored: int = 0
    already: int = 0
    judge: str = ""
    means: tuple[tuple[str, int, float, float, float, float], ...] = ()


def score(store: Store, judge: Judge, settings: ScoreSettings, advance: Callable[[int, int], None]) -> ScoreResult:
    """Score every chain that this version of the judge has not scored; `advance(done, total)` after each batch."""
    todo = store.frame(
        "select chain_id from chains where chain_id not in "
        "(select chain_id from scores where judge = ? and judge_version = ?) order by study_id, chain_id",
        [judge.name, judge.version],
    )
    result = ScoreResult(judge=f"{judge.name} {judge.version}")
    result.already = store.count("select count(*) from chains") - todo.height
    if todo.height:
        recorded = settings.model_dump(mode="json") | {"judge": judge.name, "judge_version": judge.version}
        with store.run("score", recorded) as run:
            for batch in todo.iter_slices(BATCH):
                result.scored += _score_batch(store, judge, batch, run)
                advance(result.scored, todo.height)
    result.means = tuple(
        store.rows(
            "select task, count(*), avg(factuality), avg(completeness), avg(effectiveness), avg(radrscore) "
            "from scores join chains using (chain_id) where judge = ? and judge_version = ? "
            "group by task order by task",
            [judge.name, judge.version],
        )
    )
    return result


def _score_batch(store: Store, judge: Judge, batch: pl.DataFrame, run: Run) -> int:
    store.replace_temporary("batch", batch.with_row_index("place"))
    rows = store.frame(
        "select chain_id, chains.text, list_transform(evidence, lambda e: e.statement) as statements, "
        "reports.text as report from batch join chains using (chain_id) join reports using (study_id) order by place"
    )
    scores: list[dict[str, object]] = []
    findings: list[dict[str, object]] = []
    for row in rows.iter_rows(named=True):
        scored = score_reasoning(row["text"], " ".join(row["statements"]), row["report"], judge)
        key = {"chain_id": row["chain_id"], "judge": judge.name, "judge_version": judge.version, "run_id": run.run_id}
        scores.append(key | _score_row(scored))
        findings += [key | finding for finding in _finding_rows(scored)]
    with store.transaction():
        store.insert("findings", pl.DataFrame(findings, infer_schema_length=None))
        run.rows_written += store.insert("scores", pl.DataFrame(scores, infer_schema_length=None))
    return len(scores)


def _score_row(scored: ScoredReasoning) -> dict[str, object]:
    factual = [judged.factual for judged in scored.prediction]
    return {
        "factuality": scored.score.factuality,
        "completeness": scored.score.completeness,
        "effectiveness": scored.score.effectiveness,
        "radrscore": scored.score.radrscore,
        "n_findings": sum(flag is not None for flag in factual),
        "n_factual": sum(flag is True for flag in factual),
        "n_not_assessable": sum(flag is None for flag in factual),
        "n_reference": len(scored.reference),
        "n_recalled": sum(scored.recalled),
        "n_effective": sum(flag is True for flag in scored.effective),
    }


def _finding_rows(scored: ScoredReasoning) -> list[dict[str, object]]:
    predicted = [
        _finding_row("chain", number, judged.finding) | _verdict_row(judged) | {"effective": effective}
        for number, (judged, effective) in enumerate(zip(scored.prediction, scored.effective, strict=True), start=1)
    ]
    expected = [
        _finding_row("evidence", number, finding) | {"recalled": recalled}
        for number, (finding, recalled) in enumerate(zip(scored.reference, scored.recalled, strict=True), start=1)
    ]
    return predicted + expected


def _finding_row(origin: str, number: int, finding: Finding) -> dict[str, object]:
    return {
        "origin": origin,
        "finding_no": number,
        "observation": finding.observation,
        "status": finding.status,
        "normal_forms": [form.model_dump(mode="json") for form in finding.normal_forms],
        "start": finding.span.start if finding.span else None,
        "end": finding.span.end if finding.span else None,
    }


def _verdict_row(judged: JudgedFinding) -> dict[str, object]:
    return {
        "verdict": str(judged.verdict),
        "factual": judged.factual,
        "reason": judged.reason,
        "extra_detail": judged.extra_detail,
        "evidence": [quote.model_dump(mode="json") for quote in judged.evidence],
    }
