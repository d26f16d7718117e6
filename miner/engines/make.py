"""From settings to an engine, closed when the caller is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miner.engines import Engine
from miner.engines.llm import LLMEngine
from miner.engines.rules import RulesEngine
from miner.engines.settings import LLMSettings
from miner.errors import SettingsError
from miner.settings import MineSettings
from schemas.call import Call


@contextmanager
def make_engine(settings: MineSettings, store: Path, calls: list[Call]) -> Iterator[Engine]:
    """Give the engine that the settings name; every attempt at a model is appended to `calls`.

    Replies of models are cached beside the store. Raises SettingsError for an `llm` engine without a model.
    """
    if settings.engine == "rules":
        yield RulesEngine()
        return
    if settings.model is None:
        raise SettingsError("mine: the llm engine needs to know which model; give --model, e.g. --model gpt-4o")
    asked = settings.model_dump(include=set(LLMSettings.model_fields), exclude_none=True)
    with LLMEngine(
        LLMSettings(**asked), store.with_suffix(".replies"), settings.attestations, on_call=calls.append
    ) as engine:
        yield engine
