"""The model: what must be true after each process and at the end of each history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

import orjson

from engine.pipeline.accounts import Accounts
from engine.values import Chunk, ChunkResult
from engine.values.counts import ChunkCounts
from engine.values.errors import AccountsDoNotBalance
from tests.simulation.portfolio import POISON, VERSION, Data
from tests.simulation.server import LIES

if TYPE_CHECKING:
    from tests.simulation.history import World

T = TypeVar("T")

REQUESTS_MAX_PER_RECORD = 40
"""Each process may send so many requests for each record, at the very most: a bound on storms."""
REQUESTS_MAX_AT_ALL_EVENTS = 100
"""And so many more, however few its records are: an outage is probed every few seconds, and takes minutes."""


def of_a_process(world: World, number: int, done_before: set[int]) -> Iterator[str]:
    """Yield what went wrong in process `number`, which found the chunks `done_before` done."""
    sent = _chunks_sent(world, number)
    if sent & done_before:
        yield "a chunk with a durable result was sent again"
    if number > 0:
        again = sent & _chunks_sent(world, number - 1)
        most = world.workers * max(1, len(set(world.portfolio.campaign_of.values())))  # each may be refused by itself
        if len(again) > most:
            yield f"{len(again)} chunks sent again, though at most {most} can have been in flight"
    requests = sum(request.process == number for request in world.server.requests)
    if requests > REQUESTS_MAX_PER_RECORD * len(world.portfolio.records) + REQUESTS_MAX_AT_ALL_EVENTS:
        yield f"a storm of {requests} requests"


def of_the_accounts(accounts: Accounts, world: World) -> Iterator[str]:
    """Yield what is wrong with the sums that a process tells at its end."""
    try:
        accounts.counts.check()
    except AccountsDoNotBalance as error:
        yield f"pending: {error}"
    done = sum(result.chunk.read for result in world.disk.latest.results.values())
    if accounts.finished != (done == world.portfolio.rows):
        yield f"pending: {accounts.pending} records, {done} of {world.portfolio.rows} are durable"


def at_the_end(world: World) -> Iterator[str]:
    """Yield what is wrong when the run has come to its end."""
    run = world.disk.latest
    counts = run.counts
    try:
        counts.check()
    except AccountsDoNotBalance as error:
        yield str(error)
    results = [run.results[seq] for seq in sorted(run.results)]
    expected = {chunk.seq: chunk for chunk in world.chunks() if chunk.campaign_id not in world.given_up}
    known = {result.chunk.seq for result in results if result.chunk.campaign_id not in world.given_up}
    if known != expected.keys():
        yield "a chunk is missing"
    read = sum(result.chunk.read for result in results if result.chunk.seq in known)
    rows = sum(chunk.read for chunk in expected.values()) if world.given_up else world.portfolio.rows
    if read != rows:
        yield f"{rows} records in the source, {read} accounted for"
    yield from _wrong_versions(world, results)
    yield from _wrong_states(world, results)
    yield from _wrong_rejects(world, results)
    yield from _needless_doubt(world, counts)


def _wrong_versions(world: World, results: list[ChunkResult]) -> Iterator[str]:
    """Every record of the source is in the chunks, merged in order into the one of its id."""
    merged: dict[str, Data] = {}
    for result in results:
        for record in _records(result.chunk):
            merged.setdefault(world.portfolio.key(record), {}).update(record[1])
    refused = {refusal.place.row for result in results for refusal in result.chunk.refusals}
    expected: dict[str, Data] = {}
    for row, record_id, data in _rows(world):
        if row not in refused:
            expected.setdefault(world.portfolio.key((record_id, data)), {}).update(data)
    if _judged(world, merged) != _judged(world, expected):
        yield "the chunks are not what the source holds"


def _judged(world: World, by_key: Mapping[str, T]) -> dict[str, T]:
    """Return what is not of a campaign that was given up: of such a one, nobody knows what is there."""
    given_up = tuple(f"{campaign_id}: " for campaign_id in world.given_up)
    return {key: value for key, value in by_key.items() if not (given_up and key.startswith(given_up))}


def _wrong_states(world: World, results: list[ChunkResult]) -> Iterator[str]:
    """The server holds what was updated, in order; what is unknown may be there or not; what was refused is not."""
    possible: dict[str, dict[str, set[object]]] = {}
    for result in results:
        outcomes = {failure.index: failure.outcome for failure in result.failures}
        if len(outcomes) < len(result.failures):
            yield "a record has two outcomes"
        for index, (record_id, data) in enumerate(_records(result.chunk)):
            outcome = outcomes.get(index)
            if POISON in data and outcome is None:
                yield f"record {record_id} was refused and called updated"
            fields = possible.setdefault(world.portfolio.key((record_id, data)), {})
            for name, value in data.items():
                before = fields.get(name, {None})
                # A record can be refused after an attempt that was applied but whose reply was lost.
                may_be = {value} if outcome is None else before | ({value} if POISON not in data else set())
                fields[name] = may_be
    for key, fields in _judged(world, possible).items():
        held = world.server.state.get(key, {})
        wrong = [name for name, values in fields.items() if held.get(name) not in values]
        if wrong:
            yield f"the server does not hold the latest {', '.join(wrong)} of {key}"


def _wrong_rejects(world: World, results: list[ChunkResult]) -> Iterator[str]:
    """Each record that was not accepted is in the reject file, once, with its own data, place and outcome."""
    documents = [orjson.loads(line) for line in world.disk.latest.reject_lines]
    found = sorted((each["outcome"], each["source"]["row"], each.get("id", "")) for each in documents)
    rows = {data[VERSION]: row for row, _, data in _rows(world)}
    expected = []
    for result in results:
        expected += [("invalid", refusal.place.row, refusal.id or "") for refusal in result.chunk.refusals]
        records = _records(result.chunk)
        for failure in result.failures:
            record_id, data = records[failure.index]
            expected.append((str(failure.outcome), rows[data[VERSION]], record_id))
    if found != sorted(expected):
        yield "the reject file is not what was not accepted"


def _needless_doubt(world: World, counts: ChunkCounts) -> Iterator[str]:
    """An API that tells the truth, and is there most of the time, leaves nothing unknown and no good record refused."""
    character = world.server.character
    if character.fault_share > (0.05 if world.is_routed else 0.2) or not LIES.isdisjoint(character.faults):
        return
    if counts.unknown:
        yield f"{counts.unknown} records unknown for no reason"
    poison = sum(POISON in data for result in world.disk.latest.results.values() for _, data in _records(result.chunk))
    refuses_more = character.body_bytes_max or any(fault.startswith("fail some") for fault in character.faults)
    if not refuses_more and counts.rejected != poison:
        yield f"{counts.rejected} records rejected, {poison} are poison"


def _rows(world: World) -> Iterator[tuple[int, str, Data]]:
    for block in world.portfolio.blocks:
        for span, line in zip(block.spans, block.lines.split(b"\n"), strict=False):
            document = orjson.loads(line)
            yield span.first_row, document["id"], document["data"]


def _records(chunk: Chunk) -> list[tuple[str, Data]]:
    documents = [orjson.loads(line) for line in chunk.lines.split(b"\n")] if chunk.ids else []
    if [document["id"] for document in documents] != chunk.ids:
        raise AssertionError("the ids of a chunk are not those of its lines")
    return [(document["id"], document["data"]) for document in documents]


def _chunks_sent(world: World, process: int) -> set[int]:
    """Return the chunks of which anything was sent by a process, but for what may have been a witness.

    That is the last record of a chunk, alone.
    """
    chunk_of: dict[int, int] = {}
    last: set[int] = set()
    for chunk in world.chunks():
        for _, data in _records(chunk):
            chunk_of[cast(int, data[VERSION])] = chunk.seq
        last.update(cast(int, data[VERSION]) for _, data in _records(chunk)[-1:])
    return {
        chunk_of[cast(int, data[VERSION])]
        for request in world.server.requests
        if request.process == process
        for _, data in request.records
        if len(request.records) > 1 or data[VERSION] not in last
    }
