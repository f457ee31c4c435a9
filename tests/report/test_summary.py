"""What a person reads at the end of a run, word for word."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from engine.report.report import Pacing, Report, RunStatus
from engine.report.source import Input, Unread
from engine.report.summary import REASONS_MAX, render_summary, wants_color
from engine.values.counts import Reason, RecordCounts, RequestCounts
from tests.reports import RUN_ID, partial_report, succeeded_report

RUN_DIR = Path("engine-state/runs") / RUN_ID

PARTIAL = """\
Finished, but 19 of 4,210,000 records were not accepted.

  read        4,210,000  from portfolio.csv.gz
  updated     4,208,776  on the server
  superseded      1,205  merged into a later record of the same id
  invalid             7  refused here, never sent
  rejected            9  refused by the API
  unknown             3  sent, but the API's answer does not prove them

  took        7 min 30 s, 9,363 records/s, 641 MB sent, resumed 1 time
  requests    4,290: 4,221 succeeded, 41 throttled, 28 failed; 29 of them to isolate records
  latency     median 312 ms, 95% within 540 ms, 99% within 812 ms, slowest 2.2 s
  held back   12 s, because the API asked for it
  limits      found 9.6 requests/s and 8 in flight (moved 1 time)

Not accepted
  8  rejected  emi_due_date: not a date
               id LN-000123, LN-004412, ...
  7  invalid   data: not an object
               id <img src=x onerror=alert(1)>, ...
  3  unknown   the reply names no record
               id LN-77, LN-78, LN-79
  1  rejected  no such loan
               id LN-5

Files
  engine-state/runs/20261123T020000Z-07b3f9/report.html
  engine-state/runs/20261123T020000Z-07b3f9/rejected.ndjson
  engine-state/runs/20261123T020000Z-07b3f9/rejected.csv

Next
  Correct the records that rejected.ndjson names at their source; the next run sends them.
  Or send the 12 that the API did not accept again as they are:
    python -m engine replay -c 'my night.toml' 20261123T020000Z-07b3f9
"""

SUCCEEDED = """\
All 1,000,000 records were delivered.

  read        1,000,000  from portfolio.csv.gz
  updated     1,000,000  on the server

  took        7 min 30 s, 2,225 records/s, 641 MB sent
  requests    100: 100 succeeded
  latency     median 312 ms, 95% within 540 ms, 99% within 812 ms, slowest 2.2 s

Files
  engine-state/runs/20261123T020000Z-07b3f9/report.html
"""

INTERRUPTED = """\
Not finished: stopped by SIGTERM. Run the same command again to resume.

  read        1,000,000  from portfolio.csv.gz
  updated       600,000  on the server
  pending       400,000  not tried to the end yet
  not read    about 1,000,000 records (50 MB)

  took        7 min 30 s, 1,335 records/s, 641 MB sent
  requests    100: 100 succeeded
  latency     median 312 ms, 95% within 540 ms, 99% within 812 ms, slowest 2.2 s

Files
  engine-state/runs/20261123T020000Z-07b3f9/report.html

Next
  Resume; what was delivered is not sent again:
    python -m engine sync -c config.toml
"""


def text_of(report: Report, *, color: bool = False, config_path: str = "config.toml", width: int = 100) -> str:
    return render_summary(report, run_dir=RUN_DIR, config_path=config_path, color=color, width=width)


def interrupted_report(**changes: object) -> Report:
    records = RecordCounts(read=1_000_000, updated=600_000, pending=400_000)
    inputs, unread = [Input(path="portfolio.csv.gz", bytes=100_000_000)], Unread(bytes=50_000_000)
    return succeeded_report(
        inputs=inputs,
        unread=unread,
        **{"status": RunStatus.INTERRUPTED, "exit_code": 75, "message": "stopped by SIGTERM.", "records": records}
        | changes,
    )


def test_a_night_with_rejects() -> None:
    assert text_of(partial_report(), config_path="my night.toml") == PARTIAL


def test_reasons_that_differ_look_different_however_long_they_are() -> None:
    long = "the record could not be updated because of what was wrong with it when the campaign looked at it: " * 2
    reasons = [Reason("rejected", f"{long}it is on DNC list {number}", 9, []) for number in (4, 39)]
    text = text_of(partial_report(reasons=reasons), width=80)
    lines = [line for line in text.splitlines() if "DNC list" in line]
    assert len({*lines}) == 2
    assert all("could not be updated…" in line and len(line) <= 80 for line in lines)


def test_what_cannot_be_sent_again_is_not_offered_to_be() -> None:
    text = text_of(partial_report(rejects_hold_data=False))
    assert "rejected.csv" in text
    assert "replay" not in text


def test_a_good_night() -> None:
    assert text_of(succeeded_report()) == SUCCEEDED


def test_an_interrupted_night() -> None:
    assert text_of(interrupted_report()) == INTERRUPTED


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (succeeded_report(records=RecordCounts(read=1, updated=1)), "The one record was delivered."),
        (
            succeeded_report(records=RecordCounts(read=5, updated=3, unchanged=2)),
            "All 5 records were delivered or needed no update.",
        ),
        (
            succeeded_report(records=RecordCounts(read=5, unchanged=5)),
            "Nothing to send: none of the 5 records needed an update.",
        ),
        (succeeded_report(kind="replay", records=RecordCounts()), "Nothing to send."),
        (
            partial_report(records=RecordCounts(read=9, updated=8, unknown=1)),
            "Finished, but 1 of 9 records was not accepted.",
        ),
        (interrupted_report(message=""), "Not finished: interrupted. Run the same command again to resume."),
        (
            succeeded_report(status=RunStatus.FAILED, exit_code=77, message=""),
            "Stopped: the token or the campaign was refused.",
        ),
        (succeeded_report(status=RunStatus.FAILED, exit_code=99, message=""), "Stopped: a bug in the engine."),
        (
            succeeded_report(status=RunStatus.FAILED, exit_code=65, message="6 % were rejected, at most 5 % may be"),
            "Stopped: 6 % were rejected, at most 5 % may be.",
        ),
    ],
)
def test_verdicts(report: Report, expected: str) -> None:
    assert text_of(report).splitlines()[0] == expected


@pytest.mark.parametrize(
    ("ids", "count", "shown"),
    [
        (["LN-1", "LN-2"], 2, "id LN-1, LN-2"),
        (["LN-1", "LN-2"], 3, "id LN-1, LN-2, ..."),
        ([f"LN-DEL-{n:07}" for n in range(5)], 9, "id LN-DEL-0000000, LN-DEL-0000001, LN-DEL-0000002, ..."),
        ([f"LN-DEL-{n:07}" for n in range(4)], 4, f"id {', '.join(f'LN-DEL-{n:07}' for n in range(4))}"),
        (["x" * 100, "LN-2"], 2, f"id {'x' * 37}..., LN-2"),
    ],
)
def test_ids_are_whole_so_that_they_can_be_searched_for(ids: list[str], count: int, shown: str) -> None:
    report = partial_report(reasons=[Reason("rejected", "no such loan", count, ids)])
    assert f"\n{' ' * 15}{shown}\n" in text_of(report, width=80)


@pytest.mark.parametrize(
    ("exit_code", "commands"),
    [
        (65, ["check -c config.toml", "sync -c config.toml", "sync -c config.toml --fresh"]),
        (66, ["check -c config.toml", "sync -c config.toml"]),
        (74, ["sync -c config.toml"]),
        (77, ["check -c config.toml", "sync -c config.toml"]),
        (1, ["sync -c config.toml"]),
    ],
)
def test_the_next_commands_of_a_failure(exit_code: int, commands: list[str]) -> None:
    lines = text_of(succeeded_report(status=RunStatus.FAILED, exit_code=exit_code)).splitlines()
    assert [line.strip() for line in lines if line.startswith("    ")] == [f"python -m engine {c}" for c in commands]


@pytest.mark.parametrize(
    ("guard", "kind", "commands"),
    [
        ("INVALID", "sync", ["check -c config.toml", "sync -c config.toml", "sync -c config.toml --fresh"]),
        ("REJECTED", "sync", ["sync -c config.toml", "sync -c config.toml --fresh"]),
        ("REJECTED", "replay", [f"replay -c config.toml {RUN_ID}"]),
    ],
)
def test_what_a_guard_has_stopped_goes_on_only_if_it_is_accepted(guard: str, kind: str, commands: list[str]) -> None:
    override = f"ENGINE_GUARD__MAX_{guard}=100%"
    message = f"too many are bad; accept it for this run: {override}"
    report = succeeded_report(status=RunStatus.FAILED, exit_code=65, message=message, kind=kind)
    typed = [line.strip() for line in text_of(report).splitlines() if line.startswith("    ")]
    plain = [f"python -m engine {command}" for command in commands]
    accepted = next(number for number, command in enumerate(commands) if "check" not in command)
    plain[accepted] = f"{override} {plain[accepted]}"
    assert typed == plain


def test_a_failure_before_anything_was_sent_needs_no_fresh_start() -> None:
    bare = Report(run_id=RUN_ID, status=RunStatus.FAILED, exit_code=65, records=RecordCounts(read=7, pending=7))
    assert [line.strip() for line in text_of(bare).splitlines()[-4:]] == [
        "Find out what is wrong, without sending:",
        "python -m engine check -c config.toml",
        "Then run it again; nothing was sent:",
        "python -m engine sync -c config.toml",
    ]


def test_an_interrupted_replay_is_resumed_as_a_replay() -> None:
    assert f"python -m engine replay -c config.toml {RUN_ID}" in text_of(interrupted_report(kind="replay"))


def test_a_run_that_sent_nothing_claims_nothing() -> None:
    bare = Report(run_id=RUN_ID, status=RunStatus.FAILED, exit_code=66, message="portfolio.csv does not exist")
    assert text_of(bare).splitlines()[:6] == [
        "Stopped: portfolio.csv does not exist.",
        "",
        "  read        0",
        "  updated     0  on the server",
        "",
        "  took        0.0 s",
    ]


def test_reasons_are_ranked_and_bounded() -> None:
    reasons = [Reason("rejected", f"reason {n}", n, [f"id-{n}"]) for n in range(1, REASONS_MAX + 4)]
    lines = text_of(partial_report(reasons=reasons)).splitlines()
    start = lines.index("Not accepted")
    assert lines[start + 1] == "  13  rejected  reason 13"
    assert lines[start + 2 * REASONS_MAX + 1] == "  and 3 more reasons in the report"


def test_hostile_ids_cannot_drive_the_terminal() -> None:
    reasons = [Reason("rejected", "bad\x1b[2J\nvalue", 2, ["\x1b[31mred", "\u202egnp.exe", "\r\n", "x" * 10_000])]
    text = text_of(partial_report(reasons=reasons))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[31mred, \u202egnp.exe, " + "x" * 20 in text
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_reasons_fit_the_width(width: int) -> None:
    text = text_of(partial_report(reasons=[Reason("rejected", "word " * 100, 2, ["LN-1" * 20])]), width=width)
    block = text.split("Not accepted\n")[1].split("\n\n")[0]
    assert max(len(line) for line in block.splitlines()) <= max(width, 35)


def test_colour_adds_only_colour() -> None:
    import re

    colored = text_of(partial_report(), color=True, config_path="my night.toml")
    assert colored.startswith("\x1b[1;33mFinished")
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == PARTIAL


def test_pacing_without_limits_is_not_mentioned() -> None:
    assert "limits" not in text_of(partial_report(pacing=Pacing()))
    assert "limits      found 3 in flight\n" in text_of(partial_report(pacing=Pacing(in_flight_limit=3)))


def test_requests_that_all_failed_are_shown() -> None:
    assert "requests    4: 4 failed\n" in text_of(interrupted_report(requests=RequestCounts(sent=4, failed=4)))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour_is_wanted_on_a_terminal_unless_it_is_declined(environ: dict[str, str], expected: bool) -> None:
    assert wants_color(Terminal(), environ) is expected
    assert wants_color(io.StringIO(), environ) is False
