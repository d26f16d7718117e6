"""Print the figures of one full run on OpenI: the funnel, and engines and judges compared.

    python benchmarks/openi_figures.py [../shared] [--part run|engines|judges|wording] [--keep FOLDER]

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
- wording: every question that OpenI gives is mined by rules in both wordings. By task: chains, the share whose text
  another chain of the task has as well, character for character, words a chain, the parts of RadRScore, and how many
  chains of all tasks are mined in a second of processor time.
"""

import csv
import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from benchmarks import kit
from benchmarks.judge import factual_rows, recall_rows, verdict_rows
from benchmarks.kit import SHARED, Json, records
from cxr.miner.judge import RulesJudge
from cxr.miner.stats.agreement import agreement
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

RESAMPLES, PERMUTATIONS = 1_000, 10_000
ALL = "all"
RULES, GPT4O, READERS = "rules", "gpt-4o", "readers"
# The findings that GPT-4o listed beside its reasoning, instead of those that the rules judge reads in it.
LISTED = "gpt-4o listed"


def cxr(folder: Path, *arguments: str) -> str:
    """Run `cxr` in a folder, print the command and how long it took, and give what it printed."""
    took = kit.cxr(folder, *arguments)
    said = " ".join(argument if len(argument) < 60 else "..." for argument in arguments)
    print(f"$ cxr {said}    # {took.wall_s:.0f} s, exit {took.code}", flush=True)
    return took.out


def sql(folder: Path, query: str) -> list[Json]:
    """Return the rows of a query on the folder's store."""
    return [json.loads(line) for line in cxr(folder, "sql", query, "--format", "json").splitlines()]


def show(title: str, lines: Sequence[ResultLine], *measures: str) -> None:
    print(render([ResultTable(title, lines, measures)], TableFormat.TABLE))


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
        writer.writerows([row.model, row.task, row.row, *row[4:], 0, 0, ""] for row in rows)
    print(cxr(folder, "evaluate", "--from-counts", name, "--empty", "skip"))


def paired(rows: Sequence[Counted], first: str, second: str, share: Callable[[Counted], float], measure: str) -> None:
    """Print the difference of two models row by row, with intervals and a paired test; reports are drawn whole."""
    theirs = {(row.task, row.row): share(row) for row in rows if row.model == second}
    found: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for row in rows:
        other = theirs.get((row.task, row.row), float("nan"))
        if row.model == first and not np.isnan(share(row) + other):
            found[row.task].append((row.unit, share(row), other))
    names, lines = (first, second, "difference"), []
    for task, pairs in found.items():
        values = np.array([[one, two, one - two] for _, one, two in pairs])
        numbers = {unit: number for number, unit in enumerate(dict.fromkeys(unit for unit, _, _ in pairs))}
        units = np.array([numbers[unit] for unit, _, _ in pairs])
        means = bootstrap(values, random_stream(0, f"{measure}/{task}"), resamples=RESAMPLES, units=units)
        stream = random_stream(0, f"permutations/{measure}/{task}")
        (p_value,) = randomisation_tests(values[:, 2:], stream, permutations=PERMUTATIONS, units=units)
        keys = {"task": task, "n": len(pairs), "reports": len(numbers), "p": p_value}
        lines.append(ResultLine(keys, dict(zip(names, means, strict=True))))
    if len(lines) > 1:
        corrected = holm([line.keys["p"] if line.keys["task"] != ALL else None for line in lines])
        lines = [replace(line, keys={**line.keys, "p_holm": p}) for line, p in zip(lines, corrected, strict=True)]
    show(f"{measure}: {first} minus {second}, row by row", lines, *names)


def factuality(row: Counted) -> float:
    return row.correct / row.predicted if row.predicted else float("nan")


def completeness(row: Counted) -> float:
    return row.recalled / row.reference if row.reference else float("nan")


def run(folder: Path, shared: Path) -> None:
    """Go from reports to a benchmark and a page, and print the funnel and the scores by task."""
    print("## run\n")
    steps = (
        ("ingest", "openi", str(shared / "data" / "openi")), ("ask",), ("mine",), ("score",),
        ("filter", "-o", "factual.jsonl"), ("bench", "compile", "bench", "--images", "optional"), ("report",),
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
            samples.update({part["task"]: part["reached"], ALL: part["reached"]})
    print(f"\n{studies['n']:,} studies")
    lines = [{**row, "task": row["task"] or ALL, "in benchmark": samples[row["task"] or ALL]} for row in funnel]
    show("", [ResultLine(row, {}) for row in lines])
    show("Lost on the way", [ResultLine(row, {}) for row in lost])
    selected = (
        "chain_id as row, n_findings as n_pred, n_factual as n_correct, n_reference as n_gt, n_recalled, n_effective, "
        "n_findings - n_effective as n_ineffective, null as correct from chains join latest_scores using (chain_id)"
    )
    query = f"select engine as model, task, {selected} union all select engine, '{ALL}', {selected}"
    (folder / "chains.csv").write_text(cxr(folder, "sql", "--format", "csv", query), encoding="utf-8")
    print(cxr(folder, "evaluate", "--from-counts", "chains.csv"))


def engines(folder: Path, shared: Path) -> None:
    """Compare GPT-4o's recorded reasonings with those of the rules engine on the same questions and reports."""
    print("## engines\n")
    recorded = records(shared / "gold" / "openi_gpt4o_mined.jsonl")
    asked = [in_our_form(item) for item in questions(recorded)]
    with Store.write(folder / "cxr.duckdb", create=True) as store:
        fill(store, asked)
    cxr(folder, "mine")
    mined = {row["question_id"]: row["text"] for row in sql(folder, "select question_id, text from chains")}
    lost = sql(folder, "select reason, count(*) as n from rejects group by reason order by n desc, reason")
    why = {row["reason"]: row["n"] for row in lost}
    print(f"{len(recorded)} recorded questions, {len(mined)} mined by rules, not mined: {why}\n")
    texts = []
    for item, record in zip(asked, recorded, strict=True):
        number = item.question.question_id
        line = {"report": item.report.text, "unit": item.report.study_id, "task": record["task"], "row": number}
        theirs: dict[str, Json] = {GPT4O: {"text": " ".join(record["steps"])}, LISTED: {"findings": record["findings"]}}
        ours: dict[str, Json] = {RULES: {"text": mined[number]}, **theirs} if number in mined else {}
        every = {f"{model}, all recorded": said for model, said in theirs.items()}
        texts += [{**line, "model": model, **said} for model, said in (ours | every).items()]
    with (folder / "reasonings.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps({"id": str(place), **line}) + "\n" for place, line in enumerate(texts))
    cxr(folder, "judge", "reasonings.jsonl", "-o", "judged.jsonl")
    judged = sorted(records(folder / "judged.jsonl"), key=lambda line: list(Task).index(Task(line["task"])))
    # Findings that assert nothing stand outside, as in RadRScore.
    factual = [[item["factual"] for item in line["findings"] if item["factual"] is not None] for line in judged]
    keys = [(line["model"], line["task"], line["row"], line["unit"]) for line in judged]
    rows = [Counted(*key, len(flags), sum(flags)) for key, flags in zip(keys, factual, strict=True)]
    nothing = Counter(row.model for row in rows if row.predicted == 0)
    rows += [row._replace(task=ALL) for row in rows]
    evaluate(folder, "engines.csv", rows)
    print(f"without a finding, hence without factuality and left out: {dict(nothing)}\n")
    for other in (GPT4O, LISTED):
        paired(rows, RULES, other, factuality, FACTUALITY)
    verdict_shares(judged)


def in_our_form(item: Asked) -> Asked:
    """Let an option of several findings be several, and an open question be about its answer, not GPT-4o's plan."""
    question = item.question
    changed: Json = {}
    if question.task is Task.ANOMALY:
        changed = dict.fromkeys(("findings", "answer_findings"), parts(question.answer))
    if question.task is Task.MULTIPLE:
        options = tuple(Option(letter=one.letter, findings=parts(one.findings[0])) for one in question.options)
        offered = tuple(dict.fromkeys(finding for one in options for finding in one.findings))
        (right,) = (one.findings for one in options if one.letter == question.answer)
        changed = {"options": options, "findings": offered, "answer_findings": right}
    return replace(item, question=question.model_copy(update=changed))


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


def verdict_shares(judged: Sequence[Json]) -> None:
    """Print how many findings a reasoning states, and which share of them got which verdict."""
    lines = []
    for model in dict.fromkeys(line["model"] for line in judged):
        texts = [line for line in judged if line["model"] == model]
        found = Counter(str(item["verdict"]) for line in texts for item in line["findings"])
        total = found.total()
        keys = {"model": model, "reasonings": len(texts), "findings": total, "each": f"{total / len(texts):.1f}"}
        lines.append(ResultLine({**keys, **{str(name): f"{found[name] / total:.3f}" for name in Verdict}}, {}))
    show("Verdicts, as shares of all findings", lines)


def judges(folder: Path, shared: Path) -> None:
    """Compare three judges on the findings that readers judged: their means, and their agreement with the readers."""
    print("## judges\n")
    shutil.copy(shared / "gold" / "factuality_dev.jsonl", folder / "findings.jsonl")
    shutil.copy(shared / "gold" / "recall_dev.jsonl", folder / "recall.jsonl")
    cxr(folder, "judge", "findings.jsonl", "-o", "judged.jsonl")
    cxr(folder, "radrscore", "recall.jsonl", "-o", "scored.jsonl")
    judge, lines = RulesJudge(), []
    rows: list[Counted] = []
    for measure, found in (
        ("factual", factual_rows(verdict_rows(judge, shared / "gold"))),
        ("recalled", recall_rows(judge, shared / "gold")),
    ):
        clusters, gold = [row.report for row in found], [row.gold for row in found]
        said = {READERS: gold, GPT4O: [row.gpt4o for row in found], RULES: [row.judged for row in found]}
        for model, answers in said.items():
            if model != READERS:
                agreed = agreement(gold, answers, clusters=clusters)
                keys = {"measure": measure, "judge": model, "n": agreed.n}
                lines.append(ResultLine(keys, {"agreement": agreed.accuracy, "kappa": agreed.kappa}))
            told = Counter(zip(clusters, answers, strict=True))
            for report in dict.fromkeys(clusters):
                right, wrong = told[report, "True"], told[report, "False"]
                numbers = (right + wrong, right, 0, 0) if measure == "factual" else (0, 0, right + wrong, right)
                rows.append(Counted(model, measure, report, report, *numbers))
    evaluate(folder, "judges.csv", sorted(rows, key=lambda row: row.task))
    for model in (GPT4O, RULES):
        paired([row for row in rows if row.task == "factual"], model, READERS, factuality, FACTUALITY)
        paired([row for row in rows if row.task == "recalled"], model, READERS, completeness, "completeness")
    show("Agreement with the readers, finding by finding", lines, "agreement", "kappa")
    print(cxr(folder, "agreement", "findings.jsonl", "judged.jsonl", "--show", "0"))
    print(cxr(folder, "agreement", "recall.jsonl", "scored.jsonl", "--show", "0"))


REPEATED = (
    "with told as (select task, text, count(*) over (partition by task, text) as n, chain_id from newest_chains) "
    "select task, count(*) as chains, avg((n > 1)::int) as repeated, "
    "avg(len(string_split(text, ' '))) as words, "
    "avg(factuality) as factuality, avg(completeness) as completeness, avg(effectiveness) as effectiveness "
    "from told join latest_scores using (chain_id) group by task order by task"
)


def wording(folder: Path, shared: Path) -> None:
    """Print how many texts of a task are another's as well, and what that costs, with one wording and with many."""
    print("## wording\n")
    for step in (("ingest", "openi", str(shared / "data" / "openi")), ("ask", "--balance", "none")):
        cxr(folder, *step)
    lines = []
    for manner in ("plain", "varied"):
        mined = kit.cxr(folder, "mine", "--wording", manner)
        (chains,) = sql(folder, "select count(*) as n from newest_chains")
        cxr(folder, "score")
        rate = f"{chains['n'] / mined.processor_s:.0f}"
        for row in sql(folder, REPEATED):
            shares = {name: f"{value:.3f}" if isinstance(value, float) else value for name, value in row.items()}
            lines.append(ResultLine({"wording": manner, **shares, "chains/s": rate}, {}))
    show("", lines)


def main() -> None:
    options = kit.parser(__doc__)
    options.add_argument("shared", type=Path, nargs="?", default=SHARED, help="the folder with gold/ and data/openi/")
    options.add_argument(
        "--part", choices=["run", "engines", "judges", "wording"], action="append", help="only this part"
    )
    options.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    given = options.parse_args()
    shared = given.shared.resolve()
    for name in ("data/openi/indiana_reports.csv", "gold/openi_gpt4o_mined.jsonl", "gold/factuality_dev.jsonl"):
        if not (shared / name).is_file():
            raise SystemExit(f"{shared / name} is not there; give the folder that holds gold/ and data/openi/")
    stages = {"run": run, "engines": engines, "judges": judges, "wording": wording}
    with tempfile.TemporaryDirectory() as name:
        for part in given.part or stages:
            folder = (given.keep or Path(name)) / part
            folder.mkdir(parents=True)
            stages[part](folder, shared)


if __name__ == "__main__":
    main()
