"""What becomes of entries while runs go on, in order: each change is a row of the journal until it is merged.

Keys and digests are arrays of unsigned 64-bit numbers, as `digests.py` makes them.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from xxhash import xxh3_64_intdigest

from engine.ledger.ids import ID_BYTES_MAX, pack_ids


class Acknowledged(Struct, frozen=True, tag="acknowledged", array_like=True):
    """The API has acknowledged these records: their digests are good, and these are their ids."""

    keys: bytes
    digests: bytes
    words: bytes
    begins: bytes
    """In which of the words (see `ids.py`) each id begins: unsigned 32-bit numbers."""


class Voided(Struct, frozen=True, tag="voided", array_like=True):
    """Other values may be on their way to the entries of these keys, if there are any."""

    keys: bytes


class VoidedAll(Struct, frozen=True, tag="voided_all", array_like=True):
    """As `Voided`, of all entries."""


class Removed(Struct, frozen=True, tag="removed", array_like=True):
    """The API has acknowledged that these are gone: entries of these keys and ids are no more."""

    keys: bytes
    words: bytes
    begins: bytes


Change = Acknowledged | Voided | VoidedAll | Removed

encode_change = msgspec.msgpack.Encoder().encode
decode_change = msgspec.msgpack.Decoder(Change).decode


def keys_of(ids: Sequence[str], key: int) -> bytes:
    """Return the keys of some ids, as `digests.py` makes those of records. `key` is the secret of the ledger."""
    return array("Q", [xxh3_64_intdigest(each.encode(), key) for each in ids]).tobytes()


def acknowledged(keys: bytes, digests: bytes, ids: Sequence[str]) -> Acknowledged | None:
    """Return the change that these records, one a key, were acknowledged; None if none of them can have an entry."""
    if max(map(len, ids), default=0) > ID_BYTES_MAX // 4:
        kept = [index for index, each in enumerate(ids) if len(each) <= ID_BYTES_MAX // 4]
        keys = np.frombuffer(keys, np.uint64)[kept].tobytes()
        digests = np.frombuffer(digests, np.uint64)[kept].tobytes()
        ids = [ids[index] for index in kept]
    if not ids:
        return None
    words, begins = pack_ids(ids)
    return Acknowledged(keys, digests, words, begins.tobytes())


def removed(keys: bytes, ids: Sequence[str]) -> Removed:
    """Return the change that these ids, one a key, are gone."""
    words, begins = pack_ids(ids)
    return Removed(keys, words, begins.tobytes())
