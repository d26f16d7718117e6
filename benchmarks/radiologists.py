"""Print how the rules judge with either entailment, and both of its scores, stand to what people said.

    python benchmarks/radiologists.py         # the careful readings of the public development files
    python benchmarks/radiologists.py FILE    # annotations of your own, JSON Lines

A line of FILE is one of `cxr radrscore`: {"id", "report", "reference", "prediction"}, lists of findings. Of these each
of `prediction` may have `factual` (false: it is wrong) or `verdict`, each of `reference` `recalled`, and the line
`quality`, a rating of the prediction, the higher the better. Rows that nobody annotated are left out. Intervals: 95 %,
over lines.

No radiologist's annotations come with the project or lie in the public files: the default shows what the readings under
the rubric say, which grant less. Without `quality`, factuality is set against the readers' own.
"""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from scipy.stats import kendalltau

from benchmarks.judge import FACTUAL, shown
from benchmarks.kit import SHARED, Json, parser, records
from cxr.miner.judge import RulesJudge
from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.radrscore import ScoredReasoning, score_reasoning, share
from cxr.miner.judge.weighted import weigh
from cxr.miner.stats.agreement import agreement
from cxr.schemas import Finding, Verdict


class Pair(NamedTuple):
    """One answer by people and by the judge, and the line it belongs to."""

    line: str
    people: bool
    judge: bool


def findings(items: list[Json]) -> list[Finding]:
    return [Finding(observation=item["observation"], status=item.get("status") or "") for item in items]


def said(item: Json) -> bool | None:
    """Return whether people called a predicted finding factual; None where they did not say."""
    if item.get("factual") is not None:
        return bool(item["factual"])
    verdict = item.get("verdict")
    return None if verdict in {None, Verdict.NOT_ASSESSABLE.value} else verdict in FACTUAL


def pairs(record: Json, scored: ScoredReasoning) -> tuple[list[Pair], list[Pair]]:
    """Return what people and the judge say of each predicted finding, and of each of the reference."""
    factual = [
        Pair(record["id"], people, judged.factual is True)
        for item, judged in zip(record["prediction"], scored.prediction, strict=True)
        if (people := said(item)) is not None
    ]
    recalled = [
        Pair(record["id"], bool(item["recalled"]), held)
        for item, held in zip(record["reference"], scored.recalled, strict=True)
        if item.get("recalled") is not None
    ]
    return factual, recalled


def tau(name: str, people: list[float], judge: list[float]) -> None:
    found = kendalltau(people, judge, variant="b")
    print(f"  {name:40} {len(people):5}  tau_b {found.statistic:.3f}")


def measure(lines: list[Json], entailment: Entailment) -> None:
    judge = RulesJudge(entailment)
    scored = [
        score_reasoning(findings(line["prediction"]), findings(line["reference"]), line["report"], judge)
        for line in lines
    ]
    print(f"{judge.name} {judge.version}")
    both = [pairs(line, one) for line, one in zip(lines, scored, strict=True)]
    for place, name in enumerate(("factual or not", "recalled")):
        if found := [pair for answers in both for pair in answers[place]]:
            people, judged = [str(pair.people) for pair in found], [str(pair.judge) for pair in found]
            result = agreement(people, judged, clusters=[pair.line for pair in found])
            print(f"  {name:40} {result.n:5}  {shown(result.accuracy, '.1%')}  kappa {shown(result.kappa, '.3f')}")
    rated = [(line, one) for line, one in zip(lines, scored, strict=True) if line.get("quality") is not None]
    quality = [float(line["quality"]) for line, _ in rated]
    if rated:
        tau("RadRScore against quality", quality, [one.score.radrscore or 0.0 for _, one in rated])
        tau("weighted against quality", quality, [weigh(one, line["report"]).score for line, one in rated])
    elif any(said(item) is not None for line in lines for item in line["prediction"]):
        judged_lines = [(line, one) for line, one in zip(lines, scored, strict=True) if line["prediction"]]
        theirs = [share(map(said, line["prediction"])) or 0.0 for line, _ in judged_lines]
        tau("factuality against the readers'", theirs, [one.score.factuality or 0.0 for _, one in judged_lines])
    errors = Counter(str(item.error) for one in scored for item in one.prediction if item.error is not None)
    print(f"  wrong findings by attribute: {', '.join(f'{error} {count}' for error, count in errors.most_common())}")


def main() -> None:
    options = parser(__doc__)
    options.add_argument("file", type=Path, nargs="?", help="annotations; by default the public development files")
    given = options.parse_args()
    if given.file is not None:
        sets = {given.file.name: records(given.file)}
    else:
        gold = SHARED / "gold"
        verdicts = records(gold / "factuality_dev.jsonl") + records(gold / "readings" / "reports_dev.jsonl")
        judged = [{**line, "prediction": line["findings"], "reference": []} for line in verdicts]
        sets = {
            "factuality_dev": [line for line in judged if "style" not in line],
            "reports_dev": [line for line in judged if "style" in line],
            "recall_dev": records(gold / "recall_dev.jsonl"),
        }
    for name, lines in sets.items():
        for entailment in Entailment:
            print(f"\n{name}, by {entailment}: ", end="")
            measure(lines, entailment)


if __name__ == "__main__":
    main()
