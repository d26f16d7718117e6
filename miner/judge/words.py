"""The fallback for words that the lexicon does not know: shared words in one sentence, and polarity.

It speaks only where nearly all content words of the finding stand together in one sentence of the report, and
where at least one of them is more than a place or a quality; otherwise the finding is unmentioned.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.judge.facts import Fact
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.verdicts import NOTHING, Outcome
from cxr.miner.language.lexicon import Role, load_lexicon
from cxr.miner.language.tokens import fold_compound, lowered, tokenise
from cxr.miner.pack import pack
from cxr.schemas import Finding, NormalForm, Presence, Quote, Verdict

# Most of the finding's content words; one of three may be a word of the speaker's own.
SHARED = 0.66
_SENTENCE = re.compile(r"[^.;\n]+")
_QUALIFIERS = Role.PART | Role.SIDE | Role.SEVERITY | Role.NUMBER | Role.CHANGE | Role.STATE
UNKNOWN = "unknown_words"


class WordLists(NamedTuple):
    """The fallback's word lists, from the pack."""

    empty: frozenset[str]
    """Words that carry no meaning of their own."""
    denying: frozenset[str]
    """Words that deny."""
    normal: frozenset[str]
    """Words that call something normal."""


@lru_cache(maxsize=1)
def _word_lists() -> WordLists:
    """Read the fallback's word lists, folded."""
    table = pack().judge_words
    return WordLists(*(frozenset(folded(words)) for words in (table.empty, table.denying, table.normal)))


class WordSentence(NamedTuple):
    """A sentence of a report as words."""

    quote: Quote
    words: frozenset[str]
    denied: bool


def folded(text: str) -> list[str]:
    """Return the words of a text in the lexicon's spelling, signs and line ends left out."""
    return [part for word, _, _ in tokenise(lowered(text)) if word[0].isalnum() for part in fold_compound(word)]


def content(words: Sequence[str]) -> frozenset[str]:
    """Keep the words that carry meaning."""
    empty = _word_lists().empty
    return frozenset(word for word in words if len(word) > 2 and word not in empty)


@lru_cache(maxsize=8192)
def observation_words(observation: str) -> frozenset[str]:
    """Return the content words of an observation; cached, because lists are compared all against all."""
    return content(folded(observation))


def denies(words: Sequence[str]) -> bool:
    """Return whether a word among them denies."""
    return not _word_lists().denying.isdisjoint(words)


@lru_cache(maxsize=2048)
def word_sentences(text: str) -> tuple[WordSentence, ...]:
    """Split a report into sentences as word sets, each with its own polarity."""
    sentences = []
    for match in _SENTENCE.finditer(text):
        stripped = match.group().strip()
        if not stripped:
            continue
        start = match.start() + match.group().index(stripped)
        words = folded(stripped)
        quote = Quote(start=start, end=start + len(stripped), text=stripped)
        sentences.append(WordSentence(quote, content(words), denies(words)))
    return tuple(sentences)


def is_non_committal(finding: Finding) -> bool:
    """Return whether the words commit to nothing: no words, a remark on the picture, or a status like "uncertain"."""
    status = folded(finding.status)
    if _has_phrase(status, Role.NOT_ASSESSABLE):
        return True
    words = observation_words(finding.observation)
    return not words or _has_phrase(folded(finding.observation), Role.QUALITY)


def is_denied(finding: Finding) -> bool:
    """Return whether a finding of unknown words denies them."""
    status = folded(finding.status)
    if status:
        return denies(status) or _has_phrase(status, Role.DENY_BACKWARD)
    return denies(folded(finding.observation))


def asserts_normal(finding: Finding) -> bool:
    """Return whether a finding of unknown words calls something normal."""
    words = {*folded(finding.status), *folded(finding.observation)}
    return not words.isdisjoint(_word_lists().normal)


def judge_by_words(finding: Finding, sentences: Sequence[WordSentence]) -> Outcome:
    """Judge a finding without normal forms by shared words; never an exception, whatever the words."""
    if is_non_committal(finding):
        return NOTHING
    denied = is_denied(finding)
    if not telling(observation_words(finding.observation)) and not denied and not asserts_normal(finding):
        return NOTHING
    best = best_sentence(finding, sentences)
    if best is not None:
        form = NormalForm(concept=UNKNOWN, presence=Presence.ABSENT if best.denied else Presence.PRESENT)
        fact = Fact(form, best.quote, best.quote.text.lower())
        verdict = Verdict.SUPPORTED if best.denied == denied else Verdict.CONTRADICTED
        return Outcome(verdict, Reason.WORD_OVERLAP, (fact,))
    if denied or asserts_normal(finding):
        return Outcome(Verdict.UNMENTIONED_NORMAL, Reason.NOT_MENTIONED)
    return Outcome(Verdict.UNMENTIONED_ABNORMAL, Reason.NOT_MENTIONED)


def best_sentence(finding: Finding, sentences: Sequence[WordSentence]) -> WordSentence | None:
    """Return the sentence that shares most of the finding's content words, where it shares enough."""
    words = observation_words(finding.observation)
    told = telling(words)
    if not told:
        return None
    best, most = None, 0.0
    for sentence in sentences:
        if told.isdisjoint(sentence.words):
            continue
        shared = len(words & sentence.words) / len(words)
        if shared >= SHARED and shared > most:
            best, most = sentence, shared
    return best


def telling(words: frozenset[str]) -> frozenset[str]:
    """Return the words that are more than a place or a quality."""
    return frozenset(word for word in words if not _is_qualifier(word))


@lru_cache(maxsize=8192)
def _is_qualifier(word: str) -> bool:
    """Return whether a word alone is a place, side, severity, number, change or state."""
    entry = load_lexicon().entries.get((word,))
    return entry is not None and bool(entry.roles & _QUALIFIERS)


def _has_phrase(words: Sequence[str], role: int) -> bool:
    """Return whether a phrase of that role stands anywhere in the words."""
    phrases = load_lexicon().phrases
    return any(entry.roles & role for start in range(len(words)) for entry, _ in phrases.at(words, start))
