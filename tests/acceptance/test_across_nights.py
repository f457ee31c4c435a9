"""The morning after nights of every kind: `status` and the page of all nights show each for what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from benchmarks.backdating import put_back
from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.portfolios import portfolio, write_ndjson
from tests.stand_in import let_through, stand_in

CHUNK = 10
REFUSED = "loan_000007"
KOLKATA = ZoneInfo("Asia/Kolkata")


@dataclass
class Nights:
    """What is left of six nights, one of which was missed, and of a run under `--limit`."""

    engine: Engine
    ids: dict[str, str]
    strips: list[list[str]]
    """The kinds of nights on the page, as they stood after each run."""

    @property
    def page(self) -> str:
        return (self.engine.home / "engine-state" / "index.html").read_text(encoding="utf-8")

    def status(self, *args: str) -> Outcome:
        return self.engine.run("status", *args)


def strip(page: str) -> list[str]:
    return re.findall(r"<li class=\"\w+ (\w+)\">", page)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    home = tmp_path_factory.mktemp("nights")
    state, ids, strips = home / "engine-state", {}, []
    engine: Engine

    def over(name: str, days: int) -> None:
        strips.append(strip((state / "index.html").read_text(encoding="utf-8")))
        ids[name] = put_back(state, timedelta(days=days))

    def source(first: int) -> None:
        write_ndjson(home / "loans.ndjson", portfolio(40, first))

    with stand_in(reject=REFUSED) as server:
        engine = Engine(home, server, env={"TZ": "Asia/Kolkata"})
        engine.configure(source={"path": "loans.ndjson"}, upload={"batch_size": CHUNK, "concurrency": 1})
        source(100)
        assert engine.sync().exit_code == 0
        over("good", 6)
        source(0)
        assert engine.sync().exit_code == 3
        over("partial", 5)
        assert engine.sync("--limit", "20").exit_code == 3
        over("limited", 5)
        engine.env["TIMEPAY_TOKEN"] = "expired"
        assert engine.sync().exit_code == 77
        over("failed", 4)
        del engine.env["TIMEPAY_TOKEN"]
    with stand_in(hold="before-reply") as server:
        engine.server = server
        engine.tables.clear()
        engine.configure(source={"path": "loans.ndjson"}, upload={"batch_size": CHUNK, "concurrency": 1})
        engine.configure(upload={"drain_timeout_s": 0.1, "late_copy_s": 0.2})
        process = engine.start("sync", "--fresh")
        let_through(server, 2)
        process.terminate()
        assert engine.outcome(process).exit_code == 75
        over("interrupted", 2)
        process = engine.start("sync", "--fresh")
        let_through(server, 3)
        process.kill()
        process.communicate()
        ids["crashed"] = put_back(state, timedelta(days=1))
        yield Nights(engine, ids, strips)


def test_the_page_is_renewed_whatever_the_end_of_a_run(nights: Nights) -> None:
    assert [kinds[-1] for kinds in nights.strips] == ["succeeded", "partial", "partial", "failed", "interrupted"]
    page = nights.engine.home / "engine-state" / "index.html"
    assert page.stat().st_mode & 0o777 == 0o600


def test_the_page_shows_each_night_for_what_it_was(nights: Nights) -> None:
    file = nights.engine.home / "morning.html"
    assert nights.status("--html", "morning.html").out == "morning.html: the page of 6 runs\n"
    page = file.read_text(encoding="utf-8")
    assert strip(page)[:6] == ["succeeded", "partial", "failed", "missed", "interrupted", "crashed"]
    assert "partial (--limit 20)" in page
    assert "30 records had been updated by then" in page
    assert REFUSED not in page


def test_every_link_leads_to_a_report(nights: Nights) -> None:
    elsewhere = nights.engine.home / "sent"
    elsewhere.mkdir()
    assert nights.status("--html", "sent/morning.html").exit_code == 0
    for page in (elsewhere / "morning.html", nights.engine.home / "engine-state" / "index.html"):
        links = set(re.findall(r'href="([^"]*)"', page.read_text(encoding="utf-8")))
        assert links
        if page.parent == elsewhere:  # the other one is of before the nights were put back
            assert all((page.parent / link).is_file() for link in links)
            assert len(links) == 5
        assert all(link.endswith("/report.html") for link in links)


def test_the_terminal_shows_the_same_in_80_columns(nights: Nights) -> None:
    text = nights.status().out
    begun = datetime.strptime(nights.ids["good"][:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert f"{begun.astimezone(KOLKATA):%a %d %b %H:%M} IST  " in text
    assert f"{begun:%a %d %b %H:%M} UTC  " in nights.status("--utc").out
    for expected in ("missed: no run has begun", "only the first 20 records (--limit)", "its process was killed"):
        assert expected in text
    assert all(run_id in text for run_id in nights.ids.values())
    assert max(map(len, text.splitlines())) <= 80


def test_json_has_them_all_the_oldest_first(nights: Nights) -> None:
    values = json.loads(nights.status("--json").out)
    assert [(run["run_id"], run["status"]) for run in values["runs"]] == [
        (nights.ids[name], status)
        for name, status in [
            ("good", "succeeded"), ("partial", "partial"), ("limited", "partial"), ("failed", "failed"),
            ("interrupted", "interrupted"), ("crashed", "crashed"),
        ]
    ]  # fmt: skip
    assert values["runs"][-1]["records"]["updated"] == 30
    assert (values["resumable"], values["running"]) == (nights.ids["crashed"], None)
    assert values["rejected"] == [nights.ids["partial"], nights.ids["limited"]]


def test_since_leaves_out_what_is_older(nights: Nights) -> None:
    values = json.loads(nights.status("--json", "--since", "3d").out)
    assert [run["run_id"] for run in values["runs"]] == [nights.ids["interrupted"], nights.ids["crashed"]]
    wrong = nights.status("--since", "lately")
    assert (wrong.exit_code, wrong.out) == (2, "")
    assert "must be a date such as 2026-11-23 or a span such as 7d" in wrong.err
