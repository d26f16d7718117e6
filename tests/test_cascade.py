"""The judge of two tiers: what is sure stays with the rules, the rest is asked once a report, and all of it is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.cascade import FILE, Read, held_out, measured, sureness_of, written
from cxr.miner.judge import RulesJudge
from cxr.miner.judge.settings import JudgeSettings
from cxr.miner.judge.sureness import Kind, Mark, kind_of, load_weights, marks_of, sureness
from cxr.miner.kit.errors import BudgetReached, PolicyError, SettingsError
from cxr.miner.mine.engines.rules import RulesEngine
from cxr.miner.mine.job import mine
from cxr.miner.mine.settings import MineSettings
from cxr.miner.score.score import score_chains
from cxr.miner.score.settings import ScoreSettings
from cxr.miner.store import Store
from cxr.schemas import Finding
from cxr.trainer.reward.process import ProcessReward
from cxr.trainer.reward.protocol import RewardRun
from tests.conftest import Cli
from tests.judge_world import verdict, verdicts
from tests.scripted_server import Act, Fail, ScriptedServer
from tests.synthetic import write_store

pytestmark = pytest.mark.usefixtures("no_waiting")

REPORT = "FINDINGS: The heart is mildly enlarged. There is a left pleural effusion. No pneumothorax."
SURE = ("pleural effusion", "present"), ("pneumothorax", "not present")
# More than the report says, and something that nobody knows.
DOUBTFUL = ("small left pleural effusion", "present"), ("blorfic mottling of the spleen", "present")


def claims(request: dict[str, Any]) -> list[str]:
    block = re.search(r"<<<FINDINGS.*?>>>\n(.*?)\n<<<END", request["messages"][-1]["content"], re.DOTALL)
    assert block
    return [line.partition(". ")[2] for line in block[1].splitlines()]


def second(request: dict[str, Any]) -> Act:
    """Refuse the detail, and agree with silence."""
    return verdicts(
        *(
            verdict(number, "contradicted", "There is a", reason="the size is not said")
            if "effusion" in claim
            else verdict(number, "unmentioned_abnormal")
            for number, claim in enumerate(claims(request), start=1)
        )
    )


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(second) as made:
        yield made


def judged(observation: str, status: str, report: str = REPORT) -> tuple[float, Kind, set[Mark]]:
    (answer,) = RulesJudge().verdicts(report, [Finding(observation=observation, status=status)])
    return sureness(report, answer), kind_of(answer), set(marks_of(report, answer))


def test_what_is_stated_is_sure_and_what_adds_hedges_or_is_not_known_is_less() -> None:
    stated, kind, _ = judged(*SURE[0])
    assert kind is Kind.STATED
    detail, kind, _ = judged(*DOUBTFUL[0])
    assert kind is Kind.DETAIL
    unknown, _, _ = judged(*DOUBTFUL[1])
    least = load_weights().levels
    assert stated > least["many"] > least["usual"] > detail > least["few"] > unknown == 0.0
    several, _, marks = judged("pneumonia, fracture and edema", "absent")
    assert Mark.SEVERAL in marks
    assert several < judged("pneumonia", "absent")[0]
    # The report has words of the finding in one sentence, and yet the rules say that it does not speak of it.
    echoed = judged("pleural calcification", "present", "FINDINGS: Calcification of the aorta. No pleural effusion.")
    assert echoed[1] is Kind.SILENT_ABNORMAL
    assert Mark.ECHOED in echoed[2]


def test_nothing_is_sure_of_a_report_that_was_not_understood() -> None:
    strange = "FINDINGS: Wibbled groftings of the left snarp. Torvic plenches. A brandled quorf. No pneumothorax."
    assert judged("pneumothorax", "not present", strange)[0] == 0.0
    assert judged("pneumothorax", "not present")[0] > 0.98


def test_doubtful_findings_of_a_line_are_asked_in_one_request_and_told(
    cxr: Cli, tmp_path: Path, server: ScriptedServer
) -> None:
    given = [{"observation": observation, "status": status} for observation, status in (*SURE, *DOUBTFUL)]
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "a", "report": REPORT, "findings": given}) + "\n")
    options = ("--judge", "cascade", "--judge-model", "m", "--base-url", server.url, "--price", "1,1")
    done = cxr("judge", "in.jsonl", "-o", "out.jsonl", *options)
    assert done.returncode == 0, done.stderr
    assert [claims(request) for request in server.requests] == [[f"{one}: {status}" for one, status in DOUBTFUL]]
    assert "2 of 4 findings (50.0%) were less sure than 0.96 and asked of m, which changed 1 verdicts, 1 of them" in (
        done.stderr
    )
    assert "1 calls, 0 from the cache, 110 tokens, $0.0001" in done.stderr
    (line,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert line["judge"]["name"] == "cascade"
    first = [one["first_verdict"] for one in line["findings"]]
    assert first == [None, None, "supported", "unmentioned_abnormal"]
    assert [one["verdict"] for one in line["findings"]][2:] == ["contradicted", "unmentioned_abnormal"]
    # Where both say the same, the reason is the rules' own, which can be counted.
    assert line["findings"][3]["reason"] == "not_mentioned"
    assert line["findings"][2]["reason"] == "the size is not said"
    assert cxr("judge", "in.jsonl", "-o", "again.jsonl", *options).returncode == 0
    assert server.received == 1  # from the cache


@pytest.mark.parametrize(("sure", "asked"), [("0", 0), ("few", 1), ("0.97", 2), ("1", 4)])
def test_sureness_is_a_level_or_a_number(
    cxr: Cli, tmp_path: Path, server: ScriptedServer, sure: str, asked: int
) -> None:
    given = [{"observation": one, "status": status} for one, status in (*SURE, *DOUBTFUL)]
    (tmp_path / "in.jsonl").write_text(json.dumps({"report": REPORT, "findings": given}) + "\n")
    options = ("--judge", "cascade", "--judge-model", "m", "--base-url", server.url, "--sure", sure)
    assert cxr("judge", "in.jsonl", "-o", "out.jsonl", *options).returncode == 0
    assert server.received == min(asked, 1)
    if asked:
        assert len(claims(server.requests[0])) == asked


def test_what_cannot_be_is_said_before_anything_is_sent(cxr: Cli, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    options = ("judge", "in.jsonl", "-o", "out.jsonl", "--judge", "cascade", "--judge-model", "m")
    for more, code, sentence in (
        (("--sure", "very"), 2, "expected few (0.9), usual (0.96), many (0.98), or a number from 0 to 1"),
        (("--sure", "1.2"), 2, "less than or equal to 1"),
        (("--entailment", "radiologist"), 2, "both have to judge by the same rubric"),
        (("--base-url", "https://models.invalid/v1"), 1, "may not be sent to models.invalid"),
    ):
        done = cxr(*options, *more, OPENAI_API_KEY="k")
        assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr


def test_each_level_and_model_has_a_version_of_its_own() -> None:
    settings = [JudgeSettings(judge="cascade", model="m", sure=sure) for sure in ("few", 0.9, "many")]
    assert [one.sure for one in settings] == [0.9, 0.9, 0.98]
    with pytest.raises(SettingsError):
        JudgeSettings.resolve(Path("x.duckdb"), sure="nobody")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Six studies with a chain each, and a second chain of each that says another size."""
    db = write_store(tmp_path / "cxr.duckdb", 6)
    with Store.write(db) as opened:
        mine(opened, RulesEngine(), MineSettings(), lambda *_: None)
        opened.connection.execute(
            "insert into chains select * replace (chain_id || '-2' as chain_id, 'other' as engine, "
            "'There is a small left pleural effusion. There is a large hiatal hernia. So yes.' as text) from chains"
        )
        opened.connection.execute(
            "update chains set text = 'There is a small left pleural effusion at the apex. So yes.' "
            "where engine <> 'other'"
        )
    return db


def test_score_asks_once_a_report_stores_what_changed_and_pays_nothing_twice(
    cxr: Cli, store: Path, server: ScriptedServer
) -> None:
    command = ("score", "--judge", "cascade", "--judge-model", "m", "--base-url", server.url, "--sure", "0.99")
    stopped = cxr(*command, "--max-calls", "2", "--concurrency", "1")
    assert stopped.returncode == 3, stopped.stderr
    assert server.received == 2
    done = cxr(*command, "--concurrency", "4")
    assert done.returncode == 0, done.stderr
    assert server.received == 6  # reports, not chains
    assert "less sure than 0.99 and asked of m" in done.stderr
    with duckdb.connect(str(store), read_only=True) as opened:
        assert opened.execute("select count(*) from scores where judge = 'cascade'").fetchall() == [(12,)]
        ((findings, asked, changed, turned),) = opened.execute(
            "select findings, asked, changed, turned from second_judgements"
        ).fetchall()
        assert findings > asked >= 12
        assert changed == turned > 0
        assert opened.execute(
            "select count(*) from findings where first_verdict is null and sureness < 0.99 and verdict is not null"
        ).fetchall() == [(0,)]
    again = cxr(*command)
    assert "0 chains scored" in again.stderr
    assert server.received == 6


def test_a_limit_ends_scoring_with_everything_paid_for_in_the_cache(store: Path, server: ScriptedServer) -> None:
    def run(**given: object) -> None:
        settings = ScoreSettings.resolve(
            store, judge="cascade", model="m", base_url=server.url, sure=0.99, concurrency=1, **given
        )
        score_chains(store, settings, lambda *_: None)

    with pytest.raises(BudgetReached):
        run(max_calls=3)
    with Store.read(store) as opened:
        assert opened.count("select count(*) from calls where not cache_hit") == 3
    run()
    with Store.read(store) as opened:
        assert opened.count("select count(*) from calls where not cache_hit") == server.received == 6


def test_text_of_a_credentialed_corpus_stays_here(tmp_path: Path) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 1, licence="credentialed")
    with Store.write(db) as opened:
        mine(opened, RulesEngine(), MineSettings(), lambda *_: None)
    settings = ScoreSettings.resolve(db, judge="cascade", model="m", base_url="http://192.0.2.1/v1")
    with pytest.raises(PolicyError, match="may not be sent"):
        score_chains(db, settings, lambda *_: None)


def test_a_process_reward_asks_once_a_group_and_has_none_where_the_second_judge_fails(tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Act:
        return Fail(400) if "hernia" in request["messages"][-1]["content"] else second(request)

    thinks = [
        "There is a small left pleural effusion.",
        "There is a large left pleural effusion.",
        "There is no pneumothorax.",
    ]

    def rows(thinks: list[str]) -> dict[str, Any]:
        return {
            "completions": [f"<think>{think}</think><answer>Yes</answer>" for think in thinks],
            "mode": ["reasoning"] * len(thinks),
            "report": [REPORT] * len(thinks),
        }

    with ScriptedServer(script) as server:
        settings = JudgeSettings(judge="cascade", model="m", base_url=server.url, sure=0.99)
        with ProcessReward.opened(RewardRun(tmp_path, settings)) as reward:
            assert reward(**rows(thinks)) == [0.0, 0.0, 1.0]
            assert server.received == 1
            assert reward(**rows(["There is a small left pleural effusion with a hernia, possibly."])) == [None]
            record = reward.record()
        assert record["judge"]["name"] == "cascade"
        assert record["judge_failures"] == 1
        assert "asked of m" in record["second_judge"]


def test_weights_are_measured_on_other_reports_and_written_as_they_are_read() -> None:
    rows = [
        Read(f"r{n}", "made", gold=True, rules=n % 4 > 0 or kind is Kind.STATED, gpt4o=None, understood=n % 9 > 0,
             kind=kind, marks=frozenset({Mark.SEVERAL} if n % 8 == 0 else ()))
        for n in range(200) for kind in (Kind.STATED, Kind.DETAIL)
    ]  # fmt: skip
    weights = measured(rows)
    sure = dict(zip([row.kind for row in rows[2:4]], sureness_of(weights, rows[2:4]), strict=True))
    assert sure[Kind.DETAIL] < 0.85 < 0.95 < sure[Kind.STATED]
    found = held_out(rows)
    assert len(found) == len(rows)
    assert {chance for row, chance in found if not row.understood} == {0.0}
    before = FILE.read_text()
    made = written(weights, len(rows), before)
    assert "readings of 400 findings" in made
    assert made.partition("[levels]")[2] == before.partition("[levels]")[2]
