"""What holds of the grounded reward for any text: its bounds, what order and repeats do, and how long it takes."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.judge import RulesJudge
from cxr.trainer.reward.grounded import FREE, read_reference
from cxr.trainer.reward.reasoning import Reasoned, reason
from cxr.trainer.reward.rewards import accuracy_reward, format_reward
from tests.rewarding import reasoned

REPORT = (
    "FINDINGS: There is a right tension pneumothorax. There is a small left pleural effusion. There are degenerative "
    "changes of the thoracic spine. The heart is normal in size. No consolidation."
)
RIGHT = [
    "There is a right tension pneumothorax.",
    "There is a small left pleural effusion.",
    "There are degenerative changes of the thoracic spine.",
    "The heart is normal in size.",
]
WRONG = ["There is a rib fracture.", "There is cardiomegaly.", "There is no pneumothorax.", "There is a lung mass."]
UNASKED = ["The trachea is midline.", "The diaphragm is smooth.", "There is no hiatal hernia.", "No lung abscess.",
           "There is no pneumoperitoneum.", "No consolidation."]  # fmt: skip
SILENT = ["Is there a pneumothorax?", "Let me look.", "I look for edema.", "..."]
JUDGE = RulesJudge()
REFERENCE = read_reference(" ".join(RIGHT), REPORT, JUDGE)
ANY = RIGHT + WRONG + UNASKED + SILENT

texts = st.lists(st.sampled_from(ANY), max_size=12)


def told(sentences: Sequence[str] | str) -> Reasoned:
    think = sentences if isinstance(sentences, str) else " ".join(sentences)
    return reason(think, REPORT, JUDGE, REFERENCE, "grounded")


def value(sentences: Sequence[str] | str) -> float:
    found = told(sentences).value
    assert found is not None
    assert 0 <= found <= 1
    return found


@given(texts, st.randoms(use_true_random=False))
def test_the_order_of_sentences_does_not_matter(sentences: list[str], random: object) -> None:
    mixed = list(sentences)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert value(mixed) == pytest.approx(value(sentences))


@given(texts, st.lists(st.integers(0, 11)))
def test_what_is_said_again_changes_nothing(sentences: list[str], again: list[int]) -> None:
    repeated = [sentences[at] for at in again if at < len(sentences)]
    assert value([*sentences, *repeated]) == pytest.approx(value(sentences))


@given(texts, st.lists(st.sampled_from(UNASKED + SILENT)))
def test_normals_that_nobody_asked_for_and_empty_words_never_raise_it(sentences: list[str], padding: list[str]) -> None:
    assert value([*sentences, *padding]) <= value(sentences) + 1e-9


@given(st.lists(st.sampled_from(RIGHT + WRONG)), st.lists(st.sampled_from(UNASKED), unique=True, max_size=FREE))
def test_the_few_that_an_honest_reading_has_change_nothing(sentences: list[str], few: list[str]) -> None:
    assert value([*sentences, *few]) == pytest.approx(value(sentences))


@given(st.lists(st.sampled_from(RIGHT), unique=True), st.lists(st.sampled_from(WRONG), min_size=1))
def test_what_is_wrong_never_raises_it(sentences: list[str], wrong: list[str]) -> None:
    assert value([*sentences, *wrong]) <= value(sentences)


@given(st.lists(st.sampled_from(RIGHT), unique=True, max_size=3))
def test_what_was_missing_raises_it(sentences: list[str]) -> None:
    for more in set(RIGHT) - set(sentences):
        assert value([*sentences, more]) > value(sentences)


@given(st.text(max_size=300))
@settings(max_examples=50)
def test_any_text_has_a_reward(text: str) -> None:
    value(text)


@pytest.mark.parametrize(
    "text",
    [
        " ".join(f"There is no lesion of {number} mm in the left upper lobe." for number in range(10_000)),
        " ".join(f"Pneumothorax. No pneumothorax. Mild effusion {at}. Large effusion {at}." for at in range(2_500)),
        "There is no pneumothorax. " * 10_000, "look " * 10_000, "no " * 10_000, "pneumothorax and " * 10_000,
        f"There is a nodule of {'9' * 5_000} mm.", "9" * 5_000, "," * 20_000, "- " * 20_000, "\u200b" * 20_000,
        '"' * 20_000, "<think>" * 5_000, "a" * 100_000, "\n" * 20_000, "(" * 10_000 + "edema" + ")" * 10_000,
    ],
    ids=lambda text: f"{text[:24]!r}",
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    """A generous bound on a busy machine: what is quadratic in such a text takes minutes."""
    started = time.process_time()
    value(text)
    format_reward(reasoned(text), mode="reasoning")
    accuracy_reward(reasoned("x", text), mode="reasoning", task="single", answer="B", options=["A) edema", "B) mass"])
    accuracy_reward(reasoned("x", text), mode="reasoning", task="anomaly", answer="edema")
    assert time.process_time() - started < 20


FALSE = ["a large pneumothorax on the left", "severe cardiomegaly", "a lung mass"]


@pytest.mark.parametrize(
    "form",
    [
        "Is there {}?", "Suppose there were {}.", "Were there {}, one would see it.",
        "I look for {}.", "## {}\n", '"There is {}," somebody might say.', "| {} | present |\n", "`{} = True`",
        "Th\u0435r\u0435 is {}.", "There i\u200bs {}.", "There\u00ad is {}.", "The report says that there is {}.",
        "{} cannot be excluded.", "There may or may not be {}.", "There is a history of {}.",
        "The earlier film showed {}.", '{{"observation": "{}"}}', "~~There is {}.~~", "<!-- There is {}. -->",
        "In other patients one sees {}.", "{} would be typical of it.", "A) {}\n", "Report {}.",
    ],
)  # fmt: skip
def test_falsehoods_earn_nothing_in_any_form(form: str) -> None:
    hidden = " ".join(form.format(one) for one in FALSE)
    assert value(hidden) == 0
    assert value(f"{hidden} The trachea is midline.") == 0
    assert value([*RIGHT[:2], hidden]) <= value(RIGHT[:2])


@pytest.mark.parametrize("form", ["Isn't there {}?", "It is not true that there is no {}."])
def test_what_is_read_as_a_denial_earns_no_more_than_one(form: str) -> None:
    hidden, denied = (" ".join(each.format(one) for one in FALSE) for each in (form, "There is no {}."))
    assert value(hidden) <= value(denied)
