"""Credentialed text goes to this machine, or to an attested endpoint, or nowhere."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from cxr.miner.kit.errors import PolicyError, SettingsError
from cxr.miner.llm.policy import Attestation, check_endpoint, is_loopback
from cxr.schemas.vocabulary import Licence

PROMISES: dict[str, Any] = {
    "endpoint": "https://hospital.invalid/openai/v1",
    "zero_retention": True,
    "no_training": True,
    "no_human_review": True,
    "signed_by": "A. Researcher",
    "signed_on": date(2026, 1, 2),
}
ATTESTATION = Attestation(**PROMISES)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost/v1",
        "http://LOCALHOST:1/v1",
        "http://[::1]:8000/v1",
        "https://127.3.2.1",
    ],
)
def test_this_machine_is_always_allowed(url: str) -> None:
    assert is_loopback(url)
    assert check_endpoint(url, Licence.CREDENTIALED) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://192.168.1.5:8000/v1",
        "http://10.0.0.1/v1",
        "http://0.0.0.0:8000/v1",
        "http://localhost.evil.invalid/v1",
        "http://127.0.0.1.nip.invalid/v1",
        "http://2130706433/v1",
        "http://[::ffff:8.8.8.8]/v1",
    ],
)
def test_credentialed_text_goes_nowhere_else(url: str) -> None:
    with pytest.raises(PolicyError, match="use a local server"):
        check_endpoint(url, Licence.CREDENTIALED)


def test_public_text_may_go_anywhere() -> None:
    assert check_endpoint("https://api.openai.com/v1", Licence.PUBLIC) is None


@pytest.mark.parametrize("url", ["https://hospital.invalid/openai/v1", "https://HOSPITAL.invalid:443/openai/v1/"])
def test_an_attested_endpoint_is_allowed_and_named(url: str) -> None:
    assert check_endpoint(url, Licence.CREDENTIALED, [ATTESTATION]) is ATTESTATION


@pytest.mark.parametrize(
    "url",
    [
        "http://hospital.invalid/openai/v1",
        "https://hospital.invalid/other/v1",
        "https://hospital.invalid:8443/openai/v1",
        "https://hospital.invalid.evil.invalid/openai/v1",
    ],
)
def test_an_attestation_holds_for_its_own_endpoint_over_https_only(url: str) -> None:
    with pytest.raises(PolicyError):
        check_endpoint(
            url, Licence.CREDENTIALED, [ATTESTATION, ATTESTATION.model_copy(update={"endpoint": "http://h/v1"})]
        )


@pytest.mark.parametrize("promise", ["zero_retention", "no_training", "no_human_review"])
@pytest.mark.parametrize("value", [False, None, "maybe"])
def test_an_attestation_with_a_promise_missing_cannot_be_built(promise: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Attestation(**{**PROMISES, promise: value})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8000",
        "ftp://127.0.0.1/v1",
        "http://127.0.0.1@evil.invalid/v1",
        "http://127.0.0.1\\@evil.invalid/v1",
        "http://127.0.0.1#@evil.invalid/v1",
        "http://evil.invalid /v1",
        "http://127.0.0.1\t.evil.invalid/v1",
        "http://127.0.0.1:99999999/v1",
        "http://[::1/v1",
        "http:///v1",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="must look like"):
        check_endpoint(url, Licence.CREDENTIALED)
