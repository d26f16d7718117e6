"""Questions: one right answer, always; balanced; the same for the same seed; untouched by other studies."""

import random
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.ask.ask import ask
from cxr.miner.ask.balance import MAX_RATIO, ceilings, downsample_sets
from cxr.miner.ask.settings import AskSettings
from cxr.miner.pack import pack
from cxr.miner.store import Store
from cxr.schemas.question import Option, Question

Labels = dict[str, dict[str, int | None]]


def _labels(studies: int, seed: int) -> Labels:
    """Invent labels with every value, common and rare findings, and studies that show nothing."""
    draw = random.Random(seed)
    weights = {finding: draw.uniform(0.05, 0.5) for finding in pack().label_names}

    def value(finding: str) -> int | None:
        if draw.random() < weights[finding]:
            return draw.choice([1, 1, 1, -1])
        return draw.choice([0, None])

    return {f"test/{number}": {finding: value(finding) for finding in pack().label_names} for number in range(studies)}


def _store_labels(store: Store, labels: Labels) -> None:
    studies = pl.DataFrame({"study_id": list(labels)}).with_columns(
        corpus=pl.lit("test"), split=pl.lit("train"), patient_id="study_id", licence=pl.lit("public")
    )
    rows = [(study, finding, value) for study, values in labels.items() for finding, value in values.items()]
    store.insert("studies", studies)
    store.insert(
        "labels",
        pl.DataFrame(rows, schema={"study_id": pl.String, "finding": pl.String, "value": pl.Int8}, orient="row")
        .with_columns(labeler=pl.lit("rules"), labeler_version=pl.lit("1")),
    )  # fmt: skip


def _asked(folder: Path, labels: Labels, **given: object) -> pl.DataFrame:
    db = folder / "cxr.duckdb"
    db.unlink(missing_ok=True)
    with Store.write(db, create=True) as store:
        _store_labels(store, labels)
        ask(store, AskSettings.resolve(db, **given))
        return store.frame("select * from questions order by question_id")


def _true(values: dict[str, int | None]) -> set[str]:
    """Everything that is true of a study, with what follows from its labels."""
    shown = {finding for finding, value in values.items() if value == 1}
    return shown | {other for label in pack().labels if label.name in shown for other in label.implies}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("balance", ["strict", "none"])
def test_no_question_ever_has_two_right_options(tmp_path: Path, seed: int, balance: str) -> None:
    labels = _labels(300, seed)
    questions = _asked(tmp_path, labels, seed=seed, balance=balance, tasks="single,multiple")
    assert questions.height > 100
    for row in questions.iter_rows(named=True):
        values = labels[row["study_id"]]
        right = [option["letter"] for option in row["options"] if set(option["findings"]) <= _true(values)]
        assert right == [row["answer"]]
        offered = {finding for option in row["options"] for finding in option["findings"]}
        assert not any(values[finding] == -1 for finding in offered)


def test_every_stored_question_is_a_valid_question(tmp_path: Path) -> None:
    fields = ("question_id", "study_id", "task", "text", "answer")
    for row in _asked(tmp_path, _labels(200, 5)).iter_rows(named=True):
        Question(
            **{name: row[name] for name in fields},
            findings=tuple(row["findings"]),
            options=tuple(Option(letter=o["letter"], findings=tuple(o["findings"])) for o in row["options"]),
            answer_findings=tuple(row["answer_findings"]),
        )


def test_a_no_is_never_uncertain_nor_implied_and_a_yes_is_labeled(tmp_path: Path) -> None:
    labels = _labels(300, 6)
    for row in _asked(tmp_path, labels, tasks="binary").iter_rows(named=True):
        values, (finding,) = labels[row["study_id"]], row["findings"]
        if row["answer"] == "Yes":
            assert values[finding] == 1
        else:
            assert values[finding] in {0, None}
            assert finding not in _true(values)


def test_an_anomaly_question_names_all_findings_and_skips_studies_with_an_uncertain_one(tmp_path: Path) -> None:
    labels = _labels(300, 7)
    questions = _asked(tmp_path, labels, tasks="anomaly", balance="none")
    assert questions.height > 20
    for row in questions.iter_rows(named=True):
        values = {finding: labels[row["study_id"]][finding] for finding in pack().question_labels}
        assert set(row["answer_findings"]) == {finding for finding, value in values.items() if value == 1}
        assert -1 not in values.values()


def test_strict_balance_keeps_the_most_frequent_at_twice_the_least_frequent(tmp_path: Path) -> None:
    questions = _asked(tmp_path, _labels(800, 8))
    for task in ("binary", "single", "multiple", "anomaly"):
        column = "findings" if task == "binary" else "answer_findings"
        counts = Counter(questions.filter(pl.col("task") == task)[column].explode().to_list())
        assert len(counts) > 6
        assert max(counts.values()) <= MAX_RATIO * min(counts.values()), task


def test_another_seed_draws_other_questions(tmp_path: Path) -> None:
    labels = _labels(300, 9)
    first, second = (set(_asked(tmp_path, labels, seed=seed)["question_id"]) for seed in (1, 2))
    assert first == set(_asked(tmp_path, labels, seed=1)["question_id"])
    assert len(first & second) < len(first)


def test_more_studies_do_not_reshuffle_the_questions_of_the_others(tmp_path: Path) -> None:
    labels = _labels(300, 10)
    some = dict(list(labels.items())[:200])
    before = _asked(tmp_path, some, balance="none", tasks="single,multiple,anomaly")
    after = _asked(tmp_path, labels, balance="none", tasks="single,multiple,anomaly")
    assert set(before["question_id"]) <= set(after["question_id"])


def test_letters_of_right_options_are_spread_evenly(tmp_path: Path) -> None:
    questions = _asked(tmp_path, _labels(800, 11), tasks="single,multiple", balance="none")
    counts = Counter(questions["answer"])
    assert set(counts) == set("ABCD")
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_the_longest_or_commonest_finding_does_not_give_the_answer_away(tmp_path: Path) -> None:
    """A right set has the size of the wrong ones, and wrong sets hold present findings too."""
    labels = _labels(300, 12)
    mixed = 0
    for row in _asked(tmp_path, labels, tasks="multiple", balance="none").iter_rows(named=True):
        values = labels[row["study_id"]]
        assert len({len(option["findings"]) for option in row["options"]}) == 1
        wrong = [option["findings"] for option in row["options"] if option["letter"] != row["answer"]]
        mixed += any(values[finding] == 1 for findings in wrong for finding in findings)
    assert mixed > 20


findings = st.sampled_from(pack().question_labels)


@given(st.lists(st.lists(findings, min_size=1, max_size=5, unique=True), max_size=200), st.integers(1, 10))
@settings(max_examples=60)
def test_down_sampled_sets_hold_the_ratio_and_no_rare_finding(sets: list[list[str]], least: int) -> None:
    kept = [sets[index] for index in downsample_sets(sets, balance="strict", min_positives=least)]
    counts = Counter(finding for members in kept for finding in members)
    if counts:
        assert max(counts.values()) <= MAX_RATIO * min(counts.values())
    before = Counter(finding for members in sets for finding in members)
    assert all(before[finding] >= least for finding in counts)


@given(st.lists(st.lists(findings, min_size=1, max_size=5, unique=True), max_size=200), st.integers(1, 10))
@settings(max_examples=40)
def test_soft_balance_holds_among_the_findings_that_are_not_rare(sets: list[list[str]], least: int) -> None:
    kept = [sets[index] for index in downsample_sets(sets, balance="soft", min_positives=least)]
    before = Counter(finding for members in sets for finding in members)
    counts = Counter(finding for members in kept for finding in members if before[finding] >= least)
    if counts:
        assert max(counts.values()) <= MAX_RATIO * min(counts.values())


@given(st.dictionaries(findings, st.integers(0, 1000)), st.integers(1, 50))
def test_ceilings_hold_the_ratio_and_never_ask_for_more_than_there_is(available: dict[str, int], least: int) -> None:
    allowed = ceilings(available, balance="strict", min_positives=least)
    assert all(allowed[finding] <= available[finding] for finding in allowed)
    if allowed:
        assert max(allowed.values()) <= MAX_RATIO * min(allowed.values())
    assert ceilings(available, balance="none", min_positives=least) == available
