"""`cxr batch` and `cxr prompts`: what goes to language models, and what comes back later."""

from typing import Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Commands, Db, exit_with_rejects

batch_app = typer.Typer(cls=Commands, no_args_is_help=True, help="Batches of `cxr mine --batch`.")
prompts_app = typer.Typer(cls=Commands, no_args_is_help=True, help="The prompts that language models get.")

_SHORTEST_WAIT_S = 1.0
"""However short a wait is asked for: a server is not asked in a loop."""


@batch_app.command("status")
def batch_status(db: Db = DEFAULT_DB) -> None:
    """Show every batch of this store, with the server's word on the open ones."""
    from cxr.miner.kit.console import out, say, table
    from cxr.miner.mine.batches import batch_rows

    rows = batch_rows(db)
    if rows:
        out().print(table("Batches", list(rows[0]), [list(row.values()) for row in rows]))
    else:
        say("no batches in this store")


@batch_app.command("collect")
def batch_collect(
    wait: Annotated[
        float, typer.Option(min=0, help="Look again every so many seconds, 1 or more, until nothing is open; 0: once.")
    ] = 0.0,
    db: Db = DEFAULT_DB,
) -> None:
    """Take in what batches have answered, write finished chains, and send the next round."""
    import time

    from cxr.miner.kit.console import say
    from cxr.miner.mine.batches import collect

    mined, still_open = 0, 1
    while still_open:
        result, still_open = collect(db)
        mined += result.mined
        for note in result.notes:
            say(note)
        if not wait:
            break
        if still_open:
            time.sleep(max(wait, _SHORTEST_WAIT_S))
    with exit_with_rejects({} if still_open else result.rejects, "questions"):
        say(f"{mined:,} chains mined, {still_open:,} batches still open")


@batch_app.command("cancel")
def batch_cancel(db: Db = DEFAULT_DB) -> None:
    """Cancel the open batches; what was answered until then can still be collected."""
    from cxr.miner.kit.console import say
    from cxr.miner.mine.batches import cancel

    say(f"{cancel(db):,} batches cancelled; `cxr batch collect` takes in what was answered")


@prompts_app.command("list")
def prompts_list() -> None:
    """List every prompt with its versions, hash, size and purpose."""
    from cxr.miner.kit.console import out, table
    from cxr.miner.mine.prompts import prompt_rows

    out().print(table("Prompts", ["prompt", "version", "hash", "examples", "characters", "about"], prompt_rows()))


@prompts_app.command("show")
def prompts_show(
    name: Annotated[str, typer.Argument(help="A name such as plan, or plan.v1 for a version.")],
    question: Annotated[str | None, typer.Option(help="A question_id: show the prompt as it would be sent.")] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Print a prompt file, or with --question the messages as a model would get them."""
    from cxr.miner.kit.console import echo
    from cxr.miner.mine.prompts import prompt_text

    echo(prompt_text(name, question, db))


@prompts_app.command("diff")
def prompts_diff(
    old: Annotated[str, typer.Argument(help="A prompt and version, such as plan.v1.")],
    new: Annotated[str, typer.Argument(help="The prompt and version to compare it with.")],
) -> None:
    """Print what changed between two prompts, such as plan.v1 and plan.v2."""
    from cxr.miner.kit.console import echo
    from cxr.miner.mine.prompts import prompt_diff

    echo(prompt_diff(old, new))
