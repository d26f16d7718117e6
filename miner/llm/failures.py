"""What a server's failure means: for this attempt, for this question, or for the whole run."""

from cxr.miner.kit.errors import EngineStopped
from cxr.miner.llm.settings import ServerSettings
from cxr.miner.llm.wire import WireError, WireReply

# Worth another try: the server was busy, restarting or in the way of another request.
_PASSING = frozenset({408, 409, 425, 429})
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NO_MODEL = frozenset({"model_not_found", "DeploymentNotFound"})


class Passing(Exception):
    """An attempt that may succeed if repeated; `kind` is fit for a log and a table."""

    def __init__(self, kind: str, *, throttled: bool = False, billed: bool | None = False) -> None:
        super().__init__(kind)
        self.kind = kind
        self.throttled = throttled
        self.billed = billed
        """Whether the server charged for it; None where nobody can know."""


class RefusedRequest(Exception):
    """A request that this server will never answer, while others may fare better."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Permanent(EngineStopped):
    """A failure after which no request can succeed; `kind` is fit for a table."""

    def __init__(self, sentence: str, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def of_reply(reply: WireReply, settings: ServerSettings) -> Exception | None:
    """Return what a reply's status means: Passing, RefusedRequest, Permanent, or None for a success."""
    if 200 <= reply.status < 300:
        return None
    code = _code(reply)
    kind = f"HTTP {reply.status}" + (f" {code}" if code else "")
    if sentence := _permanent(reply.status, code, settings):
        return Permanent(sentence, kind)
    if reply.status in _PASSING or reply.status >= 500:
        return Passing(kind, throttled=reply.status == 429)
    return RefusedRequest(kind)


def of_wire(error: WireError, settings: ServerSettings, *, has_answered: bool) -> Exception:
    """Return what the lack of a reply means; a server that has answered before may only be restarting."""
    if error.nobody_there and not has_answered:
        return Permanent(f"no server can be reached at {settings.base_url}; start it or correct --base-url", error.kind)
    return Passing(error.kind, billed=False if error.nobody_there else None)


def _permanent(status: int, code: str | None, settings: ServerSettings) -> str | None:
    url, model = settings.base_url, settings.model
    if status in {401, 403}:
        variable = "AZURE_OPENAI_API_KEY" if settings.api == "azure" else "OPENAI_API_KEY"
        return f"{url} does not accept the key (HTTP {status}); check {variable}"
    if status == 404 or code in _NO_MODEL:
        return f"{url} does not know the model {model!r} (or has no /chat/completions); check --model and --base-url"
    if code in _QUOTA or status == 402:
        return f"the quota of the account at {url} is used up; nothing more can be asked until it is raised"
    if 300 <= status < 400:
        return f"{url} redirects elsewhere, which is never followed; give the final address with --base-url"
    return None


def _code(reply: WireReply) -> str | None:
    said = reply.json()
    return word_of(said.get("error")) if isinstance(said, dict) else None


def word_of(error: object) -> str | None:
    """Return the server's own word for an error if it is one word: anything longer may repeat the request."""
    for name in ("code", "type"):
        word = error.get(name) if isinstance(error, dict) else None
        if isinstance(word, str) and word.isascii() and word.replace("_", "").isalnum() and len(word) <= 40:
            return word
    return None
