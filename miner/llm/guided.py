"""How much of a guide a server takes: which keywords its schemas may have, and how many tokens a reply."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cxr.miner.llm.policy import is_loopback
from cxr.miner.llm.settings import ServerSettings
from cxr.prompts.guide import EVERYWHERE, LISTED, WHOLE, Guide


def keywords_taken(settings: ServerSettings) -> frozenset[str]:
    """Return the keywords of a guide that the server's schemas may have, by what is documented of it.

    Servers of one's own decode by all of them. Elsewhere a schema with a keyword that is not supported is refused.
    """
    address = urlsplit(settings.base_url)
    if address.scheme == "http" or is_loopback(settings.base_url):
        return WHOLE
    return LISTED if address.hostname == "api.openai.com" and settings.api == "openai" else EVERYWHERE


def room_for(guide: Guide | None, settings: ServerSettings) -> dict[str, int]:
    """Return the tokens that a guided reply may take; a model that is told to think may take all that are set."""
    if guide is None or settings.reasoning_effort is not None:
        return {}
    return {"max_completion_tokens": min(guide.tokens, settings.max_completion_tokens)}


def with_room(request: Mapping[str, Any], settings: ServerSettings) -> dict[str, Any]:
    """Return a request as it is sent to a model that has been seen to think: with all the tokens that are set."""
    return {**request, "max_completion_tokens": settings.max_completion_tokens}
