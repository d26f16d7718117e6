"""A file of a pack as a typed table; what does not fit is said in one sentence with file, entry and what to change."""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from cxr.miner.kit.errors import PackError
from cxr.schemas.base import Frozen

Word = Annotated[str, Field(min_length=1)]
Words = tuple[Word, ...]


class Table(Frozen):
    """A table of a pack, or a part of one; its checks are built when it is first read, and once for all its parts."""

    model_config = ConfigDict(defer_build=True)


def read_toml(path: Path, pack: str, file: str) -> dict[str, Any]:
    """Return a file of a pack as it stands; raises PackError where it is missing or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"the pack {pack}: {file} cannot be read ({error.strerror}); add the file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"the pack {pack}: {file} is no TOML: {error}; correct it") from None


def validated(kind: Any, content: Mapping[str, Any], pack: str, file: str) -> Any:
    """Return a file's content as a model or any other type; raises PackError for the first entry that does not fit."""
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise PackError(f"the pack {pack}: {file}: {_sentence(error)}") from None


def _sentence(error: ValidationError) -> str:
    """Say what is wrong with the first entry, and what to change."""
    first = error.errors(include_url=False)[0]
    # Entries of a list are counted from 1, as a reader of the file counts them.
    place = [str(part + 1) if isinstance(part, int) else part for part in first["loc"] if part != "[key]"]
    where = ".".join(place) or "the file"
    match first["type"]:
        case "missing":
            return f"{where} is missing; add it"
        case "extra_forbidden":
            return f"{where} is not known here; remove it or correct its name"
        case "value_error":
            return f"{where}: {first['ctx']['error']}"
        case _:
            said = first["msg"][:1].lower() + first["msg"][1:]
            return f"{where} is {first['input']!r}: {said}; correct it"


def known(name: str, names: Collection[str], kind: str) -> None:
    """Check that a name is one of those there are; raises ValueError that says which is nearest."""
    if name in names:
        return
    nearest = difflib.get_close_matches(name, list(names), 1)
    raise ValueError(
        f"there is no {kind} {name!r}; " + (f"did you mean {nearest[0]!r}?" if nearest else "declare it or remove it")
    )


def fills(*names: str) -> AfterValidator:
    """Return the check that a sentence has exactly these places to fill in, each in braces."""

    def check(sentence: str) -> str:
        try:
            found = {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}
        except ValueError as error:
            raise ValueError(f"the braces do not match ({error}); correct them") from None
        if found != set(names):
            wanted = ", ".join(f"{{{name}}}" for name in names) or "none"
            raise ValueError(f"{sentence!r} must have exactly these places to fill in: {wanted}; correct it")
        return sentence

    return AfterValidator(check)
