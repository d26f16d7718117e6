"""Routers between a user and many makers."""

from tests.personas.persona import Completion, Persona, Request
from tests.personas.refusing import always, only, refuse

_GH = "https://github.com"


def _routed(completion: Completion, _: Request) -> Completion:
    """Add what OpenRouter adds."""
    completion |= {"provider": "Somebody", "service_tier": None, "system_fingerprint": ""}
    completion["choices"][0] |= {"native_finish_reason": "completed", "logprobs": None}
    completion["choices"][0]["message"] |= {"refusal": None, "reasoning": None}
    completion["usage"] |= {"cost": 0.00015, "is_byok": False, "cost_details": {"upstream_inference_cost": None}}
    return completion


ROUTERS = (
    Persona(
        "openrouter",
        "OpenRouter",
        "fields that others do not have",
        "M",
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
        "D https://openrouter.ai/docs/errors",
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
        "D https://openrouter.ai/docs/errors",
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
        "M",
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
