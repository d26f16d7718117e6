"""Completions are read strictly for the format reward, and as people mean them for accuracy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.pack import pack
from cxr.trainer.reward.answers import Answer, How, findings_named, letters_of, parse_completion, read_answer
from tests.clocks import processor_s

SINGLE = ["A) edema", "B) pleural effusion", "C) effusion", "D) lung opacity"]
MULTIPLE = ["A) cardiomegaly, edema", "B) edema, pneumonia", "C) pneumonia, fracture", "D) fracture, atelectasis"]
TEMPORAL = ["A) worsening", "B) stable", "C) improving"]


@pytest.mark.parametrize(
    ("text", "reasoning", "parsed"),
    [
        ("<think> It is. </think><answer> B </answer>", True, ("It is.", "B")),
        ("\n<think>It is.</think>\n\n<answer>B</answer>\n", True, ("It is.", "B")),
        ("<answer> Yes </answer>", False, (None, "Yes")),
        ("<think></think><answer></answer>", True, ("", "")),
        ("<answer> B </answer>", True, (None, None)),
        ("<think> It is. </think><answer> B </answer>", False, (None, None)),
        ("<think> It is. </think> so <answer> B </answer>", True, (None, None)),
        ("So <think> It is. </think><answer> B </answer>", True, (None, None)),
        ("<think> It is. </think><answer> B </answer> Done.", True, (None, None)),
        ("<think><think> It is. </think><answer> B </answer>", True, (None, None)),
        ("<think> It <answer> is. </answer></think><answer> B </answer>", True, (None, None)),
        ("<answer> B </answer><think> It is. </think>", True, (None, None)),
        ("<think> It is. <answer> B </answer></think>", True, (None, None)),
        ("<answer> A </answer><answer> B </answer>", False, (None, None)),
        ("<answer><answer> B </answer></answer>", False, (None, None)),
        ("<answer> B ", False, (None, None)),
        ("<think> It is. </think><ANSWER> B </ANSWER>", True, (None, None)),
        ("<think> It </Think > is. </think><answer> B </answer>", True, (None, None)),
        ("B", False, (None, None)),
        ("", True, (None, None)),
    ],
)
def test_only_the_exact_form_of_a_mode_is_parsed(text: str, reasoning: bool, parsed: tuple[object, object]) -> None:
    assert parse_completion(text, reasoning=reasoning) == parsed


_untagged = st.text(max_size=80).filter(lambda text: "<" not in text)


@given(think=_untagged, answer=_untagged, between=st.sampled_from(["", " ", "\n\n"]))
def test_what_is_written_in_the_form_is_read_back(think: str, answer: str, between: str) -> None:
    whole = f"<think> {think} </think>{between}<answer> {answer} </answer>"
    assert parse_completion(whole, reasoning=True) == (think.strip(), answer.strip())
    assert parse_completion(whole, reasoning=False) == (None, None)
    assert parse_completion(f"<answer> {answer} </answer>", reasoning=False) == (None, answer.strip())


@pytest.mark.parametrize(
    "text",
    [
        "B", "b", "(b)", "B)", "B.", "b:", " B\n", "**B**", "`B`", "\\boxed{B}", "$\\text{B}$", "\uff22", "'B'", "[B]",
        "Option B", "option b.", "Choice (B)", "The answer is B.", "the answer is (b).", "Answer: b", "answer = B",
        "The correct answer is option B, because the heart is normal.", "I would choose B", "It is B, not A.",
        "B is correct because A is wrong.", "Die Antwort ist B", "(B) seems best",
        "<answer>B</answer>", "<answer>B", "<Answer> B </Answer>", "<answer><answer>B</answer></answer>",
        "<think>A, C or D?</think><answer>B</answer>", "<think>A, C or D?</think> B", "<think>A?</think>\n\nAnswer: B",
        "<answer>A</answer> No, wait. <answer>B</answer>", "<answer>B</answer> and A, C",
        "<answer>B</answer><|im_end|>", "Kerley B lines are seen. The answer is B.",
    ],
)  # fmt: skip
def test_a_letter_is_read_however_it_is_written(text: str) -> None:
    answer = read_answer(text, "single", SINGLE)
    assert (answer.value, answer.how) == ("B", How.LETTER)


@pytest.mark.parametrize(
    ("text", "letter", "how"),
    [
        ("B) pleural effusion", "B", How.BOTH),
        ("Answer: **B) Pleural Effusion**", "B", How.BOTH),
        ("The answer is B: pleural effusion.", "B", How.BOTH),
        ("B pleural effusion", "B", How.BOTH),
        ("D. Lung Opacity", "D", How.BOTH),
        ("lung opacity (D)", "D", How.LETTER),
        ("pleural effusion", "B", How.TEXT),
        ("**Pleural effusion.**", "B", How.TEXT),
        ("There is a small pleural effusion on the left.", "B", How.TEXT),
        ("A pleural effusion", "B", How.TEXT),
        ("A large effusion", "C", How.TEXT),
        ("effusion", "C", How.TEXT),
        ("The answer is a small effusion", "C", How.TEXT),
        ("There is no edema, but a pleural effusion.", "B", How.TEXT),
        ("Edema, rather than pleural effusion", "A", How.TEXT),
    ],
)
def test_the_words_of_an_option_are_its_letter_and_the_longer_one_wins(text: str, letter: str, how: How) -> None:
    answer = read_answer(text, "single", SINGLE)
    assert (answer.value, answer.how) == (letter, how)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("cardiomegaly, edema", "A"),
        ("Edema and cardiomegaly", "A"),
        ("There is a fracture with pneumonia.", "C"),
        ("C) pneumonia, fracture", "C"),
        ("edema", None),
        ("edema, pneumonia, fracture", None),
        ("edema and fracture", None),
    ],
)
def test_an_option_of_several_findings_needs_all_of_them_and_no_other(text: str, letter: str | None) -> None:
    assert read_answer(text, "multiple", MULTIPLE).value == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("stable", "B"), ("Stable.", "B"), ("unchanged", "B"), ("no significant change", "B"), ("B) stable", "B"),
        ("The effusion has worsened.", "A"), ("improved", "C"), ("improving, not worsening", "C"),
        ("It is stable, without worsening or improvement", "B"),
        ("not worsening", None), ("neither worsening nor improving", None), ("worsening or stable", None),
    ],
)  # fmt: skip
def test_changes_are_read_as_people_write_them(text: str, letter: str | None) -> None:
    assert read_answer(text, "temporal", TEMPORAL).value == letter


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Yes", "Yes"), ("no", "No"), ("NO.", "No"), ("**No**", "No"), ("<answer> Yes </answer>", "Yes"),
        ("Yes, there is an effusion.", "Yes"), ("No, there is no effusion.", "No"), ("No evidence of effusion", "No"),
        ("The answer is yes.", "Yes"), ("The answer: No", "No"), ("I see it. Yes.", "Yes"), ("Not seen. No.", "No"),
        ("Yes, no doubt", "Yes"), ("Yes, and no pneumothorax", "Yes"), ("<think>No?</think> Yes", "Yes"),
    ],
)  # fmt: skip
def test_yes_and_no_are_read_where_they_are_the_answer(text: str, value: str) -> None:
    assert read_answer(text, "binary", None) == Answer(value, How.YES_NO, tagged="<answer>" in text)


@pytest.mark.parametrize(
    ("text", "task", "options", "why"),
    [
        ("", "single", SINGLE, How.EMPTY),
        (" \n", "binary", None, How.EMPTY),
        ("<answer> </answer>", "anomaly", None, How.EMPTY),
        ("<think>So</think>", "single", SINGLE, How.EMPTY),
        ("<think> It may be A. The answer is A", "single", SINGLE, How.CUT_OFF),
        ("A and B", "single", SINGLE, How.SEVERAL),
        ("A, B", "single", SINGLE, How.SEVERAL),
        ("Option A or option B", "single", SINGLE, How.SEVERAL),
        ("A) edema B) pleural effusion C) effusion", "single", SINGLE, How.SEVERAL),
        ("The answer is A. The answer is B.", "single", SINGLE, How.SEVERAL),
        ("edema and pleural effusion", "single", SINGLE, How.SEVERAL),
        ("Yes and no", "binary", None, How.SEVERAL),
        ("yes/no", "binary", None, How.SEVERAL),
        ("Yes. The answer is no.", "binary", None, How.SEVERAL),
        ("B) edema", "single", SINGLE, How.CONFLICT),
        ("The answer is B: edema", "single", SINGLE, How.CONFLICT),
        ("I'm sorry, I cannot answer.", "single", SINGLE, How.REFUSAL),
        ("As an AI, I can't interpret images.", "binary", None, How.REFUSAL),
        ("I am unable to determine this.", "anomaly", None, How.REFUSAL),
        ("E", "single", SINGLE, How.UNKNOWN),
        ("Not A", "single", SINGLE, How.UNKNOWN),
        ("Kerley B lines", "single", SINGLE, How.UNKNOWN),
        ("Ein Pleuraerguss", "single", SINGLE, How.UNKNOWN),
        ("\u80f8\u8154\u79ef\u6db2", "single", SINGLE, How.UNKNOWN),
        ("Oui, il y en a.", "binary", None, How.UNKNOWN),
        ("There is no effusion", "binary", None, How.UNKNOWN),
        ("No doubt there is an effusion", "binary", None, How.UNKNOWN),
        ("no idea", "binary", None, How.UNKNOWN),
        ("\u6b63\u5e38", "anomaly", None, How.UNKNOWN),
        ("lorem ipsum", "anomaly", None, How.UNKNOWN),
    ],
)
def test_what_cannot_be_read_says_why_and_is_no_guess(
    text: str, task: str, options: list[str] | None, why: How
) -> None:
    answer = read_answer(text, task, options)
    assert (answer.value, answer.how, answer.parsed) == (None, why, False)


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("Cardiomegaly, Edema", ("Cardiomegaly", "Edema")),
        ("The heart is enlarged. No edema.", ("Cardiomegaly",)),
        ("- **Fracture**\n- *Edema*", ("Edema", "Fracture")),
        ("possible pneumonia", ("Pneumonia",)),
        ("Pleural effusion without pneumothorax", ("Pleural Effusion",)),
        ("<think>edema?</think><answer> Atelectasis </answer>", ("Atelectasis",)),
        (", ".join(pack().question_labels), pack().question_labels),
    ],
)
def test_open_answers_are_the_findings_that_they_assert(text: str, findings: tuple[str, ...]) -> None:
    answer = read_answer(text, "anomaly", None)
    assert (answer.findings, answer.value, answer.how) == (findings, ", ".join(findings), How.FINDINGS)


@pytest.mark.parametrize("text", ["No findings", "Normal chest.", "None", "No pneumothorax or effusion."])
def test_an_open_answer_may_be_that_there_is_nothing(text: str) -> None:
    assert read_answer(text, "anomaly", []) == Answer("No Finding", How.FINDINGS)
    assert findings_named(text) == ()


def test_options_come_with_letters_or_without() -> None:
    assert letters_of(["A) edema", "(b) fracture"]) == {"A": "edema", "B": "fracture"}
    assert letters_of(["edema", "fracture"]) == {"A": "edema", "B": "fracture"}
    assert read_answer("fracture", "single", ["edema", "fracture"]).value == "B"


@given(text=st.text(alphabet="AB)(. :yesnoYN<>/thinkanwr\n*d,", max_size=200) | st.text(max_size=200))
def test_any_text_is_read_and_a_value_is_one_of_the_possible(text: str) -> None:
    assert read_answer(text, "single", SINGLE).value in {None, "A", "B", "C", "D"}
    assert read_answer(text, "binary", None).value in {None, "Yes", "No"}
    answer = read_answer(text, "anomaly", None)
    assert set(answer.findings) <= set(pack().question_labels)
    assert answer.parsed or not answer.findings


@pytest.mark.parametrize(
    "piece",
    ["B ", "<answer>", "<think>", "a ", "( ", "answer is ", "yes ", "no ", "\n", "effusion ", ".", "<", "\\boxed{",
     "*", "A) ", "-", " \t", "pleural ", "not a ", "<answer></answer>"],
)  # fmt: skip
def test_endless_outputs_are_read_at_once(piece: str) -> None:
    """The slowest takes about 0.25 s on a slow core; a backtracking expression would take minutes."""
    text = piece * (100_000 // len(piece)) + " B"

    def read() -> None:
        for task, options in (("single", SINGLE), ("temporal", TEMPORAL), ("binary", None), ("anomaly", None)):
            read_answer(text, task, options)
        parse_completion(text, reasoning=True)

    assert processor_s(read) < 5
