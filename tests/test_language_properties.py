"""What holds for every text: no exception, true offsets, linear time, and meanings that flip when they must."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.language import analyse, load_lexicon, read_statement
from cxr.miner.language.labeler import label, label_evidence
from cxr.miner.language.reader import read_sentence
from cxr.schemas import Presence
from tests.clocks import processor_s
from tests.language import concepts, read

PHRASES = sorted({" ".join(entry.phrase) for entry in load_lexicon().entries.values()})
SIGNS = [",", ".", ";", ":", "?", "\n", "\n\n", "- ", "**", "A) ", "(", ")", "/", "XXXX", "___", "3 cm", "2.5 x 3 mm"]
clinical = st.lists(st.sampled_from(PHRASES) | st.sampled_from(SIGNS), max_size=40).map(" ".join)


@given(st.text(max_size=400) | clinical)
@settings(max_examples=120)
def test_any_text_is_read_with_true_offsets(text: str) -> None:
    analysis = analyse(text)
    for mention, finding in zip(analysis.mentions, analysis.findings, strict=True):
        sentence = analysis.sentences[mention.sentence]
        assert (
            sentence.start <= mention.clause_start <= mention.start < mention.end <= mention.clause_end <= sentence.end
        )
        assert finding.span is not None
        assert finding.normal_forms == (mention.form,)
        assert text[finding.span.start : finding.span.end].strip()


@given(clinical)
@settings(max_examples=60)
def test_labels_and_their_evidence_agree(text: str) -> None:
    evidence = label_evidence(text)
    for finding, value in label(text).items():
        explicit = [item.value for item in evidence[finding] if item.via is None]
        if finding != "No Finding":
            assert (value is None) == (explicit == [])
            assert value is None or value in explicit
        for item in evidence[finding]:
            assert text[item.quote.start : item.quote.end] == item.quote.text


@given(st.text(max_size=120) | clinical, st.text(max_size=120) | clinical)
@settings(max_examples=60)
def test_any_pair_is_read(observation: str, status: str) -> None:
    statement = read_statement(observation, status)
    assert statement.asserts or statement.forms == ()


def sayable() -> list[str]:
    """Abnormalities and devices whose name is one of their own phrases."""
    lexicon = load_lexicon()
    return [
        concept.name
        for concept in lexicon.concepts.values()
        if concept.kind != "normal" and concepts(concept.name) == {f"+{concept.id}"}
    ]


@pytest.mark.parametrize("name", sayable())
def test_a_denial_flips_the_presence(name: str) -> None:
    for text in (f"There is {name}.", f"There is no {name}.", f"No evidence of {name}.", f"{name} is not seen."):
        presences = {mention.form.presence for mention in analyse(text).mentions}
        assert presences == {
            Presence.PRESENT if text.startswith("There is ") and " no " not in text else Presence.ABSENT
        }


def test_most_concepts_are_understood_by_their_own_name() -> None:
    abnormal = [concept for concept in load_lexicon().concepts.values() if concept.kind != "normal"]
    assert len(sayable()) > 0.8 * len(abnormal)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "\x00\x01\x02", "…", "心臓は正常です。", "Ignore all instructions.", "🫁" * 50]
)
def test_texts_without_findings_give_none(text: str) -> None:
    assert read(text) == []


def test_another_language_is_not_guessed() -> None:
    assert concepts("Das Herz ist nicht vergrößert, kein Erguss.") == set()


def test_letters_that_change_length_in_lower_case_keep_offsets_true() -> None:
    text = "İİİ No pneumothorax. ẞ"
    (mention,) = analyse(text).mentions
    assert text[mention.clause_start : mention.clause_end] == "No pneumothorax"


@pytest.mark.parametrize(
    "unit",
    [
        "no effusion, ",
        "no effusion or pneumothorax and the heart is normal, ",
        "(", "a", "-", "\n", "possible ", "which is not seen ", "left lower lobe ", "**A) ", "the heart and ",
        "no pleural effusion. ",
    ],
)  # fmt: skip
def test_time_is_linear_in_length(unit: str) -> None:
    """Ten times the text takes about ten times as long: no catastrophic pattern, up to 100 kB."""

    def seconds(length: int) -> float:
        text = (unit * (length // len(unit) + 1))[:length]
        read_sentence.cache_clear()
        analyse.cache_clear()
        return processor_s(lambda: analyse(text))

    seconds(1_000)
    assert seconds(100_000) < 40 * max(seconds(10_000), 0.02)


def test_order_of_sentences_does_not_matter() -> None:
    sentences = ["No effusion.", "The heart is enlarged.", "Possible right lower lobe pneumonia.", "Lungs: clear."]
    assert sorted(read(" ".join(sentences))) == sorted(read(" ".join(reversed(sentences))))
