"""Which column of somebody's CSV holds what: from `--map field=column`, from a TOML file, or by the column's name."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from cxr.miner.ingest.read.files import read_bytes
from cxr.miner.ingest.read.frames import LABELS
from cxr.miner.ingest.registry import CORPORA
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.visible import columns_found
from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Licence

SECTION_FIELDS = ("indication", "history", "technique", "comparison", "findings", "impression")
"""Columns of one section each, in the order in which a text is made of them: context, then the reading."""

FIELDS = (
    "study_id", "patient_id", "report", *SECTION_FIELDS, "split", "study_datetime", "study_order", "age", "sex",
    "image", "view",
)  # fmt: skip

_TAKEN = frozenset(CORPORA.names) - {"csv"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")


class CsvSettings(Frozen):
    """How to read somebody's own CSV."""

    name: str = Field(description="the corpus's name in the store")
    licence: Licence = Licence.CREDENTIALED
    columns: dict[str, str] = Field(default_factory=dict, description="field or finding: column")
    labeler: str = Field(default="corpus", min_length=1, description="whose labels the label columns are")
    date_format: str | None = Field(default=None, description="strptime format of study_datetime; default ISO 8601")


def csv_settings(toml: Path | None, pairs: Sequence[str], **given: object) -> CsvSettings:
    """Return the settings of a TOML file, overruled by `field=column` pairs and by what else was given (not None).

    Raises SettingsError for a pair that is none, an unknown field, or a name that another corpus has.
    """
    values: dict[str, Any] = _read_toml(toml) if toml is not None else {}
    columns = values.get("columns", {})
    if not isinstance(columns, dict):
        raise SettingsError(f"ingest csv: columns in {toml} is no table; expected [columns] with lines field = column")
    values["columns"] = {**named_fields(columns), **_pairs(pairs)}
    values |= {key: value for key, value in given.items() if value is not None}
    try:
        settings = CsvSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"ingest csv: {name}: {first['msg']}; see `cxr ingest csv --help`") from None
    check_name(settings.name)
    return settings


def check_name(name: str) -> None:
    """Raise SettingsError for a corpus name that cannot be part of an id, or that another reader owns."""
    if name in _TAKEN:
        raise SettingsError(f"ingest csv: --name {name} is the name of a known corpus; choose another")
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"ingest csv: --name {name!r} cannot be used; expected lower-case letters, digits, dots, dashes and "
            "underscores, 40 at most"
        )


def named_fields(columns: Mapping[str, str]) -> dict[str, str]:
    """Return the mapping with every key as we spell it: case and separators do not count."""
    named: dict[str, str] = {}
    for key, column in columns.items():
        field = field_named(key)
        if field is None:
            raise SettingsError(
                f"ingest csv: there is no field {key!r}; expected one of {', '.join(FIELDS)} or a CheXpert finding"
            )
        if field in named:
            raise SettingsError(
                f"ingest csv: {field} is mapped to two columns, {named[field]!r} and {column!r}; give one"
            )
        named[field] = column
    return named


def field_named(word: str) -> str | None:
    """Return the field or finding that a word names, whatever its case and separators; None if there is none."""
    return _BY_PLAIN_NAME.get(_plain(word))


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


_BY_PLAIN_NAME = {_plain(name): name for name in (*FIELDS, *LABELS)}


def columns_of(header: Sequence[str], mapping: Mapping[str, str], name: str) -> dict[str, str]:
    """Return field: column. What the mapping names must be there; other fields come from columns of their name.

    Raises InputError where a mapped column or any column for study_id is missing, or where nothing could be asked
    about: no report, no section and no label.
    """
    if len(header) == 1 and (marks := [mark for mark in ";\t|" if mark in header[0]]):
        raise InputError(
            f"{name} has one column, with {marks[0]!r} in its name; expected commas between columns: save it "
            "comma-separated"
        )
    missing = sorted(column for column in mapping.values() if column not in header)
    if missing:
        raise InputError(f"{name} has no column {', '.join(missing)} ({columns_found(header)}); check --map")
    mapped = set(mapping.values())
    named = [(field, column) for column in header if column not in mapped and (field := field_named(column))]
    named = [(field, column) for field, column in named if field not in mapping]
    columns = {**dict(named), **mapping}
    _refuse_twins(header, named, columns, name)
    if "study_id" not in columns:
        raise InputError(
            f"{name} has no column study_id ({columns_found(header)}); name the one that tells studies "
            "apart with --map study_id=COLUMN"
        )
    if not any(field in columns for field in ("report", "findings", "impression", *LABELS)):
        raise InputError(
            f"{name} has no report, findings, impression or label column ({columns_found(header)}); name "
            "one with --map report=COLUMN"
        )
    return columns


def _refuse_twins(
    header: Sequence[str], named: Sequence[tuple[str, str]], columns: Mapping[str, str], name: str
) -> None:
    """Raise InputError where two columns could be the one that is read."""
    twins = sorted(column for column in set(columns.values()) if header.count(column) > 1)
    if twins:
        raise InputError(f"{name} has several columns named {twins[0]!r}; rename all but the one that should be read")
    for field, column in columns.items():
        if same := [other for wanted, other in named if wanted == field and other != column]:
            raise InputError(
                f"{name} has two columns for {field}, {same[0]!r} and {column!r}; choose with --map '{field}={column}'"
            )


def _pair(pair: str) -> tuple[str, str]:
    field, equals, column = pair.partition("=")
    if not (equals and field.strip() and column.strip()):
        raise SettingsError(f"ingest csv: --map {pair!r} is no pair; expected FIELD=COLUMN, as in report=text")
    return field.strip(), column.strip()


def _pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Return field: column; SettingsError for a field that is given two columns."""
    columns: dict[str, str] = {}
    for pair in pairs:
        field, column = _pair(pair)
        ((named, _),) = named_fields({field: column}).items()
        if columns.setdefault(named, column) != column:
            raise SettingsError(f"ingest csv: --map names two columns for {named}, {columns[named]!r} and {column!r}")
    return columns


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bytes(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid TOML ({error}); expected name, licence and a table [columns]") from None
