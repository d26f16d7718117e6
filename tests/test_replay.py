"""GPT-4o's recorded plans and chains on OpenI, served by the scripted server and mined end to end.

Its quotes were never recorded: the evidence replies come from the rules judge, so planned findings on which it finds
nothing in the report are inferred normal. The recorded answers are free text ("mild pulmonary atelectasis at left lung
base"), so each record becomes a question about its own findings.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Store
from tests.replaying import Replay, questions


@pytest.fixture(scope="module")
def records(shared: Path) -> list[dict[str, Any]]:
    path = shared / "gold" / "openi_gpt4o_mined.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_recorded_chains_are_mined_end_to_end(records: list[dict[str, Any]], tmp_path: Path) -> None:
    """Prints how many of GPT-4o's chains pass our checks, how many are factual, and why the rest are not (`-s`)."""
    asked = questions(records)
    db = tmp_path / "replay.duckdb"
    with Store.write(db, create=True) as store:
        _fill(store, asked)
    with Replay(asked) as server:
        result = mine_llm(
            db,
            MineSettings.resolve(db, engine="llm", model="gpt-4o-replayed", base_url=server.url, price="2.5,10"),
        )
    assert result.mined + sum(result.rejects.values()) == len(asked) == len(records)
    with Store.write(db) as store:
        score(store, RulesJudge(), ScoreSettings.resolve(db), lambda _done, _total: None)
        ((scored, mean, factual),) = store.rows(
            "select count(*), avg(factuality), count(*) filter (where factuality >= 1) from scores"
        )
        wrong = Counter(
            verdict
            for (verdict,) in store.rows("select verdict from findings where origin = 'chain' and factual = false")
        )
        steps = Counter(
            message.partition(" step")[0] if " step: " in message else reason
            for reason, message in store.rows("select reason, message from rejects")
        )
    print(
        f"\n{len(records)} recorded questions: {result.mined} chains pass our checks, rejects {result.rejects} "
        f"(found at {dict(steps)}); factuality {mean:.3f} on average, {factual} of {scored} factual; "
        f"findings that are not: {dict(wrong)}"
    )
    # What was measured when this was written, with room for a language layer that changes.
    assert result.mined >= len(records) * 0.3
    assert mean > 0.6


def _fill(store: Store, asked: list[Any]) -> None:
    reports = {item.report.study_id: item.report for item in asked}
    store.insert("studies", pl.DataFrame({"study_id": list(reports), "corpus": "openi", "licence": "public"}))
    store.insert(
        "reports",
        pl.DataFrame(
            {
                "study_id": list(reports),
                "text": [report.text for report in reports.values()],
                "sections": [[section.model_dump() for section in report.sections] for report in reports.values()],
            }
        ),
    )
    rows = [item.question.model_dump(mode="json") | {"corpus": "openi"} for item in asked]
    store.insert("questions", pl.DataFrame(rows, infer_schema_length=None))
