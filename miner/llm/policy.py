"""Where report text may go: the one gate in front of every request (design, invariant 5).

PhysioNet, "Use of MIMIC Data with Large Language Models and Online Services" (2025-09-24): credentialed text goes to
an online service only if that service retains nothing, trains on nothing and has nobody read it; the researcher
answers for it, and a model on the own machine is recommended.
"""

import ipaddress
from collections.abc import Iterable
from datetime import date
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from cxr.miner.kit.errors import PolicyError, SettingsError
from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Licence

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Attestation(Frozen):
    """A researcher's signed word about one endpoint; it cannot be built with less than all three promises."""

    endpoint: str = Field(description="the base URL that it holds for, with https, e.g. https://host/openai/v1")
    zero_retention: Literal[True] = Field(description="the service stores neither requests nor replies")
    no_training: Literal[True] = Field(description="the service trains no model on them")
    no_human_review: Literal[True] = Field(description="nobody at the service reads them, abuse monitoring included")
    signed_by: str = Field(min_length=1, description="the person who holds the data use agreement")
    signed_on: date


def is_loopback(base_url: str) -> bool:
    """Return whether a URL points to this machine: `localhost`, 127.0.0.0/8 or ::1, written out.

    Raises SettingsError for what is no plain http or https URL.
    """
    host = _origin(base_url)[1]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_endpoint(base_url: str, licence: Licence, attestations: Iterable[Attestation] = ()) -> Attestation | None:
    """Allow text of a licence to go to an endpoint, or raise PolicyError.

    Gives the attestation that allows it, to be recorded with the run; None where none is needed. Raises
    SettingsError for what is no plain http or https URL.
    """
    if is_loopback(base_url) or licence is Licence.PUBLIC:
        return None
    for attestation in attestations:
        if _origin(base_url)[0] == "https" and _origin(base_url) == _origin(attestation.endpoint):
            return attestation
    raise PolicyError(
        f"text of a credentialed corpus may not be sent to {_origin(base_url)[1]}, which is not this machine and has "
        "no signed attestation (over https) in the configuration; use a local server (--base-url "
        "http://127.0.0.1:8000/v1), --engine rules, or add an [[attestations]] entry for the endpoint to cxr.toml"
    )


def _origin(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path; raises SettingsError for what different parsers could read differently."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    suspicious = any(sign in url for sign in "\\@?#%") or any(sign.isspace() or not sign.isprintable() for sign in url)
    if suspicious or parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise SettingsError(
            "the base URL of a model server must look like http://127.0.0.1:8000/v1 or https://host/path, "
            "without user, password, query or blanks; check --base-url"
        )
    return parts.scheme, parts.hostname.rstrip("."), port or _DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/")
