"""`cxr ingest`, whose commands are made of what each corpus declares, and `cxr images`."""

import inspect
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, Exit, exit_with_rejects, fail
from cxr.miner.ingest.registry import CORPORA, about

if TYPE_CHECKING:
    from typer._click.core import Command, Context

    from cxr.miner.ingest.corpus import Reader


class Corpora(Commands):
    """The commands of the corpora behind the door, ours and anybody's own as `module:name`."""

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002 - Typer gives it
        """Return the names of ours, in their order."""
        return list(CORPORA.names)

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":  # noqa: ARG002 - likewise
        """Return a corpus's command, None where there is none."""
        if cmd_name in CORPORA.names:
            return _Unread(cmd_name, help=about(cmd_name))
        return _Unread(cmd_name) if ":" in cmd_name else None


class _Unread(TyperCommand):
    """A command whose reader is loaded when it runs: tables and parsers are too much for a list of commands."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: "Context | None" = None, **extra: Any
    ) -> "Context":
        """Return the context of the command that the reader's parameters make."""
        from cxr.miner.ingest.corpus import Reader

        name = str(self.name)
        command = typer.Typer(add_completion=False)
        reader = CORPORA.open(name)
        if not isinstance(reader, Reader):
            fail(f"{name} is no Reader; expected one of cxr.miner.ingest.corpus, with a corpus and `read`", Exit.USAGE)
        command.command(name, help=reader.about)(_command(name, reader))
        return typer.main.get_command(command).make_context(info_name, args, parent, **extra)


def _command(name: str, reader: "Reader") -> Callable[..., None]:
    """Return a function with the parameters of a reader and those that every corpus has."""

    def run(
        *,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only print what is found and what is missing; write nothing.")
        ] = False,
        db: Db = DEFAULT_DB,
        **options: Any,
    ) -> None:
        run_ingest(name, db, reader, options, dry_run=dry_run)

    own = inspect.signature(reader.read, eval_str=True)
    ours = [one for one in inspect.signature(run).parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    run.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*own.parameters.values(), *ours], return_annotation=None
    )
    return run


ingest_app = typer.Typer(cls=Corpora, no_args_is_help=True, help="Read a corpus into the store.")
images_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Look after the image files.")


def run_ingest(name: str, db: Path, reader: "Reader", options: dict[str, Any], *, dry_run: bool) -> None:
    """Run any `cxr ingest` command: read and write, or with `dry_run` read and print."""
    from cxr.miner.ingest.dry_run import dry_run_tables
    from cxr.miner.ingest.write.ingest import demand_rows, ingest
    from cxr.miner.kit.console import out, progress, say

    read = partial(reader.read, **options)
    if dry_run:
        ingested = demand_rows(read())
        for made in dry_run_tables(ingested):
            out().print(made)
        for warning in ingested.notes:
            say(warning)
        say(f"dry run: nothing was written to {db}")
        return
    fingerprint = None if reader.fingerprint is None else partial(reader.fingerprint, **options)
    with progress(f"ingest {name}") as advance:
        result = ingest(db, read, advance, fingerprint)
    with exit_with_rejects(result.rejects, "rows"):
        for note in result.notes:
            say(note)
        say(result.sentence)
        if result.gaps:
            say(
                f"{result.gaps:,} rows were kept without a cell that does not read; "
                '`cxr sql "select message, count(*) from gaps group by 1"` says which'
            )


@ingest_app.callback()
def _before_polars_loads() -> None:
    """Read a corpus into the store."""
    # Polars' allocator keeps freed memory; at MIMIC's size that is a fifth of a gigabyte. Read when Polars loads.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")


def licence(
    corpus: Annotated[str, typer.Argument(help="A corpus of the store, as `cxr status` names it.")],
    licence: Annotated[str, typer.Argument(metavar="LICENCE", help="public or credentialed.")],
    signed_by: Annotated[
        str | None, typer.Option("--signed-by", metavar="NAME", help="Who answers for it; needed to make it public.")
    ] = None,
    allowed: Annotated[
        str | None, typer.Option("--i-am-allowed", metavar="WHY", help="Why it may be public; likewise.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Put a corpus of the store under another licence; who did it, when and why is noted in `runs`."""
    from cxr.miner.ingest.write.licence import change_licence
    from cxr.miner.kit.console import say
    from cxr.miner.kit.settings import choose
    from cxr.miner.store import Store
    from cxr.schemas.vocabulary import Licence

    chosen = choose(Licence, licence, "licence: LICENCE")
    with Store.write(db) as store:
        changed = change_licence(store, corpus, chosen, signed_by, allowed)
    say(f"{corpus} is {chosen} now: {changed:,} studies changed; exports that were made before keep the tag they have")


@images_app.command("check")
def images_check(
    root: Annotated[
        list[str] | None,
        typer.Option(
            "--root", metavar="CORPUS=PATH", help="Where a corpus's images lie; default: where ingest saw them."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one per processor.", min=1)] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Find missing, truncated and unreadable image files by their headers, and note sizes in the store."""
    from cxr.miner.images.check import check_images, parse_roots
    from cxr.miner.images.facts import NO_PYDICOM
    from cxr.miner.kit.console import out, progress, say, table
    from cxr.miner.store import Store
    from cxr.schemas.vocabulary import FileStatus

    with Store.write(db) as store, progress("images check") as advance:
        result = check_images(store, parse_roots(root or ()), advance, workers=workers)
    if result.rows:
        out().print(table("Image files", ["corpus", "images", *map(str, FileStatus)], result.rows))
    if result.problems:
        out().print(table("Of these, for example", ["corpus", "image", "status", "why"], result.problems))
    for corpus, count in result.skipped.items():
        say(f"{corpus}: {count:,} images were not looked at; say where they lie with --root {corpus}=PATH")
    if result.unread_dicom:
        say(f"{result.unread_dicom:,} DICOM files are there, but their headers were not read; {NO_PYDICOM}")
    say(f"{result.changed:,} images updated in the store")
    if result.damaged:
        raise typer.Exit(Exit.REJECTS)
