"""A report without the sentences that state what a question asks about, for plans that shall not give it away."""

from cxr.miner.judge import RulesJudge
from cxr.miner.language.labeler import label_evidence
from cxr.miner.language.sentences import split_sentences
from cxr.miner.pack import pack
from cxr.schemas.finding import Finding
from cxr.schemas.question import Question
from cxr.schemas.study import Report
from cxr.schemas.text import Quote


def blinded(question: Question, report: Report) -> Report:
    """Return the report, and the prior one, without every sentence in which our reader finds a finding asked about.

    Its offsets are its own: quotes are of the whole report.
    """
    prior = None if report.prior is None else _without(question, report.prior)
    return report.model_copy(update={"text": _without(question, report.text), "prior": prior, "sections": ()})


def _without(question: Question, text: str) -> str:
    told = _stating(question, text)
    kept, end = [], 0
    for start, stop in split_sentences(text):
        if any(quote.start < stop and start < quote.end for quote in told):
            kept.append(text[end:start])
            end = stop
    return "".join([*kept, text[end:]])


def _stating(question: Question, text: str) -> list[Quote]:
    known = label_evidence(text)
    labels = {finding: pack().label_called(finding) for finding in question.findings}
    in_words = [finding for finding, label in labels.items() if label is None]
    judged = RulesJudge().verdicts(text, [Finding(observation=words, status="present") for words in in_words])
    by_label = [mention.quote for label in labels.values() if label is not None for mention in known[label]]
    return [*by_label, *(quote for verdict in judged for quote in verdict.evidence)]
