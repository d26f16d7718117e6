"""`cxr show`: one question with its plan, the quotes in the report's context, the chain and its verdicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from cxr.miner.kit.console import table
from cxr.miner.kit.errors import CxrError
from cxr.miner.kit.sql import read_sql
from cxr.miner.mine.untaken import untaken
from cxr.miner.store import Store
from cxr.miner.store.sql import RowFormat, check_target, print_rows

_SQL = read_sql("cxr.miner.mine")

CONTEXT = 60


def print_chain(store: Store, identity: str, chosen: RowFormat, target: Path | None = None) -> None:
    """Print what belongs to a question or chain as rows: one per chain, as `cxr sql` prints them.

    Raises CxrError where there is neither, SettingsError for Parquet to a terminal.
    """
    check_target(chosen, target, "show")
    known = "select count(*) from questions left join chains using (question_id) where $id in (question_id, chain_id)"
    if not store.count(known, {"id": identity}):
        raise _unknown(identity)
    print_rows(store, _SQL["shown"], {"id": identity}, chosen, target)


def _unknown(identity: str) -> CxrError:
    return CxrError(
        f"no question and no chain has the id {identity!r}; "
        '`cxr sql "select question_id, task, text from questions limit 5"` lists some'
    )


def show_chain(store: Store, identity: str, *, verdicts: bool = True) -> list[RenderableType]:
    """Return what is to be printed about a question or chain; raises CxrError where there is neither."""
    chains = store.frame(_SQL["chains"], {"id": identity})
    if chains.is_empty():
        return _show_without_chain(store, identity)
    parts: list[RenderableType] = []
    for row in chains.iter_rows(named=True):
        parts += _chain_parts(row)
        if verdicts:
            parts += _verdicts(store, row["chain_id"])
    if verdicts:
        for question_id in dict.fromkeys(chains["question_id"]):
            parts += _candidates(store, question_id)
            parts += _calls(store, question_id)
    return parts


def _show_without_chain(store: Store, identity: str) -> list[RenderableType]:
    questions = store.rows("select study_id, text, answer from questions where question_id = ?", [identity])
    if not questions:
        raise _unknown(identity)
    study_id, text, answer = questions[0]
    rejects = store.rows("select reason, message from rejects where reject_key = ?", [identity])
    parts: list[RenderableType] = [_heading(f"{study_id}: {text}"), Text(f"Answer: {answer}")]
    parts += [Text(f"Rejected: {reason}: {message}") for reason, message in rejects]
    parts += _candidates(store, identity)
    parts += untaken(store, identity) if rejects else []
    parts += _calls(store, identity)
    return [*parts, *([] if rejects else [Text("Not mined yet; `cxr mine` does that.")])]


def _chain_parts(row: dict[str, Any]) -> list[RenderableType]:
    parts: list[RenderableType] = [
        _heading(f"{row['study_id']}, {row['task']}, question {row['question_id']}"),
        Text(f"{row['question']}\n"),
        _heading("Plan"),
        *[Text(f"  {item['finding']}: {item['look_for']}") for item in row["plan"]],
        _heading("\nEvidence"),
    ]
    for piece in row["evidence"]:
        parts.append(Text(f"  {piece['evidence_no']}. {piece['finding']} {piece['presence']}: {piece['statement']}"))
        parts += [_in_context(row["report"], quote) for quote in piece["quotes"]]
        if not piece["quotes"]:
            parts.append(Text("     the report is silent: inferred normal", style="dim"))
    parts += [_heading(f"\nChain {row['chain_id']} by {row['engine']} {row['engine_version']}"), Text(row["text"])]
    return [*parts, Text(f"Answer: {row['answer']}\n", style="bold")]


def _in_context(report: str, quote: dict[str, Any]) -> Text:
    """Show a quote, marked, between what stands before and after it."""
    start, end = quote["start"], quote["end"]
    before = report[max(0, start - CONTEXT) : start]
    if start > CONTEXT:
        before = before.partition(" ")[2]
    after = report[end : end + CONTEXT].rpartition(" ")[0] if end + CONTEXT < len(report) else report[end:]
    line = Text("     ")
    line.append(before.replace("\n", " "), style="dim")
    line.append(f"«{quote['text']}»".replace("\n", " "), style="bold green")
    line.append(after.replace("\n", " "), style="dim")
    line.append(f"  [{start}, {end})", style="dim")
    return line


def _verdicts(store: Store, chain_id: str) -> Sequence[RenderableType]:
    scores = store.frame(
        "select judge || ' ' || judge_version as judge, factuality, completeness, effectiveness, radrscore "
        "from scores where chain_id = ? order by judge",
        [chain_id],
    )
    findings = store.frame(_SQL["verdicts"], [chain_id])
    return [
        table(title, frame.columns, frame.rows())
        for title, frame in (("RadRScore", scores), ("Verdicts", findings))
        if frame.height
    ]


def _candidates(store: Store, question_id: str) -> list[RenderableType]:
    """Show every chain that was made for this question, and why one of them was kept."""
    frame = store.frame(_SQL["candidates"], {"id": question_id})
    if frame.is_empty():
        return []
    told = frame.drop("text")
    texts = [Text(f"  {no}. {text}") for no, text in frame.select("no", "text").rows() if text is not None]
    return [table("Candidates", told.columns, told.rows()), *texts, Text("")]


def _calls(store: Store, question_id: str) -> list[RenderableType]:
    """Show every attempt at a model for this question, with its cost, and their sum."""
    frame = store.frame(_SQL["calls"], {"id": question_id})
    if frame.is_empty():
        return []
    rows = [
        [f"{value:.6f}" if name == "USD" and value is not None else value for name, value in row.items()]
        for row in frame.iter_rows(named=True)
    ]
    unknown = frame["USD"].null_count()
    cost = f"Cost of this question: ${frame['USD'].sum():.6f}" + (
        f", and {unknown} calls of unknown cost" if unknown else ""
    )
    return [table("Calls", frame.columns, rows), Text(cost)]


def _heading(text: str) -> Text:
    return Text(text, style="bold")
