"""The lexicon as relations: kinds, names of the same thing, signs, denials, places.

Everything here is data of the pack; this module closes the relations over their chains once and
answers look-ups.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from cxr.miner.judge.reasons import Reason
from cxr.miner.language.lexicon import Lexicon, load_lexicon
from cxr.miner.pack import pack
from cxr.miner.pack.judging import RelationTables
from cxr.schemas import NormalForm, Presence, Side


class Normal(NamedTuple):
    """A normal of the lexicon: what follows from it and what cannot be there when it holds."""

    entails: frozenset[str]
    """The normal itself and the normals that follow from it."""
    excludes: tuple[str, ...]
    """The abnormalities that it rules out; the first is the structure's own."""
    everything: tuple[str, ...]
    """All abnormalities of the structure and of those that are normal with it."""
    broken_by: tuple[str, ...]
    """The abnormalities that stand against it."""
    said_by: tuple[str, ...]
    """The abnormalities of which one denial amounts to calling the structure normal."""
    said_by_all: tuple[str, ...]
    """The abnormalities whose denials together amount to it."""


class Relations:
    """What follows from what, between concepts and between places."""

    def __init__(self, lexicon: Lexicon, table: RelationTables) -> None:
        self._table = table
        kinds = table.kinds
        self._broad, self._acute = frozenset(kinds.broad), frozenset(kinds.acute_in_general)
        self._counted, self._diffuse = frozenset(kinds.counted), frozenset(kinds.diffuse)
        self._little = frozenset(kinds.says_little)
        self._midline = frozenset(kinds.midline)
        self._acute_at = {name: region.acute for name, region in lexicon.regions.items()}
        self._anywhere = frozenset(table.regions.anywhere)
        self._near_anything = self._anywhere.union(table.regions.near_anything)
        self._border_said = re.compile(table.border.said, re.IGNORECASE) if table.border is not None else None
        self._same = _groups(group.concepts for group in table.same)
        concepts = lexicon.concepts.values()
        self._region = {concept.id: concept.region for concept in concepts}
        parents = {concept.id: concept.is_a for concept in concepts}
        self._chains = {name: self._with_names(_closure(name, parents)) for name in parents}
        self._kinds = {name: frozenset(chain) for name, chain in self._chains.items()}
        self._implied = {name: self._implications(name) for name in parents}
        self._granting = {name: _union(table.granted.get(each, ()) for each in self.names(name)) for name in parents}
        self.normals = _normals(lexicon, table)
        self._normal_of: dict[str, str] = {}
        for region in lexicon.regions.values():
            if region.abnormal in self._little and region.normal in self.normals:
                self._normal_of.setdefault(region.abnormal, region.normal)
        self._part_region = {name: part.region.id for name, part in lexicon.parts.items()}
        self._only = {name: part.only for name, part in lexicon.parts.items() if part.only is not None}
        self._around = {name: whole - {name} for name, whole in lexicon.places.items()}
        self._overlapping = _groups(group.places for group in table.overlapping_places)
        self._organs = _groups_of_regions(table.organs)
        self._places_of = lru_cache(maxsize=4096)(self._find_telling_places)

    def _with_names(self, concepts: Iterable[str]) -> tuple[str, ...]:
        """Add the other names of each concept, without what those are kinds of; narrow before wide."""
        return _union((concept, *sorted(self._same.get(concept, ()))) for concept in concepts)

    def _implications(self, concept: str) -> dict[str, Reason]:
        """Return what a present concept implies and in which way: itself, its kinds, and their signs."""
        implied = dict.fromkeys(self._chains[concept], Reason.MORE_GENERAL)
        for kind in self._chains[concept]:
            for sign in self._table.signs.get(kind, ()):
                implied.setdefault(sign, Reason.ENTAILED_BY_SIGN)
        for name in (concept, *self._same.get(concept, ())):
            implied[name] = Reason.STATED
        return implied

    def implied_by(self, concept: str) -> Iterable[str]:
        """Return all concepts that are present when this one is."""
        return self._implied.get(concept, {concept: Reason.STATED})

    def why_implied(self, concept: str, implied: str) -> Reason:
        """Return in which way a present concept implies another."""
        return self._implied.get(concept, {}).get(implied, Reason.STATED)

    def denied_with(self, concept: str) -> frozenset[str]:
        """Return the concepts whose denial denies this one: itself and everything that it is a kind of."""
        return self._kinds.get(concept) or frozenset({concept})

    def chain(self, concept: str) -> tuple[str, ...]:
        """Return the same concepts in a fixed order, narrow before wide, so that evidence never depends on hashing."""
        return self._chains.get(concept) or (concept,)

    def hinted_absent_by(self, concept: str) -> Iterable[str]:
        """Return the concepts whose denial speaks for the absence of this one."""
        return self._table.hints.get(concept, ())

    def granting(self, concept: str) -> tuple[str, ...]:
        """Return the concepts by which radiologists take this one, or another name of it, to be there."""
        return self._granting.get(concept, ())

    def granting_normal(self, normal: str) -> tuple[str, ...]:
        """Return the concepts by whose denial radiologists take a list to hold a normal."""
        return self._table.granted_normal.get(normal, ())

    def names(self, concept: str) -> Iterable[str]:
        """Return the concept and its other names."""
        return (concept, *sorted(self._same.get(concept, ())))

    def same_thing(self, one: str, other: str) -> bool:
        """Return whether two concepts name one abnormality."""
        return one == other or other in self._same.get(one, ())

    def alike(self, one: str, other: str) -> bool:
        """Return whether two concepts name one abnormality, or two things that are counted."""
        return self.same_thing(one, other) or (one in self._counted and other in self._counted)

    def is_broad(self, concept: str) -> bool:
        """Return whether a patient may have several unrelated instances of the concept."""
        return concept in self._broad

    def is_acute_only(self, concept: str) -> bool:
        """Return whether a concept stands for acute abnormality in general."""
        return concept in self._acute

    def says_little(self, concept: str) -> bool:
        """Return whether a concept only says that something is wrong with a structure, or that a device sits well."""
        return concept in self._little

    def is_counted(self, concept: str) -> bool:
        """Return whether the singular of the concept's name means one of them ("a hole", but not "fog")."""
        return concept in self._counted

    def is_diffuse(self, concept: str) -> bool:
        """Return whether the concept spreads over its organ, so that it says nothing on one zone."""
        return concept in self._diffuse

    def ruled_out_by(self, normal: str, words: str, *, in_report: bool) -> Iterable[str]:
        """Return what a normal rules out in these words.

        In a report only what follows directly: "intact" structures are unbroken, a "negative" image has nothing acute.
        In a list of findings a normal structure holds the absence of all that could be wrong with it.
        """
        if not in_report:
            return self._table.list_ruled_out.get(normal, self.normals[normal].everything)
        narrowed = self._narrowed(normal, words)
        if narrowed is not None:
            return narrowed
        return self._table.report_ruled_out.get(normal, self.normals[normal].excludes)

    def hinted_by(self, normal: str, words: str) -> Iterable[str]:
        """Return what these words for a normal speak against without ruling it out: "intact" is hardly bent."""
        return self.normals[normal].excludes if self._narrowed(normal, words) is not None else ()

    def _narrowed(self, normal: str, words: str) -> Iterable[str] | None:
        """Return what alone a normal rules out in words like "intact"; None where the words say no such thing."""
        for narrowed in self._table.narrowed:
            if narrowed.word in words and normal in narrowed.ruled_out:
                return narrowed.ruled_out[normal]
        return None

    def without_detail(self, concept: str) -> Iterable[str]:
        """Return the concepts that lack only a detail of this one (X, of striped X)."""
        return self._table.details.get(concept, ())

    def why_normal(self, normal: str) -> str:
        """Return the reason for which something is absent where this normal holds."""
        return self._table.reasons.get(normal, Reason.ENTAILED_BY_NORMAL_STRUCTURE)

    def sharpened(self, form: NormalForm, words: str) -> NormalForm:
        """Return the form under the concept that its place, and a word that qualifies it, make of it."""
        concept = form.concept
        for sharpened in self._table.sharpened:
            if sharpened.word in words and not any(word in words for word in sharpened.unless):
                concept = sharpened.becomes.get(concept, concept)
        for place in self.telling_places(form):
            concept = self._table.at_place.get(self._part_region.get(place, ""), {}).get(concept, concept)
        return form if concept == form.concept else form.model_copy(update={"concept": concept})

    def over_the_border(self, form: NormalForm, words: str) -> NormalForm:
        """Return the form with the structure that the words take its place to be a part of, where they do."""
        border = self._table.border
        if border is None or border.part not in form.locations or border.of in form.locations:
            return form
        if self._border_said is None or not self._border_said.search(words):
            return form
        return form.model_copy(update={"locations": (*form.locations, border.of)})

    def as_normal(self, form: NormalForm) -> NormalForm:
        """Return "no abnormality of Y" as what it means: Y is normal."""
        normal = self._normal_of.get(form.concept)
        if normal is None or form.presence is not Presence.ABSENT:
            return form
        return form.model_copy(update={"concept": normal, "presence": Presence.PRESENT})

    def is_empty_denial(self, form: NormalForm, words: str) -> bool:
        """Return whether a denial denies nothing in particular ("without typical findings of", "no complication")."""
        return form.concept == pack().roles.anything and form.presence is Presence.ABSENT and "abnormal" not in words

    def is_midline(self, concept: str) -> bool:
        """Return whether a concept lies in the middle, so that a side of it is another thing."""
        return concept in self._midline

    def side_of(self, form: NormalForm) -> Side | None:
        """Return the side of a form: as told, or that of a place that is on one side only."""
        if form.side is not None or not form.locations:
            return form.side
        sides = {self._only.get(place) for place in form.locations}
        return sides.pop() if len(sides) == 1 else None

    def related(self, one: str, other: str) -> bool:
        """Return whether one concept is a kind or a sign of the other, or another name of it."""
        return other in self._implied.get(one, ()) or one in self._implied.get(other, ())

    def same_instance(self, one: str, other: str) -> bool:
        """Return whether two mentions of these concepts may speak of one and the same thing."""
        return self.same_thing(one, other) or self.related(one, other)

    def same_region(self, one: str, other: str) -> bool:
        """Return whether two concepts are at home in the same organ."""
        return bool(self._organ(self._region.get(one, "")) & self._organ(self._region.get(other, "")))

    def acute_at(self, concept: str) -> str | None:
        """Return what something acute is called in general where a concept is at home."""
        return self._acute_at.get(self._region.get(concept, ""))

    def is_at_home(self, concept: str, region: str) -> bool:
        """Return whether a concept is at home in the organ of a region."""
        return bool(self._organ(self._region.get(concept, "")) & self._organ(region))

    def is_part(self, place: str, whole: str) -> bool:
        """Return whether a place lies in another."""
        return whole in self._around.get(place, ())

    def overlap(self, one: str, other: str) -> bool:
        """Return whether two places are used for each other."""
        return other in self._overlapping.get(one, ())

    def in_one_organ_with_zones(self, one: str, other: str) -> bool:
        """Return whether both places are zones of the organ where another zone is another place of the same thing."""
        zoned = self._table.regions.zoned
        return zoned in self._organ_of_place(one) and zoned in self._organ_of_place(other)

    def telling_places(self, form: NormalForm) -> tuple[str, ...]:
        """Return the places of a form that narrow its concept down: not the organ that it is in anyway."""
        return self._places_of(form.concept, form.locations)

    def likely_places(self, form: NormalForm) -> tuple[str, ...]:
        """Return the places of something that is there: as told, or where such a thing usually is."""
        return self.telling_places(form) or self._table.usual_places.get(form.concept, ())

    def place_fits_concept(self, places: Iterable[str], concept: str) -> bool:
        """Return whether something that is somewhere in its region may be at one of these places."""
        region = self._region.get(concept)
        if region is None or region in self._near_anything:
            return True
        organs = self._organ(region).union(self._table.reaches.get(region, ()))
        for place in places:
            near = {place, *self._around.get(place, ())}
            if any(self._organ_of_place(other) & organs for other in near):
                return True
        return False

    def reaches_place_of(self, concept: str, other: NormalForm) -> bool:
        """Return whether a concept may be where another thing is: X at the foot of what lies beside it."""
        region, there = self._region.get(concept, ""), self._region.get(other.concept, "")
        reached = there in self._table.reaches.get(region, ()) or region in self._table.reaches.get(there, ())
        return reached and not self.is_diffuse(concept)

    def place_is_denied(self, denial: NormalForm, form: NormalForm) -> bool:
        """Return whether a denial without a place reaches the finding's: a clear Y says nothing about Z.

        A place on the border is neither in Y nor out of it: X there does not contradict a clear Y, but who denies one
        "at the border of Y" is right by a clear Y.
        """
        places = self.telling_places(form)
        if not places or denial.concept == form.concept:
            return True
        border = self._table.border
        if form.presence is Presence.ABSENT and border is not None and border.of in form.locations:
            return True
        return self.place_fits_concept(places, denial.concept)

    def _organ_of_place(self, place: str) -> frozenset[str]:
        return self._organ(self._part_region.get(place, place))

    def _organ(self, region: str) -> frozenset[str]:
        return self._organs.get(region, frozenset({region}))

    def _find_telling_places(self, concept: str, locations: tuple[str, ...]) -> tuple[str, ...]:
        if not locations:
            return ()
        region = self._region.get(concept)
        told = [
            place
            for place in locations
            if self._part_region.get(place) not in self._anywhere
            and (self._part_region.get(place) != region or self._around.get(place))
        ]
        return tuple(
            place for place in told if not any(place in self._around.get(other, ()) for other in told if other != place)
        )


def _closure(start: str, edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Follow edges from a name to everything that can be reached, the name first, near before far."""
    reached = [start]
    for name in reached:
        reached.extend(target for target in edges.get(name, ()) if target not in reached)
    return tuple(dict.fromkeys(reached))


def _groups(groups: Iterable[Iterable[str]]) -> dict[str, frozenset[str]]:
    """Return each name the other members of its groups."""
    members: dict[str, frozenset[str]] = {}
    for group in groups:
        names = frozenset(group)
        for name in names:
            members[name] = members.get(name, frozenset()) | (names - {name})
    return members


def _groups_of_regions(organs: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    """Return each region the organs that it belongs to."""
    belongs: dict[str, frozenset[str]] = {}
    for organ, regions in organs.items():
        for region in regions:
            belongs[region] = belongs.get(region, frozenset()) | {organ}
    return belongs


def _normals(lexicon: Lexicon, table: RelationTables) -> dict[str, Normal]:
    """Collect the lexicon's normals with all that follows from them."""
    normals = {}
    for name, concept in lexicon.concepts.items():
        if concept.kind != "normal":
            continue
        entailed = lexicon.also_normal[name]
        chain = (name, *sorted(entailed - {name}))
        own = {each: lexicon.concepts[each].entails_absence for each in chain}
        excluded = _union(table.ruled_out.get(each, own[each]) for each in chain)
        broken = _union(table.broken_by.get(each, own[each]) for each in chain)
        normals[name] = Normal(
            entails=entailed,
            excludes=excluded,
            everything=_union(own.values()),
            broken_by=broken,
            said_by=table.normal_when_denied.get(name, ()) or excluded[:1],
            # A group that is not given can never be denied as a whole.
            said_by_all=table.normal_when_all_denied.get(name, ("",)),
        )
    return normals


def _union(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return the members of all groups, each once, in order."""
    return tuple(dict.fromkeys(member for group in groups for member in group))


@lru_cache(maxsize=1)
def load_relations() -> Relations:
    """Return the relations of the pack, built once."""
    return Relations(load_lexicon(), pack().relations)
