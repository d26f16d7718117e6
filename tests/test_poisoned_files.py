"""No file that another may have written runs code: a poisoned one is refused in one sentence, and stays as it was."""

import ast
import json
import pickle
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]  # the library ships no types
import pytest

from cxr.miner.kit.errors import EngineStopped, InputError
from cxr.miner.llm.cache import ReplyCache
from cxr.trainer.models.families import load_model, load_processor
from cxr.trainer.train.exact import demand_only_ours
from tests.conftest import ROOT, Cli
from tests.prediction_world import make_model
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

LLM = ("mine", "--engine", "llm", "--model", "scripted")


class Touch:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def changed(folder: Path, sql: str, values: tuple[object, ...] = ()) -> int:
    with sqlite3.connect(folder / "cache.db") as connection:
        count = connection.execute(sql, values).rowcount
    connection.close()
    return count


def filled(folder: Path) -> Path:
    """Make a cache as diskcache makes one that is told nothing, with a short reply and one in a file of its own."""
    with diskcache.Cache(str(folder), eviction_policy="none") as old:
        old.set("short", "{}")
        old.set("long", "x" * 100_000)
    return folder


def test_a_poisoned_cache_runs_nothing_and_stops_the_run_with_a_sentence(tmp_path: Path, cxr: Cli) -> None:
    write_store(tmp_path / "cxr.duckdb", 3)
    replies, mark = tmp_path / "shared", tmp_path / "ran"
    with ScriptedServer(REPLIES) as server:
        command = [*LLM, "--base-url", server.url, "--cache", str(replies)]
        assert cxr(*command).returncode == 0
        poison = pickle.dumps(Touch(mark))
        assert changed(replies, "update Cache set mode = 4, value = ?", (poison,))
        (tmp_path / "cxr.duckdb").unlink()
        write_store(tmp_path / "cxr.duckdb", 3)
        done = cxr(*command)
    assert not mark.exists()
    assert done.returncode == 1
    assert "never read" in done.stderr
    assert "Traceback" not in done.stderr
    with sqlite3.connect(replies / "cache.db") as connection:
        assert connection.execute("select distinct value from Cache").fetchall() == [(poison,)]


def test_a_cache_of_an_older_cxr_is_read_without_unpickling(tmp_path: Path) -> None:
    with ReplyCache(filled(tmp_path / "old")) as cache:
        assert cache.get("short") == "{}"
        assert cache.get("long") == "x" * 100_000
        assert cache.get("neither") is None


@pytest.mark.parametrize(
    "poison",
    [
        "update Cache set mode = 4, value = x'80049500' where key = 'long'",
        "update Cache set mode = 4, value = null where key = 'long'",
        "update Cache set mode = 2 where key = 'long'",
        "update Cache set filename = '../secret' where key = 'long'",
        "update Cache set filename = '/etc/passwd' where key = 'long'",
        "update Cache set filename = null where key = 'long'",
        "update Cache set mode = 1, value = x'00' where key = 'long'",
        "update Cache set mode = 1, value = 7 where key = 'long'",
        "update Cache set mode = 'new' where key = 'long'",
    ],
)
def test_a_row_that_is_no_text_is_refused_and_kept(tmp_path: Path, poison: str) -> None:
    folder = filled(tmp_path / "old")
    (tmp_path / "secret").write_text("of somebody", encoding="utf-8")
    assert changed(folder, poison) == 1
    with ReplyCache(folder) as cache:
        assert cache.get("short") == "{}"
        with pytest.raises(EngineStopped, match="never read"):
            cache.get("long")
        cache.put("long", "{}")
        assert cache.get("long") == "{}"
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_directory", "/elsewhere"),
        ("disk_more", 1),
        ("get", 1),
        ("sqlite_cache_size", "1; attach 'x' as y"),
        ("sqlite_temp_store_directory", "/elsewhere"),
        ("disk_min_file_size", b"0"),
    ],
)
def test_settings_that_diskcache_would_not_have_written_are_refused(tmp_path: Path, name: str, value: object) -> None:
    folder = filled(tmp_path / "old")
    changed(folder, "insert or replace into Settings values (?, ?)", (name, value))
    with pytest.raises(EngineStopped, match="settings that diskcache does not write"):
        ReplyCache(folder)


# --- models and checkpoints -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, to be copied."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    make_model(folder)
    return folder


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin"])
def test_weights_that_are_a_program_are_refused_with_a_sentence(tmp_path: Path, tiny: Path, name: str) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "model" / name).write_bytes(pickle.dumps(Touch(tmp_path / "ran"), 2))
    with pytest.raises(InputError, match=r"the weights of .* (hold more than numbers|cannot be loaded)"):
        load_model(str(tmp_path / "model"))
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_wants_its_own_code_run_is_refused_with_a_sentence(tmp_path: Path, tiny: Path) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "code.Mine", "AutoModelForImageTextToText": "code.Mine"},
    }
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "model" / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(InputError):
        load_model(str(tmp_path / "model"))
    with pytest.raises(InputError):
        load_processor(str(tmp_path / "model"))
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_deepspeed_is_resumed_only_where_nobody_else_could_have_written(tmp_path: Path) -> None:
    """It is pickled, and DeepSpeed unpickles it."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "states.pt").touch(mode=0o600)
    tmp_path.chmod(0o755)
    demand_only_ours(tmp_path)
    (tmp_path / "state" / "states.pt").chmod(0o620)
    with pytest.raises(InputError, match=r"states\.pt, which others may write to"):
        demand_only_ours(tmp_path)
    (tmp_path / "state" / "states.pt").chmod(0o600)
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(InputError, match="others may write to"):
        demand_only_ours(tmp_path)


# --- the whole project ----------------------------------------------------------------------------------------------

RUNS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "pandas"}


def test_no_file_of_ours_is_read_by_what_runs_code() -> None:
    """Neither modules that unpickle, nor functions that do unless told otherwise."""
    found = []
    rooms = ("miner", "trainer", "prompts", "schemas", "cxr")
    for path in sorted(file for room in rooms for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if {name.name for name in node.names} != {"UnpicklingError"} else []
            if {name.partition(".")[0] for name in names} & RUNS_CODE:
                found.append(f"{path}:{node.lineno} imports {names}")  # type: ignore[attr-defined]
            if isinstance(node, ast.Call):
                called, options = ast.unparse(node.func), {option.arg for option in node.keywords}
                unsafe = (
                    (called == "torch.load" and "weights_only" not in options)
                    or (called in {"np.load", "numpy.load"} and "allow_pickle" in options)
                    or called in {"eval", "exec"}
                    or "trust_remote_code" in options
                )
                if unsafe:
                    found.append(f"{path}:{node.lineno} calls {called}")
    assert found == []
