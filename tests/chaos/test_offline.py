"""What leaves loopback is counted from outside the process that sends it, and a run from which something left fails."""

import subprocess
import sys

import pytest

from tests.chaos.offline import NoNamespaceError, described, unshared
from tests.conftest import ROOT

_LOOKS_UP = """
import socket
try:
    socket.getaddrinfo("models.invalid", 80)
except OSError:
    pass
"""
_SENDS = """
import socket
for family, there in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8:1::7")):
    socket.socket(family, socket.SOCK_DGRAM).sendto(b"0123456789", (there, 4000))
"""
_STAYS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as here, socket.create_connection(here.getsockname()) as there:
    there.sendall(b"0123456789")
    socket.getaddrinfo("localhost", 80)
"""


def offline(*command: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "tests.chaos.offline", *command]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        assert "permits no network of one's own" in done.stderr
        pytest.skip("this machine permits no network of one's own")
    return done


def test_a_look_up_is_counted_and_named() -> None:
    done = offline(sys.executable, "-c", _LOOKS_UP)
    assert done.returncode == 1, done.stderr
    assert "x a look-up of models.invalid\n" in done.stdout
    assert not done.stdout.startswith("0 ")


def test_every_byte_off_loopback_is_counted() -> None:
    done = offline(sys.executable, "-c", _SENDS)
    assert done.returncode == 1, done.stderr
    headers = (20 + 8, 40 + 8)  # of IP in its two versions, and UDP
    assert f"0 look-ups of a host; 2 packets and {sum(headers) + 2 * 10} bytes left loopback" in done.stdout
    assert "198.51.100.7 port 4000 (UDP)" in done.stdout
    assert "2001:db8:1::7 port 4000 (UDP)" in done.stdout


def test_loopback_is_not_counted_and_the_commands_own_code_comes_back() -> None:
    done = offline(sys.executable, "-c", f"{_STAYS}\nraise SystemExit(7)")
    assert done.returncode == 7, done.stderr
    assert done.stdout == "0 look-ups of a host; 0 packets and 0 bytes left loopback\n"


def test_without_unshare_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoNamespaceError):
        unshared()
    words = [sys.executable, "-m", "tests.chaos.offline", "true"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1


def test_what_is_no_tcp_or_udp_is_told_by_its_protocol() -> None:
    packet = bytes([0x45, *[0] * 8, 1, 0, 0, 127, 0, 0, 1, 192, 0, 2, 9])
    assert described(packet) == "192.0.2.9, protocol 1"
