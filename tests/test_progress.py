"""How far something is, on a terminal and elsewhere."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from cxr.miner.kit import console
from cxr.miner.kit.console import Display, progress
from cxr.miner.kit.progress import Numbers, live, read_progress


def test_elsewhere_than_on_a_terminal_there_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress("score") as advance:
        advance(1, 1_000)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(console, "PLAIN_LINE_EVERY_S", 0.0)
        advance(999, 1_000)
        advance(1_000, None)
    assert capsys.readouterr().err == "score: 999 of 1,000\nscore: 1,000\n"


def test_words_stand_behind_the_counts_or_in_their_place_and_the_last_line_always_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for counts in (True, False):
        with Display("predict", counts=counts) as shown:
            shown.update(3, 4, "[red]7 tokens/s", last=True)
    assert capsys.readouterr().err == "predict: 3 of 4, [red]7 tokens/s\npredict: [red]7 tokens/s\n"


def test_on_a_terminal_a_bar_shows_name_words_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "talk", lambda: Console(file=screen, force_terminal=True, width=120))
    with Display("predict") as shown:
        shown.update(3, 4, "[red]7 tokens/s")
    assert "predict: [red]7 tokens/s" in screen.getvalue()
    assert "3/4" in screen.getvalue()


def test_a_run_says_how_far_it_is_in_a_file_while_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "cxr.duckdb.progress"
    with live(Numbers("mine with m", total=10, already=5), place) as shown:
        shown.numbers.done = 4
        shown.tick()
        told = read_progress(place)
        assert told is not None
        assert (told.done, told.total, told.already) == (4, 10, 5)
        place.write_text(json.dumps({"pid": 0}))
        assert read_progress(place) is None
    assert not place.exists()
    assert "mine with m: 4 of 10 done, 0 rejected" in capsys.readouterr().err
