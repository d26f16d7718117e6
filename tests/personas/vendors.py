"""Servers that are somebody's product, by the rows of what is known of them."""

import json

from tests.personas.persona import Completion, Persona, Request, fenced
from tests.personas.refusing import (
    extra_forbidden,
    form,
    forced_tool,
    has,
    not_default_temperature,
    openai,
    refuse,
    role,
    unsupported_parameter,
    unsupported_value,
)

_GH = "https://github.com"


def _counts_thoughts(completion: Completion, _: Request) -> Completion:
    completion["usage"] |= {
        "completion_tokens_details": {"reasoning_tokens": 8, "accepted_prediction_tokens": 0},
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    }
    return completion


def _thinks_too_long(completion: Completion, request: Request) -> Completion:
    """Spend all of the tokens on thoughts, as OpenAI's guide on reasoning says that it can happen."""
    spent = request.get("max_completion_tokens", 20_000)
    if spent >= 16_000:
        return completion
    completion["choices"][0] |= {"finish_reason": "length", "message": {"role": "assistant", "content": ""}}
    completion["usage"] |= {"completion_tokens": spent, "completion_tokens_details": {"reasoning_tokens": spent}}
    return completion


OPENAI = (
    Persona(
        "gpt-4o",
        "GPT-4o",
        "nothing: it is what the others are compared with",
        "D https://platform.openai.com/docs/api-reference/chat",
        does="asks with `json_schema`",
    ),
    Persona(
        "gpt-5",
        "GPT-5",
        "refuses a `temperature` other than 1, and `max_tokens`",
        f"D {_GH}/diffbot/code-gpt-docs/issues/445, {_GH}/johny-b/llmcomp/issues/69",
        does="leaves `temperature` out",
        refuses=(
            refuse(not_default_temperature, unsupported_value("temperature")),
            refuse(has("max_tokens"), unsupported_parameter("max_tokens", "max_completion_tokens")),
        ),
        body=_counts_thoughts,
    ),
    Persona(
        "gpt-5-thinks-it-all-away",
        "GPT-5",
        "thoughts take all of `max_completion_tokens`: content is empty, finish is `length`",
        "D https://platform.openai.com/docs/guides/reasoning",
        does="stops and names the setting",
        refuses=(refuse(not_default_temperature, unsupported_value("temperature")),),
        body=_thinks_too_long,
        ends={"mine": "max_completion_tokens", "score": "max_completion_tokens"},
    ),
    Persona(
        "o3-mini",
        "o3-mini",
        "refuses any `temperature`",
        f"D {_GH}/openai/openai-python/issues/2072, {_GH}/BeehiveInnovations/pal-mcp-server/issues/78",
        does="leaves `temperature` out",
        refuses=(
            refuse(has("temperature"), unsupported_parameter("temperature")),
            refuse(has("max_tokens"), unsupported_parameter("max_tokens", "max_completion_tokens")),
        ),
        body=_counts_thoughts,
    ),
    Persona(
        "o1-preview",
        "o1-preview",
        "refuses the role `system`, any `temperature` but 1, and `response_format`",
        f"D {_GH}/BerriAI/litellm/issues/5671, {_GH}/danny-avila/LibreChat/issues/4045",
        does="puts instructions into the first user message",
        refuses=(
            refuse(
                role("system"),
                openai(
                    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                    "messages[0].role",
                    "unsupported_value",
                ),
            ),
            refuse(
                role("developer"),
                openai(
                    "Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
                    "messages[0].role",
                    "unsupported_value",
                ),
            ),
            refuse(not_default_temperature, unsupported_value("temperature")),
            refuse(has("max_tokens"), unsupported_parameter("max_tokens", "max_completion_tokens")),
            refuse(has("response_format"), unsupported_parameter("response_format")),
            refuse(has("tools"), unsupported_parameter("tools")),
        ),
    ),
    Persona(
        "gpt-4-older",
        "GPT-4 Turbo and older",
        "refuses `json_schema`; tools work",
        f"D {_GH}/openai/openai-python/issues/1733",
        does="asks through tools",
        refuses=(
            refuse(
                form("json_schema"),
                openai(
                    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                    "response_format",
                ),
            ),
        ),
    ),
)

OTHERS = (
    Persona(
        "mistral",
        "Mistral",
        "refuses what it does not know: `max_completion_tokens`, `seed`",
        f"D {_GH}/editor-code-assistant/eca/issues/231, {_GH}/zed-industries/zed/issues/57122",
        does="sends `max_tokens`, and no `seed`",
        refuses=tuple(
            refuse(
                has(name),
                lambda request, name=name: {
                    "object": "error",
                    "message": {"detail": extra_forbidden(name)(request)},
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                },
                422,
            )
            for name in ("max_completion_tokens", "seed")
        ),
    ),
    Persona(
        "deepseek",
        "DeepSeek",
        "refuses `json_schema` and, as a reasoner, a forced tool",
        f"D {_GH}/deepseek-ai/DeepSeek-V3/issues/302",
        does="asks for `json_object`, the schema in words",
        refuses=(
            refuse(
                form("json_schema"),
                openai("This response_format type is unavailable now", None, "invalid_request_error"),
            ),
            refuse(
                forced_tool,
                openai("deepseek-reasoner does not support this tool_choice", None, "invalid_request_error"),
            ),
            refuse(
                lambda request: form("json_object")(request) and "json" not in json.dumps(request["messages"]).lower(),
                openai(
                    "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
                ),
            ),
        ),
    ),
    Persona(
        "anthropic-compatible",
        "Anthropic's compatible endpoint",
        "ignores `response_format`, `seed` and `strict`; tools are honoured",
        "D https://docs.anthropic.com/en/api/openai-sdk",
        does="reads the JSON out of fences and prose, or asks through tools",
        binds=frozenset({"tools"}),
        loose=fenced,
    ),
)
