"""Agreement figures on tables that can be checked by hand."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.stats.agreement import accuracy, agreement, bootstrap_interval, cohen_kappa, confusion

# Cohen's own kind of table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no -> 0.70 observed, 0.50 expected.
TEXTBOOK = Counter({("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15})


def test_the_textbook_table_has_kappa_0_4() -> None:
    assert accuracy(TEXTBOOK) == pytest.approx(0.70)
    assert cohen_kappa(TEXTBOOK) == pytest.approx(0.40)


def test_confusion_is_square_and_keeps_every_label_of_either_side() -> None:
    table = confusion(Counter({("supported", "supported"): 2, ("supported", "contradicted"): 1}))
    assert table == {
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
    assert result.accuracy == expected_accuracy
    assert result.kappa == expected_kappa


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
    assert first.accuracy_interval is not None
    assert first.accuracy is not None
    assert first.accuracy_interval.low <= first.accuracy <= first.accuracy_interval.high


def test_clustered_findings_give_wider_intervals_than_pretending_they_are_independent() -> None:
    # Ten reports of ten findings that are all right or all wrong together.
    gold = ["a"] * 100
    predicted = (["a"] * 10 + ["b"] * 10) * 5
    alone = agreement(gold, predicted).accuracy_interval
    together = agreement(gold, predicted, clusters=[i // 10 for i in range(100)]).accuracy_interval
    assert alone is not None
    assert together is not None
    assert together.high - together.low > alone.high - alone.low


def test_one_cluster_has_no_interval() -> None:
    assert bootstrap_interval([Counter({("a", "a"): 5})], accuracy) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=40))
def test_kappa_is_at_most_one_and_symmetric(pairs: list[tuple[str, str]]) -> None:
    forward = cohen_kappa(Counter(pairs))
    backward = cohen_kappa(Counter((b, a) for a, b in pairs))
    assert forward == pytest.approx(backward) if forward is not None else backward is None
    if forward is not None:
        assert forward <= 1.0 + 1e-12
