"""`cxr ui`: DuckDB's own shell, or its user interface in the browser, on a store that neither can write to.

The shell is the default: it is one program, and nothing leaves it. DuckDB's user interface is opened only when asked
for: its server runs here, but it fetches the program of its page from ui.duckdb.org at every start
(https://duckdb.org/docs/stable/core_extensions/ui, "Remote URL"), so credentialed corpora are kept out of it.
Nothing is ever installed or downloaded by this command.
"""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb

from cxr.miner.kit.console import say
from cxr.miner.kit.errors import CxrError, PolicyError
from cxr.miner.store import Store

_NO_SHELL = (
    "there is no DuckDB shell `duckdb` on the PATH; install it, {version} or later (https://duckdb.org/install), "
    'or use `cxr sql "show all tables"`, which needs nothing'
)
_NO_EXTENSION = (
    "DuckDB's extension `ui` is not installed; `python -c \"import duckdb; duckdb.connect().install_extension('ui')\"` "
    'downloads it once, or use `cxr ui` without --browser, or `cxr sql "show all tables"`'
)
_CREDENTIALED = (
    "{path} holds text of credentialed corpora, and the page of DuckDB's user interface is a program from "
    "ui.duckdb.org; use `cxr ui` without --browser, `cxr sql` or `cxr report`"
)


def open_shell(path: Path) -> None:
    """Become DuckDB's shell on the store, read-only; raises CxrError where there is none, or one that is too old."""
    with Store.read(path):
        pass  # It is a store of ours, and no one is writing to it.
    shell = shutil.which("duckdb")
    if shell is None:
        raise CxrError(_NO_SHELL.format(version=duckdb.__version__))
    arguments = [shell, "-readonly", str(path)]
    # Storage has versions, and an older shell says so in many lines.
    tried = subprocess.run(  # noqa: S603 - the user's own shell, no words of a report among the arguments
        [*arguments, "-c", "select count(*) from cxr_schema"], capture_output=True, text=True, check=False
    )
    if tried.returncode or "Error" in tried.stderr:
        version = subprocess.run([shell, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
        raise CxrError(
            f"{shell} ({' '.join(version.split()[:1]) or 'of unknown version'}) cannot read {path}, which was written "
            f"with DuckDB {duckdb.__version__}; install that version or a later one, or use `cxr sql`"
        )
    say(f"DuckDB's shell on {path}, read-only; .tables lists what there is, .quit ends it")
    sys.stdout.flush()
    os.execv(shell, arguments)  # noqa: S606 - Ctrl-C is the shell's from here on


def open_browser(path: Path) -> None:
    """Serve DuckDB's user interface on this machine until Ctrl-C, with the store attached read-only.

    Raises PolicyError for a store with credentialed corpora, CxrError where the extension is not installed.
    """
    with Store.read(path) as store:
        if store.count("select count(*) from studies where licence is distinct from 'public'"):
            raise PolicyError(_CREDENTIALED.format(path=path))
    # The user interface keeps its notebooks in the database that it starts in, so that is one in memory, not the store.
    never: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(":memory:", config=never) as connection:
        try:
            connection.execute("load ui")
        except duckdb.Error:
            raise CxrError(_NO_EXTENSION) from None
        place = str(path.resolve()).replace("'", "''")
        connection.execute(f"attach '{place}' as store (read_only)")
        connection.execute("use store")
        connection.execute("call start_ui()")
        say(f"DuckDB's user interface is open, with {path} attached read-only as `store`; Ctrl-C ends it")
        threading.Event().wait()
