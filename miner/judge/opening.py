"""Opening a judge by its name: `rules` at once, `llm` with a server, a reply cache and a count of what it costs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr.miner.judge import Judge, RulesJudge
from cxr.miner.judge.llm import LLM_JUDGE, LLMJudge
from cxr.miner.kit.errors import InputError, SettingsError
from cxr.miner.kit.settings import JudgeSettings, ServerSettings
from cxr.schemas.call import Call
from cxr.schemas.vocabulary import Licence

if TYPE_CHECKING:
    # The server libraries load with the llm judge only: the rules judge has to be there at once.
    from cxr.miner.llm.background import BackgroundClient
    from cxr.miner.llm.budget import Spent
    from cxr.miner.llm.settings import LLMSettings

# Beside a store, `cxr mine` keeps replies under this name too: they may be shared.
REPLIES = "cxr.replies"


@dataclass(frozen=True)
class OpenJudge:
    """A judge that is ready, and how many lines it may have in hand at once."""

    judge: Judge
    workers: int = 1
    licence: Licence = Licence.CREDENTIALED
    client: "BackgroundClient | None" = None

    def of(self, record: object) -> Judge:
        """Give the judge for one line of a file: what it sends carries the line's id and the file's licence."""
        if not isinstance(self.judge, LLMJudge):
            return self.judge
        identity = record.get("id") if isinstance(record, dict) else None
        return self.judge.about("-" if identity is None else str(identity), self.licence)


@contextmanager
def open_judge(settings: JudgeSettings, output: Path) -> Iterator[OpenJudge]:
    """Open the judge that the settings name, for a file command that writes to `output`.

    The llm judge keeps replies in the folder `cxr.replies` beside the output, unless told otherwise, and each attempt
    as a line of `<output>.calls.jsonl`, from which limits on spending count earlier runs. Raises SettingsError without
    a model or key, and PolicyError where the text may not go to the server, before anything is sent.
    """
    if settings.judge != LLM_JUDGE:
        yield OpenJudge(RulesJudge())
        return
    from cxr.miner.llm.background import BackgroundClient  # noqa: PLC0415
    from cxr.miner.llm.cache import ReplyCache  # noqa: PLC0415
    from cxr.miner.llm.policy import check_endpoint  # noqa: PLC0415

    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} for {output.name} does not exist; create it or write elsewhere")
    asked = server_settings(settings)
    check_endpoint(asked.base_url, settings.licence, settings.attestations)
    log = output.with_name(output.name + ".calls.jsonl")

    def write_down(call: Call) -> None:
        with log.open("a", encoding="utf-8") as lines:
            lines.write(call.model_dump_json() + "\n")

    with ReplyCache(settings.cache if settings.cache is not None else output.with_name(REPLIES)) as cache:
        spent = spent_in(log, asked.model)
        with BackgroundClient(asked, cache, settings.attestations, spent=spent, on_call=write_down) as client:
            yield OpenJudge(LLMJudge(client), asked.concurrency, settings.licence, client)


def server_settings(settings: ServerSettings) -> "LLMSettings":
    """Give how the server is asked; raises SettingsError without a model."""
    from cxr.miner.llm.settings import LLMSettings  # noqa: PLC0415

    if settings.model is None:
        raise SettingsError(
            f"{settings.stage}: the llm judge needs to know which model; give --model, e.g. --model gpt-4o"
        )
    return LLMSettings(**settings.model_dump(include=set(LLMSettings.model_fields), exclude_none=True))


def spent_in(log: Path, model: str) -> "Spent":
    """Give what earlier runs for the same output have used of this model; a line cut off by a kill counts nothing."""
    from cxr.miner.llm.budget import Spent  # noqa: PLC0415

    if not log.exists():
        return Spent()
    calls: list[dict[str, Any]] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            calls.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    costs = [call["cost_usd"] for call in calls if call["model"] == model and not call["cache_hit"]]
    usd = sum(cost for cost in costs if cost is not None)
    return Spent(usd=usd, calls=len(costs), unknown=sum(cost is None for cost in costs))
