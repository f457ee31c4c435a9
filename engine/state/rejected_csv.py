"""The reject file as a table for people: `rejected.csv`, made of `rejected.ndjson` whenever a process of the run ends.

It is for spreadsheets, so it is written as they read it when somebody just opens it: UTF-8 with a byte order mark, and
nothing in it is a formula or becomes another value (`spreadsheet_cells.py`). `rejected.ndjson` stays the exact one, and
the one that a replay reads. However many rejects there are, one at a time is held in memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import islice
from pathlib import Path

import msgspec

from engine.state.private_files import write_private_pieces
from engine.state.rejects import REJECTED
from engine.state.spreadsheet_cells import json_cell, text_cell
from engine.state.state_dir import translated

REJECTED_CSV = "rejected.csv"

COLUMNS = ("id", "outcome", "reason", "http_status", "file", "row")
CAMPAIGN = "campaign_id"
"""The column of the campaign; it is there where there are many."""
RAW = "raw"
"""The column of lines that could not be read; it is there if one was."""
OTHERS = "other fields"
"""The column of what has no other, as one JSON object; it is there if it is needed."""

FIELDS_MAX = 1_000
"""So many fields of records get columns of their own."""

ROWS_AT_ONCE = 1_000
_BOM = b"\xef\xbb\xbf"


def write_rejected_csv(run_dir: Path, file_bytes: int) -> bool:
    """Write the table of the first `file_bytes` of a run's reject file, whole and at once; none if these are none.

    Returns:
        Whether each record that was rejected or left unknown is there with its data, so that it can be sent again.

    Raises:
        StateFailed: it cannot be written, or the reject file not be read; a table that was there is untouched.
    """
    path = run_dir / REJECTED
    if not file_bytes or not path.exists():
        return True
    with translated(path):
        found = _Survey()
        for reject in _rejects(path, file_bytes):
            found.add(reject)
        table = _encoded(_rows(_rejects(path, file_bytes), found))
        write_private_pieces(run_dir / REJECTED_CSV, table)
    return found.is_replayable


class _Source(msgspec.Struct):
    path: str = ""
    row: int | None = None


class _Reject(msgspec.Struct):
    id: str | None = None
    data: dict[str, msgspec.Raw] | None = None
    raw: str | None = None
    outcome: str = ""
    reason: str = ""
    http_status: int | None = None
    source: _Source = msgspec.field(default_factory=_Source)
    campaign_id: str | msgspec.UnsetType | None = msgspec.UNSET


_decode = msgspec.json.Decoder(_Reject).decode
_encode = msgspec.json.Encoder().encode


class _Survey:
    """What columns the table needs."""

    def __init__(self) -> None:
        self.fields: dict[str, None] = {}
        self.has_raw = self.has_others = self.has_campaigns = False
        self.is_replayable = True

    def add(self, reject: _Reject) -> None:
        for name in reject.data or ():
            if name not in self.fields and len(self.fields) < FIELDS_MAX:
                self.fields[name] = None
            elif name not in self.fields:
                self.has_others = True
        self.has_raw |= reject.raw is not None
        self.has_campaigns |= reject.campaign_id is not msgspec.UNSET
        self.is_replayable &= reject.data is not None or reject.outcome == "invalid"

    @property
    def header(self) -> list[str]:
        """The names of the columns: those of fields as they are, unless there is such a column already."""
        header = [*COLUMNS, *[CAMPAIGN] * self.has_campaigns, *[RAW] * self.has_raw]
        taken = {*header, OTHERS}
        for name in self.fields:
            while name in taken:
                name = f"data.{name}"
            taken.add(name)
            header.append(name)
        return header + [OTHERS] * self.has_others


def _rejects(path: Path, file_bytes: int) -> Iterator[_Reject]:
    """Yield what stands in the lines that count."""
    with path.open("rb") as file:
        for line in file:
            file_bytes -= len(line)
            if file_bytes < 0:
                return  # what follows was never committed
            try:
                yield _decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):  # a text that is no Unicode, such as half a character
                yield _Reject(raw=line.decode("utf-8", "replace").rstrip("\n"))


def _rows(rejects: Iterable[_Reject], found: _Survey) -> Iterator[list[str]]:
    yield [text_cell(name) for name in found.header]
    for reject in rejects:
        data = reject.data or {}
        row = [
            text_cell(reject.id or ""),
            text_cell(reject.outcome),
            text_cell(reject.reason),
            "" if reject.http_status is None else str(reject.http_status),
            text_cell(reject.source.path),
            "" if reject.source.row is None else str(reject.source.row),
        ]
        if found.has_campaigns:
            row.append(text_cell(reject.campaign_id or ""))
        if found.has_raw:
            row.append(text_cell(reject.raw or ""))
        row += [json_cell(bytes(data[name])) if name in data else "" for name in found.fields]
        if found.has_others:
            others = {name: value for name, value in data.items() if name not in found.fields}
            row.append(text_cell(_encode(others).decode()) if others else "")
        yield row


def _encoded(rows: Iterator[list[str]]) -> Iterator[bytes]:
    yield _BOM
    while some := list(islice(rows, ROWS_AT_ONCE)):
        text = StringIO(newline="")
        csv.writer(text).writerows(some)
        yield text.getvalue().encode("utf-8", "replace")
