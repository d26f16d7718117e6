"""Words for normal forms: what the rules engine says of an image, in the short noun phrases of radiology.

Change since a prior is left out: a question about one image cannot see it. Nothing is added to the form.
"""

from collections.abc import Sequence

from cxr.miner.language import load_lexicon
from cxr.miner.mine.engines.nouns import Place, is_counted, is_plural, place, plural, plural_of_place
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Severity, Side

# Effusions, pneumothoraces and lesions have a size where other abnormalities have a degree.
_SIZES = {Severity.MINIMAL: "tiny", Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}
_SIZED = ("pleural_effusion", "pneumothorax", "lung_lesion", "hernia")

# A degree of these is an adverb, and a side goes with their noun: "mildly elevated left hemidiaphragm".
_ADJECTIVES = {"elevated", "enlarged", "tortuous", "prominent", "obscured", "hyperlucent", "low"}
_ADVERBS = {
    Severity.MINIMAL: "minimally",
    Severity.MILD: "mildly",
    Severity.MODERATE: "moderately",
    Severity.SEVERE: "severely",
}

_DEEP = {"lungs", "pleura"}
_OVERLYING = {"bones", "spine", "soft_tissues", "diaphragm", "abdomen"}

# Too wide to say anything, since every finding of a chest X-ray lies there, or what is seen rather than where.
_UNSAID = {"chest", "cardiopulmonary", "lung_marking", "lung_volume", "pulmonary_vasculature"}


def describe(form: NormalForm, *, several: bool = False) -> str:
    """Return a noun phrase without article for a form that is present: "possible small left pleural effusion".

    `several` says that the report names it in the plural.
    """
    lexicon = load_lexicon()
    places = _places(form)
    said_there = bool(places) and not places[0].unique
    side = "" if form.side in {None, Side.MIDLINE} or said_there else str(form.side)
    name = lexicon.concepts[form.concept].name
    words = ["possible" if form.certainty is Certainty.UNCERTAIN else ""]
    adjective, _, noun = name.partition(" ")
    if adjective in _ADJECTIVES:
        words += [_number(form, name), _ADVERBS.get(form.severity, "") if form.severity else "", adjective, side, noun]
    else:
        words += [_number(form, name), _degree(form), side, name]
    phrase = " ".join(word for word in words if word)
    if several or form.number == "multiple" or form.side is Side.BILATERAL:
        phrase = plural(phrase)
    if places:
        phrase += f" {_preposition(form)} {_where(places, form.side, several=is_plural(phrase))}"
    if form.size_mm is not None and lexicon.concepts[form.concept].kind == "abnormality":
        phrase += f" measuring {form.size_mm / 10:g} cm"
    return phrase


def describe_borderline(form: NormalForm) -> str:
    """Return the words for a heart of borderline size, which is neither normal nor surely enlarged."""
    return "borderline enlarged heart" if form.concept == "cardiomegaly" else describe(form)


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
    sized = any(form.concept in load_lexicon().descendants.get(concept, ()) for concept in _SIZED)
    return _SIZES[form.severity] if sized else str(form.severity)


def _places(form: NormalForm) -> list[Place]:
    """Return the most specific places, unless they are the organ that the concept's name implies."""
    lexicon = load_lexicon()
    wider = {place for name in form.locations for place in lexicon.places[name] if place != name}
    concept = lexicon.concepts[form.concept]
    organ = concept.region
    named = [
        name for name in form.locations if name not in wider and name not in _UNSAID and organ not in {name, f"{name}s"}
    ]
    # "carina" beside a tube is what its tip was measured from, not where it is.
    if concept.kind == "device":
        return []
    # Left and right of several places: which side goes with which place is not known.
    if form.side is Side.BILATERAL and len(named) > 1:
        return []
    if organ in _DEEP:  # the rib that an opacity projects over adds nothing to its lobe
        named = [name for name in named if lexicon.parts[name].region.id not in _OVERLYING] or named
    places = [place(name) for name in named]
    # What has sides comes with places that have them, or is said without the others.
    sided = [one for one in places if not one.unique]
    return sided if sided and form.side not in {None, Side.MIDLINE} else places


def _preposition(form: NormalForm) -> str:
    """Say "over" of a lung finding and a bone: they only lie behind one another on the image."""
    lexicon = load_lexicon()
    over = lexicon.concepts[form.concept].region in _DEEP and any(
        lexicon.parts[name].region.id in _OVERLYING for name in form.locations
    )
    inside = any(lexicon.parts[name].region.id in _DEEP for name in form.locations)
    return "over" if over and not inside else "in"


def _where(places: Sequence[Place], side: Side | None, *, several: bool) -> str:
    """Say the places with their side; a rib is one of many ("in a left rib", "in left ribs")."""
    names = [one.name for one in places]
    one_of_many = len(places) == 1 and places[0].one_of_many
    sided = side not in {None, Side.MIDLINE} and not places[0].unique
    if sided and side is Side.BILATERAL:
        return "ribs on both sides" if one_of_many else f"both {plural_of_place(names[0])}"
    before = f"{side} " if sided else ""
    if one_of_many:
        return f"{before}{plural_of_place(names[0])}" if several else f"a {before}{names[0]}"
    return _segment_first(names, before)


def _segment_first(names: Sequence[str], side: str) -> str:
    """Say "the superior segment of the left lower lobe" for a segment and its lobe, else join the places."""
    segments = [name for name in names if name.endswith(" segment")]
    lobes = [name for name in names if name.endswith(" lobe")]
    if len(names) == 2 and segments and lobes:
        return f"the {segments[0]} of the {side}{lobes[0]}"
    return f"the {side}{' and '.join(names)}"
