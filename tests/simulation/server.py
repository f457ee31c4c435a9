"""The API as it might be: it keeps the truth of what was applied, and misbehaves in every way it was told to.

A fault never hides that the update was not applied behind a reply that is consistent and says it was: nobody could see
through that. Everything else goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, cast

import orjson
from msgspec import structs

from engine.api.wire import NoReply, Reply
from tests.simulation.portfolio import POISON, VERSION, Data, Portfolio

TIMEOUT_S = 5.0
"""How long the client waits for a reply."""
LATE_S = 20.0
"""How long after it was sent a request may still be applied."""

Records = Sequence[tuple[str, Data]]
Answer = Reply | NoReply

NAMINGS = ("id", "nested", "index", "loan_id", "text", "unnamed")
"""The shapes in which the server names the records that it refuses."""


@dataclass(slots=True)
class Character:
    """What this server is like for a whole history."""

    faults: Sequence[str]
    fault_share: float
    naming: str
    refuses_whole: bool
    """Whether one record that it does not like makes it refuse the request, with 422."""
    body_bytes_max: int | None
    latency_s: float
    outage: tuple[float, float] | None
    """From when to when it is down, in seconds of a process."""
    calm_after: int
    """After so many requests it behaves, so that every history ends."""

    @classmethod
    def make(cls, rng: Random) -> Character:
        """Draw a character."""
        start = rng.uniform(0, 20)
        return cls(
            faults=rng.sample(sorted(FAULTS), rng.randint(1, 4)),
            fault_share=rng.choice((0, 0.05, 0.2, 0.5, 0.9)),
            naming=rng.choice(NAMINGS),
            refuses_whole=rng.random() < 0.4,
            body_bytes_max=rng.choice((None, None, None, 60, 150, 300)),
            latency_s=rng.choice((0.001, 0.1, 1.0)),
            outage=(start, start + rng.choice((1, 20, 200))) if rng.random() < 0.2 else None,
            calm_after=rng.choice((20, 60, 150)),
        )


@dataclass(slots=True)
class Request:
    """A request that arrived: in which process of the client, with which records."""

    process: int
    records: Records
    campaign_id: str = ""


@dataclass(slots=True)
class FakeServer:
    """The truth: what is applied, what is in flight, what went wrong that must never."""

    rng: Random
    character: Character
    portfolio: Portfolio = field(default_factory=lambda: Portfolio([], []))
    closed_campaign: str | None = None
    """It is refused whatever it is sent, and nothing of it is applied."""
    state: dict[str, Data] = field(default_factory=dict)
    """What is held of each id, in its campaign."""
    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    token: int = 0
    quiet_until: float = 0.0
    """The process that was asked for silence may send nothing before."""
    epoch: float = 1_800_000_000.0
    """The time on all clocks when the loop of the present process began, in seconds since 1970."""
    _late: list[tuple[float, Records]] = field(default_factory=list)
    _in_flight: set[str] = field(default_factory=set)
    _in_flight_requests: list[tuple[float, Request]] = field(default_factory=list)
    _newest: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> float:
        """The time on all clocks."""
        return self.epoch + asyncio.get_running_loop().time()

    def sent_at(self, records: Records) -> float:
        """Return when the request in flight that holds these very records was sent."""
        return next(at for at, request in self._in_flight_requests if request.records is records)

    def land_later(self, records: Records, sent_at: float, now: float) -> None:
        """What is good of the records is applied once nobody waits for it any more."""
        at = self.rng.uniform(now, max(now, sent_at + LATE_S))
        self._late.append((at, [record for record in records if POISON not in record[1]]))

    def land(self, until: float) -> None:
        """Apply all that is due until then."""
        due = sorted((late for late in self._late if late[0] <= until), key=lambda late: late[0])
        self._late = [late for late in self._late if late[0] > until]
        for _, records in due:
            self._update(records)

    def arrive(self, request: Request) -> None:
        """Look at a request that comes in; whatever comes of it, it must be in order."""
        self.requests.append(request)
        self._in_flight_requests.append((self.now, request))
        if asyncio.get_running_loop().time() < self.quiet_until:
            self.violations.append("a request while the server had asked for silence")
        keys = self._keys(request)
        if len(set(keys)) < len(keys):
            self.violations.append("two versions of an id in one request")
        if not self._in_flight.isdisjoint(keys):
            self.violations.append("two versions of an id in flight")
        for key, (_, data) in zip(keys, request.records, strict=True):
            version = cast(int, data[VERSION])
            if self.portfolio.campaign_of.get(version, request.campaign_id) != request.campaign_id:
                self.violations.append("a record was sent to the campaign of others")
            if version < self._newest.get(key, -1):
                self.violations.append("an old version of an id after a newer one")
            self._newest[key] = version
        self._in_flight.update(keys)

    def leave(self, request: Request) -> None:
        """The client has its reply, or waits for it no more."""
        self._in_flight.difference_update(self._keys(request))
        self._in_flight_requests = [each for each in self._in_flight_requests if each[1] is not request]

    def _keys(self, request: Request) -> list[str]:
        return [self.portfolio.key(record) for record in request.records]

    def client_dies(self, now: float) -> None:
        """What the client had in flight may still be applied, or may not."""
        for sent_at, request in self._in_flight_requests:
            if self.rng.random() < 0.5:
                self.land_later(request.records, sent_at, now)
        self._in_flight_requests.clear()
        self._in_flight.clear()

    async def answer(self, request: Request, body_bytes: int) -> Answer:
        """Do with a request whatever the dice say."""
        character, rng = self.character, self.rng
        calm = len(self.requests) > character.calm_after
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(rng.uniform(0, character.latency_s))
        if character.outage and character.outage[0] <= now < character.outage[1] and not calm:
            return Reply(503) if rng.random() < 0.5 else NoReply("the connection was refused", may_land=False)
        if request.campaign_id == self.closed_campaign:
            return _json(rng.choice((403, 404)), {"success": False, "message": "no access to this campaign"})
        if character.body_bytes_max is not None and body_bytes > character.body_bytes_max:
            return Reply(413)
        if not calm and rng.random() < character.fault_share:
            answer = await FAULTS[rng.choice(character.faults)](self, request.records)
        else:
            answer = self.behave(request.records)
        await asyncio.sleep(rng.uniform(0, character.latency_s))
        return answer

    def behave(self, records: Records) -> Answer:
        """Apply what is good, refuse the rest, tell the truth."""
        refused = [index for index, (_, data) in enumerate(records) if POISON in data]
        if refused and self.character.refuses_whole:
            return _json(422, {"success": False, "error": "validation", "message": "a record is invalid"})
        return self.refuse(records, refused)

    def refuse(self, records: Records, refused: Sequence[int], naming: str | None = None) -> Reply:
        """Apply all but the `refused` records, and name these in the server's way."""
        self.apply([record for index, record in enumerate(records) if index not in refused])
        errors = [_error(naming or self.character.naming, index, records[index][0]) for index in refused]
        named = [error for error in errors if error is not None]
        return _results(len(records), len(records) - len(refused), len(refused), named)

    def apply(self, records: Records) -> None:
        """Update the records, after what has come late: fields that are not given stay as they are."""
        self.land(self.now)
        self._update(records)

    def _update(self, records: Records) -> None:
        for record in records:
            self.state.setdefault(self.portfolio.key(record), {}).update(record[1])

    def apply_good(self, records: Records) -> None:
        """Apply what could be applied, without a word about it."""
        self.apply([record for record in records if POISON not in record[1]])


def _error(naming: str, index: int, record_id: str) -> Any:
    match naming:
        case "id" | "loan_id":
            return {naming: record_id, "error": "invalid"}
        case "nested":
            return {"update": {"_id": record_id}, "message": "invalid"}
        case "index":
            return {"index": index, "error": "invalid"}
        case "text":
            return f"record {record_id}: is invalid"
        case _:
            return None


def _json(status: int, document: Any, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, orjson.dumps(document))


def _results(
    total: Any, successful: Any, failed: Any, errors: Any = (), *, success: Any = None, status: int = 0
) -> Reply:
    results = {"total": total, "successful": successful, "failed": failed, "errors": list(errors), "retried": 0}
    says = failed == 0 if success is None else success
    return _json(status or (200 if says else 207), {"success": says, "message": "processed", "results": results})


# The faults. Each is what happens instead of `behave`, when the request has arrived.


async def _throttle(server: FakeServer, _: Records) -> Answer:
    now = 1_800_000_000 + asyncio.get_running_loop().time()
    date = formatdate(now, usegmt=True)
    later = formatdate(now + 3, usegmt=True)
    asked = server.rng.choice(("1", "2.5", "-4", "soon", "", "0", "inf", "1e9", later, "100000"))
    headers = {"retry-after": asked, "date": date} if asked else {}
    return Reply(429, headers, b"slow down")


async def _gateway(server: FakeServer, _: Records) -> Answer:
    return Reply(server.rng.choice((500, 502, 503, 504, 408)), {}, b"<html>Bad Gateway</html>")


async def _error_after_applying(server: FakeServer, records: Records) -> Answer:
    server.apply_good(records)
    return _json(500, {"success": False, "error": "internal"})


async def _late_copy(server: FakeServer, records: Records) -> Answer:
    """The gateway gives up, the server works on."""
    server.land_later(records, server.sent_at(records), server.now)
    return Reply(504, {}, b"<html>Gateway Timeout</html>")


async def _reset(server: FakeServer, records: Records) -> Answer:
    return NoReply("the connection was reset")


async def _reset_after_applying(server: FakeServer, records: Records) -> Answer:
    server.apply_good(records)
    return NoReply("the connection was reset")


async def _hang(server: FakeServer, records: Records) -> Answer:
    if server.rng.random() < 0.5:
        server.apply_good(records)
    await asyncio.sleep(TIMEOUT_S)
    return NoReply("no reply in time")


async def _unreadable(server: FakeServer, records: Records) -> Answer:
    whole = server.behave(records)
    body = whole.body if isinstance(whole, Reply) and whole.body else b""
    return Reply(200, {}, server.rng.choice((body[: len(body) // 2], b"", None, b"OK", b"[]", b"null", b"\xff")))


async def _html(server: FakeServer, _: Records) -> Answer:
    return Reply(200, {}, b"<html>Please log in to the hotel's network</html>")


async def _no_results(server: FakeServer, records: Records) -> Answer:
    return _json(200, server.rng.choice(({"success": True}, {"success": True, "results": []}, {"results": None})))


async def _success_false(server: FakeServer, records: Records) -> Answer:
    server.apply_good(records)
    return _results(len(records), len(records), 0, success=False, status=200)


async def _counts_lie(server: FakeServer, records: Records) -> Answer:
    server.apply_good(records[:-1])
    count = len(records)
    lies = ((count, count - 1, 0), (count, count, 1), (count, -1, count + 1), (count, str(count), 0), (count, None, 0))
    return _results(*server.rng.choice(lies), success=True)


async def _total_lies(server: FakeServer, records: Records) -> Answer:
    half = len(records) // 2
    server.apply_good(records[:half])
    return _results(half, half, 0)


async def _fail_some(server: FakeServer, records: Records) -> Answer:
    """Some records fail that would not fail again; they are named as ever."""
    return server.refuse(records, _some(server, records))


async def _fail_some_unnamed(server: FakeServer, records: Records) -> Answer:
    return server.refuse(records, _some(server, records), "unnamed")


async def _fail_some_name_others(server: FakeServer, records: Records) -> Answer:
    failed = _some(server, records)
    server.refuse(records, failed)
    nobody = [{"id": "nobody", "error": "invalid"}, {"index": len(records)}, "3 records failed", {"error": {"code": 7}}]
    return _results(len(records), len(records) - len(failed), len(failed), nobody)


async def _some_later(server: FakeServer, records: Records) -> Answer:
    """The server is busy in the middle: of some records it says that they may come again, by their ids."""
    poison = [index for index, (_, data) in enumerate(records) if POISON in data]
    late = [index for index in range(len(records)) if index not in poison and server.rng.random() < 0.5]
    server.apply([record for index, record in enumerate(records) if index not in {*poison, *late}])
    status = server.rng.choice((429, 503, "502", 504))
    errors: list[Any] = [{"id": records[index][0], "error": "invalid"} for index in poison]
    errors += [{"update": {"_id": records[index][0], "status": status}} for index in late]
    return _results(len(records), len(records) - len(errors), len(errors), errors)


async def _refuse_access(server: FakeServer, _: Records) -> Answer:
    return Reply(server.rng.choice((401, 403, 404)), {}, b"<html>Forbidden</html>")


async def _name_too_many(server: FakeServer, records: Records) -> Answer:
    server.apply_good(records)
    errors = [{"id": record_id} for record_id, _ in records]
    return _results(len(records), len(records), 0, errors, success=True)


async def _all_failed(server: FakeServer, records: Records) -> Answer:
    return _results(len(records), 0, len(records), success=False, status=500)


async def _rotate_token(server: FakeServer, records: Records) -> Answer:
    server.token += 1
    return Reply(401)


def _some(server: FakeServer, records: Records) -> list[int]:
    """Records that fail this time: those that always do, and one more."""
    chosen = server.rng.randrange(len(records))
    return [index for index, (_, data) in enumerate(records) if POISON in data or index == chosen]


FAULTS: dict[str, Callable[[FakeServer, Records], Awaitable[Answer]]] = {
    "throttle": _throttle,
    "gateway": _gateway,
    "error after applying": _error_after_applying,
    "late copy": _late_copy,
    "reset": _reset,
    "reset after applying": _reset_after_applying,
    "hang": _hang,
    "unreadable": _unreadable,
    "html": _html,
    "no results": _no_results,
    "success false": _success_false,
    "counts lie": _counts_lie,
    "total lies": _total_lies,
    "fail some": _fail_some,
    "fail some, unnamed": _fail_some_unnamed,
    "fail some, name others": _fail_some_name_others,
    "some later": _some_later,
    "refuse access": _refuse_access,
    "name too many": _name_too_many,
    "all failed": _all_failed,
    "rotate token": _rotate_token,
}

LIES = frozenset({"no results", "success false", "counts lie", "total lies", "name too many"})
"""Faults after which a record may have to be left unknown, because nothing that can be believed is said of it."""


class FakeApi:
    """The API seam of one process of the client."""

    def __init__(self, server: FakeServer, process: int) -> None:
        self._server = server
        self._process = process
        self._token = server.token
        self._token_number = 0
        self.dead = False
        server.quiet_until = 0.0  # the clock of a process starts anew

    async def update(self, elements: bytes, campaign_id: str = "") -> Answer:
        """Send records; see `engine.api.BulkApi`."""
        documents = orjson.loads(b"[%b]" % elements)
        records = [(document["id"], document["data"]) for document in documents]
        request = Request(self._process, records, campaign_id)
        server, token_number = self._server, self._token_number
        server.arrive(request)
        sent_at = server.now
        try:
            if self._token != server.token:
                return Reply(401, token_number=token_number)
            answer = await server.answer(request, len(elements))
            if isinstance(answer, Reply):
                answer = structs.replace(answer, token_number=token_number)
                self._note_silence(answer)
        except asyncio.CancelledError:
            if server.rng.random() < 0.5:
                server.land_later(request.records, sent_at, server.now)
            raise
        finally:
            server.leave(request)
        return answer

    def _note_silence(self, answer: Reply) -> None:
        asked = answer.headers.get("retry-after", "")
        if answer.status == 429 and asked in ("1", "2.5"):
            now = asyncio.get_running_loop().time()
            self._server.quiet_until = max(self._server.quiet_until, now + float(asked) - 1e-6)

    def renew_token(self, refused: Reply) -> bool:
        """Read the token again; see `engine.api.BulkApi`."""
        if refused.token_number < self._token_number:
            return True
        if self._token == self._server.token:
            return False
        self._token = self._server.token
        self._token_number += 1
        return True
