"""A store for the tests of the report: a public and a credentialed corpus, two judges, reviews, predictions."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from cxr.miner.store import Store
from tests.benchmarks_world import make_store, rows

HOSTILE = "<script>alert('x')</script> & \"quoted\""
HIDDEN = "hiddenmark"
"""Stands in every report of the credentialed corpus, and nowhere else."""


def make_world(folder: Path, studies: int = 24) -> Path:
    """Make the store through the command line, then let time pass: reviews, a second judge, an evaluation."""
    public = rows(studies)
    public[0]["findings"] += f" {HOSTILE}."
    make_store(folder, public)
    # Advice: a strange word that asserts something would leave the report not understood.
    hidden = [{**row, "findings": f"{row['findings']} Recommend {HIDDEN}."} for row in rows(8, first=500)]
    db = make_store(folder, hidden, name="hidden", licence="credentialed")
    with Store.write(db) as store:
        for statement in _statements():
            store.connection.execute(statement)
    return db


def _statements() -> Iterator[str]:
    # Chains that no judge has scored yet, and chains that radiologists liked, or not.
    yield "delete from scores where chain_id in (select chain_id from chains order by chain_id limit 3)"
    yield (
        "insert into reviews by name select chain_id, 'reader' as reviewer, 7 as validity, 8 as completeness, "
        "if(row_number() over (order by chain_id) <= 2, 3, 8) as factuality from factual_chains order by chain_id "
        "limit 5"
    )
    yield "update scores set factuality = 0.5 where chain_id in (select chain_id from scores order by 1 desc limit 9)"
    # A second judge, older, that objects to every fourth chain.
    yield (
        "insert into runs (run_id, command, settings, started_at, ended_at, status, rows_written, rejects) values "
        "('old', 'score', '{}', '2026-01-01 10:00:00', '2026-01-01 10:01:00', 'done', 1, 0)"
    )
    yield (
        "insert into scores select * replace ('other' as judge, 'old' as run_id, "
        "if(row_number() over (order by chain_id) % 4 = 0, 0.5, factuality) as factuality) from scores"
    )
    yield "insert into findings select * replace ('other' as judge, 'old' as run_id) from findings"


def evaluate_world(db: Path) -> None:
    """Let two models' predictions be scored and evaluated, one with a name that would like to be markup."""
    with Store.write(db) as store:
        for statement in _evaluation():
            store.connection.execute(statement)


_MODELS = "(select unnest(['good', '\"><img src=x onerror=alert(1)>']) as model, unnest([1.0, 0.0]) as worth) as models"


def _evaluation() -> Iterator[str]:
    yield (
        "insert into predictions (prediction_id, question_id, model, mode, text, sample_id, benchmark) "
        "select md5(chain_id || models.model), question_id, models.model, 'reasoning', "
        "'<think>' || text || '</think><answer>' || answer || '</answer>', question_id, 'bench0' "
        f"from chains, {_MODELS}"
    )
    yield (
        "insert into prediction_scores (prediction_id, benchmark, sample_id, question_id, model, mode, task, corpus, "
        "split, judge, judge_version, answer, answer_read, unparsed, correct, n_pred, n_correct, factuality, "
        "completeness, effectiveness, radrscore) "
        "select md5(chain_id || models.model), 'bench0', question_id, question_id, models.model, 'reasoning', "
        "chains.task, corpus, 'test', 'rules', '1', chains.answer, 'letter', false, worth, 4, 4, 1.0 - worth, 0.5, "
        f"0.5, 0.5 from chains join questions using (question_id), {_MODELS}"
    )
    yield (
        'insert into evaluations (benchmark, model, task, corpus, split, mode, measure, "value", low, high, n, '
        "n_expected, n_missing, n_unparsed, judge, judge_version, settings) "
        "select 'bench0', models.model, task, 'invented', 'test', 'reasoning', unnest(['factuality', 'completeness', "
        "'effectiveness', 'radrscore', 'accuracy']) as measure, 0.1 + 0.8 * worth, 0.05 + 0.8 * worth, "
        "0.15 + 0.8 * worth, 10, 10, 0, 0, 'rules', '1', '{\"cross_centre\": [\"rsna\"]}' "
        f"from (select distinct task from questions), {_MODELS}"
    )


class Page(HTMLParser):
    """What a reader of a page sees: its tables by caption, its text, and every address in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tables: dict[str, list[list[str]]] = {}
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._caption: str | None = None
        self._row: list[str] | None = None
        self._open: list[str] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert name != "style"
            assert not name.startswith("on"), name
            if name in {"src", "href", "action", "data", "poster"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in {"meta", "link", "br", "input"}:
            self._open.append(tag)
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._row = []
        elif tag in {"td", "th"} and self._row is not None:
            self._row.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes nothing"
        if tag == "tr" and self._row is not None:
            if self._caption is not None:
                self.tables.setdefault(self._caption, []).append(self._row)
            self._row = None
        elif tag == "table":
            self._caption = None

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"script", "style"}:
            return
        self.text += data
        if self._open and self._open[-1] == "caption" and self._caption is not None:
            self._caption += data
        elif self._row:
            self._row[-1] += data

    def records(self, caption: str) -> list[dict[str, str]]:
        """Give a table as one mapping per row."""
        columns, *body = self.tables[caption]
        return [dict(zip(columns, row, strict=True)) for row in body]
