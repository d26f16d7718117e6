"""Agreement figures on tables that can be checked by hand."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.stats.agreement import agreement

# Cohen's own kind of table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no -> 0.70 observed, 0.50 expected.
TEXTBOOK = Counter({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})


def test_the_textbook_table_has_kappa_0_4() -> None:
    result = agreement(*zip(*TEXTBOOK.elements(), strict=True), resamples=10)
    assert result.accuracy.value == pytest.approx(0.70)
    assert result.kappa.value == pytest.approx(0.40)


def test_confusion_is_square_and_keeps_every_label_of_either_side() -> None:
    assert agreement(["supported"] * 3, ["supported", "contradicted", "supported"]).confusion == {
        "contradicted": {"contradicted": 0, "supported": 0},
        "supported": {"contradicted": 1, "supported": 2},
    }


@pytest.mark.parametrize(
    ("gold", "predicted", "expected_accuracy", "expected_kappa"),
    [
        pytest.param([], [], None, None, id="no items"),
        pytest.param(["a", "a"], ["a", "a"], 1.0, None, id="one label only: chance explains all"),
        pytest.param(["a", "b"], ["a", "b"], 1.0, 1.0, id="perfect"),
        pytest.param(["a", "b"], ["b", "a"], 0.0, -1.0, id="always the other"),
        pytest.param(["a", "b"], ["a", "a"], 0.5, 0.0, id="one label says nothing"),
    ],
)
def test_edge_tables(
    gold: list[str], predicted: list[str], expected_accuracy: float | None, expected_kappa: float | None
) -> None:
    result = agreement(gold, predicted, resamples=10)
    assert result.accuracy.value == expected_accuracy
    assert result.kappa.value == expected_kappa


def test_lists_of_different_length_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="gold has 1 labels and predicted has 2"):
        agreement(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="1 cluster names were given for 2 labels"):
        agreement(["a", "a"], ["a", "b"], clusters=["r1"])


def test_intervals_hold_the_value_and_repeat_under_the_same_seed() -> None:
    gold = ["a", "b", "a", "b", "a", "a"] * 10
    predicted = ["a", "b", "b", "b", "a", "a"] * 10
    first = agreement(gold, predicted, resamples=200, seed=3)
    assert first == agreement(gold, predicted, resamples=200, seed=3)
    assert first.accuracy.value is not None
    assert first.accuracy.low is not None
    assert first.accuracy.high is not None
    assert first.accuracy.low <= first.accuracy.value <= first.accuracy.high


def test_the_intervals_are_those_of_drawing_reports_one_by_one_with_the_standard_library() -> None:
    rng = random.Random(4)
    gold = [rng.choice("abc") for _ in range(90)]
    said = [label if rng.random() < 0.7 else rng.choice("abc") for label in gold]
    reports = [rng.randrange(25) for _ in gold]
    grouped = [
        [pair for pair, own in zip(zip(gold, said, strict=True), reports, strict=True) if own == report]
        for report in dict.fromkeys(reports)
    ]
    drawing = random.Random(7)
    shares = []
    for _ in range(300):
        drawn = [pair for report in drawing.choices(grouped, k=len(grouped)) for pair in report]
        shares.append(sum(one == two for one, two in drawn) / len(drawn))
    found = agreement(gold, said, clusters=reports, resamples=300, seed=7).accuracy
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(shares, [2.5, 97.5])), abs=1e-12)


def test_clustered_findings_give_wider_intervals_than_pretending_they_are_independent() -> None:
    # Ten reports of ten findings that are all right or all wrong together.
    gold = ["a"] * 100
    predicted = (["a"] * 10 + ["b"] * 10) * 5
    alone = agreement(gold, predicted).accuracy
    together = agreement(gold, predicted, clusters=[i // 10 for i in range(100)]).accuracy
    assert alone.low is not None
    assert alone.high is not None
    assert together.low is not None
    assert together.high is not None
    assert together.high - together.low > alone.high - alone.low


def test_one_cluster_has_no_interval() -> None:
    found = agreement(["a"] * 5, ["a"] * 5, clusters=["r"] * 5).accuracy
    assert (found.value, found.low, found.high) == (1.0, None, None)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=40))
def test_kappa_is_at_most_one_and_symmetric(pairs: list[tuple[str, str]]) -> None:
    forward = agreement([a for a, _ in pairs], [b for _, b in pairs], resamples=1).kappa.value
    backward = agreement([b for _, b in pairs], [a for a, _ in pairs], resamples=1).kappa.value
    assert forward == pytest.approx(backward) if forward is not None else backward is None
    if forward is not None:
        assert forward <= 1.0 + 1e-12
