"""Words for normal forms: what the rules engine says of an image, in the short noun phrases of radiology.

Change since a prior is left out: a question about one image cannot see it. Nothing is added to the form.
"""

from collections.abc import Sequence

from cxr.miner.language import load_lexicon
from cxr.miner.mine.engines.nouns import is_counted, is_plural, place, plural, plural_of_place
from cxr.miner.pack import pack
from cxr.miner.pack.wording import Place
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Side


def describe(form: NormalForm, *, several: bool = False) -> str:
    """Return a noun phrase without article for a form that is present: "possible small left X".

    `several` says that the report names it in the plural.
    """
    lexicon, words = load_lexicon(), pack().wording.phrases
    places = _places(form)
    said_there = bool(places) and not places[0].unique
    side = "" if form.side in {None, Side.MIDLINE} or said_there else str(form.side)
    name = lexicon.concepts[form.concept].name
    said = ["possible" if form.certainty is Certainty.UNCERTAIN else ""]
    adjective, _, noun = name.partition(" ")
    if adjective in words.adjectives:  # "mildly enlarged left X"
        said += [_number(form, name), words.adverbs[form.severity] if form.severity else "", adjective, side, noun]
    else:
        said += [_number(form, name), _degree(form), side, name]
    phrase = " ".join(word for word in said if word)
    if several or form.number == "multiple" or form.side is Side.BILATERAL:
        phrase = plural(phrase)
    if places:
        phrase += f" {_preposition(form)} {_where(places, form.side, several=is_plural(phrase))}"
    if form.size_mm is not None and lexicon.concepts[form.concept].kind == "abnormality":
        phrase += f" measuring {form.size_mm / 10:g} cm"
    return phrase


def describe_borderline(form: NormalForm) -> str:
    """Return the words for what the report calls borderline, which is neither normal nor surely abnormal."""
    return pack().wording.phrases.borderline.get(form.concept) or describe(form)


def more_telling(forms: Sequence[NormalForm]) -> list[NormalForm]:
    """Leave out the forms that another form of the list says with more detail; they come in text order."""
    kept: list[NormalForm] = []
    for form in forms:
        if any(_says_all_of(other, form) for other in kept):
            continue
        kept = [other for other in kept if not _says_all_of(form, other)] + [form]
    return kept


def _says_all_of(other: NormalForm, form: NormalForm) -> bool:
    if other.concept not in load_lexicon().descendants[form.concept] or other.presence is not form.presence:
        return False
    if other.certainty is Certainty.UNCERTAIN and form.certainty is Certainty.CERTAIN:
        return False
    known = ((form.side, other.side), (form.severity, other.severity), (form.size_mm, other.size_mm))
    return all(mine in {None, theirs} for mine, theirs in known) and set(form.locations) <= set(other.locations)


def _number(form: NormalForm, name: str) -> str:
    return "multiple" if form.number == "multiple" and (is_counted(name) or is_plural(name)) else ""


def _degree(form: NormalForm) -> str:
    if form.severity is None:
        return ""
    words, kinds = pack().wording.phrases, load_lexicon().descendants
    sized = any(form.concept in kinds[concept] for concept in words.sized)
    return words.sizes[form.severity] if sized else str(form.severity)


def _places(form: NormalForm) -> list[Place]:
    """Return the most specific places, unless they are the organ that the concept's name implies."""
    lexicon, words = load_lexicon(), pack().wording.phrases
    wider = {place for name in form.locations for place in lexicon.places[name] if place != name}
    concept = lexicon.concepts[form.concept]
    organ = concept.region
    wider.update(words.unsaid)
    named = [name for name in form.locations if name not in wider and organ not in {name, f"{name}s"}]
    # What is named beside a device is what its tip was measured from, not where it is.
    if concept.kind == "device":
        return []
    # Left and right of several places: which side goes with which place is not known.
    if form.side is Side.BILATERAL and len(named) > 1:
        return []
    if organ in words.deep:  # a structure in front of it, or behind, adds nothing to where it is
        named = [name for name in named if lexicon.parts[name].region.id not in words.overlying] or named
    places = [place(name) for name in named]
    # What has sides comes with places that have them, or is said without the others.
    sided = [one for one in places if not one.unique]
    return sided if sided and form.side not in {None, Side.MIDLINE} else places


def _preposition(form: NormalForm) -> str:
    """Say "over" of a deep finding and an overlying structure: they only lie behind one another on the image."""
    lexicon, words = load_lexicon(), pack().wording.phrases
    regions = [lexicon.parts[name].region.id for name in form.locations]
    over = lexicon.concepts[form.concept].region in words.deep and any(region in words.overlying for region in regions)
    inside = any(region in words.deep for region in regions)
    return "over" if over and not inside else "in"


def _where(places: Sequence[Place], side: Side | None, *, several: bool) -> str:
    """Say the places with their side; one of many may be meant ("in a left Y", "in left Ys")."""
    names = [one.name for one in places]
    one_of_many = len(places) == 1 and places[0].one_of_many
    sided = side not in {None, Side.MIDLINE} and not places[0].unique
    if sided and side is Side.BILATERAL:
        several_places = plural_of_place(names[0])
        return f"{several_places} on both sides" if one_of_many else f"both {several_places}"
    before = f"{side} " if sided else ""
    if one_of_many:
        return f"{before}{plural_of_place(names[0])}" if several else f"a {before}{names[0]}"
    return _innermost_first(names, before)


def _innermost_first(names: Sequence[str], side: str) -> str:
    """Say "the inner part of the left Y" for a part and what holds it, else join the places."""
    nested = pack().wording.phrases.nested
    if nested is not None and len(names) == 2:
        parts = [name for name in names if name.endswith(f" {nested.part}")]
        wholes = [name for name in names if name.endswith(f" {nested.whole}")]
        if parts and wholes:
            return f"the {parts[0]} of the {side}{wholes[0]}"
    return f"the {side}{' and '.join(names)}"
