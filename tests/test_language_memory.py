"""What the reader remembers changes nothing that it reads: not by order, by who asks, by how much, nor by whom else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.language import analyse, items, load_lexicon, reader, sentence_reader
from cxr.miner.language.items import Items, read_items
from cxr.miner.language.lexicon import _written_out, variants
from cxr.miner.language.phrases import Phrases
from cxr.miner.language.tokens import phrase_words

REMEMBERING = (items._known, items._begins, items._folded, sentence_reader._places, reader.read_sentence, analyse)
# Each pair writes the same between two blanks, and means something else by what stands around it.
PAIRS = [
    ("Pneumothorax: no. Effusion", "Tube no. 2 ends high"),
    ("Effusion on the l side", "Fracture of l 4"),
    ("Effusion: n", "Grade n of many"),
    ("No pneumothorax - small effusion", "X-ray of the chest"),
    ("? Pneumonia", "Pneumonia ?"),
    ("Pneumonia? none", "Is it pneumonia?"),
    ("The nodule measures 5 mm", "The mm scale is shown"),
]
WORDS = sorted({word for phrase in load_lexicon().entries for word in phrase})


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    for cached in REMEMBERING:
        cached.cache_clear()


def said(found: Items) -> tuple[object, ...]:
    return found.words, found.starts, found.ends, found.roles, found.sizes


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_sentence_is_matched_alike_whatever_was_read_before(one: str, other: str) -> None:
    fresh = []
    for sentence in (one, other):
        forget()
        fresh.append(said(read_items(sentence)))
    for order in ((one, other), (other, one)):
        forget()
        for _ in range(2):
            assert {sentence: said(read_items(sentence)) for sentence in order} == dict(
                zip((one, other), fresh, strict=True)
            )


def test_who_changes_what_was_matched_changes_nobody_elses() -> None:
    sentence = "No left pleural effusion or pneumothorax, 4 mm."
    before = said(read_items(sentence))
    theirs = read_items(sentence)
    for row in (theirs.words, theirs.starts, theirs.ends, theirs.roles, theirs.entries):
        row.clear()
    assert said(read_items(sentence)) == before
    assert load_lexicon().entries[("effusion",)].concepts


def test_what_is_remembered_is_bounded_and_a_full_memory_reads_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [f"Small effusion, wo{letter}rd{letter} and the lungs are clear." for letter in "abcdefghij"]
    before = [said(read_items(sentence)) for sentence in sentences]
    forget()
    most = len(items._begins()) + 3
    monkeypatch.setattr(items, "_MOST_KNOWN", most)
    for _ in range(2):
        assert [said(read_items(sentence)) for sentence in sentences] == before
    assert len(items._begins()) <= most
    assert all(len(written) <= items._LONGEST_KNOWN for known in items._known() for written in known)
    monkeypatch.setattr(items, "_MOST_KNOWN", 3)
    items._known.cache_clear()
    assert [said(read_items(sentence)) for sentence in sentences] == before
    single, several = items._known()
    assert len(single) + len(several) <= 3


def test_a_long_run_of_signs_is_not_remembered() -> None:
    read_items("effusion" * 50)
    assert items._known() == ({}, {})


def test_threads_that_read_at_once_read_what_one_reads() -> None:
    texts = [
        f"No {side} effusion. {size} mm nodule in the {side} lung." for side in ("left", "right") for size in "456"
    ]
    alone = [analyse(text).mentions for text in texts]
    for _ in range(5):
        forget()
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda text: analyse(text).mentions, texts * 8)) == alone * 8


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
@settings(max_examples=80)
def test_phrases_at_a_word_are_all_that_there_are(words: list[str]) -> None:
    entries = load_lexicon().entries
    for start in range(len(words)):
        found = [total for _, total in load_lexicon().phrases.at(words, start)]
        there = [stop for stop in range(1, len(words) - start + 1) if tuple(words[start : start + stop]) in entries]
        assert found == there


def test_a_phrase_that_is_only_begun_is_none() -> None:
    known = {(words := tuple(text.split())): load_lexicon().entries[("effusion",)] for text in ("a b c", "a b d e")}
    assert words in known
    assert list(Phrases(known).at(["a", "b"], 0)) == []
    assert [total for _, total in Phrases(known).at(["x", "a", "b", "c"], 1)] == [3]


@pytest.mark.parametrize(
    "phrase", ["[old|] rib", "[old|new] [left|] rib", "[non|]specific", "rib[s|] [x|y|]", "[a|b][c|d]", "w/o [a|] rib"]
)
def test_a_phrase_with_choices_has_the_words_of_each_way_to_write_it(phrase: str) -> None:
    assert _written_out(phrase) == [phrase_words(text) for text in variants(phrase)]
