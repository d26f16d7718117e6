"""The statistics of an evaluation against SciPy and against cases computed by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cxr.miner.stats.paired import holm, randomisation_tests
from cxr.miner.stats.resampling import (
    Estimate,
    Floats,
    Integers,
    bootstrap,
    interval,
    mean,
    resampled_means,
)

NAN = float("nan")


def randomisation_test(
    differences: Floats, rng: np.random.Generator, *, permutations: int = 10_000, units: Integers | None = None
) -> float | None:
    return randomisation_tests(differences[:, None], rng, permutations=permutations, units=units)[0]


@pytest.mark.parametrize("size", [2, 7, 200, 5000])
def test_the_interval_is_scipys_percentile_bootstrap_to_the_last_digits(size: int) -> None:
    values = np.random.default_rng(size).beta(2, 1, size)
    ours = bootstrap(values[:, None], np.random.default_rng(3), resamples=999)[0]
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=999, method="percentile", rng=np.random.default_rng(3), batch=100
    ).confidence_interval
    assert (ours.value, ours.low, ours.high) == pytest.approx((values.mean(), theirs.low, theirs.high), abs=1e-12)


def test_columns_are_resampled_together_and_a_missing_value_leaves_only_its_own_column() -> None:
    values = np.array([[1.0, 1.0], [0.0, NAN], [1.0, 1.0], [0.0, 0.0]])
    means = resampled_means(values, np.random.default_rng(0), resamples=500)
    assert mean(values).tolist() == [0.5, pytest.approx(2 / 3)]
    # Both columns differ by the row without a value alone.
    assert (means[:, 1] >= means[:, 0])[~np.isnan(means[:, 1])].all()


def test_drawing_in_blocks_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((50, 2))
    whole = resampled_means(values, np.random.default_rng(1), resamples=40)
    monkeypatch.setattr("cxr.miner.stats.resampling.AT_ONCE", 120)
    assert np.allclose(resampled_means(values, np.random.default_rng(1), resamples=40), whole)


def test_a_patient_is_drawn_with_all_samples() -> None:
    # Two patients: one with three right answers, one with one wrong answer. Drawn whole, the share right is
    # 3/3, 3/4 or 0/1; no other mean can come up.
    values, units = np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([0, 0, 0, 1])
    means = resampled_means(values, np.random.default_rng(0), resamples=400, units=units)
    assert set(np.round(means[:, 0], 6)) == {1.0, 0.75, 0.0}


def test_equal_samples_of_a_patient_make_the_interval_wider_by_their_number() -> None:
    draws = np.random.default_rng(2).integers(0, 2, 300).astype(float)
    repeated = np.repeat(draws, 9)[:, None]
    alone = bootstrap(repeated, np.random.default_rng(0), resamples=2000)[0]
    whole = bootstrap(repeated, np.random.default_rng(0), resamples=2000, units=np.repeat(np.arange(300), 9))[0]
    assert alone.low is not None
    assert alone.high is not None
    assert whole.low is not None
    assert whole.high is not None
    # Nine copies of each: the naive standard error is 3 = sqrt(9) times too small.
    assert (whole.high - whole.low) / (alone.high - alone.low) == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Estimate(None)),
        ([NAN, NAN], Estimate(None)),
        ([0.25], Estimate(0.25)),
        ([1.0, 1.0, 1.0], Estimate(1.0, 1.0, 1.0)),
    ],
)
def test_nothing_and_one_sample_have_no_interval(values: list[float], expected: Estimate) -> None:
    given_values = np.array(values, dtype=float).reshape(-1, 1)
    assert bootstrap(given_values, np.random.default_rng(0), resamples=50) == [expected]


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        found = bootstrap(rng.binomial(1, 0.7, 120).astype(float)[:, None], rng, resamples=300)[0]
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.7 <= found.high
    assert 0.91 <= covered / 300 <= 0.98


def test_the_ends_are_quantiles_of_what_is_defined() -> None:
    means = np.array([[0.0, NAN], [1.0, NAN], [NAN, NAN]])
    low, high = interval(means)
    assert [low[0], high[0]] == [pytest.approx(0.025), pytest.approx(0.975)]
    assert np.isnan([low[1], high[1]]).all()


@settings(max_examples=60)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_few_pairs_are_tested_exactly(differences: list[int]) -> None:
    total = abs(sum(differences))
    signs = itertools.product([1, -1], repeat=len(differences))
    beyond = [abs(sum(s * d for s, d in zip(row, differences, strict=True))) >= total for row in signs]
    found = randomisation_test(np.array(differences, dtype=float), np.random.default_rng(0))
    assert found == pytest.approx(sum(beyond) / len(beyond))


@pytest.mark.parametrize(("size", "shift"), [(8, 0.3), (12, 0.2), (200, 0.03), (200, 0.0)])
def test_the_paired_test_is_scipys(size: int, shift: float) -> None:
    rng = np.random.default_rng(size)
    ours, other = rng.random(size) + shift, rng.random(size)
    theirs = stats.permutation_test(
        (ours, other), lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=9999, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    found = randomisation_test(ours - other, np.random.default_rng(2), permutations=10_000)
    assert found == pytest.approx(theirs, abs=1e-9 if size <= 12 else 0.03)


def test_the_p_value_of_a_clear_difference_is_the_smallest_there_is_and_never_zero() -> None:
    assert randomisation_test(np.ones(60), np.random.default_rng(0), permutations=999) == 1 / 1000


def test_measures_are_tested_side_by_side_as_if_alone() -> None:
    rng = np.random.default_rng(4)
    columns = [rng.normal(0.2, 1, 80), np.full(80, NAN), np.where(np.arange(80) < 5, 1.0, 0.0), np.zeros(80)]
    columns[0][:30] = NAN
    together = randomisation_tests(np.column_stack(columns), np.random.default_rng(0), permutations=500)
    assert together[1] is None
    assert together[2:] == [2 / 32, 1.0]
    assert together[0] == randomisation_test(columns[0], np.random.default_rng(0), permutations=500)


def test_pairs_of_a_patient_change_sign_together() -> None:
    # Five patients, ten pairs each, all in favour: as five pairs they reach 2 / 2**5, not 2 / 2**50.
    differences, patients = np.ones(50), np.repeat(np.arange(5), 10)
    assert randomisation_test(differences, np.random.default_rng(0), units=patients) == 2 / 32


@pytest.mark.parametrize(("differences", "expected"), [([], None), ([NAN], None), ([0.0, 0.0], 1.0), ([2.0], 1.0)])
def test_degenerate_pairs(differences: list[float], expected: float | None) -> None:
    assert randomisation_test(np.array(differences), np.random.default_rng(0)) == expected


def test_tests_of_no_difference_reject_as_often_as_they_may() -> None:
    rng = np.random.default_rng(11)
    found = [randomisation_test(rng.normal(size=30), rng, permutations=199) for _ in range(400)]
    assert 0.02 <= np.mean([p is not None and p <= 0.05 for p in found]) <= 0.085


def test_holm_is_the_textbook_example() -> None:
    # Holm 1979: ordered 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, never below what came before.
    adjusted = holm([0.04, None, 0.01, 0.03, 0.02])
    assert adjusted == [pytest.approx(0.06), None, pytest.approx(0.04), pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([]) == []
