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
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from benchmarks.judge_speed import rate
from benchmarks.kit import SHARED, Json, records, reports
from cxr.miner.language import analyse, load_lexicon, read_statement
from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.labeler import label
from cxr.miner.language.reader import read_sentence
from cxr.miner.stats.resampling import resampled_sums
from cxr.schemas import Presence

GOLD: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("atelectasis", "lobar_collapse"), "Cardiomegaly": ("cardiomegaly",),
    "Effusion": ("pleural_effusion",), "Infiltration": ("infiltrate",), "Mass": ("mass",),
    "Nodule": ("nodule", "calcified_nodule"), "Pneumonia": ("pneumonia",), "Pneumothorax": ("pneumothorax",),
    "Consolidation": ("consolidation",), "Edema": ("edema",), "Emphysema": ("emphysema",),
    "Fibrosis": ("pulmonary_fibrosis",), "Pleural_Thickening": ("pleural_thickening",),
}  # fmt: skip
# The same gold through the 14 labels: only the columns that have a CheXpert label of their own, 1 against the rest.
LABELS: dict[str, tuple[str, ...]] = {
    "Atelectasis": ("Atelectasis",), "Cardiomegaly": ("Cardiomegaly",), "Pleural Effusion": ("Effusion",),
    "Pneumonia": ("Pneumonia",), "Pneumothorax": ("Pneumothorax",), "Consolidation": ("Consolidation",),
    "Edema": ("Edema",), "Lung Lesion": ("Mass", "Nodule"),
}  # fmt: skip
Counts = tuple[int, ...]
"""Of one report, or summed: true positives, false positives, false negatives."""


def predicted(report: str) -> set[str]:
    present = {
        mention.form.concept
        for mention in analyse_report(report).mentions
        if mention.form.presence is Presence.PRESENT and mention.hedge != "possible"
    }
    return {column for column, concepts in GOLD.items() if not present.isdisjoint(concepts)}


def f1(counts: Sequence[float]) -> float:
    tp, fp, fn = counts
    return float(2 * tp / max(1, 2 * tp + fp + fn))


def interval(rows: Sequence[Counts], value: Callable[[Sequence[float]], float], draws: int = 500) -> str:
    """Draw reports with replacement and give the middle 95 % of the value of their sums."""
    alike = [[*row] for row, count in Counter(rows).items() for _ in range(count)]
    sums = resampled_sums(np.array(alike, dtype=float), np.random.RandomState([0]), resamples=draws)
    values = sorted(map(value, sums))
    return f"[{values[int(0.025 * draws)]:.3f}, {values[int(0.975 * draws) - 1]:.3f}]"


def scores(rows: Sequence[Counts]) -> str:
    tp, fp, fn = summed(rows)
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    shown = f"F1 {f1((tp, fp, fn)):.3f} {interval(rows, f1)}"
    return f"precision {precision:.3f}  recall {recall:.3f}  {shown}  (tp {tp} fp {fp} fn {fn})"


def outcome(*, truth: bool, guess: bool) -> Counts:
    return int(truth and guess), int(guess and not truth), int(truth and not guess)


def summed(rows: Sequence[Counts]) -> Counts:
    return tuple(map(sum, zip(*rows, strict=True)))


def gold_labels(shared: Path) -> None:
    texts = reports(shared)
    columns: dict[str, list[Counts]] = defaultdict(list)
    measures: dict[str, tuple[list[Counts], list[Counts]]] = {
        "13 columns through concepts": ([], []), "8 columns through the 14 labels": ([], []),
    }  # fmt: skip
    for gold in csv.DictReader((shared / "data/openi/openi_gold_labels_dev.csv").open()):
        name = gold["filename"]
        if name not in texts:
            continue
        found, labels = predicted(texts[name]), label(texts[name])
        of_labels = {
            f"label {finding}": outcome(truth=any(gold[column] == "1" for column in named), guess=labels[finding] == 1)
            for finding, named in LABELS.items()
        }
        of_concepts = {column: outcome(truth=gold[column] == "1", guess=column in found) for column in GOLD}
        for column, counts in (of_concepts | of_labels).items():
            columns[column].append(counts)
        for parts, counted in zip(measures.values(), (of_concepts, of_labels), strict=True):
            parts[crc32(name.encode()) & 1].append(summed([*counted.values()]))
    for measure, (first, second) in measures.items():
        print(f"OpenI gold, {measure}, micro (target F1 0.93):")
        for part, rows in (("half 0 (looked at)", first), ("half 1 (held out)", second), ("both", first + second)):
            print(f"  {part:26} {scores(rows)}")
    print("Column by column:")
    for name, rows in columns.items():
        print(f"  {name:26} {scores(rows)}")


def stated(text: str) -> set[tuple[str, Presence]]:
    """Return what a text says of which concept, its kinds and what it rules out included."""
    lexicon, said = load_lexicon(), set()
    for form in (mention.form for mention in analyse(text).mentions):
        related = lexicon.ancestors[form.concept] | lexicon.descendants[form.concept]
        said |= {(concept, form.presence) for concept in related}
        if form.presence is Presence.PRESENT:
            said |= {(absent, Presence.ABSENT) for absent in lexicon.ruled_out[form.concept]}
    return said


def fate(finding: Json, ours: set[tuple[str, Presence]]) -> str:
    statement = read_statement(finding["observation"], finding["status"])
    if not statement.asserts:
        return "asserts nothing"
    if not statement.forms:
        return "unknown words"
    if any((form.concept, form.presence) in ours for form in statement.forms):
        return "found"
    known = {concept for concept, _ in ours}
    return "found with the opposite presence" if any(form.concept in known for form in statement.forms) else "missed"


def extraction(shared: Path) -> None:
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    per_text: tuple[list[Counts], list[Counts]] = ([], [])
    for number, record in enumerate(records(shared / "gold/openi_gpt4o_extraction.jsonl")):
        ours, part = stated(record["text"]), crc32(b"%d" % number) & 1
        fates = Counter(fate(finding, ours) for finding in record["findings"])
        counts[part].update(fates)
        per_text[part].append((fates["found"], fates.total()))
    print("GPT-4o's findings in its reasonings (openi_gpt4o_extraction):")
    for part in (0, 1):
        total = counts[part].total()
        shares = ", ".join(f"{kind} {n / total:.1%}" for kind, n in counts[part].most_common())
        ends = interval(per_text[part], lambda sums: sums[0] / max(1, sums[1]))
        print(f"  half {part} ({total}, found {ends}, target 80%): {shares}")


def speed(shared: Path) -> None:
    found = rate(label, list(reports(shared).values()))
    print(f"labelled {found:,.0f} reports/s of processor time (cold sentence cache)")
    cut = [record["text"].split(" ") for record in records(shared / "gold/openi_gpt4o_extraction.jsonl")]
    texts = [" ".join(words[:150]) for words in cut if len(" ".join(words).split()) >= 150]
    for name, cold in (("cold", True), ("warm sentence cache", False)):
        times = []
        for text in texts:
            if cold:
                read_sentence.cache_clear()
            analyse.cache_clear()
            times.append(1000 / rate(analyse, [text]))
        print(f"150-word text analysed in {statistics.median(times):.3f} ms median ({name}, {len(times)} texts)")


def main() -> None:
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    speed(shared)
    gold_labels(shared)
    extraction(shared)


if __name__ == "__main__":
    main()
