"""`replay`: send again what an earlier run could not deliver, and nothing that is out of date by now.

The reject file of a run is a source like any other. Left out is what a later run has read since, or the same run has
delivered later on in its source (the journal knows): an old value must not overwrite a newer one. What was invalid
stays so until the source is mended, so it is left out, too. An interrupted replay is not resumed but run again: what it
has settled waits no longer.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import replace

from engine.outlets import NoProgress, ProgressDisplay, get_logger
from engine.reading import PassHere, Routing
from engine.report import Report, RunStatus, Unread, iso, new_run_id
from engine.run.job import Job, cutting_of, delta_of
from engine.run.lifecycle import carry_out
from engine.settings import Settings
from engine.state import REJECTED, Journal, Undelivered, id_digest
from engine.values import (
    Block,
    ConfigError,
    EngineError,
    ExitCode,
    Outcome,
    SourceUntrusted,
    Span,
    Stop,
    counted,
    join_spans,
    program,
)

CAMPAIGN = "campaign_id"
"""The key of a reject's line that says which campaign it is for."""


async def replay(
    settings: Settings,
    run_id: str | None = None,
    *,
    stop: Stop | None = None,
    display: ProgressDisplay | None = None,
    config_path: str = "",
) -> Report:
    """Send again what run `run_id` could not deliver; by default, the latest run with something that waits.

    Where nothing waits to be sent again, the report says so, and no run is begun.

    Raises:
        EngineError: the replay could not begin; nothing was sent.
    """
    shown = display or NoProgress()
    plan = partial(_plan, settings=settings, run_id=run_id, display=shown, config_path=config_path)
    try:
        return await carry_out(plan, settings, stop=stop or Stop(), display=shown)
    except _NothingWaits as nothing:  # no run is begun for that
        return nothing.report


class _NothingWaits(EngineError):
    """There is nothing to send: nobody needs a run for that."""

    exit_code = ExitCode.OK

    def __init__(self, report: Report) -> None:
        super().__init__("nothing to send")
        self.report = report


def _plan(
    journal: Journal, *, settings: Settings, run_id: str | None, display: ProgressDisplay, config_path: str
) -> Job:
    is_routed = settings.route.column is not None
    chosen = run_id or journal.latest_run_to_replay(settings.api.campaign_id)
    if chosen is None:
        whose = "with [route]" if is_routed else "for api.campaign_id"
        raise ConfigError(f"there is no run to replay in this state directory {whose}")
    undelivered = journal.undelivered_by(chosen)
    path = journal.run_dir(chosen) / REJECTED
    if undelivered is None or not path.exists():
        config = f" -c {shlex.quote(config_path)}" if config_path else ""
        raise ConfigError(f"there is no run {chosen} in this state directory; see: {program()} status{config}")
    if undelivered.campaign_id != settings.api.campaign_id:
        raise ConfigError(_other_campaigns(chosen, undelivered.campaign_id))
    if not undelivered.first and journal.unfinished_run("sync") is None:
        raise _NothingWaits(_empty_report(settings, path, config_path))
    source = RejectFile(path, undelivered, settings.upload.batch_size, display)
    if source.lacks_data():
        raise ConfigError(
            f"run {chosen} cannot be replayed: its rejected.ndjson holds no record data (state.reject_data = false, or "
            "--no-data); correct the records at their source, and the next sync sends them"
        )
    cutting = cutting_of(settings)
    pass_ = PassHere(replace(cutting, routing=Routing(CAMPAIGN)) if is_routed else cutting, source)
    delta = delta_of(settings, full=True, of_source=False)
    return Job(
        "replay",
        source,
        pass_.chunks,
        identity={"replayed_run": chosen},
        fresh=True,
        of_rejects=True,
        config_path=config_path,
        delta=delta,
        compared=pass_ if delta is not None else None,
    )


def _other_campaigns(run_id: str, campaign_id: str) -> str:
    if not campaign_id:
        return f"run {run_id} was for many campaigns ([route]), not for api.campaign_id alone"
    return f"run {run_id} was for campaign {campaign_id}, not for api.campaign_id"


def _empty_report(settings: Settings, path: Path, config_path: str) -> Report:
    now = datetime.now(UTC)
    return Report(
        run_id=new_run_id(now, Random()),  # noqa: S311 - an id is no secret
        status=RunStatus.SUCCEEDED,
        exit_code=int(ExitCode.OK),
        campaign_id=settings.api.campaign_id,
        started_at=iso(now),
        finished_at=iso(now),
        kind="replay",
        source=str(path),
        unread=Unread(rows=0, bytes=0),
        config_path=config_path,
    )


@dataclass(slots=True)
class RejectFile:
    """A reject file as a source: of each line that may be sent again, its record."""

    path: Path
    undelivered: Undelivered
    batch_size: int
    display: ProgressDisplay
    outdated: int = 0
    invalid: int = 0

    @property
    def label(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def paths(self) -> tuple[str, ...]:
        """The path."""
        return (str(self.path),)

    def size(self) -> int:
        """Return the bytes that count."""
        return self.undelivered.file_bytes

    def sizes(self) -> dict[str, int]:
        """Return the bytes that count. A replay is never resumed, so nobody asks for their digest."""
        return {str(self.path): self.undelivered.file_bytes}

    def digests(self) -> dict[str, str]:
        """Return nothing: nobody asks."""
        return {}

    def modified_at(self) -> float:
        """Return when the last record was rejected."""
        return self.path.stat().st_mtime

    def lacks_data(self) -> bool:
        """Whether a record that may be sent again is there without its data. Damaged lines are passed over."""
        position = 0
        with self.path.open("rb") as file:
            for line in file:
                if position == self.undelivered.file_bytes:
                    break
                with suppress(msgspec.MsgspecError):
                    reject = _decoder.decode(line)
                    without = reject.outcome != Outcome.INVALID and not bytes(reject.data)
                    if without and self._is_waiting(reject, position):
                        return True
                position += len(line)
        return False

    def blocks(self) -> Iterator[Block]:
        """Yield the records that were rejected or left unknown, and of which nothing newer was delivered or read."""
        self.outdated = self.invalid = 0
        with self.path.open("rb") as file:
            yield from self._blocks(enumerate(file, 1))
        if self.outdated:
            self.display.message(f"Left out: {counted(self.outdated, 'record')}, delivered or read again since.")
        if self.invalid:
            self.display.message(f"Left out: {counted(self.invalid, 'invalid record')}; mend the source.")
        get_logger().info("replay_left_out", outdated=self.outdated, invalid=self.invalid)

    def _blocks(self, rows: Iterator[tuple[int, bytes]]) -> Iterator[Block]:
        ids: list[str] = []
        routed_by: list[str] = []
        lines: list[bytes] = []
        spans: list[Span] = []
        source_bytes = 0
        position = 0
        for row, line in rows:
            if position == self.undelivered.file_bytes:
                break  # what follows was never committed
            reject = self._wanted(row, line, position)
            position += len(line)
            source_bytes += len(line)
            if reject is not None:
                ids.append(reject.id)
                routed_by.append(reject.campaign_id or "")
                lines.append(msgspec.json.encode(_Record(reject.id, reject.data)))
                spans.append(Span(str(self.path), row, 1))
            if len(ids) == self.batch_size:
                yield Block(ids, b"\n".join(lines), join_spans(spans), source_bytes=source_bytes, routed_by=routed_by)
                ids, routed_by, lines, spans, source_bytes = [], [], [], [], 0
        yield Block(ids, b"\n".join(lines), join_spans(spans), source_bytes=source_bytes, routed_by=routed_by)

    def _wanted(self, row: int, line: bytes, position: int) -> _Reject | None:
        try:
            reject = _decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise SourceUntrusted(f"{self.path}, row {row}: not a line of a reject file") from error
        if reject.outcome == Outcome.INVALID:
            self.invalid += 1
            return None
        if not self._is_waiting(reject, position):
            self.outdated += 1
            return None
        return reject

    def _is_waiting(self, reject: _Reject, position: int) -> bool:
        """Whether nothing newer of a record was delivered or read than the line at this position."""
        campaign_id = reject.campaign_id or self.undelivered.campaign_id
        first = self.undelivered.first.get((campaign_id, id_digest(reject.id)))
        return first is not None and position >= first


class _Record(msgspec.Struct):
    id: str
    data: msgspec.Raw


class _Reject(msgspec.Struct):
    outcome: str
    id: str = ""
    data: msgspec.Raw = msgspec.Raw()
    campaign_id: str | None = None


_decoder = msgspec.json.Decoder(_Reject)
