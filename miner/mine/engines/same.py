"""One thing that a report calls by two names: one in its findings, and another one in its impression."""

from collections.abc import Mapping, Sequence

from cxr.miner.language.analysis import analyse_report
from cxr.miner.language.labeler import LabelEvidence
from cxr.miner.language.lexicon import load_lexicon
from cxr.miner.language.sides import ONE_SIDE
from cxr.miner.language.structures import says_concept
from cxr.miner.mine.engines.wording import within
from cxr.miner.pack import pack
from cxr.schemas.finding import NormalForm


def named_once(
    mentions: Sequence[LabelEvidence], placed: Mapping[int, tuple[NormalForm, ...]], report_text: str
) -> dict[int, tuple[NormalForm, ...]]:
    """Return the forms of mentions, each thing by the last of its names.

    Two names are one thing where each stands for one, in sentences of their own, on one side and in no other place.
    """
    analysis = analyse_report(report_text)
    forms = {each.mention: placed[each.mention] for each in mentions}
    single = [each for each in mentions if not each.several and len(forms[each.mention]) == 1]
    for at, one in enumerate(single):
        for other in single[at + 1 :]:
            apart = analysis.mentions[one.mention].sentence != analysis.mentions[other.mention].sentence
            (form,), (later,) = forms[one.mention], forms[other.mention]
            if apart and _one_thing(form, later):
                forms[one.mention] = (_renamed(form, later.concept),)
    return forms


def _renamed(form: NormalForm, concept: str) -> NormalForm:
    """Return a form by another name, without a place that this name says."""
    lexicon = load_lexicon()
    region = lexicon.concepts[concept].region
    places = tuple(place for place in form.locations if not says_concept(lexicon.parts[place], concept, region))
    return form.model_copy(update={"concept": concept, "locations": places})


def _one_thing(form: NormalForm, later: NormalForm) -> bool:
    names = next((names for names in pack().wording.phrases.one_thing if form.concept in names), ())
    if later.concept not in names or later.concept == form.concept or form.side not in ONE_SIDE:
        return False
    sizes, numbers = {form.size_mm, later.size_mm}, {form.number, later.number}
    nested = within(form.locations, later.locations) or within(later.locations, form.locations)
    return form.side is later.side and nested and "multiple" not in numbers and (len(sizes) == 1 or None in sizes)
