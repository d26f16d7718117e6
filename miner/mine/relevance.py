"""Whether a quote is about its finding: it names it, a sign of it, or what is normal in its place, or denies all.

Only the words of the pack are asked (`words.py`): its phrases, the signs of `signs.toml` and `relations.toml`, its
structures and normals. That a quote stands in the report, and on which side, is checked elsewhere.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.mine.words import Words, is_named, sign_words, words_of
from cxr.miner.pack import pack
from cxr.schemas.reasoning import Evidence
from cxr.schemas.rejection import Rejection
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Change, EvidenceKind, Presence, RejectReason, Side

# What only qualifies ("a moderate one on the left") speaks of what its sentence or the one before it names.
_FARTHEST = 300
# A bracket or quotation mark may close behind it: "(No change.) A small one", "seen.>]".
_SENTENCE_END = re.compile(r"[.!?;\n](?=[\"')\]}>*\u2019\u201d\u00bb]*(?:\s|$))")
_POINTS_BACK = re.compile(r"\b(?:one|ones|it|its|they|this|that|these|those|which|both|other)\b", re.IGNORECASE)


class Topic(NamedTuple):
    """What a quote on a finding may name, as ids of the lexicon."""

    itself: frozenset[str]
    """The finding, its other names and its kinds."""
    core: frozenset[str]
    """What has to be absent for the finding to be absent."""
    signs: frozenset[str]
    """What it shows itself by, and named things that it is a kind of."""
    deniers: frozenset[str]
    """What rules it out where it is denied (all that it is a kind of), or is affirmed (normals)."""
    regions: frozenset[str]
    """Structures that would not be normal."""
    words: tuple[str, ...]
    """Further words for its signs; all there is for a finding that the lexicon does not know."""
    denied: bool
    """It is itself said as something normal, or as an absence: its presence is settled as an absence is."""
    whole: bool
    """It is everything normal, or anything wrong: whatever names a finding settles it."""


def off_topic(quote: Quote, finding: str, presence: Presence, report_text: str) -> bool:
    """Return whether a quote names neither its finding, nor a sign of it, nor what would settle its absence.

    What names nothing at all is read with its sentence and the one before.
    """
    words = words_of(quote.text)
    if not words.concepts.isdisjoint(words_of(finding).concepts):
        return False
    topic = topic_of(finding)
    if _is_about(words, topic, presence):
        return False
    points_back = words.name_nothing or (not words.concepts and _POINTS_BACK.search(quote.text))
    return not points_back or not _is_about(words_of(_with_what_goes_before(quote, report_text)), topic, presence)


def assures_all(text: str) -> bool:
    """Return whether a text calls the whole image normal ("an unremarkable image"), and no single structure."""
    words = words_of(text)
    return words.assures and words.concepts <= _normals() and words.regions <= {pack().roles.whole_region, *_wholes()}


def denies_less(evidence: Evidence) -> bool:
    """Return whether evidence of absence denies a finding as a whole, and its quotes one kind, side or degree of it.

    A denial that the statement itself limits to this kind, side or degree is none.
    """
    if evidence.kind is not EvidenceKind.QUOTED or evidence.presence is not Presence.ABSENT:
        return False
    if pack().label_called(evidence.finding) is None:
        return False  # what is asked for in words is often settled by what is there instead, or elsewhere
    topic, said = topic_of(evidence.finding), words_of(evidence.statement)
    quoted = [words_of(quote.text) for quote in evidence.quotes]
    concepts = frozenset[str]().union(*(words.concepts for words in quoted))
    if any(_settles_whole(words, topic) for words in quoted) or not concepts & topic.itself:
        return False
    if not topic.core <= _with_kinds(concepts):
        return not said.concepts & (concepts & topic.itself)
    if concepts - topic.itself or any(words.assures for words in quoted):
        return False  # their sides and degrees may be those of something else
    sides = frozenset[Side]().union(*(words.sides for words in quoted))
    degrees = [words.severities for words in quoted]
    one_side = len(sides) == 1 and Side.BILATERAL not in sides and all(words.sides for words in quoted)
    return (one_side and not sides & said.sides) or (all(degrees) and not said.severities)


def _settles_whole(words: Words, topic: Topic) -> bool:
    """Return whether words hold more than the finding and its kinds: what is wider, a normal, a sign, its structure."""
    if words.concepts & topic.itself:
        return bool(words.concepts & topic.deniers)
    return bool(words.concepts & (topic.deniers | topic.signs) or words.regions & topic.regions or words.assures)


def _with_kinds(concepts: frozenset[str]) -> frozenset[str]:
    return frozenset[str]().union(*(load_lexicon().descendants[concept] for concept in concepts))


def _is_about(words: Words, topic: Topic, presence: Presence) -> bool:
    if topic.whole and (words.concepts or words.assures):
        return True
    if words.concepts & (topic.itself | topic.signs) or words.regions & topic.regions:
        return True
    if any(is_named(phrase, words) for phrase in topic.words):
        return True
    if (presence is Presence.PRESENT and not topic.denied) or Change.NEW in words.changes:
        return False  # that nothing is new does not deny what was there
    whole = {pack().roles.whole_region} | _wholes()
    return bool(words.concepts & topic.deniers) or (words.assures and not words.concepts and words.regions <= whole)


@lru_cache(maxsize=1)
def _wholes() -> frozenset[str]:
    """Return the regions that are normal only where everything is."""
    all_normal = pack().roles.all_normal
    return frozenset(name for name, region in load_lexicon().regions.items() if region.normal == all_normal)


@lru_cache(maxsize=2048)
def topic_of(finding: str) -> Topic:
    """Return what quotes on a finding may name: on a label by its concepts, else by the concepts in its words."""
    lexicon, label, own = load_lexicon(), pack().label_called(finding), words_of(finding)
    if label is None:
        named = own.concepts or _wrong_in(own)
        core = named
        looked_for = frozenset[str]()
    else:
        core = frozenset(next(each.core for each in pack().labels if each.name == label))
        named = core | {c.id for c in lexicon.concepts.values() if label in {c.label, c.label_possible}}
        signs = pack().signs.get(label)
        looked_for = words_of(" ".join(signs.look_for)).concepts if signs else frozenset[str]()
    same = frozenset(c for group in pack().relations.same if named & set(group.concepts) for c in group.concepts)
    itself = _with_kinds(named | same)
    relations = pack().relations
    shown = frozenset(sign for c in itself for sign in (*relations.signs.get(c, ()), *relations.hints.get(c, ())))
    hinted = _with_kinds(_shows(itself | _shows(itself)))
    elsewhere = frozenset(c for concept in itself for c in _called_elsewhere().get(concept, ()))
    above = frozenset(up for c in named | same for up in lexicon.ancestors[c]) - itself
    normals = frozenset(n for n in _normals() if lexicon.ruled_out[n] & (core or itself))
    wide = frozenset(c for c in above if lexicon.concepts[c].unnamed)
    return Topic(
        itself=itself,
        core=core,
        signs=_with_kinds(shown | looked_for) | hinted | elsewhere | (above - wide),
        deniers=wide | normals,
        regions=_regions(core or itself, normals) | (own.regions - _wholes()),
        words=sign_words(label) if label is not None else _content(finding) if not named else (),
        denied=label is None and (own.denies or _is_normal(own)),
        whole=label is None and own.assures and not own.concepts - _normals() and own.regions <= _wholes(),
    )


def _wrong_in(own: Words) -> frozenset[str]:
    """Return what "an abnormality of Y" or "a normal Y" is about: all that can be wrong there."""
    regions = load_lexicon().regions
    wrong = {regions[name].abnormal for name in own.regions} if own.assures else set()
    return frozenset(concept for concept in wrong if concept is not None)


def _is_normal(own: Words) -> bool:
    return own.assures and own.concepts <= _normals()


@lru_cache(maxsize=1)
def _normals() -> frozenset[str]:
    return frozenset(concept.id for concept in load_lexicon().concepts.values() if concept.kind == "normal")


@lru_cache(maxsize=1)
def _called_elsewhere() -> dict[str, set[str]]:
    """Return by concept what it is called in other regions, or without an adjective."""
    called: dict[str, set[str]] = {}
    for concept in load_lexicon().concepts.values():
        for other in (*concept.at.values(), *concept.when.values()):
            called.setdefault(other, set()).add(concept.id)
    return called


def _shows(signs: frozenset[str]) -> frozenset[str]:
    """Return what shows itself by one of these signs, under all its names."""
    relations = pack().relations
    found = {c for c, of in (*relations.signs.items(), *relations.hints.items()) if signs & set(of)}
    return frozenset(found | {c for group in relations.same if found & set(group.concepts) for c in group.concepts})


def _regions(concepts: frozenset[str], normals: frozenset[str]) -> frozenset[str]:
    """Return the structures whose own region a finding is of, or that would be called abnormal for it."""
    lexicon = load_lexicon()
    own = {lexicon.concepts[concept].region for concept in concepts}
    found = {
        name
        for name, region in lexicon.regions.items()
        if name in own or region.normal in normals or concepts & set(region.states.values())
    }
    return frozenset(found) - _wholes() - {pack().roles.whole_region}


def _content(finding: str) -> tuple[str, ...]:
    """Return the words of a finding that the lexicon does not know, without those that qualify anything."""
    known = load_lexicon().entries
    words = words_of(finding).folded.split()
    return tuple(word for word in words if len(word) > 3 and (word,) not in known)


def _with_what_goes_before(quote: Quote, report_text: str) -> str:
    start = max(0, quote.start - _FARTHEST)
    before = report_text[start : quote.start]
    ends = [match.start() for match in _SENTENCE_END.finditer(before)]
    first = ends[-2] + 1 if len(ends) > 1 else 0
    return before[first:] + quote.text


def check_relevance(evidence: tuple[Evidence, ...], report_text: str) -> Rejection | None:
    """Check that every quote is about its finding, and denies as much as its statement does."""
    for item in evidence:
        for number, quote in enumerate(item.quotes, start=1):
            if off_topic(quote, item.finding, item.presence, report_text):
                return Rejection(
                    RejectReason.QUOTE_IRRELEVANT,
                    f"quote {number} on {item.finding} names neither it, nor a sign of it, nor what is normal in its "
                    "place; quote the words that settle it, or make it inferred_normal where the report is silent",
                )
        if denies_less(item):
            return Rejection(
                RejectReason.STATEMENT_NOT_QUOTED,
                f"the quotes on {item.finding} deny one kind, side or degree of it, and its statement all; say what "
                "the quotes say",
            )
    return None
