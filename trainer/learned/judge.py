"""The judge `rules+encoder`: the rules, and where they find nothing, what an encoder says is described.

The encoder only names: a sentence of the report or of a reasoning of which the rules made nothing becomes the normal
form of the concept that it describes, with the side, place, degree and denial that its own words state. The rubric then
judges that form as any other. So what the rules decide stays, and every verdict of the encoder's says so in its reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.facts import Fact, Facts
from cxr.miner.judge.grants import judge_generously
from cxr.miner.judge.reasons import Reason, error_of
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.rules import RulesJudge, quotes, report_facts, rules_version
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import Outcome, combine, judge_form
from cxr.miner.judge.words import asserts_normal, is_denied
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import SettingsError
from cxr.miner.language.analysis import Analysis, analyse, analyse_report, status_of
from cxr.miner.language.version import VERSION_LENGTH
from cxr.schemas import Finding, JudgedFinding, NormalForm, Presence, Quote, Span
from cxr.schemas.vocabulary import Licence
from cxr.trainer.learned.namer import Named, Namer, load_namer
from cxr.trainer.learned.silent import described_form, silent_sentences

if TYPE_CHECKING:
    from cxr.miner.judge.settings import JudgedSettings

RULES_AND_ENCODER = "rules+encoder"


class Described(NamedTuple):
    """A sentence that the encoder named, `[start, end)` in its text."""

    start: int
    end: int
    form: NormalForm
    named: Named


class RulesAndEncoder:
    """Asks the encoder where the rules find nothing, and nowhere else."""

    name = RULES_AND_ENCODER
    workers = 1

    def __init__(self, namer: Namer, rules: RulesJudge | None = None) -> None:
        self.namer = namer
        self.rules = rules or RulesJudge()

    @classmethod
    @contextmanager
    def open(cls, settings: "JudgedSettings", books: object = None) -> Iterator["RulesAndEncoder"]:  # noqa: ARG003
        """Open the judge with the folder that --judge-model names; raises SettingsError without one."""
        if settings.model is None:
            raise SettingsError(
                f"{settings.stage}: the judge {cls.name} needs an encoder; make one with `cxr train encoder -o FOLDER` "
                f"and give {settings.model_flag} FOLDER"
            )
        yield cls(load_namer(Path(settings.model)), RulesJudge(settings.entailment))

    @classmethod
    def code_version(cls) -> str:
        """Return what the version ends with: twelve digits that stand for the rules and the code here."""
        return _code_version()

    @property
    def version(self) -> str:
        """The encoder's version, what the rules grant beyond the rubric, and the code's."""
        granted = [] if self.rules.entailment is Entailment.RUBRIC else [str(self.rules.entailment)]
        return "-".join([self.namer.version, *granted, self.code_version()])

    def settings(self) -> Mapping[str, object]:
        """Return how the encoder was trained, but for its examples."""
        return self.namer.about.model_dump(mode="json", exclude={"examples"})

    def bound(self, sample_id: str, licence: Licence) -> "RulesAndEncoder":  # noqa: ARG002 - it sends nothing anywhere
        """Return the judge itself."""
        return self

    def extract(self, text: str) -> list[Finding]:
        """Return what a text asserts, in text order, each distinct statement once."""
        return _in_order([*self.rules.extract(text), *self._described_findings(text)], once=True)

    def mentions(self, text: str) -> list[Finding]:
        """Return one finding for every place in a text that asserts something, in text order."""
        return _in_order([*self.rules.mentions(text), *self._described_findings(text)], once=False)

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Return one verdict per finding, in order; only what the report does not mention is looked at again."""
        return [
            self._again(answer, report) if answer.reason == Reason.NOT_MENTIONED else answer
            for answer in self.rules.verdicts(report, findings)
        ]

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Return for each finding whether the list `within` holds it, as the rules say."""
        return self.rules.contained(findings, within)

    def _described_findings(self, text: str) -> list[Finding]:
        return [
            Finding(
                observation=" ".join(text[each.start : each.end].split()),
                status=status_of(each.form),
                normal_forms=(each.form,),
                span=Span(start=each.start, end=each.end),
            )
            for each in described(self.namer, analyse(text))
        ]

    def _again(self, answer: JudgedFinding, report: str) -> JudgedFinding:
        """Judge what the rules find unmentioned by what the encoder names: of the report, and of the finding."""
        forms = understood(answer.finding).normal_forms
        own = None if forms else self._named_finding(answer.finding)
        if own is not None:
            forms = (own[0],)
        if not forms:
            return answer
        told, told_by = described_facts(self.namer, report)
        outcome = combine([self._outcome(form, report_facts(report), told) for form in forms], forms)
        named = next((told_by[fact.quote] for fact in outcome.facts if fact.quote in told_by), own and own[1])
        if outcome.reason == Reason.NOT_MENTIONED or named is None:
            return answer
        return JudgedFinding(
            finding=answer.finding,
            verdict=outcome.verdict,
            reason=f"{outcome.reason} as learned: similarity {named.similarity:.2f} to {named.example!r}",
            evidence=quotes(outcome),
            extra_detail=outcome.extra_detail,
            error=error_of(outcome.verdict, outcome.reason),
        )

    def _outcome(self, form: NormalForm, known: Facts, told: Facts) -> Outcome:
        """Judge a part of a finding by what the rules read, and only where that is silent by what the encoder says."""
        granting = self.rules.entailment is Entailment.RADIOLOGIST
        first = (judge_generously if granting else judge_form)(form, known)
        return judge_form(form, told) if first.reason == Reason.NOT_MENTIONED else first

    def _named_finding(self, finding: Finding) -> tuple[NormalForm, Named] | None:
        """Return what a finding describes in words that the lexicon does not know."""
        named = self.namer.name(finding.observation)
        if named is None:
            return None
        form = described_form(named.concept, finding.observation)
        denied = is_denied(finding) or asserts_normal(finding)
        return form.model_copy(update={"presence": Presence.ABSENT}) if denied else form, named


def described(namer: Namer, analysis: Analysis) -> list[Described]:
    """Return the sentences of a text that the encoder names, of those of which the rules made nothing."""
    found = []
    for start, end in silent_sentences(analysis):
        sentence = analysis.text[start:end]
        named = namer.name(sentence)
        if named is not None:
            found.append(Described(start, end, described_form(named.concept, sentence), named))
    return found


@lru_cache(maxsize=2048)
def described_facts(namer: Namer, report: str) -> tuple[Facts, Mapping[Quote | None, Named]]:
    """Return what a report describes as facts, and by the sentence of each what the encoder said; cached by text."""
    facts, named = Facts(load_relations(), in_report=True), dict[Quote | None, Named]()
    for each in described(namer, analyse_report(report)):
        words = report[each.start : each.end]
        quote = Quote(start=each.start, end=each.end, text=words)
        facts.add(Fact(each.form, quote, words.lower()))
        named[quote] = each.named
    return facts, named


def _in_order(findings: Sequence[Finding], *, once: bool) -> list[Finding]:
    """Return findings in the order of the text; `once`, each distinct statement where it is first made."""
    ordered = sorted(findings, key=lambda finding: finding.span.start if finding.span else 0)
    if not once:
        return ordered
    first: dict[tuple[NormalForm, ...], Finding] = {}
    for finding in ordered:
        first.setdefault(finding.normal_forms, finding)
    return list(first.values())


@cache
def _code_version() -> str:
    return digest(RULES_AND_ENCODER, rules_version(), code_digest("cxr.trainer.learned"), length=VERSION_LENGTH)
