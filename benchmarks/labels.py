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
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

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
Flags = npt.NDArray[np.bool_]


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


def interval(rows: Sequence[Sequence[int]], value: Callable[[Sequence[float]], float], draws: int = 500) -> str:
    """Draw reports with replacement and give the middle 95 % of the value of the sums of their counts."""
    alike = [row for row, count in Counter(map(tuple, rows)).items() for _ in range(count)]
    sums = resampled_sums(np.array(alike, dtype=float), np.random.RandomState([0]), resamples=draws)
    values = sorted(map(value, sums))
    return f"[{values[int(0.025 * draws)]:.3f}, {values[int(0.975 * draws) - 1]:.3f}]"


def scores(truth: Flags, guess: Flags) -> str:
    """Score guesses, reports x columns."""
    rows = np.stack([truth & guess, guess & ~truth, truth & ~guess], axis=1).sum(axis=2)
    tp, fp, fn = rows.sum(axis=0).tolist()
    precision, recall = tp / max(1, tp + fp), tp / max(1, tp + fn)
    shown = f"F1 {f1((tp, fp, fn)):.3f} {interval(rows.tolist(), f1)}"
    return f"precision {precision:.3f}  recall {recall:.3f}  {shown}  (tp {tp} fp {fp} fn {fn})"


def gold_labels(shared: Path) -> None:
    texts = reports(shared)
    with (shared / "data/openi/openi_gold_labels_dev.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["filename"] in texts]
    found = [predicted(texts[row["filename"]]) for row in rows]
    labels = [label(texts[row["filename"]]) for row in rows]
    coded = {column: np.array([row[column] == "1" for row in rows]) for column in GOLD}
    concepts = {column: (truth, np.array([column in one for one in found])) for column, truth in coded.items()}
    of_labels = {
        f"label {name}": (np.any([coded[one] for one in named], axis=0), np.array([one[name] == 1 for one in labels]))
        for name, named in LABELS.items()
    }
    held = np.array([crc32(row["filename"].encode()) & 1 for row in rows])
    parts = {"half 0 (looked at)": np.flatnonzero(held == 0), "half 1 (held out)": np.flatnonzero(held),
             "both": np.argsort(held, kind="stable")}  # fmt: skip
    for measure, columns in (("13 columns through concepts", concepts), ("8 columns through the 14 labels", of_labels)):
        print(f"OpenI gold, {measure}, micro (target F1 0.93):")
        truth, guess = (np.stack(side, axis=1) for side in zip(*columns.values(), strict=True))
        for part, kept in parts.items():
            print(f"  {part:26} {scores(truth[kept], guess[kept])}")
    print("Column by column:")
    for name, (truth, guess) in (concepts | of_labels).items():
        print(f"  {name:26} {scores(truth[:, None], guess[:, None])}")


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
    per_text: tuple[list[list[int]], list[list[int]]] = ([], [])
    for number, record in enumerate(records(shared / "gold/openi_gpt4o_extraction.jsonl")):
        ours, part = stated(record["text"]), crc32(b"%d" % number) & 1
        fates = Counter(fate(finding, ours) for finding in record["findings"])
        counts[part].update(fates)
        per_text[part].append([fates["found"], fates.total()])
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
