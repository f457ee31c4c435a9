"""In front of the API, or in its place: pages, portals, proxies. They are named within 20 requests, no record is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.engine_process import Engine, Outcome
from tests.acceptance.listeners import Proxy
from tests.acceptance.portfolios import portfolio, write_ndjson

RECORDS = 5_000
REQUESTS_MAX = 20

MakeEngine = Callable[..., Engine]


def synced(engine: Engine, **api: str) -> Outcome:
    """What comes of 100 chunks."""
    write_ndjson(engine.home / "loans.ndjson", portfolio(RECORDS))
    engine.configure(upload={"batch_size": 50}, api=api)
    return engine.sync()


def assert_stopped(done: Outcome, *words: str) -> None:
    """It has ended with 77 and one line that holds the words, and all records are pending."""
    assert done.exit_code == 77, done.err
    message = done.report["message"]
    assert all(word in message for word in words), message
    assert "\n" not in message
    assert done.records.keys() == {"read", "pending"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400-html", "this is not the API: HTTP 400 with a web page"),
        ("422-html", "this is not the API: HTTP 422 with a web page"),
        ("403-html", "this is not the API: HTTP 403 with a web page"),
        ("404-html", "this is not the API: HTTP 404 with a web page"),
        ("html-200", "this is not the API: HTTP 200 with a web page"),
        ("not-json", "HTTP 200 with a text that is no JSON"),
        ("202", "HTTP 202 with a JSON object without results"),
        ("204", "HTTP 204 with no body"),
        ("success-false", "HTTP 200, and the reply contradicts itself"),
        ("411", "HTTP 411 Length Required"),
        ("415", "HTTP 415 Unsupported Media Type"),
        ("431-html", "this is not the API: HTTP 431 with a web page"),
        ("501", "HTTP 501 Not Implemented"),
    ],
)
def test_what_will_be_the_same_for_all_records_is_said_soon(fault: str, words: str, make_engine: MakeEngine) -> None:
    engine = make_engine(fault=fault)
    assert_stopped(synced(engine), words, "api.url")
    assert engine.server.stats()["requests"] <= REQUESTS_MAX


@pytest.mark.parametrize("status", [401, 403, 407])
@pytest.mark.parametrize("url", ["http://localhost:1/api/v1", "https://api.invalid/api/v1"])
def test_a_proxy_that_refuses_us_is_named_and_its_password_is_not(
    url: str, status: int, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    with Proxy(status) as proxy:
        done = synced(engine, url=url, proxy=f"http://user:hidden@127.0.0.1:{proxy.port}")
        assert proxy.requests <= REQUESTS_MAX
    assert_stopped(done, "proxy", "api.proxy", f"HTTP {status}")
    assert "hidden" not in done.out + done.err
    assert "token" not in done.report["message"]


@pytest.mark.parametrize(("status", "words"), [(407, "api.proxy"), (403, "api.proxy"), (200, "this is not the API")])
def test_check_says_so_before_the_night(status: int, words: str, make_engine: MakeEngine) -> None:
    engine = make_engine()
    write_ndjson(engine.home / "loans.ndjson", portfolio(3))
    with Proxy(status) as proxy:
        engine.configure(
            api={"url": "http://localhost:1/api/v1", "proxy": f"http://user:hidden@127.0.0.1:{proxy.port}"}
        )
        checked = engine.run("check")
    assert (checked.exit_code, words in checked.out + checked.err) == (77, True), checked
    assert "hidden" not in checked.out + checked.err


def test_a_firewall_that_dislikes_a_single_record_costs_that_record_and_no_other(make_engine: MakeEngine) -> None:
    engine = make_engine(poison="loan_004321", poison_status=403)
    done = synced(engine)
    assert (done.exit_code, done.records) == (3, {"read": RECORDS, "updated": RECORDS - 1, "rejected": 1}), done.err
    [reject] = engine.rejects()
    assert (reject["id"], reject["http_status"]) == ("loan_004321", 403)


def test_what_a_firewall_dislikes_is_found_in_a_continued_run_too(make_engine: MakeEngine) -> None:
    """Everything else has been delivered, so the first request of the second process is the one that is refused."""
    engine = make_engine(poison="loan_000055", poison_status=403, fault="402:after=5")
    write_ndjson(engine.home / "loans.ndjson", portfolio(60))
    engine.configure(upload={"batch_size": 10, "concurrency": 1})
    first = engine.sync()
    assert (first.exit_code, first.records) == (77, {"read": 60, "updated": 50, "pending": 10}), first.err
    engine.server.change(fault=[])
    second = engine.sync()
    assert (second.exit_code, second.records) == (3, {"read": 60, "updated": 59, "rejected": 1}), second.err
