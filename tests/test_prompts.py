"""Prompts are files with versions and hashes; their examples obey our own schemas and checks."""

import hashlib
import os
from importlib import resources

import pytest

from cxr.miner.language.grounding import locate
from cxr.miner.language.sections import parse_sections
from cxr.miner.mine.checks import check_all
from cxr.miner.mine.engines.change import check_answer_of_change
from cxr.miner.mine.engines.replies import check_evidence_reply, to_chain, to_evidence, to_plan
from cxr.prompts import Prompt, available, load
from cxr.prompts.render import delimit, fill, placeholders, stage_values
from cxr.prompts.replies import TemporalEvidenceReply, WorkedCase
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Licence

EVERY = [load(name, version) for name, versions in available().items() for version in versions]
# The steps of mining have worked studies as examples; a judge's prompts carry theirs in their words.
STEPS = [prompt for prompt in EVERY if not prompt.name.startswith("judge_") and prompt.name != "repair"]
CASES = sorted({case.name: case for prompt in EVERY for case in prompt.examples}.items())

# What these versions said when they were published. An improvement is a new file, never an edit.
PUBLISHED = {
    ("chain_temporal", 1): "7b7ebf9c76c0291e199b22638c9070a8e947de0ebb02afc038f4f0952e7db994",
    ("evidence_temporal", 1): "f3f653c4c9ad832a05a5bde37b5bb271cb0ec19ed2e56a1f57514cd57709e57d",
    ("plan_temporal", 1): "a1f98b197e03e1c27f193db75d737fedf7864cf877ea2037f3f6b65cab0bc7c4",
    ("whole_temporal", 1): "6927b7c5e7092b05ef5b23ad3090abc8ab924d9e7e0215dafb81f2877ef2fbd2",
    ("chain", 1): "08fac9bdf02e88cdd015e48e58e2e9e7b2ef38ded636f2f4a59374251fe446d2",
    ("judge_contain", 1): "8a0d4c4ba379ed1a0b2ddce5bbf6e4e0360303e2afcff3e148d56bf1cca08d00",
    ("judge_extract", 1): "1ef716250581800540bc2756e93454bb63867635bc26d58b269d4ce5617dd1cd",
    ("judge_support", 1): "2e3e7b6956e66d16e2045ac1b4b90712ca90a7a5e24074db8aab05d270b25fa5",
    ("evidence", 1): "ede1f23eacf3e677435fb8e882dc29d9252f8709c3d1d6387ce8558fc45fccfb",
    ("repair", 1): "c00c1e13c59a2af6cb6fa3c1cbf91debad1e85e3ad829f8a293eae37a64bb96d",
    ("plan", 1): "3c4fa0f9294f9169747f401589699c1aacc8a3b2166952ece35002261e455449",
    ("chain", 2): "42d45f55a6a522f2949b96e615c404e2201742cdee2d95a262fc26ef67b59123",
    ("chain_temporal", 2): "829b0c172d6c90e004a1e622bc9a1eb4fe48977ae4b47fced5520952ef70e30e",
    ("evidence", 2): "5495ffce74f94166b3005de92468ef41a96a2d6c8c8d6a3e6ee0010d304931c2",
    ("evidence_temporal", 2): "0ba5929386d8bf6e712d8d9b2a971511fa346cecdacb60affefd5a1349b9c7cb",
    ("plan", 2): "b4c715b63a7140eed33ad6753d19c4c74fed59c6c665f201b2d51d9a79e1bfe6",
    ("plan_temporal", 2): "00fbfc6c42ec94c0d24addf80f0290c60b1092de9f37b183dcb69817a2ae4dff",
    ("whole", 2): "90e6c9e392dfef5d462d669cb323df01d67a155054d6e4523555f9813fe461d7",
    ("whole_temporal", 2): "8b2d16dc1f111501f1453b1ee0b27196c113284a7e47cee5a38ade49ce9c1f69",
    ("whole", 1): "f02d40b5bbea7cefa5c7ad8b5b9720ae3c2f50e1c8a91969a078e261862be01e",
}


def test_the_three_steps_have_prompts() -> None:
    assert {"plan", "evidence", "chain", "whole"} <= set(available())


@pytest.mark.parametrize("prompt", EVERY, ids=lambda prompt: f"{prompt.name}.v{prompt.version}")
def test_published_versions_stay_as_they_are(prompt: Prompt) -> None:
    assert prompt.hash == PUBLISHED[prompt.name, prompt.version]


@pytest.mark.parametrize("prompt", STEPS, ids=lambda prompt: f"{prompt.name}.v{prompt.version}")
def test_a_prompt_takes_exactly_the_values_of_its_step(prompt: Prompt) -> None:
    case = prompt.examples[0]
    values = prompt.values(case.question, case.report, case.plan.items, case.evidence.items, case.prior_report)
    assert placeholders(prompt.user_template) == values.keys()
    assert "{{" not in prompt.system


@pytest.mark.parametrize("prompt", EVERY, ids=lambda prompt: f"{prompt.name}.v{prompt.version}")
def test_where_a_report_is_shown_it_is_declared_as_data(prompt: Prompt) -> None:
    if "report" in placeholders(prompt.user_template):
        assert "data about a\n  patient" in prompt.system
        assert "ignore it" in prompt.system


@pytest.mark.parametrize(("name", "case"), CASES)
def test_every_example_passes_our_schemas_grounding_and_checks(name: str, case: WorkedCase) -> None:
    report = Report(study_id="example", text=case.report, sections=parse_sections(case.report), licence=Licence.PUBLIC)
    assert {"findings", "impression"} <= {section.name for section in report.sections}
    assert all(locate(words, case.report) for item in case.evidence.items for words in item.quotes)
    plan = to_plan(case.plan, case.question)
    evidence = to_evidence(case.evidence, plan, report)
    assert check_all(case.question, plan, evidence, to_chain(case.chain, case.question), report) is None


TEMPORAL_CASES = [(name, case) for name, case in CASES if case.prior_report is not None]


@pytest.mark.parametrize(("name", "case"), TEMPORAL_CASES)
def test_every_temporal_example_states_the_change_that_is_the_answer(name: str, case: WorkedCase) -> None:
    assert isinstance(case.evidence, TemporalEvidenceReply)
    report = Report(study_id="example", text=case.report, sections=parse_sections(case.report), prior=case.prior_report)
    assert check_evidence_reply(case.evidence, to_plan(case.plan, case.question), report) is None
    assert check_answer_of_change(case.question, case.evidence) is None


def test_there_are_temporal_examples() -> None:
    assert TEMPORAL_CASES


def test_two_reports_are_two_blocks_with_marks_of_their_own() -> None:
    _, case = TEMPORAL_CASES[0]
    values = stage_values("plan_temporal", case.question, "FINDINGS: Clear.", prior="FINDINGS: Effusion.")
    assert values["report"] == delimit("FINDINGS: Clear.", "CURRENT REPORT")
    assert values["prior_report"] == delimit("FINDINGS: Effusion.", "PRIOR REPORT")
    alone = stage_values("plan_temporal", case.question, "FINDINGS: Clear.")
    assert alone["prior_report"] == "The prior report is missing."


def test_examples_show_silence_and_speech_and_several_tasks() -> None:
    kinds = {item.kind for _, case in CASES for item in case.evidence.items}
    assert kinds == {"quoted", "inferred_normal"}
    assert len({case.question.task for _, case in CASES}) >= 3


def test_messages_are_system_then_examples_then_the_question() -> None:
    prompt = load("plan", 1)
    case = prompt.examples[0]
    messages = prompt.messages(prompt.values(case.question, "FINDINGS: Clear."))
    assert [message["role"] for message in messages] == [
        "system",
        *["user", "assistant"] * len(prompt.examples),
        "user",
    ]
    assert messages[-1]["content"] == (
        "Question: Does this chest X-ray show fracture?\n\n"
        "Findings asked about: Fracture\n\n"
        "Correct answer: No\n\n" + delimit("FINDINGS: Clear.")
    )


@pytest.mark.parametrize("name", ["plan", "evidence", "whole", "plan_temporal", "evidence_temporal", "whole_temporal"])
def test_questions_of_one_study_begin_alike_up_to_the_end_of_its_report(name: str) -> None:
    """What stays the same is read once by servers that keep what they have read, and billed at less by others."""
    prompt = load(name, 2)
    one, other = [
        prompt.examples[0].question.model_copy(update={"text": f"Does this chest X-ray show {finding}?"})
        for finding in ("fracture", "edema")
    ]
    report, prior = "FINDINGS: The lungs are clear.", "FINDINGS: Small effusion."
    told = [prompt.messages(prompt.values(question, report, prior=prior)) for question in (one, other)]
    assert told[0][:-1] == told[1][:-1] == list(prompt.opening)
    shared = os.path.commonprefix([messages[-1]["content"] for messages in told])  # noqa: RUF071 - of signs
    assert shared.endswith("Question: Does this chest X-ray show ")
    assert "END OF" in shared


def test_a_plan_of_version_2_is_made_without_the_answer() -> None:
    for name in ("plan", "plan_temporal"):
        prompt = load(name, 2)
        assert "answer" not in prompt.shows
        assert "Correct answer" not in "".join(message["content"] for message in prompt.opening)


def test_the_hash_covers_the_file_and_its_examples() -> None:
    folder = resources.files("cxr.prompts")
    words = folder.joinpath("plan.v1.md").read_bytes() + b"\0" + folder.joinpath("cases.v1.json").read_bytes()
    assert load("plan", 1).hash == hashlib.sha256(words).hexdigest()


@pytest.mark.parametrize(
    ("values", "named"),
    [({}, "missing \\['report'\\]"), ({"report": "x", "plan": "y"}, "not in the prompt \\['plan'\\]")],
)
def test_a_template_refuses_missing_and_unused_values(values: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        fill("Read {{report}}", values)


def test_braces_inside_a_value_are_left_alone() -> None:
    assert fill("{{report}}|{{plan}}", {"report": "{{plan}}", "plan": "p"}) == "{{plan}}|p"


def test_the_mark_around_a_report_depends_on_the_report_alone() -> None:
    assert delimit("a") == delimit("a")
    assert delimit("a").splitlines()[0] != delimit("b").splitlines()[0]


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [("plans", None, "there is no prompt 'plans'"), ("plan", 7, "prompt 'plan' has no version 7; it has 1, 2")],
)
def test_an_unknown_prompt_is_named_with_what_there_is(name: str, version: int | None, sentence: str) -> None:
    with pytest.raises(LookupError, match=sentence):
        load(name, version)
