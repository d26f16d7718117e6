"""Words for normal forms: what the rules engine says of an image, in the short noun phrases of radiology.

Change since a prior is left out: a question about one image cannot see it. Nothing is added to the form.
"""

from collections.abc import Sequence

from miner.language import load_lexicon
from schemas.finding import NormalForm
from schemas.vocabulary import Certainty, Severity, Side

# Effusions, pneumothoraces and lesions have a size where other abnormalities have a degree.
_SIZES = {Severity.MINIMAL: "tiny", Severity.MILD: "small", Severity.MODERATE: "moderate", Severity.SEVERE: "large"}
_SIZED = ("pleural_effusion", "pneumothorax", "lung_lesion", "hernia")

_PLACES = {"svc": "superior vena cava", "cardiomediastinum": "mediastinum"}
_PLURALS = {"lung apex": "lung apices", "hilum": "hila"}
# Too wide to say anything, since every finding of a chest X-ray lies there, or what is seen rather than where.
_UNSAID = {"chest", "cardiopulmonary", "lung_marking", "lung_volume", "pulmonary_vasculature"}


def describe(form: NormalForm) -> str:
    """Give a noun phrase for a form that is present: "possible small left pleural effusion"."""
    lexicon = load_lexicon()
    side = "" if form.side in {None, Side.MIDLINE} else str(form.side)
    places = _places(form)
    words = [
        "possible" if form.certainty is Certainty.UNCERTAIN else "",
        _number(form),
        _degree(form),
        "" if places else side,
        lexicon.concepts[form.concept].name,
    ]
    phrase = " ".join(word for word in words if word)
    if places and form.side is Side.BILATERAL:
        phrase += f" in both {' and '.join(_PLURALS.get(place, f'{place}s') for place in places)}"
    elif places:
        phrase += f" in the {f'{side} ' if side else ''}{' and '.join(places)}"
    if form.size_mm is not None and lexicon.concepts[form.concept].kind == "abnormality":
        phrase += f" measuring {form.size_mm / 10:g} cm"
    return phrase


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


def _number(form: NormalForm) -> str:
    return "multiple" if form.number == "multiple" else ""


def _degree(form: NormalForm) -> str:
    if form.severity is None:
        return ""
    sized = any(form.concept in load_lexicon().descendants.get(concept, ()) for concept in _SIZED)
    return _SIZES[form.severity] if sized else str(form.severity)


def _places(form: NormalForm) -> list[str]:
    """Give the most specific places, unless they are the organ that the concept's name implies."""
    lexicon = load_lexicon()
    wider = {place for name in form.locations for place in lexicon.places[name] if place != name}
    organ = lexicon.concepts[form.concept].region
    named = [
        name for name in form.locations if name not in wider and name not in _UNSAID and organ not in {name, f"{name}s"}
    ]
    # "carina" beside a tube is what its tip was measured from, not where it is.
    if lexicon.concepts[form.concept].kind == "device":
        return []
    return [_PLACES.get(name, name.replace("_", " ")) for name in named]
