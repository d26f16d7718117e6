"""Print what the judge rules+encoder gains and costs beside the rules alone, on all that the rules are measured on.

    cxr train encoder -o encoder
    python benchmarks/learned.py encoder                  # ../shared/gold
    python benchmarks/learned.py encoder FOLDER           # the gold folder of somebody else
    python benchmarks/learned.py encoder --least 0.6      # with another least similarity than training chose

Intervals: 95 %, bootstrap over reports. `benchmarks/descriptions.toml` are invented pairs of a description and a name.
"""

import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from benchmarks.judge import FACTUAL, factual_rows, findings, shown, verdict_rows
from benchmarks.kit import SHARED, Json, parser, records
from benchmarks.readings import Extract, factual_pairs, labels_of, read_chains
from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.judge.rules import report_facts
from cxr.miner.language.analysis import Mention, analyse_report
from cxr.miner.language.labeler import _explicit
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.reader import read_sentence
from cxr.miner.pack import pack
from cxr.miner.stats.agreement import agreement
from cxr.schemas import Finding, Presence, Verdict
from cxr.trainer.learned.judge import RulesAndEncoder, described, described_facts
from cxr.trainer.learned.namer import Namer, load_namer

Lines = Iterator[tuple[str, str]]
"""What is measured, and its value."""


def factual_lines(judge: Judge, rows: list[Json]) -> Lines:
    """Yield how often a finding is factual or not as the readers say."""
    pairs = list(chain.from_iterable(factual_pairs(judge, rows).values()))
    ids, gold, said = zip(*pairs, strict=True)
    found = agreement(gold, said, clusters=ids)
    yield "reports: factual or not, agreement", shown(found.accuracy, ".1%")
    yield "reports: factual or not, kappa", shown(found.kappa, ".3f")


def careful_lines(judge: Judge, gold: Path) -> Lines:
    """Yield the same for the careful readings of OpenI, by half."""
    rows = factual_rows(verdict_rows(judge, gold))
    for half in ("dev-look", "dev-hold"):
        some = [row for row in rows if row.half == half]
        columns = zip(*((row.gold, row.judged, row.report) for row in some), strict=True)
        expected, judged, reports = columns
        found = agreement(expected, judged, clusters=reports)
        yield f"OpenI {half}: factual or not, kappa", shown(found.kappa, ".3f")


def labels_with(namer: Namer | None, report: str) -> dict[str, int | None]:
    """Label a report by the rules, and what they leave open by what the encoder names."""
    labels = labels_of(report)
    if namer is None:
        return labels
    for each in described(namer, analyse_report(report)):
        mention = Mention(each.form, each.start, each.end, each.start, each.end, 0)
        for name, value in _explicit(mention):
            if labels[name] is None:
                labels[name] = value
        kind = load_lexicon().concepts[each.form.concept].kind
        if each.form.presence is Presence.PRESENT and kind == "abnormality" and pack().nothing is not None:
            labels[str(pack().nothing)] = None
    return labels


def label_lines(namer: Namer | None, rows: list[Json]) -> Lines:
    """Yield how many labels are exact, and how many positives right and found."""
    said = {row["id"]: labels_with(namer, row["report"]) for row in rows}
    values = [
        (row["id"], name, gold, said[row["id"]].get(name)) for row in rows for name, gold in row["labels"].items()
    ]
    gold, ours, ids = ([str(each[at]) for each in values] for at in (2, 3, 0))
    exact = agreement(gold, ours, clusters=ids)
    counts = Counter((value == 1, given == 1) for _, name, value, given in values if name != pack().nothing)
    yield "reports: labels exact", shown(exact.accuracy, ".1%")
    yield "reports: positives, precision", f"{counts[True, True] / (counts[True, True] + counts[False, True]):.3f}"
    yield "reports: positives, recall", f"{counts[True, True] / (counts[True, True] + counts[True, False]):.3f}"


def chain_lines(extract: Extract, rows: list[Json]) -> Lines:
    """Yield what is extracted from reasoning, as `benchmarks/readings.py` does."""
    right, gold, found = read_chains(extract, rows)
    yield "chains: extracted", str(right.n)
    yield "chains: right polarity", shown(right.accuracy, ".1%")
    yield (
        "chains: asserts nothing, or not annotated",
        f"{1 - sum(g in {'asserted', 'denied'} for g in gold) / len(gold):.1%}",
    )
    yield "chains: asserting mentions found", f"{found[True] / found.total():.1%}"


def description_lines(judge: Judge) -> Lines:
    """Yield how many descriptions are taken for what they describe, and for what they do not."""
    table = tomllib.loads(Path(__file__).with_name("descriptions.toml").read_text(encoding="utf-8"))
    for name, pairs in table.items():
        present, absent, turned = Counter[bool](), Counter[bool](), Counter[bool]()
        for description, finding in pairs:
            asked = [Finding(observation=finding, status=status) for status in ("present", "not present")]
            yes, no = (answer.verdict.value in FACTUAL for answer in judge.verdicts(description, asked))
            (back,) = judge.verdicts(f"{finding}.", [Finding(observation=description, status="present")])
            present[yes] += 1
            absent[yes and not no] += 1
            turned[back.verdict is Verdict.SUPPORTED] += 1
        if name.startswith("pair"):
            yield f"descriptions ({name}): name granted and its denial refused", f"{absent[True]} of {len(pairs)}"
            yield f"descriptions ({name}): described finding, report names it", f"{turned[True]} of {len(pairs)}"
        else:
            yield f"descriptions ({name}): granted what is not there", f"{present[True]} of {len(pairs)}"


def time_lines(judge: Judge, rows: list[Json]) -> Lines:
    """Yield the processor time of a report with its findings, nothing of it known from before."""
    judge.verdicts("The lungs are clear.", findings([{"observation": "opacity", "status": "present"}]))
    for cached in (analyse_report, read_sentence, report_facts, described_facts):
        cached.cache_clear()
    started = time.process_time()
    for row in rows:
        judge.verdicts(row["report"], findings(row["findings"]))
    yield "processor ms a report, with its findings", f"{(time.process_time() - started) * 1000 / len(rows):.1f}"


def changed(rules: Judge, both: Judge, rows: Iterable[Json]) -> Counter[str]:
    """Count the verdicts that the encoder changed, by what they were, became, and whether readers say so."""
    counts: Counter[str] = Counter()
    for row in rows:
        asked = findings(row["findings"])
        answers = zip(
            row["findings"], rules.verdicts(row["report"], asked), both.verdicts(row["report"], asked), strict=True
        )
        for item, before, after in answers:
            counts["findings"] += 1
            counts["found unmentioned by the rules"] += before.reason == "not_mentioned"
            if before.verdict is not after.verdict:
                gold = item["verdict"] in FACTUAL
                was, now = before.verdict.value in FACTUAL, after.verdict.value in FACTUAL
                effect = "same to the readers" if was is now else "now right" if now is gold else "now wrong"
                counts[f"{before.verdict} -> {after.verdict}: {effect}"] += 1
    return counts


def main() -> None:
    options = parser(__doc__)
    options.add_argument("encoder", type=Path, help="the folder that `cxr train encoder -o` wrote")
    options.add_argument("gold", type=Path, nargs="?", default=SHARED / "gold", help="the folder with the gold files")
    options.add_argument("--least", type=float, help="the least similarity")
    given = options.parse_args()
    namer = load_namer(given.encoder)
    if given.least is not None:
        namer = namer.anew(given.least)
    rules, both = RulesJudge(), RulesAndEncoder(namer)
    reports = records(given.gold / "readings" / "reports_dev.jsonl")
    chains = records(given.gold / "readings" / "chains_dev.jsonl")
    print(f"{both.name} {both.version}, least similarity {namer.about.least_similarity:.2f}\n")
    columns = [
        dict(
            chain(
                factual_lines(judge, reports),
                label_lines(named, reports),
                chain_lines(judge.mentions, chains),
                description_lines(judge),
                careful_lines(judge, given.gold),
                time_lines(fresh, reports),
            )
        )
        for judge, named, fresh in ((rules, None, rules), (both, namer, RulesAndEncoder(namer.anew())))
    ]
    print(f"{'':62} {'rules':24} rules+encoder")
    for name, value in columns[0].items():
        print(f"{name:62} {value:24} {columns[1][name]}")
    for title, rows in (("reports_dev", reports), ("factuality_dev", records(given.gold / "factuality_dev.jsonl"))):
        print(f"\n{title}:")
        for what, count in changed(rules, both, rows).items():
            print(f"  {what}: {count:,}")


if __name__ == "__main__":
    main()
