"""Live progress: what it says, how often, and that the terminal is clean afterwards."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from engine.outlets.displays import LINE_INTERVAL_S_MAX, LINE_INTERVAL_S_MIN, LineProgress, NoProgress, TerminalProgress
from engine.outlets.progress import WINDOW_S, ProgressDisplay, ProgressHistory, ProgressSnapshot, share_done

TOTAL = 1_000_000


def snapshot(elapsed_s: float, share: float, **changes: object) -> ProgressSnapshot:
    """Return the snapshot of a run that has done `share` of a million bytes and as many records."""
    done = round(share * TOTAL)
    values = {"records_read": done, "records_done": done, "source_bytes_read": done, "source_bytes_done": done}
    values |= {"source_bytes_total": TOTAL}
    return ProgressSnapshot(elapsed_s, **(values | changes))  # type: ignore[arg-type]  # the names are checked by the call


def history_of(*snapshots: ProgressSnapshot) -> ProgressHistory:
    history = ProgressHistory()
    for one in snapshots:
        history.add(one)
    return history


def test_the_share_done_counts_the_bytes_of_the_records_done_and_not_what_is_read_ahead() -> None:
    assert share_done(ProgressSnapshot(1.0, source_bytes_done=500)) is None
    assert share_done(snapshot(1.0, 0.0)) == 0.0
    assert share_done(snapshot(1.0, 0.5)) == 0.5
    assert share_done(snapshot(1.0, 0.09, source_bytes_read=TOTAL)) == 0.09
    assert share_done(snapshot(1.0, 1.0, source_bytes_done=2 * TOTAL)) == 1.0


def test_the_first_records_only_are_done_when_they_are_though_the_source_goes_on() -> None:
    assert share_done(snapshot(1.0, 0.005, records_wanted=10_000)) == 0.5
    assert share_done(snapshot(1.0, 0.5, records_wanted=2 * TOTAL)) == 0.5  # the source ends before
    assert share_done(ProgressSnapshot(1.0, records_done=5, records_wanted=10)) == 0.5


def test_what_a_resumed_run_passes_over_says_nothing_of_how_long_the_rest_takes() -> None:
    history = ProgressHistory()
    for second in range(13):  # it reads up to where it was interrupted, 40 % in
        share = 0.4 * second / 12
        history.add(snapshot(float(second), share, records_done=400_000, source_bytes_skipped=round(share * TOTAL)))
        assert (history.records_per_s, history.eta_s) == (0.0, None)
    for second in range(13, 23):  # and then does a hundredth a second
        done = 0.4 + 0.01 * (second - 12)
        history.add(snapshot(float(second), done, source_bytes_skipped=400_000))
    assert history.records_per_s == pytest.approx(10_000)
    assert history.eta_s == pytest.approx(50)


def test_how_a_run_gets_going_is_no_part_of_its_pace() -> None:
    """The first results come late, and several at once: neither is how fast the others will come."""
    history = ProgressHistory()
    for tick in range(40):
        elapsed_s = tick / 4
        history.add(snapshot(elapsed_s, 0.0 if elapsed_s < 3 else 0.05 + 0.01 * (elapsed_s - 3)))
    assert history.records_per_s == pytest.approx(10_000, rel=0.01)


@given(speed=st.floats(0.001, 0.1), start_s=st.floats(0, 1000), took_s=st.floats(2.1, 9))
def test_a_steady_run_is_forecast_exactly(speed: float, start_s: float, took_s: float) -> None:
    first = snapshot(start_s, 0.0)
    last = snapshot(start_s + took_s, speed * took_s)
    eta_s, done = history_of(first, last).eta_s, share_done(last)
    assert done is not None
    if done > 0:
        assert eta_s == pytest.approx((1 - done) * took_s / done, rel=0.01)
    else:
        assert eta_s is None


def test_nothing_is_forecast_before_there_is_a_pace() -> None:
    """At first there are only the requests that leave at once: a warning made of them would be a false one."""
    history = ProgressHistory()
    foreseen = []
    for tick in range(20):
        history.add(snapshot(tick / 4, 0.01 * tick / 4))
        foreseen.append(history.eta_s)
    assert foreseen[:8] == [None] * 8  # two seconds
    assert foreseen[8:] == [pytest.approx(100 - tick / 4, rel=0.05) for tick in range(8, 20)]


def test_nothing_is_forecast_without_movement() -> None:
    assert history_of().eta_s is None
    assert history_of(snapshot(1.0, 0.5)).eta_s is None
    assert history_of(snapshot(1.0, 0.5), snapshot(9.0, 0.5)).eta_s is None
    unsized = ProgressSnapshot(1.0, records_done=1), ProgressSnapshot(2.0, records_done=9)
    assert history_of(*unsized).eta_s is None
    assert history_of(snapshot(1.0, 0.5), snapshot(9.0, 1.0)).eta_s == 0.0


def test_the_rate_is_of_the_window_and_not_of_what_earlier_processes_did() -> None:
    assert history_of().records_per_s == 0.0
    history = ProgressHistory()
    for tick in range(400):  # 40 s of standing still at 30 %, as after a resume, then 20 s at 1 % a second
        elapsed_s = tick * 0.2
        history.add(snapshot(elapsed_s, 0.30 + 0.01 * max(elapsed_s - 40, 0)))
        if tick == 100:
            assert (history.records_per_s, history.eta_s) == (0.0, None)
    assert history.records_per_s == pytest.approx(0.01 * TOTAL, rel=0.01)
    assert history.eta_s == pytest.approx(30.0, rel=0.05)


@given(intervals=st.lists(st.floats(0.001, 30), min_size=1, max_size=400))
def test_history_is_bounded_in_number_and_time(intervals: list[float]) -> None:
    history, elapsed_s = ProgressHistory(), 0.0
    for interval in intervals:
        elapsed_s += interval
        history.add(ProgressSnapshot(elapsed_s))
    kept = list(history._snapshots)
    assert len(kept) <= 80
    assert kept[-1].elapsed_s == elapsed_s
    assert all(first.elapsed_s < second.elapsed_s for first, second in pairwise(kept))
    assert len(kept) <= 2 or elapsed_s - kept[1].elapsed_s < WINDOW_S


def test_pace_and_circumstances_in_words() -> None:
    history = ProgressHistory()
    assert (history.pace(), history.circumstances()) == ("0 records, 0/s", "")
    history.add(snapshot(0.0, 0.0))
    history.add(
        snapshot(
            10.0,
            0.25,
            in_flight=7,
            in_flight_max=8,
            throttles=3,
            retries=1_200,
            not_accepted=12,
            limit="9.6 requests/s",
            waiting="the API asked for 12 s of silence",
            deadline_forecast="06:30 will be missed",
        )
    )
    assert history.pace() == "25%, 250,000 records, 25,000/s, 30 s left"
    assert history.circumstances() == (
        "waiting: the API asked for 12 s of silence, 06:30 will be missed, 7 of 8 in flight, 3 throttled, "
        "1,200 retried, 12 not accepted, limit 9.6 requests/s"
    )


def test_standard_input_has_no_share_but_an_amount() -> None:
    history = ProgressHistory()
    history.add(ProgressSnapshot(0.0))
    history.add(ProgressSnapshot(2.0, records_done=100, records_read=100, source_bytes_read=15_000))
    assert history.pace() == "100 records, 15 kB read, 50/s"


class Events:
    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []

    def __call__(self, event: str, /, **fields: object) -> None:
        self.seen.append((event, fields))


def test_off_a_terminal_lines_come_ever_rarer_but_each_minute() -> None:
    events = Events()
    display = LineProgress(events)
    for tick in range(36_000):
        display.update(snapshot(tick / 10, tick / 36_000))
    times = [float(str(fields["elapsed_s"])) for _, fields in events.seen]
    gaps = [round(second - first, 1) for first, second in pairwise(times)]
    assert times[0] == LINE_INTERVAL_S_MIN
    assert gaps == sorted(gaps)
    assert min(gaps) >= LINE_INTERVAL_S_MIN
    assert max(gaps) <= LINE_INTERVAL_S_MAX + 0.1


def test_off_a_terminal_every_field_is_a_field_and_the_unknown_is_left_out() -> None:
    events = Events()
    display = LineProgress(events)
    display.update(snapshot(0.0, 0.0))
    display.update(snapshot(5.0, 0.5, in_flight=3, throttles=1), now=True)
    display.message("the token was read again")
    display.close()
    assert events.seen == [
        (
            "progress",
            {
                "elapsed_s": 5.0, "records_read": 500_000, "records_done": 500_000, "records_per_s": 100_000.0,
                "share_done": 0.5, "eta_s": 5, "in_flight": 3, "throttles": 1, "retries": 0, "not_accepted": 0,
            },
        ),
        ("message", {"text": "the token was read again"}),
    ]  # fmt: skip


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def screen(written: str) -> list[str]:
    """Return what is left on a terminal: follows carriage returns, line feeds, cursor up and erase line."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row += 1
            column = 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def test_on_a_terminal_two_lines_redraw_and_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    display = TerminalProgress(stream)
    for tick in range(20):
        display.update(snapshot(tick / 2, tick / 20, in_flight=4, in_flight_max=8))
    shown = screen(stream.getvalue())
    assert len(shown) == 2
    assert shown[0].endswith("95%, 950,000 records, 100,000/s, 0.5 s left")
    assert shown[1] == "4 of 8 in flight"
    display.message("resumed\x1b[2J run")
    display.close()
    display.close()
    assert screen(stream.getvalue()) == ["resumed\\x1b[2J run"]
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1  # the cursor is back


@pytest.mark.parametrize("columns", [20, 59, 60, 200])
def test_lines_never_wrap_whatever_the_width(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    stream = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    display = TerminalProgress(stream)
    display.update(snapshot(0.0, 0.0))
    monkeypatch.setenv("COLUMNS", str(columns))
    display._console.width = columns  # what a resize does, without a real terminal
    display.update(snapshot(1.0, 0.1, in_flight=4, in_flight_max=8, waiting="the API asked for it " * 9), now=True)
    drawn = screen(stream.getvalue())
    display.close()
    assert len(drawn) == 2
    assert max(len(line) for line in drawn) <= columns


def test_drawing_is_not_more_often_than_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    display = TerminalProgress(stream)
    sizes = []
    for tick in range(1000):
        display.update(snapshot(tick / 1000, tick / 1000))
        sizes.append(len(stream.getvalue()))
    display.close()
    assert 5 <= len(set(sizes)) <= 11


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    display = TerminalProgress(stream)
    for second in range(26):
        display.update(snapshot(float(second), second / 100, in_flight=1, in_flight_max=8))
    display.close()
    assert stream.getvalue() == (
        "10%, 100,000 records, 10,000/s, 1 min 30 s left; 1 of 8 in flight\n"
        "20%, 200,000 records, 10,000/s, 1 min 20 s left; 1 of 8 in flight\n"
    )


def test_a_terminal_that_goes_away_does_not_take_the_run_with_it() -> None:
    stream = Terminal()
    display = TerminalProgress(stream)
    display.update(snapshot(0.0, 0.0))
    stream.close()
    for second in range(1, 5):
        display.update(snapshot(float(second), 0.1))
        display.message("still here")
    display.close()


@pytest.mark.parametrize("make", [NoProgress, lambda: LineProgress(Events()), lambda: TerminalProgress(Terminal())])
def test_every_display_keeps_the_promise(make: type[NoProgress]) -> None:
    display: ProgressDisplay = make()
    display.update(snapshot(1.0, 0.1))
    display.update(snapshot(1.0, 0.1), now=True)
    display.message("words")
    display.close()
    display.close()
