"""The real client against real sockets: one attempt is one request, and nothing a server does leads astray."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.api.http import REPLY_BYTES_MAX, HttpBulkApi
from engine.api.wire import Endpoint, NoReply, Reply
from engine.values.errors import AccessRefused, ConfigError
from tests.fakes import chunk_of
from tests.wire_server import Answer, WireRequest, WireServer, always, response, updated

CHUNK = chunk_of("loan_1", "loan_2", "loan_3")
GOOD = updated(3)


def endpoint(url: str, **more: Any) -> Endpoint:
    values: dict[str, Any] = {"campaign_id": 'ca"mp', "read_token": lambda: "the-token", "timeout_s": 60.0}
    return Endpoint(url=url, **values | more)


@asynccontextmanager
async def client(answer: Answer | WireServer, **more: Any) -> AsyncIterator[tuple[HttpBulkApi, WireServer]]:
    """A client and the server that it talks to."""
    server = answer if isinstance(answer, WireServer) else WireServer(answer)
    async with server, HttpBulkApi(endpoint(server.url, **more)) as api:
        yield api, server


async def attempt(answer: Answer | WireServer, **more: Any) -> tuple[Reply | NoReply, WireServer]:
    """What comes of one attempt."""
    async with client(answer, **more) as (api, server):
        return await api.update(CHUNK.elements), server


def reason(outcome: Reply | NoReply) -> str:
    assert isinstance(outcome, NoReply), outcome
    assert outcome.fatal is None
    return outcome.reason


async def test_the_request_is_the_one_of_the_api_page() -> None:
    outcome, server = await attempt(always(GOOD))
    [request] = server.requests
    assert (request.method, request.target) == ("PUT", "/api/v1/customer-data/bulk")
    assert orjson.loads(request.body) == {
        "campaignId": 'ca"mp',
        "records": [orjson.loads(line) for line in CHUNK.lines.split(b"\n")],
    }
    assert request.headers["authorization"] == "Bearer the-token"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(request.body))
    assert "x-org-id" not in request.headers
    assert isinstance(outcome, Reply)
    assert outcome.status == 200


async def test_the_organisation_is_named_where_one_is_set() -> None:
    _, server = await attempt(always(GOOD), org_id="org-7")
    assert server.requests[0].headers["x-org-id"] == "org-7"


async def test_a_large_body_arrives_whole() -> None:
    lines = b",".join(orjson.dumps({"id": f"loan_{n}", "data": {"text": "ü" * 1_000}}) for n in range(4_000))
    async with client(always(GOOD)) as (api, server):
        await api.update(lines)
        assert api.bytes_sent == len(server.requests[0].body) > 8_000_000
    assert orjson.loads(server.requests[0].body)["records"][3_999]["id"] == "loan_3999"


async def test_what_nobody_listens_to_is_not_counted_as_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with HttpBulkApi(endpoint(f"http://127.0.0.1:{port}")) as api:
        assert "refused" in reason(await api.update(CHUNK.elements))
        assert api.bytes_sent == 0


async def test_headers_that_mean_something_come_along() -> None:
    headers = ("Retry-After: 7", "Date: Mon, 23 Nov 2026 02:00:00 GMT", "X-RateLimit-Remaining: 3", "Set-Cookie: a=b")
    outcome, _ = await attempt(always(response(429, b"", *headers)))
    assert isinstance(outcome, Reply)
    assert outcome.headers == {
        "retry-after": "7",
        "date": "Mon, 23 Nov 2026 02:00:00 GMT",
        "x-ratelimit-remaining": "3",
    }


# One attempt is one request.


async def test_a_kept_connection_is_used_again() -> None:
    async with client(always(GOOD)) as (api, server):
        for _ in range(4):
            assert isinstance(await api.update(CHUNK.elements), Reply)
        assert server.connections == 1
        assert len(server.requests) == 4


async def test_no_cookie_is_kept() -> None:
    async with client(always(response(200, b"{}", "Set-Cookie: session=secret; Path=/"))) as (api, server):
        for _ in range(2):
            await api.update(CHUNK.elements)
        assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_connection_dropped_instead_of_a_reply_is_not_tried_again(how: str) -> None:
    outcome, server = await attempt(always(close=how == "close", reset=how == "reset"))
    assert reason(outcome) in ("the server closed the connection", "the connection was reset")
    assert len(server.requests) == server.connections == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_kept_connection_dropped_instead_of_a_reply_is_not_tried_again(how: str) -> None:
    async def once(request: WireRequest, writer: asyncio.StreamWriter) -> None:
        first = len(server.requests) == 1
        await always(GOOD if first else b"", close=not first and how == "close", reset=how == "reset" and not first)(
            request, writer
        )

    async with client(once) as (api, server):
        assert isinstance(await api.update(CHUNK.elements), Reply)
        reason(await api.update(CHUNK.elements))
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_a_connection_closed_while_idle_costs_no_hidden_request() -> None:
    async with client(always(GOOD, close=True)) as (api, server):
        outcomes = [await api.update(CHUNK.elements) for _ in range(5)]
        replies = sum(isinstance(outcome, Reply) for outcome in outcomes)
        assert len(server.requests) <= 5  # as many as attempts, or fewer where the connection was gone
        assert len(server.requests) >= replies
        assert server.connections <= 5


async def test_a_server_that_hangs_up_at_once_is_called_once() -> None:
    outcome, server = await attempt(WireServer(always(GOOD), accept=False))
    reason(outcome)
    assert server.connections == 1
    assert server.requests == []


async def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # nobody else is given it now, and nobody listens
        async with HttpBulkApi(endpoint(f"http://127.0.0.1:{port}")) as api:
            assert reason(await api.update(CHUNK.elements)) == "the connection was refused"


async def test_no_such_host() -> None:
    async with HttpBulkApi(endpoint("http://no-such-host.invalid")) as api:
        assert reason(await api.update(CHUNK.elements)) == "the name of the API's host can't be resolved"


async def test_a_redirect_is_not_followed() -> None:
    async with WireServer(always(GOOD)) as elsewhere:
        for status in (301, 302, 307, 308):
            outcome, server = await attempt(always(response(status, b"", f"Location: {elsewhere.url}")))
            assert isinstance(outcome, Reply)
            assert outcome.status == status
            assert len(server.requests) == 1
        assert elsewhere.connections == 0


async def test_nothing_of_the_environment_leads_astray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    async with WireServer(always(response(502))) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setitem(os.environ, "NETRC", str(netrc))
        outcome, server = await attempt(always(GOOD))
        assert isinstance(outcome, Reply)
        assert outcome.status == 200
        assert server.requests[0].headers["authorization"] == "Bearer the-token"
        assert proxy.connections == 0


async def test_a_proxy_that_was_set_is_used() -> None:
    async with (
        WireServer(always(GOOD)) as proxy,
        HttpBulkApi(endpoint("http://api.invalid/v1", proxy=f"http://127.0.0.1:{proxy.port}")) as api,
    ):
        assert isinstance(await api.update(CHUNK.elements), Reply)
        assert proxy.requests[0].target == "http://api.invalid/v1/customer-data/bulk"


@pytest.mark.parametrize(
    ("status", "header", "is_own"),
    [
        (407, 'Proxy-Authenticate: Basic realm="x"', True),
        (403, "X-Squid-Error: ERR_ACCESS_DENIED 0", True),
        (403, "Server: tinyproxy/1.11.1", True),
        (403, "Via: 1.1 squid (squid/5.7)", False),
        (401, "WWW-Authenticate: Bearer", False),
    ],
)
async def test_a_proxys_own_reply_is_told_from_one_that_it_passes_on(status: int, header: str, is_own: bool) -> None:
    async with WireServer(always(response(status, b"<html>", header))) as server:
        proxy = f"http://user:hidden@127.0.0.1:{server.port}"
        async with HttpBulkApi(endpoint("http://api.invalid/v1", proxy=proxy)) as api:
            outcome = await api.update(CHUNK.elements)
    assert isinstance(outcome, Reply)
    assert outcome.by_proxy == is_own


async def test_without_a_proxy_no_reply_is_one_of_it() -> None:
    outcome, _ = await attempt(always(response(403, b"", "X-Squid-Error: ERR_ACCESS_DENIED 0")))
    assert isinstance(outcome, Reply)
    assert not outcome.by_proxy


@pytest.mark.parametrize(("status", "stops"), [(407, True), (401, True), (403, True), (502, False), (503, False)])
async def test_a_proxy_that_opens_no_tunnel_is_named_without_its_password(status: int, stops: bool) -> None:
    async with WireServer(always(response(status, b"", 'Proxy-Authenticate: Basic realm="x"'))) as server:
        proxy = f"http://user:hidden@127.0.0.1:{server.port}"
        async with HttpBulkApi(endpoint("https://api.invalid/v1", proxy=proxy)) as api:
            outcome = await api.update(CHUNK.elements)
    assert isinstance(outcome, NoReply)
    assert (isinstance(outcome.fatal, AccessRefused), "api.proxy" in outcome.reason) == (stops, True)
    assert "api.proxy" in str(outcome.fatal or "api.proxy")
    assert "hidden" not in f"{outcome.reason} {outcome.fatal}"


async def test_a_proxy_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{free.getsockname()[1]}"
        async with HttpBulkApi(endpoint("http://api.invalid/v1", proxy=proxy)) as api:
            assert reason(await api.update(CHUNK.elements)) == "the connection to the proxy (api.proxy) was refused"


# Replies.


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)]
)
async def test_a_compressed_reply_is_understood(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(b'{"success":true}')
    outcome, _ = await attempt(always(response(200, body, f"Content-Encoding: {encoding}")))
    assert isinstance(outcome, Reply)
    assert outcome.body == b'{"success":true}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"{}" * 100, mtime=0)[:-9]),
        ("gzip", b"{}"),
        ("gzip", b""),
        ("br", b"{}"),
        ("deflate", zlib.compress(b"{}")[:-1]),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
)
async def test_a_body_that_cannot_be_decompressed_is_none(encoding: str, body: bytes) -> None:
    outcome, _ = await attempt(always(response(200, body, f"Content-Encoding: {encoding}")))
    assert isinstance(outcome, Reply)
    assert outcome.body is None


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_reply_of_a_gigabyte_is_not_read(chunked: bool) -> None:
    sent = 0

    async def flood(_: WireRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        piece = b"x" * 1_000_000
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1000000000"
        writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        while sent < 1_000_000_000:
            writer.write(b"f4240\r\n" + piece + b"\r\n" if chunked else piece)
            await writer.drain()
            sent += len(piece)

    outcome, _ = await attempt(flood)
    assert isinstance(outcome, Reply)
    assert outcome.body is None
    assert sent < REPLY_BYTES_MAX + 20_000_000  # what the sockets hold


async def test_a_compression_bomb_does_not_go_off() -> None:
    squeeze = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    bomb = b"".join(squeeze.compress(b"\0" * 1_000_000) for _ in range(300)) + squeeze.flush()
    assert len(bomb) < 2_000_000
    tracemalloc.start()
    try:
        outcome, _ = await attempt(always(response(200, bomb, "Content-Encoding: gzip")))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, Reply)
    assert outcome.body is None
    assert peak < 4 * REPLY_BYTES_MAX


async def test_the_largest_reply_that_is_read() -> None:
    for extra, read in ((0, True), (1, False)):
        outcome, _ = await attempt(always(response(200, b"x" * (REPLY_BYTES_MAX + extra))))
        assert isinstance(outcome, Reply)
        assert (outcome.body is not None) == read


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (response(200, b'{"success":true', length=100), "the reply was cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}", "the reply was cut off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", "the reply"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the reply is not HTTP"),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", "the reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "the reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "the reply is not HTTP"),
        (b"HTTP/1.1 200 O", "the server closed the connection"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the server closed the connection"),
    ],
)
async def test_half_replies_and_garbage_are_no_reply(sent: bytes, said: str) -> None:
    outcome, server = await attempt(always(sent, close=True))
    assert reason(outcome).startswith(said)
    assert len(server.requests) == 1


def slow(*pieces: bytes) -> Callable[[WireRequest, asyncio.StreamWriter], Awaitable[None]]:
    """Send the pieces, then nothing more, and keep the connection open."""

    async def answer(request: WireRequest, writer: asyncio.StreamWriter) -> None:
        await always(*pieces)(request, writer)
        await asyncio.get_running_loop().create_future()

    return answer


async def trickle(_: WireRequest, writer: asyncio.StreamWriter) -> None:
    """A reply that never ends and never pauses for long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "answer",
    [slow(), slow(b"HTTP/1.1 200"), slow(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), trickle],
    ids=["nothing", "half a head", "half a body", "a trickle"],
)
async def test_a_reply_that_never_ends_is_waited_for_no_longer_than_allowed(answer: Answer) -> None:
    started_at = asyncio.get_running_loop().time()
    outcome, server = await attempt(answer, timeout_s=1.0)
    assert reason(outcome) == "no reply in time (api.timeout_s)"
    assert asyncio.get_running_loop().time() - started_at < 60
    assert len(server.requests) <= 1  # a stalled machine may let the second pass before the request is there


@pytest.mark.parametrize("lingers", [True, False])
async def test_a_413_before_the_body_is_read_is_seen_all_the_same(lingers: bool) -> None:
    """Gateways refuse a body by its announced length; some wait until the client has read the reply, others hang up."""

    class Gateway(WireServer):
        async def _talk(self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            self.requests.append(WireRequest(connection, "PUT", "", {}, b""))
            writer.write(response(413, b"too large", "Connection: close"))
            await writer.drain()
            while lingers and await reader.read(65_536):
                pass

    server = Gateway(always())
    async with client(server) as (api, _):
        outcome = await api.update(b",".join([CHUNK.elements] * 50_000))
    assert isinstance(outcome, Reply), outcome
    assert outcome.status == 413
    assert len(server.requests) == 1


@pytest.mark.parametrize("count", [10, 20_000])
async def test_a_refusal_from_the_head_alone_is_read_though_the_body_can_no_longer_be_sent(count: int) -> None:
    refusals = 20
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            for _ in range(refusals):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(64)
                    connection.sendall(response(429, b"slow down", "Connection: close"))
                    connection.shutdown(socket.SHUT_WR)
                    # What has come and is not read makes the kernel reset the connection now.

        refusing = asyncio.create_task(asyncio.to_thread(refuse))
        endpoint = Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", "camp", lambda: "token")
        async with HttpBulkApi(endpoint) as api:
            outcomes = [await api.update(b",".join([CHUNK.elements] * count)) for _ in range(refusals)]
        await refusing
    read = [outcome.status for outcome in outcomes if isinstance(outcome, Reply)]
    assert read == [429] * len(read)
    assert len(read) >= 3 / 4 * refusals  # it may hang up within the very write


# Tokens.


async def test_a_renewed_token_is_sent_and_old_refusals_count_no_more() -> None:
    tokens = iter(["old", "new", "new"])
    async with client(always(response(401)), read_token=lambda: next(tokens)) as (api, server):
        early, late = [await api.update(CHUNK.elements) for _ in range(2)]
        assert isinstance(early, Reply)
        assert isinstance(late, Reply)
        assert api.renew_token(early)
        assert api.renew_token(late)  # refused with the old token, too: the new one is still to be tried
        again = await api.update(CHUNK.elements)
        assert isinstance(again, Reply)
        assert not api.renew_token(again)  # there is no newer one
        assert [request.headers["authorization"] for request in server.requests] == ["Bearer old"] * 2 + ["Bearer new"]


async def test_a_token_that_is_gone_is_no_new_one() -> None:
    def read() -> str:
        if gone:
            raise ConfigError("the token file is gone")
        return "old"

    gone = False
    async with client(always(response(401)), read_token=read) as (api, _):
        refused = await api.update(CHUNK.elements)
        gone = True
        assert isinstance(refused, Reply)
        assert not api.renew_token(refused)


async def test_campaigns_are_asked_for_page_by_page() -> None:
    async with client(always(response(200, b'{"data":[]}'))) as (api, server):
        outcome = await api.campaigns(page=2, limit=50)
        assert isinstance(outcome, Reply)
        assert server.requests[0].target == "/api/v1/campaigns?page=2&limit=50"
        assert server.requests[0].method == "GET"


async def test_cancelled_at_any_moment_the_connection_is_not_left_half_used() -> None:
    async with client(always(GOOD)) as (api, server):
        for turns in range(40):
            attempting = asyncio.ensure_future(api.update(CHUNK.elements))
            for _ in range(turns):
                await asyncio.sleep(0)
            attempting.cancel()
            await asyncio.gather(attempting, return_exceptions=True)
            outcome = await api.update(CHUNK.elements)
            assert isinstance(outcome, Reply)
            assert outcome.body == GOOD.partition(b"\r\n\r\n")[2]
        assert len(server.requests) <= 80
