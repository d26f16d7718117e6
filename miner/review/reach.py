"""Who may reach the page: this machine alone, unless what is shown is public or somebody answers for it."""

import ipaddress
import json
from collections.abc import Collection
from datetime import UTC, datetime

from cxr.miner.kit.errors import PolicyError, SettingsError
from cxr.miner.llm.policy import LOCALHOST, is_here
from cxr.schemas.vocabulary import Licence

HERE = "127.0.0.1"


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


def demand_reach(
    address: str, licences: Collection[str], signed_by: str | None, allowed_because: str | None
) -> str | None:
    """Allow a study's text and images to be served at an address, or raise PolicyError.

    Returns the attestation that allows it, as JSON, to be recorded before anything is served; None where none is
    needed: on this machine, and for what is public.
    """
    signed_by, allowed_because = (signed_by or "").strip(), (allowed_because or "").strip()
    if is_here(address) or set(licences) <= {str(Licence.PUBLIC)}:
        return None
    if not (signed_by and allowed_because):
        raise PolicyError(
            f"the study shows credentialed reports and images, and {address} can be reached from other machines; serve "
            f"at {HERE} and let readers come through `ssh -L`, or if they may be shown there say so with --signed-by "
            "NAME and --i-am-allowed WHY, which is recorded"
        )
    word = {"host": address, "signed_by": signed_by, "signed_on": str(datetime.now(UTC).date()), "why": allowed_because}
    return json.dumps(word)
