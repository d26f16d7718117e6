"""Ollama, LM Studio, llama.cpp, text-generation-inference, and smaller servers."""

from tests.personas.persona import Completion, Message, Persona, Request
from tests.personas.refusing import (
    always,
    extra_forbidden,
    forced_tool,
    form,
    has,
    longer_than,
    longest,
    only,
    openai,
    refuse,
    vllm_new,
    with_image,
)

_GH = "https://github.com"


def _poor(completion: Completion, request: Request) -> Completion:
    """Answer as a model that never saw its instructions, where they are long."""
    if not longer_than(1000)(request):
        return completion
    completion["choices"][0]["message"] = {"role": "assistant", "content": "The lungs are clear. How can I help you?"}
    completion["usage"] |= {"prompt_tokens": 2048, "total_tokens": 2058}
    return completion


def _bare(completion: Completion, _: Request) -> Completion:
    """Leave out what text-generation servers leave out."""
    (choice,) = completion["choices"]
    return {"choices": [{"finish_reason": None, "message": choice["message"]}]}


def _in_parts(message: Message) -> Message:
    if not isinstance(message["content"], str):
        return message
    half = len(message["content"]) // 2
    return message | {
        "content": [{"type": "text", "text": part} for part in (message["content"][:half], message["content"][half:])]
    }


_OVERFLOW = (
    "Trying to keep the first 4391 tokens when context the overflows. However, the model is loaded with context length "
    "of only 4096 tokens, which is not enough. Try to load the model with a larger context length, or provide a "
    "shorter input"
)


DESKTOP = (
    Persona(
        "ollama-cuts-context",
        "Ollama",
        "cuts the context without a word: the model never saw its instructions",
        f"D {_GH}/NousResearch/hermes-agent/issues/43900; round count M",
        does="stops after a few paid replies and says what they were",
        body=_poor,
        ends={"mine": "context|no chain|schema", "score": "schema|context"},
    ),
    Persona(
        "ollama-unknown-model",
        "Ollama",
        "unknown model",
        "M",
        does="stops and names `--model`",
        refuses=(
            refuse(
                always,
                {
                    "error": {
                        "message": 'model "x" not found, try pulling it first',
                        "type": "api_error",
                        "param": None,
                        "code": None,
                    }
                },
                404,
            ),
        ),
        ends={"*": "--(judge-)?model"},
    ),
    Persona(
        "lm-studio",
        "LM Studio",
        "refuses `json_object`, and a forced tool by name; its errors are strings",
        f"D {_GH}/lmstudio-ai/lmstudio-bug-tracker/issues/189, {_GH}/lmstudio-ai/lmstudio-bug-tracker/issues/670",
        does="asks with `json_schema`",
        refuses=(
            refuse(form("json_object"), {"error": "'response_format.type' must be 'json_schema' or 'text'"}),
            refuse(
                forced_tool,
                {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"},
            ),
        ),
    ),
    Persona(
        "lm-studio-overflow",
        "LM Studio",
        "a context that overflows is HTTP 200 with an error",
        f"D {_GH}/lmstudio-ai/lmstudio-bug-tracker/issues/237; status M",
        does="stops and says what is too short",
        refuses=(refuse(always, {"error": _OVERFLOW}, 200),),
        ends={"*": "context"},
    ),
    Persona(
        "lm-studio-no-model",
        "LM Studio",
        "no model is loaded",
        "M",
        does="stops and says that none is loaded",
        refuses=(
            refuse(
                always,
                openai(
                    "No models loaded. Please load a model in the developer page or use the `lms load` command.",
                    "model",
                    "model_not_found",
                ),
            ),
        ),
        ends={"*": "load"},
    ),
    Persona(
        "llama-cpp-loading",
        "llama.cpp's server",
        "HTTP 503 twice: it is still loading",
        f"D {_GH}/mostlygeek/llama-swap/issues/146",
        does="tries again",
        refuses=(
            refuse(
                always,
                {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
                503,
                times=2,
            ),
        ),
    ),
    Persona(
        "llama-cpp-ignores-json-object",
        "llama.cpp's server",
        "ignores `json_object` and answers free text; `json_schema` binds",
        f"D {_GH}/ggml-org/llama.cpp/issues/24096",
        does="asks with `json_schema`",
        binds=only("json_schema", "tools"),
    ),
    Persona(
        "llama-cpp-python-old",
        "llama-cpp-python",
        "refuses `json_schema` with pydantic's list, without `error`",
        f"D {_GH}/abetlen/llama-cpp-python/pull/1122; body M",
        does="asks through tools",
        refuses=(
            refuse(
                form("json_schema"),
                {
                    "detail": [
                        {
                            "type": "literal_error",
                            "loc": ["body", "response_format", "type"],
                            "msg": "Input should be 'text' or 'json_object'",
                            "input": "json_schema",
                        }
                    ]
                },
                422,
            ),
        ),
    ),
    Persona(
        "fastapi-extra-forbidden",
        "servers written with FastAPI",
        "refuses `seed` with a list in `detail`, without `error`",
        f"D {_GH}/Gitlawb/openclaude/issues/739",
        does="leaves it out",
        refuses=(refuse(has("seed"), lambda request: {"detail": extra_forbidden("seed")(request)}, 422),),
    ),
    Persona(
        "tgi",
        "text-generation servers",
        "no `id`, `object`, `created`, `usage`; `finish_reason` null; content in parts",
        "M",
        does="reads it",
        message=_in_parts,
        body=_bare,
    ),
    Persona(
        "tgi-own-format",
        "text-generation-inference",
        "`response_format` has a form of its own: others are HTTP 422, as text",
        f"D {_GH}/huggingface/huggingface_hub/issues/2744",
        does="asks through tools",
        refuses=(
            refuse(
                has("response_format"),
                "Failed to deserialize the JSON body into the target type: response_format: missing field `value` at "
                "line 1 column 168",
                422,
                content_type="text/plain",
            ),
        ),
    ),
    Persona(
        "vllm-no-images",
        "vLLM with a text model",
        "takes no images",
        "M",
        does="stops `cxr predict` and says so",
        refuses=(refuse(with_image, vllm_new("At most 0 image(s) may be provided in one prompt.")),),
        ends={"predict": "takes no images"},
    ),
    Persona(
        "tgi-too-long",
        "text-generation-inference",
        "input and reply are longer than it takes: HTTP 422",
        f"D {_GH}/huggingface/text-generation-inference/issues/628, {_GH}/huggingface/transformers/issues/28523",
        does="asks for less, or names `max_completion_tokens`",
        refuses=(
            refuse(
                longest(2500),
                {
                    "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192. Given: 4391 "
                    "`inputs` tokens and 4096 `max_new_tokens`",
                    "error_type": "validation",
                },
                422,
            ),
        ),
        ends={"*": "max_completion_tokens"},
        may_succeed=True,
    ),
    Persona(
        "needs-max-tokens",
        "servers with the older option only",
        "ignores `max_completion_tokens` and cuts replies at 16 tokens",
        f"D {_GH}/vllm-project/vllm-metal/pull/56",
        does="sends `max_tokens`, or names it",
        body=lambda completion, request: completion if "max_tokens" in request else _cut(completion),
        ends={
            "mine": "max_(completion_)?tokens",
            "score": "max_(completion_)?tokens",
            "predict": "cut off",
        },
        may_succeed=True,
    ),
    Persona(
        "tools-alone",
        "servers where only tools bind",
        "ignores `response_format` and chats about it",
        "M",
        does="asks through tools",
        binds=only("tools"),
        may_pay_more=1,
        loose=lambda text: f"Sure! The result is: {text} — I hope that this helps.",
    ),
)


def _cut(completion: Completion) -> Completion:
    """End a reply after a few tokens."""
    (choice,) = completion["choices"]
    if isinstance(choice["message"].get("content"), str):
        choice["message"]["content"] = choice["message"]["content"][:50]
    for call in choice["message"].get("tool_calls") or ():
        call["function"]["arguments"] = call["function"]["arguments"][:50]
    choice["finish_reason"] = "length"
    return completion
