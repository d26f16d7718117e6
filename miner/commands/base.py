"""What all commands share: exit codes, errors as one sentence, and the store."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer._click.exceptions import ClickException
from typer.core import TyperGroup

if TYPE_CHECKING:
    # Typer carries its own copy of click; only its type names are taken from there.
    from typer._click.core import Command, Context


class Exit(IntEnum):
    """What the exit code means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BUDGET = 3
    REJECTS = 4
    INTERRUPTED = 130


# The order of the help: first the way of the data, then what reads the store, then what needs none.
COMMAND_ORDER = (
    *(
        "demo",
        "ingest",
        "licence",
        "images",
        "unread",
        "ask",
        "doctor",
        "mine",
        "batch",
        "score",
        "filter",
        "audit",
        "review",
        "bench",
        "export",
        "import",
    ),
    *("phantom", "train", "predict", "evaluate", "compare", "report"),
    *("sql", "status", "show", "ui", "prompts"),
    *("judge", "label", "radrscore", "agreement"),
)

# Packages that not everyone needs, and the extra that each comes with.
EXTRAS = {
    **dict.fromkeys(("torch", "transformers", "trl", "accelerate", "peft", "datasets", "psutil"), "train"),
    **dict.fromkeys(("matplotlib", "jinja2"), "report"),
    **dict.fromkeys(("PIL", "pydicom"), "images"),
    **dict.fromkeys(("starlette", "uvicorn"), "review"),
}


class Commands(TyperGroup):
    """Turns the project's errors into one sentence on stderr and an exit code."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Return the commands in the order in which one uses them."""
        return sorted(
            super().list_commands(ctx),
            key=lambda name: COMMAND_ORDER.index(name) if name in COMMAND_ORDER else len(COMMAND_ORDER),
        )

    def invoke(self, ctx: "Context") -> Any:
        """Run the command that was typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _interrupted()
        except BrokenPipeError:
            # The reader of a pipe has seen enough (`cxr sql ... | head`).
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.DONE) from None
        except (typer.Exit, typer.Abort, ClickException):
            raise
        except Exception as error:
            from cxr.miner.kit import faults
            from cxr.miner.kit.errors import BudgetReached, CxrError, SettingsError
            from cxr.miner.store import is_interrupt

            kinds = {SettingsError: Exit.USAGE, BudgetReached: Exit.BUDGET, CxrError: Exit.FAILED}
            if code := next((code for kind, code in kinds.items() if isinstance(error, kind)), None):
                fail(str(error), code)
            if is_interrupt(error):
                _interrupted()
            if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get(str(error.name).partition(".")[0])):
                fail(f"this needs {error.name}, which is not installed; pip install 'cxr[{extra}]'", Exit.FAILED)
            if (said := faults.sentence(error)) is not None:
                fail(said, Exit.FAILED)
            if os.environ.get("CXR_TRACEBACK"):
                raise
            fail(faults.defect(error), Exit.FAILED)

    def resolve_command(self, ctx: "Context", args: list[str]) -> tuple[str | None, "Command | None", list[str]]:
        """Find the command; say what there is where it does not exist."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            kind = "dataset" if ctx.info_name == "ingest" else "command"
            known = ", ".join(self.list_commands(ctx))
            fail(f"unknown {kind} {args[0]!r}; expected one of {known}; see `{ctx.command_path} --help`", Exit.USAGE)
        return super().resolve_command(ctx, args)


def _interrupted() -> NoReturn:
    fail("interrupted; what was finished is kept, and the same command goes on from there", Exit.INTERRUPTED)


def fail(message: str, code: Exit) -> NoReturn:
    """End the command with one sentence on stderr and an exit code."""
    from cxr.miner.kit.visible import one_line

    typer.echo(f"cxr: {one_line(message)}", err=True)
    raise typer.Exit(code)


@contextmanager
def exit_with_rejects(rejects: dict[str, int], what: str) -> Iterator[None]:
    """After a command's output, say how many rejects stand and why, and exit with 4 if there are any."""
    yield
    if rejects:
        from cxr.miner.kit.console import say

        reasons = ", ".join(f"{count:,} {reason}" for reason, count in rejects.items())
        say(f"{sum(rejects.values()):,} {what} rejected: {reasons}")
        raise typer.Exit(Exit.REJECTS)


Db = Annotated[Path, typer.Option("--db", envvar="CXR_DB", help="The store, a DuckDB file.", show_envvar=True)]
DEFAULT_DB = Path("cxr.duckdb")
