"""What a reasoning says by itself: what it says both ways, and what it names instead of leaving it to wider words."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from cxr.miner.judge.facts import Fact, Facts, range_end
from cxr.miner.judge.reasons import Reason
from cxr.miner.judge.relations import load_relations
from cxr.miner.judge.understanding import understood
from cxr.miner.judge.verdicts import asserts_presence, judge_form
from cxr.schemas import Finding, NormalForm, Severity

_OPPOSITES = {Reason.OPPOSITE_STATED, Reason.KIND_PRESENT, Reason.DENIED_IN_GENERAL}


def both_ways(findings: Sequence[Finding]) -> list[bool]:
    """Return which findings of one text its other findings oppose: denied as well as asserted, or in two degrees.

    Only a denial in so many words opposes what is there, and only of a thing that nobody has several of: a normal in
    general beside an old trace, or a denial of another place than the one that is told, is how people write.
    """
    relations, read = load_relations(), [understood(finding) for finding in findings]
    forms = [form for finding in read for form in finding.normal_forms]
    denials = {form.concept for form in forms if _is_plain_denial(form)}
    kinds = {kind for form in forms if _is_present(form) for kind in relations.denied_with(form.concept)} & denials
    opposed = _in_two_degrees(read)
    if kinds:
        present, denied = _facts(read, _is_present), _facts(read, _is_plain_denial)
        for at, finding in enumerate(read):
            for form in finding.normal_forms:
                if not kinds.isdisjoint(relations.denied_with(form.concept)):
                    against = denied if _is_present(form) else present if _is_plain_denial(form) else None
                    if against is not None and judge_form(form, against).reason in _OPPOSITES:
                        opposed.add(at)
    return [at in opposed for at in range(len(read))]


def forms_of(findings: Iterable[Finding]) -> list[NormalForm]:
    """Return all that some findings say, in normal form."""
    return [form for finding in findings for form in understood(finding).normal_forms]


def names(told: Sequence[NormalForm], asked: Finding) -> bool:
    """Return whether what is told names what is asked for, or a kind of it; what has no normal form is named."""
    forms = understood(asked).normal_forms
    return not forms or any(_names(form, one) for one in forms for form in told)


def _names(told: NormalForm, asked: NormalForm) -> bool:
    relations = load_relations()
    if relations.same_thing(told.concept, asked.concept):
        return True
    normal, wanted = relations.normals.get(told.concept), relations.normals.get(asked.concept)
    if wanted is not None:
        return told.concept in {*wanted.entails, *wanted.said_by, *wanted.broken_by}
    return asked.concept in (relations.denied_with(told.concept) if normal is None else normal.said_by)


def _facts(findings: Iterable[Finding], wanted: Callable[[NormalForm], bool]) -> Facts:
    """Return what findings say, as far as it is wanted."""
    facts = Facts(load_relations())
    for finding in findings:
        for form in filter(wanted, finding.normal_forms):
            words = f"{finding.observation} {finding.status}".lower()
            facts.add(Fact(form, None, words, up_to=range_end(words)))
    return facts


def _is_present(form: NormalForm) -> bool:
    return asserts_presence(form) and form.concept not in load_relations().normals


def _is_plain_denial(form: NormalForm) -> bool:
    relations, concept = load_relations(), form.concept
    vague = concept in relations.normals or relations.is_broad(concept) or relations.says_little(concept)
    return not vague and not asserts_presence(form)


def _in_two_degrees(findings: Sequence[Finding]) -> set[int]:
    """Return which findings say of one thing, at one place, another degree than another finding does."""
    relations = load_relations()
    graded: dict[object, dict[int, Severity]] = defaultdict(dict)
    for at, finding in enumerate(findings):
        for form in filter(_is_present, finding.normal_forms):
            if form.severity is not None:
                thing = min(relations.names(form.concept)), form.side, relations.telling_places(form)
                graded[thing].setdefault(at, form.severity)
    return {at for degrees in graded.values() if len({*degrees.values()}) > 1 for at in degrees}
