"""What each implementation of the API seam must do: one suite for the client, the fake, and the simulation's API."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from engine.api.http import HttpBulkApi
from engine.api.verdict import Fatal, Settled, interpret
from engine.api.wire import BulkApi, Endpoint, Reply
from engine.values import Chunk, JoinedLines, Outcome
from tests.fakes import FakeBulkApi, chunk_of, results, updated
from tests.simulation.portfolio import POISON
from tests.simulation.server import Character, FakeApi, FakeServer
from tests.stand_in import stand_in

BAD = "loan_bad"


class Bench:
    """An implementation, and what a test needs beside it."""

    def __init__(self, api: BulkApi) -> None:
        self.api = api

    async def rotate(self) -> None:
        """From now on the server wants another token, which the client can find."""
        raise NotImplementedError

    def spoil(self, lines: bytes) -> bytes:
        """Make the record `BAD` one that the server refuses, if its id is not enough for that."""
        return lines


class OfTheClient(Bench):
    """The real client against the stand-in."""

    def __init__(self, api: BulkApi, change: object, token_file: Path) -> None:
        super().__init__(api)
        self._change = change
        self._token_file = token_file

    async def rotate(self) -> None:
        await asyncio.to_thread(self._change, token="rotated")  # type: ignore[arg-type]  # a method of the stand-in
        self._token_file.write_text("rotated", encoding="utf-8")


@asynccontextmanager
async def client(tmp_path: Path) -> AsyncIterator[Bench]:
    token_file = tmp_path / "token"
    server = await asyncio.to_thread(stand_in, reject=BAD)
    try:
        token_file.write_text(server.token, encoding="utf-8")
        endpoint = Endpoint(server.url, server.campaign_id, token_file.read_text, timeout_s=60)
        async with HttpBulkApi(endpoint) as api:
            yield OfTheClient(api, server.change, token_file)
    finally:
        await asyncio.to_thread(server.stop)


class OfTheFake(Bench):
    """The scripted fake."""

    def __init__(self) -> None:
        self.token = "token"

        def behave(ids: Sequence[str]) -> Reply:
            if scripted._tokens[scripted._token_number] != self.token:
                return Reply(401)
            bad = [{"id": id_, "error": "invalid"} for id_ in ids if id_ == BAD]
            return results(len(ids) - len(bad), len(bad), bad) if bad else updated(ids)

        scripted = self._scripted = FakeBulkApi(behaviour=behave, latency_s=0.001)
        super().__init__(scripted)

    async def rotate(self) -> None:
        self.token = "rotated"
        self._scripted._tokens.append("rotated")


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[Bench]:
    yield OfTheFake()


class OfTheSimulation(Bench):
    """The API of the simulation, on its best behaviour."""

    def __init__(self) -> None:
        character = Character([], 0.0, "id", False, None, 0.001, None, 10**9)
        self.server = FakeServer(Random(1), character)
        super().__init__(FakeApi(self.server, 0))

    async def rotate(self) -> None:
        self.server.token += 1

    def spoil(self, lines: bytes) -> bytes:
        return lines.replace(f'"{BAD}","data":{{'.encode(), f'"{BAD}","data":{{"{POISON}":true,'.encode())


@asynccontextmanager
async def simulation(_: Path) -> AsyncIterator[Bench]:
    yield OfTheSimulation()


@pytest.fixture(params=[client, fake, simulation], ids=["client", "fake", "simulation"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with request.param(tmp_path) as bench:
        yield bench


def chunk(*ids: str) -> Chunk:
    """A chunk with the field that the simulation orders records by."""
    whole = chunk_of(*ids)
    return Chunk(0, whole.ids, JoinedLines(whole.lines.replace(b'"n":', b'"version":')), whole.spans)


async def test_it_has_the_methods_of_the_seam(bench: Bench) -> None:
    for name, wanted in inspect.getmembers(BulkApi, inspect.isfunction):
        if not name.startswith("_"):
            found = getattr(type(bench.api), name)
            assert list(inspect.signature(found).parameters) == list(inspect.signature(wanted).parameters)
            assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(wanted)


async def test_good_records_are_settled(bench: Bench) -> None:
    sent = chunk("a", "b", "ü 'quoted'\n\"id\"")
    assert interpret(await bench.api.update(sent.elements), sent.ids) == Settled()


async def test_a_bad_record_is_named_and_the_others_are_updated(bench: Bench) -> None:
    sent = chunk("a", BAD, "c")
    verdict = interpret(await bench.api.update(bench.spoil(sent.elements)), sent.ids)
    assert isinstance(verdict, Settled), verdict
    assert [(failure.index, failure.outcome) for failure in verdict.failures] == [(1, Outcome.REJECTED)]


async def test_the_same_bytes_may_be_sent_again(bench: Bench) -> None:
    sent = chunk("a", "b")
    for _ in range(3):
        assert interpret(await bench.api.update(sent.elements), sent.ids) == Settled()


async def test_several_at_once(bench: Bench) -> None:
    chunks = [chunk(f"a{n}", f"b{n}") for n in range(6)]
    outcomes = await asyncio.gather(*(bench.api.update(each.elements) for each in chunks))
    for each, outcome in zip(chunks, outcomes, strict=True):
        assert interpret(outcome, each.ids) == Settled()


async def test_a_refused_token_stops_unless_there_is_a_newer_one(bench: Bench) -> None:
    sent = chunk("a")
    good = await bench.api.update(sent.elements)
    assert isinstance(good, Reply)
    assert not bench.api.renew_token(good)  # nothing has changed
    await bench.rotate()
    refused, late = [await bench.api.update(sent.elements) for _ in range(2)]
    for each in (refused, late):
        assert isinstance(interpret(each, sent.ids), Fatal)
        assert isinstance(each, Reply)
        assert bench.api.renew_token(each)
    again = await bench.api.update(sent.elements)
    assert interpret(again, sent.ids) == Settled()
    assert isinstance(again, Reply)
    assert not bench.api.renew_token(again)


async def test_cancelled_it_can_be_used_again(bench: Bench) -> None:
    sent = chunk("a", "b")
    for turns in range(6):
        attempting = asyncio.ensure_future(bench.api.update(sent.elements))
        for _ in range(turns):
            await asyncio.sleep(0)
        attempting.cancel()
        await asyncio.gather(attempting, return_exceptions=True)
        assert interpret(await bench.api.update(sent.elements), sent.ids) == Settled()
