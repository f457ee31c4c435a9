"""Reads the body of a bulk request, record by record, as strictly as the API does."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec


class Record(NamedTuple):
    """A valid record of a request: its place there, its id, and its data as the JSON text that was received."""

    position: int
    id: str
    data: bytes


class Refused(NamedTuple):
    """A record that is not updated: its place in the request, its id as it was sent (None without one), and why."""

    position: int
    id: object
    error: str


@dataclass(slots=True)
class Request:
    """A bulk request, with its records told apart."""

    body: bytes
    campaign: object
    total: int
    valid: list[Record] = field(default_factory=list)
    invalid: list[Refused] = field(default_factory=list)


class _RecordShape(msgspec.Struct, gc=False):
    id: str
    data: msgspec.Raw


class _BodyShape(msgspec.Struct):
    """A request whose records all have the right types: the path of nearly every request."""

    campaignId: str
    records: list[_RecordShape]


class _LooseBodyShape(msgspec.Struct):
    """Any request that deserves a look at each of its records."""

    campaignId: msgspec.Raw = msgspec.Raw(b"null")
    records: list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder(_BodyShape).decode
_decode_loosely = msgspec.json.Decoder(_LooseBodyShape).decode
_decode_record = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse(body: bytes) -> Request:
    """Read a request's body.

    Raises:
        ValueError: it is not JSON in UTF-8, or has no array of records.
    """
    body.decode()  # the JSON decoder skips over values without looking at their encoding
    try:
        shape = _decode(body)
    except msgspec.ValidationError:
        return _parse_loosely(body)
    request = Request(body, shape.campaignId, len(shape.records))
    for position, record in enumerate(shape.records):
        data = bytes(record.data)
        if record.id and data.startswith(b'{"'):
            request.valid.append(Record(position, record.id, data))
        else:
            _judge(request, position, record.id, data)
    return request


def count(body: bytes, campaign: str) -> Request:
    """Count the records of a body without reading them. A nested object that begins with an id counts, too."""
    return Request(body, campaign, body.count(b'{"id":'))


def _parse_loosely(body: bytes) -> Request:
    """Read a body in which something has a wrong type, so that each record can be judged alone."""
    shape = _decode_loosely(body)
    if shape.records is None:
        raise ValueError("records must be an array")
    request = Request(body, msgspec.json.decode(shape.campaignId), len(shape.records))
    for position, raw in enumerate(shape.records):
        if not bytes(raw).startswith(b"{"):
            request.invalid.append(Refused(position, None, "record must be an object"))
            continue
        record = _decode_record(raw)
        id_ = msgspec.json.decode(record.get("id", b"null"))
        _judge(request, position, id_, bytes(record.get("data", b"null")))
    return request


def _judge(request: Request, position: int, id_: object, data: bytes) -> None:
    if not isinstance(id_, str) or not id_:
        request.invalid.append(Refused(position, id_, "id must be a non-empty string"))
    elif data[:1] != b"{" or not data[1:-1].strip():
        request.invalid.append(Refused(position, id_, "data must be a non-empty object"))
    else:
        request.valid.append(Record(position, id_, data))


def fated(request: Request, fate: str, listed: Collection[str], share: float, seed: int) -> list[Record]:
    """Return the valid records that are to meet a fate (`reject` or `poison`).

    Those are the listed ids, a share of all ids (the same seed always chooses the same ones), and records that ask
    for it in their own data: `"reject": true`.
    """
    word = b'"%b"' % fate.encode()
    asks = word in request.body
    if not (listed or share or asks):
        return []

    def meets_it(record: Record) -> bool:
        if record.id in listed or zlib.crc32(f"{seed} {fate} {record.id}".encode()) < share * 2**32:
            return True
        return asks and word in record.data and msgspec.json.decode(record.data).get(fate) is True

    return [record for record in request.valid if meets_it(record)]


def quoting(record: Record) -> str:
    """Return an error that quotes the id and every value of the record, as careless servers do."""
    told = []
    for name, value in msgspec.json.decode(record.data).items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        told.append(f"{name} {text} is invalid")
    return f"Record {record.id} refused: {'; '.join(told)}"
