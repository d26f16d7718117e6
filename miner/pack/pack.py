"""The loader of packs, and the check that their files say what is needed."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from cxr.miner.kit.errors import InputError
from cxr.schemas.base import Frozen

DEFAULT = "chest_xray"
_ROOT = Path(__file__).parent


class Label(Frozen):
    """One of the findings that a corpus of this modality is labeled with."""

    name: str = Field(min_length=1)
    question: bool = True
    """Questions are asked about it."""
    none: bool = False
    """It says that there is no finding."""


class About(Frozen):
    """`pack.toml`."""

    title: str = Field(min_length=1, description="the examination, as a question says it")
    findings: tuple[str, ...] = Field(min_length=1, description="the files of findings, in the order they are read in")


@dataclass(frozen=True)
class Pack:
    """One modality; every table is read once."""

    name: str
    folder: Path

    @cached_property
    def about(self) -> About:
        """What the pack says of itself."""
        return About.model_validate(self.table("pack.toml"))

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels, in their published order."""
        return TypeAdapter(tuple[Label, ...]).validate_python(self.table("labels.toml")["label"])

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The names of all labels, in their published order."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def question_labels(self) -> tuple[str, ...]:
        """The names of the labels that questions are asked about."""
        return tuple(label.name for label in self.labels if label.question)

    def table(self, file: str) -> dict[str, Any]:
        """Return one of the pack's files; raises InputError where it is missing or no TOML."""
        try:
            return tomllib.loads((self.folder / file).read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"the pack {self.name} cannot be used: {file}: {error}") from None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of every file of the pack with its name: an edited word may change a reading.

        Files about corpora are left out: they decide what is ingested, which the store keeps.
        """
        content = hashlib.sha256()
        for path in sorted({*self.folder.rglob("*.toml")} - {*self.folder.glob("corpora/*")}):
            content.update(str(path.relative_to(self.folder)).encode() + b"\0" + path.read_bytes() + b"\0")
        return content.hexdigest()


@cache
def load_pack(name: str) -> Pack:
    """Return a pack by its name; raises InputError where there is none or a file of it does not fit."""
    loaded = Pack(name, _ROOT / name)
    if not loaded.folder.is_dir():
        known = ", ".join(sorted(path.name for path in _ROOT.iterdir() if (path / "pack.toml").is_file()))
        raise InputError(f"there is no pack {name!r}; there is {known}")
    try:
        assert loaded.about  # noqa: S101 - read here, so that what does not fit is said at once
        assert loaded.labels  # noqa: S101
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"the pack {name} cannot be used: {where}: {first['msg']}") from None
    return loaded


def pack() -> Pack:
    """Return the pack in use."""
    return load_pack(DEFAULT)
