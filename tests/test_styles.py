"""Voices of chains, plans that do not see the answer, and doubt that stays doubt."""

import json
from pathlib import Path
from typing import Any

import pytest

from cxr.miner.kit.errors import SettingsError
from cxr.miner.mine.blind import blinded
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.engines.llm import LLMEngine
from cxr.miner.mine.many import mine_llm
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Store
from cxr.prompts import load
from cxr.prompts.styles import drawn, load_styles
from cxr.schemas.question import Option, Question
from cxr.schemas.reasoning import Chain, ChainStep, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import EvidenceKind, Presence, Task
from tests.asking import QUESTION, REPORT, TEXT, engine_on, mine
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

pytestmark = pytest.mark.usefixtures("no_waiting")
HERE: dict[str, Any] = {"model": "scripted", "base_url": "http://127.0.0.1:1/v1"}


def test_there_are_several_voices_and_every_one_has_a_worked_example() -> None:
    styles = load_styles()
    assert len(styles) >= 4
    assert len({style.words for style in styles.values()}) == len(styles)
    assert {case.style for case in load("chain", 2).examples} == styles.keys()


def test_a_voice_is_drawn_by_seed_and_question_alone() -> None:
    styles = tuple(load_styles().values())
    first = [drawn(f"q{number}", 0, styles) for number in range(200)]
    assert first == [drawn(f"q{number}", None, styles) for number in range(200)]
    assert first != [drawn(f"q{number}", 1, styles) for number in range(200)]
    assert all(first.count(style) > 200 / len(styles) / 2 for style in styles)


def test_the_chain_is_asked_for_in_its_voice_after_everything_else(tmp_path: Path) -> None:
    with engine_on({}, tmp_path) as (engine, server):
        mine(engine)
    voice = drawn(QUESTION.question_id, 0, tuple(load_styles().values()))
    assert server.asked("ChainReply")[0]["messages"][-1]["content"].endswith(f"\n\nVoice: {voice.words}")
    assert "Voice: " not in server.asked("PlanReply")[0]["messages"][-1]["content"]


def test_one_voice_can_be_chosen_and_version_1_has_none(tmp_path: Path) -> None:
    one = LLMEngine(MineSettings(**HERE, styles="weighing"))
    assert one.style_of(QUESTION) == load_styles()["weighing"]
    assert one.settings()["voices"] == [load_styles()["weighing"].named]
    old = LLMEngine(MineSettings(**HERE, chain_version=1))
    assert old.style_of(QUESTION) is None
    assert old.settings()["voices"] == []
    with engine_on({}, tmp_path, chain_version=1) as (engine, server):
        mine(engine)
    assert "Voice: " not in json.dumps(server.asked("ChainReply"))
    with pytest.raises(SettingsError, match="there is no style 'shouting'; there are brief, systematic"):
        LLMEngine(MineSettings(**HERE, styles="shouting"))


def test_version_1_is_pinned_for_temporal_questions_too() -> None:
    engine = LLMEngine(MineSettings(**HERE, plan_version=1, evidence_version=1, chain_version=1))
    assert [prompt.version for prompt in engine.temporal_prompts.values()] == [1, 1, 1]
    newest = LLMEngine(MineSettings(**HERE))
    assert [prompt.version for prompt in newest.temporal_prompts.values()] == [2, 2, 2]


def test_the_voice_of_a_chain_can_be_asked_for_with_sql(tmp_path: Path) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 12)
    with ScriptedServer(REPLIES) as server:
        mine_llm(
            db, MineSettings.resolve(db, engine="llm", model="scripted", base_url=server.url, styles="brief,aloud")
        )
    with Store.read(db) as store:
        told = dict(
            store.rows(
                "select question_id, p.name from chains, unnest(prompts) as t(p) where starts_with(p.name, 'style ')"
            )
        )
    among = [load_styles()["brief"], load_styles()["aloud"]]
    assert told == {question: f"style {drawn(question, 0, among).name}" for question in told}
    assert set(told.values()) == {"style brief", "style aloud"}


def test_a_blind_plan_does_not_see_what_states_its_findings(tmp_path: Path) -> None:
    with engine_on({}, tmp_path, blind_plan=True) as (engine, server):
        _, evidence, _ = mine(engine)
    plan = server.asked("PlanReply")[0]["messages"][-1]["content"]
    assert "pleural effusion." not in plan
    assert "not enlarged" not in plan
    assert "Rule out fracture." in plan
    assert TEXT in server.asked("EvidenceReply")[0]["messages"][-1]["content"]
    assert evidence[0].quotes[0].text == "The heart is\nnot enlarged."


def test_findings_in_words_and_prior_reports_are_blinded_and_the_rest_stays() -> None:
    question = Question(
        question_id="w1",
        study_id="s1",
        task=Task.SINGLE,
        text="Which? Options:\nA) small left pleural effusion\nB) rib fracture",
        findings=("small left pleural effusion", "rib fracture"),
        options=(
            Option(letter="A", findings=("small left pleural effusion",)),
            Option(letter="B", findings=("rib fracture",)),
        ),
        answer="A",
        answer_findings=("small left pleural effusion",),
    )
    shown = blinded(
        question, REPORT.model_copy(update={"prior": "FINDINGS: Large left effusion. Heart size is normal."})
    )
    assert "effusion" not in shown.text
    assert shown.text.endswith("The heart is\nnot enlarged.")
    assert shown.prior is not None
    assert "effusion" not in shown.prior
    assert "Heart size is normal." in shown.prior


def test_the_setting_is_part_of_what_a_chain_was_made_with() -> None:
    plain, blind = (LLMEngine(MineSettings(**HERE, blind_plan=said)).settings() for said in (False, True))
    assert plain != blind


@pytest.mark.parametrize(
    ("stated", "conclusion"),
    [
        ("A patchy opacity at the right base may represent pneumonia.", "Pneumonia is possible, so the answer is Yes."),
        ("Pneumonia at the right base cannot be excluded.", "Pneumonia cannot be excluded; the answer is Yes."),
    ],
)
def test_doubt_passes_every_check_from_statement_to_conclusion(stated: str, conclusion: str) -> None:
    said = "There is a patchy opacity at the right base, which may represent pneumonia."
    report = Report(study_id="s1", text=f"FINDINGS: {said} The heart is normal.", sections=())
    start = report.text.index(said)
    question = Question(
        question_id="b1",
        study_id="s1",
        task=Task.BINARY,
        text="Does this chest X-ray show pneumonia?",
        findings=("Pneumonia",),
        answer="Yes",
        answer_findings=("Pneumonia",),
    )
    evidence = Evidence(
        evidence_no=1,
        finding="Pneumonia",
        kind=EvidenceKind.QUOTED,
        presence=Presence.PRESENT,
        statement=stated,
        quotes=(Quote(start=start, end=start + len(said), text=said),),
    )
    steps = ("The lungs have to be compared.", stated, conclusion)
    chain = Chain(
        steps=tuple(
            ChainStep(step_no=number, text=text, evidence=(1,) if number == 2 else ())
            for number, text in enumerate(steps, start=1)
        ),
        answer="Yes",
    )
    plan = Plan(items=(PlanItem(finding="Pneumonia", look_for="An opacity."),))
    assert check_all(question, plan, (evidence,), chain, report) is None
