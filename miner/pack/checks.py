"""Whether the tables of a pack agree: every id, label, region and place that one names is declared in another."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from cxr.miner.kit.errors import PackError
from cxr.miner.pack.tables import known

if TYPE_CHECKING:
    from cxr.miner.pack.load import Pack
    from cxr.miner.pack.phantom import Phantom

LABEL, ASKED, CONCEPT, NORMAL = "label", "label with questions", "concept", "normal"
REGION, PLACE, EITHER, ADJECTIVE = "region", "place", "region or place", "adjective"
ORGAN, TURN, GENERIC, ZONE = "organ", "region of signs.toml", "word of [generic] in lexicon/cues.toml", "zone"


class Reference(NamedTuple):
    """A name in one table that another has to declare."""

    file: str
    entry: str
    name: str
    kind: str


def check(pack: "Pack") -> None:
    """Raise PackError, in one sentence, for the first table that does not fit, contradicts another or lacks an entry.

    Reads every table but the phantom.
    """
    assert pack.example and pack.views and pack.compounds and pack.spelling  # noqa: S101, PT018 - read, to be validated
    assert pack.section_headers and pack.judge_words and pack.questions  # noqa: S101, PT018
    declared = _declared(pack)
    for reference in _references(pack):
        _demand(pack, reference, declared[reference.kind])
    for file, entry in _gaps(pack):
        raise PackError(f"the pack {pack.name}: {file} has no entry {entry}; add it")


def check_phantom(pack: "Pack", table: "Phantom") -> None:
    """Raise PackError for a label of a phantom that no question is asked about."""
    for finding in table.finding:
        _demand(pack, Reference("phantom.toml", f"{finding.name}.label", finding.label, ASKED), pack.question_labels)


def _demand(pack: "Pack", reference: Reference, declared: Collection[str]) -> None:
    try:
        known(reference.name, declared, reference.kind)
    except ValueError as error:
        raise PackError(f"the pack {pack.name}: {reference.file}: {reference.entry}: {error}") from None


def _declared(pack: "Pack") -> Mapping[str, Collection[str]]:
    concepts = _concepts(pack)
    anatomy = pack.anatomy
    return {
        LABEL: pack.label_names,
        ASKED: pack.question_labels,
        CONCEPT: concepts,
        NORMAL: {name for name, (_, kind) in concepts.items() if kind == "normal"},
        REGION: anatomy.region,
        PLACE: anatomy.part,
        EITHER: {*anatomy.region, *anatomy.part},
        ADJECTIVE: pack.modifiers.state,
        ORGAN: pack.relations.organs,
        TURN: {signs.region for signs in pack.signs.values()},
        GENERIC: pack.cues["generic"].phrases if "generic" in pack.cues else (),
    }


def _concepts(pack: "Pack") -> dict[str, tuple[str, str]]:
    """Return the region and the kind of every concept."""
    return {
        name: (table.region, table.kind or pack.kind_of(file))
        for file, tables in pack.concepts.items()
        for name, table in tables.items()
    }


def _gaps(pack: "Pack") -> Iterator[tuple[str, str]]:
    """Return the entries that a table needs and has not."""
    for label in pack.question_labels:
        if label not in pack.signs:
            yield "signs.toml", label
    for region, kind in _concepts(pack).values():
        if kind != "normal" and region not in pack.regions:
            yield "regions.toml", region


def _references(pack: "Pack") -> Iterator[Reference]:
    """Return every name that one table takes from another."""
    return chain(
        _of_itself(pack), _of_concepts(pack), _of_anatomy(pack), _of_relations(pack), _of_wording(pack)
    )  # fmt: skip


def _each(file: str, entry: str, names: Iterable[str | None], kind: str) -> Iterator[Reference]:
    return (Reference(file, entry, name, kind) for name in names if name is not None)


def _table(file: str, entry: str, table: Mapping[str, Iterable[str]], key: str, value: str) -> Iterator[Reference]:
    """Return the references of a table of lists: its keys are of one kind, its members of another."""
    yield from _each(file, entry, table, key)
    for name, members in table.items():
        yield from _each(file, f"{entry}.{name}", members, value)


def _of_itself(pack: "Pack") -> Iterator[Reference]:
    for label in pack.labels:
        yield from _each("labels.toml", f"{label.name}.core", label.core, CONCEPT)
    roles, file = pack.roles, "roles.toml"
    for entry in ("anything", "anything_acute", "all_normal", "device"):
        yield Reference(file, entry, getattr(roles, entry), CONCEPT)
    yield from _each(file, "whole_region", [roles.whole_region], REGION)
    yield from _each(file, "whole_part", [roles.whole_part], PLACE)
    yield from _each(file, "device_region", [roles.device_region], REGION)
    yield from _each(file, "assertable", [*roles.assertable, roles.lesion, roles.change], GENERIC)
    yield from _each("example.toml", "label", [pack.example.label], ASKED)
    yield from _each("example.toml", "other", [pack.example.other], ASKED)


def _of_concepts(pack: "Pack") -> Iterator[Reference]:
    for file, tables in pack.concepts.items():
        for name, table in tables.items():
            yield Reference(file, f"{name}.region", table.region, EITHER)
            labels = (table.label, table.label_possible, *table.label_absent)
            yield from _each(file, f"{name}.label", labels, LABEL)
            for key in ("is_a", "equivalent", "entails", "entails_absence"):
                yield from _each(file, f"{name}.{key}", getattr(table, key), CONCEPT)
            yield from _each(file, f"{name}.chronic_form", [table.chronic_form], CONCEPT)
            yield from _each(file, f"{name}.at", table.at, REGION)
            yield from _each(file, f"{name}.at", table.at.values(), CONCEPT)
            yield from _each(file, f"{name}.when", table.when, ADJECTIVE)
            yield from _each(file, f"{name}.when", table.when.values(), CONCEPT)
    for phrase, concepts in pack.compounds.phrases.items():
        yield from _each("lexicon/compounds.toml", f"phrases.{phrase!r}", concepts, CONCEPT)


def _of_anatomy(pack: "Pack") -> Iterator[Reference]:
    file = "anatomy.toml"
    for name, region in pack.anatomy.region.items():
        made = (region.normal, region.abnormal, region.acute, region.lesion, *region.states.values())
        yield from _each(file, f"region.{name}", made, CONCEPT)
        yield from _each(file, f"region.{name}.states", region.states, ADJECTIVE)
        yield from _each(file, f"region.{name}.beside", region.beside, REGION)
    for name, part in pack.anatomy.part.items():
        yield Reference(file, f"part.{name}.region", part.region, REGION)
        yield from _each(file, f"part.{name}.part_of", part.part_of, PLACE)


def _of_relations(pack: "Pack") -> Iterator[Reference]:
    file, tables = "relations.toml", pack.relations
    for number, group in enumerate(tables.same, start=1):
        yield from _each(file, f"same.{number}", group.concepts, CONCEPT)
    for entry in ("signs", "hints", "details"):
        yield from _table(file, entry, getattr(tables, entry), CONCEPT, CONCEPT)
    for entry in ("normal_when_denied", "normal_when_all_denied", "ruled_out", "broken_by", "report_ruled_out",
                  "list_ruled_out"):  # fmt: skip
        yield from _table(file, entry, getattr(tables, entry), NORMAL, CONCEPT)
    for narrowed in tables.narrowed:
        yield from _table(file, f"narrowed.{narrowed.word}", narrowed.ruled_out, NORMAL, CONCEPT)
    for sharpened in tables.sharpened:
        becomes = [*sharpened.becomes, *sharpened.becomes.values()]
        yield from _each(file, f"sharpened.{sharpened.word}", becomes, CONCEPT)
    yield from _each(file, "at_place", tables.at_place, REGION)
    for region, renamed in tables.at_place.items():
        yield from _each(file, f"at_place.{region}", [*renamed, *renamed.values()], CONCEPT)
    for entry, concepts in tables.kinds:
        yield from _each(file, f"kinds.{entry}", concepts, CONCEPT)
    yield from _each(file, "regions", [*tables.regions.anywhere, *tables.regions.near_anything], REGION)
    yield Reference(file, "regions.zoned", tables.regions.zoned, ORGAN)
    yield from _table(file, "usual_places", tables.usual_places, CONCEPT, PLACE)
    for number, overlap in enumerate(tables.overlapping_places, start=1):
        yield from _each(file, f"overlapping_places.{number}", overlap.places, PLACE)
    if tables.border is not None:
        yield from _each(file, "border", [tables.border.part, tables.border.of], PLACE)
    yield from _table(file, "reaches", tables.reaches, REGION, REGION)
    for organ, regions in tables.organs.items():
        yield from _each(file, f"organs.{organ}", regions, REGION)
    yield from _each(file, "reasons", tables.reasons, NORMAL)


def _of_wording(pack: "Pack") -> Iterator[Reference]:
    yield from _each("signs.toml", "the file", pack.signs, ASKED)
    yield from _each("regions.toml", "the file", pack.regions, REGION)
    for region, reading in pack.regions.items():
        yield Reference("regions.toml", f"{region}.read_in", reading.read_in, TURN)
    yield from _each("nouns.toml", "places", pack.nouns.places, PLACE)
    file, phrases = "wording.toml", pack.wording.phrases
    yield from _each(file, "phrases.sized", phrases.sized, CONCEPT)
    yield from _each(file, "phrases.deep", phrases.deep, REGION)
    yield from _each(file, "phrases.overlying", phrases.overlying, REGION)
    yield from _each(file, "phrases.unsaid", phrases.unsaid, PLACE)
    yield from _each(file, "phrases.borderline", phrases.borderline, CONCEPT)
