"""Tables of results as text, CSV, JSON, LaTeX, Markdown or HTML; every form says the same."""

import csv
import html
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from enum import StrEnum
from typing import Any

from cxr.miner.kit.visible import spreadsheet_cell
from cxr.miner.stats.resampling import NO_ESTIMATE, Estimate
from cxr.trainer.evaluate.measures import ResultLine


class TableFormat(StrEnum):
    """How results are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    MARKDOWN = "markdown"
    HTML = "html"


EXACT = frozenset({TableFormat.CSV, TableFormat.JSON, TableFormat.LATEX, TableFormat.HTML})
"""What programs read; the others are for eyes."""


@dataclass(frozen=True)
class ResultTable:
    """Lines under a title; `notes` stand below it, and say above all where a result is partial."""

    title: str
    lines: Sequence[ResultLine]
    measures: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """The names of the columns before the measures."""
        return list(dict.fromkeys(key for line in self.lines for key in line.keys))


def render(tables: Sequence[ResultTable], chosen: TableFormat) -> str:
    """Write tables as text that ends with a line end; CSV and JSON join them into one list, without titles."""
    if chosen is TableFormat.JSON:
        return json.dumps([_record(line, table.measures) for table in tables for line in table.lines], indent=2) + "\n"
    if chosen is TableFormat.CSV:
        return _csv(tables)
    write = {
        TableFormat.LATEX: _latex,
        TableFormat.MARKDOWN: _markdown,
        TableFormat.HTML: _html,
        TableFormat.TABLE: _text,
    }[chosen]
    return "\n".join(write(table) for table in tables)


def shown(estimate: Estimate) -> str:
    """Write a mean with its interval: `0.682 [0.646, 0.710]`; nothing where there is no mean."""
    if estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _record(line: ResultLine, measures: Sequence[str]) -> dict[str, Any]:
    return {**line.keys, **{name: asdict(_of(line, name)) for name in measures}}


def _csv(tables: Sequence[ResultTable]) -> str:
    measures = list(dict.fromkeys(name for table in tables for name in table.measures))
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*columns, *(f"{name}{end}" for name in measures for end in ("", "_low", "_high"))])
    for table in tables:
        for line in table.lines:
            numbers = [number for name in measures for number in astuple(_of(line, name))]
            writer.writerow([*(_sheet(line.keys.get(name)) for name in columns), *numbers])
    return out.getvalue()


def _sheet(value: object) -> object:
    """Write a key for the spreadsheets in which people open these tables; a model may be called anything."""
    return spreadsheet_cell(value) if isinstance(value, str) else value


def cells(table: ResultTable) -> tuple[list[str], list[list[str]]]:
    """Return the headings and rows of a table as people read it.

    Left out are measures without any value, numbers of samples that are 0 throughout, and splits, modes and measures
    that are the same throughout: `constants` says those once.
    """
    measures = [name for name in table.measures if any(_of(line, name) != NO_ESTIMATE for line in table.lines)]
    zeros = {
        name for name in table.columns if name.startswith("n_") and not any(line.keys.get(name) for line in table.lines)
    }
    columns = [name for name in table.columns if name not in constants(table) and name not in zeros]
    rows = [
        [*(_key(line.keys.get(name)) for name in columns), *(shown(_of(line, name)) for name in measures)]
        for line in table.lines
    ]
    return [*columns, *measures], rows


def constants(table: ResultTable) -> dict[str, str]:
    """Return the split, mode, measure and corpus of a table in which all lines have the same."""
    return {
        name: _key(table.lines[0].keys.get(name))
        for name in ("split", "mode", "measure", "corpus")
        if name in table.columns and len({line.keys.get(name) for line in table.lines}) == 1
    }


def title_of(table: ResultTable) -> str:
    """Return the title with what all lines have in common."""
    common = ", ".join(f"{name} {value}" for name, value in constants(table).items() if name != "measure")
    return f"{table.title} ({common})" if table.title and common else table.title


def _of(line: ResultLine, name: str) -> Estimate:
    return line.measures.get(name, NO_ESTIMATE)


def _key(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def _text(table: ResultTable) -> str:
    """Write a table in columns of their own width: what a terminal and a log can show alike."""
    headings, rows = cells(table)
    widths = [max(len(row[place]) for row in [headings, *rows]) for place in range(len(headings))]
    numeric = [
        all(re.match(r"-?[\d.]", row[place]) or not row[place] for row in rows) for place in range(len(headings))
    ]

    def line(row: Iterable[str]) -> str:
        parts = zip(row, widths, numeric, strict=True)
        return "  ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in parts).rstrip()

    ruler = "  ".join("-" * width for width in widths)
    title = [title_of(table)] if table.title else []
    return "\n".join([*title, line(headings), ruler, *map(line, rows), *table.notes]) + "\n"


def _markdown(table: ResultTable) -> str:
    headings, rows = cells(table)
    escape = lambda text: text.replace("\\", "\\\\").replace("|", "\\|")  # noqa: E731 - used twice, right here
    title = [f"**{title_of(table)}**", ""] if table.title else []
    body = ["| " + " | ".join(map(escape, row)) + " |" for row in rows]
    notes = [line for note in table.notes for line in ("", f"*{note}*")]
    head = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join([*title, *head, *body, *notes]) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def latex(text: str) -> str:
    """Write text so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex(table: ResultTable) -> str:
    """Write a table for the package booktabs."""
    headings, rows = cells(table)
    title = [f"% {' '.join(title_of(table).split())}"] if table.title else []
    begin = [r"\begin{tabular}{" + "l" * len(headings) + "}", r"\toprule"]
    head, *body = (" & ".join(map(latex, row)) + r" \\" for row in [headings, *rows])
    notes = [rf"\multicolumn{{{len(headings)}}}{{l}}{{\footnotesize {latex(note)}}} \\" for note in table.notes]
    lines = [*title, *begin, head, r"\midrule", *body, r"\bottomrule", *notes, r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _html(table: ResultTable) -> str:
    headings, rows = cells(table)

    def row(values: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(value)}</{tag}>" for value in values) + "</tr>"

    caption = [f"<caption>{html.escape(title_of(table))}</caption>"] if table.title else []
    body = [f"<thead>{row(headings, 'th')}</thead>", "<tbody>", *(row(values, "td") for values in rows), "</tbody>"]
    notes = [f"<p>{html.escape(note)}</p>" for note in table.notes]
    return "\n".join(["<table>", *caption, *body, "</table>", *notes]) + "\n"
