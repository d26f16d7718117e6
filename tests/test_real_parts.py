"""What the scripts behind `make integration` and the table of libraries read and count; they are long, this is not."""

import json
import urllib.request
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import integration
from benchmarks.mining_libraries import Counting
from cxr.miner.mine.estimate import estimate_tables
from cxr.miner.mine.settings import MineSettings
from tests.synthetic import write_store


def test_the_script_reads_the_estimate_that_is_printed(tmp_path: Path) -> None:
    said = StringIO()
    made = estimate_tables(write_store(tmp_path / "s.duckdb", 4), MineSettings(model="m"))
    Console(file=said, width=200).print(*made)
    three, one = (integration.estimated(said.getvalue(), calls) for calls in (3, 1))
    assert 12 <= three["requests"] <= 18
    assert 4 <= one["requests"] <= 6
    assert three["prompt tokens"] > one["prompt tokens"] > one["reply tokens"] > 0
    with pytest.raises(SystemExit, match="no line whole"):
        integration.estimated("nothing", 1)


def test_what_does_not_hold_is_on_the_page_and_at_the_end() -> None:
    log = integration.Log()
    log.claim(True, "first")
    log.claim(False, "second")
    assert log.lines == ["- first: yes", "- second: **no**"]
    assert log.wrong == ["second"]


def test_a_row_that_is_asked_again_is_counted_and_a_library_s_own_question_is_not() -> None:
    def ask(address: str, messages: list[dict[str, str]]) -> Any:
        body = json.dumps({"model": "m", "messages": messages}).encode()
        with urllib.request.urlopen(f"http://{address}/chat/completions", body) as reply:
            return json.loads(json.load(reply)["choices"][0]["message"]["content"])

    with Counting() as server:
        address = server.url.removeprefix("http://")
        row = [{"role": "user", "content": "REPORT There is no pleural effusion."}]
        assert ask(address, row)["evidence"]["items"][0]["presence"] == "absent"
        ask(address, [{"role": "user", "content": "REPORT There is a small left pleural effusion."}])
        assert server.again == 0
        ask(address, row)
        assert ask(address, [{"role": "user", "content": "Jason is 25 years old."}])["age"] == 25
        assert (server.again, server.probes, len(server.came)) == (1, 1, 3)
