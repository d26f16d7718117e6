"""What counts is the address that is connected to: no name, file or proxy leads text or a key past it."""

import asyncio
import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cxr.miner.kit.errors import EngineStopped, PolicyError
from cxr.miner.llm.policy import Attestation, check_endpoint, is_loopback
from cxr.miner.llm.wire import Wire, key_from_environment
from cxr.miner.mine.settings import MineSettings
from cxr.schemas.vocabulary import Licence
from tests.conftest import Cli
from tests.scripted_server import ScriptedServer
from tests.synthetic import REPLIES, write_store

ELSEWHERE = "192.0.2.7"
"""An address of the block for documentation; in these tests nothing is ever sent to it."""


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were to be connected to; none of those elsewhere is."""
    seen: list[str] = []
    connect = asyncio.SelectorEventLoop.sock_connect

    async def watched(loop: Any, sock: socket.socket, address: Any) -> None:
        seen.append(address[0])
        if not address[0].startswith("127.") and address[0] != "::1":
            raise ConnectionRefusedError
        await connect(loop, sock, address)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", watched)
    return seen


@pytest.fixture
def hosts_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads elsewhere, as in a hosts file that somebody changed."""

    def looked_up(_: object, port: object, *__: object, **___: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ELSEWHERE, port))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)


def sent(settings: MineSettings, licence: Licence = Licence.CREDENTIALED) -> int:
    """Send one request and give the status of its reply."""

    async def ask() -> int:
        async def leaving() -> None:
            return

        wire = Wire(settings, key_from_environment(settings))
        async with wire:
            return (await wire.complete(b"{}", licence, leaving)).status

    return asyncio.run(ask())


@pytest.mark.usefixtures("hosts_file")
@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
def test_localhost_is_this_machine_whatever_a_hosts_file_says(connected: list[str], name: str) -> None:
    with ScriptedServer(REPLIES) as server:
        url = server.url.replace("127.0.0.1", name)
        assert sent(MineSettings(model="m", base_url=url)) in {200, 500}
        assert server.received == 1
    assert set(connected) == {"127.0.0.1"}


@pytest.mark.usefixtures("hosts_file")
def test_a_name_for_this_machine_that_leads_elsewhere_gets_nothing(
    connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a name of ours were looked up after all, the address itself is looked at."""
    monkeypatch.setattr("cxr.miner.llm.wire._Here", lambda: None)
    with pytest.raises(PolicyError, match=rf"leads to {ELSEWHERE}, which is not this machine: nothing was sent"):
        sent(MineSettings(model="m", base_url="http://localhost:9/v1"))
    assert connected == []


@pytest.mark.parametrize("url", ["http://[::ffff:127.0.0.1]:8000/v1", "http://127.0.0.1.:8000/v1"])
def test_other_ways_of_writing_this_machine_are_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1:8000/v1",
        "http://2130706433:8000/v1",
        "http://0x7f000001:8000/v1",
        "http://0177.0.0.1/v1",
        "http://[::ffff:192.0.2.7]/v1",
        "http://127.0.0.1.evil.invalid/v1",
        "http://localhost.localdomain/v1",
        "http://0.0.0.0:8000/v1",
        "http://[::]:8000/v1",
    ],
)
def test_what_only_looks_like_this_machine_gets_no_credentialed_text(url: str, connected: list[str]) -> None:
    with pytest.raises(PolicyError, match="use a local server"):
        check_endpoint(url, Licence.CREDENTIALED)
    with pytest.raises(PolicyError):
        sent(MineSettings(model="m", base_url=url))
    assert connected == []


def test_an_attestation_of_the_future_is_refused() -> None:
    promised: dict[str, Any] = dict.fromkeys(("zero_retention", "no_training", "no_human_review"), True)
    told = {"endpoint": "https://gateway.invalid/v1", "signed_by": "A. Researcher", **promised}
    Attestation(signed_on=datetime.now(UTC).date(), **told)
    with pytest.raises(ValidationError, match="nobody has signed in the future"):
        Attestation(signed_on=datetime.now(UTC).date() + timedelta(days=2), **told)
    with pytest.raises(ValidationError):
        Attestation(signed_on=date(9999, 12, 31), **told)


def test_the_command_line_says_which_attestation_is_of_the_future(tmp_path: Path, db: Path, cxr: Cli) -> None:
    write_store(db, 1, licence="credentialed")
    (tmp_path / "cxr.toml").write_text(
        "[[mine.attestations]]\nendpoint = 'https://gateway.invalid/v1'\nzero_retention = true\nno_training = true\n"
        "no_human_review = true\nsigned_by = 'A. Researcher'\nsigned_on = 2099-01-01\n",
        encoding="utf-8",
    )
    done = cxr(
        "mine", "--engine", "llm", "--model", "m", "--base-url", "https://gateway.invalid/v1", OPENAI_API_KEY="k"
    )
    assert done.returncode == 2
    assert "mine: attestations.0.signed_on is '2099-01-01'; expected a day that has come" in done.stderr


# --- the key ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://models.invalid/v1", "http://192.0.2.7/v1", "http://8.8.8.8/v1", "http://10.0.0.5:8000/v1"]
)
def test_a_key_never_goes_in_clear_over_a_network(
    url: str, connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with pytest.raises(PolicyError, match=r"the key would go to .* unencrypted") as caught:
        sent(MineSettings(model="m", base_url=url), Licence.PUBLIC)
    assert "sk-test" not in str(caught.value)
    assert connected == []


@pytest.mark.usefixtures("hosts_file")
def test_a_private_address_gets_a_key_in_clear_where_that_is_said_and_a_public_one_never(
    connected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    said: dict[str, Any] = {"model": "m", "key_in_clear": True, "timeout_s": 5.0}
    with pytest.raises(Exception, match="connection refused"):
        sent(MineSettings(base_url="http://10.0.0.5:8000/v1", **said), Licence.PUBLIC)
    assert connected == ["10.0.0.5"]
    with pytest.raises(PolicyError, match="unencrypted"):
        sent(MineSettings(base_url="http://8.8.8.8/v1", **said), Licence.PUBLIC)

    def looked_up(_: object, port: object, *__: object, **___: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(PolicyError, match=r"leads to 8\.8\.8\.8, which is no private address"):
        sent(MineSettings(base_url="http://gpu01:8000/v1", **said), Licence.PUBLIC)
    assert connected == ["10.0.0.5"]


def test_a_server_of_the_own_network_needs_no_key(connected: list[str]) -> None:
    with pytest.raises(Exception, match="connection refused"):
        sent(MineSettings(model="m", base_url="http://10.0.0.5:8000/v1"), Licence.PUBLIC)
    assert connected == ["10.0.0.5"]


def test_credentialed_text_stays_here_in_the_whole_command(db: Path, cxr: Cli) -> None:
    """A number that some programs read as an address of this machine is no address of this machine."""
    write_store(db, 2, licence="credentialed")
    done = cxr("mine", "--engine", "llm", "--model", "m", "--base-url", "http://2130706433:9/v1")
    assert done.returncode == 1
    assert "may not be sent to 2130706433" in done.stderr


def test_public_text_to_an_address_that_is_read_in_two_ways_stops_at_once(tmp_path: Path) -> None:
    db = write_store(tmp_path / "cxr.duckdb", 2)
    from cxr.miner.mine.many import mine_llm  # noqa: PLC0415 - the rest of these tests asks no store

    with pytest.raises(EngineStopped, match="no server can be reached at"):
        mine_llm(db, MineSettings(model="m", base_url="http://127.1:9/v1"))
