"""A report, or a list of findings, as facts that can be looked up by what they bear on."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from cxr.miner.judge.both_sides import by_side
from cxr.miner.judge.continuations import tell_on
from cxr.miner.judge.qualities import ACUTE
from cxr.miner.judge.relations import Relations
from cxr.miner.language.analysis import Analysis, Mention
from cxr.miner.language.tokens import fold
from cxr.miner.pack import pack
from cxr.schemas import Certainty, Finding, NormalForm, Presence, Quote, Severity

_LINK = re.compile(
    r"represent|reflect|consistent|compatible|suggest|due to|likely|probabl|possibl|\bmay\b|could|\bfrom\b|"
    r"secondary|related|\bor\b|versus|\bvs\b|xxxx|___",
    re.IGNORECASE,
)
# "X and Y": what is said before the first is said of both.
_JOINED = re.compile(
    r"\s*,?\s*(?:and|with|&|\+|/|plus|and/or|or)(?: (?:adjacent|associated|underlying|overlying|some|compressive|"
    r"passive|probable|likely|possible|mild|minimal))*\s*",
    re.IGNORECASE,
)
# A sentence that goes on about what the one before it spoke of.
_GOES_ON = re.compile(
    r"\s*(?:this|these|those|it|they|which|adjacent|associated|underlying|overlying)\b", re.IGNORECASE
)
# A sentence of a report names a dozen things at most; comparing all pairs of hundreds would take quadratic time.
MOST_IN_SENTENCE = 40
_WORDS = re.compile("[a-z]+")
_ONE = ("a ", "an ", "single ", "solitary ")


class Fact(NamedTuple):
    """One normal form with the words that state it."""

    form: NormalForm
    quote: Quote | None
    words: str
    """The stating words in lower case."""
    normal: str | None = None
    """The normal from which a denial follows ("Y is clear"), or None where the words deny the thing itself."""
    one: bool = False
    """The words speak of a single thing ("a striped X") without counting."""
    up_to: Severity | None = None
    """The upper end of a range ("mild to moderate")."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts by concept: what is present, under everything that it is a kind or a sign of; what is denied; normals."""

    relations: Relations
    in_report: bool = False
    present: dict[str, list[Fact]] = field(default_factory=dict)
    absent: dict[str, list[Fact]] = field(default_factory=dict)
    normal: dict[str, list[Fact]] = field(default_factory=dict)
    hinted: dict[str, list[Fact]] = field(default_factory=dict)

    def add(self, fact: Fact) -> None:
        """File a fact under every concept that it can decide."""
        concept = fact.form.concept
        if concept in self.relations.normals:
            self._add_normal(fact)
        elif fact.form.presence is Presence.PRESENT:
            for implied in self.relations.implied_by(concept):
                self.present.setdefault(implied, []).append(fact)
            if ACUTE in fact.form.qualities and (general := self.relations.acute_at(concept)) is not None:
                self.present.setdefault(general, []).append(fact)
        else:
            self.absent.setdefault(concept, []).append(fact)

    def _add_normal(self, fact: Fact) -> None:
        """File a normal with all that it rules out; "not normal" as the structure's own abnormality."""
        name = fact.form.concept
        normal = self.relations.normals[name]
        # The place of a normal is the structure itself, which says nothing on the place of what it rules out.
        places = self.relations.telling_places(fact.form)
        if fact.form.presence is Presence.PRESENT:
            entails = normal.entails if not self.in_report or name != pack().roles.all_normal else {name}
            for entailed in entails:
                self.normal.setdefault(entailed, []).append(fact)
            ruled_out = self.relations.ruled_out_by(name, fact.words, in_report=self.in_report)
            hinted = self.relations.hinted_by(name, fact.words) if self.in_report else ()
            for filed, concepts in ((self.absent, ruled_out), (self.hinted, hinted)):
                for excluded in concepts:
                    form = reworded(fact.form, excluded, Presence.ABSENT, places)
                    filed.setdefault(excluded, []).append(fact._replace(form=form, normal=name))
        elif normal.excludes:
            self.add(fact._replace(form=reworded(fact.form, normal.excludes[0], Presence.PRESENT, places)))

    def instances(self, concept: str) -> list[Fact]:
        """Return the present facts that are the concept, a kind of it, or a disease of which it is a sign."""
        return self.present.get(concept, [])

    def denials(self, concept: str) -> list[Fact]:
        """Return the denials of the concept and of everything that it is a kind of; those in so many words first."""
        found: list[Fact] = list(self.absent.get(concept, ()))
        for general in self.relations.chain(concept):
            if general != concept:
                found.extend(self.absent.get(general, ()))
        return found

    def named_denials(self, concept: str) -> list[Fact]:
        """Return the denials of the concept under any of its names."""
        return [fact for name in self.relations.names(concept) for fact in self.absent.get(name, ())]

    def weak_denials(self, concept: str) -> list[Fact]:
        """Return the denials that speak for the concept's absence without excluding it."""
        found: list[Fact] = []
        for hint in self.relations.hinted_absent_by(concept):
            found.extend(self.absent.get(hint, ()))
        for general in self.relations.chain(concept):
            found.extend(self.hinted.get(general, ()))
        return found


def reworded(form: NormalForm, concept: str, presence: Presence, locations: tuple[str, ...]) -> NormalForm:
    """Return a form about another concept, without validating again what was valid."""
    return form.model_copy(update={"concept": concept, "presence": presence, "locations": locations})


def stated(analysis: Analysis, relations: Relations) -> list[tuple[int, NormalForm, str]]:
    """Return what a text states: the index of each mention, its form with shared places, and its words in lower case.

    Denials of nothing in particular ("without complication") are left out.
    """
    text = analysis.text
    spoken = [text[mention.start : mention.end].lower() for mention in analysis.mentions]
    forms = [
        relations.sharpened(_graded(mention.form, words), words)
        for mention, words in zip(analysis.mentions, spoken, strict=True)
    ]
    if forms:
        tell_on(analysis, forms)
    groups = _by_sentence(analysis.mentions)
    for sentence in groups:
        if 1 < len(sentence) <= MOST_IN_SENTENCE:
            share_places(sentence, forms, relations, linked=_linked(sentence, analysis))
    for before, sentence in pairwise(groups):
        if len(sentence) + len(before) <= MOST_IN_SENTENCE and _goes_on(before[-1], sentence[0], analysis):
            share_places((before[-1], *sentence), forms, relations, linked=frozenset(sentence))
    return [
        (index, part, words)
        for index, (form, words) in enumerate(zip(forms, spoken, strict=True))
        if not relations.is_empty_denial(form, words)
        for part in by_side(form, words)
    ]


def facts_of_report(analysis: Analysis, relations: Relations) -> Facts:
    """Collect what a report states; the quote of a fact is the clause that states it."""
    facts = Facts(relations, in_report=True)
    text = analysis.text
    for index, form, words in stated(analysis, relations):
        mention = analysis.mentions[index]
        start, end = mention.clause_start, mention.clause_end
        quote = Quote(start=start, end=end, text=text[start:end])
        before = text[max(0, mention.start - 9) : mention.start].lower()
        one = _speaks_of_one(form, words, before, relations)
        facts.add(Fact(form, quote, quote.text.lower(), one=one, up_to=range_end(words)))
    return facts


def _graded(form: NormalForm, words: str) -> NormalForm:
    """Take "significant" for what it is of a present thing: emphasis, not a grade on the scale."""
    if form.severity is None or form.presence is not Presence.PRESENT:
        return form
    stressed = not {*_WORDS.findall(words)}.isdisjoint(pack().modifiers.emphasis)  # "Y-ly less" is no stress
    return form.model_copy(update={"severity": None}) if stressed else form


def facts_of_list(findings: Iterable[Finding], relations: Relations) -> Facts:
    """Collect the facts of findings in normal form; they carry no quotes, being a list and not a text."""
    facts = Facts(relations)
    for finding in findings:
        words = f"{finding.observation} {finding.status}".lower()
        for form in finding.normal_forms:
            facts.add(Fact(form, None, words, up_to=range_end(words)))
    return facts


def range_end(words: str) -> Severity | None:
    """Return the upper end of a severity range, or None where the words name no range."""
    words = words.replace("-", " ")  # "mild-to-moderate"
    return next((severity for phrase, severity in _range_ends() if phrase in words), None)


@cache
def _range_ends() -> tuple[tuple[str, Severity], ...]:
    """Return how the upper end of a range is said; the lower end is the form's own severity."""
    return tuple((phrase, severity) for severity, phrases in pack().modifiers.up_to.items() for phrase in phrases)


def share_places(
    sentence: Iterable[int],
    forms: list[NormalForm],
    relations: Relations,
    *,
    listed: bool = False,
    linked: frozenset[int] = frozenset(),
) -> None:
    """Let mentions of one thing in a sentence share side and place: "a left lower X, likely Y".

    In a finding (`listed`) the parts of a list share them too: "X or Y at the left".
    `linked` are the mentions that a word like "representing", or a blank in its place, ties to the one before.
    """
    sentence = tuple(sentence)
    placed = [index for index in sentence if forms[index].side is not None or relations.telling_places(forms[index])]
    for index in sentence:
        form = forms[index]
        if index in placed or form.concept in relations.normals:
            continue
        loosely = listed or index in linked
        partners = [
            other
            for other in placed
            if _one_thing(form, forms[other], relations, loosely=loosely, joined=index in linked)
        ]
        if len(partners) == 1:
            partner = forms[partners[0]]
            forms[index] = form.model_copy(update={"side": partner.side, "locations": partner.locations})


def _one_thing(form: NormalForm, other: NormalForm, relations: Relations, *, loosely: bool, joined: bool) -> bool:
    """Return whether two mentions describe one thing; `loosely`, it is enough that one organ has them.

    Two that are `joined` ("X and Y") may be in organs that lie beside each other.
    """
    if other.presence is not form.presence or other.concept in relations.normals:
        return False
    if loosely:
        return relations.same_region(form.concept, other.concept) or (
            joined
            and form.presence is Presence.PRESENT
            and form.certainty is other.certainty
            and relations.reaches_place_of(form.concept, other)
        )
    if form.presence is Presence.ABSENT:
        return False
    if relations.related(form.concept, other.concept):
        return True
    hedged = form.certainty is Certainty.UNCERTAIN and other.certainty is Certainty.UNCERTAIN
    return hedged and relations.same_region(form.concept, other.concept)


def _linked(sentence: Sequence[int], analysis: Analysis) -> frozenset[int]:
    """Return the mentions that a word of meaning or cause, or a blank, ties to the mention before them."""
    text, mentions = analysis.text, analysis.mentions
    found: set[int] = set()
    goes_on = False  # "X, Y and Z": the list that "and" ends
    for before, index in reversed([*pairwise(sentence)]):
        start, end = mentions[before].end, mentions[index].start
        joined = _JOINED.fullmatch(text, start, end) is not None
        goes_on = joined or (goes_on and text[start:end].strip() == ",")
        if goes_on or _LINK.search(text, start, end):
            found.add(index)
    return frozenset(found)


def _by_sentence(mentions: Sequence[Mention]) -> list[list[int]]:
    """Group the indexes of mentions by sentence."""
    groups: dict[int, list[int]] = {}
    for index, mention in enumerate(mentions):
        groups.setdefault(mention.sentence, []).append(index)
    return list(groups.values())


def _goes_on(last: int, first: int, analysis: Analysis) -> bool:
    """Return whether a sentence speaks of what the one right before it ended with: "This may be Y"."""
    mentions = analysis.mentions
    number = mentions[first].sentence
    if number != mentions[last].sentence + 1:
        return False
    return _GOES_ON.match(analysis.text, analysis.cuts[number][0]) is not None


def _speaks_of_one(form: NormalForm, words: str, before: str, relations: Relations) -> bool:
    """Return whether a present thing is single by its article, or by the singular of something that is counted."""
    if form.number is not None or form.presence is not Presence.PRESENT:
        return False
    if any(fold(word) != word for word in words.split()):
        return False
    return before.endswith(_ONE) or words.startswith(_ONE) or relations.is_counted(form.concept)
