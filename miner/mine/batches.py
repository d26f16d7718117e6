"""Mine through the Batch API: `cxr mine --batch` sends a round, `cxr batch collect` takes it in and sends the next.

There is no state but the reply cache and the table of batches. A round runs every question as far as the cache
carries it; the first request that is not there goes into a file. Re-asks, expired parts and kills need nothing
special: what has no reply is simply asked again in the next round.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from cxr.miner.kit.console import say
from cxr.miner.kit.digest import digest
from cxr.miner.kit.errors import CxrError, EngineStopped
from cxr.miner.kit.machine import utc_now
from cxr.miner.llm.batch_api import ENDED, MOST_REQUESTS, BatchFiles, BatchServer, id_of
from cxr.miner.llm.budget import Budget, Spent
from cxr.miner.llm.calls import insert_calls
from cxr.miner.llm.client import Client
from cxr.miner.llm.failures import Passing, word_of
from cxr.miner.llm.numbers import MOST_LINES, count
from cxr.miner.llm.prices import price_of
from cxr.miner.llm.refusals import of_body
from cxr.miner.llm.spending import spent_on
from cxr.miner.mine.job import MineResult, count_chains, standing_rejects, unmined
from cxr.miner.mine.many import AskedJob
from cxr.miner.mine.settings import MineSettings
from cxr.miner.store import Run, Store
from cxr.schemas.call import Call

_OPEN = "collected_at is null"
_LEARNT = "refused, and put otherwise next"


def mine_in_batches(db: Path, settings: MineSettings, most_requests: int = MOST_REQUESTS) -> MineResult:
    """Send every request that can be made now as batches; chains that the cache completes are written.

    Raises PolicyError for text that may not lie at the server as a file, EngineStopped where it refuses.
    """
    with Store.write(db) as store, _Round(settings, db).over(store) as job:
        return job.go(most_requests)


def batch_rows(db: Path) -> list[dict[str, Any]]:
    """Return all batches of a store, the newest first, with the server's own word on the open ones."""
    with Store.write(db) as store:
        for job in _rounds(store, _jobs(store, db)):
            job.refresh()
        return store.frame(
            "select batch_id, remote_id, model, requests, status, answered, failed, submitted_at, collected_at, "
            "message from batches order by submitted_at desc"
        ).to_dicts()


def collect(db: Path) -> tuple[MineResult, int]:
    """Take in what open batches have answered and send the next round; give the result and how many stay open."""
    total = MineResult()
    with Store.write(db) as store:
        jobs = list(_jobs(store, db))
        if not jobs:
            raise CxrError("no batch is open in this store; `cxr mine --engine llm --batch` sends some")
        for job in _rounds(store, jobs):
            if job.take_in():
                result = job.go(MOST_REQUESTS)
                total.mined += result.mined
                total.notes += result.notes
                total.rejects = result.rejects
        return total, store.count(f"select count(*) from batches where {_OPEN}")


def cancel(db: Path) -> int:
    """Cancel every open batch and give their number; `collect` then takes in what had been answered."""
    with Store.write(db) as store:
        return sum(job.cancel() for job in _rounds(store, _jobs(store, db)))


def _jobs(store: Store, db: Path) -> Iterator[MineSettings]:
    """Return the settings of every job with open batches, as the run that sent them recorded them."""
    recorded = store.rows(
        f"select any_value(runs.settings) from batches join runs using (run_id) where {_OPEN} "
        "group by batches.settings_hash"
    )
    for (text,) in recorded:
        said = json.loads(text)
        named = {MineSettings.moved.get(name, name): value for name, value in said.items()}
        # What is as it would be unsaid counts as unsaid: a server that does not take it is asked without it.
        fields = {name: field.default for name, field in MineSettings.model_fields.items()}
        given = {name: named[name] for name, default in fields.items() if named.get(name, default) != default}
        given.pop("probe", None)
        yield MineSettings.resolve(db, **given)


def _rounds(store: Store, jobs: Iterable[MineSettings]) -> Iterator["_Round"]:
    for settings in jobs:
        with _Round(settings, store.path).over(store) as job:
            yield job


class _Round(AskedJob):
    """One job's batches, with everything that is needed to send and take in."""

    def __init__(self, settings: MineSettings, db: Path) -> None:
        super().__init__(settings, db)
        self._server = BatchServer(self.wire, settings)

    def go(self, most_requests: int) -> MineResult:
        """Run all questions through the cache, then send what is missing."""
        store, job = self.store, self.job
        self._adopt()
        todo = unmined(store, self.settings, job.fingerprint)
        result = MineResult(already=count_chains(store, job.fingerprint))
        self.allow(todo, stored=True)
        if todo.height:
            with store.run("mine", job.recorded(self.settings)) as run:
                self._learn(run)
                parts, budget = self._parts(most_requests)
                try:
                    self.mine(todo, run, result, budget, "batch round with", parts)
                finally:
                    self._submit(parts, run.run_id, result)
        result.rejects = standing_rejects(store, job.fingerprint)
        return result

    def _learn(self, run: Run) -> None:
        """Find out what the server takes, unless that is known: in a batch a refusal is heard a day later.

        A local server answers sooner, and what its batches refuse teaches as much.
        """
        self.books.owned_by(run, self.job.fingerprint)
        account, settings = self.account, self.settings
        budget = Budget(settings, price_of(settings), account.spent)
        client = Client(settings, self.wire, account.cache, budget, account.ledger, self.books.owner, account.write)
        if client.serving.settled or (self.wire.local and settings.probe != "again"):
            return
        try:
            answered = self._ask(client.probe()).answered
        except Passing:
            answered = False
        self.settings = settings.model_copy(update={"probe": "once"})
        if not answered:
            say(
                f"{settings.base_url} answers no request outside of batches, so it is not known what it takes; batches "
                "are written for a server that takes everything"
            )

    def take_in(self) -> int:
        """Put the answers of ended batches into the cache and their cost into `calls`; give how many batches."""
        self._adopt()
        ended = 0
        for batch_id, remote_id in self._open():
            state = self._ask(self._server.state(remote_id))
            if _status(state) in ENDED:
                self._take(batch_id, state)
                ended += 1
            else:
                self._note(batch_id, state)
        return ended

    def refresh(self) -> None:
        """Ask the server about every open batch."""
        for batch_id, remote_id in self._open():
            self._note(batch_id, self._ask(self._server.state(remote_id)))

    def cancel(self) -> int:
        """Cancel every open batch."""
        opened = self._open()
        for batch_id, remote_id in opened:
            self._note(batch_id, self._ask(self._server.cancel(remote_id)))
        return len(opened)

    def _open(self) -> list[tuple[str, str]]:
        return [
            (str(batch_id), str(remote_id))
            for batch_id, remote_id in self.store.rows(
                f"select batch_id, remote_id from batches where {_OPEN} and remote_id is not null "
                "and settings_hash = ? order by submitted_at",
                [self.job.fingerprint],
            )
        ]

    def _parts(self, most_requests: int) -> tuple[BatchFiles, Budget]:
        fingerprint = self.job.fingerprint
        pending = self.store.rows(
            f"select request_hash from batch_requests join batches using (batch_id) where {_OPEN} "
            "and settings_hash = ?",
            [fingerprint],
        )
        failed = self.store.rows(
            "select request_hash, list(error order by called_at) from calls where settings_hash = ? and batch "
            "and error is not null group by 1",
            [fingerprint],
        )
        spent = spent_on(self.store, fingerprint)
        spent = Spent(spent.usd, spent.calls + len(pending), spent.unknown + len(pending))
        budget = Budget(self.settings, price_of(self.settings), spent, batch=True)
        folder = self.store.path.with_name(f"{self.store.path.name}.batches")
        return BatchFiles(
            folder, self.settings, budget, frozenset(key for (key,) in pending), dict(failed), most_requests
        ), budget

    def _submit(self, parts: BatchFiles, run_id: str, result: MineResult) -> None:
        sent = 0
        for part in parts.parts:
            our_id = digest("batch", self.job.fingerprint, run_id, part.path.name, utc_now().isoformat())
            row = {
                "batch_id": our_id,
                "settings_hash": self.job.fingerprint,
                "base_url": self.settings.base_url,
                "model": self.settings.named_model,
                "requests": len(part.requests),
                "status": "sending",
                "submitted_at": utc_now(),
                "run_id": run_id,
            }
            with self.store.transaction():
                self.store.insert("batches", pl.DataFrame([row]))
                self.store.insert(
                    "batch_requests", pl.DataFrame([{"batch_id": our_id, **asked} for asked in part.requests])
                )
            file_id, remote_id = self._ask(self._server.submit(part, our_id))
            self.store.connection.execute(
                "update batches set remote_id = ?, input_file_id = ?, status = 'validating' where batch_id = ?",
                [remote_id, file_id, our_id],
            )
            part.path.unlink()
            sent += len(part.requests)
        if sent:
            result.notes.append(
                f"{sent:,} requests sent in {len(parts.parts)} batches; `cxr batch collect` takes the answers in"
            )

    def _adopt(self) -> None:
        """Find batches that were started just before a kill; forget those that never were."""
        lost = self.store.rows(
            f"select batch_id from batches where {_OPEN} and remote_id is null and settings_hash = ?",
            [self.job.fingerprint],
        )
        if not lost:
            return
        found = {_our_id(state): state for state in self._ask(self._server.recent())}
        for (batch_id,) in lost:
            if (state := found.get(batch_id)) and (named := id_of(state)):
                self.store.connection.execute(
                    "update batches set remote_id = ?, input_file_id = ? where batch_id = ?",
                    [named, str(state.get("input_file_id")), batch_id],
                )
            else:
                self.store.connection.execute(
                    "update batches set status = 'never sent', collected_at = ? where batch_id = ?",
                    [utc_now(), batch_id],
                )

    def _take(self, batch_id: str, state: dict[str, Any]) -> None:
        asked = {
            row["request_hash"]: row
            for row in self.store.frame(
                "select * from batch_requests where batch_id = $id", {"id": batch_id}
            ).iter_rows(named=True)
        }
        calls: list[Call] = []
        model = self.settings.named_model
        budget = Budget(self.settings, price_of(self.settings), Spent())
        client = Client(self.settings, self.wire, self.account.cache, budget)
        for name in ("output_file_id", "error_file_id"):
            for line in self._ask(self._server.lines(state.get(name))):
                row = asked.pop(str(line.get("custom_id")), None)
                # A line that we did not ask for, or that comes twice, is not ours to use.
                if row is not None:
                    call = client.from_batch(_call(row, batch_id, model), line)
                    if client.serving.heard_in_batch(line):  # which is no lasting error: it is put otherwise
                        call = call.model_copy(update={"error": f"{_LEARNT} ({call.error})"})
                    calls.append(call)
        if _status(state) == "expired":
            calls += [
                _call(row, batch_id, model).model_copy(update={"error": "batch expired", "cost_usd": 0.0})
                for row in asked.values()
            ]
        counted = Counter(call.error is None for call in calls)
        message = _why_failed(state)
        with self.store.transaction():
            ((run_id,),) = self.store.rows("select run_id from batches where batch_id = ?", [batch_id])
            owner = {"run_id": run_id, "settings_hash": self.job.fingerprint}
            insert_calls(self.store, ((call, owner) for call in calls))
            self.store.connection.execute(
                "update batches set status = ?, answered = ?, failed = ?, message = ?, ended_at = ?, collected_at = ? "
                "where batch_id = ?",
                [_status(state), counted[True], counted[False], message, utc_now(), utc_now(), batch_id],
            )
        if _status(state) == "failed":
            raise EngineStopped(
                f"the server refused batch {batch_id} as a whole ({message or 'no reason given'}); mend that and run "
                "`cxr mine --engine llm --batch` again: nothing was charged"
            )

    def _note(self, batch_id: str, state: dict[str, Any]) -> None:
        counts = state.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        told = [count(counts.get(name), MOST_LINES) for name in ("completed", "failed")]
        self.store.connection.execute(
            "update batches set status = ?, answered = ?, failed = ? where batch_id = ?",
            [_status(state), *told, batch_id],
        )

    def _ask(self, asking: Any) -> Any:
        async def inside() -> Any:
            async with self.wire:
                return await asking

        return asyncio.run(inside())


def _call(row: dict[str, Any], batch_id: str, model: str) -> Call:
    return Call(
        call_id=f"{batch_id}-{row['request_hash'][:16]}",
        model=model,
        cache_hit=False,
        batch=True,
        latency_s=0.0,
        called_at=utc_now(),
        prompt_version=int(row["prompt_version"]),
        **{
            name: row[name]
            for name in ("stage", "question_id", "prompt_name", "prompt_hash", "request_hash", "attempt")
        },
    )


def _status(state: dict[str, Any]) -> str:
    """Return the server's word for a batch, if it is a word."""
    return word_of({"code": state.get("status")}) or "unknown"


def _our_id(state: dict[str, Any]) -> str | None:
    metadata = state.get("metadata")
    said = metadata.get("cxr_batch") if isinstance(metadata, dict) else None
    return said if isinstance(said, str) else None


def _why_failed(state: dict[str, Any]) -> str | None:
    """Return codes and parameters of a refused batch; its messages may repeat what was sent."""
    errors = state.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else None
    told = {_told(error) for error in listed} if isinstance(listed, list) else ()
    return ", ".join(sorted(told)) or None


def _told(error: object) -> str:
    code = word_of(error) or "unknown"
    param = of_body(error, 400).param if isinstance(error, dict) else None
    return f"{code} ({param})" if param else code
