"""Records as numbers: a key that stands for the id, and a digest that stands for all that is sent of a record.

Equal digests mean that the API would end up with the same data, but for one chance in 2^64; different ones mean nothing
but that the record must be sent. The digest covers the id, and the names and values of the fields of `data`. Not the
order of these fields, and no whitespace around them. Values count as they are written, so that `1` and `1.0`, and
`[1,2]` and `[1, 2]`, are different ones.

All of it is XXH3 of 64 bits, seeded with the secret key of the ledger, of bytes that can be read in one way only:

- key: the id as UTF-8;
- field: the name as a JSON string, escaped only where it must be, a colon, and the value without whitespace around it;
- digest: the sum of all fields modulo 2^64, their number, both as 64-bit little-endian integers, and the id as UTF-8;
- digest, if `data` has a name twice: the size of `data` as such an integer, `data` as it is written, and the id as
  UTF-8, with the seed `key ^ REPEATED_NAMES`. Of such fields the API keeps the last one, so that their order counts.

Digests are kept on disk: whoever changes what they are makes the next night send everything.
"""

from __future__ import annotations

import json
from array import array

import msgspec
from msgspec import Raw
from xxhash import xxh3_64_intdigest

from engine.ledger.acceleration import accelerator

REPEATED_NAMES = 0x9E3779B97F4A7C15
"""What the seed of digests differs by where `data` has a name twice, so that they are numbers of another kind."""

VOID = 0
"""No record has this digest."""

_INTEGER_BYTES = 8


class _Record(msgspec.Struct):
    id: str
    data: Raw


_decode_record = msgspec.json.Decoder(_Record).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode_name = msgspec.json.Encoder().encode


def keys_and_digests(lines: bytes, count: int, key: int) -> tuple[bytes, bytes]:
    """Return the keys and the digests of `count` records, each as native 64-bit integers, one a record.

    `lines` are canonical lines joined by newlines, valid as sources yield them; none for `b""`. `key` is the secret of
    the ledger, of 64 bits.

    Raises:
        ValueError: there are not so many lines.
    """
    if accelerator is None:
        return _in_python(lines, count, key)
    keys, digests, declined = accelerator.keys_and_digests(lines, count, key)
    return _with_declined(lines, keys, digests, declined, key) if declined else (keys, digests)


def _in_python(lines: bytes, count: int, key: int) -> tuple[bytes, bytes]:
    keys, digests = array("Q"), array("Q")
    for line in lines.split(b"\n") if lines else ():
        number, digest = key_and_digest(line, key)
        keys.append(number)
        digests.append(digest)
    if len(keys) != count:
        raise ValueError(f"there are not {count} lines")
    return keys.tobytes(), digests.tobytes()


def _with_declined(lines: bytes, keys: bytes, digests: bytes, declined: int, key: int) -> tuple[bytes, bytes]:
    """Return the numbers of the extension with those of the lines that it declined."""
    all_keys, all_digests = array("Q", keys), array("Q", digests)
    index = -1
    for _ in range(declined):
        index = all_digests.index(VOID, index + 1)
        start = all_keys[index]  # of a declined line
        stop = lines.find(b"\n", start)
        line = lines[start:] if stop < 0 else lines[start:stop]
        all_keys[index], all_digests[index] = key_and_digest(line, key)
    return all_keys.tobytes(), all_digests.tobytes()


def key_and_digest(line: bytes, key: int) -> tuple[int, int]:
    """Return the key and the digest of one canonical line. This is their meaning; the extension only says the same."""
    record = _decode_record(line)
    id_, data = record.id.encode(), bytes(record.data)
    fields = _decode_fields(data)
    if _repeats_a_name(data, fields):
        digest = xxh3_64_intdigest(_integer(len(data)) + data + id_, key ^ REPEATED_NAMES)
    else:
        total = sum(xxh3_64_intdigest(b"%b:%b" % (_encode_name(name), value), key) for name, value in fields.items())
        digest = xxh3_64_intdigest(_integer(total) + _integer(len(fields)) + id_, key)
    return xxh3_64_intdigest(id_, key), digest or VOID + 1


def _integer(number: int) -> bytes:
    return (number % 2**64).to_bytes(_INTEGER_BYTES, "little")


def _repeats_a_name(data: bytes, fields: dict[str, Raw]) -> bool:
    """Return whether an object, whose last field of each name is in `fields`, has a name twice."""
    # Each name that is written has two quotes at least, so that the sum leaves no room for one that is written twice.
    if data.count(b'"') - b"".join(fields.values()).count(b'"') == 2 * len(fields):
        return False
    # A reader that shows all of them: each object becomes the list of its fields; the outermost is left in the end.
    return len(json.loads(data, object_pairs_hook=list, parse_int=str, parse_float=str)) > len(fields)
