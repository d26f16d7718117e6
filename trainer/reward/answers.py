"""Reading completions: strictly for the format reward, robustly for accuracy.

The strict form is the paper's (section 6.2). The robust reading takes an answer as models write it: a letter, the
option's words, both, in tags or without, in markdown. What it cannot read it says so of, and why: that is counted
apart and never guessed. Every step is linear in the text: a model that never stops writes 100 kB.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cxr.miner.language.labeler import label
from cxr.miner.pack import pack
from cxr.schemas.vocabulary import Progression, Task

# Models vary case and blanks in tags; the strict form does not allow for it, and the robust reading does.
TAG = re.compile(r"<\s{0,2}(/?)\s{0,2}(think|answer)\s{0,2}>", re.IGNORECASE)
# What is no tag to that and looks like one to somebody else's parser: with attributes, more blanks, other brackets.
_LIKE_TAG = re.compile(r"[<\u2039\u27e8\u3008]\s*/?\s*(?:think|answer)\b", re.IGNORECASE)
_ANY_BRACKET = re.compile(r"[<\u2039\u27e8\u3008\ufe64\uff1c]")
_REASONED = ("<think>", "</think>", "<answer>", "</answer>")
_ANSWERED = ("<answer>", "</answer>")

_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf)\{([^{}]{0,200})\}")
_MARKUP = re.compile(r"[*_`#\"'$\[\]\u2018\u2019\u201c\u201d«»]")
_BLANKS = re.compile(r"\s+")
_WORD = re.compile(r"\w+|[.;:!?]")
_OPTION = re.compile(r"\s*\(?([A-Za-z])\s?[).:]\s*(.*)", re.DOTALL)

_ONLY_LETTER = re.compile(r"\W*(?:(?:option|choice|answer|letter)\W{1,3})?([A-Za-z])\W*", re.IGNORECASE)
_LEADING_LETTER = re.compile(r"\W*(?:(?:option|choice)\s)?([A-Za-z])\s?[).:,\-\u2013\u2014](?!\w)", re.IGNORECASE)
_STATED_LETTER = re.compile(
    r"(?i:\banswer(?:\s(?:is|would be|should be|must be)|\s?[:=])\s?(?:the\s)?(?:option\s|choice\s|letter\s)?)"
    r"\(?(?:([A-Z])(?![\w'-])|([a-z])(?=\W{0,3}$|\)))"
)
_MARKED_LETTER = re.compile(r"\b(?i:options?|choices?|letter)\s\(?([A-Za-z])\b|\(([A-Za-z])\)|(?<![\w(-])([A-Za-z])\)")
# A capital alone is a letter, unless it is an article or part of a name: "A large ...", "type B lines", "C-arm".
_BARE_LETTER = re.compile(r"(?<![\w'(/-])([A-Z])(?![\w')-])")
_LAST_WORD = re.compile(r"(\w+)\W{0,2}\Z")
_RULED_OUT = re.compile(
    r"\)?\s(?:is|are|would be|seems)\s(?:not|wrong|incorrect|false|unlikely|excluded)\b", re.IGNORECASE
)
_AFTER_ARTICLE = re.compile(r"\s(?!(?:and|or|is|was|as|because|since|but|seems|fits|best)\b)\w", re.IGNORECASE)

_LEADING_YES_NO = re.compile(
    r"\W*(yes|no)\b(?!\s(?:doubt|question|idea|clue|answer|response|comment|information|way)\b)", re.IGNORECASE
)
_ENDS_CLAUSE = re.compile(r"\s?[.,:;!?]")
_STATED_YES_NO = re.compile(r"\banswer(?:\s(?:is|would be|should be)|\s?[:=])\s?(?:a\s)?\W?(yes|no)\b", re.IGNORECASE)
_OWN_CLAUSE_NO = re.compile(r"(?:^|[.:;!?])\W{0,3}no\W{0,3}(?:[.;!?]|$)", re.IGNORECASE)
_YES = re.compile(r"\byes\b", re.IGNORECASE)
_YES_AND_NO = re.compile(
    r"\byes\W{1,3}or\W{1,3}no\b|\byes\W{1,3}(?:and\W{1,3})?no\b(?!\s\w)|\bno\W{1,3}(?:(?:and|or)\W{1,3})?yes\b",
    re.IGNORECASE,
)

_NORMAL = re.compile(
    r"\b(?:normal|none|nothing|unremarkable|clear|no\s(?:\w+\s){0,2}(?:findings?|abnormalit\w+))\b", re.IGNORECASE
)
_REFUSAL = re.compile(
    r"\b(?:i\W?a?m (?:sorry|unable|not able)|i (?:cannot|can not|can ?t|am not able|do not have)|as an ai"
    r"|(?:unable|impossible) to (?:determine|answer|assess|say|tell)"
    r"|cannot (?:be determined|determine|answer|provide|assist|tell)|consult a (?:doctor|physician|radiologist))\b",
    re.IGNORECASE,
)

# What turns a following name around, and how many words may stand between.
_DENIALS = frozenset(
    {"no", "not", "without", "absence", "absent", "nor", "neither", "never", "exclude", "excludes", "instead", "rather"}
)
_REACH = 4
_STOPS = frozenset(".;:!?")
_TURNS = _STOPS | {"but", "however", "although", "only"}
# What models write for the three answers of a temporal question, besides the words themselves.
_CHANGES: dict[Progression, tuple[str, ...]] = {
    Progression.WORSENING: ("worse", "worsened", "worsens", "progressed"),
    Progression.STABLE: ("unchanged", "no change", "no significant change", "not changed", "has not changed"),
    Progression.IMPROVING: ("improved", "improvement", "improves", "better"),
}


class How(StrEnum):
    """How an answer was read, or why it could not be."""

    LETTER = "letter"
    """By its letter alone: B, (b), Option B, "the answer is B"."""
    TEXT = "text"
    """By the words of exactly one option."""
    BOTH = "both"
    """By letter and words, which agree."""
    YES_NO = "yes_no"
    STATEMENT = "statement"
    """A yes-no question by what is said of its finding; only evaluation reads so."""
    FINDINGS = "findings"
    """An open answer: the findings that it names, or that there are none."""
    EMPTY = "empty"
    """Nothing was written, or nothing between the tags."""
    CUT_OFF = "cut_off"
    """The reasoning never ended, so no answer began."""
    SEVERAL = "several"
    """More than one answer was named."""
    CONFLICT = "conflict"
    """A letter beside the words of another option."""
    REFUSAL = "refusal"
    """The model says that it cannot or will not answer."""
    HEDGED = "hedged"
    """Neither yes nor no is said: it may be, or cannot be excluded; only evaluation tells this from UNKNOWN."""
    UNKNOWN = "unknown"
    """Something else, other languages among it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says."""

    value: str | None
    """A letter; Yes or No; the findings of an open answer, separated by commas; None where it could not be read."""
    how: How
    findings: tuple[str, ...] = ()
    """Of an open answer: the findings that it names as present, in the vocabulary's order."""
    tagged: bool = False
    """Whether it stood between <answer> tags."""

    @property
    def parsed(self) -> bool:
        """Whether there is an answer to compare."""
        return self.value is not None


def parse_completion(text: str, *, reasoning: bool) -> tuple[str | None, str | None]:
    """Return reasoning and answer of a completion in exactly the form of its mode; (None, None) for any other form.

    With reasoning that is <think>…</think><answer>…</answer>, without <answer>…</answer>; blanks may stand around and
    between. The reasoning of an answer-only completion is None.
    """
    tags = list(TAG.finditer(text))
    if tuple(tag.group() for tag in tags) != (_REASONED if reasoning else _ANSWERED):
        return None, None
    outside = [text[: tags[0].start()], text[tags[-1].end() :]]
    if reasoning:
        outside.append(text[tags[1].end() : tags[2].start()])
    if any(part.strip() for part in outside):
        return None, None
    answer = text[tags[-2].end() : tags[-1].start()].strip()
    think = text[tags[0].end() : tags[1].start()].strip() if reasoning else None
    return (None, None) if _hides_a_tag(answer) or _hides_a_tag(think or "") else (think, answer)


def _hides_a_tag(part: str) -> bool:
    """Return whether there is a tag in a part that only looks like one: in full-width letters, with invisible ones."""
    if not _ANY_BRACKET.search(part):
        return False
    seen = "".join(sign for sign in unicodedata.normalize("NFKC", part) if unicodedata.category(sign) != "Cf")
    return _LIKE_TAG.search(seen) is not None


def read_answer(text: str, task: str, options: Sequence[str] | None = ()) -> Answer:
    """Read a whole completion, whatever form it has; `options` are those of the question, as "A) ...".

    The last <answer> block counts; without one, what follows the reasoning. Never raises for a text.
    """
    said, tagged, cut_off = _answer_part(text)
    if cut_off:
        return Answer(None, How.CUT_OFF)
    plain = without_markup(said)
    if not plain:
        return Answer(None, How.EMPTY, tagged=tagged)
    lettered = letters_of(() if options is None else options)
    if task == Task.ANOMALY and not lettered:
        value, how, findings = _read_findings(plain, said)
    else:
        value, how = _read_option(plain, lettered, task) if lettered else _read_yes_no(plain)
        findings = ()
    if value is None and _REFUSAL.search(plain):
        how = How.REFUSAL
    return Answer(value, how, findings, tagged)


def letters_of(options: Sequence[str]) -> dict[str, str]:
    """Return the words of each option by its letter; options without letters get A, B, … in order."""
    matches = [_OPTION.fullmatch(option) for option in options]
    if all(matches):
        return {match[1].upper(): match[2].strip() for match in matches if match}
    return {chr(ord("A") + number): option.strip() for number, option in enumerate(options)}


def findings_named(text: str) -> tuple[str, ...]:
    """Return the findings of questions that a text asserts, hedged ones included, in the vocabulary's order.

    A negated finding is none. The language layer reads them, so that any words for a finding count as its name.
    """
    labels = label(_MARKUP.sub(" ", text))
    return tuple(name for name in pack().question_labels if labels[name] in {1, -1})


def _answer_part(text: str) -> tuple[str, bool, bool]:
    """Return what to read as the answer, whether it was tagged, and whether the reasoning never ended."""
    opened: re.Match[str] | None = None
    block: tuple[int, int] | None = None
    thinking, spoken_from = False, 0
    for tag in TAG.finditer(text):
        closing, name = bool(tag[1]), tag[2].lower()
        if name == "think":
            thinking, spoken_from = not closing, tag.end()
        elif not closing:
            opened, thinking = tag, False
        elif opened is not None:
            block, opened = (opened.end(), tag.start()), None
    if block is not None:
        return text[block[0] : block[1]], True, False
    if opened is not None:
        return text[opened.end() :], True, False
    return text[spoken_from:], False, thinking


def without_markup(text: str) -> str:
    """Return a text without markup and tags, with single blanks; full-width letters become plain ones."""
    text = unicodedata.normalize("NFKC", _LATEX.sub(r"\1", text))
    return _BLANKS.sub(" ", _MARKUP.sub(" ", TAG.sub(" ", text))).strip()


def _read_yes_no(plain: str) -> tuple[str | None, How]:
    said = {match.lower() for match in _STATED_YES_NO.findall(plain)}
    leading = _LEADING_YES_NO.match(plain)
    if len(said) == 1 and not (leading and _ENDS_CLAUSE.match(plain, leading.end())):
        # "The answer is Yes" is the answer, whatever reasoning stands before it: "No X. The Y ...".
        return said.pop().capitalize(), How.YES_NO
    if leading:
        said.add(leading[1].lower())
    # "no" within a sentence denies something else; "yes" is only ever an answer.
    if _YES.search(plain):
        said.add("yes")
    if not said and _OWN_CLAUSE_NO.search(plain):
        said.add("no")
    if len(said) > 1 or _YES_AND_NO.search(plain):
        return None, How.SEVERAL
    return (said.pop().capitalize(), How.YES_NO) if said else (None, How.UNKNOWN)


def _read_findings(plain: str, said: str) -> tuple[str | None, How, tuple[str, ...]]:
    named = findings_named(said)
    if named:
        return ", ".join(named), How.FINDINGS, named
    denies = 0 in label(_MARKUP.sub(" ", said)).values()
    if denies or _NORMAL.search(plain):
        return pack().nothing or "none", How.FINDINGS, ()
    return None, How.UNKNOWN, ()


def _read_option(plain: str, options: dict[str, str], task: str) -> tuple[str | None, How]:
    """Read a letter where one is named, else the words of an option."""
    words = _words(plain)
    bare = _without_stops(words)
    exact = [letter for letter, text in options.items() if bare and bare == _without_stops(_words(text))]
    if len(exact) == 1:
        return exact[0], How.TEXT
    letters, end = _named_letters(plain, options)
    if len(letters) > 1:
        return None, How.SEVERAL
    if len(letters) == 1:
        (letter,) = letters
        beside = _option_at(_words(plain[end:]), options)
        if beside is not None and beside != letter:
            return None, How.CONFLICT
        return letter, How.LETTER if beside is None else How.BOTH
    return _read_words(words, options, task)


def _named_letters(plain: str, options: dict[str, str]) -> tuple[set[str], int]:
    """Return the letters that are named as the answer, and where the first of them ends.

    The clearer way of naming wins: a letter alone, "the answer is B", else every letter that stands anywhere.
    """
    if (only := _ONLY_LETTER.fullmatch(plain)) and only[1].upper() in options:
        return {only[1].upper()}, only.end()
    stated = [
        (letter, match.end())
        for match in _STATED_LETTER.finditer(plain)
        if (letter := (match[1] or match[2]).upper()) in options
    ]
    if stated:
        return {letter for letter, _ in stated}, stated[0][1]
    named = sorted(_letters_anywhere(plain, options))
    return {letter for _, letter in named}, named[0][0] if named else 0


def _letters_anywhere(plain: str, options: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Return each letter that is named and not ruled out, with the place where it ends."""
    leading = _LEADING_LETTER.match(plain)
    if leading and leading[1].upper() in options:
        yield leading.end(), leading[1].upper()
    for match in _MARKED_LETTER.finditer(plain):
        letter = (match[1] or match[2] or match[3]).upper()
        if letter in options and not _is_ruled_out(plain, match):
            yield match.end(), letter
    for match in _BARE_LETTER.finditer(plain):
        letter = match[1]
        if letter in options and not _is_ruled_out(plain, match) and not _is_article(plain, match.end(), options):
            yield match.end(), letter


def _is_ruled_out(plain: str, match: re.Match[str]) -> bool:
    """Return whether a letter is denied ("not A", "A is wrong") or belongs to a name ("type B lines")."""
    before = _LAST_WORD.search(plain, max(0, match.start() - 20), match.start())
    word = before[1].lower() if before else ""
    return (
        word in pack().judge_words.before_letters
        or word in _DENIALS
        or _RULED_OUT.match(plain, match.end()) is not None
    )


def _is_article(plain: str, end: int, options: dict[str, str]) -> bool:
    """Return whether the capital A that ends there opens a sentence of its own, such as "A large X"."""
    if plain[end - 1] != "A" or not _AFTER_ARTICLE.match(plain, end):
        return False
    own = _words(options["A"])
    return not own or _words(plain[end : end + 200])[: len(own)] != own


def _words(text: str) -> list[str]:
    """Return the words of a text in lower case, and the marks that end a clause; commas and brackets mean nothing."""
    return _WORD.findall(text.casefold())


def _without_stops(words: list[str]) -> list[str]:
    return [word for word in words if word not in _STOPS]


def _option_at(words: list[str], options: dict[str, str]) -> str | None:
    """Return the option whose words stand at the start, the longest where one begins as another does."""
    words = words[next((at for at, word in enumerate(words) if word not in _STOPS), len(words)) :]
    fitting = [
        (len(own), letter) for letter, text in options.items() if (own := _words(text)) and words[: len(own)] == own
    ]
    return max(fitting)[1] if fitting else None


def _read_words(words: list[str], options: dict[str, str], task: str) -> tuple[str | None, How]:
    """Read the one option all of whose parts are named, and of whose parts no other is."""
    parts = {
        letter: frozenset(tuple(_words(part)) for part in text.split(",") if _words(part))
        for letter, text in options.items()
    }
    known = {part: part for own in parts.values() for part in own}
    if task == Task.TEMPORAL:
        for change, ways in _CHANGES.items():
            if (str(change),) in known:
                known |= {tuple(way.split()): (str(change),) for way in ways}
    named = frozenset(_parts_named(words, known))
    if not named:
        return None, How.UNKNOWN
    fitting = [letter for letter, own in parts.items() if own == named]
    return (fitting[0], How.TEXT) if len(fitting) == 1 else (None, How.SEVERAL)


def _parts_named(words: list[str], known: dict[tuple[str, ...], tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Return the parts of options that are named and not denied; the longest where one holds another."""
    longest = sorted(known, key=len, reverse=True)
    at = 0
    while at < len(words):
        found = next((part for part in longest if tuple(words[at : at + len(part)]) == part), None)
        if found is None:
            at += 1
            continue
        if not _is_denied(words, at):
            yield known[found]
        at += len(found)


def _is_denied(words: list[str], at: int) -> bool:
    """Return whether a denying word stands shortly before, in the same clause."""
    for word in reversed(words[max(0, at - _REACH) : at]):
        if word in _TURNS:
            return False
        if word in _DENIALS:
            return True
    return False
