"""Is imported by every Python that starts with this folder on its path: writes down each socket that it uses.

A line of JSON for a look-up (`["look-up", name]`) and for each connection or datagram (`["sent", address]`). Sockets
between processes of this machine have no address that is a pair; they are none of our business.
"""

import json
import os
import sys

_PLACE = os.environ.get("SOCKETS_SEEN")
_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_SENT = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _LOOK_UPS:
        _write(["look-up", str(arguments[0])])
    elif event in _SENT and isinstance(address := arguments[1], tuple):
        _write(["sent", str(address[0])])


def _write(line: list[str]) -> None:
    assert _PLACE is not None
    with open(_PLACE, "a", encoding="utf-8") as seen:  # noqa: PTH123 - as little as possible is imported here
        seen.write(json.dumps(line) + "\n")


if _PLACE is not None:
    sys.addaudithook(_watch)
