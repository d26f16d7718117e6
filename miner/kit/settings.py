"""What every stage's settings are made of: command line, else `CXR_<STAGE>_*`, else `cxr.toml`, else the default.

`cxr.toml` stands beside the store, with a table per stage:

    [mine]
    engine = "llm"
    model = "gpt-4o"

Each stage keeps its own settings class; a key or a `CXR_*` name that nobody reads is refused, because a mistyped
budget would be no budget.
"""

import difflib
import os
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as UnreadableSetting

from cxr.miner.kit.errors import SettingsError
from cxr.schemas.vocabulary import Task

Choice = TypeVar("Choice", bound=StrEnum)


def choose(options: type[Choice], given: str, option: str) -> Choice:
    """Return the member of an enum that the user named; raises SettingsError with all members for any other word."""
    if given not in set(options):
        raise SettingsError(f"{option} {given!r} is unknown; choose from {', '.join(options)}")
    return options(given)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most like this one, empty where none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _tasks(value: object) -> object:
    names = _split_commas(value)
    if isinstance(value, str) and isinstance(names, tuple) and not (names and set(names) <= set(Task)):
        raise ValueError(f"expected some of {', '.join(Task)}, separated by commas")
    return names


# On the command line, in the environment and in cxr.toml alike: binary,single
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Tasks = Annotated[tuple[Task, ...], NoDecode, BeforeValidator(_tasks)]


STAGES = (
    "ask",
    "mine",
    "score",
    "judge",
    "filter",
    "unread",
    "audit",
    "bench",
    "export",
    "train",
    "predict",
    "evaluate",
    "report",
    "review",
)
"""The tables of cxr.toml, and with `CXR_` before them the beginnings of the names in the environment."""

_OTHER_NAMES = ("CXR_DB", "CXR_PACK", "CXR_TRACEBACK")
"""Read by the command line itself, and by the loader of packs."""


class StageSettings(BaseSettings):
    """What one stage was told to do; the same settings and inputs give the same rows."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)
    stage: ClassVar[str]
    moved: ClassVar[Mapping[str, str]] = {}
    """Keys that an earlier version read, and what they are called now."""
    _toml: ClassVar[Path | None] = None
    """Where else to look, besides the environment; None looks nowhere but in what is given."""
    _lowest: ClassVar[Mapping[str, Any]] = {}
    """What stands in the place of defaults, such as a preset."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: what comes first wins."""
        # The source made for pyproject.toml reads one table of any TOML file, and nothing from one that is none.
        if cls._toml is None:
            return init_settings, PyprojectTomlConfigSettingsSource(settings_cls, Path(os.devnull))
        toml = PyprojectTomlConfigSettingsSource(settings_cls, cls._toml)
        return init_settings, env_settings, toml, InitSettingsSource(settings_cls, dict(cls._lowest))

    @classmethod
    def resolve(cls, store: Path, **given: object) -> Self:
        """Return the settings of a stage for a store; `None` in `given` means that the user did not say.

        Raises SettingsError with one sentence for a value that cannot be used, and for a name that nobody reads,
        wherever it came from.
        """
        toml = store.parent / "cxr.toml"
        _check_toml(toml)
        cls._check_environment()
        bound = type(cls.__name__, (cls,), {"_toml": toml, "__module__": cls.__module__})
        try:
            settings: Self = bound(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise SettingsError(cls._sentence(error)) from None
        except UnreadableSetting as error:
            raise SettingsError(f"{cls.stage}: {error}; tables and lists are written as JSON there") from None
        return settings

    @classmethod
    def as_recorded(cls, recorded: Mapping[str, Any]) -> Self:
        """Return the settings that a run or recipe recorded, and look nowhere else; raises pydantic's ValidationError.

        What this version no longer knows is left out.
        """
        named = {cls.moved.get(name, name): value for name, value in recorded.items()}
        with warnings.catch_warnings():
            # pydantic-settings warns that the TOML table it was told of is not read: that is the point.
            warnings.simplefilter("ignore", UserWarning)
            return cls(**{name: value for name, value in named.items() if name in cls.model_fields})

    @classmethod
    def _check_environment(cls) -> None:
        """Raise SettingsError for a `CXR_*` name that neither this stage nor any other reads."""
        own = str(cls.model_config["env_prefix"])
        fields = {f"{own}{name.upper()}" for name in cls.model_fields}
        stages = {f"CXR_{stage.upper()}_" for stage in STAGES} - {own}
        nested = cls.model_config.get("env_nested_delimiter")
        for name in sorted(key.upper() for key in os.environ if key.upper().startswith("CXR_")):
            head = name if nested is None else own + name.removeprefix(own).partition(nested)[0]
            if name in {*fields, *_OTHER_NAMES} or head in fields:
                continue
            if name.startswith(own) or not name.startswith(tuple(stages)):
                moved = cls.moved.get(name.removeprefix(own).lower())
                hint = f"; it is {own}{moved.upper()} now" if moved else nearest(name, {*fields, *_OTHER_NAMES})
                raise SettingsError(f"{name} is set in the environment and nothing reads it{hint}")

    @classmethod
    def _sentence(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            moved = cls.moved.get(name)
            hint = f"; it is called {moved!r} now" if moved else nearest(name, cls.model_fields)
            return f"{cls.stage}: {name!r} is no setting of this stage{hint}; see `cxr {cls.stage} --help`"
        wanted = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").rstrip(".")
        found = "nothing" if first["type"] == "missing" else str(first["input"])[:60]
        expected = wanted.removeprefix("expected ")
        return f"{cls.stage}: {name} is {found!r}; expected {expected}; see `cxr {cls.stage} --help`"


def _check_toml(toml: Path) -> None:
    """Raise SettingsError for a file that cannot be read, and for a table that no stage would ever look into."""
    try:
        tables = tomllib.loads(toml.read_bytes().decode("utf-8")) if toml.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{toml} is not valid TOML ({error}); mend it or move it away") from None
    except OSError as error:
        raise SettingsError(f"{toml} cannot be read ({error.strerror}); check its permissions") from None
    for name, table in tables.items():
        if name not in STAGES or not isinstance(table, dict):
            raise SettingsError(
                f"{toml}: {name!r} is no table of settings; expected some of [{'], ['.join(STAGES)}]"
                f"{nearest(name, STAGES)}"
            )
