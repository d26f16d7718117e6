"""One frozen settings model per stage: command line, else `CXR_<STAGE>_*`, else `cxr.toml`, else the default.

`cxr.toml` stands beside the store, with a table per stage:

    [mine]
    engine = "llm"
    model = "gpt-4o"
"""

import os
import tomllib
import warnings
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from cxr.miner.kit.errors import SettingsError
from cxr.miner.llm.policy import Attestation
from cxr.schemas.vocabulary import Licence, Task

EngineName = Literal["rules", "llm"]
JudgeName = Literal["rules", "llm"]
Source = Literal["labels", "report"]
Balance = Literal["strict", "soft", "none"]


Choice = TypeVar("Choice", bound=StrEnum)


def choose(options: type[Choice], given: str, option: str) -> Choice:
    """Give the member of an enum that the user named; raises SettingsError with all members for any other word."""
    if given not in set(options):
        raise SettingsError(f"{option} {given!r} is unknown; choose from {', '.join(options)}")
    return options(given)


def _split_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Task)]
    if unknown or not names:
        raise ValueError(f"expected some of {', '.join(Task)}, separated by commas")
    return tuple(Task(name) for name in dict.fromkeys(names))


# On the command line, in the environment and in cxr.toml alike: binary,single
Tasks = Annotated[tuple[Task, ...], NoDecode, BeforeValidator(_split_commas)]


STAGES = ("ask", "mine", "score", "judge", "filter", "bench", "export", "train", "predict", "evaluate")


class StageSettings(BaseSettings):
    """What one stage was told to do; the same settings and inputs give the same rows."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_ignore_empty=True)
    stage: ClassVar[str]
    _toml: ClassVar[Path | None] = None
    """Where else to look, besides the environment; None looks nowhere but in what is given."""

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
        return init_settings, env_settings, PyprojectTomlConfigSettingsSource(settings_cls, cls._toml)

    @classmethod
    def resolve(cls, store: Path, **given: object) -> Self:
        """Give the settings of a stage for a store; `None` in `given` means that the user did not say.

        Raises SettingsError with one sentence for a value that cannot be used, wherever it came from.
        """
        toml = store.parent / "cxr.toml"
        _check_toml(toml)
        bound = type(cls.__name__, (cls,), {"_toml": toml, "__module__": cls.__module__})
        try:
            settings: Self = bound(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise SettingsError(_sentence(cls.stage, error)) from None
        return settings

    @classmethod
    def as_recorded(cls, recorded: Mapping[str, Any]) -> Self:
        """Give the settings that a run or a recipe recorded, and look nowhere else; raises pydantic's ValidationError.

        What this version no longer knows is left out.
        """
        with warnings.catch_warnings():
            # pydantic-settings warns that the TOML table it was told of is not read: that is the point.
            warnings.simplefilter("ignore", UserWarning)
            return cls(**{name: value for name, value in recorded.items() if name in cls.model_fields})


def _check_toml(toml: Path) -> None:
    """Raise SettingsError for a file that cannot be read, and for a table that no stage would ever look into."""
    try:
        tables = tomllib.loads(toml.read_text(encoding="utf-8")) if toml.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{toml} is not valid TOML ({error}); mend it or move it away") from None
    except OSError as error:
        raise SettingsError(f"{toml} cannot be read ({error.strerror}); check its permissions") from None
    for name, table in tables.items():
        if name not in STAGES or not isinstance(table, dict):
            raise SettingsError(f"{toml}: {name!r} is no table of settings; expected some of [{'], ['.join(STAGES)}]")


def _sentence(stage: str, error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        return f"{stage}: {name!r} is no setting of this stage; see `cxr {stage} --help`"
    wanted = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").rstrip(".")
    found = "nothing" if first["type"] == "missing" else str(first["input"])[:60]
    return f"{stage}: {name} is {found!r}; expected {wanted.removeprefix('expected ')}; see `cxr {stage} --help`"


class AskSettings(StageSettings):
    """Which questions to ask, and how to sample them."""

    stage: ClassVar[str] = "ask"
    model_config = SettingsConfigDict(env_prefix="CXR_ASK_", pyproject_toml_table_header=("ask",))

    tasks: Tasks | None = None
    source: Source = "labels"
    seed: int = 0
    balance: Balance = "strict"
    min_positives: int = Field(default=15, ge=1)
    labeler: str | None = None


class EndpointSettings(StageSettings):
    """Where a model server is, and how fast and at what cost it may be asked."""

    base_url: str | None = None
    api: Literal["openai", "azure"] | None = None
    api_version: str | None = None
    concurrency: int | None = Field(default=None, ge=1)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    timeout_s: float | None = Field(default=None, gt=0)
    max_tries: int | None = Field(default=None, ge=1)
    price: str | None = None
    max_usd: float | None = Field(default=None, gt=0)
    max_calls: int | None = Field(default=None, ge=1)
    cache: Path | None = None
    attestations: tuple[Attestation, ...] = ()


class ServerSettings(EndpointSettings):
    """How a stage asks a model server, if it does."""

    model: str | None = None
    mode: Literal["json_schema", "tools"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_completion_tokens: int | None = Field(default=None, gt=0)


class MineSettings(ServerSettings):
    """Which engine mines, and on what."""

    stage: ClassVar[str] = "mine"
    model_config = SettingsConfigDict(env_prefix="CXR_MINE_", pyproject_toml_table_header=("mine",))

    engine: EngineName = "rules"
    calls: Literal[1, 3] | None = None
    limit: int | None = Field(default=None, ge=1)
    tasks: Tasks | None = None


class ScoreSettings(ServerSettings):
    """Which judge scores the chains of a store; the store knows the licence of each text."""

    stage: ClassVar[str] = "score"
    model_config = SettingsConfigDict(env_prefix="CXR_SCORE_", pyproject_toml_table_header=("score",))

    judge: JudgeName = "rules"


class JudgeSettings(ServerSettings):
    """Which judge answers `cxr judge` and `cxr radrscore`; nobody knows whose text a file holds but the user."""

    stage: ClassVar[str] = "judge"
    model_config = SettingsConfigDict(env_prefix="CXR_JUDGE_", pyproject_toml_table_header=("judge",))

    judge: JudgeName = "rules"
    licence: Licence = Licence.CREDENTIALED


class FilterSettings(StageSettings):
    """Which chains are kept."""

    stage: ClassVar[str] = "filter"
    model_config = SettingsConfigDict(env_prefix="CXR_FILTER_", pyproject_toml_table_header=("filter",))

    min_factuality: float = Field(default=1.0, ge=0, le=1)
