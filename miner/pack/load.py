"""The loader of packs: a folder of TOML files as one typed value, checked as a whole."""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator

from cxr.miner.kit.errors import PackError
from cxr.miner.pack.judging import JudgeWords, RelationTables
from cxr.miner.pack.labels import About, Example, Label, Labels, Roles, Views
from cxr.miner.pack.lexicon import (
    Abbreviations,
    Anatomy,
    Compounds,
    Concept,
    CueTable,
    Modifiers,
    Ordinary,
    SectionHeaders,
    Spelling,
)
from cxr.miner.pack.significance import SignificanceTable
from cxr.miner.pack.tables import AskedLabel, RegionId, Table, read_toml, what_to_change
from cxr.miner.pack.wording import Nouns, Questions, RegionReading, Signs, Wording

if TYPE_CHECKING:
    from cxr.miner.pack.descriptions import Descriptions
    from cxr.miner.pack.phantom import Phantom

CHOICE = "CXR_PACK"
"""The environment variable that names another pack: one of ours, or the path of a folder."""

_ROOT = Path(__file__).parent
_ABOUT, _DEFAULT, _NORMALS, _PHANTOM = "pack.toml", "default.toml", "lexicon/normals.toml", "phantom.toml"
# What speaks of the examination itself is never taken from another pack.
_SIGNIFICANCE, _DESCRIPTIONS = "significance.toml", "descriptions.toml"
_ITS_OWN = frozenset({_ABOUT, "questions.toml", "wording.toml", _SIGNIFICANCE, _DESCRIPTIONS})
# A pack may do without; what it says of another's concepts would say nothing of its own.
_OPTIONAL = frozenset({_SIGNIFICANCE, _DESCRIPTIONS})


class Pack(Table):
    """One modality; a field a file, whose name is its alias, and docs/pack.md says who reads it."""

    folders: tuple[Path, ...]
    """Its own, and those of the packs that it is based on."""
    about: About = Field(alias=_ABOUT)
    label_table: Labels = Field(alias="labels.toml")
    roles: Roles = Field(alias="roles.toml")
    concepts: dict[str, dict[str, Concept]]
    """By the file that declares them."""
    anatomy: Anatomy = Field(alias="anatomy.toml")
    modifiers: Modifiers = Field(alias="lexicon/modifiers.toml")
    cues: dict[str, CueTable] = Field(alias="lexicon/cues.toml")
    compounds: Compounds = Field(alias="lexicon/compounds.toml")
    spelling: Spelling = Field(alias="lexicon/spelling.toml")
    abbreviations: Abbreviations = Field(alias="lexicon/abbreviations.toml")
    ordinary: Ordinary = Field(alias="lexicon/ordinary.toml")
    section_headers: SectionHeaders = Field(alias="section_headers.toml")
    relations: RelationTables = Field(alias="relations.toml")
    significance: SignificanceTable = Field(alias=_SIGNIFICANCE)
    judge_words: JudgeWords = Field(alias="judge.toml")
    questions: Questions = Field(alias="questions.toml")
    signs: dict[AskedLabel, Signs] = Field(alias="signs.toml")
    """By label, in reading order."""
    regions: dict[RegionId, RegionReading] = Field(alias="regions.toml")
    wording: Wording = Field(alias="wording.toml")
    nouns: Nouns = Field(alias="nouns.toml")
    views: Views = Field(alias="views.toml")
    example: Example = Field(alias="example.toml")

    @model_validator(mode="after")
    def _lacks_nothing(self) -> "Pack":
        lacking = [("signs.toml", label) for label in self.question_labels if label not in self.signs]
        found = (concept for concepts in self.concepts.values() for concept in concepts.values())
        lacking += [
            ("regions.toml", one.region) for one in found if one.kind != "normal" and one.region not in self.regions
        ]
        for file, entry in lacking:
            raise ValueError(f"{file} has no entry {entry}; add it")
        return self

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folders[0].name

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels, in their published order."""
        return self.label_table.label

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels, in their published order."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def question_labels(self) -> tuple[str, ...]:
        """The names of the labels that questions are asked about."""
        return tuple(label.name for label in self.labels if label.question)

    @cached_property
    def nothing(self) -> str | None:
        """The name of the label that says that there is no finding, if there is one."""
        return next((label.name for label in self.labels if label.none), None)

    def label_called(self, name: str) -> str | None:
        """Return the label with this name, whatever its case and blanks; None for other words."""
        return self._by_folded_name.get(_folded(name))

    @cached_property
    def _by_folded_name(self) -> dict[str, str]:
        return {_folded(name): name for name in self.label_names}

    @property
    def prompts(self) -> Path | None:
        """The folder of the pack's own prompts for language models; None where those of the project serve it."""
        return next((folder / "prompts" for folder in self.folders if (folder / "prompts").is_dir()), None)

    @property
    def corpus_files(self) -> list[Path]:
        """The files about corpora, of the packs that share its labels: their words are mapped to labels."""
        labels = _path(self.folders, "labels.toml").parent
        sharing = self.folders[: self.folders.index(labels) + 1]
        files = {file.name: file for folder in reversed(sharing) for file in folder.glob("corpora/*.toml")}
        return [files[name] for name in sorted(files)]

    @cached_property
    def phantom(self) -> "Phantom":
        """A world of invented images and reports; training alone asks for it, so that it is read and checked then."""
        from cxr.miner.pack.phantom import Phantom  # noqa: PLC0415

        raw = _read(self.folders, _PHANTOM)
        try:
            return Phantom.model_validate(raw, context={"label with questions": self.question_labels})
        except ValidationError as error:
            raise _refusal(self.folders, error, _PHANTOM) from None

    @cached_property
    def descriptions(self) -> "Descriptions":
        """Findings in other words than their names; what learns to name them alone asks for it."""
        from cxr.miner.pack.descriptions import Descriptions  # noqa: PLC0415

        concepts = [name for declared in self.concepts.values() for name in declared]
        try:
            return Descriptions.model_validate(_read(self.folders, _DESCRIPTIONS), context={"concept": concepts})
        except ValidationError as error:
            raise _refusal(self.folders, error, _DESCRIPTIONS) from None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of every file of the pack with its name: an edited word may change a reading.

        Files about corpora are left out: they decide what is ingested, which the store keeps. So are descriptions,
        which no rule reads: they are part of the version of what learned from them.
        """
        files = {path.relative_to(folder).as_posix() for folder in self.folders for path in folder.rglob("*.toml")}
        files = {
            file
            for file in files - {_DESCRIPTIONS}
            if not file.startswith("corpora/") and _path(self.folders, file).is_file()
        }
        content = hashlib.sha256()
        for file in sorted(files):
            content.update(file.encode() + b"\0" + _path(self.folders, file).read_bytes() + b"\0")
        return content.hexdigest()


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _path(folders: Sequence[Path], file: str) -> Path:
    """Return where a file lies: in the pack's own folder, else where the first pack that it is based on has it."""
    lying = folders[:1] if file in _ITS_OWN else folders
    return next((folder / file for folder in lying if (folder / file).is_file()), folders[0] / file)


def _read(folders: Sequence[Path], file: str) -> dict[str, Any]:
    if file in _OPTIONAL and not _path(folders, file).is_file():
        return {}
    return read_toml(_path(folders, file), f"the pack {folders[0].name}: {file}")


def _folders(name: str) -> tuple[Path, ...]:
    """Return the folder of a pack, by its name or path, and those of the packs that it is based on.

    A path is relative to the working folder, or to the folder that holds the pack that is based on it.
    """
    folders: list[Path] = []
    wanted: str | None = name
    beside = Path.cwd()
    while wanted is not None:
        places = (_ROOT / wanted, beside / wanted)
        folder = next((place for place in places if (place / _ABOUT).is_file() and place not in folders), None)
        if folder is None:
            there = ", ".join(sorted(path.parent.name for path in _ROOT.glob(f"*/{_ABOUT}")))
            raise PackError(f"there is no pack {wanted!r}; there is {there}, or a folder of your own with a {_ABOUT}")
        folders.append(folder)
        below, beside = _read([folder], _ABOUT).get("based_on"), folder.parent
        wanted = None if below is None else str(below)
    return tuple(folders)


def _tables(folders: Sequence[Path]) -> dict[str, Any]:
    """Return all files as they stand, by their names; concepts and regions know their ids."""
    raw: dict[str, Any] = {
        field.alias: _read(folders, field.alias) for field in Pack.model_fields.values() if field.alias is not None
    }
    named = raw[_ABOUT].get("findings")
    files = [file for file in named if isinstance(file, str)] if isinstance(named, list) else []
    concepts: dict[str, dict[str, Any]] = {}
    for file, kind in [*((file, "abnormality") for file in files), (_NORMALS, "normal")]:
        concepts[file] = _with_ids(_read(folders, file), kind=kind)
    for file, table in (("anatomy.toml", "region"), ("lexicon/modifiers.toml", "state")):
        if isinstance(raw[file].get(table), dict):
            raw[file][table] = _with_ids(raw[file][table])
    return {**raw, "concepts": concepts}


def _with_ids(tables: Mapping[str, Any], **more: str) -> dict[str, Any]:
    return {name: {"id": name, **more, **each} if isinstance(each, dict) else each for name, each in tables.items()}


def _declared(raw: Mapping[str, Any]) -> dict[str, Collection[str]]:
    """Return all names that tables may refer to, by their kind; what is malformed is left to the models."""

    def within(table: Any, *keys: str) -> Any:
        for key in keys:
            table = table.get(key, {}) if isinstance(table, dict) else {}
        return table

    concepts = {name: table for tables in raw["concepts"].values() for name, table in tables.items()}
    listed = within(raw["labels.toml"], "label")
    labels = [each for each in listed if isinstance(within(each, "name"), str)] if isinstance(listed, list) else []
    regions, places = within(raw["anatomy.toml"], "region"), within(raw["anatomy.toml"], "part")
    return {
        "label": [label["name"] for label in labels],
        "label with questions": [label["name"] for label in labels if label.get("question", True)],
        "concept": concepts,
        "normal": [name for name, table in concepts.items() if within(table, "kind") == "normal"],
        "region": regions,
        "place": places,
        "region or place": {*regions, *places},
        "adjective": within(raw["lexicon/modifiers.toml"], "state"),
        "organ": within(raw["relations.toml"], "organs"),
        "region of signs.toml": [str(within(table, "region")) for table in raw["signs.toml"].values()],
        "word of [generic] in lexicon/cues.toml": within(raw["lexicon/cues.toml"], "generic", "phrases"),
    }


def _refusal(folders: Sequence[Path], error: ValidationError, file: str = "") -> PackError:
    """Return what is wrong with a pack in one sentence: its name, the file, the entry, and what to change."""
    place, what = what_to_change(error)
    if not file and place:
        file, *place = place[1:] if place[0] == "concepts" else place
    where = [file, ".".join(place) or "the file"] if file else []
    return PackError(": ".join([f"the pack {folders[0].name}", *where]) + what)


@cache
def load_pack(name: str) -> Pack:
    """Return a pack by its name or folder, every table of it read and compared with the others.

    Raises PackError, in one sentence with file, entry and what to change, for a table that is missing, that does not
    fit its model, or that names what no other table declares.
    """
    folders = _folders(name)
    raw = _tables(folders)
    try:
        return Pack.model_validate({"folders": folders, **raw}, context=_declared(raw))
    except ValidationError as error:
        raise _refusal(folders, error) from None


@cache
def pack() -> Pack:
    """Return the pack in use: the one that `CXR_PACK` names, else the one of `default.toml`."""
    return load_pack(os.environ.get(CHOICE) or read_toml(_ROOT / _DEFAULT, _DEFAULT)["pack"])
