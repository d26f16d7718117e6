"""Servers that somebody else runs: model makers, clouds and routers."""

import json

from tests.personas.persona import FEW, Completion, Message, Persona, Request
from tests.personas.refusing import (
    PLAIN,
    always,
    bare_tool_calls,
    extra_forbidden,
    form,
    has,
    in_schema,
    longest,
    not_default_temperature,
    only,
    openai,
    refuse,
    role,
    unsupported_parameter,
    unsupported_value,
    with_image,
)

_GH = "https://github.com"


def _counts_thoughts(completion: Completion, _: Request) -> Completion:
    completion["usage"] |= {
        "completion_tokens_details": {"reasoning_tokens": 8, "accepted_prediction_tokens": 0},
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    }
    return completion


def _thinks_it_all_away(completion: Completion, request: Request) -> Completion:
    """Spend all of the tokens on thoughts."""
    spent = request.get("max_completion_tokens", 20_000)
    if spent >= 16_000:
        return completion
    completion["choices"][0] |= {"finish_reason": "length", "message": {"role": "assistant", "content": ""}}
    completion["usage"] |= {"completion_tokens": spent, "completion_tokens_details": {"reasoning_tokens": spent}}
    return completion


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


def _routed(completion: Completion, _: Request) -> Completion:
    """Add what OpenRouter adds."""
    completion |= {"provider": "Somebody", "service_tier": None, "system_fingerprint": ""}
    completion["choices"][0] |= {"native_finish_reason": "completed", "logprobs": None}
    completion["choices"][0]["message"] |= {"refusal": None, "reasoning": None}
    completion["usage"] |= {"cost": 0.00015, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
    return completion


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


_O1_ROLE = "Unsupported value: 'messages[0].role' does not support '{}' with this model."

OPENAI = (
    Persona(
        "gpt-4o",
        "GPT-4o",
        "nothing: the others are compared with it",
        "D https://platform.openai.com/docs/api-reference/chat",
        does="asks with `json_schema`",
    ),
    Persona(
        "gpt-5",
        "GPT-5",
        "refuses a `temperature` other than 1, and `max_tokens`",
        f"D {_GH}/diffbot/code-gpt-docs/issues/445",
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
        body=_thinks_it_all_away,
        ends={"mine": "max_completion_tokens|reasoning_effort", "score": "max_completion_tokens|reasoning_effort"},
    ),
    Persona(
        "o3-mini",
        "o3-mini",
        "refuses any `temperature`",
        f"D {_GH}/BeehiveInnovations/pal-mcp-server/issues/78",
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
        "refuses the role `system`, `temperature`, `response_format` and `tools`",
        f"D {_GH}/BerriAI/litellm/issues/5671",
        does="puts instructions and schema into the user's message",
        refuses=(
            *(
                refuse(role(name), openai(_O1_ROLE.format(name), "messages[0].role", "unsupported_value"))
                for name in ("system", "developer")
            ),
            refuse(not_default_temperature, unsupported_value("temperature")),
            *(
                refuse(has(name), unsupported_parameter(name, instead))
                for name, instead in (
                    ("max_tokens", "max_completion_tokens"),
                    ("response_format", None),
                    ("tools", None),
                )
            ),
        ),
    ),
    Persona(
        "gpt-4-turbo",
        "older GPT-4",
        "refuses `json_schema`; tools work",
        f"D {_GH}/web-infra-dev/midscene/issues/259",
        does="asks through tools",
        refuses=(
            refuse(
                form("json_schema"),
                openai(
                    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. "
                    "Learn more about supported models at the Structured Outputs guide.",
                    "response_format",
                ),
            ),
        ),
    ),
    Persona(
        "gpt-4-0613",
        "GPT-4 of 2023",
        "refuses both kinds of `response_format`, without saying `param`; replies of 4,096 tokens at most",
        f"D {_GH}/openai/openai-node/issues/439",
        does="asks through tools",
        refuses=(
            refuse(
                has("response_format"),
                openai("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
            ),
        ),
    ),
    Persona(
        "gpt-3.5-short",
        "models with short replies",
        "refuses more tokens than it can write",
        f"D {_GH}/langchain-ai/langchain/issues/30113",
        does="lowers `max_completion_tokens`, or names it",
        refuses=(
            refuse(
                longest(2048),
                openai(
                    "max_tokens is too large: 4096. This model supports at most 2048 completion tokens, whereas you "
                    "provided 4096.",
                    "max_tokens",
                    "invalid_value",
                ),
            ),
        ),
        ends={"*": "max_completion_tokens"},
        may_succeed=True,
    ),
    Persona(
        "strict-subset",
        "servers with a small subset of JSON Schema",
        "refuses `maxLength` and `maxItems` in schemas",
        f"D {_GH}/jina-ai/node-DeepResearch/issues/79",
        does="sends the schema without them",
        refuses=tuple(
            refuse(
                in_schema(keyword),
                openai(
                    f"Invalid schema for response_format 'Reply': In context=('properties', 'items'), '{keyword}' is "
                    "not permitted.",
                    "response_format",
                ),
            )
            for keyword in ("maxLength", "maxItems", "minItems", "pattern")
        ),
    ),
)

CLOUDS = (
    Persona(
        "azure-old-version",
        "Azure OpenAI, old API version",
        "`json_schema` needs a later version; tools work",
        f"D {_GH}/crmne/ruby_llm/issues/600",
        does="asks through tools",
        refuses=(
            refuse(
                form("json_schema"),
                openai(
                    "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and "
                    "later",
                    None,
                    "BadRequest",
                ),
            ),
        ),
        path="/openai/deployments/azure-old-version",
        base="",
        api="azure",
    ),
    Persona(
        "azure-filters-prompts",
        "Azure OpenAI",
        "its filter withholds every prompt",
        "D https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter",
        does="stops and says so",
        refuses=(
            refuse(
                always,
                openai(
                    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                    "prompt",
                    "content_filter",
                    innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
                ),
            ),
        ),
        path="/openai/deployments/azure-filters-prompts",
        base="",
        api="azure",
        ends={"*": "content.?filter"},
    ),
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
        "D https://ai.google.dev/gemini-api/docs/troubleshooting",
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
        "D https://docs.anthropic.com/en/api/errors",
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
        binds=PLAIN,
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
        "D https://console.groq.com/docs/structured-outputs",
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
        "D https://docs.x.ai/docs/guides/reasoning; seed M",
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

ROUTERS = (
    Persona(
        "openrouter",
        "OpenRouter",
        "fields that others do not have",
        "D https://openrouter.ai/docs/api-reference/overview",
        does="taken",
        body=_routed,
    ),
    Persona(
        "openrouter-no-endpoint",
        "OpenRouter",
        "HTTP 404: no provider takes all parameters; without `seed` and `response_format` one does",
        f"D {_GH}/AventurasTeam/Aventuras/issues/48",
        does="leaves them out, one after the other, or names them",
        refuses=(
            refuse(
                lambda request: "seed" in request or "response_format" in request,
                {
                    "error": {
                        "message": "No endpoints found that can handle the requested parameters. To learn more about "
                        "provider routing, visit: https://openrouter.ai/docs/provider-routing",
                        "code": 404,
                    }
                },
                404,
            ),
        ),
        binds=only("tools"),
        ends={"*": "No endpoints found|parameters"},
        may_succeed=True,
    ),
    Persona(
        "openrouter-provider-failed",
        "OpenRouter",
        "HTTP 200 with an error of its provider, twice",
        "D https://openrouter.ai/docs/api-reference/errors",
        does="tries again",
        refuses=(
            refuse(
                always,
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 502,
                        "metadata": {"provider_name": "Somebody", "raw": "upstream connect error"},
                    },
                    "user_id": "user_7",
                },
                200,
                times=2,
            ),
        ),
        body=_routed,
        may_pay_more=2,
    ),
    Persona(
        "openrouter-no-credit",
        "OpenRouter",
        "HTTP 402: no credit",
        "D https://openrouter.ai/docs/api-reference/errors",
        does="stops and says so",
        refuses=(
            refuse(
                always,
                {"error": {"message": "This request requires more credits, or fewer max_tokens.", "code": 402}},
                402,
            ),
        ),
        ends={"*": "quota|credit"},
    ),
    Persona(
        "huggingface-no-provider",
        "Hugging Face's router",
        "a model that nobody serves is HTTP 400",
        "D https://huggingface.co/docs/inference-providers; words M",
        does="stops and names `--model`",
        refuses=(
            refuse(
                always,
                {
                    "error": {
                        "message": "The requested model 'x' is not supported by any provider you have enabled.",
                        "type": "invalid_request_error",
                        "param": "model",
                        "code": "model_not_supported",
                    }
                },
            ),
        ),
        ends={"*": "--(judge-)?model"},
    ),
)
