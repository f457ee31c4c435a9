"""The chunk that is being filled. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.values import Block, Chunk, JoinedLines, LineIds, Place, Refusal, Span, count_of, join_spans, places

REFUSALS_MAX = 1_000
"""A chunk closes, even if it is not full, once it has so many local refusals, or as many bytes of them as it may have
of records: bad input can't fill the memory."""


class OpenChunk:
    """The chunk being filled: single lines beside their ids and places."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.refusals: list[Refusal] = []
        self.source_bytes = 0
        self.superseded = 0
        self.filtered = 0
        self.notes: list[str] = []
        self.digests: dict[str, str] = {}
        self.ids: list[str] = []
        self._index: dict[str, int] = {}  # id → position in the chunk
        self._spans: list[Span] = []
        self._joined_bytes = -1  # of the lines and the newlines between them

    @property
    def joined_bytes(self) -> int:
        """How many bytes the lines are, and the newlines between them."""
        return max(0, self._joined_bytes)

    def take_notes(self, block: Block) -> None:
        """Take all of a block but its records and its bytes."""
        self.refusals += block.refusals
        self.filtered += count_of(block.filtered)
        self.notes += block.notes
        self.digests |= block.digests

    def closed(self, seq: int, lines: bytes, count: int, spans: Sequence[Span], apart_from: int) -> Chunk:
        """Return it as a chunk of these `count` lines, with all that was noted beside them."""
        joined = JoinedLines(lines)
        return Chunk(
            seq=seq,
            ids=LineIds(joined, count),
            joined=joined,
            spans=spans,
            refusals=self.refusals,
            superseded=self.superseded,
            source_bytes=self.source_bytes,
            apart_from=apart_from,
            filtered=self.filtered,
            notes=self.notes,
            digests=self.digests,
        )

    def refuses_too_much(self, bytes_max: int) -> bool:
        """Whether it must be closed for its refusals: they are many, or hold more than so many bytes."""
        refused = (len(refusal.data or b"") + len(refusal.raw or "") for refusal in self.refusals)
        return len(self.refusals) >= REFUSALS_MAX or sum(refused) > bytes_max

    def can_extend(self, ids: Sequence[str], lines: list[bytes], bytes_max: int) -> bool:
        """Whether a run of records fits whole: within `bytes_max`, and every id new."""
        if self._joined_bytes + sum(map(len, lines)) + len(lines) > bytes_max:
            return False
        return len(set(ids)) == len(ids) and self._index.keys().isdisjoint(ids)

    def extend(self, ids: Sequence[str], lines: list[bytes], spans: list[Span]) -> None:
        """Take a run of records that fits whole."""
        self._index.update(zip(ids, range(len(self.ids), len(self.ids) + len(ids)), strict=True))
        self.ids += ids
        self.lines += lines
        self._spans += spans
        self._joined_bytes += sum(map(len, lines)) + len(lines)

    def merge(self, record_id: str, line: bytes, place: Place, bytes_max: int) -> bool:
        """Take one record, merged into an earlier one of its id. False, and nothing taken, if it would not fit."""
        index = self._index.get(record_id)
        if index is None:
            grown = self._joined_bytes + len(line) + 1
            if grown > bytes_max:
                return False
            self.extend([record_id], [line], [Span(*place, 1)])
            return True
        merged = merge_lines(self.lines[index], line)
        grown = self._joined_bytes + len(merged) - len(self.lines[index])
        if grown > bytes_max:
            return False
        self.lines[index] = merged
        self._joined_bytes = grown
        self._move(index, place)
        self.superseded += 1
        return True

    def keep(self, which: Sequence[int]) -> None:
        """Leave out all other records."""
        every = list(places(self._spans))
        self.ids = [self.ids[index] for index in which]
        self.lines = [self.lines[index] for index in which]
        self._spans = [Span(*every[index], 1) for index in which]

    def spans(self) -> list[Span]:
        """Return where the records stand."""
        return join_spans(self._spans)

    def _move(self, index: int, place: Place) -> None:
        """Say that the record at `index` now stands at `place`: where its latest values come from."""
        if len(self._spans) != len(self.lines):
            self._spans = [Span(*each, 1) for each in places(self._spans)]
        self._spans[index] = Span(*place, 1)


def merge_lines(older: bytes, newer: bytes) -> bytes:
    """Return one canonical line with the fields of both, the newer ones winning; their bytes are kept as they are."""
    before, after = _decoder.decode(older), _decoder.decode(newer)
    return msgspec.json.encode(_Line(after.id, {**before.data, **after.data}))


class _Line(msgspec.Struct):
    id: str
    data: dict[str, msgspec.Raw]


_decoder = msgspec.json.Decoder(_Line)


def too_large(record_id: str, line: bytes, place: Place) -> Refusal:
    """Return the refusal of a record that does not even fit into a request alone."""
    return Refusal(
        reason="the record alone is larger than upload.max_body_bytes",
        place=place,
        id=record_id,
        data=data_of(line),
    )


def data_of(line: bytes) -> bytes:
    """Return the data of a record as it stands in its canonical line."""
    return bytes(msgspec.json.decode(line, type=_Data).data)


class _Data(msgspec.Struct):
    data: msgspec.Raw
