"""Charts: themable, accessible, the same every time; and the numbers around them against plain computations."""

import random
import re
from collections import Counter
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr.miner.charts.data import Chart, Series
from cxr.miner.charts.figures import REST, bars, dots, lengths, radar, shares
from cxr.miner.charts.svg import CHART_CSS
from cxr.miner.report.evaluations import by_task
from cxr.miner.report.marking import LONGEST_TEXT, MarkedSpan, marked
from cxr.miner.stats.agreement import agreement, kappas
from cxr.miner.stats.resampling import estimates, resampled_sums

NAMES = ["plain", '<b>bold</b> & "more"', "$x^2$ (full)"]
TWO = [Series(NAMES[0], [0.2, None], [0.1, None], [0.3, None]), Series(NAMES[1], [0.9, 0.5])]
CHARTS = {
    "bars": lambda: bars("a", NAMES[1], ["binary", NAMES[2]], TWO, measure="factuality", limits=(0, 1)),
    "dots": lambda: dots("a", NAMES[1], ["binary", NAMES[2]], TWO, measure="mean"),
    "logarithmic": lambda: dots(
        "a", NAMES[1], ["x", "y"], [Series("", [0, 1000])], measure="mean", logarithmic=True
    ),
    "lengths": lambda: lengths("a", NAMES[1], [("studies", 3826, 0), (NAMES[2], 0, 1)], measure="how many"),
    "shares": lambda: shares("a", NAMES[1], ["x", "y"], [Series("p", [1, 0]), Series("q", [3, 0])], colours=(5, REST)),
    "radar": lambda: radar("a", NAMES[1], ["x", "y", NAMES[2]], [Series(NAMES[1], [0.1, None, 1.0])], measure="m"),
    "empty": lambda: bars("a", "nothing", [], [], measure="m"),
}  # fmt: skip


@pytest.fixture(params=CHARTS)
def chart(request: pytest.FixtureRequest) -> Chart:
    made: Chart = CHARTS[request.param]()
    return made


def test_a_chart_is_named_and_described_and_its_colours_are_left_to_the_page(chart: Chart) -> None:
    root = ElementTree.fromstring(chart.svg)  # noqa: S314 - our own drawing
    assert root.get("role") == "img"
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert str(root.get("aria-labelledby")).split() == [root[0].get("id"), root[1].get("id")]
    assert [root[0].tag, root[0].text] == ["title", chart.title]
    assert root[1].tag == "desc"
    assert root[1].text
    assert "style" not in {name for element in root.iter() for name in element.attrib}
    classes = {name for element in root.iter() for name in str(element.get("class", "")).split()}
    assert all(f".chart .{name} " in CHART_CSS for name in classes)
    used = set(re.findall(r"url\(#([^)]+)\)", chart.svg)) | {
        str(element.get("href"))[1:] for element in root.iter() if element.get("href")
    }
    assert used <= set(ids)
    colours = [str(element.get(name, "")) for element in root.iter() for name in ("fill", "stroke")]
    assert not [colour for colour in colours if colour.startswith(("#", "rgb"))]


@pytest.mark.parametrize("kind", CHARTS)
def test_the_same_numbers_give_the_same_drawing(kind: str) -> None:
    assert CHARTS[kind]() == CHARTS[kind]()


def test_text_stays_text_and_markup_in_names_is_escaped() -> None:
    chart = CHARTS["bars"]()
    words = "".join(ElementTree.fromstring(chart.svg).itertext())  # noqa: S314 - our own drawing
    assert "binary" in words
    assert NAMES[1] in words
    assert "$x^2$" in words
    assert "<b>" not in chart.html()


def test_the_table_of_a_chart_holds_its_numbers() -> None:
    chart = CHARTS["bars"]()
    assert chart.columns == ("", NAMES[0], "95 % interval", NAMES[1])
    assert chart.rows == (("binary", "0.200", "0.100 to 0.300", "0.900"), (NAMES[2], "", "", "0.500"))
    assert CHARTS["shares"]().rows[0] == ("x", "1", "25.0", "3", "75.0", "4")


def test_the_interval_of_a_mean_is_that_of_drawing_patients_one_by_one() -> None:
    rng = random.Random(1)
    patients = [[rng.choice([0.5, 0.75, 1.0]) for _ in range(rng.randint(1, 4))] for _ in range(200)]
    means = []
    for _ in range(2000):
        drawn = [value for patient in rng.choices(patients, k=len(patients)) for value in patient]
        means.append(sum(drawn) / len(drawn))
    counted = Counter((sum(patient), len(patient)) for patient in patients)
    patterns = np.array(list(counted), dtype=np.float64)
    alike = np.array(list(counted.values()))
    sums = resampled_sums(patterns, np.random.default_rng(0), resamples=2000, alike=alike)
    found = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    assert found == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.004)


def test_kappa_and_its_interval_over_patients_that_are_alike_are_those_of_all_items_apart() -> None:
    rng = random.Random(2)
    gold = [rng.choice("ab") for _ in range(300)]
    said = [label if rng.random() < 0.8 else rng.choice("ab") for label in gold]
    tables = np.zeros((300, 4))
    for place, (first, second) in enumerate(zip(gold, said, strict=True)):
        tables[place, "ab".index(first) * 2 + "ab".index(second)] = 1
    expected = agreement(gold, said).kappa
    patterns, alike = np.unique(tables, axis=0, return_counts=True)
    drawn = resampled_sums(patterns, np.random.default_rng(0), resamples=2000, alike=alike).reshape(-1, 2, 2)
    (found,) = estimates(kappas(tables.sum(axis=0).reshape(1, 2, 2)), kappas(drawn)[:, None], 300)
    assert found.value == pytest.approx(expected.value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert np.isnan(kappas(np.array([[[5.0, 0], [0, 0]]]))[0])


_SPANS = st.lists(st.tuples(st.integers(-3, 60), st.integers(-3, 60), st.sampled_from("abc")), max_size=6)


@given(st.text(max_size=50), _SPANS)
def test_marked_pieces_are_the_text_and_each_span_marks_its_own_characters(
    text: str, given_spans: list[tuple[int, int, str]]
) -> None:
    spans = [MarkedSpan(*parts) for parts in given_spans]
    pieces = marked(text, spans)
    assert "".join(piece.text for piece in pieces) == text
    covered = [set(piece.marks) for piece in pieces for _ in piece.text]
    for place, marks in enumerate(covered):
        assert marks == {s.mark for s in spans if 0 <= s.start <= place < s.end <= len(text)}
    first = [mark for piece in pieces for mark in piece.first]
    assert len(first) == len(set(first))


def test_a_very_long_text_is_cut_and_says_so() -> None:
    pieces = marked("x" * 100_000, [MarkedSpan(5, 10, "a"), MarkedSpan(50_000, 50_001, "b")])
    assert sum(len(piece.text) for piece in pieces) < LONGEST_TEXT + 10
    assert {mark for piece in pieces for mark in piece.marks} == {"a"}


def _row(task: str, corpus: str, n: int, value: float, measure: str = "accuracy") -> dict[str, object]:
    return {"model": "m", "mode": "reasoning", "task": task, "corpus": corpus, "measure": measure, "value": value,
            "low": None, "high": None, "n": n, "settings": '{"cross_centre": ["rsna", "siim"]}'}  # fmt: skip


def test_a_task_stands_for_its_corpora_and_other_hospitals_stay_out_of_it() -> None:
    found = by_task(
        [
            _row("binary", "a", 10, 0.1), _row("binary", "b", 20, 0.3), _row("binary", "mean", 30, 0.2),
            _row("binary", "rsna", 5, 0.9), _row("binary", "siim", 6, 0.9), _row("binary", "mean", 11, 0.9),
            _row("single", "a", 7, 0.5), _row("mean", "mean", 37, 0.35), _row("mean", "mean", 11, 0.9),
        ]
    )  # fmt: skip
    assert {key[2]: value.value for key, value in found.items()} == {"binary": 0.2, "single": 0.5, "mean": 0.35}


def test_a_single_task_is_its_own_mean() -> None:
    found = by_task([_row("binary", "a", 10, 0.1)])
    assert {key[2]: value.value for key, value in found.items()} == {"binary": 0.1, "mean": 0.1}
