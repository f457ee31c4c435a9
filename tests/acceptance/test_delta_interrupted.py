"""Delta after what went wrong: kills, unknown ends, other jobs in between, late copies, exports that come too early."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from tests.acceptance.engine_process import Engine, wait_until_it_says
from tests.acceptance.nights import CHUNK, MakeEngine, changed, cut, killed, night, pushed, server_has, with_delta
from tests.acceptance.portfolios import Portfolio, portfolio, write_ndjson
from tests.ports import free_port
from tests.stand_in import stand_in

pytestmark = pytest.mark.nights


LOANS = portfolio(60)
OTHER = changed(LOANS)
SOME = list(LOANS)[:3]
LATE_S = 1.5
LATE_COPY_S = LATE_S + 1.0


def check_quiet(engine: Engine, export: Portfolio) -> None:
    """Assert that the server has the export, and that the next night agrees."""
    assert server_has(engine, export)
    again = night(engine, export)
    assert (again.exit_code, again.requests, again.counts) == (0, 0, {"read": len(export), "unchanged": len(export)})


@pytest.mark.parametrize("at", ["before-apply", "before-reply"])
@pytest.mark.parametrize("done", [0, 2])
def test_a_value_that_returns_after_another_of_unknown_end_is_sent(at: str, done: int, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    killed(engine, OTHER, done=done, at=at)
    back = night(engine, LOANS)
    assert back.exit_code == 0
    assert back.counts.get("updated", 0) >= (CHUNK if at == "before-reply" else done * CHUNK)
    check_quiet(engine, LOANS)


@pytest.mark.parametrize("fault", ["reset-after-apply", "504-after-apply", "truncated-reply"])
def test_a_value_that_returns_after_an_outage_is_sent(fault: str, make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), upload={"retry_window_s": 0.0})
    night(engine, LOANS)
    engine.server.change(fault=[fault])
    assert night(engine, OTHER).exit_code in (75, 77)  # 77 where the replies are none of this API's
    engine.server.change(fault=[])
    back = night(engine, LOANS)
    assert back.exit_code == 0
    check_quiet(engine, LOANS)


def test_the_last_version_of_an_id_wins_although_the_ledger_knows_it(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    done = night(engine, [*OTHER.items(), *LOANS.items()])  # two versions, chunks apart
    assert done.exit_code == 0
    assert done.counts["read"] == 120
    check_quiet(engine, LOANS)


def test_versions_within_one_chunk_are_merged_before_the_ledger_is_asked(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), upload={"batch_size": 1_000})
    night(engine, LOANS)
    done = night(engine, [*OTHER.items(), *LOANS.items()])
    assert done.counts == {"read": 120, "superseded": 60, "unchanged": 60}
    assert done.requests == 0
    assert server_has(engine, LOANS)


def test_two_new_versions_of_an_id_are_sent_in_order(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    newest = changed(LOANS, SOME, emi_amount=7)
    pairs = [*changed(LOANS, SOME).items(), *newest.items()]
    assert night(engine, pairs).exit_code == 0
    stats = engine.server.stats()
    assert (stats["overlaps"], stats["twice_in_request"]) == (0, 0)
    check_quiet(engine, newest)


def off_night(engine: Engine) -> None:
    engine.configure(delta={"mode": "off"})
    assert night(engine, OTHER).exit_code == 0
    engine.configure(delta={"mode": "changed"})


def off_night_that_is_killed(engine: Engine) -> None:
    engine.configure(delta={"mode": "off"})
    killed(engine, OTHER, done=2, at="before-reply")
    engine.configure(delta={"mode": "changed"})


def limited_night(engine: Engine) -> None:
    assert night(engine, OTHER, "--limit", "15").exit_code == 0


def limited_off_night(engine: Engine) -> None:
    engine.configure(delta={"mode": "off"})
    limited_night(engine)
    engine.configure(delta={"mode": "changed"})


def push(engine: Engine) -> None:
    pushed(engine, list(OTHER.items())[:15])


def replay(engine: Engine) -> None:
    engine.server.change(reject=SOME)
    assert night(engine, changed(LOANS, SOME)).exit_code == 3
    engine.server.change(reject=[])
    again = night(engine, command="replay")
    assert again.counts == {"read": 3, "updated": 3}
    assert "--full" not in again.report["delta"]["full_reason"], "nobody has asked for that"


JOBS = [off_night, off_night_that_is_killed, limited_night, limited_off_night, push, replay]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_no_entry_survives_another_job_in_between(job: Callable[[Engine], None], make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    night(engine, LOANS)
    job(engine)
    assert night(engine, LOANS).exit_code == 0
    check_quiet(engine, LOANS)


@pytest.mark.parametrize("command", ["replay", "push"])
def test_other_jobs_are_refused_while_a_night_waits_and_the_ledger_is_none_the_worse(
    command: str, make_engine: MakeEngine
) -> None:
    from engine.values.errors import ConfigError

    engine = with_delta(make_engine(reject=SOME[0]), state={"resume_within": "6h"})
    assert night(engine, LOANS).exit_code == 3
    engine.server.change(reject=[])
    stopped = cut(engine, OTHER, done=2)
    requests = engine.server.stats()["requests"]
    if command == "replay":
        assert night(engine, command="replay").exit_code == 2
    else:
        with pytest.raises(ConfigError, match="waits to be continued"):
            pushed(engine, LOANS.items())
    assert engine.server.stats()["requests"] == requests
    assert stopped.report["run_id"] in engine.run("status").out
    done = night(engine)
    assert (done.exit_code, done.report["run_id"]) == (0, stopped.report["run_id"])
    check_quiet(engine, OTHER)


@pytest.mark.parametrize("options", [("--fresh",), ()], ids=["fresh", "newer source"])
def test_old_copies_of_a_killed_night_land_before_anything_is_sent(
    options: tuple[str, ...], make_engine: MakeEngine
) -> None:
    engine = with_delta(make_engine(late_s=LATE_S), upload={"late_copy_s": LATE_COPY_S})
    night(engine, LOANS)
    before = engine.server.stats()
    engine.configure(state={"resume_within": "6h" if options else "0s"}, upload={"concurrency": 1})
    engine.server.change(fault=["504-late"])
    write_ndjson(engine.home / "loans.ndjson", OTHER)
    process = engine.start("sync")
    engine.server.wait(answered=before["requests"] + 1)
    process.kill()
    process.communicate()
    sent = engine.server.wait(answered=engine.server.stats()["requests"])["requests"]
    engine.server.change(fault=[])
    write_ndjson(engine.home / "loans.ndjson", LOANS)  # the old values again: only a void tells that they are not there
    again = engine.start("sync", "--json", *options)
    wait_until_it_says(again, b"waiting_for_late_copies")
    done = engine.outcome(again)
    assert done.exit_code == 0
    seen = engine.server.requests()
    assert seen[sent]["at_s"] >= seen[sent - 1]["at_s"] + LATE_COPY_S
    assert engine.server.stats()["applied"] > before["applied"] + CHUNK  # the copy has landed
    check_quiet(engine, LOANS)


def test_nights_that_are_all_cut_get_further_each_and_deliver_everything(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    export, requests_to_come, unchanged = portfolio(200), 200 // CHUNK, [0]
    for number in range(10):
        export = changed(export, list(export)[number::50], emi_amount=number)
        if requests_to_come < 2:
            break
        stopped = cut(engine, export, done=requests_to_come * 6 // 10)
        unchanged.append(stopped.counts.get("unchanged", 0))
        requests_to_come = stopped.counts["pending"] // CHUNK
    assert number < 9, "they get no further"
    assert unchanged == sorted(unchanged)
    assert night(engine, export).exit_code == 0
    check_quiet(engine, export)


def test_an_interrupted_night_is_over_a_day_later_and_today_s_export_is_read(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine())
    yesterday, today = changed(LOANS, emi_amount=1), changed(LOANS, SOME, emi_amount=2)
    night(engine, LOANS)
    cut(engine, yesterday, done=2)
    assert night(engine, today).exit_code == 0
    check_quiet(engine, today)


def test_a_campaign_that_answers_404_and_is_made_anew_gets_everything(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(port=free_port()))
    old = engine.server
    night(engine, LOANS)
    old.change(campaign="another")
    refused = night(engine, changed(LOANS, SOME))
    assert refused.exit_code == 77
    assert refused.counts == {"read": 60, "pending": 60}  # what it had called unchanged is taken back
    old.stop()
    with stand_in(port=urlsplit(old.url).port, token=old.token, campaign=old.campaign_id) as anew:
        engine.server = anew
        assert night(engine).counts == {"read": 60, "updated": 60}
        check_quiet(engine, changed(LOANS, SOME))
