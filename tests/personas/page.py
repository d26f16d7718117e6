"""The personas as the tables of docs/servers.md."""

import re
from collections.abc import Sequence

from tests.personas import clouds, desktop, openai, routers, vllm, weather, wordings, wrappings
from tests.personas.persona import Persona

_HEAD = "| server | what differs | what `cxr` does | persona | known from |\n|---|---|---|---|---|\n"
GROUPS: dict[str, Sequence[Persona]] = {
    "Hosted": (*openai.OPENAI, *openai.AZURE, *clouds.CLOUDS, *routers.ROUTERS),
    "Your own": (*vllm.VLLM, *desktop.DESKTOP),
    "How models word JSON": wordings.WORDINGS,
    "How gateways wrap a completion": wrappings.WRAPPINGS,
    "What passes, what changes, what ends a run": (
        *weather.PASSING,
        *weather.CHANGING,
        *weather.ERRING,
        *weather.SHAPES,
        *weather.ADDRESSES,
        *weather.STOPPING,
    ),
}


def tables() -> str:
    """Return a table for each group of personas, as Markdown."""
    parts = []
    for title, personas in GROUPS.items():
        head = f"### {title}\n\n{_HEAD}"
        parts.append(head + "".join(map(_row, personas)))
    return "\n".join(parts)


def _row(persona: Persona) -> str:
    cells = (persona.server, persona.differs, persona.does, f"`{persona.name}`", _known(persona.source))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _known(source: str) -> str:
    """Return where a row is known from: the first letter says documented or from memory, addresses become links."""
    said = "memory" if source == "M" else source.removeprefix("D ").replace("; ", ", ")
    said = re.sub(r"\bM$", "from memory", said)
    return re.sub(r"https?://[^\s,;]+", lambda match: f"[{_short(match[0])}]({match[0]})", said)


def _short(address: str) -> str:
    """Return an issue as `owner/name#number`, and any other address by its host."""
    if issue := re.match(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)", address):
        return f"{issue[1]}#{issue[2]}"
    return address.split("/")[2]
