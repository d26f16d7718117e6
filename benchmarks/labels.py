"""How well the labeler and the language layer read OpenI, and how fast: `python benchmarks/labels.py [SHARED]`.

Gold (`openi_gold_labels_dev.csv`, NegBio) holds report-level codes of MeSH indexers for 14 findings of NIH ChestX-ray
and "normal". They are mapped twice:
- to concepts of the lexicon (`GOLD`): a column is predicted 1 where one of its concepts is asserted without a hedge.
  MeSH indexers do not code what a report calls possible, but code borderline cardiomegaly and both sides of
  "atelectasis versus scar". Nodular opacities and volume loss have codes of their own. "Hernia" is left out: the column
  holds no 1, hiatal hernias count 0 there. Scars have a MeSH code of their own (Cicatrix) and are no Fibrosis.
- to the 14 labels (`LABELS`): Effusion is Pleural Effusion, Mass or Nodule is Lung Lesion, and the columns that have a
  CheXpert label of the same name; a label of 1 against all other values.

Reports are split by the last bit of the CRC-32 of their id: rules were written while looking at half 0 only.
"""

import csv
import json
import statistics
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

from miner.labeler import label
from miner.language import analyse, load_lexicon, read_statement
from miner.language.analysis import analyse_report
from miner.language.reader import read_sentence
from schemas import Finding14, Presence

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


def scores(counts: Counter[str]) -> str:
    tp, fp, fn = counts["tp"], counts["fp"], counts["fn"]
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    f1 = 2 * tp / max(1, 2 * tp + fp + fn)
    return f"precision {precision:.3f}  recall {recall:.3f}  F1 {f1:.3f}  (tp {tp} fp {fp} fn {fn})"


def gold_labels(shared: Path) -> None:
    rows = {f"CXR{r['uid']}": r for r in csv.DictReader((shared / "data/openi/indiana_reports.csv").open())}
    total: dict[str, Counter[str]] = {}
    for gold in csv.DictReader((shared / "data/openi/openi_gold_labels_dev.csv").open()):
        if gold["filename"] not in rows:
            continue
        report = report_text(rows[gold["filename"]])
        found = predicted(report)
        labels = label(report)
        for name, columns in LABELS.items():
            truth, guess = any(gold[column] == "1" for column in columns), labels[Finding14(name)] == 1
            if truth or guess:
                kind = "tp" if truth and guess else "fn" if truth else "fp"
                for key in (f"label {half(gold['filename'])}", f"label {name}"):
                    total.setdefault(key, Counter())[kind] += 1
        part = f"half {half(gold['filename'])}"
        for column in GOLD:
            truth, guess = gold[column] == "1", column in found
            if truth or guess:
                kind = "tp" if truth and guess else "fn" if truth else "fp"
                for key in (part, column, "all"):
                    total.setdefault(key, Counter())[kind] += 1
    print("OpenI gold labels, micro:")
    for key, name in (("half 0", "half 0 (looked at)"), ("half 1", "half 1 (never looked at)"), ("all", "both")):
        print(f"  {name:26} {scores(total[key])}")
    for column in GOLD:
        print(f"  {column:26} {scores(total.get(column, Counter()))}")

    for key in ("label 0", "label 1", *(f"label {name}" for name in LABELS)):
        print(f"  {key:26} {scores(total[key])}")


def extraction(shared: Path) -> None:
    lexicon = load_lexicon()
    counts: Counter[tuple[object, str]] = Counter()
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
    print("GPT-4o's findings in its reasonings (openi_gpt4o_extraction):")
    for part in (0, 1):
        total = sum(n for (which, _), n in counts.items() if which == part)
        shares = ", ".join(f"{kind} {n / total:.1%}" for (which, kind), n in counts.most_common() if which == part)
        print(f"  half {part} ({total}): {shares}")


def speed(shared: Path) -> None:
    rows = list(csv.DictReader((shared / "data/openi/indiana_reports.csv").open()))
    reports = [report_text(row) for row in rows]
    started = time.process_time()
    for report in reports:
        label(report)
    print(f"labelled {len(reports) / (time.process_time() - started):,.0f} reports/s of processor time (cold sentence cache)")
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
