"""Who may reach the page: this machine alone, unless what is shown is public or somebody answers for it."""

import ipaddress
import json
from collections.abc import Collection
from datetime import UTC, datetime
from typing import NamedTuple

from cxr.miner.kit.errors import PolicyError, SettingsError
from cxr.miner.llm.policy import LOCALHOST, is_here
from cxr.miner.review.items import is_public

HERE = "127.0.0.1"


class Reach(NamedTuple):
    """Where the page is served, and who answers for it where that is not this machine."""

    address: str
    port: int
    signed_by: str | None = None
    allowed_because: str | None = None


def address_of(host: str) -> str:
    """Return the address to listen at; raises SettingsError for a name, which would be looked up, and for all of them.

    `localhost` is this machine here too, whatever a hosts file makes of it.
    """
    if host.strip().lower() == LOCALHOST:
        return HERE
    try:
        address = ipaddress.ip_address(host.strip().strip("[]"))
    except ValueError:
        raise SettingsError(
            f"review: --host {host[:60]!r} is no address; expected one of this machine, written out, as {HERE}"
        ) from None
    if address.is_unspecified:
        raise SettingsError(
            f"review: --host {address} is every network of this machine; expected the one address at which the readers "
            "reach it"
        )
    return str(address)


def demand_reach(reach: Reach, licences: Collection[str]) -> str | None:
    """Allow text and images under these licences to be served at an address, or raise PolicyError.

    Returns the word that allows it, as JSON, to be noted before anything is served; None where none is needed: on this
    machine, and for what is public.
    """
    signed_by, why = (reach.signed_by or "").strip(), (reach.allowed_because or "").strip()
    if is_here(reach.address) or is_public(licences):
        return None
    if not (signed_by and why):
        raise PolicyError(
            f"the study shows credentialed reports and images, and {reach.address} can be reached from other machines; "
            f"serve at {HERE} and let readers come through `ssh -L`, or if they may be shown there say so with "
            "--signed-by NAME and --i-am-allowed WHY, which is recorded"
        )
    signed_on = str(datetime.now(UTC).date())
    return json.dumps({"host": reach.address, "signed_by": signed_by, "signed_on": signed_on, "why": why})
