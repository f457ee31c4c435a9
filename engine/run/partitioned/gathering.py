"""A job of a cluster, from its driver to its tasks and back: begun, kept partition by partition, sent as one run."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from engine.outlets import get_logger
from engine.report import Report, new_run_id
from engine.run.continuing import Claim, run_to_continue, waiting_for
from engine.run.job import Job, cutting_of, given_identity_of
from engine.run.lifecycle import carry_out
from engine.run.partitioned.parts import Part, PartsSource, write_part
from engine.settings import TOKEN_NAMES, GivenSettings, from_arguments, in_terms_of_a_call
from engine.sources import ArrowSource, Source, SourceSpec, WithoutFiles, check_columns
from engine.state import RUNS, SqliteJournal, make_private_dir, write_private_file
from engine.values import (
    AccessRefused,
    Block,
    EngineError,
    ExitCode,
    Interrupted,
    SourceMissing,
    SourceUntrusted,
    StateFailed,
    Stop,
    counted,
)

PARTS = "parts"
"""The directory below the state directory in which tasks keep their partitions, job by job."""

MARK = "mark"
"""The file by which a task sees that its state directory is the driver's."""

LEFT_BEHIND_S = 86_400.0
"""What a job that died has kept is deleted by a later one if nothing was written into it for so long."""

COUNTING = ("min_records", "max_shrink")
"""Guards that count the records before a run begins."""

DELIVERED = (ExitCode.OK, ExitCode.SOME_NOT_ACCEPTED)
"""How a run ends in which every record was tried: its report says what became of them."""

FAILURES: Mapping[ExitCode, type[EngineError]] = {
    error.exit_code: error for error in (SourceUntrusted, SourceMissing, StateFailed, Interrupted, AccessRefused)
}
"""What is raised for each other end."""

NO_PLACE_FOR_IT = (
    "token: would be written into plans and logs; put it into a variable of the driver, and name that in token_env, or "
    "into a file of the driver, and name that in token_file"
)
NO_DELTA = (
    "delta: is not for jobs of a cluster: to know who is gone, and what has changed, takes the whole portfolio in one "
    "`sync`, from files or a database"
)


class Gathering(Struct, frozen=True):
    """A job under way, as its tasks get it: it can be pickled, and holds no token."""

    arguments: Mapping[str, Any]
    spec: SourceSpec
    batch_size: int
    record_bytes_max: int
    directory: Path
    mark: str

    def keep(self, batches: Iterable[Any], number: int) -> Part:
        """Keep a partition, given as batches of rows; in a task. Attempts at one partition do not see each other.

        Raises:
            ConfigError: the columns do not fit the mapping.
            SourceUntrusted: the rows cannot be read.
            StateFailed: the state directory is not the driver's, or cannot be written to.
        """
        self._prove_shared()
        source = ArrowSource(
            iter(batches),
            self.spec,
            batch_size=self.batch_size,
            record_bytes_max=self.record_bytes_max,
            label=f"partition {number}",
        )
        return write_part(source.blocks(), self.directory / f"{number:05}-{secrets.token_hex(6)}.zst", number)

    def send(self, parts: Sequence[Part]) -> Report:
        """Make one run of what all tasks have kept, where the job was begun; then nothing of it is kept any more.

        Raises:
            EngineError: the run could not begin, or has not tried every record; then its report is written.
        """
        try:
            report = self._carried_out(PartsSource(self.directory, parts))
        finally:
            self._forget()
        if report.exit_code in DELIVERED:
            return report
        path = Path(self.arguments["state_dir"]) / RUNS / report.run_id
        failure = FAILURES.get(ExitCode(report.exit_code), EngineError)
        raise failure(f"{report.message} (exit code {report.exit_code}; the report is in {path})")

    def give_up(self, parts: Sequence[Part | None], why: str = "") -> None:
        """Write the report of a job of which a task failed for good: nothing was sent. Never raises."""
        if not self.directory.exists():
            return  # its run has ended, and its report says how
        kept = [part for part in parts if part is not None]
        said = f"{len(kept):,} of {counted(len(parts), 'partition')} had been read" if parts else ""
        message = "; ".join(filter(None, ["a task of the job has failed, so nothing was sent", said, why]))
        try:
            self._carried_out(_FailedJob(message), without=COUNTING)
        except Exception as error:  # what has failed the job must be told, not this
            get_logger().error("job_without_report", error=type(error).__name__)
        self._forget()

    def _prove_shared(self) -> None:
        try:
            found = (self.directory / MARK).read_text(encoding="ascii")
        except OSError:
            found = ""
        if found != self.mark:
            raise StateFailed(
                f"{self.directory}: this worker does not see what the driver has written there: state_dir must be one "
                "directory that the driver and all workers share, as one user, and each write needs a sink of its own"
            )

    def _carried_out(self, source: Source, without: Collection[str] = ()) -> Report:
        settings = _settings_of({name: value for name, value in self.arguments.items() if name not in without})
        job = Job(
            "push",
            source,
            partial(cutting_of(settings).cut, source),
            given_identity_of(settings),
            fresh=True,  # partitions are others each time
            is_rereadable=True,
            token_argument=TOKEN_NAMES,
        )

        def run() -> Report:
            return asyncio.run(carry_out(lambda _journal: job, settings, stop=Stop()))

        with _terms_of_a_call():
            return _apart(run)

    def _forget(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        with suppress(OSError):
            self.directory.parent.rmdir()


class _FailedJob(WithoutFiles):
    """The source of a job that failed before anything was sent."""

    label = "a job that failed"

    def __init__(self, message: str) -> None:
        self._message = message

    def blocks(self) -> Iterator[Block]:
        """Raise why there are none."""
        raise SourceUntrusted(self._message)


def begin_gathering(arguments: Mapping[str, Any], *, origin: str, schema: Any = None) -> Gathering:
    """Check what a job is to do before its tasks begin, and prepare the state directory; where the job is begun.

    Args:
        arguments: those of `engine.push`, with `token_env` or `token_file` in place of `token`.
        origin: how messages call what holds them.
        schema: the columns, as an Arrow schema, if they are known already.

    Raises:
        EngineError: there are mistakes in the arguments, the columns do not fit them, there is no token, the state
            directory cannot be used, or a sync waits in it to be continued.
    """
    given = {name: value for name, value in arguments.items() if name not in ("token", "delta")}
    mistakes = [NO_PLACE_FOR_IT] if "token" in arguments else []
    mistakes += [NO_DELTA] if "delta" in arguments else []
    mistakes += [] if given.get("id") is not None else ["id: missing; name the column that holds the id"]
    mistakes += ["max_age: there is no file whose age could be told"] if given.get("max_age") is not None else []
    if given.get("state_dir") is None:
        mistakes.append("state_dir: missing; name a directory that the driver and all workers share")
    for name in ("state_dir", "token_file"):
        if isinstance(given.get(name), str | os.PathLike):  # other processes may work elsewhere
            given[name] = os.path.abspath(given[name])
    settings = _settings_of(given, origin, mistakes)
    spec = settings.source.shapes()
    with _terms_of_a_call():
        settings.api.read_token()
        if schema is not None:
            check_columns(schema, spec)
        _prove_free(settings)
        parts = settings.state.dir / PARTS
        make_private_dir(parts)
        _delete_left_behind(parts)
        directory = parts / new_run_id(datetime.now(UTC), Random())  # noqa: S311  (an id is no secret)
        make_private_dir(directory)
        mark = secrets.token_hex(16)
        write_private_file(directory / MARK, mark.encode())
        upload = settings.upload
        return Gathering(given, spec, upload.batch_size, upload.max_body_bytes, directory, mark)


def _settings_of(arguments: Mapping[str, Any], origin: str = "the job", mistakes: Sequence[str] = ()) -> GivenSettings:
    return from_arguments(arguments, origin=origin, mistakes=mistakes, with_token_keys=True)


def _prove_free(settings: GivenSettings) -> None:
    """See, before the tasks work for nothing, that nobody uses the state directory and no sync waits in it.

    Raises:
        EngineError: the run of the job could not begin now.
    """
    with closing(SqliteJournal(settings.state.dir)) as journal:
        claim = Claim("push", given_identity_of(settings), {}, fresh=True)
        run_to_continue(claim, waiting_for(journal, "push"), resume_within_s=0, now=time.time())


def _delete_left_behind(parts: Path) -> None:
    """Delete what jobs have kept that nobody has touched for long: it is record data."""
    with suppress(OSError):
        for directory in parts.iterdir():
            if time.time() - _written_at(directory) > LEFT_BEHIND_S:
                shutil.rmtree(directory, ignore_errors=True)


def _written_at(directory: Path) -> float:
    return max((path.stat().st_mtime for path in directory.iterdir()), default=directory.stat().st_mtime)


def _apart(run: Callable[[], Report]) -> Report:
    """Run it in a thread of its own: the caller may have an event loop already."""
    with ThreadPoolExecutor(1, thread_name_prefix="bulk-sync") as thread:
        return thread.submit(run).result()


@contextmanager
def _terms_of_a_call() -> Iterator[None]:
    """Let errors name settings as arguments."""
    try:
        yield
    except EngineError as error:
        error.args = (in_terms_of_a_call(str(error), TOKEN_NAMES),)
        raise
