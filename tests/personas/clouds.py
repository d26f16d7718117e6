"""Other makers' endpoints: Gemini, Anthropic, Mistral, DeepSeek, Groq, xAI."""

import json

from tests.personas.persona import FEW, Message, Persona
from tests.personas.refusing import (
    NOTHING,
    always,
    bare_tool_calls,
    extra_forbidden,
    form,
    has,
    only,
    openai,
    refuse,
    with_image,
)

_GH = "https://github.com"


def _thinking_parts(message: Message) -> Message:
    """Give the content as Magistral does: a thought, an answer, an empty thought."""
    if not isinstance(message["content"], str):
        return message
    thought = [{"type": "text", "text": "The user wants JSON, like {this}. Let me see."}]
    return message | {
        "content": [
            {"type": "thinking", "thinking": thought},
            {"type": "text", "text": message["content"]},
            {"type": "thinking", "thinking": []},
        ]
    }


def _google(message: str, **details: str) -> list[object]:
    """Return an error as Gemini's compatible endpoint does: in a list."""
    violations = [{"@type": "type.googleapis.com/google.rpc.BadRequest", **details}]
    return [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": violations}}]


def _mistral(name: str) -> object:
    return lambda request: {
        "object": "error",
        "message": {"detail": extra_forbidden(name)(request)},
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


CLOUDS = (
    Persona(
        "gemini",
        "Gemini's compatible endpoint",
        "refuses `seed`, in a list",
        f"D {_GH}/Vali-98/ChatterUI/issues/227",
        does="leaves `seed` out",
        refuses=(
            refuse(has("seed"), _google('Invalid JSON payload received. Unknown name "seed": Cannot find field.')),
        ),
    ),
    Persona(
        "gemini-bad-key",
        "Gemini's compatible endpoint",
        "a bad key is HTTP 400, in a list",
        f"D {_GH}/continuedev/continue/issues/10290; the list around it M",
        does="stops and names the key",
        refuses=(
            refuse(
                always,
                _google("API key not valid. Please pass a valid API key.", reason="API_KEY_INVALID"),
            ),
        ),
        ends={"*": "OPENAI_API_KEY"},
    ),
    Persona(
        "anthropic-compatible",
        "Anthropic's compatible endpoint",
        "ignores `response_format`, `seed` and `strict`; tools are honoured",
        "D https://docs.anthropic.com/en/api/openai-sdk",
        does="reads the JSON out of fences and prose",
        binds=only("tools"),
    ),
    Persona(
        "anthropic-overloaded",
        "Anthropic",
        "HTTP 529 twice: overloaded",
        "M",
        does="tries again",
        refuses=(
            refuse(
                always,
                {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
                529,
                times=2,
            ),
        ),
    ),
    Persona(
        "mistral",
        "Mistral",
        "refuses what it does not know: `max_completion_tokens`, `seed`",
        f"D {_GH}/editor-code-assistant/eca/issues/231; seed M",
        does="sends `max_tokens`, and no `seed`",
        refuses=tuple(refuse(has(name), _mistral(name), 422) for name in ("max_completion_tokens", "seed")),
    ),
    Persona(
        "magistral",
        "Mistral, reasoning models",
        "content is a list of thoughts and texts",
        f"D {_GH}/mistralai/client-python/issues/252",
        does="reads the texts",
        refuses=tuple(refuse(has(name), _mistral(name), 422) for name in ("max_completion_tokens", "seed")),
        binds=NOTHING,
        message=_thinking_parts,
    ),
    Persona(
        "deepseek",
        "DeepSeek",
        "refuses `json_schema` and, as a reasoner, a forced tool; `json_object` needs the word JSON",
        f"D {_GH}/bytedance/deer-flow/issues/545, {_GH}/deepseek-ai/DeepSeek-R1/issues/836",
        does="asks for `json_object`, the schema in words",
        refuses=(
            refuse(
                form("json_schema"),
                openai("This response_format type is unavailable now", None, "invalid_request_error"),
            ),
            refuse(
                has("tool_choice"),
                openai("deepseek-reasoner does not support this tool_choice", None, "invalid_request_error"),
            ),
            refuse(
                lambda request: form("json_object")(request) and "json" not in json.dumps(request["messages"]).lower(),
                openai("Prompt must contain the word 'json' in some form to use 'response_format' of 'json_object'."),
            ),
        ),
    ),
    Persona(
        "deepseek-deserializes",
        "DeepSeek, earlier",
        "refuses `json_schema` with HTTP 422 and a sentence of its parser, as text",
        f"D {_GH}/browser-use/browser-use/pull/215, {_GH}/dzhng/deep-research/issues/22",
        does="asks through tools or for `json_object`",
        refuses=(
            refuse(
                form("json_schema"),
                "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
                "`json_schema` is unavailable now at line 1 column 12440",
                422,
                content_type="text/plain",
            ),
        ),
    ),
    Persona(
        "deepseek-no-images",
        "DeepSeek",
        "takes no images",
        "M",
        does="stops `cxr predict` and says so",
        refuses=(
            refuse(
                with_image,
                {
                    "error": {
                        "message": "Failed to deserialize the JSON body into the target type: messages[1]: unknown "
                        "variant `image_url`, expected `text` at line 1 column 912",
                        "type": "invalid_request_error",
                        "param": None,
                        "code": "invalid_request_error",
                    }
                },
            ),
        ),
        ends={"predict": "takes no images"},
    ),
    Persona(
        "deepseek-wants-its-thoughts",
        "DeepSeek, thinking with tools",
        "a tool call that is sent back needs the thoughts that led to it",
        f"D {_GH}/abhigyanpatwari/GitNexus/issues/43",
        does="sends them back, or the error alone",
        refuses=(
            refuse(
                has("response_format"),
                openai("This response_format type is unavailable now", None, "invalid_request_error"),
            ),
            refuse(
                bare_tool_calls,
                openai("Missing `reasoning_content` field in the assistant message at message index 2."),
            ),
        ),
        message=lambda message: message | {"reasoning_content": "Let me look at the report."},
        errs=True,
        may_pay_more=FEW,
    ),
    Persona(
        "groq-small",
        "Groq, smaller models",
        "refuses `json_schema`; tools work",
        "D https://v0.app/chat/groq-api-integration-jJZDjObZqiy",
        does="asks through tools",
        refuses=(
            refuse(
                form("json_schema"),
                openai("This model does not support response format `json_schema`.", "response_format"),
            ),
        ),
    ),
    Persona(
        "groq-json-validate",
        "Groq",
        "now and then a reply fails its own check of JSON; the next try works",
        f"D {_GH}/thepersonalaicompany/amurex-backend/issues/38",
        does="tries again",
        refuses=(
            refuse(
                has("response_format"),
                openai(
                    "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
                    None,
                    "json_validate_failed",
                    failed_generation='{"items": [{"finding": ',
                ),
                times=3,
            ),
        ),
    ),
    Persona(
        "xai",
        "xAI",
        "errors are strings; refuses `seed`",
        "M",
        does="leaves it out",
        refuses=(
            refuse(
                has("seed"),
                {
                    "code": "Client specified an invalid argument",
                    "error": "Argument not supported on this model: seed",
                },
            ),
        ),
    ),
)
