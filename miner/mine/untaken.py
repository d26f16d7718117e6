"""Replies that were paid for and not taken, for `cxr show`: what the model wrote, and what is wrong with it.

They lie in the reply cache, on the machine that asked. Their text may repeat the report: it is shown, and kept nowhere.
"""

from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cxr.miner.kit.errors import CxrError
from cxr.miner.llm.settings import replies_folder
from cxr.miner.store import Store
from cxr.prompts.replies import REPLY_TYPES

_LONGEST = 2000
_PAID = """
    select calls.stage, calls.request_hash, min(calls.attempt) as attempt,
           any_value(coalesce(runs.settings->>'cache', '')) as folder
    from calls left join runs using (run_id)
    where question_id = $id and error is null and list_contains($stages, calls.stage)
    group by all order by min(called_at), attempt
"""


def untaken(store: Store, question_id: str) -> list[RenderableType]:
    """Return the replies to a question's last step, each with what is wrong; nothing where no model was asked."""
    rows = store.frame(_PAID, {"id": question_id, "stages": list(REPLY_TYPES)}).to_dicts()
    parts: list[RenderableType] = []
    for row in rows:
        if row["stage"] == rows[-1]["stage"]:
            parts += _reply(store.path, row)
    return parts


def _reply(store: Path, row: dict[str, Any]) -> list[RenderableType]:
    from cxr.miner.llm.cache import ReplyCache  # noqa: PLC0415 - the server libraries load for a reply alone
    from cxr.miner.llm.completion import read_completion  # noqa: PLC0415 - likewise
    from cxr.miner.llm.failures import Passing  # noqa: PLC0415 - likewise
    from cxr.miner.llm.reading import Unread, read, text_of  # noqa: PLC0415 - likewise

    title = f"\nReply {row['attempt']} to the {row['stage']} step"
    folder = replies_folder(store, Path(row["folder"]) if row["folder"] else None)
    if not folder.is_dir():
        return [Text(f"{title}: not here, its cache is {folder}", style="bold")]
    try:
        with ReplyCache(folder) as cache:
            stored = cache.get(row["request_hash"])
        if stored is None:
            return [Text(f"{title}: not in {folder}", style="bold")]
        completion = read_completion(stored)
    except (CxrError, Passing) as error:
        return [Text(f"{title}: {error}", style="bold")]
    text = text_of(completion)
    cut = f"\n… and {len(text) - _LONGEST:,} more characters" if len(text) > _LONGEST else ""
    try:
        read(completion, REPLY_TYPES[row["stage"]], lambda _: None)
        fault = "it fits its schema"
    except Unread as error:
        fault = f"it does not fit its schema: {error.fault}"
    ending = completion.choices[0].finish_reason
    return [
        Text(f"{title} ({fault}; it ended with {ending})", style="bold"),
        Text(text[:_LONGEST] + cut if text else "(it says nothing)"),
    ]
