"""Words for normal forms: what the rules engine says of an image, in the short noun phrases of radiology.

Change since a prior is left out: a question about one image cannot see it. Nothing is added to the form.
"""

from collections.abc import Container, Sequence

from cxr.miner.language import load_lexicon
from cxr.miner.mine.engines.nouns import is_counted, is_plural, place, plural, plural_of_place
from cxr.miner.pack import pack
from cxr.miner.pack.wording import Place
from cxr.schemas.finding import NormalForm
from cxr.schemas.vocabulary import Certainty, Side

# Further ones of a label are left out: nobody reads them, and each is compared with each.
_MOST_FORMS = 24
_ONE_SIDE = (Side.LEFT, Side.RIGHT)


def describe(form: NormalForm, *, several: bool = False, words_said: Container[str] = ()) -> str:
    """Return a noun phrase without article for a form that is present: "possible small left X".

    `several` says that the report names it in the plural; `words_said` are its words, where they are known: of two
    words for one degree ("small" and "mild") it is said with the one that stands there.
    """
    words = pack().wording.phrases
    places = _places(form)
    side = _side(form, places)
    name, places_said = _name(form, places)
    several = several or form.number == "multiple" or form.side is Side.BILATERAL
    size = "" if several else _size(form)  # of several, one is measured
    said = ["possible" if form.certainty is Certainty.UNCERTAIN else "", _number(form, name)]
    adjective, _, noun = name.partition(" ")
    if adjective in words.adjectives:  # "mildly enlarged left X"
        said += [words.adverbs[form.severity] if form.severity and _is_graded(form) else ""]
        said += [adjective, size, side, noun]
    else:
        said += [_degree(form, words_said), size, side, name]
    phrase = " ".join(word for word in said if word)
    if several:
        phrase = plural(phrase)
    if places_said:
        where = _where(places, form.side, several=is_plural(phrase))
        phrase += f" {_preposition(form, places)} {where}"
    return phrase


def describe_borderline(form: NormalForm) -> str:
    """Return the words for what the report calls borderline, which is neither normal nor surely abnormal."""
    return pack().wording.phrases.borderline.get(form.concept) or describe(form)


def merged(said: Sequence[tuple[NormalForm, bool]]) -> list[tuple[NormalForm, bool]]:
    """Make one of the forms that may be one thing said twice, each with whether it is named in the plural.

    A report describes a thing in its findings and sums it up in its impression. A form goes into another of the same
    concept where no attribute of theirs differs and no third one fits it as well, or where the other says all of it.
    """
    kept = list(dict.fromkeys(said))[:_MOST_FORMS]
    while True:
        for one, (form, several) in enumerate(kept):
            fitting = [two for two, (other, _) in enumerate(kept) if two != one and _may_be_one(other, form)]
            if len(fitting) == 1 or any(_says_all_of(kept[two][0], form) for two in fitting):
                two = next((two for two in fitting if _says_all_of(kept[two][0], form)), fitting[0])
                other, plural_too = kept[two]
                kept[two] = (
                    _as_one(other, form, later=one > two),
                    plural_too or (several and other.concept == form.concept),
                )
                del kept[one]
                break
        else:
            return kept


def _may_be_one(other: NormalForm, form: NormalForm) -> bool:
    """Return whether a form can be another said with other details, or is all said by it."""
    told_apart = [(each.concept, each.presence, each.certainty, each.number) for each in (form, other)]
    if told_apart[0] != told_apart[1] or _says_all_of(other, form):
        return _says_all_of(other, form)
    known: list[tuple[object, object]] = [(form.side, other.side), (form.size_mm, other.size_mm)]
    if not _is_one_a_side(form) or form.locations != other.locations:
        known.append((form.severity, other.severity))
    nested = within(form.locations, other.locations) or within(other.locations, form.locations)
    return all(mine == theirs or None in {mine, theirs} for mine, theirs in known) and nested


def within(places: Sequence[str], others: Sequence[str]) -> bool:
    """Return whether each place is among the others, by its own name or one that is used for it."""
    overlaps = [set(overlap.places) for overlap in pack().relations.overlapping_places]
    used = set(others).union(*(overlap for overlap in overlaps if overlap & set(others)))
    return set(places) <= used


def _is_one_a_side(form: NormalForm) -> bool:
    """Return whether two degrees of a form are one thing graded twice: there is one of its kind, or one on its side."""
    words = pack().wording.phrases
    return form.concept in words.unsided or (form.concept in words.one_a_side and form.side is not None)


def _as_one(other: NormalForm, form: NormalForm, *, later: bool) -> NormalForm:
    """Return what two forms say together; of two degrees the later one stands, which is the impression's."""
    first, second = (form, other) if later else (other, form)
    return other.model_copy(
        update={
            "side": other.side or form.side,
            "severity": first.severity or second.severity,
            "size_mm": other.size_mm or form.size_mm,
            "locations": max(other.locations, form.locations, key=len),
        }
    )


def _says_all_of(other: NormalForm, form: NormalForm) -> bool:
    if other.concept not in load_lexicon().descendants[form.concept] or other.presence is not form.presence:
        return False
    if other.certainty is Certainty.UNCERTAIN and form.certainty is Certainty.CERTAIN:
        return False
    sides = {None, other.side, *(_ONE_SIDE if other.side is Side.BILATERAL else ())}
    known = ((form.severity, other.severity), (form.size_mm, other.size_mm))
    is_device = load_lexicon().concepts[form.concept].kind == "device"  # which is said without its places
    if form.number == "multiple" and other.number != "multiple" and not is_device:
        return False
    nested = is_device or set(form.locations) <= set(other.locations)
    return form.side in sides and all(mine in {None, theirs} for mine, theirs in known) and nested


def _is_graded(form: NormalForm) -> bool:
    """Return whether a form's degree and size are those of its concept; a device has none."""
    concept = load_lexicon().concepts[form.concept]
    return concept.kind == "abnormality" and form.concept not in pack().wording.phrases.ungraded


def _size(form: NormalForm) -> str:
    return f"{form.size_mm / 10:g} cm" if form.size_mm is not None and _is_graded(form) else ""


def _side(form: NormalForm, places: Sequence[Place]) -> str:
    """Return the side that stands before the noun: not where it stands before a place, or there is one only."""
    said_there = bool(places) and (not places[0].unique or any(one.on_one_side for one in places))
    no_side = form.side in {None, Side.MIDLINE} or form.concept in pack().wording.phrases.unsided
    return "" if no_side or said_there else str(form.side)


def _name(form: NormalForm, places: Sequence[Place]) -> tuple[str, bool]:
    """Return a form's name, and whether its places belong behind it.

    A whole in the name gives way to its parts: "changes of the Y", in the upper Y, are "changes of the upper Y".
    """
    name = load_lexicon().concepts[form.concept].name
    stem, of, whole = name.rpartition(" of the ")
    if not of or not places:
        return name, bool(places)
    if all(one.name.endswith(f" {whole}") for one in places):
        return stem, True
    return name, not all(one.name == whole for one in places)


def _number(form: NormalForm, name: str) -> str:
    return "multiple" if form.number == "multiple" and (is_counted(name) or is_plural(name)) else ""


def _degree(form: NormalForm, words_said: Container[str]) -> str:
    if form.severity is None or not _is_graded(form):
        return ""
    words, kinds = pack().wording.phrases, load_lexicon().descendants
    sized = any(form.concept in kinds[concept] for concept in words.sized)
    size, degree = words.sizes[form.severity], str(form.severity)
    return size if sized or (size in words_said and degree not in words_said) else degree


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


def _preposition(form: NormalForm, places: Sequence[Place]) -> str:
    """Return the preposition of a concept or a place that has one of its own, else "in".

    Say "over" of a deep finding and an overlying structure: they only lie behind one another on the image.
    """
    lexicon, words = load_lexicon(), pack().wording.phrases
    own = (words.prepositions.get(form.concept), *(one.preposition for one in places))
    if said := next(filter(None, own), None):
        return said
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
