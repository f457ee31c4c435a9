"""The report page: the whole morning after in one HTML file that needs nothing else, runs nothing and can be mailed.

Everything that came from outside (ids, reasons, names) is text here: control characters are made visible, the rest is
escaped, and a policy in the page forbids scripts and requests besides.
"""

from __future__ import annotations

from html import escape

from engine.report.charts import panels
from engine.report.report import Report, RunStatus
from engine.report.style import STYLE
from engine.report.wording import (
    bytes_text,
    counted,
    example_ids,
    limits_text,
    moment_text,
    ms_text,
    next_steps,
    rate_text,
    seconds_text,
    shown,
    verdict,
)
from engine.values import NOT_ACCEPTED, STATE_MEANINGS, Reason

REASONS_MAX = 50
"""The most reasons on the page; `report.json` has them all."""

MOVES_MAX = 30
"""The most moves of learned limits on the page, the latest ones."""

_MARKS = {
    RunStatus.SUCCEEDED: ("good", "✓"),
    RunStatus.PARTIAL: ("warn", "!"),
    RunStatus.INTERRUPTED: ("warn", "…"),
    RunStatus.FAILED: ("bad", "✕"),
}


def render_page(report: Report, previous: Report | None = None) -> str:
    """Return the page; `previous` is the run before, to say what is new."""
    title = f"Run {report.run_id}: {report.status.value}"
    sections = [
        _head(report),
        _tiles(report),
        _section("Next", _next(report)),
        _section("What became of the records", _sums(report, previous)),
        _section("Not accepted, and why", _reasons(report.reasons)),
        _section("Over time", panels(report)),
        _section("Limits found", _limits(report)),
        _section("Since the last run", _changes(report, previous)),
        _FOOT,
    ]
    return (
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        '<meta name=viewport content="width=device-width">\n'
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def _text(text: str, width_max: int = 300) -> str:
    return escape(shown(text, width_max))


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{title}</h2>\n{content}\n</section>" if content else ""


def _head(report: Report) -> str:
    kind, mark = _MARKS[report.status]
    facts = [
        ("Run", report.run_id + (" (replay)" if report.kind == "replay" else "")),
        ("Campaign", report.campaign_id),
        ("Source", report.source),
        ("Started", moment_text(report.started_at)),
        ("Ended", moment_text(report.finished_at)),
    ]
    listed = "".join(f"<div><dt>{name}</dt><dd>{_text(value, 120)}</dd></div>" for name, value in facts if value)
    return (
        f"<header class={kind}>\n<p class=status><span class=mark aria-hidden=true>{mark}</span>"
        f"{report.status.value}, exit code {report.exit_code}</p>\n"
        f"<h1>{_text(verdict(report), 1000)}</h1>\n<dl class=facts>{listed}</dl>\n</header>"
    )


def _tiles(report: Report) -> str:
    requests, latency = report.requests, report.latency_ms
    resumed = f"resumed {counted(report.resumes, 'time')}" if report.resumes else "without a break"
    tiles = [
        ("Updated", f"{report.records.updated:,}", f"of {report.records.read:,} read"),
        ("Not accepted", f"{report.not_accepted:,}", " or ".join([", ".join(NOT_ACCEPTED[:-1]), NOT_ACCEPTED[-1]])),
        ("Time worked", seconds_text(report.duration_s), resumed),
        ("Rate", f"{rate_text(report.records_per_s)}/s", f"records; {bytes_text(report.bytes_sent)} sent"),
        (
            "Requests",
            f"{requests.sent:,}",
            f"{requests.throttled:,} throttled, {requests.failed:,} failed"
            + (f", {requests.split:,} to isolate" if requests.split else ""),
        ),
    ]
    if latency:
        spread = f"95% {ms_text(latency.p95)}, 99% {ms_text(latency.p99)}, most {ms_text(latency.max)}"
        tiles.append(("Latency, median", ms_text(latency.p50), spread))
    shapes = (f"<div><p>{name}</p><b>{value}</b><p>{note}</p></div>" for name, value, note in tiles)
    return f"<div class=tiles>{''.join(shapes)}</div>"


def _next(report: Report) -> str:
    steps = (
        f"<li>{_text(step.why)}"
        + (f"<pre><code>{_text(step.command, 500)}</code></pre>" if step.command else "")
        + "</li>"
        for step in next_steps(report)
    )
    listed = "".join(steps)
    return f"<ol class=steps>{listed}</ol>" if listed else ""


def _sums(report: Report, previous: Report | None) -> str:
    """Return the sums as one bar and a table; a sliver of the bar is drawn wide enough to be seen."""
    records = report.records
    if not records.read:
        return "<p>No record was read.</p>"
    counts = [(state, getattr(records, state)) for state in STATE_MEANINGS]
    parts = "".join(f'<span class=s-{state} style="flex-grow:{n}"></span>' for state, n in counts if n)
    spoken = ", ".join(f"{n:,} {state}" for state, n in counts if n)
    before = "<th class=num>last run</th>" if previous else ""
    rows = [_row("read", records.read, records.read, "from the source", previous)]
    rows += [
        _row(state, n, records.read, STATE_MEANINGS[state], previous) for state, n in counts if n or state == "updated"
    ]
    thin = any(0 < n < records.read / 300 for _, n in counts)
    note = "<p class=note>The thinnest parts of the bar are drawn wider than they are, to be seen.</p>" if thin else ""
    return (
        f'<div class=bar role=img aria-label="{spoken}">{parts}</div>\n{note}'
        f"<table class=sums>\n<thead><tr><th>state</th><th class=num>records</th><th class=num>share</th>{before}"
        f"<th class=meaning>meaning</th></tr></thead>\n<tbody>{''.join(rows)}</tbody>\n</table>"
    )


def _row(state: str, count: int, read: int, meaning: str, previous: Report | None) -> str:
    before = f"<td class=num>{getattr(previous.records, state):,}</td>" if previous else ""
    return (
        f"<tr><th scope=row><span class='key s-{state}'></span>{state}</th><td class=num>{count:,}</td>"
        f"<td class=num>{share_text(count, read)}</td>{before}<td class=meaning>{escape(meaning)}</td></tr>"
    )


def share_text(count: int, whole: int) -> str:
    """Return a share such as `99.97%` that never rounds something to nothing, or nearly all to all."""
    if count in (0, whole):
        return "100%" if count else "0%"
    share = 100 * count / whole
    if share < 0.01:
        return "<0.01%".replace("<", "&lt;")
    return f"{min(share, 99.99):.2f}%" if share < 1 or share > 99 else f"{share:.1f}%"


def _reasons(reasons: list[Reason]) -> str:
    if not reasons:
        return ""
    ranked = sorted(reasons, key=lambda r: (-r.count, r.outcome, r.reason))
    rows = "".join(
        f"<tr><td class=num>{reason.count:,}</td><td class=outcome><span class='key s-{_text(reason.outcome)}'></span>"
        f"{_text(reason.outcome)}</td><td class=reason>{_text(reason.reason)}"
        f"<div class=ids>{_ids(reason)}</div></td></tr>"
        for reason in ranked[:REASONS_MAX]
    )
    more = f"<p class=note>{counted(len(ranked) - REASONS_MAX, 'more reason')} in report.json.</p>"
    return (
        "<table class=reasons>\n<thead><tr><th class=num>records</th><th>outcome</th>"
        f"<th>reason and example ids</th></tr></thead>\n<tbody>{rows}</tbody>\n</table>"
        + (more if len(ranked) > REASONS_MAX else "")
        + "<p class=note>Each record and its place in the source: <code>rejected.ndjson</code>, beside this file.</p>"
    )


def _ids(reason: Reason) -> str:
    """Return the example ids, each kept apart from the direction of the text around it."""
    return " ".join(f"<bdi><code>{escape(i)}</code></bdi>" if i != "..." else "…" for i in example_ids(reason))


def _limits(report: Report) -> str:
    found, moves = limits_text(report), report.pacing.moves[-MOVES_MAX:]
    if not found and not moves:
        return ""
    sentence = f"<p>{escape(found[:1].upper() + found[1:])}.</p>" if found else "<p>None that held.</p>"
    if report.throttled_s >= 0.05:
        sentence += f"<p>Held back for {seconds_text(report.throttled_s)}, because the API asked for it.</p>"
    rows = "".join(
        f"<tr><td class=num>{seconds_text(m.t_s)}</td><td>{_text(m.what)}</td><td>{_text(m.why)}</td></tr>"
        for m in moves
    )
    if not rows:
        return sentence
    earlier = len(report.pacing.moves) - len(moves)
    note = f"<p class=note>{counted(earlier, 'earlier move')} in report.json.</p>" if earlier else ""
    return (
        f"{sentence}\n<details{' open' if len(moves) <= 8 else ''}><summary>Why they moved ({len(moves)})</summary>\n"
        f"<table><thead><tr><th class=num>after</th><th>limit</th><th>why</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{note}</details>"
    )


def _changes(report: Report, previous: Report | None) -> str:
    """Say what is new since the run before: sums, pace, and reasons that came or went."""
    if previous is None:
        return "<p>No earlier run has left a report here.</p>"
    old, new = previous, report
    lines = [
        f"{_change(new.records.read - old.records.read, 'record')} read, "
        f"{_change(new.not_accepted - old.not_accepted, 'record')} not accepted.",
        f"{rate_text(new.records_per_s)} records a second, {rate_text(old.records_per_s)} before; "
        f"{seconds_text(new.duration_s)}, {seconds_text(old.duration_s)} before.",
    ]
    known, seen = ({(r.outcome, r.reason) for r in each.reasons} for each in (old, new))
    for name, keys in (("New", seen - known), ("Gone", known - seen)):
        listed = "; ".join(f"{_text(reason)} ({_text(outcome)})" for outcome, reason in sorted(keys)[:10])
        if listed:
            lines.append(f"<b>{name} reasons:</b> {listed}{'; and more' if len(keys) > 10 else ''}.")
    if not seen - known and seen:
        lines.append("No new reasons.")
    heading = (
        f"<p>Compared with run {_text(old.run_id)} of {_text(moment_text(old.started_at))} ({old.status.value}):</p>"
    )
    return heading + "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _change(by: int, noun: str) -> str:
    if by == 0:
        return f"as many {noun}s"
    return f"{counted(abs(by), noun)} {'more' if by > 0 else 'fewer'}"


_FOOT = (
    "<footer><p>Times are UTC; time worked leaves out the pauses between the processes of a run. "
    "This page holds counts and example ids, no other data of the records.</p></footer>"
)
