"""The real bulk update API, over aiohttp. The only module of the pipeline that knows HTTP.

`PUT {url}/customer-data/bulk` with `{"campaignId": …, "records": […]}`; see the API's page for the fields. One call of
`update` is one request on the wire: no retry, no redirect, no proxy of the environment happens behind its back.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Any, Self

from msgspec.structs import replace

from engine.api.certificates import unused_certificates_left_out
from engine.api.decompression import Decompression, Undecodable
from engine.api.proxies import is_of_proxy, is_refusal, proxy_refuses
from engine.api.wire import Endpoint, NoReply, Reply
from engine.values import AccessRefused, ConfigError, EndpointUntrusted

with unused_certificates_left_out():
    import aiohttp
    from aiohttp.payload import Payload

REPLY_BYTES_MAX = 16_000_000
"""A larger reply is no valid reply. 10,000 errors of 300 bytes are 3 MB."""
_READ_BYTES = 65_536
_WRITE_BYTES = 1 << 20
_CONNECT_S = 30.0
_HEADERS = ("retry-after", "date", "ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining",
            "ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")  # fmt: skip


class HttpBulkApi:
    """An open connection pool to one endpoint; an async context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._token = endpoint.read_token()
        self._token_number = 0
        self._is_relayed = endpoint.proxy is not None and endpoint.url.startswith("http:")  # TLS goes through a tunnel
        self._session: aiohttp.ClientSession | None = None
        self.bytes_sent = 0

    async def __aenter__(self) -> Self:
        endpoint = self._endpoint
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=endpoint.concurrency, ssl=_tls(endpoint), ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s, connect=min(_CONNECT_S, endpoint.timeout_s)),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_one_attempt,),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def update(self, elements: bytes, campaign_id: str = "") -> Reply | NoReply:
        """Send canonical JSON lines joined by commas as one request; return what came back, whatever it was."""
        prefix, suffix = self._endpoint.envelope(campaign_id)
        body = _Body(prefix, elements, suffix)
        try:
            reply = await self._exchange("PUT", "/customer-data/bulk", data=body)
        finally:
            self.bytes_sent += body.bytes_written
        # The server can do nothing with a request whose last byte never left.
        return replace(reply, may_land=body.is_written) if isinstance(reply, NoReply) else reply

    async def campaigns(self, page: int, limit: int) -> Reply | NoReply:
        """Ask for one page of the list of campaigns: harmless, so it proves a token before the night."""
        return await self._exchange("GET", "/campaigns", params={"page": page, "limit": limit})

    def renew_token(self, refused: Reply) -> bool:
        """Read the token again, for files rotate; True if there is one that was not sent with `refused`."""
        if refused.token_number < self._token_number:
            return True
        try:
            token = self._endpoint.read_token()
        except (AccessRefused, ConfigError):
            return False
        if token == self._token:
            return False
        self._token = token
        self._token_number += 1
        return True

    async def _exchange(self, method: str, path: str, **options: Any) -> Reply | NoReply:
        if self._session is None:
            raise RuntimeError("used outside of its context")
        token_number = self._token_number
        try:
            async with self._session.request(
                method,
                self._endpoint.url.rstrip("/") + path,
                headers=self._request_headers(),
                allow_redirects=False,
                proxy=self._endpoint.proxy,
                **options,
            ) as response:
                body = await _read_body(response)
                headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
                by_proxy = self._is_relayed and is_of_proxy(response.status, response.headers)
                return Reply(response.status, headers, body, token_number, by_proxy)
        except _AttemptFailed as failed:
            return _no_reply(failed.args[0])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _no_reply(error)

    def _request_headers(self) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        if self._endpoint.org_id:
            headers["x-org-id"] = self._endpoint.org_id
        return headers


class _AttemptFailed(Exception):
    """Carries an error past aiohttp, which would send an idempotent request again by itself."""


async def _one_attempt(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Middleware: one call is one wire request. aiohttp retries a PUT only for these two errors, so hide them."""
    try:
        return await handler(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise _AttemptFailed(error) from error


class _Body(Payload):
    """A request body in three parts, written in slices: a large one is never joined, nor blocks the loop for long.

    Gateways refuse from the head alone: they reply and close while the body is still being written. Writing on would
    fail, and the failure would hide the reply that is already there; so the rest is then left out.
    """

    def __init__(self, prefix: bytes, records: bytes, suffix: bytes) -> None:
        super().__init__(None, content_type="application/json")
        self._parts = (prefix, records, suffix)
        self._size = sum(map(len, self._parts))
        self.is_written = False
        """Whether its last byte has left."""
        self.bytes_written = 0
        """How much of it has left: nothing where nobody listens."""

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._parts).decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: Any, content_length: int | None) -> None:
        """Write the whole body, whatever length is asked for, or as much as the server takes before it replies."""
        small = self._size is not None and self._size <= _WRITE_BYTES
        for part in (b"".join(self._parts),) if small else self._parts:
            view = memoryview(part)
            for start in range(0, len(view), _WRITE_BYTES):
                if _has_hung_up(writer.transport):
                    return
                piece = view[start : start + _WRITE_BYTES]
                try:
                    await writer.write(piece)
                except ConnectionError:
                    return  # a reply that closes the connection was read meanwhile; if not, its absence is the failure
                self.bytes_written += len(piece)
        self.is_written = True


def _has_hung_up(transport: asyncio.Transport | None) -> bool:
    """Whether the server has closed its end: no reply to what is still unsent can come."""
    if _PEER_CLOSED is None:
        return False
    if transport is None:
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _PEER_CLOSED)
    return bool(poll.poll(0))


_PEER_CLOSED = getattr(select, "POLLRDHUP", None)
"""Known to Linux alone. Elsewhere the reply of a server that does not read what it refuses may be lost."""


async def _read_body(response: aiohttp.ClientResponse) -> bytes | None:
    """Read a reply with a cap; None if it is larger, also once decompressed, or can't be decompressed."""
    try:
        decompression = Decompression(response.headers.get("Content-Encoding", ""), REPLY_BYTES_MAX)
        pieces = response.content.iter_chunked(_READ_BYTES)
        body = b"".join([decompression.feed(piece) async for piece in pieces])
        decompression.finish()
    except Undecodable:
        response.close()  # the rest is not worth reading; the connection is not used again
        return None
    return body


def _tls(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """How to trust the server; reading the system's certificates takes a while, so only where there is TLS."""
    if not endpoint.url.startswith("https:"):
        return ssl.create_default_context() if (endpoint.proxy or "").startswith("https:") else True
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = f"{endpoint.ca_file} can't be read as certificates in PEM form ({error})"
        raise ConfigError(f"api.ca_file: {reason}") from error


def _no_reply(error: BaseException) -> NoReply:
    """Translate what aiohttp raised; the words are for logs and hold no data."""
    if isinstance(
        error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch)
    ):
        why = getattr(getattr(error, "certificate_error", None), "verify_message", None)
        why = why or "the TLS connection could not be established"
        message = f"the server at api.url is not trusted: {why}; nothing was sent (api.ca_file names a private CA)"
        return NoReply("TLS failed", EndpointUntrusted(message))
    if isinstance(error, aiohttp.InvalidURL):
        return NoReply("the URL is invalid", ConfigError("api.url is not a valid URL"))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        fatal = proxy_refuses(error.status) if is_refusal(error.status) else None
        return NoReply(f"the proxy (api.proxy) answered HTTP {error.status}", fatal)
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return NoReply(reason, timed_out=reason == _NOT_IN_TIME)
    return NoReply(f"the connection failed ({type(error).__name__})")


_NOT_IN_TIME = "no reply in time (api.timeout_s)"
_REASONS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (aiohttp.ConnectionTimeoutError, "the connection timed out"),
    ((asyncio.TimeoutError, TimeoutError), _NOT_IN_TIME),
    (aiohttp.ClientConnectorDNSError, "the name of the API's host can't be resolved"),
    (aiohttp.ClientProxyConnectionError, "the connection to the proxy (api.proxy) was refused"),
    (aiohttp.ClientConnectorError, "the connection was refused"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection"),
    (aiohttp.ClientPayloadError, "the reply was cut off"),
    (aiohttp.ClientOSError, "the connection was reset"),
    (aiohttp.ClientResponseError, "the reply is not HTTP"),
)
