"""The `rules` engine: plan, evidence and chain from the language layer, offline and deterministic.

What the report says of a finding is what our labeler found: its mentions decide the label, and the same
mentions, with their places, become the evidence. Where no mention speaks of a finding it is inferred normal
(paper, section 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cxr.miner.judge import RulesJudge
from cxr.miner.judge.reasons import in_plain_words
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.language.version import VERSION_LENGTH
from cxr.miner.mine.engines import absence, named, presence, temporal, weighing
from cxr.miner.mine.engines.chains import chain_of
from cxr.miner.mine.engines.nouns import enumerated, noun_of
from cxr.miner.mine.engines.pieces import against_answer, evidence_of, known_of
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.job import SyncRunner
from cxr.miner.mine.relevance import denies_less
from cxr.miner.mine.settings import MineSettings, Wording
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Chain, Evidence, Plan, PlanItem
from cxr.schemas.study import Report
from cxr.schemas.vocabulary import Presence, RejectReason, Task, Verdict

_PARTS = (
    "rules", "absence", "backing", "chains", "doubt", "grouped", "named", "nouns", "pieces", "presence", "same",
    "temporal", "voice", "weighing", "wording",
)  # fmt: skip
# Beside the judge, which rests on the reader: how evidence is worded, and which checks it has to pass.
_CODE = (
    *(f"cxr.miner.mine.engines.{name}" for name in _PARTS),
    *(
        f"cxr.miner.mine.{name}"
        for name in ("checks", "assertion", "details", "relevance", "talk", "understood", "unquoted", "words")
    ),
)


# Of the signs of a finding that is asked about alone.
_MOST_SIGNS = 3


@dataclass(frozen=True)
class RulesEngine:
    """The offline engine; it knows what to look for in each label that questions are about, and in each region."""

    name: ClassVar[str] = "rules"

    wording: Wording = "varied"
    wording_seed: int = 0

    @classmethod
    def told(cls, settings: MineSettings) -> "RulesEngine":
        """Return the engine as the settings of `cxr mine` want it."""
        return cls(settings.wording, settings.wording_seed)

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that stand for the code of engine, judge and reader, and every word of the pack."""
        return digest("rules engine", RulesJudge().version, code_digest(*_CODE), length=VERSION_LENGTH)

    def settings(self) -> dict[str, object]:
        """Return everything that can change a chain; the seed changes none where there is one wording."""
        seed = {"wording_seed": self.wording_seed} if self.wording == "varied" else {}
        return {"engine": self.name, "engine_version": self.version, "wording": self.wording, **seed}

    def plan(self, question: Question, report: Report) -> Plan:  # noqa: ARG002 - a plan does not need the report
        """Return the signs of every finding of the question.

        Raises MiningReject for words that nobody knows, and for an answer that names no finding where it must.
        """
        _demand_answer(question)
        findings = _in_order_of_options(question)
        if question.task is Task.ANOMALY:
            regions = list(dict.fromkeys(signs.region for signs in pack().signs.values()))
            findings = sorted(findings, key=lambda finding: regions.index(named.read_in(finding)))
        voice = self._voice(question)
        return Plan(
            items=tuple(PlanItem(finding=finding, look_for=_look_for(question, finding, voice)) for finding in findings)
        )

    def evidence(self, question: Question, plan: Plan, report: Report) -> tuple[Evidence, ...]:
        """Return one piece of evidence per planned finding, with the mentions that decided it as quotes.

        Raises MiningReject where what the report says contradicts the question's answer.
        """
        known, voice = known_of(report.text), self._voice(question)
        if question.task is Task.TEMPORAL:
            finding = question.findings[0]
            return (temporal.change_evidence(question, noun_of(finding), known.get(finding, ()), voice),)
        numbered = [
            (number, item.finding, item.finding in question.answer_findings)
            for number, item in enumerate(plan.items, start=1)
        ]
        labeled = [
            _evidence(number, finding, expected, known[finding], report.text, voice)
            for number, finding, expected in numbered
            if finding in pack().signs
        ]
        _demand_silence(report, [piece.finding for piece in labeled if piece.presence is Presence.ABSENT])
        if question.task is Task.BINARY:
            labeled = [absence.with_a_sign(piece, report.text, voice) for piece in labeled]
        labeled = [weighing.with_what_stands_beside(question, piece, known, report.text, voice) for piece in labeled]
        words = [each for each in numbered if each[1] not in pack().signs]
        in_words = named.named_evidence(report.text, words, voice)
        return tuple(sorted([*labeled, *in_words], key=lambda piece: piece.evidence_no))

    def chain(
        self,
        question: Question,
        plan: Plan,
        evidence: tuple[Evidence, ...],
        report: Report,
    ) -> Chain:
        """Return the reasoning: what is looked for, what is seen, and the answer that follows."""
        return chain_of(question, plan, evidence, report.text, self._voice(question))

    def _voice(self, question: Question) -> Voice:
        return Voice(question.question_id, self.wording_seed if self.wording == "varied" else None)


def _demand_answer(question: Question) -> None:
    """Reject a stored question whose answer names no finding; only binary ("No") and temporal (a change) may."""
    if question.task not in {Task.BINARY, Task.TEMPORAL} and not question.answer_findings:
        raise MiningReject(
            RejectReason.BAD_VALUE,
            f"the question has no answer_findings, and the answer to a question of the task {question.task} names at "
            "least one finding; make it again with `cxr ask`",
        )


def _in_order_of_options(question: Question) -> list[str]:
    # The options of a temporal question are changes, not findings.
    offered = [finding for option in question.options for finding in option.findings if finding in question.findings]
    return list(dict.fromkeys([*offered, *question.findings]))


def _look_for(question: Question, finding: str, voice: Voice) -> str:
    signs = pack().signs.get(finding)
    if signs is None:
        return named.region_of(finding).look_for
    if signs.signs and not voice.plain:
        # Of several findings each is told in short.
        most = _MOST_SIGNS if question.task in {Task.BINARY, Task.TEMPORAL} else 2
        return enumerated(voice.some(signs.signs, f"signs {finding}", most), "or")
    wordings = signs.look_for
    return wordings[int(digest(question.question_id, finding, length=8), 16) % len(wordings)]


# --- evidence ----------------------------------------------------------------------------------------------


def _evidence(
    number: int,
    finding: str,
    expected: bool,  # noqa: FBT001
    mentions: Sequence[LabelEvidence],
    report_text: str,
    voice: Voice,
) -> Evidence:
    if expected:
        return presence.present(number, finding, mentions, report_text, voice)
    values = {mention.value for mention in mentions}
    if values - {0}:
        said = "present" if 1 in values else "possible"
        raise against_answer(finding, Presence.ABSENT, f"the report says that it is {said}")
    absent = absence.denials(finding, report_text)
    quotes = [mention.quote for mention in absent]
    piece = evidence_of(
        number, finding, Presence.ABSENT, absence.statement(finding, absent, report_text, voice), quotes
    )
    if denies_less(piece):
        return evidence_of(number, finding, Presence.ABSENT, absence.statement(finding, (), report_text, voice))
    return piece


def _demand_silence(report: Report, absent: Sequence[str]) -> None:
    """Reject a question that takes a finding as absent where the report has something of its kind.

    The report may name a kind of a finding that sets no label.
    """
    denials = [Finding(observation=finding, status="not present") for finding in absent]
    for judged in RulesJudge().verdicts(report.text, denials):
        if judged.verdict is Verdict.CONTRADICTED:
            raise against_answer(judged.finding.observation, Presence.ABSENT, in_plain_words(judged.reason))


RUNNER = SyncRunner(RulesEngine, RulesEngine.told)
