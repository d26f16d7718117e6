"""The loader of packs: a folder of TOML files as one typed value."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cxr.miner.kit.errors import PackError
from cxr.miner.pack import checks
from cxr.miner.pack.judging import JudgeWords, RelationTables
from cxr.miner.pack.labels import About, Example, Label, Labels, Roles, Views
from cxr.miner.pack.lexicon import (
    Anatomy,
    Compounds,
    ConceptTable,
    CueTable,
    Kind,
    Modifiers,
    SectionHeaders,
    Spelling,
)
from cxr.miner.pack.tables import Table, read_toml, validated
from cxr.miner.pack.wording import Nouns, Questions, RegionReading, Signs, Wording

if TYPE_CHECKING:
    from cxr.miner.pack.phantom import Phantom

_DEFAULT = "default.toml"
# What speaks of the examination itself is never taken from another pack.
_ITS_OWN = frozenset({"pack.toml", "questions.toml", "wording.toml"})
CHOICE = "CXR_PACK"
"""The environment variable that names another pack: one of ours, or the path of a folder."""
NORMALS = "lexicon/normals.toml"
_ROOT = Path(__file__).parent

M = TypeVar("M", bound=Table)


@dataclass(frozen=True)
class Pack:
    """One modality; every table is read once, and raises PackError where it does not fit."""

    name: str
    folder: Path

    # ---- what the pack says of itself
    @cached_property
    def about(self) -> About:
        """What the pack is about."""
        return self._read("pack.toml", About)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels, in their published order."""
        return self._read("labels.toml", Labels).label

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
        return self._labels_by_name.get(_folded(name))

    @cached_property
    def _labels_by_name(self) -> dict[str, str]:
        return {_folded(name): name for name in self.label_names}

    @cached_property
    def roles(self) -> Roles:
        """The ids that have a part in the language."""
        return self._read("roles.toml", Roles)

    @cached_property
    def views(self) -> Views:
        """The projections."""
        return self._read("views.toml", Views)

    @cached_property
    def example(self) -> Example:
        """An invented report with a true and a false reasoning."""
        return self._read("example.toml", Example)

    # ---- the language
    @cached_property
    def concepts(self) -> dict[str, dict[str, ConceptTable]]:
        """The concepts by id, by the file that declares them."""
        files = (*self.about.findings, NORMALS)
        return {file: self._read_all(file, dict[str, ConceptTable]) for file in files}

    def kind_of(self, file: str) -> Kind:
        """Return the kind of the concepts of a file that do not say their own."""
        return "normal" if file == NORMALS else "abnormality"

    @cached_property
    def anatomy(self) -> Anatomy:
        """Structures and places."""
        return self._read("anatomy.toml", Anatomy)

    @cached_property
    def modifiers(self) -> Modifiers:
        """Adjectives, sides, degrees, numbers, change."""
        return self._read("lexicon/modifiers.toml", Modifiers)

    @cached_property
    def cues(self) -> dict[str, CueTable]:
        """Words that deny, hedge, affirm, end a scope, or state nothing, by their kind."""
        cues: dict[str, CueTable] = self._read_all("lexicon/cues.toml", dict[str, CueTable])
        return cues

    @cached_property
    def compounds(self) -> Compounds:
        """Phrases that mean several findings at once."""
        return self._read("lexicon/compounds.toml", Compounds)

    @cached_property
    def spelling(self) -> Spelling:
        """How words are folded."""
        return self._read("lexicon/spelling.toml", Spelling)

    @cached_property
    def section_headers(self) -> SectionHeaders:
        """What the parts of a report are called."""
        return self._read("section_headers.toml", SectionHeaders)

    # ---- the judge
    @cached_property
    def relations(self) -> RelationTables:
        """What follows from what."""
        return self._read("relations.toml", RelationTables)

    @cached_property
    def judge_words(self) -> JudgeWords:
        """Words that findings are read with."""
        return self._read("judge.toml", JudgeWords)

    # ---- what is said
    @cached_property
    def questions(self) -> Questions:
        """The words of each task's question."""
        return self._read("questions.toml", Questions)

    @cached_property
    def signs(self) -> dict[str, Signs]:
        """What to look for, by label, in reading order."""
        signs: dict[str, Signs] = self._read_all("signs.toml", dict[str, Signs])
        return signs

    @cached_property
    def regions(self) -> dict[str, RegionReading]:
        """What to look for, by region."""
        regions: dict[str, RegionReading] = self._read_all("regions.toml", dict[str, RegionReading])
        return regions

    @cached_property
    def wording(self) -> Wording:
        """How the rules engine speaks."""
        return self._read("wording.toml", Wording)

    @cached_property
    def nouns(self) -> Nouns:
        """How the names of findings and places are used in a sentence."""
        return self._read("nouns.toml", Nouns)

    @cached_property
    def phantom(self) -> "Phantom":
        """A world of invented images and reports; training alone asks for it, so that it is read and checked then."""
        from cxr.miner.pack.phantom import Phantom  # noqa: PLC0415

        table = self._read("phantom.toml", Phantom)
        checks.check_phantom(self, table)
        return table

    # ---- files
    @property
    def prompts(self) -> Path | None:
        """The folder of the pack's own prompts for language models; None where those of the project serve it."""
        own = self.folder / "prompts"
        if own.is_dir() or self.base is None:
            return own if own.is_dir() else None
        return self.base.prompts

    @cached_property
    def base(self) -> "Pack | None":
        """The pack whose files are used where this one has none."""
        return None if self.about.based_on is None else find_pack(self.about.based_on)

    def path(self, file: str) -> Path:
        """Return where a file of the pack lies, which may be in the pack that it is based on."""
        own = self.folder / file
        if own.is_file() or file in _ITS_OWN or self.base is None:
            return own
        return self.base.path(file)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The names of all files of the pack, those of the pack that it is based on included."""
        own = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*.toml")}
        return tuple(sorted(own.union(self.base.files if self.base is not None else ())))

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of every file of the pack with its name: an edited word may change a reading."""
        content = hashlib.sha256()
        for file in self.files:
            content.update(file.encode() + b"\0" + self.path(file).read_bytes() + b"\0")
        return content.hexdigest()

    def _read(self, file: str, kind: type[M]) -> M:
        table: M = self._read_all(file, kind)
        return table

    def _read_all(self, file: str, kind: Any) -> Any:
        return validated(kind, read_toml(self.path(file), self.name, file), self.name, file)


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def find_pack(name: str) -> Pack:
    """Return a pack by its name or folder, unread; raises PackError where there is none."""
    folder = _ROOT / name  # an absolute path stays what it is
    if not (folder / "pack.toml").is_file():
        there = ", ".join(sorted(path.name for path in _ROOT.iterdir() if (path / "pack.toml").is_file()))
        raise PackError(f"there is no pack {name!r}; there is {there}, or a folder of your own with a pack.toml")
    return Pack(folder.name, folder)


@cache
def load_pack(name: str) -> Pack:
    """Return a pack by its name or folder, every table of it read and compared with the others.

    Raises PackError, in one sentence with file, entry and what to change, for a table that is missing, that does not
    fit its model, or that contradicts another.
    """
    loaded = find_pack(name)
    checks.check(loaded)
    return loaded


@cache
def pack() -> Pack:
    """Return the pack in use: the one that `CXR_PACK` names, else the one of `default.toml`."""
    return load_pack(os.environ.get(CHOICE) or read_toml(_ROOT / _DEFAULT, "in use", _DEFAULT)["pack"])
