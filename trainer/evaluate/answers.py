"""Reading answers as models write them, for evaluation: by words, in a sentence, as lists, in boxes and JSON.

What the reward reads (`trainer/reward/answers.py`) is read here too, and more beside it; what cannot be told is not
guessed but counted, with why. The page docs/evaluation.md has the table of what is read how.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cxr.miner.pack import pack
from cxr.schemas.vocabulary import Task
from cxr.trainer.evaluate.asked import AskedFinding, Claim, asked_finding
from cxr.trainer.evaluate.outputs import last_boxed, output_of
from cxr.trainer.reward.answers import Answer, How, letters_of, read_answer, without_markup

_WORDS = {
    **dict.fromkeys(("yes", "y", "yeah", "yep", "true", "positive", "present", "affirmative", "correct"), "Yes"),
    **dict.fromkeys(("no", "n", "nope", "nay", "false", "negative", "absent", "incorrect"), "No"),
    **dict.fromkeys(("not present", "not seen", "not visible", "not evident", "none", "none seen"), "No"),
}
_SAID = "|".join(sorted(_WORDS, key=len, reverse=True))
_SUBJECT = (
    r"(?:(?:it|this|that|which|the\s(?:\w+\s)?(?:answer|statement|finding|response|claim|result|conclusion))"
    r"\s?(?:is|s|would\sbe|:|=)\s?)"
)
_ONLY = re.compile(rf"\W*{_SUBJECT}?(?:(?:is|are)\s)?({_SAID})\W*", re.IGNORECASE)
_FIRM = re.compile(rf"\W*({_SAID})\s?(?:[.,:;!?(\u2013\u2014-]|$|(?:because|since|as)\b)", re.IGNORECASE)
_STATED = re.compile(rf"\banswer(?:\s(?:is|would\sbe|should\sbe)|\s?[:=])\s?(?:a\s)?\W?({_SAID})\b", re.IGNORECASE)
_BOTH = re.compile(
    r"\byes\W{1,3}(?:and|or|/)?\W{0,3}no\b(?!\s\w)|\bno\W{1,3}(?:and|or|/)?\W{0,3}yes\b"
    r"|\b(?:present|true|positive)\W{1,3}(?:and|or|/)\W{0,3}(?:absent|false|negative)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\b(?:may\s?be|perhaps|possibly|might|could\sbe|unclear|uncertain|indeterminate|equivocal|inconclusive|unsure"
    r"|not\s(?:sure|certain|clear)|hard\sto\s(?:say|tell)|unknown"
    r"|can(?:not|\snot|['\u2019 ]?t)\sbe\s(?:excluded|ruled\sout)|insufficient|not\senough)\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"\b(?:can(?:not|\snot|['\u2019 ]?t)|unable\sto|(?:im|not\s)possible\sto|difficult\sto)\s"
    r"(?:be\s)?(?:reliably\s|definitively\s)?(?:determined?|assess(?:ed)?|tell|say|said|answer(?:ed)?)\b",
    re.IGNORECASE,
)
# "No evidence of this", "no such finding": whatever was asked about.
_NOTHING_OF_IT = re.compile(
    r"\W*(?:there\s(?:is|are|was)\s)?no\s(?:\w+\s)?(?:evidence|signs?|indication|such)\b"
    r"(?:\s(?:of|for)\s(?:it|this|that|such|one))?(?!\s(?:of|for))",
    re.IGNORECASE,
)
# A line of its own that says where the answer begins: "**Final answer:** B".
_LABELLED = re.compile(
    r"^[^\w\n]{0,6}(?:the\s)?(?:final\s|correct\s|my\s)?(?:answer|diagnosis)\s?\**\s?[:=]\s*",
    re.IGNORECASE | re.MULTILINE,
)
_A_WORD_OR_TWO = 20
"""So short, what stands before "Answer:" is an answer too."""
_FIRM_LETTER = re.compile(
    r"\W*(?:(?:the\s)?(?:final\s|correct\s|best\s|right\s)?(?:answer|option|choice)\W{0,3}(?:is\W{1,3})?"
    r"(?:option\s|choice\s)?)?\(?([A-Za-z])(?:\)|\]|[.:]\)?)(?!\w)\s*",
    re.IGNORECASE,
)
_ANOTHER_LETTER = re.compile(r"(?:^|[\s;,(])([A-Za-z])[).:](?=\s|$)")
_JOINED = re.compile(r"\W{0,3}(?:\b(?:and|or)\b|[/&,+])\W{0,3}(?:option\s)?\(?[A-Z]\b", re.IGNORECASE)
_ANSWER = re.compile(r"\banswer\b", re.IGNORECASE)
_FENCE = "```"
_LANGUAGE = re.compile(r"\w*")
_KEYS = ("answer", "final_answer", "prediction", "response", "label", "option", "choice", "result", "diagnosis")
_KEYS_OF_LISTS = ("findings", "finding", "abnormalities", "diagnoses", "labels", "answers")
_MARK = re.compile(r"^[ \t]*(?:[-*+\u2022\u2013]|\(?\d{1,2}[.)])[ \t]+(?=\S)", re.MULTILINE)
_PAIR = re.compile(rf":\W{{0,6}}(?:{_SAID})\W{{0,6}}$", re.IGNORECASE)
_IN_BRACKETS = re.compile(rf"\s\(({_SAID})\)(?:\s?(?:,|;|and\b|$))", re.IGNORECASE)
# An answer that goes through all options first, and then says which it is.
_MAY_BE_CONCLUDED = frozenset({How.SEVERAL, How.CONFLICT, How.UNKNOWN, How.HEDGED})
_CONCLUDING = re.compile(
    r"(?:^|(?<=[\n.!?*:])|(?<=[.!?:*]\s))(?:therefore|thus|hence|so,|overall|consequently|conclusion\b"
    r"|in (?:conclusion|summary)|(?:given|based on|considering) (?:the|these|this|all|my)"
    r"|the (?:correct|best|final|right|most \w+) (?:answer|option|choice|finding))",
    re.IGNORECASE,
)
_PARAGRAPH = re.compile(r"\n\s*\n")
_REASONED = 60
"""So much is written before a conclusion is one."""
# JSON that a model nests deeper than this is no answer; Python's parser would give up by its own limit.
_LONGEST_JSON = 20_000


def read_output(text: str, task: str, options: Sequence[str] | None = (), question: str = "") -> Answer:
    """Read the answer of a whole output; `options` are those of the question, as "A) ...". Never raises for a text."""
    output = output_of(text)
    if output.cut_off:
        return Answer(None, How.CUT_OFF)
    lettered = letters_of(options or ())
    answer = Answer(None, How.EMPTY)
    for said in _worth_reading(output.answer):
        answer = _read(said, task, lettered, question)
        if answer.how not in {How.UNKNOWN, How.EMPTY}:
            break
    # Where nothing could be read, what the whole answer lacks is told.
    if answer.how in _MAY_BE_CONCLUDED:
        read = (_read(said, task, lettered, question) for said in _conclusions(output.answer))
        concluded = {each.value: each for each in read if each.parsed}
        answer = next(iter(concluded.values())) if len(concluded) == 1 else answer
    return replace(answer, tagged=output.tagged)


def _conclusions(answer: str) -> Iterator[str]:
    """Return what an answer ends with behind its reasoning: from its last concluding word, and its last paragraph."""
    concluding = [match.start() for match in _CONCLUDING.finditer(answer)][-1:]
    paragraphs = [match.end() for match in _PARAGRAPH.finditer(answer.rstrip())][-1:]
    for start in (*concluding, *paragraphs):
        if start >= _REASONED:
            yield answer[start:]


def _worth_reading(answer: str) -> Iterator[str]:
    """Return the parts of an answer that may state it, the plainest first: a box, a field, what is called so."""
    if (boxed := last_boxed(answer)) is not None:
        yield boxed
    inner = answer.strip()
    if inner.startswith(_FENCE) and inner.endswith(_FENCE):
        inner = _LANGUAGE.sub("", inner.strip("`"), count=1).strip()
    if inner[:1] in {"{", "["} and len(inner) <= _LONGEST_JSON:
        with suppress(ValueError, RecursionError):
            yield _in_lines(json.loads(inner))
    labels = list(_LABELLED.finditer(answer))
    if labels and not 0 < len(answer[: labels[-1].start()].strip()) <= _A_WORD_OR_TWO:
        yield answer[labels[-1].end() :]
    yield answer


def _in_lines(value: Any) -> str:
    """Return what a JSON answer says in words: its field for the answer, else a line for each entry."""
    if isinstance(value, dict):
        named = {str(key).casefold(): part for key, part in value.items()}
        for key in (*_KEYS, *_KEYS_OF_LISTS):
            if named.get(key) is not None:
                return _in_lines(named[key])
        pairs = ((name, bool(part) if part in (0, 1) else part) for name, part in value.items())
        return "\n".join(f"- {name}: {_in_lines(part)}" for name, part in pairs if isinstance(part, str | bool))
    if isinstance(value, list):
        return "\n".join(f"- {_in_lines(part)}" for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _read(said: str, task: str, options: dict[str, str], question: str) -> Answer:
    plain = without_markup(said)
    if not plain:
        return Answer(None, How.EMPTY)
    if task == Task.ANOMALY and not options:
        return _read_findings(said, plain)
    if not options:
        return _read_presence(plain, asked_finding(question))
    answer = _read_firm_letter(plain, options) or read_answer(said, task, _as_given(options))
    if answer.how is not How.UNKNOWN:
        return answer
    letters = {word: letter for letter, of in options.items() if (word := _yes_or_no(of)) is not None}
    if len(letters) == len(options) == 2:
        read = _read_presence(plain, asked_finding(question))
        return replace(read, value=letters.get(read.value or ""))
    return answer if task == Task.TEMPORAL else _read_description(plain, options)


def _as_given(options: dict[str, str]) -> list[str]:
    return [f"{letter}) {of}" for letter, of in options.items()]


def _yes_or_no(words: str) -> str | None:
    only = _ONLY.fullmatch(words)
    return None if only is None else _WORDS[_word(only[1])]


def _read_presence(plain: str, asked: AskedFinding | None) -> Answer:
    """Read yes or no: a word for it, one that a sentence begins or states, else what is claimed of the finding."""
    if (only := _yes_or_no(plain)) is not None:
        return Answer(only, How.YES_NO)
    if _BOTH.search(plain) or _UNDECIDED.search(plain):
        return Answer(None, How.SEVERAL if _BOTH.search(plain) else How.REFUSAL)
    claim = None if asked is None else asked.claim(plain)
    by_words = _read_stated(plain, asked)
    if by_words.value is not None:
        opposed = claim in {Claim.YES, Claim.NO} and claim != by_words.value
        return Answer(None, How.CONFLICT) if opposed else by_words
    if by_words.how is not How.UNKNOWN:
        return by_words
    if claim is Claim.HEDGED or _OPEN.search(plain):
        return Answer(None, How.HEDGED)
    if claim is None and _NOTHING_OF_IT.match(plain):
        claim = Claim.NO
    return Answer(None, How.UNKNOWN) if claim is None else Answer(str(claim), How.STATEMENT)


def _read_stated(plain: str, asked: AskedFinding | None) -> Answer:
    """Read a word for yes or no that a sentence begins with, or that is called the answer."""
    stated = {_WORDS[_word(word)] for word in _STATED.findall(plain)}
    if firm := _FIRM.match(plain):
        stated.add(_WORDS[_word(firm[1])])
    if len(stated) > 1:
        return Answer(None, How.SEVERAL)
    if stated:
        return Answer(stated.pop(), How.YES_NO)
    answer = read_answer(plain, Task.BINARY)
    # "No X" denies an X: whether that is an answer, the finding that was asked about decides.
    denies = asked is not None and plain[:2].casefold() == "no"
    return Answer(None, How.UNKNOWN) if denies and answer.value == "No" else answer


def _word(said: str) -> str:
    return " ".join(said.casefold().split())


def _read_firm_letter(plain: str, options: dict[str, str]) -> Answer | None:
    """Read a letter that an answer begins with, whatever is said of others behind it; None where it is not sure."""
    match = _FIRM_LETTER.match(plain)
    letter = match[1].upper() if match else ""
    if match is None or letter not in options:
        return None
    rest = plain[match.end() :]
    if _ANSWER.search(rest) and read_answer(rest, Task.SINGLE, _as_given(options)).value not in {None, letter}:
        return Answer(None, How.SEVERAL)
    others = {each.upper() for each in _ANOTHER_LETTER.findall(rest)} & set(options) - {letter}
    if not rest or others or _JOINED.match(rest):
        return None
    of_rest = _yes_or_no(rest)
    named = {
        key
        for key, of in options.items()
        if rest.casefold().startswith(of.casefold().strip(" .")) or (of_rest is not None and _yes_or_no(of) == of_rest)
    }
    if named and letter not in named:
        return Answer(None, How.CONFLICT)
    return Answer(letter, How.BOTH if named else How.LETTER)


def _read_description(plain: str, options: dict[str, str]) -> Answer:
    """Read the one option all of whose findings an answer claims in other words, where it claims none of the others."""
    claimed = {letter: [_claims(part, plain) for part in of.split(",")] for letter, of in options.items()}
    fitting = [letter for letter, parts in claimed.items() if all(parts)]
    touched = [letter for letter, parts in claimed.items() if any(parts)]
    if len(fitting) == len(touched) == 1:
        return Answer(fitting[0], How.TEXT)
    return Answer(None, How.SEVERAL if len(fitting) > 1 else How.UNKNOWN)


def _claims(finding: str, plain: str) -> bool:
    asked = asked_finding(f"Is there {finding.strip(' .')}?")
    return asked is not None and asked.exactly.claim(plain) is Claim.YES


def _read_findings(said: str, plain: str) -> Answer:
    """Read an open answer: each entry of a list by itself, so that "no" behind one name denies no other."""
    items = _items(said)
    if len(items) < 2:
        return read_answer(said, Task.ANOMALY)
    read = [read_answer(item, Task.ANOMALY) for item in items]
    named = {finding for each in read for finding in each.findings} | {_exact(item) for item in items}
    findings = tuple(name for name in pack().question_labels if name in named)
    if findings:
        return Answer(", ".join(findings), How.FINDINGS, findings)
    if all(each.parsed for each in read):
        return Answer(pack().nothing or "none", How.FINDINGS)
    return read_answer(plain, Task.ANOMALY)


def _items(said: str) -> list[str]:
    """Return the entries of a list with marks or numbers, or of lines of "name: yes"; of "X (yes), Y (no)" as well."""
    told = _IN_BRACKETS.sub(r": \1.\n", said)
    lines = [_MARK.sub("", line).strip(" \t,;") for line in told.splitlines()]
    lines = [line for line in lines if line]
    is_list = len(_MARK.findall(told)) > 1 or told != said or all(map(_PAIR.search, lines))
    return lines if is_list else []


def _exact(item: str) -> str | None:
    """Return the label that an entry is the name of."""
    name = pack().label_called(without_markup(item).strip(" .,;:"))
    return None if name is None else str(name)
