"""What passes by itself, what changes in the middle of a run, and what ends it."""

import dataclasses
import json

from tests.personas.persona import FEW, Completion, Persona, Request
from tests.personas.refusing import (
    NOTHING,
    always,
    ending_with_assistant,
    form,
    has,
    not_alternating,
    not_default_temperature,
    openai,
    refuse,
    role,
    unsupported_parameter,
    unsupported_value,
    vllm,
)

_GH = "https://github.com"


_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


def _repeats(completion: Completion, _: Request) -> Completion:
    """Say the same again and again until the limit."""
    (choice,) = completion["choices"]
    choice["message"] = {"role": "assistant", "content": '{"items": [{"finding": "' + "the lungs are clear " * 400}
    choice["finish_reason"] = "length"
    completion["usage"] |= {"completion_tokens": 4096}
    return completion


_REFUSES_SCHEMA = refuse(
    form("json_schema"), openai("response_format of type json_schema is not supported", "response_format")
)


_GOOD = Persona("good", "", "", "M")


PASSING = (
    Persona(
        "rate-limit",
        "everybody",
        "HTTP 429 twice, `Retry-After: nan`",
        "M",
        "waits and tries again",
        refuses=(
            refuse(always, openai("Rate limit reached", None, "rate_limit_exceeded"), 429, times=2, retry_after="nan"),
        ),
    ),
    Persona(
        "cloudflare-524",
        "servers behind Cloudflare",
        "HTTP 524 and a page, twice",
        "M",
        "tries again",
        refuses=(refuse(always, _HTML.format("524: A timeout occurred"), 524, times=2, content_type="text/html"),),
    ),
    Persona(
        "choices-null",
        "9router",
        "HTTP 200 with `choices: null`, twice",
        f"D {_GH}/decolua/9router/issues/2727",
        "tries again",
        refuses=(refuse(always, {"id": None, "object": "chat.completion", "choices": None}, 200, times=2),),
        may_pay_more=2,
    ),
    Persona(
        "repeats-once",
        "small models",
        "the first reply repeats a sentence to the limit",
        "D measured on SmolLM2",
        "asks once more, shorter and with other sampling",
        body=_repeats,
        then=(1, _GOOD),
        may_pay_more=1,
        ends={"predict": "cut off"},
    ),
)


_THEN_NO_TEMPERATURE = dataclasses.replace(
    _GOOD, refuses=(refuse(not_default_temperature, unsupported_value("temperature")),)
)


_THEN_NO_SCHEMA = dataclasses.replace(_GOOD, refuses=(_REFUSES_SCHEMA,))


_THEN_FENCED = dataclasses.replace(_GOOD, binds=NOTHING)


_THEN_NO_SYSTEM = dataclasses.replace(_GOOD, refuses=(refuse(role("system"), vllm("System role not supported")),))


_THEN_BAD_KEY = dataclasses.replace(
    _GOOD, refuses=(refuse(always, openai("Incorrect API key provided", None, "invalid_api_key"), 401),)
)


CHANGING = tuple(
    Persona(name, "any server", f"after five requests {differs}", "M", does, then=(5, then), ends=ends)
    for name, differs, does, then, ends in (
        ("then-no-temperature", "refuses `temperature`", "leaves it out from then on", _THEN_NO_TEMPERATURE, {}),
        ("then-no-schema", "refuses `json_schema`", "asks through tools from then on", _THEN_NO_SCHEMA, {}),
        ("then-fenced", "ignores `response_format`", "reads the JSON out of fences", _THEN_FENCED, {}),
        ("then-no-system", "refuses the role `system`", "puts it into the user's message", _THEN_NO_SYSTEM, {}),
        (
            "then-bad-key",
            "refuses the key",
            "stops; what is done is kept",
            _THEN_BAD_KEY,
            {"mine": "OPENAI_API_KEY", "score": "OPENAI_API_KEY"},
        ),
    )
)


STOPPING = tuple(
    Persona(
        name,
        server,
        differs,
        source,
        does,
        refuses=(refuse(always, body, status, content_type=kind),),
        ends={"*": ends},
    )
    for name, server, differs, source, does, body, status, kind, ends in (
        (
            "error-string",
            "gateways",
            "`error` is a string",
            "M",
            "stops, with the server's words",
            {"error": "model is overloaded with regret"},
            400,
            "application/json",
            "HTTP 400|refuses every request",
        ),
        (
            "detail-string",
            "FastAPI",
            "`detail` is a string",
            "M",
            "likewise",
            {"detail": "Only text models are served here"},
            400,
            "application/json",
            "HTTP 400|refuses every request",
        ),
        (
            "too-large",
            "nginx",
            "HTTP 413 and a page",
            "M",
            "stops and says so",
            _HTML.format("413 Request Entity Too Large"),
            413,
            "text/html",
            "413",
        ),
        (
            "bad-gateway",
            "nginx",
            "HTTP 502 and a page, always",
            "M",
            "stops after five questions",
            _HTML.format("502 Bad Gateway"),
            502,
            "text/html",
            "HTTP 502",
        ),
        (
            "login-page",
            "proxies of a hospital",
            "HTTP 200 and a page to log in",
            "M",
            "stops and says that it is no completion",
            _HTML.format("Log in"),
            200,
            "text/html",
            "no completion|HTML|--base-url",
        ),
        (
            "bad-key",
            "OpenAI",
            "HTTP 401",
            "M",
            "stops and names the key",
            openai("Incorrect API key provided: sk-x.", None, "invalid_api_key"),
            401,
            "application/json",
            "OPENAI_API_KEY",
        ),
        (
            "region",
            "OpenAI",
            "HTTP 403: unsupported country",
            "M",
            "stops and says so",
            openai("Country, region, or territory not supported", None, "unsupported_country_region_territory"),
            403,
            "application/json",
            "403",
        ),
        (
            "quota",
            "OpenAI",
            "HTTP 429: no quota",
            "M",
            "stops and says so",
            openai("You exceeded your current quota", None, "insufficient_quota"),
            429,
            "application/json",
            "quota",
        ),
    )
)


ADDRESSES = (
    Persona(
        "without-v1",
        "any server",
        "the user left out `/v1`: HTTP 404",
        "M",
        "names `--base-url`",
        base="",
        ends={"*": "--base-url"},
        may_succeed=True,
    ),
    Persona(
        "with-endpoint",
        "any server",
        "the user gave the whole address of `/chat/completions`",
        "M",
        "names `--base-url`",
        base="/v1/chat/completions",
        ends={"*": "--base-url"},
        may_succeed=True,
    ),
)


SHAPES = (
    Persona(
        "alternating",
        "Mistral's templates",
        "user and assistant have to take turns",
        f"D {_GH}/kubeai-project/kubeai/issues/499",
        "taken",
        refuses=(
            refuse(
                not_alternating,
                vllm("After the optional system message, conversation roles must alternate user/assistant/..."),
            ),
        ),
    ),
    Persona(
        "no-strict",
        "servers that check fields",
        "refuses `strict` in a schema",
        "M",
        "leaves it out, or asks in another way",
        refuses=(
            refuse(
                lambda request: '"strict":' in json.dumps([request.get("response_format"), request.get("tools")]),
                {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "response_format", "json_schema", "strict"],
                            "msg": "Extra inputs are not permitted",
                            "input": True,
                        }
                    ]
                },
                422,
            ),
        ),
    ),
    Persona(
        "nothing-but-messages",
        "the smallest servers",
        "refuses every option, one after the other",
        "M",
        "leaves all out",
        refuses=tuple(
            refuse(has(name), unsupported_parameter(name))
            for name in ("temperature", "seed", "max_completion_tokens", "max_tokens", "response_format", "tools")
        ),
        binds=NOTHING,
    ),
)


ERRING = (
    Persona(
        "errs-once",
        "models in general",
        "quotes wrongly, and rightly when it is asked again",
        "M",
        "asks again",
        errs=True,
        may_pay_more=FEW,
    ),
    Persona(
        "errs-once-alternating",
        "Mistral's templates",
        "likewise; roles have to take turns and the user has the last word",
        f"D {_GH}/kubeai-project/kubeai/issues/499",
        "asks again as the user",
        refuses=(
            refuse(not_alternating, vllm("After the optional system message, conversation roles must alternate.")),
            refuse(ending_with_assistant, vllm("Expected last role User or Tool for serving but got assistant")),
        ),
        errs=True,
        may_pay_more=FEW,
    ),
    Persona(
        "errs-once-no-tool-role",
        "servers with tools and no role `tool`",
        "likewise; only tools bind, and the role `tool` is refused",
        "M",
        "asks again as the user",
        refuses=(
            _REFUSES_SCHEMA,
            refuse(role("tool"), vllm("Only user, assistant and system roles are supported!")),
        ),
        errs=True,
        may_pay_more=FEW,
    ),
)
