"""Evaluation reads answers as models write them, and traces as other makers leave them; what is not told is counted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.pack import pack
from cxr.trainer.evaluate.answers import read_output
from cxr.trainer.evaluate.asked import Claim, asked_finding
from cxr.trainer.evaluate.outputs import last_boxed, output_of, parts_of
from cxr.trainer.reward.answers import How, read_answer
from cxr.trainer.reward.rewards import accuracy_reward, format_reward
from tests.clocks import processor_s

EFFUSION = "Does this chest X-ray show pleural effusion?"
SINGLE = ["A) edema", "B) pleural effusion", "C) fracture", "D) cardiomegaly"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # a word for it
        ("Y", "Yes"), ("n.", "No"), ("True", "Yes"), ("FALSE", "No"), ("Present.", "Yes"), ("Absent", "No"),
        ("Negative", "No"), ("positive", "Yes"), ("Not present", "No"), ("None", "No"), ("**Yes**", "Yes"),
        ("Answer: No", "No"), ("Final answer: **Absent**", "No"), ("The answer is negative.", "No"),
        ("It is present.", "Yes"), ("This is false", "No"), ("It's absent", "No"), ("Correct", "Yes"),
        # a word and a sentence that agrees with it
        ("Yes, there is a small left effusion", "Yes"), ("No. The costophrenic angles are sharp.", "No"),
        ("No, the effusion has resolved.", "No"), ("Yes - a small amount of pleural fluid", "Yes"),
        ("Yes, and no pneumothorax", "Yes"), ("True. There is fluid in the pleural space.", "Yes"),
        # what is said of the finding
        ("There is no effusion", "No"), ("No evidence of pleural effusion is seen.", "No"),
        ("A small left effusion is seen", "Yes"), ("Pleural effusion: present", "Yes"), ("Effusion: absent", "No"),
        ("Positive for effusion", "Yes"), ("Negative for pleural effusion", "No"),
        ("Blunt angles, a small effusion", "Yes"),
        ("The effusion has resolved.", "No"), ("Normal chest X-ray.", "No"),
        ("No pneumothorax. A large effusion.", "Yes"),
        ("I see edema, but no effusion.", "No"), ("No evidence of this", "No"), ("There is no such finding.", "No"),
    ],
)  # fmt: skip
def test_yes_and_no_are_read_as_models_say_them(text: str, value: str) -> None:
    assert read_output(text, "binary", None, EFFUSION).value == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Yes and no", How.SEVERAL), ("Yes/No", How.SEVERAL), ("Yes. The answer is no.", How.SEVERAL),
        ("present or absent", How.SEVERAL),
        ("No, there is a small effusion", How.CONFLICT), ("Yes, there is no pleural effusion.", How.CONFLICT),
        ("There may be an effusion", How.HEDGED), ("Possible small effusion", How.HEDGED), ("Perhaps", How.HEDGED),
        ("An effusion cannot be excluded", How.HEDGED), ("It is unclear.", How.HEDGED),
        ("This cannot be determined", How.REFUSAL), ("No, I cannot tell from one view", How.REFUSAL),
        ("I'm sorry, I am unable to determine that.", How.REFUSAL),
        # said of something else, or of less than was asked about
        ("There is cardiomegaly", How.UNKNOWN), ("No pneumothorax", How.UNKNOWN), ("No left effusion", How.UNKNOWN),
        ("No large effusion", How.UNKNOWN), ("Positive for edema", How.UNKNOWN), ("No acute abnormality", How.UNKNOWN),
        ("1", How.UNKNOWN), ("Oui", How.UNKNOWN), ("", How.EMPTY),
    ],
)  # fmt: skip
def test_what_is_neither_yes_nor_no_stays_unread_and_says_why(text: str, why: How) -> None:
    answer = read_output(text, "binary", None, EFFUSION)
    assert (answer.value, answer.how) == (None, why)


@pytest.mark.parametrize(
    ("question", "statement", "claim"),
    [
        ("Is there a left pleural effusion in this image?", "There is a right pleural effusion.", None),
        ("Is there a left pleural effusion in this image?", "There are bilateral effusions.", Claim.YES),
        ("Is there any evidence of pneumothorax?", "No pneumothorax.", Claim.NO),
        ("Are support devices present in this radiograph?", "Normal chest.", None),
        ("Are support devices present in this radiograph?", "An endotracheal tube ends above the carina.", Claim.YES),
        ("Does the patient have cardiomegaly?", "The heart is normal in size.", Claim.NO),
        ("Does the patient have cardiomegaly?", "The heart is enlarged.", Claim.YES),
        (EFFUSION, "Hemothorax", Claim.YES),
        (EFFUSION, "x " * 5_000, None),
    ],
)
def test_a_statement_answers_only_for_the_finding_and_side_that_were_asked_about(
    question: str, statement: str, claim: Claim | None
) -> None:
    asked = asked_finding(question)
    assert asked is not None
    assert asked.claim(statement) is claim


@pytest.mark.parametrize(
    "question",
    ["Which findings are in this chest X-ray?", "Does this show edema or effusion?", "Is the heart size normal?", "",
     "Does this chest X-ray show lorem ipsum?"],
)  # fmt: skip
def test_the_clinical_reader_is_asked_only_where_one_known_finding_was(question: str) -> None:
    assert asked_finding(question) is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B.", "B"), ("(B)", "B"), ("Option B: pleural effusion", "B"), ("pleural effusion", "B"), ("B, B", "B"),
        ("B. There is fluid, which rules out A and C", "B"), ("B) Options A and C are wrong.", "B"),
        ("**Final answer:** (B)", "B"), ("The heart is enlarged.", "D"),
        ("There is fluid in the pleural space.", "B"),
        ("A or B", None), ("Either B or C", None), ("A, C", None), ("A) edema B) pleural effusion", None),
        ("B: edema", None), ("The answer is A. The answer is B.", None), ("B. The answer is C.", None),
        ("The heart is enlarged, with an effusion", None), ("It cannot be determined", None),
    ],
)  # fmt: skip
def test_a_letter_or_a_description_of_one_option_is_read(text: str, letter: str | None) -> None:
    assert read_output(text, "single", SINGLE).value == letter


_ALL = (
    "Let us go through them.\n\n**A) edema**: there are no septal lines.\n**B) pleural effusion**: the angle is blunt."
    "\n**C) fracture**: the ribs are intact.\n**D) cardiomegaly**: the heart is normal.\n\n"
)


@pytest.mark.parametrize(
    ("conclusion", "letter"),
    [
        ("Therefore, the most likely finding is:\n\n**B) pleural effusion**", "B"),
        ("After all, the finding seems to be option B (pleural effusion).", "B"),
        ("Thus, the correct answer is B.", "B"),
        ("Given these observations, there is a pleural effusion. The picture is typical.", "B"),
        ("Therefore, it is A or B.", None),
        ("Thus A. Or is it C?", None),
        ("Please see a doctor.", None),
    ],
)
def test_of_an_answer_that_goes_through_all_options_the_conclusion_counts(conclusion: str, letter: str | None) -> None:
    assert read_output(_ALL + conclusion, "single", SINGLE).value == letter


@pytest.mark.parametrize("options", [["A) Yes", "B) No"], ["A) Present", "B) Absent"], ["A) True", "B) False"]])
@pytest.mark.parametrize(
    ("text", "letter"),
    [("Yes", "A"), ("B", "B"), ("There is no effusion", "B"), ("B) No", "B"), ("A) No", None), ("absent", "B"),
     ("Yes, a small effusion is there", "A"), ("It is unclear", None)],
)  # fmt: skip
def test_yes_and_no_may_be_options(options: list[str], text: str, letter: str | None) -> None:
    assert read_output(text, "binary", options, EFFUSION).value == letter


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("Cardiomegaly and edema", ("Cardiomegaly", "Edema")),
        ("- Cardiomegaly\n- Edema", ("Cardiomegaly", "Edema")),
        ("1. **Cardiomegaly**\n2. No edema", ("Cardiomegaly",)),
        ("* **Cardiomegaly**: the heart is large\n* **Edema**: not seen", ("Cardiomegaly",)),
        ('["Cardiomegaly", "Pulmonary edema"]', ("Cardiomegaly", "Edema")),
        ('```json\n{"findings": ["Cardiomegaly"]}\n```', ("Cardiomegaly",)),
        ('{"Cardiomegaly": true, "Edema": false, "Fracture": "yes", "Pneumonia": 0}', ("Cardiomegaly", "Fracture")),
        ("Cardiomegaly: Yes\nEdema: No", ("Cardiomegaly",)),
        ("Cardiomegaly (yes), edema (no)", ("Cardiomegaly",)),
        ("\\boxed{Cardiomegaly, Edema}", ("Cardiomegaly", "Edema")),
        ("- Lung Lesion\n- Support Devices", ("Lung Lesion", "Support Devices")),
        ("[]", ()), ('["No Finding"]', ()), ("- No findings", ()),
    ],
)  # fmt: skip
def test_findings_come_as_lists_of_any_kind(text: str, findings: tuple[str, ...]) -> None:
    answer = read_output(text, "anomaly", None)
    assert (answer.findings, answer.how) == (findings, How.FINDINGS)


TRACES = [
    "<think>Is it so?</think><answer>{}</answer>",
    "<think>Is it so?</think>{}",
    "Is it so?</think>\n\n{}",
    "<thinking>Is it so?</thinking>\n{}",
    "<|begin_of_thought|>Is it so?<|end_of_thought|><|begin_of_solution|>{}<|end_of_solution|>",
    "<think>Is</think><answer>Perhaps</answer><think>it so?</think><answer>{}</answer>",
    "[THINK]Is it so?[/THINK]{}",
    "\u25c1think\u25b7Is it so?\u25c1/think\u25b7{}",
    "<|channel|>analysis<|message|>Is it so?<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "## Thinking\n\nIs it so?\n\n## Final Response\n\n{}",
    "<reasoning>Is it so?</reasoning><final_answer>{}</final_answer>",
    "<think>Is it so?</think><|begin_of_box|>{}<|end_of_box|>",
]
FORMS = [
    "{}", "**{}**", "Answer: {}", "**Final answer:** {}", "The answer is {}.", "\\boxed{{{}}}",
    "\\boxed{{\\text{{{}}}}}", "<answer> {} </answer>", '{{"answer": "{}"}}', '```json\n{{"answer": "{}"}}\n```',
    "{}<|im_end|>", "`{}`",
]  # fmt: skip


_TRACE = st.sampled_from(["{}", *TRACES])


@given(trace=_TRACE, form=st.sampled_from(FORMS), value=st.sampled_from(["Yes", "No", "B"]))
def test_an_answer_says_the_same_in_every_form_and_trace(trace: str, form: str, value: str) -> None:
    task, options = ("single", SINGLE) if value == "B" else ("binary", None)
    assert read_output(trace.format(form.format(value)), task, options, EFFUSION).value == value


@pytest.mark.parametrize("trace", TRACES)
def test_reasoning_is_told_from_the_answer_in_the_traces_of_other_makers(trace: str) -> None:
    reasoning, answer = parts_of(trace.format("Yes"))
    assert (" ".join(reasoning.split()), answer) == ("Is it so?", "Yes")


def test_thoughts_that_never_end_are_no_answer() -> None:
    assert read_output("<|begin_of_thought|>It may be yes. Yes", "binary", None, EFFUSION).how is How.CUT_OFF
    assert read_output("<think>a</think><answer>No</answer><think>wait", "binary", None, EFFUSION).value == "No"
    assert output_of("<think>a</think><answer>No</answer><answer></answer>").answer == "No"


def test_the_last_box_counts_braces_and_all() -> None:
    assert last_boxed("\\boxed{A} or \\boxed{\\text{B}} \\boxed{}") == "\\text{B}"
    assert last_boxed("\\boxed{A") == "A"
    assert last_boxed("no box") is None


def test_what_training_pays_for_is_read_as_before() -> None:
    """The rewards are the paper's: what evaluation reads beside it earns nothing there."""
    for said in ("There is no effusion", "Absent", "n"):
        assert read_output(said, "binary", None, EFFUSION).value == "No"
        assert accuracy_reward(f"<answer>{said}</answer>", mode="answer_only", task="binary", answer="No") == 0
    for trace in TRACES[1:]:
        assert format_reward(trace.format("Yes"), mode="reasoning") == 0
    assert read_answer("There is no effusion", "binary", None).how is How.UNKNOWN


_SIGNS = st.text(alphabet='AB)(. :yesnoYN<>|/thinkanwr\n*d,{}[]"\\#', max_size=200)


@given(text=_SIGNS | st.text(max_size=200))
@settings(max_examples=30)
def test_any_text_is_read_and_a_value_is_one_of_the_possible(text: str) -> None:
    assert read_output(text, "single", SINGLE).value in {None, "A", "B", "C", "D"}
    assert read_output(text, "binary", None, EFFUSION).value in {None, "Yes", "No"}
    answer = read_output(text, "anomaly", None)
    assert set(answer.findings) <= set(pack().question_labels)
    reasoning, said = parts_of(text)
    assert len(reasoning) <= len(text)
    assert len(said) <= len(text)


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=6))
@settings(max_examples=30)
def test_any_json_is_read(value: object) -> None:
    for text in (json.dumps(value), json.dumps({"answer": value}), json.dumps({"x": value})):
        assert read_output(text, "binary", None, EFFUSION).value in {None, "Yes", "No"}


@pytest.mark.parametrize(
    "piece",
    ["\\boxed{", "<think>", "</think>", "(", ":", " ", "- ", "# ", "```", "[", "answer: ", "yes (no), ", "no ", "[[",
     "<|channel|>", "A) ", "is it ", "effusion. "],
)  # fmt: skip
def test_endless_outputs_are_read_at_once(piece: str) -> None:
    text = piece * (60_000 // len(piece)) + " B"

    def read() -> None:
        for task, options in (("single", SINGLE), ("binary", None)):
            read_output(text, task, options, EFFUSION)

    assert processor_s(read) < 5
