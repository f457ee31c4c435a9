"""What the process that reads says to the one that sends: small messages, beside chunks in memory that both see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO

import msgspec

from engine.reading.comparing import Presence
from engine.reading.plan import Reading
from engine.sources import put_elements
from engine.values import Chunk, Entries, JoinedLines, LineIds, Refusal, RowSpans, Span

SLOTS = 32
"""So many chunks fit into the shared memory, one a slot; a byte with a slot's number says that it is free again."""

_LENGTH_BYTES = 4


class Cut(msgspec.Struct, tag=True, frozen=True):
    """The next chunk of the pass, but for its lines: so many bytes in its slot."""

    slot: int
    lines_bytes: int
    digest: bytes | None
    """Of the lines; None where that of the source is told."""
    seq: int
    records: int
    spans: Sequence[Span]
    refusals: Sequence[Refusal]
    superseded: int
    source_bytes: int
    apart_from: int
    filtered: int
    notes: Sequence[str]
    digests: Mapping[str, str]
    unchanged: int
    entries: Entries | None
    source_digest: bytes | None
    repeats: bool
    seen_before: int
    unchanged_line: bytes
    campaign_id: str
    rows: Sequence[tuple[str, bytes]] | None
    """In place of the spans, as `RowSpans` has them."""

    def chunk(self, slot: memoryview) -> Chunk:
        """Return the chunk, its lines copied out of its slot."""
        joined = JoinedLines(by_commas=bytes(slot[: self.lines_bytes]), digest=self.digest)
        return Chunk(
            seq=self.seq,
            ids=LineIds(joined, self.records),
            joined=joined,
            spans=self.spans if self.rows is None else RowSpans(self.rows),
            refusals=self.refusals,
            superseded=self.superseded,
            source_bytes=self.source_bytes,
            apart_from=self.apart_from,
            filtered=self.filtered,
            notes=self.notes,
            digests=self.digests,
            unchanged=self.unchanged,
            entries=self.entries,
            source_digest=self.source_digest,
            repeats=self.repeats,
            seen_before=self.seen_before,
            unchanged_line=self.unchanged_line,
            campaign_id=self.campaign_id,
        )


def slot_of(memory: memoryview, number: int, slot_bytes: int) -> memoryview:
    """Return one slot of the shared memory."""
    return memory[number * slot_bytes : (number + 1) * slot_bytes]


def put(chunk: Chunk, number: int, slot: memoryview) -> Cut:
    """Put a chunk into its slot, its lines as a request has them; return what is said about it."""
    put_elements(slot, chunk.lines)
    rows = chunk.spans.parts if isinstance(chunk.spans, RowSpans) else None
    return Cut(
        slot=number,
        lines_bytes=len(chunk.lines),
        digest=chunk.joined.digest() if chunk.source_digest is None else None,
        seq=chunk.seq,
        records=len(chunk.ids),
        spans=chunk.spans if rows is None else (),
        refusals=chunk.refusals,
        superseded=chunk.superseded,
        source_bytes=chunk.source_bytes,
        apart_from=chunk.apart_from,
        filtered=chunk.filtered,
        notes=chunk.notes,
        digests=chunk.digests,
        unchanged=chunk.unchanged,
        entries=chunk.entries,
        source_digest=chunk.source_digest,
        repeats=chunk.repeats,
        seen_before=chunk.seen_before,
        unchanged_line=chunk.unchanged_line,
        campaign_id=chunk.campaign_id,
        rows=rows,
    )


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Reading has failed: the name of an `EngineError`'s class, or "" for a bug, and the message."""

    error: str
    message: str


class Ended(msgspec.Struct, tag=True, frozen=True):
    """The source has come to its end."""

    presence: Presence | None = None
    """Whose records there were, if it was compared."""


_encode = msgspec.msgpack.Encoder().encode
_decode_reading = msgspec.msgpack.Decoder(Reading).decode
_decode_message = msgspec.msgpack.Decoder(Cut | Failed | Ended).decode


def send(stream: BinaryIO, message: Reading | Cut | Failed | Ended) -> None:
    """Write a message with its length before it."""
    body = _encode(message)
    stream.write(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
    stream.flush()


def receive(stream: BinaryIO) -> Cut | Failed | Ended | None:
    """Wait for the next message; None if the other process has gone."""
    body = _body(stream)
    return None if body is None else _decode_message(body)


def receive_reading(stream: BinaryIO) -> Reading | None:
    """Wait for what is to be read; None if the other process has gone."""
    body = _body(stream)
    return None if body is None else _decode_reading(body)


def _body(stream: BinaryIO) -> bytes | None:
    length = stream.read(_LENGTH_BYTES)
    if len(length) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(length, "big")
    body = stream.read(size)
    return body if len(body) == size else None
