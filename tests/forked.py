"""Runs `cxr` as a shell does, in a new process for each command, without paying each time for its imports.

A server imports the command line and what the commands load later; a command is a fork of it with its own arguments,
folder, environment, output, signals and exit code, and what it changes in memory no other command sees. Two things
differ from the installed script: all forks share the seed of hashes, and a module may be there before a command
imports it. Tests of those run the script.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NoReturn

import typer

CXR = Path(sys.executable).with_name("cxr")
TIMEOUT_S = 120
Done = subprocess.CompletedProcess[str]

_OF_LIBRARIES = ("TORCHINDUCTOR_CACHE_DIR", "_RJEM_MALLOC_CONF")
"""What torch and polars set for themselves where they are imported, in the process of the tests as in a command's."""
_ASKED_LATE = ("COLUMNS", "DO_NOT_TRACK", "PATH", "PYTEST_CURRENT_TEST", *_OF_LIBRARIES)
_ASKED_LATE_PREFIXES = ("CXR_", "OPENAI_", "AZURE_")
"""Names in the environment that nobody looks up before a command runs; with any other, the script itself is run."""
_ASKED_AT_ONCE = "CXR_PACK"
"""The server has read a pack before any command runs."""
_LATER = ("aiohttp", "diskcache", "instructor", "jinja2", "openai", "PIL.Image", "pyarrow.parquet", "rich.progress")
_TRAINING = ("accelerate", "datasets", "peft", "torch", "transformers", "trl")
"""Take seconds to import, and few commands do."""


def run_script(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Done:
    """Run the installed script."""
    return subprocess.run(
        [CXR, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def build_commands_once(module: ModuleType, builder: str) -> None:
    """Let a module of Typer keep the tree of commands, which takes as long to build as many a command to run."""
    setattr(module, builder, functools.cache(getattr(module, builder)))


class ForkedCommands:
    """Starts the server when the first command is run, and asks it for every further one."""

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        """`prefix` is a command that runs the server in surroundings of its own, and becomes it."""
        self._prefix = prefix
        self._server: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._environment: dict[str, str] = {}

    def run(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Done:
        """Run `cxr` in a folder; give and raise what `subprocess.run` does."""
        line = self._line or self._start()
        if _asked_early(environment) != _asked_early(self._environment):
            return run_script(arguments, folder, environment)
        command = [str(CXR), *arguments]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            wish = {"command": command, "folder": str(folder), "environment": dict(environment)}
            _send(line, wish, [out.fileno(), err.fileno()])
            child = _receive(line)[0]["pid"]
            line.settimeout(TIMEOUT_S)
            try:
                code = _receive(line)[0]["code"]
            except TimeoutError:
                os.kill(child, 9)
                line.settimeout(None)
                _receive(line)
                raise subprocess.TimeoutExpired(command, TIMEOUT_S, _text(out), _text(err)) from None
            return Done(command, code, _text(out), _text(err))

    def seen(self, path: Path) -> Path:
        """Give the name from outside of a place in the server's surroundings; it has to run."""
        assert self._server is not None
        return Path(f"/proc/{self._server.pid}/root{path}")

    def close(self) -> None:
        """End the server."""
        if self._line is not None and self._server is not None:
            self._line.close()
            self._server.wait()

    def _start(self) -> socket.socket:
        self._line, theirs = socket.socketpair()
        self._environment = dict(os.environ)
        # -P: the folder of the tests must not be where the server looks for modules.
        self._server = subprocess.Popen(
            [*self._prefix, sys.executable, "-P", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        return self._line


def _asked_early(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name == _ASKED_AT_ONCE or (name not in _ASKED_LATE and not name.startswith(_ASKED_LATE_PREFIXES))
    }


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n").replace("\r", "\n")


def _send(line: socket.socket, message: Mapping[str, Any], handles: Sequence[int] = ()) -> None:
    body = json.dumps(message).encode()
    socket.send_fds(line, [len(body).to_bytes(8, "big")], handles)
    line.sendall(body)


def _receive(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Give a message and the handles that came with it; raises EOFError where the other side has gone."""
    head, handles, _, _ = socket.recv_fds(line, 8, 2)
    length, body = int.from_bytes(head, "big"), b""
    while head and len(body) < length and (part := line.recv(length - len(body))):
        body += part
    if not body:
        raise EOFError("the server of forked commands has ended; what it said stands above")
    return json.loads(body), handles


class _NoTraining:
    """Stands before the finders of modules and refuses what trains."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in _TRAINING:
            raise ModuleNotFoundError(name=name)


def _import_all() -> None:
    """Import every module of ours that does not train, and the libraries that ours import when they are called."""
    import cxr  # noqa: PLC0415

    for name in _LATER:
        importlib.import_module(name)
    sys.meta_path.insert(0, _NoTraining())
    for name in _modules(cxr.__path__, "cxr."):
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    del sys.meta_path[0]


def _read_a_report() -> None:
    """Fill what the language layer keeps for every report: the lexicon and its patterns."""
    from cxr.miner.ask.reading import read_report  # noqa: PLC0415
    from cxr.miner.judge import RulesJudge  # noqa: PLC0415
    from cxr.miner.language.labeler import label  # noqa: PLC0415

    report, judge = "FINDINGS: There is a small left pleural effusion. No pneumothorax.", RulesJudge()
    label(report)
    read_report(report)
    judge.verdicts(report, judge.extract(report))


def _modules(folders: Iterable[str], prefix: str) -> Iterator[str]:
    for _, name, is_package in pkgutil.iter_modules(folders, prefix):
        if not name.endswith(".__main__"):
            yield name
        if is_package:
            yield from _modules(importlib.import_module(name).__path__, f"{name}.")


def _be(wish: Mapping[str, Any], handles: Sequence[int]) -> NoReturn:
    """Be the command in this process; end as the interpreter does, but without taking thousands of modules apart."""
    for handle, target in zip(handles, (1, 2), strict=True):
        os.dup2(handle, target)
        os.close(handle)
    sys.argv = wish["command"]
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.chdir(wish["folder"])
    code = 1
    try:
        importlib.import_module("cxr.cli").app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - the interpreter would print it, too
        sys.excepthook(*sys.exc_info())
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _serve(line: socket.socket) -> NoReturn:
    """Fork for each wish, and tell how the fork ended, until nobody is there any more."""
    _import_all()
    _read_a_report()
    build_commands_once(typer.main, "get_command")
    typer.main.get_command(importlib.import_module("cxr.cli").app)
    gc.collect()
    gc.freeze()  # what is there now need not be copied by a fork's collector
    while True:
        try:
            wish, handles = _receive(line)
        except EOFError:
            os._exit(0)
        child = os.fork()
        if child == 0:
            line.close()
            _be(wish, handles)
        for handle in handles:
            os.close(handle)
        _send(line, {"pid": child})
        _, status = os.waitpid(child, 0)
        _send(line, {"code": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
