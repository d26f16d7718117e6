"""How the reports that are asked about are read: known from the ingest that labeled them, else read before asking.

Corpora that ship labels come in without a word of their reports being read.
"""

from collections.abc import Iterator, Sequence

from cxr.miner.ingest.write.coverage import coverage_frame, write_coverage
from cxr.miner.kit.parallel import Advance, process_map, processors
from cxr.miner.kit.sql import read_sql
from cxr.miner.language.coverage import coverage
from cxr.miner.language.version import reader_version
from cxr.miner.store import Store
from cxr.miner.store.derived import drop_questions

_SQL = read_sql("cxr.miner.ask")

_CHUNK = 1_000
_WORTH_PROCESSES = 10_000
"""Fewer reports are read before processes have started."""


def read_coverage(store: Store, settings: dict[str, object], advance: Advance) -> int:
    """Note how much is read of the reports of the temporary table `picked`, where unknown; return of how many.

    Questions of a study that turns out not to be understood go, with what came of them: they may rest on silence.
    """
    todo = store.frame(_SQL["to_read"], {"version": reader_version()})
    if todo.is_empty():
        return 0
    rows: list[dict[str, object]] = []
    for read in _read(todo["text"].to_list()):
        rows += read
        advance(len(rows), todo.height)
    covered = coverage_frame(todo["study_id"], rows)
    with store.run("ask", settings) as run, store.transaction():
        store.replace_temporary("covered", covered)
        store.connection.execute(_SQL["stale_silence"])
        drop_questions(store)
        store.replace_temporary("relabel", todo.select("study_id"))
        store.connection.execute("create temporary table if not exists relabeled (study_id varchar, labeler varchar)")
        write_coverage(store, covered, run)
    return todo.height


def _read(texts: Sequence[str]) -> Iterator[list[dict[str, object]]]:
    chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
    yield from process_map(_read_chunk, chunks, processors() if len(texts) >= _WORTH_PROCESSES else 1)


def _read_chunk(texts: Sequence[str]) -> list[dict[str, object]]:
    return [coverage(text).row() for text in texts]
