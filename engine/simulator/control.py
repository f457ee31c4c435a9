"""The control interface for tests, under `/_control/`: look at the truth, change settings, hold and release requests.

| request | what it does |
|---|---|
| `GET stats` | the counts of `ledger.Stats` |
| `GET state` | every id with its data and how often it was updated, as JSON lines; `?campaign=` of another one |
| `GET campaigns` | how many ids each campaign holds that has any |
| `POST state` `{"ids": […]}` | the same of these ids, in this order, as far as they are known |
| `GET requests` | the log of bulk requests, as JSON lines |
| `POST settings` `{name: value}` | change settings from now on; the reply has all of them but the tokens |
| `GET wait?NAME=N&…&timeout_s=10` | reply with the counts once each named count is at least N; 408 when time is up |
| `POST release` `{"count": N}` | let N requests go on that `hold` has stopped (without a count: all) |
| `POST refuse` `{"for_s": S}` | drop every connection and refuse new ones for so long |
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice

import orjson
from aiohttp import web

from engine.simulator.model.bulk import BulkEndpoint
from engine.simulator.model.ledger import Stats

WAIT_S = 10.0
"""How long `wait` waits unless told otherwise."""
LINES_AT_ONCE = 2_000


class Gate:
    """Holds the requests that come to it, and tells when something has changed: no test needs to sleep."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._held: deque[asyncio.Future[None]] = deque()
        self._changed = asyncio.Event()

    async def hold(self) -> None:
        """Stay here until released."""
        released = asyncio.get_running_loop().create_future()
        self._held.append(released)
        self._stats.held += 1
        self.something_changed()
        try:
            await released
        finally:
            self._stats.held -= 1
            if released in self._held:
                self._held.remove(released)

    def release(self, count: int | None = None) -> int:
        """Let the first `count` requests go on, or all of them; return how many did."""
        going = 0
        while self._held and going != count:
            released = self._held.popleft()
            if not released.done():  # else its request was given up, and has not come to say so yet
                released.set_result(None)
                going += 1
        return going

    def something_changed(self) -> None:
        """Tell those who wait that they should look again."""
        self._changed.set()
        self._changed.clear()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds."""
        while not condition():
            await self._changed.wait()


class Control:
    """The handlers of the control interface; the table above says what each does."""

    def __init__(self, endpoint: BulkEndpoint, gate: Gate, refuse: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._ledger = endpoint.ledger
        self._gate = gate
        self._refuse_connections = refuse

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under `/_control/`."""
        return [
            web.get("/_control/stats", self._stats),
            web.get("/_control/state", self._state),
            web.post("/_control/state", self._state),
            web.get("/_control/campaigns", self._campaigns),
            web.get("/_control/requests", self._requests),
            web.get("/_control/wait", self._wait),
            web.post("/_control/settings", self._change_settings),
            web.post("/_control/release", self._release),
            web.post("/_control/refuse", self._refuse),
        ]

    async def _stats(self, _: web.Request) -> web.Response:
        return _json(self._ledger.snapshot())

    async def _state(self, request: web.Request) -> web.StreamResponse:
        ids = orjson.loads(await request.read())["ids"] if request.method == "POST" else None
        campaign = self._endpoint.whose(request.query.get("campaign", self._endpoint.settings.campaign))
        return await _stream(request, self._ledger.lines(ids, campaign))

    async def _campaigns(self, _: web.Request) -> web.Response:
        return _json({one or self._endpoint.settings.campaign: rows for one, rows in self._ledger.campaigns().items()})

    async def _requests(self, request: web.Request) -> web.StreamResponse:
        log = list(self._ledger.log)
        return await _stream(request, (orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in log))

    async def _wait(self, request: web.Request) -> web.Response:
        wanted = {name: float(value) for name, value in request.query.items()}
        timeout_s = wanted.pop("timeout_s", WAIT_S)
        if not wanted.keys() <= self._ledger.snapshot().keys():
            return _json({"error": "there is no such count"}, status=400)

        def reached() -> bool:
            counts = self._ledger.snapshot()
            return all(counts[name] >= least for name, least in wanted.items())

        try:
            async with asyncio.timeout(timeout_s):
                await self._gate.wait_until(reached)
        except TimeoutError:
            return _json(self._ledger.snapshot(), status=408)
        return _json(self._ledger.snapshot())

    async def _change_settings(self, request: web.Request) -> web.Response:
        try:
            settings = self._endpoint.settings.changed(orjson.loads(await request.read()))
        except ValueError as mistake:
            return _json({"error": str(mistake)}, status=400)
        self._endpoint.change(settings)
        if settings.hold == "nothing":
            self._gate.release()
        return _json({name: value for name, value in asdict(settings).items() if "token" not in name})

    async def _release(self, request: web.Request) -> web.Response:
        wanted = orjson.loads(await request.read() or b"{}")
        return _json({"released": self._gate.release(wanted.get("count"))})

    async def _refuse(self, request: web.Request) -> web.Response:
        self._refuse_connections(float(orjson.loads(await request.read())["for_s"]))
        return _json({})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


async def _stream(request: web.Request, lines: Iterable[bytes]) -> web.StreamResponse:
    """Send JSON lines, many at a time."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    iterator = iter(lines)
    while some := b"".join(islice(iterator, LINES_AT_ONCE)):
        await response.write(some)
    await response.write_eof()
    return response
