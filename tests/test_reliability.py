"""Agreement of readers: against two other packages to the ninth digit, by hand, and where nothing is known."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.stats.reliability import (
    Drawing,
    Level,
    intraclass,
    krippendorff_alpha,
    limits_of_agreement,
    retest,
    weighted_kappa,
)
from cxr.miner.stats.resampling import Floats, Integers, random_stream

POINT = Drawing(resamples=1)
NINE = 1e-9
ORDER = ("right", "unnecessary", "wrong")


def _scores(seed: int, items: int = 40, readers: int = 3, missing: float = 0.3) -> Floats:
    """Give whole scores from -10 to 10 of readers who agree somewhat, with holes."""
    rng = np.random.default_rng(seed)
    true = rng.integers(-10, 11, size=(items, 1))
    scores: Floats = np.clip(true + rng.integers(-4, 5, size=(items, readers)), -10, 10).astype(np.float64)
    scores[rng.random(scores.shape) < missing] = np.nan
    return scores


def _apart(items: int) -> Integers:
    return np.arange(items, dtype=np.int64)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_package_krippendorff(seed: int, level: Level) -> None:
    scores = _scores(seed, readers=2 + seed)
    theirs = import_module("krippendorff").alpha(reliability_data=scores.T, level_of_measurement=str(level))
    assert krippendorff_alpha(scores, level, _apart(len(scores)), POINT).value == pytest.approx(theirs, abs=NINE)


@pytest.mark.parametrize("level", Level)
def test_alpha_is_that_of_the_package_where_scores_are_no_whole_numbers(level: Level) -> None:
    scores = _scores(9) / 7
    theirs = import_module("krippendorff").alpha(reliability_data=scores.T, level_of_measurement=str(level))
    assert krippendorff_alpha(scores, level, _apart(len(scores)), POINT).value == pytest.approx(theirs, abs=NINE)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's way with the newest pandas
def test_icc_and_weighted_kappa_are_those_of_pingouin_and_of_the_package_under_it() -> None:
    """It is heavy, so it is imported once; its kappa comes with statsmodels, on which it rests."""
    pandas, pingouin = import_module("pandas"), import_module("pingouin")
    cohens_kappa = import_module("statsmodels.stats.inter_rater").cohens_kappa
    for seed in range(4):
        scores = _scores(seed, readers=2 + seed % 2, missing=0.1)
        items, readers = np.indices(scores.shape)
        long = pandas.DataFrame({"item": items.ravel(), "reader": readers.ravel(), "score": scores.ravel()})
        theirs = pingouin.intraclass_corr(
            long, targets="item", raters="reader", ratings="score", nan_policy="omit"
        ).set_index("Type")["ICC"]
        single, average = (theirs[next(name for name in names if name in theirs)] for names in _NAMES)
        ours = intraclass(scores, _apart(len(scores)), POINT)
        assert ours.single.value == pytest.approx(single, abs=NINE)
        assert ours.average.value == pytest.approx(average, abs=NINE)
        rng = np.random.default_rng(seed)
        first, second = rng.choice(3, p=(0.6, 0.3, 0.1), size=50), rng.choice(3, size=50)
        second = np.where(rng.random(50) < 0.6, first, second)
        table = np.zeros((3, 3))
        np.add.at(table, (first, second), 1)
        kappa = weighted_kappa([ORDER[n] for n in first], [ORDER[n] for n in second], ORDER, _apart(50), POINT)
        assert kappa.value == pytest.approx(cohens_kappa(table, wt="linear").kappa, abs=NINE)


_NAMES = (("ICC(A,1)", "ICC2"), ("ICC(A,k)", "ICC2k"))
"""Names of single and of average absolute agreement, in newer and in older versions of pingouin."""


def test_shrout_and_fleiss_find_029_and_062_in_their_own_table() -> None:
    scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    found = intraclass(scores, _apart(6), POINT)
    assert (found.items, found.readers) == (6, 4)
    assert found.single.value == pytest.approx(0.29, abs=0.005)
    assert found.average.value == pytest.approx(0.62, abs=0.005)


def test_limits_of_agreement_by_hand() -> None:
    first, second = np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 2.0, 5.0, 7.0])
    found = limits_of_agreement(first, second, _apart(4), POINT)
    spread = 1.959963984540054 * np.std([1, 0, 2], ddof=1)
    assert found.items == 3
    assert found.difference.value == pytest.approx(1)
    assert found.low.value == pytest.approx(1 - spread)
    assert found.high.value == pytest.approx(1 + spread)


def test_a_retest_tells_what_is_the_same_again_and_leaves_out_what_was_scored_once() -> None:
    first, second = np.array([5.0, -3.0, 8.0, 8.0, np.nan]), np.array([5.0, -2.0, 8.0, 6.0, 1.0])
    found = retest(first, second, _apart(5), POINT)
    assert found.items == 4
    assert found.same.value == pytest.approx(0.5)
    assert found.limits.difference.value == pytest.approx(-0.25)
    assert found.alpha.value is not None
    assert 0.9 < found.alpha.value < 1


@pytest.mark.parametrize(
    "scores",
    [
        pytest.param(np.empty((0, 2)), id="no item"),
        pytest.param(np.array([[1.0, np.nan], [np.nan, 2.0]]), id="no item that two share"),
        pytest.param(np.full((6, 2), 7.1), id="one and the same score"),
        pytest.param(np.array([[1.0], [2.0], [3.0]]), id="one reader"),
    ],
)
def test_what_is_undefined_is_nothing(scores: Floats) -> None:
    patients = _apart(len(scores))
    for level in Level:
        assert krippendorff_alpha(scores, level, patients, Drawing()).value is None
    found = intraclass(scores, patients, Drawing())
    assert (found.single.value, found.average.value) == (None, None)


def test_verdicts_of_one_kind_have_no_kappa_and_strange_ones_are_refused() -> None:
    assert weighted_kappa(["right"] * 3, ["right"] * 3, ORDER, _apart(3), Drawing()).value is None
    assert weighted_kappa([], [], ORDER, _apart(0), Drawing()).value is None
    with pytest.raises(ValueError, match="perhaps stands in no order of verdicts; expected right, unnecessary, wrong"):
        weighted_kappa(["perhaps"], ["right"], ORDER, _apart(1), Drawing())


def test_intervals_come_from_drawing_patients_as_a_whole() -> None:
    """The same draws one by one: the rows of the drawn patients, and the measure of these."""
    scores, patients = _scores(2, missing=0), np.random.default_rng(2).integers(0, 12, size=40)
    drawing = Drawing(resamples=60, seed=5, name="alpha")
    found = krippendorff_alpha(scores, Level.ORDINAL, patients, drawing)
    numbers = np.unique(patients)
    values = []
    for draw in random_stream(5, "alpha").integers(0, len(numbers), size=(60, len(numbers))):
        rows = np.concatenate([np.flatnonzero(patients == numbers[one]) for one in draw])
        values.append(krippendorff_alpha(scores[rows], Level.ORDINAL, _apart(len(rows)), POINT).value)
    low, high = np.percentile(np.array(values, dtype=np.float64), [2.5, 97.5])
    assert [found.low, found.high] == pytest.approx([low, high], abs=NINE)


def test_too_few_patients_have_no_interval() -> None:
    found = krippendorff_alpha(_scores(3), Level.INTERVAL, np.zeros(40, dtype=np.int64), Drawing(fewest=5))
    assert found.value is not None
    assert (found.low, found.high) == (None, None)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.floats(-50, 50), st.floats(0.1, 20))
def test_moving_and_stretching_all_scores_changes_no_agreement(
    seed: int, readers: int, shift: float, stretch: float
) -> None:
    scores = _scores(seed, items=12, readers=readers, missing=0.2)
    moved, patients = scores * stretch + shift, _apart(12)
    for level in Level:
        before, after = (krippendorff_alpha(one, level, patients, POINT).value for one in (scores, moved))
        assert after == (None if before is None else pytest.approx(before, abs=1e-6))
    before, after = (intraclass(one, patients, POINT).single.value for one in (scores, moved))
    assert after == (None if before is None else pytest.approx(before, abs=1e-6))
