"""The values that travel through the pipeline.

A record is encoded once, by its source, as one canonical JSON line `{"id":"…","data":{…}}`, and stays those bytes:
a block or a chunk is a list of ids beside one blob of such lines. Request bodies, halves, the reject file and digests
are all slices of that blob; single lines are cut out only when a reply demands it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import overload

import msgspec

from engine.values.counts import ChunkCounts
from engine.values.spans import Place, Span

CAMPAIGN_ID_BYTES_MAX = 256
"""A text that is longer is the id of no campaign."""

OPEN_CHUNKS = 50
"""So many full chunks may be open at once by default in a run with many campaigns."""

SEQ_BITS = 40
"""A campaign of a routed run has a number, from 1 on, which stands above so many bits of the seq of its chunks."""

CHUNK_RECORDS_MAX = 10_000
"""The most records one request may carry. Source: the bulk update API's page, "Max 10,000 items"."""


class Outcome(StrEnum):
    """Why a record is in `rejected.ndjson`: the states of `ChunkCounts` that are not accepted."""

    INVALID = "invalid"
    """Refused locally: it never was a valid record."""
    REJECTED = "rejected"
    """Refused by the API."""
    UNKNOWN = "unknown"
    """Sent, but the API's answer leaves it unproven."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was refused locally.

    `reason` is one line that groups well and never contains record data. `data` is the record's JSON object as text,
    `raw` the text of a line that could not be read (cut to a sensible length by the source); one of them may be None.
    `is_no_record` where it is the header again or a footer: it could not be anybody's. `whose` is the id where it can
    be read though `id` is not given.
    """

    reason: str
    place: Place
    id: str | None = None
    data: bytes | None = None
    raw: str | None = None
    is_no_record: bool = False
    whose: str | None = None
    routed_by: str | None = None
    """The text that says which campaign it is for; None where that can't be read, or nobody has asked for it."""


@dataclass(slots=True)
class Block:
    r"""What a source yields: some consecutive records, of any number, in source order.

    `lines` is `b"\n".join` of one canonical line a record: no trailing newline, no newline inside a line, valid UTF-8.
    `ids[i]` is the id in line i. The counts of `spans` add up to `len(ids)`. `source_bytes` is how many bytes of the
    source (as stored, so compressed bytes of a compressed file) were consumed for this block. The rows `filtered` were
    left out on purpose and are in no account; `notes` are doubts about the source, each a sentence without record data.
    `digests` are of files that have been read to their last byte by now, by their paths. `id_numbers` are 64-bit
    numbers of the ids, different ones for different ids (but not the other way round), if somebody has made them.
    """

    ids: Sequence[str]
    lines: bytes
    spans: Sequence[Span]
    refusals: list[Refusal] = field(default_factory=list)
    source_bytes: int = 0
    filtered: Sequence[Span] = ()
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    id_numbers: bytes | None = None
    filtered_ids: list[str] = field(default_factory=list)
    """The ids of the rows left out, of all of them if somebody has asked for them."""
    routed_by: Sequence[str] | None = None
    """Of each record the text that says which campaign it is for, as the source has it; None if nobody has asked."""


class JoinedLines:
    """The canonical lines of some records, in two forms, each of which is made of the other when it is asked for.

    Nearly all chunks are sent whole, and nobody cuts lines out of them: so the process that reads hands over elements.

    Args:
        by_newlines: The lines, joined by newlines.
        by_commas: The same as elements of a JSON array: joined by commas, as a request has them.
        digest: The XXH3-128 of the lines joined by newlines, where it is known already.
    """

    __slots__ = ("_by_commas", "_by_newlines", "_digest")

    def __init__(
        self, by_newlines: bytes | None = None, *, by_commas: bytes | None = None, digest: bytes | None = None
    ) -> None:
        self._by_newlines = by_newlines
        self._by_commas = by_commas
        self._digest = digest

    def __repr__(self) -> str:
        return f"<JoinedLines of {len(self._by_newlines or self._by_commas or b''):,} bytes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JoinedLines) and self.by_newlines == other.by_newlines

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> int:
        """How many bytes they have, with what joins them."""
        return len(self._by_newlines or self._by_commas or b"")

    @property
    def by_newlines(self) -> bytes:
        """The lines, joined by newlines."""
        if self._by_newlines is None:
            self._by_newlines = b"\n".join(_decode_elements(b"[%b]" % self.by_commas))
        return self._by_newlines

    @property
    def by_commas(self) -> bytes:
        """The lines, joined by commas."""
        if self._by_commas is None:
            self._by_commas = self.by_newlines.replace(b"\n", b",")
        return self._by_commas

    def digest(self) -> bytes:
        """Return the XXH3-128 of the lines joined by newlines."""
        if self._digest is None:
            import xxhash  # here, because not every process makes one

            self._digest = xxhash.xxh3_128_digest(self.by_newlines)
        return self._digest


_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class LineIds(Sequence[str]):
    """The ids of so many canonical lines. They are read when the first one is asked for: few chunks ever need them."""

    def __init__(self, lines: JoinedLines, count: int) -> None:
        self._lines = lines
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._ids[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._ids == list(other)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _ids(self) -> list[str]:
        return [line.id for line in _decode_lines(self._lines.by_newlines)]


class _IdOfLine(msgspec.Struct, gc=False):
    id: str


_decoder = msgspec.json.Decoder(_IdOfLine)
_decode_line, _decode_lines = _decoder.decode, _decoder.decode_lines


def id_of_line(line: bytes) -> str:
    """Return the id that a canonical line has."""
    return _decode_line(line).id


NOT_KNOWN = sys.maxsize


class Entries(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger is to know of the records of a chunk: arrays of unsigned 64-bit numbers, but for `begins`."""

    keys: bytes
    """The key of each record's id."""
    digests: bytes
    """The digest of each record: its entry, once it is acknowledged."""
    voids: bytes
    """Keys of entries that must be void before the chunk is sent: it has other values for their ids."""
    words: bytes = b""
    """The ids, packed as the ledger keeps them; empty if nobody has done that."""
    begins: bytes = b""
    """In which of the words each id begins: unsigned 32-bit numbers."""


@dataclass(slots=True)
class Chunk:
    """The unit of upload: at most `CHUNK_RECORDS_MAX` records with pairwise different ids.

    `seq` counts from 0; together with the settings it names the same records in every pass over the same source, which
    is what lets an interrupted run resume. In a routed run it counts per campaign, above the number of that
    (`SEQ_BITS`), and what is known of other chunks is of those of the same campaign. `refusals` are the local refusals
    met since the chunk before. A chunk may hold refusals and no record at all. `superseded` counts earlier records
    merged into a later one of the same id, `filtered` the rows left out on purpose, `notes` are doubts about the source
    that reading it up to here raised, and `digests` are of the files that were read to their last byte since the chunk
    before, by their paths. No chunk from seq `apart_from` on and before this one shares an id with it; what others do
    is not known.
    """

    seq: int
    ids: Sequence[str]
    joined: JoinedLines
    spans: Sequence[Span]
    refusals: Sequence[Refusal] = ()
    superseded: int = 0
    source_bytes: int = 0
    apart_from: int = NOT_KNOWN
    filtered: int = 0
    notes: Sequence[str] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    unchanged: int = 0
    entries: Entries | None = None
    source_digest: bytes | None = None
    repeats: bool = True
    seen_before: int = 0
    """How many of the records that it accounts for have an id that came before, in this chunk or in another."""
    unchanged_line: bytes = b""
    """The line of a record that needed no update, and of which no other version was read before."""
    campaign_id: str = ""
    """In a routed run, the campaign that its records are for; empty where it only tells of rows that are for none."""

    @property
    def last_line(self) -> bytes:
        """The canonical line of its last record; empty without any. It is cut out anew each time."""
        return self.lines.rpartition(b"\n")[2]

    @property
    def lines(self) -> bytes:
        """The canonical lines, joined by newlines."""
        return self.joined.by_newlines

    @property
    def elements(self) -> bytes:
        """The canonical lines as elements of a JSON array: joined by commas."""
        return self.joined.by_commas

    @property
    def read(self) -> int:
        """How many records of the source this chunk accounts for."""
        return len(self.ids) + len(self.refusals) + self.superseded + self.unchanged

    @property
    def not_held(self) -> ChunkCounts:
        """What became of the records that it accounts for, but does not hold."""
        return ChunkCounts(
            read=self.read,
            filtered=self.filtered,
            invalid=len(self.refusals),
            superseded=self.superseded,
            unchanged=self.unchanged,
        )

    def digest(self) -> bytes:
        """Return what a resumed run compares to see that this is the same chunk as when its result was noted."""
        if self.source_digest is not None:
            return self.source_digest
        counts = len(self.refusals).to_bytes(4, "big") + self.superseded.to_bytes(4, "big")
        return self.joined.digest() + counts + self.campaign_id.encode()


@dataclass(frozen=True, slots=True)
class Failure:
    """A record of a chunk that was not updated: its index in the chunk, and why, in the API's words."""

    index: int
    outcome: Outcome
    reason: str
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """The validated outcome of a whole chunk: every record that is not in `failures` was updated."""

    chunk: Chunk
    failures: Sequence[Failure] = ()

    @property
    def counts(self) -> ChunkCounts:
        """What became of the records that the chunk accounts for."""
        failed = Counter(str(failure.outcome) for failure in self.failures) if self.failures else {}
        return self.chunk.not_held + ChunkCounts(updated=len(self.chunk.ids) - len(self.failures), **failed)
