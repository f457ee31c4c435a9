"""What was not accepted, and why: as lines that a later run can read again, and as grouped reasons without record data.

Each line is a canonical `{"id", "data"}` record with extra keys `outcome`, `reason`, `http_status` and
`source{path, row}`; a line that could not be read has `raw` instead of `id` and `data`. The reject file, and the table
that is made of it (`rejected_csv.py`), are the only ones that hold record data, unless it is not wanted there: then a
line has neither `data` nor `raw`. From the reasons, here and in reports and logs, record data is masked (`masking.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from engine.state.state_dir import translated
from engine.values import EXAMPLE_IDS_MAX, ChunkResult, Failure, Outcome, Place, Reason, Refusal, StateFailed, place_of

REJECTED = "rejected.ndjson"

REASONS_MAX = 200
"""So many different reasons are kept apart; further ones are counted together."""
OTHER_REASONS = "other reasons"


class RejectWriter:
    """The open reject file at `path`, of which `length` bytes count: what is behind them was never committed.

    Without `with_data`, records are written down without what stands in them. With `tells_campaign`, each line says
    which campaign its record is for, or null.

    Raises (every method):
        StateFailed: it is shorter than that, or can't be written.
    """

    def __init__(self, path: Path, *, length: int, with_data: bool = True, tells_campaign: bool = False) -> None:
        self._path = path
        self._forms = {"with_data": with_data, "tells_campaign": tells_campaign}
        with translated(path):
            self._file = _opened(path)
            try:
                if self._file.seek(0, os.SEEK_END) < length:
                    raise StateFailed(f"{path} is shorter than the journal says: the state directory is damaged")
                self._file.truncate(length)
                self._length = length
            except BaseException:
                self._file.close()
                raise

    def append(self, results: Sequence[ChunkResult], *, at: int) -> int:
        """Write durably, `at` the length that counts, what was not accepted of `results`; return the new length."""
        if self._length == at and not any(each.failures or each.chunk.refusals for each in results):
            return at  # as nearly always: no line, and no system call
        self._length = -1  # until all is written
        with translated(self._path):
            self._file.seek(at)
            self._file.truncate()  # lines of results that could not be committed
            lines = (line for result in results for line in reject_lines(result, **self._forms))
            written = sum(self._file.write(line + b"\n") for line in lines)
            if written:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._length = at + written
            return self._length

    def close(self) -> None:
        """Close it. What did not fit on a full disk never counted and is left behind."""
        with suppress(OSError):
            self._file.close()


def _opened(path: Path) -> BinaryIO:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
    os.fchmod(file.fileno(), 0o600)
    return file


def reject_lines(result: ChunkResult, *, with_data: bool = True, tells_campaign: bool = False) -> Iterator[bytes]:
    """Yield the lines of the reject file for what was not accepted of a chunk, without their newlines."""
    found = _lines_with_data(result) if with_data else _lines_without_data(result)
    if not tells_campaign:
        yield from found
        return
    campaign = b',"campaign_id":%b}' % _json(result.chunk.campaign_id or None)
    for line in found:
        yield line[:-1] + campaign


def _lines_with_data(result: ChunkResult) -> Iterator[bytes]:
    for refusal in result.chunk.refusals:
        yield _refusal_line(refusal)
    lines = result.chunk.lines.split(b"\n") if result.failures else []
    for failure in result.failures:
        yield _failure_line(failure, lines[failure.index], place_of(result.chunk.spans, failure.index))


def read_reject_ids(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the ids in a reject file, each with its campaign where the line says one; none if the file is gone.

    A damaged line, such as a torn last one, has none.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            with suppress(msgspec.MsgspecError):
                reject = _decode_id(line)
                if reject.id is not None:
                    yield reject.id, reject.campaign_id


class _WithId(msgspec.Struct):
    id: str | None = None
    campaign_id: str | None = None


_decode_id = msgspec.json.Decoder(_WithId).decode


def _lines_without_data(result: ChunkResult) -> Iterator[bytes]:
    for refusal in result.chunk.refusals:
        extra = _extra(Outcome.INVALID, refusal.reason, None, refusal.place)
        yield extra if refusal.id is None else _json({"id": _text(refusal.id)})[:-1] + b"," + extra[1:]
    for failure in result.failures:
        extra = _extra(
            failure.outcome, failure.reason, failure.http_status, place_of(result.chunk.spans, failure.index)
        )
        yield _json({"id": result.chunk.ids[failure.index]})[:-1] + b"," + extra[1:]


def _failure_line(failure: Failure, line: bytes, place: Place) -> bytes:
    extra = _extra(failure.outcome, failure.reason, failure.http_status, place)
    return line[:-1] + b"," + extra[1:]  # the record's own bytes, then the extra keys


def _refusal_line(refusal: Refusal) -> bytes:
    extra = _extra(Outcome.INVALID, refusal.reason, None, refusal.place)
    if refusal.data is not None and refusal.id is not None:
        record = b'{"id":' + _json(refusal.id) + b',"data":' + refusal.data
        return record + b"," + extra[1:]
    known = {"raw": _text(refusal.raw)} if refusal.id is None else {"id": _text(refusal.id), "raw": _text(refusal.raw)}
    return _json(known)[:-1] + b"," + extra[1:]


def _extra(outcome: Outcome, reason: str, http_status: int | None, place: Place) -> bytes:
    source = {"path": _text(place.path), "row": place.row}
    return _json({"outcome": outcome, "reason": _text(reason), "http_status": http_status, "source": source})


def _text(text: str | None) -> str:
    """Text that can be written as UTF-8: what can't becomes a question mark, in names and raw lines only."""
    return (text or "").encode("utf-8", "replace").decode()


def _json(value: Any) -> bytes:
    return orjson.dumps(_text(value) if isinstance(value, str) else value)


def reasons(result: ChunkResult) -> list[Reason]:
    """Return the reasons of a chunk, grouped."""
    groups: dict[tuple[str, str], Reason] = {}
    for refusal in result.chunk.refusals:
        add_reason(groups, Reason(Outcome.INVALID, refusal.reason, 1, [refusal.id] if refusal.id else []))
    for failure in result.failures:
        add_reason(groups, Reason(failure.outcome, failure.reason, 1, [result.chunk.ids[failure.index]]))
    return list(groups.values())


def add_reason(groups: dict[tuple[str, str], Reason], new: Reason) -> None:
    """Add `new` to the group of the same outcome and reason; open a group while there is room for one."""
    key = (str(new.outcome), new.reason)
    if key not in groups and len(groups) >= REASONS_MAX:
        key = (str(new.outcome), OTHER_REASONS)
    group = groups.setdefault(key, Reason(key[0], key[1], 0, []))
    group.count += new.count
    group.example_ids += new.example_ids[: EXAMPLE_IDS_MAX - len(group.example_ids)]
