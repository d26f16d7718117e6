"""A value as the type that was asked for writes it: the same words and numbers, in the right wrapper, name and case.

Nothing is made up: what is missing stays missing, and the type says so.
"""

import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from cxr.miner.llm.loose_json import values_in

# A wrapper in a wrapper in a wrapper is the most that was seen, each of them perhaps as text.
_DEEPEST = 7
_SIGNS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\s*[-+]?\d{1,15}(?:\.0+)?\s*", re.ASCII)
_NUMBERS = re.compile(r"\s*\[?\s*\d{1,6}(?:\s*(?:,|;|and)\s*\d{1,6})*\s*\]?\s*", re.ASCII)
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def forms_of(value: Any, wanted: type[BaseModel]) -> Iterator[Any]:
    """Yield the ways in which a value may hold what is wanted: as it is, mended, and out of its wrappers."""
    seen: list[Any] = []
    for inner in _unwrapped(value, wanted, 0):
        for form in (inner, _fitted(inner, wanted)):
            if form not in seen:
                seen.append(form)
                yield form


def _unwrapped(value: Any, wanted: type[BaseModel], depth: int) -> Iterator[Any]:
    """Yield a value and what it wraps, outer before inner."""
    if depth > _DEEPEST:
        return
    if isinstance(value, str):
        for inner in values_in(value).values:
            yield from _unwrapped(inner, wanted, depth + 1)
    elif isinstance(value, list):
        # An empty list under another name is no answer, while one that stands alone may be one.
        if (name := _only_list(wanted)) is not None and (value or depth == 0):
            yield {name: value}
        if len(value) == 1:
            yield from _unwrapped(value[0], wanted, depth + 1)
    elif isinstance(value, dict):
        yield value
        fields = {_folded(name) for name in wanted.model_fields}
        for name, inner in value.items():
            if isinstance(inner, dict) or (_folded(name) not in fields and isinstance(inner, str | list)):
                yield from _unwrapped(inner, wanted, depth + 1)


def _only_list(wanted: type[BaseModel]) -> str | None:
    """Return the one field of a type, if it is a list."""
    if len(wanted.model_fields) != 1:
        return None
    ((name, info),) = wanted.model_fields.items()
    return name if get_origin(info.annotation) in {tuple, list} else None


def _fitted(value: Any, kind: Any) -> Any:
    """Return a value in the way that a type writes it; what does not fit is given back as it is."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _fitted(value, get_args(kind)[0])
    if origin in {Union, UnionType}:
        kinds = [each for each in get_args(kind) if each is not NoneType]
        return value if value is None or len(kinds) != 1 else _fitted(value, kinds[0])
    if origin is Literal:
        return _member(value, get_args(kind))
    if origin in {tuple, list}:
        return _listed(value, get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _object(value, kind) if isinstance(value, dict) else value
    return _scalar(value, kind)


def _object(value: Mapping[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """Return an object with the fields of its type, whatever case and signs their names have; others are left out."""
    by_name = {_folded(name): name for name in kind.model_fields}
    fitted: dict[str, Any] = {}
    for said, inner in value.items():
        name = said if said in kind.model_fields else by_name.get(_folded(said))
        if name is not None and (name == said or name not in value):
            fitted[name] = _fitted(inner, kind.model_fields[name].annotation)
    return fitted


def _listed(value: Any, kind: Any) -> Any:
    if value is None or value == "":
        return []
    if isinstance(value, list):
        return [_fitted(each, kind) for each in value]
    if kind is int and isinstance(value, str) and _NUMBERS.fullmatch(value):
        return [int(number) for number in re.findall(r"\d+", value)]
    return [_fitted(value, kind)]


def _member(value: Any, members: tuple[Any, ...]) -> Any:
    """Return the member that a word means, in whatever case and with whatever signs between its parts."""
    if not isinstance(value, str) or value in members:
        return value
    meant = [member for member in members if isinstance(member, str) and _folded(member) == _folded(value)]
    return meant[0] if len(meant) == 1 else value


def _scalar(value: Any, kind: Any) -> Any:
    """Return a number, a truth or a text that was written as another of them."""
    if kind is int and not isinstance(value, bool):
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return int(float(value))
        return int(value) if isinstance(value, float) and value.is_integer() else value
    if kind is bool and isinstance(value, str):
        return _TRUTHS.get(value.strip().casefold(), value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _folded(name: str) -> str:
    return _SIGNS.sub("", name).casefold()
