"""Ask rows of messages for typed replies with another library, in that library's own environment.

    python benchmarks/others.py curator|instructor|openai ROWS.jsonl URL OUT.jsonl

Each as its documentation shows it: Curator with a folder that it resumes from, the two clients under `asyncio.gather`
with a semaphore. All three get the reply class of `cxr mine --calls 1`, which pydantic alone can load.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from cxr.prompts.replies import WholeReply

IN_FLIGHT = 64
MODEL = "m"
Rows = Sequence[dict[str, Any]]


def gathered(rows: Rows, ask: Callable[[Any], Awaitable[Any]]) -> list[dict[str, Any]]:
    """Ask all rows, so many at once, and return the replies."""

    async def all_of_them() -> list[Any]:
        free = asyncio.Semaphore(IN_FLIGHT)

        async def one(messages: Any) -> Any:
            async with free:
                return await ask(messages)

        return await asyncio.gather(*(one(row["messages"]) for row in rows))

    return [reply.model_dump(mode="json") for reply in asyncio.run(all_of_them())]


def with_openai(rows: Rows, url: str, _: Path) -> list[dict[str, Any]]:
    """Ask with openai's `parse`."""
    import openai  # noqa: PLC0415 - each environment has one of them

    parse = openai.AsyncOpenAI(base_url=url, api_key="none").chat.completions.parse

    async def ask(messages: Any) -> Any:
        reply = await parse(model=MODEL, messages=messages, response_format=WholeReply)
        return reply.choices[0].message.parsed

    return gathered(rows, ask)


def with_instructor(rows: Rows, url: str, _: Path) -> list[dict[str, Any]]:
    """Ask with instructor's `create`."""
    import instructor  # noqa: PLC0415 - likewise
    import openai  # noqa: PLC0415 - likewise

    plain = openai.AsyncOpenAI(base_url=url, api_key="none")
    create = instructor.from_openai(plain, mode=instructor.Mode.JSON_SCHEMA).chat.completions.create
    return gathered(rows, lambda messages: create(model=MODEL, messages=messages, response_model=WholeReply))


def with_curator(rows: Rows, url: str, folder: Path) -> list[dict[str, Any]]:
    """Ask with Curator's online backend, without any limit of its own but what is in flight."""
    # It counts tokens with a table that it would download; litellm, which comes with it, brings the same table.
    os.environ["TIKTOKEN_CACHE_DIR"] = str(files("litellm") / "litellm_core_utils" / "tokenizers")
    llm: Any = importlib.import_module("bespokelabs.curator").LLM

    class Asked(llm):  # type: ignore[misc]
        """Sends a row's messages and keeps the reply."""

        response_format = WholeReply

        def prompt(self, row: dict[str, Any]) -> Any:
            return row["messages"]

        def parse(self, row: dict[str, Any], reply: WholeReply) -> dict[str, Any]:
            return {"id": row["id"], "reply": reply.model_dump_json()}

    backend = {
        "base_url": url,
        "api_key": "none",
        "max_concurrent_requests": IN_FLIGHT,
        "max_requests_per_minute": 10_000_000,
        "max_tokens_per_minute": 10**12,
    }
    asked = Asked(model_name=MODEL, backend="openai", backend_params=backend)
    return list(asked(rows, working_dir=str(folder / "curator")).dataset)


LIBRARIES = {"curator": with_curator, "instructor": with_instructor, "openai": with_openai}


def main() -> None:
    library, rows_file, url, out = sys.argv[1:]
    rows = [json.loads(line) for line in Path(rows_file).read_text(encoding="utf-8").splitlines()]
    replies = LIBRARIES[library](rows, url, Path(out).parent)
    Path(out).write_text("".join(json.dumps(reply) + "\n" for reply in replies), encoding="utf-8")


if __name__ == "__main__":
    main()
