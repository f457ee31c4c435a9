"""When in doubt nobody is closed: what is no reason to call a loan gone, and what withholds the constants."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.engine_process import Engine
from tests.acceptance.nights import (
    CLOSED,
    MakeEngine,
    Night,
    changed,
    closed_on_server,
    gone_ids,
    killed,
    night,
    pushed,
    server_has,
    with_delta,
    without,
)
from tests.acceptance.portfolios import ndjson_line, portfolio, write_csv, write_ndjson

pytestmark = pytest.mark.nights


LOANS = portfolio(100)
ONE, TWO = "loan_000013", "loan_000057"
LEFT = without(LOANS, ONE, TWO)
CSV = {"path": "loans.csv", "id": "loan_id", "types": {"emi_amount": "integer"}}


def closing(engine: Engine, **tables: dict[str, Any]) -> Engine:
    """Turn delta on, with constants for gone ids."""
    with_delta(engine, **tables)
    engine.configure(delta={"gone": CLOSED})
    return engine


def check_withheld(engine: Engine, done: Night, *ids: str) -> None:
    """Assert that these ids are listed as gone and pending, that the report says why, and that nothing was sent."""
    assert done.report["gone"]["skipped"], done.report["gone"]
    assert done.report["gone"]["pending"] == done.report["gone"]["found"] == len(ids), done.report["gone"]
    assert gone_ids(engine, done) == sorted(ids)
    assert closed_on_server(engine) == set()


def check_not_judged(engine: Engine, done: Night) -> None:
    """Assert that nobody was called gone, and that the report says why."""
    assert done.report["gone"]["skipped"], done.report["gone"]
    assert done.report["gone"]["found"] == 0
    assert closed_on_server(engine) == set()


# Present all the same


def test_an_invalid_record_is_present(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source=CSV)
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    write_csv(engine.home / "loans.csv", changed(LOANS, [ONE], emi_amount="many"))
    done = night(engine)
    assert (done.exit_code, done.counts) == (3, {"read": 100, "unchanged": 99, "invalid": 1})
    assert done.gone == {}
    assert closed_on_server(engine) == set()


@pytest.mark.parametrize("data", [b"[]", b"{}", b"null", b'"paid"', b'{"a":NaN}'])
def test_an_id_beside_data_that_is_none_is_present(data: bytes, make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    lines = [ndjson_line(id_, data) for id_, data in without(LOANS, ONE).items()]
    (engine.home / "loans.ndjson").write_bytes(
        b"\n".join([*lines, b'{"id":"%b","data":%b}' % (ONE.encode(), data), b""])
    )
    done = night(engine)
    assert (done.exit_code, done.counts) == (3, {"read": 100, "unchanged": 99, "invalid": 1})
    assert done.gone == {}
    assert closed_on_server(engine) == set()


def test_a_refused_record_is_present(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    engine.server.change(reject=[ONE])
    done = night(engine, changed(LOANS, [ONE]))
    assert (done.exit_code, done.gone) == (3, {})


def test_filtered_rows_are_present_also_once_the_filter_has_changed(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source=CSV | {"where": {"payment_status": ["paid", "partial"]}})
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    engine.configure(source={"where": {"payment_status": ["paid"]}})
    fewer = night(engine)
    assert (fewer.exit_code, fewer.report["records"]["filtered"], fewer.gone) == (0, 66, {})
    write_csv(engine.home / "loans.csv", LEFT)
    assert gone_ids(engine, night(engine)) == [ONE, TWO]
    assert closed_on_server(engine) == {ONE, TWO}


# Not judged


def test_the_first_complete_night_of_a_feed_knows_of_nobody(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    check_not_judged(engine, night(engine, LOANS))


def test_nothing_but_changes_makes_nobody_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source={"holds": "changes"})
    night(engine, LOANS)
    check_not_judged(engine, night(engine, {ONE: LOANS[ONE]}))


def test_a_limit_makes_nobody_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    check_not_judged(engine, night(engine, None, "--limit", "50"))
    assert night(engine, LEFT).gone == {"found": 2, "new": 2, "updated": 2}


def test_what_only_a_push_or_a_feed_of_changes_has_brought_is_never_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    pushed(engine, portfolio(5, first=200).items())
    write_ndjson(engine.home / "changes.ndjson", portfolio(5, first=300))
    engine.configure(source={"path": "changes.ndjson", "holds": "changes"}, delta={"feed": "changes"})
    night(engine)
    engine.configure(source={"path": "loans.ndjson", "holds": "portfolio"})
    engine.tables["delta"].pop("feed")
    engine.configure()
    done = night(engine, LEFT)
    assert done.gone == {"found": 2, "new": 2, "updated": 2}
    assert closed_on_server(engine) == {ONE, TWO}


def test_two_portfolios_for_one_campaign_make_nobody_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    write_ndjson(engine.home / "branch.ndjson", portfolio(20, first=500))
    engine.configure(source={"path": "branch.ndjson"})
    check_not_judged(engine, night(engine))
    write_ndjson(engine.home / "branch.ndjson", portfolio(19, first=500))
    check_not_judged(engine, night(engine))
    engine.configure(source={"path": "loans.ndjson"})
    check_not_judged(engine, night(engine, LEFT))


def test_a_feed_with_a_name_may_change_its_path(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), delta={"feed": "portfolio"})
    night(engine, LOANS)
    write_ndjson(engine.home / "tonight.ndjson", LEFT)
    engine.configure(source={"path": "tonight.ndjson"})
    assert night(engine).gone == {"found": 2, "new": 2, "updated": 2}


def test_an_export_without_rows_makes_nobody_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source=CSV)
    write_csv(engine.home / "loans.csv", LOANS)
    night(engine)
    (engine.home / "loans.csv").write_text("loan_id,first_name,phone_number,emi_amount,payment_status\n")
    assert night(engine).exit_code == 66
    assert closed_on_server(engine) == set()


def test_a_source_that_is_cut_makes_nobody_gone(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source={"path": "loans.ndjson.gz"})
    path = engine.home / "loans.ndjson.gz"
    lines = [ndjson_line(id_, data) + b"\n" for id_, data in LOANS.items()]
    path.write_bytes(gzip.compress(b"".join(lines)))
    night(engine)
    path.write_bytes(gzip.compress(b"".join(lines))[:-200])
    assert night(engine).exit_code == 65
    assert closed_on_server(engine) == set()
    path.write_bytes(gzip.compress(b"".join(lines[1:])))
    done = night(engine)
    assert (done.exit_code, done.gone) == (0, {"found": 1, "new": 1, "updated": 1})


def test_a_refused_campaign_closes_nobody_until_a_night_delivers_it(make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    engine.server.change(fault=["403"])
    refused = night(engine, changed(LEFT))
    assert refused.exit_code == 77
    assert refused.report["gone"]["updated"] == 0
    engine.server.change(fault=[])
    assert night(engine, without(changed(LEFT), "loan_000001")).gone == {"found": 3, "new": 3, "updated": 3}


# Withheld


@pytest.mark.parametrize(
    "line",
    [
        b'{"data":{"a":1}}',
        b'{"id":"","data":{"a":1}}',
        b'{"id":7,"data":{"a":1}}',
        b'{"id":"loan_0000',
        b"\xff\xfe\x00",
    ],
    ids=["missing", "empty", "a number", "torn", "no text"],
)
def test_a_row_whose_id_cannot_be_read_withholds_the_constants(line: bytes, make_engine: MakeEngine) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    lines = [ndjson_line(id_, data) for id_, data in LEFT.items()]
    (engine.home / "loans.ndjson").write_bytes(b"\n".join([*lines[:50], line, *lines[50:]]) + b"\n")
    done = night(engine)
    assert (done.exit_code, done.report["records"]["invalid"]) == (3, 1)
    check_withheld(engine, done, ONE, TWO)
    assert night(engine, LEFT).gone == {"found": 2, "updated": 2}


def test_a_file_that_did_not_come_withholds_the_constants(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source={"path": "part-*.ndjson"})
    halves = portfolio(50), portfolio(50, first=50)
    for number, half in enumerate(halves):
        write_ndjson(engine.home / f"part-{number}.ndjson", half)
    night(engine)
    (engine.home / "part-1.ndjson").unlink()
    check_withheld(engine, night(engine), *halves[1])
    write_ndjson(engine.home / "part-1.ndjson", without(halves[1], TWO))
    back = night(engine)
    assert back.counts == {"read": 99, "unchanged": 50, "updated": 49}  # what did not come was void
    assert closed_on_server(engine) == {TWO}


MANY = portfolio(2_000)
"""The guard is judged against a share of 2 %: 40 of these."""


def test_too_many_gone_get_no_constants_until_somebody_allows_it(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), upload={"batch_size": 1_000})
    engine.tables["guard"].pop("max_gone")
    engine.configure()
    night(engine, MANY)
    left = changed(without(MANY, *list(MANY)[:50]), [TWO])
    stopped = night(engine, left)
    assert stopped.exit_code == 65
    assert stopped.counts == {"read": 1_950, "unchanged": 1_949, "updated": 1}
    check_withheld(engine, stopped, *list(MANY)[:50])
    assert "max_gone" in stopped.report["message"]
    assert "50" in stopped.report["message"]
    assert server_has(engine, left)
    engine.configure(guard={"max_gone": "5%"})
    allowed = night(engine)
    assert (allowed.exit_code, allowed.gone["updated"]) == (0, 50)
    assert closed_on_server(engine) == set(MANY) - set(left)


def test_all_that_are_gone_count_those_of_earlier_nights_too(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), upload={"batch_size": 1_000})
    engine.tables["guard"].pop("max_gone")
    engine.configure()
    night(engine, MANY)
    assert night(engine, without(MANY, *list(MANY)[:30])).exit_code == 0
    engine.configure(delta={"gone": CLOSED})
    stopped = night(engine, without(MANY, *list(MANY)[:60]))
    assert (stopped.exit_code, stopped.gone["found"], stopped.gone["new"]) == (65, 60, 30)
    check_withheld(engine, stopped, *list(MANY)[:60])


@pytest.mark.parametrize(("limit", "gone", "code"), [("1%", 9, 0), ("1%", 11, 65), (3, 3, 0), (3, 4, 65)])
def test_a_guard_is_a_count_or_a_share_of_at_least_a_thousand(
    limit: object, gone: int, code: int, make_engine: MakeEngine
) -> None:
    engine = closing(make_engine(), guard={"max_gone": limit})
    night(engine, LOANS)
    left = without(LOANS, *list(LOANS)[:gone])
    done = night(engine, left)
    assert done.exit_code == code
    assert closed_on_server(engine) == (set() if code else set(LOANS) - set(left))


def test_the_guard_does_not_stop_a_night_that_only_reports(make_engine: MakeEngine) -> None:
    engine = with_delta(make_engine(), guard={"max_gone": 1})
    night(engine, LOANS)
    done = night(engine, LEFT)
    assert (done.exit_code, done.gone) == (0, {"found": 2, "new": 2, "pending": 2})


# Mistakes


def test_constants_for_a_field_that_the_mapping_does_not_yield_are_a_mistake(make_engine: MakeEngine) -> None:
    engine = closing(make_engine(), source=CSV | {"exclude": ["payment_status"]})
    write_csv(engine.home / "loans.csv", LOANS)
    refused = night(engine)
    assert (refused.exit_code, refused.requests) == (2, 0)
    assert "delta.gone" in refused.outcome.err
    assert "payment_status" in refused.outcome.err


def other_values_and_a_kill(engine: Engine) -> None:
    killed(engine, changed(LOANS), done=2, at="before-apply")


def a_limit(engine: Engine) -> None:
    night(engine, LOANS, "--limit", "10")


def a_push(engine: Engine) -> None:
    pushed(engine, list(LOANS.items())[:5])


def a_night_without_delta(engine: Engine) -> None:
    engine.configure(delta={"mode": "off"})
    night(engine, LOANS)
    engine.configure(delta={"mode": "changed"})


JOBS = [other_values_and_a_kill, a_limit, a_push, a_night_without_delta]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_whatever_runs_between_two_nights_exactly_the_gone_are_closed(
    job: Callable[[Engine], None], make_engine: MakeEngine
) -> None:
    engine = closing(make_engine())
    night(engine, LOANS)
    job(engine)
    assert night(engine, LEFT).exit_code == 0
    assert closed_on_server(engine) == {ONE, TWO}
    assert server_has(engine, LEFT)
