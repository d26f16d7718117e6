"""The judge `cascade`: the rules' verdict where it is a sure one, and a language model's where it is not.

Reading findings out of a text and comparing lists is done by the rules, at no cost. Of a report, all findings that are
not sure go to the model in one request.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from cxr.miner.judge.entailment import Entailment
from cxr.miner.judge.llm import LLMJudge, version_of
from cxr.miner.judge.protocol import AskedAhead
from cxr.miner.judge.rules import RulesJudge, rules_version
from cxr.miner.judge.sureness import load_weights, sureness
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject, SettingsError
from cxr.miner.kit.parallel import ordered_map
from cxr.schemas import Finding, JudgedFinding
from cxr.schemas.vocabulary import Licence

if TYPE_CHECKING:
    from cxr.miner.judge.settings import JudgedSettings
    from cxr.miner.llm.books import Books

CASCADE = "cascade"
_CODE = ("cxr.miner.judge.cascade", "cxr.miner.judge.sureness")
_MOST_REPORTS = 2048
"""Reports whose second verdicts are kept between calls."""

_Words = tuple[str, str]


class _Seconds:
    """What the second judge said, by report and words; any number of threads may look and add."""

    def __init__(self) -> None:
        self._by_report: OrderedDict[str, dict[_Words, JudgedFinding]] = OrderedDict()
        self._lock = Lock()
        self.counts: Counter[str] = Counter()

    def of(self, report: str) -> dict[_Words, JudgedFinding]:
        with self._lock:
            return dict(self._by_report.get(report, ()))

    def add(self, report: str, answers: Iterable[JudgedFinding]) -> None:
        with self._lock:
            known = self._by_report.setdefault(report, {})
            known.update({_words(answer.finding): answer for answer in answers})
            self._by_report.move_to_end(report)
            while len(self._by_report) > _MOST_REPORTS:
                self._by_report.popitem(last=False)

    def count(self, answers: Iterable[JudgedFinding]) -> None:
        with self._lock:
            for answer in answers:
                self.counts["findings"] += 1
                self.counts["asked"] += answer.first_verdict is not None
                self.counts["changed"] += answer.first_verdict not in {None, answer.verdict}
                self.counts["turned"] += answer.is_turned


class CascadeJudge:
    """Rules first, a language model where they are not sure; raises what the llm judge raises."""

    name = CASCADE

    def __init__(self, second: LLMJudge, sure: float, rules: RulesJudge | None = None) -> None:
        """Take the second judge, and the least sureness with which the rules' verdict stands."""
        self._model = str(second.settings()["model"])
        self.rules = rules or RulesJudge()
        self._second = second
        self.sure = sure
        self.workers = second.workers
        self._seconds = _Seconds()

    @classmethod
    @contextmanager
    def open(cls, settings: "JudgedSettings", books: "Books") -> Iterator["CascadeJudge"]:
        """Open the judge with its server; raises SettingsError without a model or key, PolicyError before it sends."""
        from cxr.miner.llm.books import open_client  # noqa: PLC0415 - loads the server libraries

        if settings.entailment is not Entailment.RUBRIC:
            raise SettingsError(
                f"--entailment {settings.entailment} is for the rules judge; the second judge of a cascade goes by its "
                "prompt alone, and both have to judge by the same rubric"
            )
        model = settings.named_model
        job = books.job(CASCADE, _version(model, version_of(model, settings.of_the_output()), settings.sure))
        with open_client(settings, books, job) as client:
            yield cls(LLMJudge(client, workers=settings.questions_at_once), settings.sure)

    @classmethod
    def code_version(cls) -> str:
        """Return what the version of every cascade ends with: eight digits for both judges, and what is sure."""
        return digest(rules_version(), LLMJudge.code_version(), code_digest(*_CODE), load_weights().text, length=8)

    @cached_property
    def version(self) -> str:
        """The second judge's model, and digests of its options, of the sureness, and of all code that decides."""
        return _version(self._model, self._second.version, self.sure)

    def settings(self) -> dict[str, object]:
        """Return what is kept with a run: the second judge's settings, the rules' version, and what is sure."""
        return {**self._second.settings(), "sure": self.sure, "rules_version": self.rules.version}

    def bound(self, sample_id: str, licence: Licence) -> "CascadeJudge":
        """Return the judge for one record; what it counts and remembers is shared."""
        bound = copy(self)
        bound._second = self._second.bound(sample_id, licence)
        return bound

    def extract(self, text: str) -> list[Finding]:
        """Return what a text asserts, as the rules read it."""
        return self.rules.extract(text)

    def mentions(self, text: str) -> list[Finding]:
        """Return one finding for every place in a text that asserts something, as the rules read it."""
        return self.rules.mentions(text)

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Return for each finding whether the list `within` holds it, as the rules say."""
        return self.rules.contained(findings, within)

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Return one verdict per finding, in order; `first_verdict` is set where the second judge was asked."""
        first = self._first(report, findings)
        told = self._seconds.of(report)
        missing = [finding for finding in self._doubtful(first) if _words(finding) not in told]
        if missing:
            answers = self._second.verdicts(report, missing)
            self._seconds.add(report, answers)
            told |= {_words(answer.finding): answer for answer in answers}
        judged = [_last(answer, told.get(_words(answer.finding)), self.sure) for answer in first]
        self._seconds.count(judged)
        return judged

    def ahead(self, asked: Sequence[AskedAhead]) -> None:
        """Ask what will be doubtful of each report, in one request where it fits, before `verdicts` is called.

        A report for which no usable answer comes is left out: `verdicts` then asks for its findings again.
        """
        for _ in ordered_map(self._ask_ahead, asked, self.workers):
            pass

    def told(self) -> str:
        """Return how many findings the second judge was asked about and what it changed, as a sentence for people."""
        counts = self._seconds.counts
        if not counts["findings"]:
            return ""
        share = counts["asked"] / counts["findings"]
        return (
            f"{counts['asked']:,} of {counts['findings']:,} findings ({share:.1%}) were less sure than {self.sure:g} "
            f"and asked of {self._model}, which changed {counts['changed']:,} verdicts, {counts['turned']:,} of them "
            "from factual to not, or back"
        )

    def _first(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        return [
            answer.model_copy(update={"sureness": round(sureness(report, answer), 4)})
            for answer in self.rules.verdicts(report, findings)
        ]

    def _doubtful(self, first: Iterable[JudgedFinding]) -> list[Finding]:
        """Return the findings that are not sure, each once."""
        found = {
            _words(answer.finding): answer.finding
            for answer in first
            if answer.sureness is not None and answer.sureness < self.sure
        }
        return list(found.values())

    def _ask_ahead(self, asked: AskedAhead) -> None:
        read = [finding for text in asked.texts for finding in self.rules.extract(text)]
        doubtful = self._doubtful(self._first(asked.report, read))
        known = self._seconds.of(asked.report)
        # All of them or none: a request does not depend on what was asked before, so that its reply is found again.
        if all(_words(finding) in known for finding in doubtful):
            return
        second = self._second.bound(asked.sample_id, asked.licence)
        try:
            self._seconds.add(asked.report, second.verdicts(asked.report, doubtful))
        except MiningReject:
            return


def _last(first: JudgedFinding, second: JudgedFinding | None, sure: float) -> JudgedFinding:
    """Return the verdict that counts; where both judges say the same, with the rules' reason, error and spans."""
    if first.sureness is None or first.sureness >= sure or second is None:
        return first
    asked = {"first_verdict": first.verdict}
    if second.verdict is first.verdict:
        return first.model_copy(update=asked)
    return second.model_copy(update={**asked, "finding": first.finding, "sureness": first.sureness})


def _words(finding: Finding) -> _Words:
    return finding.observation, finding.status


def _version(model: str, second: str, sure: float) -> str:
    """Return the version of a cascade with this version of a second judge."""
    return f"{model}-{digest(second, sure, length=8)}-{CascadeJudge.code_version()}"
