"""Chains that go by region: what is there, what is normal or denied in one breath, and what one speaks of the other."""

from collections.abc import Sequence

from cxr.miner.mine.engines import absence, named
from cxr.miner.mine.engines.nouns import enumerated, named_as, noun_of
from cxr.miner.mine.engines.presence import same_things
from cxr.miner.mine.engines.voice import Voice
from cxr.miner.mine.engines.weighing import Weighed, weighed
from cxr.miner.pack import pack
from cxr.schemas.question import Question
from cxr.schemas.reasoning import Evidence, Plan, PlanItem
from cxr.schemas.vocabulary import Presence, Task

# More findings than these are not named before their region is read.
_MOST_NAMED = 4

Step = tuple[str, tuple[int, ...]]


def in_reading_order(plan: Plan) -> bool:
    """Return whether there is so much to look for that regions are read as one always reads them."""
    return len(plan.items) > _MOST_NAMED


def steps(question: Question, plan: Plan, evidence: Sequence[Evidence], report_text: str, voice: Voice) -> list[Step]:
    """Return a step per region, in the order of the plan or of the reading."""
    weighings = weighed(evidence, report_text, voice)
    elsewhere = {one.evidence_no for _, *pair in weighings for one in pair if one.presence is Presence.ABSENT}
    regions: dict[str, list[tuple[PlanItem, Evidence]]] = {}
    for item, piece in zip(plan.items, evidence, strict=True):
        if piece.evidence_no not in elsewhere:
            regions.setdefault(named.read_in(item.finding), []).append((item, piece))
    if in_reading_order(plan):
        order = list(dict.fromkeys(signs.region for signs in pack().signs.values()))
        regions = {region: regions[region] for region in sorted(regions, key=order.index)}
    made: list[Step] = []
    told: list[Evidence] = []
    wordings = pack().wording.sentences.in_region
    for turn, (region, read) in enumerate(regions.items()):
        pieces = [piece for _, piece in read]
        seen, beside = _there(pieces, told, weighings, report_text, voice)
        numbers = dict.fromkeys([*(piece.evidence_no for piece in pieces), *beside])
        looked_for = enumerated(_looked_for(question, [item for item, _ in read]))
        seen += _not_there(pieces, report_text, voice, turn)
        # One goes on to a second region, not to the first.
        step = voice.say(
            wordings if turn else wordings[:1],
            "region",
            turn,
            region=region,
            looked_for=looked_for,
            seen=" ".join(seen),
        )
        made.append((step, tuple(numbers)))
    return made


def _looked_for(question: Question, items: Sequence[PlanItem]) -> list[str]:
    """Name what is looked for in a region, signs once; what only the answer names must not be given away before."""
    if question.task is Task.ANOMALY:
        return list(dict.fromkeys(named.looked_for(item.finding) for item in items))
    names, said = [], set()
    for item in items:
        name = named_as(named.without_degree(item.finding))
        if item.look_for not in said:
            said.add(item.look_for)
            name = pack().wording.sentences.sought[0].format(finding=name, look_for=item.look_for)
        names.append(name)
    return list(dict.fromkeys(names))


def _there(
    pieces: Sequence[Evidence], told: list[Evidence], weighings: Sequence[Weighed], report_text: str, voice: Voice
) -> tuple[list[str], list[int]]:
    """Return what is said of findings that are there, each with what it is weighed against, and whose numbers that has.

    What was just named under another finding is not described again.
    """
    sentences, numbers = [], []
    known_as = pack().wording.sentences.told
    for piece in pieces:
        if piece.presence is not Presence.PRESENT:
            continue
        if known_as and told and _is_the_same(told[-1], piece, report_text):
            name = named_as(named.without_degree(piece.finding))
            sentences.append(voice.say(known_as, "told", len(told), finding=name))
        else:
            sentences.append(piece.statement)
        told.append(piece)
        for text, *pair in weighings:
            there = [one for one in pair if one.presence is Presence.PRESENT]
            if piece in there and all(one in told for one in there):
                sentences.append(text)
                numbers += [one.evidence_no for one in pair]
    return sentences, numbers


def _is_the_same(one: Evidence, two: Evidence, report_text: str) -> bool:
    """Return whether all that is seen of the second finding was said of the first."""
    in_words = [piece.finding for piece in (one, two) if piece.finding not in pack().signs]
    if len(in_words) == 2:
        return len({named.seen_as(finding, report_text) for finding in in_words}) == 1
    return not in_words and same_things(one, two, report_text)


def _not_there(pieces: Sequence[Evidence], report_text: str, voice: Voice, turn: int) -> list[str]:
    """Return what is said of findings that are not there: those that one normal rules out, or nothing, together."""
    said = pack().wording.sentences
    by_normal: dict[str, list[str]] = {}
    kinds, bare = [], []
    for piece in pieces:
        if piece.presence is not Presence.ABSENT:
            continue
        finding, denied = piece.finding, absence.denials_of(piece, report_text)
        if normals := absence.normals_in(denied, report_text, voice):
            by_normal.setdefault(enumerated(normals), []).append(noun_of(finding))
        elif denied and absence.only_kinds(finding, denied):
            kinds.append(piece.statement)
        else:
            bare.append(noun_of(finding if finding in pack().signs else named.denied_as(finding, report_text)))
    sentences = [
        voice.say(said.normal, "normal", turn + place, normal=normal, finding=enumerated(findings, "or"))
        for place, (normal, findings) in enumerate(by_normal.items())
    ]
    if bare:
        kinds.append(voice.say(said.none_of, "none_of", turn, findings=enumerated(bare, "or")))
    return sentences + kinds
