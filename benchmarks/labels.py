"""How well the labeler and the language layer read OpenI, and how fast: `python benchmarks/labels.py [SHARED]`.

Gold (`openi_gold_labels_dev.csv`, NegBio) holds report-level codes of MeSH indexers for 14 findings of NIH ChestX-ray
and "normal". They are mapped twice:
- to concepts of the lexicon (`GOLD`): a column is predicted 1 where one of its concepts is asserted without a hedge.
  MeSH indexers do not code what a report calls possible, but code borderline cardiomegaly and both sides of
  "atelectasis versus scar". Nodular opacities and volume loss have codes of their own. "Hernia" is left out: the column
  holds no 1, hiatal hernias count 0 there. Scars have a MeSH code of their own (Cicatrix) and are no Fibrosis.
- to the 14 labels (`LABELS`): Effusion is Pleural Effusion, Mass or Nodule is Lung Lesion, and the columns that have a
  CheXpert label of the same name; a label of 1 against all other values.

Reports are split by the last bit of the CRC-32 of their id: rules were written while looking at half 0 only. Intervals
are 95 %, bootstrap over reports.
"""

import csv
import json
import random
import statistics
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from cxr.miner.language import analyse, load_lexicon, read_statement
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.labeler import label
from cxr.miner.language.reader import read_sentence
from cxr.schemas import Presence

GOLD: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis", "lobar_collapse"),
    "Cardiomegaly": ("cardiomegaly",),
    "Effusion": ("pleural_effusion",),
    "Infiltration": ("infiltrate",),
    "Mass": ("mass",),
    "Nodule": ("nodule", "calcified_nodule"),
    "Pneumonia": ("pneumonia",),
    "Pneumothorax": ("pneumothorax",),
    "Consolidation": ("consolidation",),
    "Edema": ("edema",),
    "Emphysema": ("emphysema",),
    "Fibrosis": ("pulmonary_fibrosis",),
    "Pleural_Thickening": ("pleural_thickening",),
}


# The same gold through the 14 labels: only the columns that have a CheXpert label of their own, 1 against the rest.
LABELS: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("Atelectasis",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Pleural Effusion": ("Effusion",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax",),
    "Consolidation": ("Consolidation",),
    "Edema": ("Edema",),
    "Lung Lesion": ("Mass", "Nodule"),
}


def half(key: str) -> int:
    return zlib.crc32(key.encode()) & 1


def report_text(row: dict[str, str]) -> str:
    return f"Findings: {row['findings']} Impression: {row['impression']}"


def predicted(report: str) -> set[str]:
    present = {
        mention.form.concept
        for mention in analyse_report(report).mentions
        if mention.form.presence is Presence.PRESENT and mention.hedge != "possible"
    }
    return {column for column, concepts in GOLD.items() if not present.isdisjoint(concepts)}


Counts = tuple[int, ...]
"""Of one report, or summed: true positives, false positives, false negatives."""


def f1(counts: Counts) -> float:
    tp, fp, fn = counts
    return 2 * tp / max(1, 2 * tp + fp + fn)


def interval(rows: Sequence[Counts], value: Callable[[Counts], float], draws: int = 500) -> str:
    """Draw reports with replacement and give the middle 95 % of the value of their sums."""
    chance = random.Random(0)  # noqa: S311 - names the draw
    kinds = Counter(rows)
    patterns, weights = list(kinds), list(kinds.values())
    values = []
    for _ in range(draws):
        drawn = Counter(chance.choices(patterns, weights, k=len(rows)))
        values.append(value(tuple(sum(row[at] * n for row, n in drawn.items()) for at in range(len(patterns[0])))))
    values.sort()
    return f"[{values[int(0.025 * draws)]:.3f}, {values[int(0.975 * draws) - 1]:.3f}]"


def scores(rows: Sequence[Counts]) -> str:
    tp, fp, fn = (sum(row[at] for row in rows) for at in range(3))
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    shown = f"F1 {f1((tp, fp, fn)):.3f} {interval(rows, f1)}"
    return f"precision {precision:.3f}  recall {recall:.3f}  {shown}  (tp {tp} fp {fp} fn {fn})"


def outcome(truth: bool, guess: bool) -> Counts:  # noqa: FBT001
    return int(truth and guess), int(guess and not truth), int(truth and not guess)


def summed(rows: Sequence[Counts]) -> Counts:
    return tuple(map(sum, zip(*rows, strict=True)))


def gold_labels(shared: Path) -> None:
    rows = {f"CXR{r['uid']}": r for r in csv.DictReader((shared / "data/openi/indiana_reports.csv").open())}
    columns: dict[str, list[Counts]] = defaultdict(list)
    by_concept: dict[int, list[Counts]] = {0: [], 1: []}
    by_label: dict[int, list[Counts]] = {0: [], 1: []}
    for gold in csv.DictReader((shared / "data/openi/openi_gold_labels_dev.csv").open()):
        if gold["filename"] not in rows:
            continue
        report = report_text(rows[gold["filename"]])
        found = predicted(report)
        labels = label(report)
        of_labels = {
            f"label {name}": outcome(any(gold[column] == "1" for column in named), labels[name] == 1)
            for name, named in LABELS.items()
        }
        of_concepts = {column: outcome(gold[column] == "1", column in found) for column in GOLD}
        for name, counts in (of_concepts | of_labels).items():
            columns[name].append(counts)
        part = half(gold["filename"])
        by_concept[part].append(summed(list(of_concepts.values())))
        by_label[part].append(summed(list(of_labels.values())))
    for measure, parts in (("13 columns through concepts", by_concept), ("8 columns through the 14 labels", by_label)):
        print(f"OpenI gold, {measure}, micro (target F1 0.93):")
        print(f"  {'half 0 (looked at)':26} {scores(parts[0])}")
        print(f"  {'half 1 (held out)':26} {scores(parts[1])}")
        print(f"  {'both':26} {scores(parts[0] + parts[1])}")
    print("Column by column:")
    for name, counted in columns.items():
        print(f"  {name:26} {scores(counted)}")


def extraction(shared: Path) -> None:
    lexicon = load_lexicon()
    counts: Counter[tuple[object, str]] = Counter()
    per_text: dict[int, list[Counts]] = {0: [], 1: []}
    for number, line in enumerate((shared / "gold/openi_gpt4o_extraction.jsonl").open(encoding="utf-8")):
        record = json.loads(line)
        ours = {
            (related, mention.form.presence)
            for mention in analyse(record["text"]).mentions
            for related in (lexicon.ancestors[mention.form.concept] | lexicon.descendants[mention.form.concept])
        }
        ours |= {
            (absent, Presence.ABSENT)
            for mention in analyse(record["text"]).mentions
            if mention.form.presence is Presence.PRESENT
            for absent in lexicon.ruled_out[mention.form.concept]
        }
        before = counts[half(str(number)), "found"]
        for finding in record["findings"]:
            statement = read_statement(finding["observation"], finding["status"])
            if not statement.asserts:
                kind = "asserts nothing"
            elif not statement.forms:
                kind = "unknown words"
            elif any((form.concept, form.presence) in ours for form in statement.forms):
                kind = "found"
            elif any(form.concept in {concept for concept, _ in ours} for form in statement.forms):
                kind = "found with the opposite presence"
            else:
                kind = "missed"
            counts[(half(str(number)), kind)] += 1
        part = half(str(number))
        per_text[part].append((counts[part, "found"] - before, len(record["findings"])))
    print("GPT-4o's findings in its reasonings (openi_gpt4o_extraction):")
    for part in (0, 1):
        total = sum(n for (which, _), n in counts.items() if which == part)
        shares = ", ".join(f"{kind} {n / total:.1%}" for (which, kind), n in counts.most_common() if which == part)
        ends = interval(per_text[part], lambda sums: sums[0] / max(1, sums[1]))
        print(f"  half {part} ({total}, found {ends}, target 80%): {shares}")


def speed(shared: Path) -> None:
    rows = list(csv.DictReader((shared / "data/openi/indiana_reports.csv").open()))
    reports = [report_text(row) for row in rows]
    started = time.process_time()
    for report in reports:
        label(report)
    rate = len(reports) / (time.process_time() - started)
    print(f"labelled {rate:,.0f} reports/s of processor time (cold sentence cache)")
    texts = [json.loads(line)["text"] for line in (shared / "gold/openi_gpt4o_extraction.jsonl").open()]
    texts = [" ".join(text.split(" ")[:150]) for text in texts if len(text.split()) >= 150]
    for name, cold in (("cold", True), ("warm sentence cache", False)):
        times = []
        for text in texts:
            if cold:
                read_sentence.cache_clear()
            analyse.cache_clear()
            started = time.process_time()
            analyse(text)
            times.append((time.process_time() - started) * 1000)
        print(f"150-word text analysed in {statistics.median(times):.3f} ms median ({name}, {len(times)} texts)")


def main() -> None:
    default = Path(__file__).resolve().parents[2] / "shared"
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    speed(shared)
    gold_labels(shared)
    extraction(shared)


if __name__ == "__main__":
    main()
