"""A quote is found verbatim up to whitespace, case and typography, and only as whole words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.language.grounding import leaves_out_negation, locate
from tests.clocks import processor_s

WORDS = st.text(alphabet="abcdeßéABC019", min_size=1, max_size=8)
GAPS = st.text(alphabet=" \n\t\u00a0", min_size=1, max_size=4)
SENTENCES = st.lists(WORDS, min_size=1, max_size=12)


def joined(words: list[str], gaps: list[str]) -> str:
    """Words with the gaps between them in turn."""
    return "".join(word + gaps[i % len(gaps)] for i, word in enumerate(words)).rstrip()


@given(
    before=SENTENCES, planted=SENTENCES, after=SENTENCES, gaps=st.lists(GAPS, min_size=3, max_size=9), data=st.data()
)
def test_a_planted_span_is_found_through_noise_of_whitespace_and_case(
    before: list[str], planted: list[str], after: list[str], gaps: list[str], data: st.DataObject
) -> None:
    report = joined(before, gaps) + gaps[0] + joined(planted, gaps) + gaps[1] + joined(after, gaps)
    noisy = [data.draw(st.sampled_from([word, word.upper(), word.lower()])) for word in planted]
    asked = joined(noisy, data.draw(st.lists(GAPS, min_size=1, max_size=5)))
    quote = locate(asked, report)
    assert quote is not None
    assert report[quote.start : quote.end] == quote.text
    assert [word.casefold() for word in quote.text.split()] == [word.casefold() for word in noisy]


@given(report=SENTENCES, planted=SENTENCES, gaps=st.lists(GAPS, min_size=1, max_size=5), data=st.data())
def test_a_span_with_one_foreign_word_is_never_found(
    report: list[str], planted: list[str], gaps: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(min_value=0, max_value=len(planted)))
    foreign = [*planted[:place], "xyz", *planted[place:]]
    assert locate(joined(foreign, gaps), joined(report, gaps)) is None


@given(words=st.text(max_size=30), report=st.text(max_size=200))
def test_whatever_is_found_is_the_reports_own_text(words: str, report: str) -> None:
    quote = locate(words, report)
    if quote is not None:
        assert report[quote.start : quote.end] == quote.text


@given(report=st.text(min_size=1, max_size=200), data=st.data())
def test_any_text_with_a_letter_is_found_in_itself(report: str, data: st.DataObject) -> None:
    quote = locate(report, report)
    if any(character.isalnum() for character in report):
        assert quote is not None


@pytest.mark.parametrize(
    ("words", "report", "found"),
    [
        ("No pleural effusion.", "FINDINGS:\n No  pleural\n effusion.", "No  pleural\n effusion."),
        ("patient's heart", "The patient\u2019s heart", "patient\u2019s heart"),
        ('"stable"', "called \u201cstable\u201d today", "\u201cstable\u201d"),
        ("right-sided", "a right\u2011sided line", "right\u2011sided"),
        ("2-3 cm", "measures 2\u20133 cm", "2\u20133 cm"),
        ("pneumothorax", "no pneumo\u00adthorax", "pneumo\u00adthorax"),
        ("1. Cardiomegaly", "IMPRESSION:1. Cardiomegaly", "1. Cardiomegaly"),
        ("effusion", "Effusion. Effusion.", "Effusion"),
        ("normal", "Abnormal. The heart is normal", "normal"),
        ("___ F with cough", "___ F with cough", "___ F with cough"),
    ],
)
def test_typography_and_layout_do_not_matter(words: str, report: str, found: str) -> None:
    quote = locate(words, report)
    assert quote is not None
    assert quote.text == found


@pytest.mark.parametrize(
    ("words", "report"),
    [
        ("normal", "The mediastinum is abnormal."),
        ("typical", "atypical opacities"),
        ("a typical", "atypical opacities"),
        ("displaced fracture", "non-displaced fracture"),
        ("specific opacity", "non\u2010specific opacity"),
        ("5 cm", "a nodule of 3.5 cm"),
        ("nodule of 3", "a nodule of 3.5 cm"),
        ("pneumo", "no pneumothorax"),
        ("large effusion", "small effusion"),
        ("no ... effusion", "no pleural effusion"),
        ("no effusion.", "no effusion, no pneumothorax"),
        ("", "no effusion"),
        (" . ", "no effusion ."),
        ("effusion", ""),
        ("effusion and more than there is", "effusion"),
    ],
)
def test_what_the_report_does_not_say_in_whole_words_is_not_found(words: str, report: str) -> None:
    assert locate(words, report) is None


@pytest.mark.parametrize(
    ("words", "report", "left_out"),
    [
        ("pneumothorax", "There is no pneumothorax.", True),
        ("effusion", "No pneumothorax, consolidation or\npleural effusion.", True),
        ("focal consolidation", "The lungs are free of focal consolidation.", True),
        ("no pneumothorax", "There is no pneumothorax.", False),
        ("small effusion", "No pneumothorax. A small effusion.", False),
        ("small effusion", "No pneumothorax but a small effusion.", False),
        ("Nodule", "1. No effusion\n\n2. Nodule", False),
        ("effusion", "There is notable effusion", False),
        ("a 2 cm mass", "No effusion of 3.5 cm; a 2 cm mass", False),
    ],
)
def test_a_quote_that_is_cut_out_of_its_negation_is_noticed(words: str, report: str, left_out: bool) -> None:
    quote = locate(words, report)
    assert quote is not None
    assert leaves_out_negation(quote, report) is left_out


def test_a_hostile_report_takes_no_longer_than_a_plain_one() -> None:
    hostile = "a " * 100_000 + "b"
    plain = " ".join(f"word{number}" for number in range(20_000))

    def searched(words: str, report: str) -> float:
        found: list[object] = []
        took = processor_s(lambda: found.append(locate(words, report)))
        assert found == [None]
        return took

    assert searched("a " * 10_000 + "c", hostile) < 10 * searched(plain[:20_000] + "zz", plain) + 0.5
