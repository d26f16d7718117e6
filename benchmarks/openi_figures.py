"""Print the figures of one full run on OpenI: the funnel, and engines and judges compared.

    python benchmarks/openi_figures.py [../shared] [--part run --part engines --part judges] [--keep FOLDER]

The argument is the folder that holds gold/ and data/openi/. Everything that has a command goes through `cxr`, in a
process of its own, in a temporary folder (or in one that --keep names, which must not hold an earlier run).

- run: ingest, ask, mine by rules, score, filter, bench compile and report, as a user would; the funnel, and the scores
  of the chains by task.
- engines: the questions for which GPT-4o's reasoning was recorded (gold/openi_gpt4o_mined.jsonl) are mined by the
  rules engine too, from the same reports. The rules judge reads both reasonings and says which of their findings the
  report supports. Only factuality is compared: it needs the report and nobody's reference. Completeness and
  effectiveness need a reference reasoning, and the only ones there are the two that are compared.
- judges: the findings of other models' reasonings that careful readers judged (gold/factuality_dev.jsonl and
  recall_dev.jsonl), judged by the readers, by GPT-4o, and by the rules judge.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cxr.miner.stats.agreement import Agreement, agreement
from cxr.miner.stats.paired import holm, randomisation_tests
from cxr.miner.stats.resampling import bootstrap, random_stream
from cxr.miner.store import Store
from cxr.schemas.measures import FACTUALITY
from cxr.schemas.question import Option
from cxr.schemas.vocabulary import Task, Verdict
from cxr.trainer.evaluate.counts import COUNT_COLUMNS
from cxr.trainer.evaluate.formats import ResultTable, TableFormat, render
from cxr.trainer.evaluate.measures import ResultLine
from tests.replaying import Asked, questions

CXR = Path(sys.executable).with_name("cxr")
RESAMPLES, PERMUTATIONS = 1_000, 10_000
ALL = "all"
RULES, GPT4O, READERS = "rules", "gpt-4o", "readers"
# The findings that GPT-4o listed beside its reasoning, instead of those that the rules judge reads in it.
LISTED = "gpt-4o listed"
FACTUAL = {Verdict.SUPPORTED.value, Verdict.UNMENTIONED_NORMAL.value}
Json = dict[str, Any]


def cxr(folder: Path, *arguments: str) -> str:
    """Run `cxr` in a folder, print the command and how long it took, and give what it printed; stop if it failed."""
    started = time.perf_counter()
    done = subprocess.run([CXR, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 4}:
        raise SystemExit(f"cxr {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    said = " ".join(argument if len(argument) < 60 else "..." for argument in arguments)
    print(f"$ cxr {said}    # {time.perf_counter() - started:.0f} s, exit {done.returncode}", flush=True)
    return done.stdout


def sql(folder: Path, query: str) -> list[Json]:
    """Return the rows of a query on the folder's store."""
    return [json.loads(line) for line in cxr(folder, "sql", query, "--format", "json").splitlines()]


def read(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def write(path: Path, lines: Iterable[Json]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


# --- counts and tables ----------------------------------------------------------------------------------------


class Counted(NamedTuple):
    """How much of one text a judge found right; `recalled` of `reference` where a reference was given."""

    model: str
    task: str
    row: str
    unit: str
    """The report: what is drawn as a whole in the paired table."""
    predicted: int = 0
    correct: int = 0
    reference: int = 0
    recalled: int = 0


def evaluate(folder: Path, name: str, rows: Sequence[Counted]) -> None:
    """Print means with intervals by `cxr evaluate --from-counts`; what has nothing to count is left out, and said."""
    with (folder / name).open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(COUNT_COLUMNS)
        for row in rows:
            numbers = (row.predicted, row.correct, row.reference, row.recalled)
            writer.writerow([row.model, row.task, row.row, *numbers, 0, 0, ""])
    print(cxr(folder, "evaluate", "--from-counts", name, "--empty", "skip"))


def overall(rows: Sequence[Counted]) -> list[Counted]:
    """Return the rows, and each of them again under the task "all"."""
    return [*rows, *(row._replace(task=ALL) for row in rows)]


def paired(rows: Sequence[Counted], first: str, second: str, share: Callable[[Counted], float], measure: str) -> None:
    """Print the difference of two models row by row, with intervals and a paired test; reports are drawn whole."""
    ours = {(row.task, row.row): row for row in rows if row.model == first}
    theirs = {(row.task, row.row): row for row in rows if row.model == second}
    lines, p_values = [], []
    for task in dict.fromkeys(task for task, _ in ours):
        both = [(row, theirs[key]) for key, row in ours.items() if key[0] == task and key in theirs]
        found = [pair for pair in both if not np.isnan(share(pair[0]) + share(pair[1]))]
        values = np.array([[share(one), share(two), share(one) - share(two)] for one, two in found])
        numbers = {unit: number for number, unit in enumerate(dict.fromkeys(one.unit for one, _ in found))}
        units = np.array([numbers[one.unit] for one, _ in found])
        means = bootstrap(values, random_stream(0, f"{measure}/{task}"), resamples=RESAMPLES, units=units)
        (p_value,) = randomisation_tests(
            values[:, 2:], random_stream(0, f"permutations/{measure}/{task}"), permutations=PERMUTATIONS, units=units
        )
        names = (first, second, "difference")
        keys = {"task": task, "n": len(found), "reports": len(numbers), "p": p_value}
        lines.append(ResultLine(keys, dict(zip(names, means, strict=True))))
        p_values.append(p_value if task != ALL else None)
    if len(lines) > 1:
        corrected = zip(lines, holm(p_values), strict=True)
        lines = [ResultLine({**line.keys, "p_holm": p}, line.measures) for line, p in corrected]
    title = f"{measure}: {first} minus {second}, row by row"
    print(render([ResultTable(title, lines, (first, second, "difference"))], TableFormat.TABLE))


def factuality(row: Counted) -> float:
    return row.correct / row.predicted if row.predicted else float("nan")


def completeness(row: Counted) -> float:
    return row.recalled / row.reference if row.reference else float("nan")


# --- a full run -----------------------------------------------------------------------------------------------


def run(folder: Path, openi: Path) -> None:
    """Go from reports to a benchmark and a page, and print the funnel and the scores by task."""
    print("## run\n")
    steps = (
        ("ingest", "openi", str(openi)), ("ask",), ("mine",), ("score",), ("filter", "-o", "factual.jsonl"),
        ("bench", "compile", "bench", "--images", "optional"), ("report",),
    )  # fmt: skip
    for step in steps:
        cxr(folder, *step)
    funnel = sql(
        folder,
        "select task, count(*) as questions, count(distinct questions.study_id) as studies, count(chain_id) as chains, "
        "count(scores.chain_id) as scored, count(*) filter (where scores.factuality >= 1) as factual "
        "from questions left join chains using (question_id, task) left join latest_scores as scores using (chain_id) "
        "group by rollup (task) order by task nulls last",
    )
    lost = sql(
        folder, "select stage, reason, count(*) as n from rejects group by stage, reason order by stage, n desc, reason"
    )
    (studies,) = sql(folder, "select count(*) as n from studies")
    samples = Counter[str]()
    for part in json.loads((folder / "bench" / "manifest.json").read_text(encoding="utf-8"))["tasks"]:
        if part["mode"] == "reasoning":
            samples[part["task"]] += part["reached"]
            samples[ALL] += part["reached"]
    print(f"\n{studies['n']:,} studies")
    lines = [{**row, "task": row["task"] or ALL, "in benchmark": samples[row["task"] or ALL]} for row in funnel]
    print(render([ResultTable("", [ResultLine(row, {}) for row in lines], ())], TableFormat.TABLE))
    print(render([ResultTable("Lost on the way", [ResultLine(row, {}) for row in lost], ())], TableFormat.TABLE))
    selected = (
        "chain_id as row, n_findings as n_pred, n_factual as n_correct, n_reference as n_gt, n_recalled, n_effective, "
        "n_findings - n_effective as n_ineffective, null as correct from chains join latest_scores using (chain_id)"
    )
    counts = cxr(
        folder, "sql", "--format", "csv",
        f"select engine as model, task, {selected} union all select engine, '{ALL}', {selected}",
    )  # fmt: skip
    (folder / "chains.csv").write_text(counts, encoding="utf-8")
    print(cxr(folder, "evaluate", "--from-counts", "chains.csv"))


# --- engines --------------------------------------------------------------------------------------------------


def engines(folder: Path, gold: Path) -> None:
    """Compare GPT-4o's recorded reasonings with those of the rules engine on the same questions and reports."""
    print("## engines\n")
    records = read(gold / "openi_gpt4o_mined.jsonl")
    asked = [in_our_form(item) for item in questions(records)]
    with Store.write(folder / "cxr.duckdb", create=True) as store:
        fill(store, asked)
    cxr(folder, "mine")
    mined = {row["question_id"]: row["text"] for row in sql(folder, "select question_id, text from chains")}
    lost = {
        row["reason"]: row["n"]
        for row in sql(folder, "select reason, count(*) as n from rejects group by reason order by n desc, reason")
    }
    print(f"{len(records)} recorded questions, {len(mined)} mined by rules, not mined: {lost}\n")
    texts = []
    for item, record in zip(asked, records, strict=True):
        number = item.question.question_id
        line = {"report": item.report.text, "unit": item.report.study_id, "task": record["task"], "row": number}
        said = " ".join(record["steps"])
        if number in mined:
            texts.append({**line, "model": RULES, "text": mined[number]})
            texts.append({**line, "model": GPT4O, "text": said})
            texts.append({**line, "model": LISTED, "findings": record["findings"]})
        texts.append({**line, "model": f"{GPT4O}, all recorded", "text": said})
        texts.append({**line, "model": f"{LISTED}, all recorded", "findings": record["findings"]})
    write(folder / "reasonings.jsonl", ({"id": str(place), **line} for place, line in enumerate(texts)))
    cxr(folder, "judge", "reasonings.jsonl", "-o", "judged.jsonl")
    judged = sorted(read(folder / "judged.jsonl"), key=lambda line: list(Task).index(Task(line["task"])))
    rows = [counted(line) for line in judged]
    evaluate(folder, "engines.csv", overall(rows))
    nothing = Counter(row.model for row in rows if row.predicted == 0)
    print(f"without a finding, hence without factuality and left out: {dict(nothing)}\n")
    for other in (GPT4O, LISTED):
        paired(overall(rows), RULES, other, factuality, FACTUALITY)
    verdict_shares(judged)


def in_our_form(item: Asked) -> Asked:
    """Let an option of several findings be several, and an open question be about its answer, not GPT-4o's plan."""
    question = item.question
    if question.task is Task.ANOMALY:
        named = parts(question.answer)
        return replace(item, question=question.model_copy(update={"findings": named, "answer_findings": named}))
    if question.task is Task.MULTIPLE:
        options = tuple(Option(letter=one.letter, findings=parts(one.findings[0])) for one in question.options)
        offered = tuple(dict.fromkeys(finding for one in options for finding in one.findings))
        (right,) = (one.findings for one in options if one.letter == question.answer)
        changed = {"options": options, "findings": offered, "answer_findings": right}
        return replace(item, question=question.model_copy(update=changed))
    return item


def parts(listed: str) -> tuple[str, ...]:
    """Return the findings that stand between commas, each once."""
    return tuple(dict.fromkeys(part.strip(" .") for part in listed.split(",") if part.strip(" .")))


def fill(store: Store, asked: Sequence[Asked]) -> None:
    """Put the recorded questions and their reports into an empty store: no command takes questions with reports."""
    reports = {item.report.study_id: item.report for item in asked}
    store.insert("studies", pl.DataFrame({"study_id": list(reports), "corpus": "openi", "licence": "public"}))
    sections = [[section.model_dump() for section in report.sections] for report in reports.values()]
    words = [report.text for report in reports.values()]
    store.insert("reports", pl.DataFrame({"study_id": list(reports), "text": words, "sections": sections}))
    rows = [item.question.model_dump(mode="json") | {"corpus": "openi"} for item in asked]
    store.insert("questions", pl.DataFrame(rows, infer_schema_length=None))


def counted(line: Json) -> Counted:
    """Count the findings of a judged reasoning; those that assert nothing stand outside, as in RadRScore."""
    factual = [item["factual"] for item in line["findings"] if item["factual"] is not None]
    return Counted(line["model"], line["task"], line["row"], line["unit"], len(factual), sum(factual))


def verdict_shares(judged: Sequence[Json]) -> None:
    """Print how many findings a reasoning states, and which share of them got which verdict."""
    lines = []
    for model in dict.fromkeys(line["model"] for line in judged):
        texts = [line for line in judged if line["model"] == model]
        found = Counter(str(item["verdict"]) for line in texts for item in line["findings"])
        total = found.total()
        keys: Json = {"model": model, "reasonings": len(texts), "findings": total}
        keys["each"] = f"{total / len(texts):.1f}"
        lines.append(ResultLine({**keys, **{str(name): f"{found[name] / total:.3f}" for name in Verdict}}, {}))
    print(render([ResultTable("Verdicts, as shares of all findings", lines, ())], TableFormat.TABLE))


# --- judges ---------------------------------------------------------------------------------------------------


def judges(folder: Path, gold: Path) -> None:
    """Compare three judges on the findings that readers judged: their means, and their agreement with the readers."""
    print("## judges\n")
    supported, recalled = read(gold / "factuality_dev.jsonl"), read(gold / "recall_dev.jsonl")
    write(folder / "findings.jsonl", supported)
    write(folder / "recall.jsonl", recalled)
    cxr(folder, "judge", "findings.jsonl", "-o", "judged.jsonl")
    cxr(folder, "radrscore", "recall.jsonl", "-o", "scored.jsonl")
    rows: list[Counted] = []
    labels: dict[tuple[str, str], list[tuple[str, str, str]]] = {}

    def take(measure: str, identity: str, said: dict[str, list[bool]]) -> None:
        for model, flags in said.items():
            number, right = len(flags), sum(flags)
            whole = (number, right, 0, 0) if measure == "factual" else (0, 0, number, right)
            rows.append(Counted(model, measure, identity, identity, *whole))
            pairs = zip(said[READERS], flags, strict=True)
            labels.setdefault((measure, model), []).extend((identity, str(one), str(two)) for one, two in pairs)

    for record, judged in zip(supported, read(folder / "judged.jsonl"), strict=True):
        # What readers could not assess is left out for all; what the rules judge could not counts as not factual.
        kept = [
            (item, answer)
            for item, answer in zip(record["findings"], judged["findings"], strict=True)
            if item["verdict"] != Verdict.NOT_ASSESSABLE
        ]
        if kept:
            take("factual", record["id"], {
                READERS: [item["verdict"] in FACTUAL for item, _ in kept],
                GPT4O: [item["gpt4o_correct"] for item, _ in kept],
                RULES: [answer["factual"] is True for _, answer in kept],
            })  # fmt: skip
    for record, judged in zip(recalled, read(folder / "scored.jsonl"), strict=True):
        known = [
            (item, answer)
            for item, answer in zip(record["reference"], judged["reference"], strict=True)
            if item["recalled"] is not None
        ]
        if known:
            take("recalled", record["id"], {
                READERS: [item["recalled"] for item, _ in known],
                GPT4O: [item["gpt4o_recalled"] for item, _ in known],
                RULES: [answer["recalled"] for _, answer in known],
            })  # fmt: skip
    evaluate(folder, "judges.csv", sorted(rows, key=lambda row: row.task))
    for model in (GPT4O, RULES):
        paired([row for row in rows if row.task == "factual"], model, READERS, factuality, FACTUALITY)
        paired([row for row in rows if row.task == "recalled"], model, READERS, completeness, "completeness")
    lines = []
    for (measure, model), found in labels.items():
        if model != READERS:
            reports, first, second = zip(*found, strict=True)
            lines.append(agreement_line(measure, model, agreement(first, second, clusters=reports)))
    print(render([ResultTable("Agreement with the readers, finding by finding", lines, ("agreement", "kappa"))],
                 TableFormat.TABLE))  # fmt: skip
    print(cxr(folder, "agreement", "findings.jsonl", "judged.jsonl", "--show", "0"))
    print(cxr(folder, "agreement", "recall.jsonl", "scored.jsonl", "--show", "0"))


def agreement_line(measure: str, model: str, found: Agreement) -> ResultLine:
    keys = {"measure": measure, "judge": model, "n": found.n}
    return ResultLine(keys, {"agreement": found.accuracy, "kappa": found.kappa})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).resolve().parents[1].parent / "shared"
    parser.add_argument("shared", type=Path, nargs="?", default=shared, help="the folder with gold/ and data/openi/")
    parser.add_argument("--part", choices=["run", "engines", "judges"], action="append", help="only this part")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    given = parser.parse_args()
    openi, gold = given.shared.resolve() / "data" / "openi", given.shared.resolve() / "gold"
    for needed in (openi / "indiana_reports.csv", gold / "openi_gpt4o_mined.jsonl", gold / "factuality_dev.jsonl"):
        if not needed.is_file():
            raise SystemExit(f"{needed} is not there; give the folder that holds gold/ and data/openi/")
    stages: dict[str, Callable[[Path], None]] = {
        "run": lambda folder: run(folder, openi),
        "engines": lambda folder: engines(folder, gold),
        "judges": lambda folder: judges(folder, gold),
    }
    with tempfile.TemporaryDirectory() as name:
        base = given.keep or Path(name)
        for part in given.part or stages:
            folder = base / part
            folder.mkdir(parents=True)
            stages[part](folder)


if __name__ == "__main__":
    main()
