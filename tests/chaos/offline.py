"""`python -m tests.chaos.offline COMMAND...`: run a command where the world is one counted wire that leads nowhere.

The command (the whole suite, where none is given) runs in a network of its own: loopback, and a tunnel that has the
default routes and the way to the only name server. Every packet that leaves loopback comes out of that tunnel, where
nobody answers and each is counted, whichever program or library in whichever language sent it. Prints what left and
exits with 1 where anything did, or else with the command's own code.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SUITE = (sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile")
_TUNNEL = "away"
# From linux/if_tun.h: a tunnel of bare IP packets.
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_ADDRESS, _NAME_SERVER = "192.0.2.1", "192.0.2.53"
_ADDRESS_6 = "2001:db8::1"
_TCP, _UDP, _NAMES_PORT = 6, 17, 53
_UNTIL_ALL_IS_SENT_S = 0.5


class NoNamespaceError(Exception):
    """This machine does not permit a network of one's own."""


@dataclass
class Wire:
    """The end of the tunnel at which everything comes out."""

    handle: int
    packets: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def listen(self) -> None:
        """Count, for ever."""
        while packet := os.read(self.handle, 65_536):
            self.bytes += len(packet)
            self.packets[described(packet)] += 1


def described(packet: bytes) -> str:
    """Say what an IP packet is: a look-up and of which name, or where it goes."""
    if packet[0] >> 4 == 4:
        start, protocol, there = (packet[0] & 15) * 4, packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20])
    else:
        start, protocol, there = 40, packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40])
    if protocol not in {_TCP, _UDP}:
        return f"{there}, protocol {protocol}"
    port = int.from_bytes(packet[start + 2 : start + 4], "big")
    if protocol == _UDP and port == _NAMES_PORT:
        return f"a look-up of {_asked_name(packet[start + 8 + 12 :])}"
    return f"{there} port {port} ({'TCP' if protocol == _TCP else 'UDP'})"


def _asked_name(question: bytes) -> str:
    """Return the name at the beginning of a DNS question: labels, each behind its length."""
    labels, at = [], 0
    while at < len(question) and (length := question[at]):
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels)


def unshared() -> list[str]:
    """Return the words that give a command networks and mounts of its own; raises NoNamespaceError."""
    program = shutil.which("unshare")
    for more in ((), ("--map-root-user",)):
        words = [program or "", "--net", "--mount", *more]
        if program and not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
            return words
    raise NoNamespaceError


def lay_wire() -> Wire:
    """Make loopback, the tunnel and its routes in the network that this process is in; raises NoNamespaceError."""
    ip = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if ip is None:
        raise NoNamespaceError
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH", _TUNNEL.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        raise NoNamespaceError from None
    for words in (
        "link set lo up",
        f"link set {_TUNNEL} addrgenmode none",  # or the kernel itself would greet its neighbours
        f"address add {_ADDRESS}/24 dev {_TUNNEL}",
        f"link set {_TUNNEL} up",
        f"route add default dev {_TUNNEL}",
        f"-6 address add {_ADDRESS_6}/128 dev lo nodad",
        f"-6 route add default dev {_TUNNEL}",
    ):
        subprocess.run([ip, *words.split()], check=True)
    wire = Wire(handle)
    threading.Thread(target=wire.listen, daemon=True).start()
    return wire


def one_name_server(folder: Path) -> None:
    """Send look-ups of this process and its children to the tunnel, and to no service of this machine."""
    put = {
        "resolv.conf": f"nameserver {_NAME_SERVER}\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",
    }
    for name, text in put.items():
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", folder / name, Path("/etc", name).resolve()], check=True)


def inside(command: Sequence[str]) -> int:
    """Run a command where this process already has a network of its own; print what left, return the exit code."""
    wire = lay_wire()
    with tempfile.TemporaryDirectory() as folder:
        one_name_server(Path(folder))
        clean = {name: value for name, value in os.environ.items() if name != "CI"}  # telemetry looks at it
        code = subprocess.run(command, env=clean, check=False).returncode
        time.sleep(_UNTIL_ALL_IS_SENT_S)
    lost = _dropped()
    looked_up = sum(count for what, count in wire.packets.items() if what.startswith("a look-up"))
    sent = f"{wire.packets.total() + lost:,} packets and {wire.bytes:,} bytes left loopback"
    sys.stdout.write(f"{looked_up:,} look-ups of a host; {sent}\n")
    sys.stdout.writelines(f"    {count:,} x {what}\n" for what, count in wire.packets.most_common())
    return code or int(wire.packets.total() + lost > 0)


def _dropped() -> int:
    """Return how many packets the tunnel could not hold until they were read."""
    for line in Path("/proc/self/net/dev").read_text("ascii").splitlines():
        name, _, numbers = line.partition(":")
        if name.strip() == _TUNNEL:
            return int(numbers.split()[11])
    raise NoNamespaceError


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code, or 1 where anything left."""
    try:
        if arguments[:1] == ["--inside"]:
            return inside(arguments[1:])
        again = [*unshared(), sys.executable, "-m", "tests.chaos.offline", "--inside", *(arguments or SUITE)]
        return subprocess.run(again, check=False).returncode
    except NoNamespaceError:
        sys.stderr.write(
            "this machine permits no network of one's own (unshare, ip and /dev/net/tun are needed), so nothing can be "
            "counted from outside; give it the rights, or try another machine\n"
        )
        return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
