"""One reasoning, judged: its process reward of either kind, and what is logged and told of it beside."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr.miner.judge import Judge
from cxr.miner.judge.radrscore import ScoredReasoning, score_reasoning, share
from cxr.schemas import JudgedFinding
from cxr.trainer.reward.grounded import Claims, Grounded, Reference, claims, grounded
from cxr.trainer.reward.protocol import Completion, ProcessKind
from cxr.trainer.reward.rewards import judge_reasoning, text_of
from cxr.trainer.reward.steps import Steps, without, wrong_sentences


class Reasoned(NamedTuple):
    """A reasoning with its process reward, and what that was made of."""

    value: float | None
    """None where the reference asks for nothing that the report bears out."""
    factuality: float
    """The paper's, whatever the reward is."""
    claims: Claims
    compared: Grounded | None = None
    """With the reference, where there is one."""
    recalled: int = 0
    of: int = 0
    """How many findings the reference has."""
    steps: Steps | None = None
    """Its wrong sentences, where it was judged by steps and has some that can be found."""

    @classmethod
    def nothing(cls, *, compared: bool) -> "Reasoned":
        """Return what a completion without a reasoning says, compared with a reference or not."""
        return cls(0.0, 0.0, Claims((), 1.0), Grounded(0.0, 0.0, 0.0) if compared else None)

    @property
    def findings(self) -> tuple[JudgedFinding, ...]:
        """The findings with their verdicts."""
        return self.claims.findings


def reason(think: str, report: str, judge: Judge, reference: Reference | None, kind: ProcessKind) -> Reasoned:
    """Judge a reasoning against its report and, where there is one, its reference; raises what the judge raises."""
    if reference is None or not reference.findings:
        judged = judge_reasoning(think, report, judge)
        value = judged.factuality if kind == "factuality" else None
        return Reasoned(value, judged.factuality, claims(think, judged.findings))
    scored: ScoredReasoning = score_reasoning(think, reference.findings, report, judge)
    factuality = share(item.factual for item in scored.prediction) or 0.0
    compared = grounded(scored)
    return Reasoned(
        factuality if kind == "factuality" else compared.value,
        factuality,
        claims(think, scored.prediction),
        compared,
        sum(scored.recalled),
        len(scored.recalled),
    )


def reason_by_steps(think: str, report: str, judge: Judge, reference: Reference | None, kind: ProcessKind) -> Reasoned:
    """Judge a reasoning, and once more without its wrong sentences, if it has any; raises what the judge raises."""
    whole = reason(think, report, judge, reference, kind)
    spans = wrong_sentences(think, whole.findings)
    if whole.value is None or not spans:
        return whole
    left = without(think, spans)
    value = reason(left, report, judge, reference, kind).value if left.strip() else None
    return whole._replace(steps=Steps(spans, max(whole.value, value or 0.0)))


def measures(
    modes: Sequence[str], words: Sequence[int], told: Sequence[Reasoned | None]
) -> Iterator[tuple[str, float]]:
    """Give what a batch says, by mode, as `completions/<mode>/<measure>`, each with its mean over completions.

    `words` is the length. Of reasonings that were judged also `findings` (how many can be checked), `stated`,
    `unmentioned` and `contradicted` (shares of these), `silent` (sentences that assert nothing), `nothing` (completions
    without a finding), `factuality` (the paper's) and, where there is a reference, `completeness`.
    """
    for mode in dict.fromkeys(modes):
        rows = [at for at, of in enumerate(modes) if of == mode]
        yield f"completions/{mode}/words", sum(words[at] for at in rows) / len(rows)
        judged = [one for at in rows if (one := told[at]) is not None]
        if not judged:
            continue
        counts = [one.claims.counts() for one in judged]
        findings = sum(sum(each.values()) for each in counts)
        yield f"completions/{mode}/findings", findings / len(judged)
        for name in counts[0] if findings else ():
            yield f"completions/{mode}/{name}", sum(each[name] for each in counts) / findings
        yield f"completions/{mode}/silent", sum(one.claims.silent for one in judged) / len(judged)
        yield f"completions/{mode}/nothing", sum(not sum(each.values()) for each in counts) / len(judged)
        yield f"completions/{mode}/factuality", sum(one.factuality for one in judged) / len(judged)
        compared = [one.compared.completeness for one in judged if one.compared is not None]
        if compared:
            yield f"completions/{mode}/completeness", sum(compared) / len(compared)


def words_of(completion: Completion) -> int:
    """Return how many words a completion has."""
    return len(text_of(completion).split())
