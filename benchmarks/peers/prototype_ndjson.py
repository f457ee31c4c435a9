"""How fast NDJSON could be if nothing had to be proven: ids decoded and the data left raw, lines joined as they are.

One decode checks every line's type (`id` a string, `data` any JSON); no duplicate keys, no empty data, no order, no
journal, no accounts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice

import msgspec

from benchmarks.peers.sending import body_of, run

RECORDS_PER_REQUEST = 10_000


class Line(msgspec.Struct, gc=False):
    """A record whose data stays the bytes it is."""

    id: str
    data: msgspec.Raw


def bodies(path: str) -> Iterator[bytes]:
    """Yield request bodies of 10,000 records."""
    decode_lines = msgspec.json.Decoder(Line).decode_lines
    with open(path, "rb") as file:
        while lines := list(islice(file, RECORDS_PER_REQUEST)):
            ids = [record.id for record in decode_lines(b"".join(lines))]
            if len(ids) != len(lines):
                raise ValueError("a line is missing")
            yield body_of(b",".join(lines))


if __name__ == "__main__":
    run(bodies(sys.argv[2]))
