"""What the tables of a pack are made of: words, sentences, and names that another table has to declare."""

import difflib
import tomllib
from collections.abc import Collection
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from cxr.miner.kit.errors import PackError
from cxr.schemas.base import Frozen

Word = Annotated[str, Field(min_length=1)]
Words = tuple[Word, ...]


class Table(Frozen):
    """A table of a pack, or a part of one; its checks are built when it is first read, and once for all its parts."""

    model_config = ConfigDict(defer_build=True)


def known(name: str, names: Collection[str], kind: str) -> None:
    """Check that a name is one of those there are; raises ValueError that says which is nearest."""
    if name not in names:
        nearest = difflib.get_close_matches(name, names, 1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "declare it or remove it"
        raise ValueError(f"there is no {kind} {name!r}; {hint}")


def declared(kind: str) -> AfterValidator:
    """Return the check that a name is declared in the pack; what is declared comes as the context of validation."""

    def check(name: str, info: ValidationInfo) -> str:
        if info.context is not None:
            known(name, info.context[kind], kind)
        return name

    return AfterValidator(check)


ConceptId = Annotated[str, declared("concept")]
NormalId = Annotated[str, declared("normal")]
RegionId = Annotated[str, declared("region")]
PlaceId = Annotated[str, declared("place")]
AdjectiveId = Annotated[str, declared("adjective")]
RegionOrPlaceId = Annotated[str, declared("region or place")]
LabelName = Annotated[str, declared("label")]
AskedLabel = Annotated[str, declared("label with questions")]


def fills(*names: str) -> AfterValidator:
    """Return the check that a sentence has exactly these places to fill in, each in braces."""

    def check(sentence: str) -> str:
        _check_places(sentence, names)
        return sentence

    return AfterValidator(check)


def _check_places(sentence: str, names: Collection[str]) -> None:
    if _places(sentence) != set(names):
        wanted = ", ".join(f"{{{name}}}" for name in names) or "none"
        raise ValueError(f"{sentence!r} must have exactly these places to fill in: {wanted}; correct it")


def _places(sentence: str) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
    except ValueError as error:
        raise ValueError(f"the braces do not match ({error}); correct them") from None


def said(*names: str, some_of: Collection[str] = ()) -> BeforeValidator:
    """Return the check of one sentence, or of several, that each has exactly these places to fill in.

    Where `some_of` are given instead, each has no others than these.
    """

    def check(given: object) -> object:
        sentences = (given,) if isinstance(given, str) else given
        for sentence in sentences if isinstance(sentences, list | tuple) else ():
            if not isinstance(sentence, str):
                continue  # told by its type
            if not sentence:
                raise ValueError("a sentence is empty; write it or remove it")
            places = _places(sentence)
            if some_of and not places <= set(some_of):
                wanted = ", ".join(f"{{{name}}}" for name in some_of)
                raise ValueError(f"{sentence!r} may have only these places to fill in: {wanted}; correct it")
            if not some_of:
                _check_places(sentence, names)
        return sentences

    return BeforeValidator(check)


def read_toml(path: Path, file: str) -> dict[str, Any]:
    """Return a file as it stands; raises PackError where it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{file} cannot be read ({error.strerror}); add the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{file} is no TOML: {error}; correct it") from None


def what_to_change(error: ValidationError) -> tuple[list[str], str]:
    """Return where the first thing is that does not fit, and what to change; what is malformed comes before names."""
    # A list that lost members to other errors is also said to be too short.
    later = {"value_error": 1, "too_short": 2}
    first = min(error.errors(include_url=False), key=lambda one: later.get(one["type"], 0))
    # Entries of a list are counted from 1, as a reader of the file counts them.
    place = [str(part + 1) if isinstance(part, int) else part for part in first["loc"] if part != "[key]"]
    match first["type"]:
        case "missing":
            return place, " is missing; add it"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return place, " is not known here; remove it or correct its name"
        case "value_error":
            return place, f": {first['ctx']['error']}"
        case _:
            said = first["msg"][:1].lower() + first["msg"][1:]
            value = f" is {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
            return place, f"{value}: {said}; correct it"
