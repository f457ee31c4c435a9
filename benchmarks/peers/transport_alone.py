"""What sending alone takes: one ready body of 10,000 records, again and again. Nothing can be faster with aiohttp.

Shows, too, how little the counting sink on the other end takes: it keeps up with this.
"""

from __future__ import annotations

import sys
from itertools import islice, repeat

from benchmarks.peers.sending import body_of, run

RECORDS_PER_REQUEST = 10_000

if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        body = body_of(b",".join(islice(file, RECORDS_PER_REQUEST)))
    run(repeat(body, -(-int(sys.argv[3]) // RECORDS_PER_REQUEST)))
