"""Servers that a lab runs itself: vLLM, SGLang, llama.cpp, Ollama, LM Studio, text-generation-inference."""

from tests.personas.persona import Completion, Message, Persona, Request
from tests.personas.refusing import (
    PLAIN,
    always,
    extra_forbidden,
    forced_tool,
    form,
    has,
    longest,
    not_alternating,
    only,
    openai,
    refuse,
    role,
    vllm,
    vllm_new,
    with_image,
)

_GH = "https://github.com"
_THOUGHT = 'The report says so. I could write {"items": []}, but no: the finding is there.'


def _think(text: str) -> str:
    return f"<think>\n{_THOUGHT}\n</think>\n\n{text}"


def _apart(name: str) -> object:
    """Keep the thoughts apart, as the field `name`."""

    def change(message: Message) -> Message:
        return message | {name: _THOUGHT}

    return change


def _inside(name: str) -> object:
    """Put everything into the thoughts and leave the content empty."""

    def change(message: Message) -> Message:
        return message if (text := message["content"]) is None else {"role": "assistant", "content": None, name: text}

    return change


def _channels(text: str) -> str:
    """Write as gpt-oss does where nobody reads its channels."""
    return (
        f"<|channel|>analysis<|message|>{_THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
    )


def _channels_without_signs(text: str) -> str:
    """Write as gpt-oss does where the signs of its channels were taken for special tokens and dropped."""
    return f"analysis{_THOUGHT}assistantfinal{text}"


def _tool_in_text(message: Message) -> Message:
    """Write a tool call into the content, as Qwen and Hermes do without a parser."""
    if not message.get("tool_calls"):
        return message
    called = message["tool_calls"][0]["function"]
    words = f'<tool_call>\n{{"name": "{called["name"]}", "arguments": {called["arguments"]}}}\n</tool_call>'
    return {"role": "assistant", "content": words}


def _poor(completion: Completion, _: Request) -> Completion:
    """Answer as a model that never saw its instructions."""
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

VLLM = (
    Persona(
        "vllm-thoughts-in-content",
        "vLLM, a reasoning model without parser",
        "thoughts stand before the JSON",
        f"D {_GH}/triton-inference-server/perf_analyzer/pull/433",
        does="reads what follows them",
        binds=PLAIN,
        loose=_think,
    ),
    Persona(
        "vllm-thoughts-unopened",
        "vLLM, DeepSeek-R1 templates",
        "the thought is opened in the prompt: the content has `</think>` alone",
        f"D {_GH}/vllm-project/vllm/issues/12468",
        does="reads what follows it",
        binds=PLAIN,
        loose=lambda text: _think(text).removeprefix("<think>\n"),
    ),
    Persona(
        "vllm-reasoning-content",
        "vLLM with a reasoning parser",
        "thoughts in `reasoning_content`",
        "D https://docs.vllm.ai/en/v0.9.1/features/reasoning_outputs.html",
        does="reads the content",
        message=_apart("reasoning_content"),
    ),
    Persona(
        "vllm-reasoning",
        "vLLM 0.11 and later",
        "thoughts in `reasoning`",
        "D https://docs.vllm.ai/en/latest/features/reasoning_outputs.html",
        does="reads the content",
        message=_apart("reasoning"),
    ),
    Persona(
        "vllm-json-in-reasoning",
        "vLLM with a reasoning parser and guided decoding",
        "content is null, the JSON stands in `reasoning_content`",
        f"D {_GH}/vllm-project/vllm/issues/16182",
        does="reads it there",
        message=_inside("reasoning_content"),
    ),
    Persona(
        "vllm-json-in-reasoning-new",
        "vLLM 0.11 and later, likewise",
        "content is null, the JSON stands in `reasoning`",
        f"D {_GH}/vllm-project/vllm/issues/50948",
        does="reads it there",
        message=_inside("reasoning"),
    ),
    Persona(
        "vllm-short-context",
        "vLLM",
        "prompt and reply do not fit its context; a shorter reply would",
        f"D {_GH}/vllm-project/vllm/issues/42474",
        does="asks for less, or names `max_completion_tokens`",
        refuses=(
            refuse(
                longest(2500),
                vllm_new(
                    "This model's maximum context length is 8192 tokens. However, you requested 4096 output tokens and "
                    "your prompt contains at least 4391 input tokens, for a total of at least 8487 tokens."
                ),
            ),
        ),
        ends={"*": "context.*max_completion_tokens|max_completion_tokens.*context"},
        may_succeed=True,
    ),
    Persona(
        "vllm-too-short-context",
        "vLLM",
        "the prompt alone is longer than its context",
        f"D {_GH}/vllm-project/vllm/issues/4667",
        does="stops and says what is too short",
        refuses=(
            refuse(
                has("messages"),
                vllm(
                    "This model's maximum context length is 2048 tokens. However, you requested 8487 tokens (4391 in "
                    "the messages, 4096 in the completion). Please reduce the length of the messages or completion."
                ),
            ),
        ),
        ends={"*": "context"},
    ),
    Persona(
        "vllm-0.5",
        "vLLM before 0.6.4",
        "refuses `max_completion_tokens`, in Python's words",
        f"D {_GH}/vllm-project/vllm/issues/10078",
        does="sends `max_tokens`",
        refuses=(
            refuse(
                has("max_completion_tokens"),
                vllm(
                    "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are "
                    "not permitted', 'input': 4096}]"
                ),
            ),
        ),
    ),
    Persona(
        "vllm-gemma",
        "Gemma templates on vLLM",
        "refuses the role `system`",
        f"D {_GH}/vllm-project/vllm/pull/2964",
        does="puts instructions into the user's message",
        refuses=(
            refuse(role("system"), vllm("System role not supported")),
            refuse(role("developer"), vllm("System role not supported")),
            refuse(not_alternating, vllm("Conversation roles must alternate user/assistant/user/assistant/...")),
        ),
    ),
    Persona(
        "sglang-gemma",
        "Gemma templates on SGLang",
        "the role `system` is HTTP 500 without a word",
        f"D {_GH}/sgl-project/sglang/issues/892",
        does="tries without it, or stops",
        refuses=(refuse(role("system"), "Internal Server Error", 500, content_type="text/plain"),),
        ends={"*": "HTTP 500"},
        may_succeed=True,
    ),
    Persona(
        "vllm-no-tool-parser",
        "vLLM without a tool parser, no guided decoding",
        "refuses tools; ignores `response_format`",
        f"D {_GH}/vllm-project/vllm/issues/9986",
        does="reads the JSON out of fences",
        refuses=(
            refuse(
                has("tools"),
                vllm('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
            ),
        ),
        binds=PLAIN,
    ),
    Persona(
        "vllm-tool-in-text",
        "vLLM, Qwen or Hermes without a tool parser",
        "refuses `json_schema`; the tool call is text",
        f"D {_GH}/lmstudio-ai/lmstudio-bug-tracker/issues/2115",
        does="reads the arguments",
        refuses=(refuse(has("response_format"), vllm("response_format is not supported by this backend")),),
        message=_tool_in_text,
    ),
    Persona(
        "gpt-oss-channels",
        "gpt-oss where nobody reads its channels",
        "harmony's channels in the content",
        f"D {_GH}/ml-explore/mlx-lm/pull/1867",
        does="reads the last channel",
        binds=PLAIN,
        loose=_channels,
    ),
    Persona(
        "gpt-oss-channels-dropped",
        "gpt-oss, likewise",
        "channels without their signs: `analysis...assistantfinal...`",
        f"D {_GH}/Augustas11/macprovider/issues/743",
        does="reads what follows",
        binds=PLAIN,
        loose=_channels_without_signs,
    ),
)

DESKTOP = (
    Persona(
        "ollama-cuts-context",
        "Ollama",
        "cuts the context without a word: the model never saw its instructions",
        "D https://docs.ollama.com/faq; round count M",
        does="stops after a few paid replies and says what they were",
        body=_poor,
        ends={"mine": "context|no chain|schema", "score": "schema|context"},
    ),
    Persona(
        "ollama-unknown-model",
        "Ollama",
        "unknown model",
        "D https://docs.ollama.com/api/openai-compatibility",
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
        "D https://lmstudio.ai/docs/app/api; words M",
        does="stops and names `--model`",
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
        ends={"*": "--(judge-)?model"},
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
        "D https://huggingface.co/docs/text-generation-inference/messages_api; parts M",
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
        "D https://docs.vllm.ai/en/latest/features/multimodal_inputs.html; words M",
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
        ends={"mine": "max_(completion_)?tokens", "score": "max_(completion_)?tokens"},
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
