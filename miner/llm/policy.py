"""Where report text may go: the one gate in front of every request (design, invariant 5).

PhysioNet, "Use of MIMIC Data with Large Language Models and Online Services" (2025-09-24): credentialed text goes to
an online service only if that service retains nothing, trains on nothing and has nobody read it; the researcher
answers for it, and a model on the own machine is recommended.

What counts is the address that is connected to (`cxr.miner.llm.wire`): `localhost` is never looked up, because a hosts
file may send it anywhere.
"""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from cxr.miner.kit.errors import PolicyError, SettingsError
from cxr.schemas.base import Frozen
from cxr.schemas.vocabulary import Licence

LOCALHOST = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Attestation(Frozen):
    """A researcher's signed word about one endpoint; it cannot be built with less than all three promises."""

    endpoint: str = Field(description="the base URL that it holds for, with https, e.g. https://host/openai/v1")
    zero_retention: Literal[True] = Field(description="the service stores neither requests nor replies")
    no_training: Literal[True] = Field(description="the service trains no model on them")
    no_human_review: Literal[True] = Field(description="nobody at the service reads them, abuse monitoring included")
    signed_by: str = Field(min_length=1, description="the person who holds the data use agreement")
    signed_on: date

    @field_validator("signed_on")
    @classmethod
    def _has_been_signed(cls, signed_on: date) -> date:
        # East of Greenwich it may be tomorrow already.
        if signed_on > (datetime.now(UTC) + timedelta(hours=14)).date():
            raise ValueError(f"expected a day that has come, not {signed_on}: nobody has signed in the future")
        return signed_on


@lru_cache(maxsize=64)  # asked for every request
def is_loopback(base_url: str) -> bool:
    """Return whether a URL points to this machine: `localhost`, 127.0.0.0/8 or ::1, written out.

    Raises SettingsError for what is no plain http or https URL.
    """
    host = _origin(base_url)[1]
    return host == LOCALHOST or is_here(host)


def is_here(address: str) -> bool:
    """Return whether an address, written out, is of this machine's loopback; False for what is no address."""
    return (ip := _ip(address)) is not None and ip.is_loopback


def is_private(address: str) -> bool:
    """Return whether an address, written out, is of a network that the internet does not reach; this machine's too."""
    return (ip := _ip(address)) is not None and ip.is_private


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    # An IPv4 address in IPv6's clothes leads where the IPv4 address does.
    return getattr(ip, "ipv4_mapped", None) or ip


def check_key(base_url: str, *, in_clear: bool) -> None:
    """Raise PolicyError where a key would cross a network unencrypted; `in_clear` allows private addresses.

    Names are believed here: what they lead to is looked at when the connection is made.
    """
    scheme, host, _, _ = _origin(base_url)
    if scheme == "https" or is_loopback(base_url) or (in_clear and (_ip(host) is None or is_private(host))):
        return
    raise PolicyError(
        f"the key would go to {host} unencrypted; give an https address, unset the key where the server needs none, or "
        "for a server with a private address say key_in_clear = true in the stage's table of cxr.toml"
    )


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
