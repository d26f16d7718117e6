"""vLLM and SGLang, and the models that are served there."""

from tests.personas.persona import Change, Message, Persona
from tests.personas.refusing import NOTHING, has, longest, not_alternating, refuse, role, vllm, vllm_new

_GH = "https://github.com"


_THOUGHT = 'The report says so. I could write {"items": []}, but no: the finding is there.'


def _think(text: str) -> str:
    return f"<think>\n{_THOUGHT}\n</think>\n\n{text}"


def _apart(name: str) -> Change:
    """Keep the thoughts apart, as the field `name`."""

    def change(message: Message) -> Message:
        return message | {name: _THOUGHT}

    return change


def _inside(name: str) -> Change:
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


VLLM = (
    Persona(
        "vllm-thoughts-in-content",
        "vLLM, a reasoning model without parser",
        "thoughts stand before the JSON",
        f"D {_GH}/triton-inference-server/perf_analyzer/pull/433",
        does="reads what follows them",
        binds=NOTHING,
        loose=_think,
    ),
    Persona(
        "vllm-thoughts-unopened",
        "vLLM, DeepSeek-R1 templates",
        "the thought is opened in the prompt: the content has `</think>` alone",
        f"D {_GH}/vllm-project/vllm/issues/12468",
        does="reads what follows it",
        binds=NOTHING,
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
        f"D {_GH}/vllm-project/vllm/issues/50948",
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
        binds=NOTHING,
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
        binds=NOTHING,
        loose=_channels,
    ),
    Persona(
        "gpt-oss-channels-dropped",
        "gpt-oss, likewise",
        "channels without their signs: `analysis...assistantfinal...`",
        f"D {_GH}/Augustas11/macprovider/issues/743",
        does="reads what follows",
        binds=NOTHING,
        loose=_channels_without_signs,
    ),
)
