"""TLS: a server that does not prove who it is gets not one byte of anybody's data, and nobody tries again."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace

from engine.api.http import HttpBulkApi, _tls
from engine.api.wire import Endpoint, NoReply, Reply
from engine.values.errors import ConfigError, EndpointUntrusted
from tests.fakes import chunk_of
from tests.wire_server import WireServer, always, updated

CHUNK = chunk_of("loan_1")
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def attempt(server: WireServer, ca_file: str | None) -> Reply | NoReply:
    async with server:
        endpoint = Endpoint(server.url, "camp", lambda: "token", ca_file=ca_file, timeout_s=60)
        async with HttpBulkApi(endpoint) as api:
            return await api.update(CHUNK.lines)


async def test_a_server_that_proves_who_it_is(authority: trustme.CA, ca_file: str) -> None:
    server = WireServer(always(updated(1)), tls=tls_of(authority.issue_cert("127.0.0.1")))
    assert isinstance(await attempt(server, ca_file), Reply)
    assert len(server.requests) == 1


@pytest.mark.parametrize("case", ["unknown authority", "self-signed", "expired", "wrong host", "not yet valid"])
async def test_a_server_that_does_not_is_sent_nothing_and_stops_the_run(
    authority: trustme.CA, ca_file: str, case: str
) -> None:
    certificate = authority.issue_cert("127.0.0.1")
    trusted: str | None = ca_file
    if case == "unknown authority":
        trusted = None  # the system's authorities do not know ours
    elif case == "self-signed":
        certificate = trustme.CA().issue_cert("127.0.0.1")
    elif case == "expired":
        certificate = authority.issue_cert("127.0.0.1", not_after=YESTERDAY)
    elif case == "not yet valid":
        certificate = authority.issue_cert("127.0.0.1", not_before=datetime.now(UTC) + timedelta(days=1))
    else:
        certificate = authority.issue_cert("api.example")
    server = WireServer(always(updated(1)), tls=tls_of(certificate))
    outcome = await attempt(server, trusted)
    assert isinstance(outcome, NoReply)
    assert isinstance(outcome.fatal, EndpointUntrusted)
    assert outcome.fatal.exit_code == 77
    assert "api.url is not trusted" in str(outcome.fatal)
    assert server.requests == []
    assert server.bytes_received == 0


async def talk_to(answer: bytes, ca_file: str) -> NoReply:
    """Send an attempt with TLS to a listener that reads something, says `answer` in clear, and hangs up."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read(100_000))
        writer.write(answer)
        writer.close()

    received: list[bytes] = []
    listener = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with HttpBulkApi(Endpoint(url, "camp", lambda: "token", ca_file=ca_file, timeout_s=60)) as api:
            outcome = await api.update(CHUNK.lines)
    assert isinstance(outcome, NoReply)
    assert len(received) == 1
    assert b"loan_1" not in received[0]
    return outcome


async def test_a_server_without_tls_is_sent_nothing_and_stops_the_run(ca_file: str) -> None:
    outcome = await talk_to(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ca_file)
    assert isinstance(outcome.fatal, EndpointUntrusted)


async def test_a_handshake_that_is_cut_off_is_an_outage_like_any_other(ca_file: str) -> None:
    """A gateway that restarts hangs up in the middle of the handshake: nothing is wrong with its certificate."""
    assert (await talk_to(b"", ca_file)).fatal is None


async def test_a_ca_file_that_is_none_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("not a certificate", encoding="utf-8")
    for ca_file in (str(path), str(tmp_path / "missing.pem")):
        with pytest.raises(ConfigError, match="ca_file"):
            async with HttpBulkApi(Endpoint("https://api.example", "camp", lambda: "token", ca_file=ca_file)):
                pass


def test_a_proxy_behind_tls_is_trusted_by_certificates_of_our_own_loading() -> None:
    """aiohttp's default context has none in our own process (see `engine/api/certificates.py`)."""
    proxied = Endpoint("http://127.0.0.1:1", "camp", lambda: "token", proxy="https://proxy.example:3128")
    assert isinstance(_tls(proxied), ssl.SSLContext)
    assert _tls(replace(proxied, proxy="http://proxy.example:3128")) is True
