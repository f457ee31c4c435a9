"""Events on stderr: lines for a person on a terminal, one JSON object a line for everything else.

An event is a short name and fields: `get_logger().info("chunk_done", seq=3, records=10_000)`. Fields hold counts,
times, ids, file names and reasons, never record data and never the token. Under the hood it is the standard library's
logger `engine`, so that a program which uses the engine as a library decides itself where events go; `set_up_logs` is
for the command line. What other libraries log is passed on without its values, because they know nothing of this rule.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

LogFormat = Literal["auto", "console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

FIELD_CHARS_MAX = 16_000
"""A longer text is cut: no event may fill a disk."""

_logger = logging.getLogger("engine")
_logger.addHandler(logging.NullHandler())  # a library is silent until its user asks


class EventLog(logging.LoggerAdapter[logging.Logger]):
    """Writes events with their fields.

    `debug` is for what only helps to find a fault, `info` for the story of a run, `warning` for what a person should
    look at in the morning, `error` for why a run stops.
    """

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        """Put all fields into the one place where `EventHandler` looks for them."""
        return msg, {"extra": {"event": msg, "fields": kwargs}}


_event_log = EventLog(_logger)


def get_logger() -> EventLog:
    """Return the log of the engine."""
    return _event_log


def set_up_logs(log_format: LogFormat, level: LogLevel, stream: TextIO | None = None) -> bool:
    """Send the events of this process to `stream` (default: stderr), in place of where they went before.

    Returns:
        Whether they are JSON: `auto` means JSON unless the stream is a terminal.
    """
    target = stream or sys.stderr
    as_json = log_format == "json" or (log_format == "auto" and (target.closed or not target.isatty()))
    root = logging.getLogger()
    for old in _handlers():
        root.removeHandler(old)
    root.addHandler(EventHandler(target, json_line if as_json else console_line))
    root.setLevel(logging.WARNING)  # for other libraries
    _logger.setLevel(level.upper())
    logging.captureWarnings(True)
    return as_json


def logs_are_set_up() -> bool:
    """Whether `set_up_logs` was called."""
    return bool(_handlers())


def bind_to_logs(**fields: object) -> None:
    """Put `fields` (the run id, say) on every event that this process writes from now on."""
    for handler in _handlers():
        handler.bound.update(fields)


def route_logs(write: Callable[[str], None] | None) -> None:
    """Write lines through `write`, such as that of a live display, which they would garble; None ends that."""
    for handler in _handlers():
        handler.route = write


def _handlers() -> list[EventHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, EventHandler)]


class EventHandler(logging.Handler):
    """Writes each event as one line. A stream that is closed or gone is no reason to stop a run."""

    def __init__(self, stream: TextIO, render: Callable[[Mapping[str, object]], str]) -> None:
        super().__init__()
        self.bound: dict[str, object] = {}
        self.route: Callable[[str], None] | None = None
        self._stream = stream
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event of `record`."""
        try:
            self._write(self._render(event_of(record, self.bound)))
        except (OSError, ValueError):
            return

    def _write(self, line: str) -> None:
        if self.route:
            try:
                self.route(line)
            except Exception:
                self.route = None  # a display that fails shows no lines any more, not even those about its failure
            else:
                return
        self._stream.write(line + "\n")
        self._stream.flush()


def event_of(record: logging.LogRecord, bound: Mapping[str, object]) -> dict[str, object]:
    """Return the event that `record` stands for, as flat fields, the common ones first."""
    event: dict[str, object] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
    }
    own_fields = getattr(record, "fields", None)
    if own_fields is not None:
        return {**event, "event": record.getMessage(), **bound, **own_fields}
    # Another library's message may hold anything, so only where it came from is told, and of an exception its class.
    event |= {"event": "library_message", "logger": record.name, "place": f"{record.module}:{record.lineno}"}
    if record.exc_info and record.exc_info[0]:
        event["exception"] = record.exc_info[0].__name__
    return {**event, **bound}


def json_line(event: Mapping[str, object]) -> str:
    """Return `event` as one line of JSON."""
    return json.dumps({name: _value(value) for name, value in event.items()}, ensure_ascii=False, separators=(",", ":"))


def console_line(event: Mapping[str, object]) -> str:
    """Return `event` as a line for a person; a `message` or a `text` among its fields is the line itself."""
    urgent = event["level"] in ("warning", "error")
    said = event.get("message", event.get("text"))
    if said is not None:
        lines = [*str(_value(said)).split("\n"), *(f"  {frame}" for frame in _frames(event))]
        text = "\n".join(_visible(line) for line in lines)
        return f"engine: {text}" if urgent else text
    common = ("ts", "level", "event", "run_id")
    fields = " ".join(f"{name}={_visible(_value(value))}" for name, value in event.items() if name not in common)
    prefix = f"{event['level']}: " if urgent else ""
    return f"{datetime.now():%H:%M:%S}  {prefix}{_visible(event['event'])}  {fields}".rstrip()


def _frames(event: Mapping[str, object]) -> list[object]:
    frames = event.get("frames")
    return frames if isinstance(frames, list) else []


def _value(value: object) -> object:
    """Return `value` as something JSON has, not longer than it may be."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has no NaN and no infinity
    # Not Mapping: text is one for good if its kind is asked for while another thread imports Arrow (CPython 116093).
    if isinstance(value, dict):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    text = str(value)
    return text if len(text) <= FIELD_CHARS_MAX else text[: FIELD_CHARS_MAX - 3] + "..."


def _visible(value: object) -> str:
    """Return text that cannot move a terminal's cursor or change its colours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
