"""Whom a report bears out where two labelers differ: a judge is asked whether it supports the finding as present."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cxr.miner.judge import Judge
from cxr.miner.judge.understanding import understood
from cxr.miner.kit.errors import MiningReject
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas import Finding, Verdict
from cxr.schemas.vocabulary import Licence

OUTCOMES = ("ours", "theirs", "both", "neither", "not judged")
OURS, THEIRS, BOTH, NEITHER, NOT_JUDGED = OUTCOMES
COLUMNS = ("labeler", "decided by", *OUTCOMES)
"""The columns of `counted`'s rows."""
RULES, SECOND = "rules", "its second judge"
# A doubt supports a finding by the rubric, so that 1 and -1 are not told apart.
_BEARS_OUT = {
    Verdict.SUPPORTED: frozenset({"1", "-1"}),
    Verdict.CONTRADICTED: frozenset({"0"}),
    Verdict.UNMENTIONED_ABNORMAL: frozenset({"none"}),
}

Line = Mapping[str, object]


class Said(NamedTuple):
    """What came of one disagreement: whom the report bears out, the verdict, and which judge gave it."""

    judged: str
    verdict: str | None
    decided_by: str


def judge_disagreements(lines: Sequence[Line], reports: Mapping[object, str], judge: Judge) -> list[Said]:
    """Return for each disagreement whom its report bears out; raises what ends every judging.

    A label that names no finding, such as that of a normal study, is not judged.
    """

    def one(line: Line) -> Said:
        finding = Finding(observation=str(line["finding"]), status="present")
        if not understood(finding).normal_forms:
            return Said(NOT_JUDGED, None, "nobody")
        licence = Licence.PUBLIC if line["licence"] == Licence.PUBLIC else Licence.CREDENTIALED
        bound = judge.bound(str(line["study_id"]), licence)
        try:
            (answer,) = bound.verdicts(reports[line["study_id"]], [finding])
        except MiningReject:
            return Said(NOT_JUDGED, None, judge.name)
        true: frozenset[str] = _BEARS_OUT.get(answer.verdict, frozenset())
        ours, theirs = line["ours"] in true, line["theirs"] in true
        judged = BOTH if ours and theirs else OURS if ours else THEIRS if theirs else NEITHER
        return Said(judged, str(answer.verdict), _by(judge, answer.sureness, answer.first_verdict))

    return list(ordered_map(one, lines, judge.workers))


def _by(judge: Judge, sureness: float | None, first: Verdict | None) -> str:
    """Return which judge decided; of two tiers the rules share their reader with our labels."""
    if sureness is None:
        return judge.name
    return RULES if first is None else SECOND


def counted(lines: Iterable[Line]) -> list[tuple[object, ...]]:
    """Return a row for each labeler and each judge that decided."""
    found = Counter((line["labeler"], line["decided_by"], line["judged"]) for line in lines if "judged" in line)
    pairs = sorted({(str(labeler), str(by)) for labeler, by, _ in found})
    return [(*pair, *(found[*pair, outcome] for outcome in OUTCOMES)) for pair in pairs]
