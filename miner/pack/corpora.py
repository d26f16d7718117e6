"""What is known of each corpus before a file of it is opened, as data: `corpora/<slug>.toml` of the pack.

Licence, terms, published counts, and what the words of a corpus's files mean stand there once, with the source of
every number. Readers, exports and imports take them from here.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import Field, ValidationError

from cxr.miner.kit.errors import InputError, PackError
from cxr.miner.pack.load import pack
from cxr.miner.pack.tables import read_toml, what_to_change
from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Licence


class Corpus(Frozen):
    """One corpus: who may see it, what its owner says of it, and what its words mean."""

    slug: str = Field(min_length=1)
    """Its name in the store and on the command line, and the first part of its ids."""
    title: str = Field(min_length=1)
    licence: Licence
    about: str = ""
    """What `cxr ingest` says of it."""
    terms: str = "the owner's"
    published: dict[str, int] = Field(default={})
    """Counts that the owner prints, or that were counted in the owner's files."""
    splits: dict[str, str] = Field(default={})
    """The owner's names of the splits, and ours."""
    labels: dict[str, str] = Field(default={})
    """The owner's columns, or words of them, that are called otherwise than the label they hold."""
    classes: dict[str, dict[str, int]] = Field(default={})
    """Labels (1, 0, -1) of what the owner puts into classes; those of the class "" are of whatever has none."""
    positive: dict[str, int] = Field(default={})
    """Labels of whatever the owner marks as positive, whatever its class."""
    benchmark_name: str = ""
    """What published benchmarks call it."""
    other_names: tuple[str, ...] = ()
    """What else they call it, in lower case with dashes."""
    study_prefix: str = ""
    """What stands before the number in the owner's study ids; published benchmarks leave it off."""
    image_path: str = ""
    """A pattern of what an image's path is below the owner's folder, wherever that was copied to."""


@cache
def corpora() -> Mapping[str, Corpus]:
    """Return the corpora that the pack knows, by slug; raises PackError where a file of one does not fit."""
    return {file.stem: _read(file) for file in pack().corpus_files}


def known_corpus(slug: str) -> Corpus:
    """Return one of the corpora that the pack knows; raises InputError for another."""
    try:
        return corpora()[slug]
    except KeyError:
        known = ", ".join(corpora()) or "none"
        raise InputError(f"the pack {pack().name} knows no corpus {slug}; it knows {known}") from None


def _read(file: Path) -> Corpus:
    where = f"the pack {pack().name}: corpora/{file.name}"
    try:
        made = Corpus(slug=file.stem, **read_toml(file, where))
    except ValidationError as error:
        place, what = what_to_change(error)
        raise PackError(f"{where}: {'.'.join(place)}{what}") from None
    named = {*made.labels.values(), *made.positive, *(label for held in made.classes.values() for label in held)}
    if unknown := sorted(named - set(pack().label_names)):
        raise PackError(f"{where}: {unknown[0]} is no label of the pack; expected one of labels.toml")
    return made
