"""Chats as ms-swift and LLaMA-Factory read them: a line each, with an `<image>` in the text for every image."""

from pathlib import Path

from cxr.miner.export.jsonl import write_rows_as_json
from cxr.miner.export.rows import Slices
from cxr.miner.export.sft import COMPLETION_SQL, ORIGIN_SQL, PROMPT_SQL

MARK = "<image>"

ASKED = f"(select *, {PROMPT_SQL}, {COMPLETION_SQL} from samples)"
"""What to select from: samples with `prompt` and `completion` as `cxr export sft` has them."""


def messages_sql(turns: str) -> str:
    """Return SQL for turns as `messages`: as many marks before the question as images, and none anywhere else."""
    return (
        f"list_transform({turns}, lambda turn: {{'role': turn.role, 'content': if(turn.role = 'user', "
        f"repeat('{MARK}', len(images)), '') || replace(turn.content, '{MARK}', '')}}) as messages"
    )


FINE_TUNING = f"select {messages_sql('prompt || completion')}, images, {ORIGIN_SQL} from {ASKED}"
"""A query of whole chats, question and answer."""


def write_chats(slices: Slices, select: str, folder: Path) -> list[tuple[Path, int]]:
    """Write what a query makes of each slice to `<split>-*.jsonl` in a folder; return files with rows."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, table in enumerate(slices.tables(select)):
        path = folder / f"{slices.split}-{number:05d}-of-{slices.count:05d}.jsonl"
        write_rows_as_json(table, path)
        written.append((path, table.num_rows))
    return written
