"""`cxr doctor`: whether a model server can be worked with, before anything is spent on it."""

from typing import Annotated

import typer

from cxr.miner.commands.base import DEFAULT_DB, Db, Exit
from cxr.miner.commands.options import PACED, SERVER, Options, OptionValues, grouped, offered

ASKED = Options(model=offered(str, "The model's name at the server."), **SERVER, **PACED)


@grouped
def doctor(
    server: OptionValues = ASKED,
    format_: Annotated[str, typer.Option("--format", help="table to read, or json.")] = "table",
    db: Db = DEFAULT_DB,
) -> None:
    """Find out what a model server takes, with three tiny requests at most; exits with 1 where nothing works."""
    import json

    from cxr.miner.kit.console import echo, out, say, table
    from cxr.miner.kit.settings import choose
    from cxr.miner.llm.books import FileBooks
    from cxr.miner.llm.doctor import Format, examine
    from cxr.miner.llm.settings import replies_folder
    from cxr.miner.mine.settings import MineSettings
    from cxr.schemas.vocabulary import Licence

    chosen = choose(Format, format_, "doctor: --format")
    settings = MineSettings.resolve(db, **server)
    settings = settings.model_copy(update={"cache": replies_folder(db, settings.cache)})
    # No text of a corpus is sent, whatever the store holds.
    found = examine(settings, FileBooks(db.with_name(f"{db.stem}.doctor"), [Licence.PUBLIC]))
    if chosen is Format.JSON:
        echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        columns = ["what", "taken", "what cxr sends", "how that was found"]
        out().print(table(f"{settings.model} at {settings.base_url}", columns, found.rows()))
        for sentence in found.advice():
            say(f"change: {sentence}")
    say(f"{found.requests} tiny requests; {found.spending}")
    if found.failure is not None:
        say(f"nothing works: {found.failure}")
        raise typer.Exit(Exit.FAILED)
