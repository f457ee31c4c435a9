"""The server: listens, passes each request through the stages, and stops on a signal."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import ssl
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from engine.simulator.control import Control, Gate
from engine.simulator.model.bulk import BulkEndpoint
from engine.simulator.model.faults import Fault, Strike
from engine.simulator.model.ledger import Ledger, LogEntry
from engine.simulator.model.replies import Reply, campaigns_body, error_reply, html_reply, json_reply
from engine.simulator.model.settings import Settings
from engine.simulator.wire import drop, read_body, reset, send, silence
from engine.values import ConfigError

BASE_PATH = "/api/v1"
READ_BUFFER_BYTES = 4_000_000
"""How much of a body may arrive before it is asked for; a whole chunk, so that reading is not stop and go."""
SHUTDOWN_TIMEOUT_S = 0.1
"""How long requests may go on after the signal to stop: what hangs on purpose would hang for ever."""
GARBAGE_THRESHOLD = 200_000
"""How many new objects start a search for cycles: a request makes tens of thousands, hardly any of them in one."""


@dataclass(slots=True)
class Listener:
    """A listening port that can refuse connections for a while."""

    runner: web.AppRunner
    host: str
    port: int
    tls: ssl.SSLContext | None
    site: web.TCPSite | None = None

    async def open(self) -> None:
        """Listen; `port` is then the real one."""
        self.site = web.TCPSite(self.runner, self.host, self.port, ssl_context=self.tls)
        await self.site.start()
        self.port = self.runner.addresses[0][1]

    async def refuse(self, for_s: float) -> None:
        """Drop every connection and refuse new ones for so long."""
        if self.site is None or self.runner.server is None:
            return
        await self.site.stop()
        for connection in self.runner.server.connections:
            reset(connection.transport)
        await asyncio.sleep(for_s)
        await self.open()


class Server:
    """The stand-in as an aiohttp application."""

    def __init__(self, settings: Settings) -> None:
        self.ledger = Ledger()
        self.endpoint = BulkEndpoint(settings, self.ledger)
        self.gate = Gate(self.ledger.stats)
        self.endpoint.on_change = self.gate.something_changed
        self._background: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> Listener:
        """Listen and return the listener; `listener.runner.cleanup()` ends it."""
        app = web.Application()
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self.endpoint.settings.keepalive_s,
            read_bufsize=READ_BUFFER_BYTES,
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )
        listener = Listener(runner, host, port, tls)
        control = Control(self.endpoint, self.gate, lambda for_s: self._spawn(listener.refuse(for_s)))
        app.add_routes(control.routes())
        app.router.add_put(f"{BASE_PATH}/customer-data/bulk", self.bulk)
        app.router.add_get(f"{BASE_PATH}/campaigns", self.campaigns)
        await runner.setup()
        await listener.open()
        self._spawn(self._refuse_in_outage(listener))
        return listener

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _refuse_in_outage(self, listener: Listener) -> None:
        """Close the port for the time of an outage of that kind."""
        await self.gate.wait_until(lambda: self.ledger.stats.requests > 0)
        begins, ends = self.endpoint.settings.outage_span
        if self.endpoint.settings.outage_kind == "refused" and ends > begins:
            await asyncio.sleep(max(0.0, begins - self.endpoint.now))
            await listener.refuse(ends - self.endpoint.now)

    async def campaigns(self, request: web.Request) -> web.StreamResponse:
        """List the campaigns, page by page."""
        self.ledger.stats.checks += 1
        reply = self.endpoint.refuse_access(request.headers)
        if not reply:
            page, limit = request.query.get("page", "1"), request.query.get("limit", "10")
            if page.isdecimal() and limit.isdecimal() and int(page) and int(limit):
                body = campaigns_body(self.endpoint.campaigns(), int(page), int(limit))
                reply = json_reply(200, body)
            else:
                reply = error_reply(400, "Bad Request", "page and limit must be numbers from 1 on")
        return await send(request, reply, None, self.endpoint.clock)

    async def bulk(self, request: web.Request) -> web.StreamResponse:
        """Answer one bulk request, or do to it what its fault asks for.

        It counts as in flight until its reply is about to leave: a client that has the reply may send the next one.
        """
        stats, entry = self.ledger.stats, LogEntry(self.endpoint.now)
        stats.requests += 1
        stats.in_flight += 1
        stats.peak_in_flight = max(stats.peak_in_flight, stats.in_flight)
        strike = self.endpoint.draw_fault()
        self.gate.something_changed()
        try:
            reply = await self._answer(request, strike, entry)
            words = [str(reply.status) if reply else "", strike.label if strike else ""]
            entry.status = " ".join(filter(None, words))
        finally:
            stats.in_flight -= 1
            stats.answered += 1
            stats.by_status[entry.status] = stats.by_status.get(entry.status, 0) + 1
            entry.took_s = self.endpoint.now - entry.at_s
            self.ledger.log.append(entry)
            self.gate.something_changed()
        if reply is None:
            await drop(request)
        try:
            return await send(request, reply.with_headers(*self.endpoint.rate_headers()), strike, self.endpoint.clock)
        except ConnectionResetError:  # the client has had enough of an endless reply
            await silence()

    async def _answer(self, request: web.Request, strike: Strike | None, entry: LogEntry) -> Reply | None:
        """Return the reply to a bulk request; None if its connection is to be reset."""
        fault = strike.fault if strike else None
        if fault is Fault.RESET_BEFORE_BODY:
            return None
        body = await read_body(request, self.endpoint.settings.max_body_bytes, fault is Fault.RESET_MID_BODY)
        if body is None:
            return None if fault is Fault.RESET_MID_BODY else html_reply(413, "413 Request Entity Too Large")
        entry.body_bytes = len(body)
        self.ledger.stats.body_bytes += len(body)
        refusal = self.endpoint.admit(request.headers, strike)
        if refusal:
            return refusal
        read = self.endpoint.look_at(body)
        if isinstance(read, Reply):
            return read
        entry.records = read.total
        with self.ledger.flight([record.id for record in read.valid], self.endpoint.whose(read.campaign)):
            await self._hold_at("before-apply")
            reply = await self.endpoint.serve(read, strike)
            await self._hold_at("before-reply")
        return reply

    async def _hold_at(self, point: str) -> None:
        if self.endpoint.settings.hold == point:
            await self.gate.hold()


def _tls_context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if not cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def serve(settings: Settings, args: argparse.Namespace) -> int:
    """Serve until a signal (or the end of standard input, if that was asked) and return exit code 0.

    Raises:
        ConfigError: the port or the certificate cannot be used.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        with asyncio.Runner(loop_factory=_fast_loop) as runner:
            runner.run(_serve_until_stopped(settings, args))
    except OSError as error:
        raise ConfigError(f"simulate: cannot listen on {args.host}:{args.port} ({error})") from None
    return 0


def _fast_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve_until_stopped(settings: Settings, args: argparse.Namespace) -> None:
    """Listen, say where, and serve until told to stop."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if args.until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end_of_stdin, stopped)
    tls = _tls_context(args.tls_cert, args.tls_key)
    if args.sink:
        from engine.simulator.sink import listen

        port, close = await listen(settings.campaign, args.host, args.port)
    else:
        listener = await Server(settings).start(args.host, args.port, tls)
        port, close = listener.port, listener.runner.cleanup
    url = f"{'https' if tls else 'http'}://{args.host}:{port}{BASE_PATH}"
    ready = {"url": url, "campaign_id": settings.campaign, "token": settings.token, "seed": settings.seed}
    print(orjson.dumps(ready).decode(), flush=True)
    await stopped.wait()
    await close()


def _stop_at_end_of_stdin(stopped: asyncio.Event) -> None:
    """Take what standard input has to say, and stop when it ends."""
    if not os.read(sys.stdin.fileno(), 1):
        stopped.set()
