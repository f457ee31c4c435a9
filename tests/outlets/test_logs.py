"""Events: JSON lines for programs, lines for people, and nothing of what other libraries know."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from engine.outlets import logs


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root, engine = logging.getLogger(), logging.getLogger("engine")
    levels = root.level, engine.level
    yield
    for handler in [handler for handler in root.handlers if isinstance(handler, logs.EventHandler)]:
        root.removeHandler(handler)
    root.setLevel(levels[0])
    engine.setLevel(levels[1])
    logging.captureWarnings(False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_off_a_terminal_each_event_is_one_json_object() -> None:
    stream = io.StringIO()
    assert logs.set_up_logs("auto", "info", stream) is True
    logs.bind_to_logs(run_id="r-1")
    logs.get_logger().info("chunk_done", seq=3, path=Path("a\nb"), share=0.5, ids=["x", 1], lost=float("nan"))
    logs.get_logger().debug("not_asked_for")
    logs.get_logger().warning("текст", message="one\ntwo")
    first, second = events(stream)
    assert list(first)[:4] == ["ts", "level", "event", "run_id"]
    moment = datetime.fromisoformat(str(first.pop("ts")))
    assert moment.tzinfo is not None
    assert abs(moment.timestamp() - datetime.now().timestamp()) < 60
    assert first == {
        "level": "info",
        "event": "chunk_done",
        "run_id": "r-1",
        "seq": 3,
        "path": "a\nb",
        "share": 0.5,
        "ids": ["x", 1],
        "lost": None,
    }
    assert (second["event"], second["message"], second["run_id"]) == ("текст", "one\ntwo", "r-1")


def test_on_a_terminal_it_is_for_people() -> None:
    stream = Terminal()
    assert logs.set_up_logs("auto", "debug", stream) is False
    log = logs.get_logger()
    log.info("chunk_done", seq=3, path="a\x1b[2Jb")
    log.info("message", text="Reading the source.")
    log.error("stopped", message="the disk is full", exit_code=74)
    log.error("bug", message="this is a bug: X", frames=["a.py:1", "b.py:2"])
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  chunk_done  seq=3 path=a\\x1b\[2Jb", lines[0])
    assert lines[1:] == [
        "Reading the source.",
        "engine: the disk is full",
        "engine: this is a bug: X",
        "  a.py:1",
        "  b.py:2",
    ]


def test_the_format_can_be_chosen() -> None:
    stream = Terminal()
    assert logs.set_up_logs("json", "info", stream) is True
    logs.get_logger().info("x")
    assert events(stream)[0]["event"] == "x"
    assert logs.set_up_logs("console", "info", io.StringIO()) is False


def test_setting_up_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.set_up_logs("json", "info", first)
    logs.set_up_logs("json", "info", second)
    logs.get_logger().info("x")
    assert first.getvalue() == ""
    assert len(events(second)) == 1


def test_lines_can_go_through_a_display() -> None:
    stream, shown = Terminal(), list[str]()
    logs.set_up_logs("auto", "info", stream)
    logs.route_logs(shown.append)
    logs.get_logger().info("message", text="through")
    logs.route_logs(None)
    logs.get_logger().info("message", text="direct")
    assert (shown, stream.getvalue()) == (["through"], "direct\n")


def test_a_display_that_fails_loses_no_line() -> None:
    stream, shown = Terminal(), list[str]()

    def fail(line: str) -> None:
        shown.append(line)
        raise TypeError

    logs.set_up_logs("auto", "info", stream)
    logs.route_logs(fail)
    logs.get_logger().info("message", text="first")
    logs.get_logger().info("message", text="second")
    assert (shown, stream.getvalue()) == (["first"], "first\nsecond\n")


def test_values_of_other_libraries_stay_inside() -> None:
    stream = io.StringIO()
    logs.set_up_logs("json", "debug", stream)
    try:
        raise ValueError("canary")
    except ValueError:
        logging.getLogger("aiohttp.client").exception("lost %s canary", "canary")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("canary", UserWarning, stacklevel=1)
    first, second = events(stream)
    assert (first["event"], first["logger"], first["exception"]) == ("library_message", "aiohttp.client", "ValueError")
    assert second["logger"] == "py.warnings"
    assert "canary" not in stream.getvalue()


def test_a_long_text_is_cut() -> None:
    stream = io.StringIO()
    logs.set_up_logs("json", "info", stream)
    logs.get_logger().info("x", text="a" * 1_000_000)
    assert len(stream.getvalue()) < logs.FIELD_CHARS_MAX + 200


def test_a_stream_that_is_gone_is_no_reason_to_stop() -> None:
    stream = io.StringIO()
    logs.set_up_logs("json", "info", stream)
    stream.close()
    logs.get_logger().info("x")
    logs.set_up_logs("json", "info", open("/dev/full", "w", encoding="utf-8"))  # noqa: SIM115 - closed below
    logs.get_logger().info("x")
    handler = next(h for h in logging.getLogger().handlers if isinstance(h, logs.EventHandler))
    with pytest.raises(OSError, match="No space"):
        handler._stream.close()  # what could not be written is still buffered


def test_as_a_library_it_is_silent_until_asked(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="engine"):
        logs.get_logger().info("chunk_done", seq=1)
    assert [record.getMessage() for record in caplog.records] == ["chunk_done"]
