"""Reports that repeat each other are found, exactly and nearly, however much else there is."""

import contextlib
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr.miner.benchmark.leakage import NEAR, find_shared_reports, leakage
from cxr.miner.store import Store
from tests.benchmarks_world import run_cxr

BASE = (
    "There is a moderate left pleural effusion with adjacent atelectasis. The heart is mildly enlarged. No "
    "pneumothorax is seen. The right lung is clear. Degenerative changes of the thoracic spine are unchanged since the "
    "prior study."
)


def _shared(reports: list[tuple[str, str, str]], near: float = NEAR) -> dict[str, str]:
    """Search reports of (study, split, findings); give the studies that give way, with exact or near."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute(
            "create table studies (study_id varchar, corpus varchar, split varchar);"
            "create table reports (study_id varchar, findings varchar, impression varchar, text varchar)"
        )
        connection.executemany("insert into studies values (?, 'test', ?)", [report[:2] for report in reports])
        connection.executemany("insert into reports values (?, ?, null, '')", [report[::2] for report in reports])
        store = Store(connection, Path())
        find_shared_reports(store, near)
        return dict(store.rows("select study_id, kind from leak_shared"))


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (BASE, "exact"),
        (BASE.upper().replace(". ", ".\n\n"), "exact"),
        (BASE.replace("left", "left XXXX"), "exact"),
        (BASE.replace("left", "left ___"), "exact"),
        (BASE.replace("mildly enlarged", "enlarged"), "near"),
        (BASE + " Stable.", "near"),
        (BASE.replace("moderate", "large"), "near"),
        (" ".join(reversed(BASE.split())), None),
        ("There is a moderate left pleural effusion. The heart is normal in size. The bones are intact.", None),
        ("No acute cardiopulmonary abnormality.", None),
    ],
)
def test_a_report_of_training_that_repeats_one_of_the_test_set(other: str, kind: str | None) -> None:
    found = _shared([("test/a", "test", BASE), ("test/b", "train", other), ("test/c", "train", "Clear.")])
    assert found == ({} if kind is None else {"test/b": kind})


def test_the_weaker_split_gives_way_and_repeats_within_a_split_are_no_leak() -> None:
    reports = [
        ("test/1", "train", BASE), ("test/2", "train", BASE), ("test/3", "validate", BASE), ("test/4", "test", BASE),
        ("test/5", "test", BASE), ("test/6", "train", "The lungs are clear."),
        ("test/7", "train", "The lungs are clear."),
    ]  # fmt: skip
    assert set(_shared(reports)) == {"test/1", "test/2", "test/3"}


def test_reports_of_a_word_or_two_are_compared_whole() -> None:
    reports = [("test/1", "test", "Clear."), ("test/2", "train", "CLEAR"), ("test/3", "train", "Clear lungs.")]
    assert _shared(reports) == {"test/2": "exact"}


words = st.lists(st.sampled_from(["lung", "heart", "clear", "left", "base", "no", "opacity", "effusion"]), max_size=12)


def _trigrams(text: list[str]) -> set[tuple[str, ...]]:
    return {tuple(text[place : place + 3]) for place in range(len(text) - 2)} or {tuple(text)}


@given(st.lists(words, min_size=1, max_size=6), st.lists(words, min_size=1, max_size=12), st.sampled_from([0.5, 0.8]))
@settings(max_examples=15)
def test_the_search_misses_no_pair_and_finds_no_other(
    held: list[list[str]], others: list[list[str]], near: float
) -> None:
    """Against the plain definition: Jaccard of trigram sets, every pair compared."""
    reports = [(f"test/h{i}", "test", " ".join(text)) for i, text in enumerate(held)]
    reports += [(f"test/o{i}", "train", " ".join(text)) for i, text in enumerate(others)]
    sets = [_trigrams(text) for text in held if text]
    expected = {
        f"test/o{i}"
        for i, text in enumerate(others)
        if text and any(len(_trigrams(text) & a) >= near * len(_trigrams(text) | a) for a in sets)
    }
    assert set(_shared(reports, near)) == expected


def test_openi_repeats_itself_and_its_splits_share_reports(shared: Path, tmp_path: Path) -> None:
    """784 of 3,851 rows repeat another row's findings and impression word by word (formats.md, section 8.2)."""
    assert run_cxr(tmp_path, "ingest", "openi", shared / "data" / "openi").returncode == 4
    with Store.read(tmp_path / "cxr.duckdb") as store:
        found = leakage(store)
        exact = store.count(
            "select count(*) - count(distinct (findings, impression)) from reports "
            "where findings is not null or impression is not null"
        )
    (openi,) = found.repeats
    # 24 of the 784 are rows without any words, which ingest rejects; normalising finds more than equal letters do.
    assert exact == 760
    assert openi.repeats >= 784
    assert openi.shared_exactly > 500
    assert found.near_pairs > 50
    assert not found.is_clean
    told = run_cxr(tmp_path, "bench", "leakage")
    assert told.returncode == 0
    assert f"{openi.repeats}" in told.stdout
