"""What people write first: a cursor on the server, rows some thousands at a time, one JSON object a line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg
from psycopg.rows import dict_row


def main(url: str, directory: str) -> None:
    """Write the table of loans as lines."""
    path = Path(directory) / "loans.ndjson"
    with psycopg.connect(url, row_factory=dict_row) as connection, path.open("w", encoding="utf-8") as file:
        cursor = connection.cursor("loans")
        cursor.execute("SELECT * FROM loans")
        while rows := cursor.fetchmany(10_000):
            file.writelines(json.dumps(row, default=str) + "\n" for row in rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
