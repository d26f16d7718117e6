"""The Batch API of an OpenAI-compatible server: files of requests, answered within a day at half the price.

Requests are named by their hash, the key of the reply cache: an answer finds its place whichever batch it comes from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from cxr.miner.kit.errors import EngineStopped, MiningReject
from cxr.miner.kit.jsonl import whole_lines
from cxr.miner.llm import failures
from cxr.miner.llm.asked import Asked
from cxr.miner.llm.budget import BYTES_PER_TOKEN, Budget
from cxr.miner.llm.failures import Passing, RefusedRequest
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import Wire, WireError, WireReply
from cxr.schemas.vocabulary import Licence, RejectReason

# OpenAI takes 50,000 requests and 200 MB a file.
MOST_REQUESTS = 50_000
MOST_BYTES = 190_000_000
# States in which nothing more will come.
# An id becomes part of an address.
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._:-]{0,199}", re.ASCII)
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


def id_of(said: object) -> str | None:
    """Return the id that a server's word on a file or batch names; None where it is none that fits an address."""
    made = said.get("id") if isinstance(said, dict) else None
    return made if isinstance(made, str) and _ID.fullmatch(made) else None


@dataclass
class BatchFile:
    """One file of requests, on disk until it is uploaded."""

    path: Path
    requests: list[dict[str, object]] = field(default_factory=list)
    size: int = 0
    licence: Licence = Licence.PUBLIC


class BatchFiles:
    """Gathers requests that a client shall not send into files of the right size."""

    def __init__(
        self,
        folder: Path,
        settings: ServerSettings,
        budget: Budget,
        pending: frozenset[str],
        failed: Mapping[str, Sequence[str]],
        most_requests: int = MOST_REQUESTS,
    ) -> None:
        """Leave out what is `pending` in open batches, and what has `failed` too often, or so that it always will."""
        self._folder, self._settings, self._budget = folder, settings, budget
        self._pending, self._failed = set(pending), failed
        self._most = most_requests
        self.parts: list[BatchFile] = []

    def defer(self, key: str, body: bytes, asked: Asked) -> None:
        """Take one request; raises MiningReject for one that is not to be sent again, BudgetReached at the limit."""
        if key in self._pending:
            return
        failed = self._failed.get(key, ())
        instead = next((mended for kind in failed if (mended := failures.lasting(kind, self._settings))), None)
        if instead is not None or len(failed) >= self._settings.max_tries:
            why = f"{failed[-1]}; {instead}" if instead else failed[-1]
            raise MiningReject(
                RejectReason.MODEL_CALL_FAILED,
                f"the {asked.prompt.name} step of question {asked.question_id} got no reply in {len(failed)} "
                f"{'batch' if len(failed) == 1 else 'batches'} ({why})",
                f"no reply in a batch ({why})",
            )
        self._budget.reserve(len(body) / BYTES_PER_TOKEN)
        self._pending.add(key)
        line = b'{"custom_id":"%s","method":"POST","url":"/v1/chat/completions","body":%s}\n' % (key.encode(), body)
        part = self._room_for(len(line))
        with part.path.open("ab") as handle:
            handle.write(line)
        part.size += len(line)
        if asked.licence is not Licence.PUBLIC:
            part.licence = asked.licence
        part.requests.append(
            {
                "request_hash": key,
                "question_id": asked.question_id,
                "stage": asked.prompt.name,
                "prompt_name": asked.prompt.name,
                "prompt_version": str(asked.prompt.version),
                "prompt_hash": asked.prompt.hash,
                "attempt": asked.attempts + 1,
            }
        )

    def _room_for(self, size: int) -> BatchFile:
        if not self.parts or len(self.parts[-1].requests) >= self._most or self.parts[-1].size + size > MOST_BYTES:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"requests-{len(self.parts) + 1}.jsonl"
            path.write_bytes(b"")
            path.chmod(0o600)
            self.parts.append(BatchFile(path))
        return self.parts[-1]


class BatchServer:
    """The five commands of the Batch API; each raises EngineStopped with one sentence where it cannot be done."""

    def __init__(self, wire: Wire, settings: ServerSettings) -> None:
        self._wire, self._settings = wire, settings

    async def submit(self, part: BatchFile, our_id: str) -> tuple[str, str]:
        """Upload a file and start a batch under our id; give the ids of file and batch."""
        content = part.path.read_bytes()
        sent = await self._tried(lambda: self._wire.upload(f"{our_id}.jsonl", content, part.licence))
        file_id = self._named(sent.json())
        wanted = {
            "input_file_id": file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {"cxr_batch": our_id},
        }
        return file_id, self._named(await self._said("POST", "/batches", wanted))

    async def state(self, remote_id: str) -> dict[str, Any]:
        """Return the server's word on one batch."""
        return await self._said("GET", f"/batches/{remote_id}")

    async def cancel(self, remote_id: str) -> dict[str, Any]:
        """Cancel one batch; what was answered stays collectable."""
        return await self._said("POST", f"/batches/{remote_id}/cancel")

    async def recent(self) -> list[dict[str, Any]]:
        """Return the server's latest batches, to find one that was started just before a kill."""
        data = (await self._said("GET", "/batches?limit=100")).get("data")
        return [state for state in data if isinstance(state, dict)] if isinstance(data, list) else []

    async def lines(self, file_id: object) -> Iterator[dict[str, Any]]:
        """Return the lines of a result file; none where there is no file. Lines that are no JSON are left out."""
        if not isinstance(file_id, str) or not _ID.fullmatch(file_id):
            return iter(())
        reply = await self._tried(lambda: self._wire.ask("GET", f"/files/{file_id}/content"))
        return whole_lines(reply.body)

    async def _said(self, method: str, path: str, content: Mapping[str, object] | None = None) -> dict[str, Any]:
        said = (await self._tried(lambda: self._wire.ask(method, path, content))).json()
        if not isinstance(said, dict):
            raise self._stopped("a reply that is no JSON object")
        return said

    def _named(self, said: object) -> str:
        """Return the id of what was made."""
        if (made := id_of(said)) is None:
            raise self._stopped("a reply without an id")
        return made

    def _stopped(self, kind: str) -> EngineStopped:
        return EngineStopped(
            f"the Batch API of {self._settings.base_url} did not do what was asked ({kind}); see whether "
            "the server has one, and run the same command again: nothing is lost"
        )

    async def _tried(self, send: Any) -> WireReply:
        tries = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            stop=stop_after_attempt(self._settings.max_tries),
            wait=wait_random_exponential(multiplier=0.2, max=20),
            reraise=True,
        )
        try:
            reply: WireReply = await tries(self._once, send)
        except (Passing, RefusedRequest) as failure:
            raise self._stopped(failure.kind + failure.told) from None
        return reply

    async def _once(self, send: Any) -> WireReply:
        try:
            reply: WireReply = await send()
        except WireError as error:
            raise failures.of_wire(error, self._settings, has_answered=False) from None
        if failure := failures.of_reply(reply, self._settings):
            raise failure
        return reply
