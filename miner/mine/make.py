"""From the settings of `cxr mine` to those of the llm engine, and to the folder of its replies."""

from pathlib import Path

from cxr.miner.kit.errors import SettingsError
from cxr.miner.kit.settings import MineSettings
from cxr.miner.llm.settings import LLMSettings


def llm_settings(settings: MineSettings) -> LLMSettings:
    """Give the llm engine's settings; raises SettingsError without a model."""
    if settings.model is None:
        raise SettingsError("mine: the llm engine needs to know which model; give --model, e.g. --model gpt-4o")
    return LLMSettings(**settings.model_dump(include=set(LLMSettings.model_fields), exclude_none=True))


def reply_folder(settings: MineSettings, store: Path) -> Path:
    """Give the folder of the reply cache: the one that was named (several stores may share it), or beside the store."""
    return settings.cache if settings.cache is not None else store.with_suffix(".replies")


def ledger_path(store: Path) -> Path:
    """Give the file of a store's attempts; it is the store's own even where the cache is shared."""
    return store.with_name(f"{store.name}.attempts")


def progress_path(store: Path) -> Path:
    """Give the file in which a run says how far it is, for `cxr status` while the store is locked."""
    return store.with_name(f"{store.name}.progress")
