"""OpenAI and Azure: models that differ in what they take."""

from tests.personas.persona import Completion, Persona, Request
from tests.personas.refusing import (
    always,
    form,
    has,
    in_schema,
    longest,
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


def _thinks_it_all_away(completion: Completion, request: Request) -> Completion:
    """Spend all of the tokens on thoughts."""
    spent = request.get("max_completion_tokens", 20_000)
    if spent >= 16_000:
        return completion
    completion["choices"][0] |= {"finish_reason": "length", "message": {"role": "assistant", "content": ""}}
    completion["usage"] |= {"completion_tokens": spent, "completion_tokens_details": {"reasoning_tokens": spent}}
    return completion


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
        "D https://community.openai.com/t/gpt-5-4-ignores-reasoning-effort-none-when-max-completion-tokens-is-used/1378362",
        does="stops and names the setting",
        refuses=(refuse(not_default_temperature, unsupported_value("temperature")),),
        body=_thinks_it_all_away,
        ends={
            "mine": "max_completion_tokens|reasoning_effort",
            "score": "max_completion_tokens|reasoning_effort",
            "predict": "are empty|cut off",
        },
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


AZURE = (
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
        f"D {_GH}/compl-ai/compl-ai/issues/20",
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
)
