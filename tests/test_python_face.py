"""The public face: what docs/python.md shows is what comes out, and importing it loads nothing."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cxr as face
from cxr.miner.kit.errors import SettingsError, StoreError
from tests.conftest import ROOT, Cli

PAGE = ROOT / "docs" / "python.md"
_SNIPPET = re.compile(r"^```python\n(.*?)^```\n(?:^```\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_HEAVY = ("polars", "duckdb", "torch", "pydantic", "openai", "rich", "typer")


def test_every_snippet_of_the_page_prints_what_it_says(
    cxr: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cxr("demo").returncode == 0
    monkeypatch.chdir(tmp_path)
    snippets = _SNIPPET.findall(PAGE.read_text())
    assert len(snippets) >= 7
    names: dict[str, object] = {}
    for code, expected in snippets:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == expected, code


def test_importing_it_loads_nothing_and_everything_named_is_there() -> None:
    code = f"import sys, cxr; print([name for name in {_HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"
    for name in face.__all__:
        assert getattr(face, name)
    with pytest.raises(AttributeError, match="nothing"):
        _ = face.nothing


def test_a_dataset_that_does_not_exist_is_named_with_those_that_do(cxr: Cli, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"), face.open_store(tmp_path / "none.duckdb"):
        pass
    assert cxr("demo").returncode == 0
    with face.open_store(tmp_path / "cxr-demo.duckdb") as store, pytest.raises(SettingsError, match="sft, grpo, "):
        store.to_dataset("sftt")


def test_python_m_cxr_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cxr", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == f"cxr {face.__version__}\n"
