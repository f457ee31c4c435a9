"""The control interface for tests, under `/_control/`: look at the truth, change settings, hold and release requests.

| request | what it does |
|---|---|
| `GET stats` | the counts of `ledger.Stats` |
| `GET state` | every id with its data and how often it was updated, as JSON lines |
| `POST state` `{"ids": […]}` | the same of these ids, in this order, as far as they are known |
| `GET requests` | the log of bulk requests, as JSON lines |
| `POST settings` `{name: value}` | change settings from now on; the reply has all of them but the tokens |
| `GET wait?NAME=N&…&timeout_s=10` | reply with the counts once each named count is at least N; 408 when time is up |
| `POST release` `{"count": N}` | let N requests go on that `hold` has stopped (without a count: all) |
| `POST refuse` `{"for_s": S}` | drop every connection and refuse new ones for so long |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import islice

import orjson
from aiohttp import web

from engine.simulator.gate import Gate
from engine.simulator.model.bulk import BulkEndpoint

WAIT_S = 10.0
"""How long `wait` waits unless told otherwise."""
LINES_AT_ONCE = 2_000


class Control:
    """The handlers of the control interface."""

    def __init__(self, endpoint: BulkEndpoint, gate: Gate, refuse: Callable[[float], None]) -> None:
        self._endpoint = endpoint
        self._ledger = endpoint.ledger
        self._gate = gate
        self._refuse = refuse

    def routes(self) -> list[web.RouteDef]:
        """Return the routes under `/_control/`."""
        return [
            web.get("/_control/stats", self.stats),
            web.get("/_control/state", self.state),
            web.post("/_control/state", self.state),
            web.get("/_control/requests", self.requests),
            web.get("/_control/wait", self.wait),
            web.post("/_control/settings", self.change_settings),
            web.post("/_control/release", self.release),
            web.post("/_control/refuse", self.refuse),
        ]

    async def stats(self, _: web.Request) -> web.Response:
        """Reply with the counts."""
        return _json(self._ledger.snapshot())

    async def state(self, request: web.Request) -> web.StreamResponse:
        """Stream what the server holds: everything, or of the ids in the body."""
        ids = orjson.loads(await request.read())["ids"] if request.method == "POST" else None
        return await _stream(request, self._ledger.lines(ids))

    async def requests(self, request: web.Request) -> web.StreamResponse:
        """Stream the log of bulk requests."""
        return await _stream(
            request, (orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in list(self._ledger.log))
        )

    async def wait(self, request: web.Request) -> web.Response:
        """Reply once the counts are high enough."""
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

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change settings; stop holding requests if that was asked."""
        try:
            settings = self._endpoint.settings.changed(orjson.loads(await request.read()))
        except ValueError as mistake:
            return _json({"error": str(mistake)}, status=400)
        self._endpoint.change(settings)
        if settings.hold == "nothing":
            self._gate.release()
        return _json({name: value for name, value in asdict(settings).items() if "token" not in name})

    async def release(self, request: web.Request) -> web.Response:
        """Let held requests go on."""
        wanted = orjson.loads(await request.read() or b"{}")
        return _json({"released": self._gate.release(wanted.get("count"))})

    async def refuse(self, request: web.Request) -> web.Response:
        """Refuse connections for a while."""
        self._refuse(float(orjson.loads(await request.read())["for_s"]))
        return _json({})


def _json(value: object, status: int = 200) -> web.Response:
    """Return a JSON response."""
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
