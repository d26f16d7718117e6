"""The `llm` judge: the paper's three questions, asked of a language model (paper, section 2).

The questions are put through an `Asker`, in practice the client of `cxr.miner.llm`; server libraries load when the
judge is opened. Quotes are located in the report word for word, as mined evidence is: one that is not there goes back
to the model, and what it cannot correct is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from cxr.miner.judge.entailment import Entailment
from cxr.miner.kit.digest import code_digest, digest
from cxr.miner.kit.errors import MiningReject, SettingsError
from cxr.miner.language.grounding import locate
from cxr.miner.pack import pack
from cxr.prompts import Prompt, Reply, load
from cxr.prompts.judge_replies import ContainReply, ExtractReply, SupportItemReply, SupportReply, findings_block
from cxr.prompts.render import delimit
from cxr.schemas import Finding, JudgedFinding, Verdict
from cxr.schemas.rejection import Rejection
from cxr.schemas.text import Quote, Span
from cxr.schemas.vocabulary import Licence, RejectReason

if TYPE_CHECKING:
    from cxr.miner.judge.settings import JudgedSettings
    from cxr.miner.llm.books import Books

R = TypeVar("R", bound=Reply)

LLM_JUDGE = "llm"
_CODE = ("cxr.miner.judge.llm", "cxr.miner.language.grounding", "cxr.prompts")

# Findings in one request: a longer reply may be cut off at max_completion_tokens.
_AT_ONCE = 20
_REPLIES: tuple[type[Reply], ...] = (ExtractReply, SupportReply, ContainReply)
_DECIDED = frozenset({Verdict.SUPPORTED, Verdict.CONTRADICTED})
# After these the last reply that answers everything still counts, without the quotes that are in no report.
_MENDABLE = frozenset(
    {RejectReason.QUOTE_NOT_FOUND, RejectReason.EVIDENCE_INCOMPLETE, RejectReason.MODEL_OUTPUT_INVALID}
)


class Asker(Protocol):
    """Puts one question to one model and gives its checked reply; any number of threads may ask at once."""

    @property
    def model(self) -> str:
        """The model's name at its server."""

    @property
    def options(self) -> Mapping[str, object]:
        """Everything about the asking that can change a reply, except for the words of the prompts."""

    def ask(
        self,
        prompt: Prompt,
        values: Mapping[str, str],
        reply_type: type[R],
        check: Callable[[R], Rejection | None],
        *,
        question_id: str,
        licence: Licence,
    ) -> R:
        """Ask until the reply passes the check, a few times at most; raises MiningReject where it never does."""


class LLMJudge:
    """Asks a model; raises MiningReject where it gives no usable answer, and what `Client.ask` raises besides.

    Texts are taken to be credentialed unless `bound` says otherwise, so that forgetting it sends nothing anywhere.
    """

    name = LLM_JUDGE

    def __init__(self, asker: Asker, *, workers: int = 1, licence: Licence = Licence.CREDENTIALED) -> None:
        self._asker = asker
        self.workers = workers
        self._sample_id = "-"
        self._licence = licence
        self._prompts = _prompts()

    @classmethod
    @contextmanager
    def open(cls, settings: "JudgedSettings", books: "Books") -> Iterator["LLMJudge"]:
        """Open the judge with its server; raises SettingsError without a model or key, PolicyError before it sends.

        The judge's version names the job that its spending belongs to; it is known before anything is asked.
        """
        from cxr.miner.llm.books import open_client  # noqa: PLC0415 - loads the server libraries

        if settings.entailment is not Entailment.RUBRIC:
            raise SettingsError(
                f"--entailment {settings.entailment} is for the rules judge; the llm judge goes by its prompt alone"
            )
        job = books.job(LLM_JUDGE, version_of(settings.named_model, settings.of_the_output()))
        with open_client(settings, books, job) as client:
            yield cls(client, workers=settings.questions_at_once)

    @classmethod
    def code_version(cls) -> str:
        """Return what the version of every llm judge ends with: eight digits that stand for the code."""
        return code_digest(*_CODE)[:8]

    @cached_property
    def version(self) -> str:
        """The model, and a digest of all that can change a verdict: code, options, prompts and reply schemas."""
        return version_of(self._asker.model, self._asker.options)

    def settings(self) -> dict[str, object]:
        """Return what is kept with a run: model, options, and each prompt's name, version and hash."""
        return _settings(self._asker.model, self._asker.options)

    def bound(self, sample_id: str, licence: Licence) -> "LLMJudge":
        """Return the judge for one record: its id goes into calls and messages, its licence says where it may go."""
        bound = copy(self)
        bound._sample_id, bound._licence = sample_id, licence
        return bound

    def extract(self, text: str) -> list[Finding]:
        """Return the findings that a text states, in text order; one whose words are not in the text has no span."""
        if not text.strip():
            return []
        reply = self._ask(
            "extract",
            {"report": delimit(text)},
            ExtractReply,
            _check_observations,
            lambda reply: _check_spans(reply, text),
        )
        found: list[tuple[int, Finding]] = []
        at = 0
        for item in reply.findings:
            quote = locate(item.quote, text)
            at = quote.start if quote else at  # who has no place stays behind its predecessor
            span = Span(start=quote.start, end=quote.end) if quote else None
            found.append((at, Finding(observation=item.observation.strip(), status=item.status.strip(), span=span)))
        return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]

    def verdicts(self, report: str, findings: Sequence[Finding]) -> list[JudgedFinding]:
        """Return one verdict per finding, in order, with quotes located in the report; twenty findings a request."""
        judged: list[JudgedFinding] = []
        for part in _parts(findings):
            values = {"report": delimit(report), "findings": findings_block("FINDINGS", part)}
            reply = self._ask(
                "support",
                values,
                SupportReply,
                partial(_check_numbers, count=len(part)),
                lambda reply: _check_quotes(reply, report),
            )
            items = {item.number: item for item in reply.items}
            judged += [_judged(finding, items[number], report) for number, finding in enumerate(part, start=1)]
        return judged

    def contained(self, findings: Sequence[Finding], within: Sequence[Finding]) -> list[bool]:
        """Return for each finding, in order, whether the list `within` holds it; an empty list holds nothing."""
        if not within:
            return [False] * len(findings)
        held: list[bool] = []
        for part in _parts(findings):
            values = {"findings": findings_block("FINDINGS", part), "list": findings_block("LIST", within)}
            reply = self._ask(
                "contain",
                values,
                ContainReply,
                partial(_check_numbers, count=len(part)),
                lambda _: None,
            )
            items = {item.number: item.contained for item in reply.items}
            held += [items[number] for number in range(1, len(part) + 1)]
        return held

    def _ask(
        self,
        step: str,
        values: Mapping[str, str],
        reply_type: type[R],
        must: Callable[[R], Rejection | None],
        should: Callable[[R], Rejection | None],
    ) -> R:
        """Ask one question. A reply that fails `must` is useless; one that fails `should` counts if none is better."""
        usable: list[R] = []

        def check(reply: R) -> Rejection | None:
            if rejection := must(reply):
                return rejection
            usable.append(reply)
            return should(reply)

        try:
            return self._asker.ask(
                self._prompts[step], values, reply_type, check, question_id=self._sample_id, licence=self._licence
            )
        except MiningReject as reject:
            if usable and reject.reason in _MENDABLE:
                return usable[-1]
            raise


@cache
def _prompts() -> dict[str, Prompt]:
    return {name: load(f"judge_{name}", of=pack().prompts) for name in ("extract", "support", "contain")}


def _settings(model: str, options: Mapping[str, object]) -> dict[str, object]:
    return {**options, "model": model, "prompts": [prompt.named for prompt in _prompts().values()]}


def version_of(model: str, options: Mapping[str, object]) -> str:
    """Return the version of a judge that would ask this model with these options."""
    schemas = [reply.model_json_schema() for reply in _REPLIES]
    return f"{model}-{digest(_settings(model, options), schemas, length=8)}-{LLMJudge.code_version()}"


def _parts(findings: Sequence[Finding]) -> list[Sequence[Finding]]:
    """Cut a list into requests."""
    return [findings[start : start + _AT_ONCE] for start in range(0, len(findings), _AT_ONCE)]


def _check_numbers(reply: SupportReply | ContainReply, count: int) -> Rejection | None:
    """Check that every finding is answered once."""
    if sorted(item.number for item in reply.items) == list(range(1, count + 1)):
        return None
    return Rejection(
        RejectReason.MODEL_OUTPUT_INVALID,
        f"the findings are numbered from 1 to {count}; answer each of them exactly once, under its number",
    )


def _check_observations(reply: ExtractReply) -> Rejection | None:
    """Check that every finding has an observation."""
    if all(item.observation.strip() for item in reply.findings):
        return None
    return Rejection(RejectReason.MODEL_OUTPUT_INVALID, "a finding has no observation; name what is observed")


def _check_spans(reply: ExtractReply, text: str) -> Rejection | None:
    """Check that the words of every finding stand in the text."""
    for number, item in enumerate(reply.findings, start=1):
        if locate(item.quote, text) is None:
            return _not_found(f"the quote of finding {number}", "text")
    return None


def _check_quotes(reply: SupportReply, report: str) -> Rejection | None:
    """Check that a verdict that the report decides has quotes, and that they stand in the report."""
    for item in reply.items:
        if Verdict(item.verdict) not in _DECIDED:
            continue
        if not item.quotes:
            return Rejection(
                RejectReason.EVIDENCE_INCOMPLETE,
                f"item {item.number} is {item.verdict} but has no quote; copy the deciding words, or say that the "
                "report is silent",
            )
        for number, words in enumerate(item.quotes, start=1):
            if locate(words, report) is None:
                return _not_found(f"quote {number} of item {item.number}", "report")
    return None


def _not_found(what: str, where: str) -> Rejection:
    return Rejection(
        RejectReason.QUOTE_NOT_FOUND,
        f"{what} does not occur in the {where}; copy whole words from it, in one unbroken piece",
    )


def _judged(finding: Finding, item: SupportItemReply, report: str) -> JudgedFinding:
    """Return a reply's item as a verdict; words about a silent report are no evidence."""
    verdict = Verdict(item.verdict)
    found: set[Quote] = set()
    if verdict in _DECIDED:
        found = {quote for words in item.quotes if (quote := locate(words, report))}
    return JudgedFinding(
        finding=finding,
        verdict=verdict,
        reason=" ".join(item.reason.split()) or verdict.value,
        evidence=tuple(sorted(found, key=lambda quote: (quote.start, quote.end))),
        extra_detail=item.extra_detail and verdict is Verdict.SUPPORTED,
    )
