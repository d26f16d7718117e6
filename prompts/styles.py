"""Voices of a chain: named styles, one drawn for each question, so that chains differ in more than their findings."""

import hashlib
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from cxr.schemas.base import Frozen

S = TypeVar("S")
FILE = "styles.v1.toml"
VERSION = 1


class Style(Frozen):
    """One voice; its words stand at the end of a prompt that has a place for them."""

    name: str = Field(pattern=r"^[a-z_]+$")
    about: str = Field(min_length=1, description="for people; never sent")
    words: str = Field(min_length=1)

    @property
    def named(self) -> dict[str, str]:
        """Name, version and hash, as they are kept with a chain beside those of its prompts."""
        said = hashlib.sha256(self.words.encode()).hexdigest()
        return {"name": f"style {self.name}", "version": str(VERSION), "hash": said}


def styles_file(of: Path | None = None) -> Traversable:
    """Return the file of the styles: a pack's own where there is one."""
    return of / FILE if of is not None and (of / FILE).is_file() else resources.files("cxr.prompts").joinpath(FILE)


@cache
def load_styles(of: Path | None = None) -> dict[str, Style]:
    """Return every style by its name."""
    tables = tomllib.loads(styles_file(of).read_text(encoding="utf-8"))
    return {name: Style(name=name, **table) for name, table in tables.items()}


def drawn(question_id: str, seed: int | None, among: Sequence[S]) -> S:
    """Return the style of one question: the same for the same question, seed and styles, whatever else is asked."""
    digest = hashlib.sha256(f"{seed or 0}\0{question_id}".encode("utf-8", "surrogatepass")).digest()
    return among[int.from_bytes(digest[:8], "big") % len(among)]
