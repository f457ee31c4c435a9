"""The stand-in: what it accepts, what it keeps, and that each of its faults is on the wire as its name says."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.simulator.faults import Fault, FaultPlan, FaultRule, Strike
from engine.simulator.limits import RateLimit, Slots, retry_after
from engine.simulator.process import StandInProcess
from engine.simulator.settings import Settings
from tests.stand_in import stand_in

WAIT_S = 10
DEFAULTS = {f.name: f.default for f in fields(Settings) if f.name not in ("token", "campaign", "seed")}


@pytest.fixture(scope="module")
def one_server() -> Iterator[StandInProcess]:
    with stand_in(campaign="camp_test") as server:
        yield server


@pytest.fixture
def server(one_server: StandInProcess) -> StandInProcess:
    """The same process for every test, with its settings as they were at first; state and counts go on."""
    one_server.change(**DEFAULTS)
    return one_server


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def records(*ids: object, **data: object) -> list[dict[str, object]]:
    return [{"id": id_, "data": data or {"payment_status": "paid"}} for id_ in ids]


def fresh_ids(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{random.getrandbits(64):x}" for _ in range(count)]


def request_bytes(server: StandInProcess, body: bytes, **headers: str) -> tuple[bytes, bytes]:
    path = urlsplit(server.url).path
    fields_ = {"Host": "x", "Authorization": f"Bearer {server.token}", "Content-Length": str(len(body))} | headers
    head = f"PUT {path}/customer-data/bulk HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields_.items()) + "\r\n"
    return head.encode(), body


def body_of(server: StandInProcess, records: object) -> bytes:
    return orjson.dumps({"campaignId": server.campaign_id, "records": records})


def connect(server: StandInProcess) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), WAIT_S)


def put_body(server: StandInProcess, body: bytes, method: str = "PUT", **headers: str) -> Answer:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(f"{parts.hostname}:{parts.port}", timeout=WAIT_S)
    try:
        all_headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"} | headers
        connection.request(method, f"{parts.path}/customer-data/bulk", body, all_headers)
        reply = connection.getresponse()
        return Answer(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def put(server: StandInProcess, records: object, **headers: str) -> Answer:
    return put_body(server, body_of(server, records), **headers)


def send_raw(server: StandInProcess, records: object) -> socket.socket:
    """Send a whole request and leave its reply to be read."""
    connection = connect(server)
    connection.sendall(b"".join(request_bytes(server, body_of(server, records))))
    return connection


def read_all(connection: socket.socket, bytes_max: int = 10_000_000) -> bytes:
    got = b""
    while len(got) < bytes_max and (piece := connection.recv(1_000_000)):
        got += piece
    return got


# What is accepted, refused and kept


def test_the_reply_of_the_api_page(server: StandInProcess) -> None:
    answer = put(server, records("loan_12345", "loan_67890"))
    assert answer.status == 200
    assert answer.json == {
        "success": True,
        "message": "Updated 2 of 2 records",
        "results": {
            "total": 2,
            "valid": 2,
            "invalid": 0,
            "successful": 2,
            "failed": 0,
            "retried": 0,
            "batchesProcessed": 1,
            "errors": [],
        },
    }


def test_an_update_is_partial_and_values_are_kept_as_sent(server: StandInProcess) -> None:
    [id_] = fresh_ids(1)
    raw = b'{"campaignId":"camp_test","records":[{"id":"%b","data":{"a":1.10,"b":"x","c":{"d":2}}}]}' % id_.encode()
    assert put_body(server, raw).status == 200
    assert put(server, records(id_, b=None, e="हिन्दी")).status == 200
    [line] = server.record_lines(f"id={id_}")
    assert '"data":{"a":1.10,"b":null,"c":{"d":2},"e":"हिन्दी"}}'.encode() in line
    assert json.loads(line)["versions"] == 2


def test_the_same_update_again_is_counted(server: StandInProcess) -> None:
    before, ids = server.stats(), fresh_ids(3)
    for _ in range(2):
        put(server, records(*ids))
    after = server.stats()
    assert after["repeated"] - before["repeated"] == 3
    assert after["applied"] - before["applied"] == 6
    assert {record["versions"] for record in server.records(ids)} == {2}


def test_who_may_not_is_refused_and_changes_nothing(server: StandInProcess) -> None:
    ids = fresh_ids(1)
    assert put(server, records(*ids), Authorization="Bearer wrong").status == 401
    other = orjson.dumps({"campaignId": "camp_other", "records": records(*ids)})
    answer = put_body(server, other)
    assert (answer.status, answer.json["success"]) == (404, False)
    server.change(org="org_1")
    assert put(server, records(*ids)).status == 403
    assert not server.state(ids)
    assert put(server, records(*ids), **{"x-org-id": "org_1"}).status == 200
    assert server.state(ids)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"campaignId":"camp_test","records":[{"id":"a","data":{"b":1}}]',
        b'{"campaignId":"camp_test","records":[{"id":"a","data":{"b":01}}]}',
        b'{"campaignId":"camp_test","records":[{"id":"a","data":{"b":"\xff"}}]}',
        b'{"campaignId":"camp_test","records":[{"id":"a","data":{"b":NaN}}]}',
        b'{"campaignId":"camp_test"}',
        b'{"campaignId":"camp_test","records":{}}',
        b'{"campaignId":"camp_test","records":[]}',
    ],
)
def test_a_body_that_is_no_request_is_400(server: StandInProcess, body: bytes) -> None:
    answer = put_body(server, body)
    assert answer.status == 400
    assert answer.json.keys() == {"success", "error", "message"}


def test_ten_thousand_records_and_not_one_more(server: StandInProcess) -> None:
    ids = [f"many_{i}" for i in range(10_001)]
    assert put(server, records(*ids)).status == 400
    assert put(server, records(*ids[1:])).json["results"]["successful"] == 10_000
    assert len(server.state(ids[:3])) == 2


def test_each_record_is_judged_alone(server: StandInProcess) -> None:
    good = fresh_ids(2)
    bad: list[object] = [
        {"id": "", "data": {"a": 1}},
        {"id": 7, "data": {"a": 1}},
        {"id": None, "data": {"a": 1}},
        {"data": {"a": 1}},
        {"id": "b1", "data": {}},
        {"id": "b2", "data": []},
        {"id": "b3", "data": None},
        {"id": "b4"},
        "b5",
    ]
    answer = put(server, [*records(good[0]), *bad, *records(good[1])])
    results = answer.json["results"]
    assert (answer.status, answer.json["success"]) == (200, False)
    assert {k: results[k] for k in ("total", "valid", "invalid", "successful", "failed")} == {
        "total": 11,
        "valid": 2,
        "invalid": 9,
        "successful": 2,
        "failed": 9,
    }
    assert [error["id"] for error in results["errors"]] == ["", 7, None, None, "b1", "b2", "b3", "b4", None]
    assert server.state([*good, "b1", "b2", "b3", "b4"]).keys() == set(good)


def test_spaces_make_no_object_less_empty(server: StandInProcess) -> None:
    body = b'{"campaignId": "camp_test", "records": [ {"id": "s1", "data": {  } }, {"id": "s2", "data": { "a": 1 } } ]}'
    assert put_body(server, body).json["results"]["invalid"] == 1
    assert server.state(["s1", "s2"]) == {"s2": {"a": 1}}


def test_the_campaign_list_proves_token_and_campaign(server: StandInProcess) -> None:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(f"{parts.hostname}:{parts.port}", timeout=WAIT_S)
    for token, status in ((server.token, 200), ("wrong", 401)):
        connection.request(
            "GET", f"{parts.path}/campaigns?page=1&limit=5", headers={"Authorization": f"Bearer {token}"}
        )
        reply = connection.getresponse()
        body = json.loads(reply.read())
        assert reply.status == status
        if status == 200:
            assert body["campaigns"][0]["id"] == "camp_test"
            assert body["pagination"] == {"page": 1, "limit": 5, "total": 1, "totalPages": 1}
    connection.close()


# What it notices


def test_two_requests_in_flight_with_one_id_are_a_violation(server: StandInProcess) -> None:
    before, ids = server.stats(), fresh_ids(3)
    server.change(hold="before-reply")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(put, server, records(*ids[:2]))
        server.wait(held=1)
        second = pool.submit(put, server, records(*ids[1:]))
        third = pool.submit(put, server, records(*fresh_ids(1)))
        stats = server.wait(held=3)
        assert stats["overlaps"] - before["overlaps"] == 1
        assert ids[1] in stats["example_ids"]
        assert stats["peak_in_flight"] >= 3
        assert not any(one.done() for one in (first, second, third))
        assert server.release() == 3
        assert first.result(WAIT_S).status == 200
    server.change(hold="nothing")
    put(server, records(ids[1]))
    assert server.stats()["overlaps"] == stats["overlaps"]


def test_held_requests_go_on_one_by_one_and_before_apply_nothing_is_applied(server: StandInProcess) -> None:
    ids = fresh_ids(2)
    server.change(hold="before-apply")
    with ThreadPoolExecutor() as pool:
        waiting = []
        for position, id_ in enumerate(ids, 1):
            waiting.append(pool.submit(put, server, records(id_)))
            server.wait(held=position)
        assert not server.state(ids)
        assert server.release(1) == 1
        assert waiting[0].result(WAIT_S).status == 200
        assert server.state(ids).keys() == {ids[0]}
        server.change(hold="nothing")
        assert waiting[1].result(WAIT_S).status == 200


def test_a_request_whose_client_leaves_is_no_longer_in_flight(server: StandInProcess) -> None:
    before, ids = server.stats(), fresh_ids(1)
    server.change(hold="before-apply")
    connection = send_raw(server, records(*ids))
    server.wait(held=1)
    connection.close()
    after = server.wait(answered=before["answered"] + 1)
    assert (after["in_flight"], after["held"]) == (0, 0)
    assert after["by_status"]["gone"] == before["by_status"].get("gone", 0) + 1
    assert not server.state(ids)


def test_an_id_twice_in_one_request_is_counted_and_the_later_wins(server: StandInProcess) -> None:
    before, [id_] = server.stats(), fresh_ids(1)
    put(server, [*records(id_, a=1), *records(id_, a=2)])
    assert server.stats()["twice_in_request"] - before["twice_in_request"] == 1
    assert server.state([id_]) == {id_: {"a": 2}}


def test_waiting_in_vain_ends(server: StandInProcess) -> None:
    with pytest.raises(TimeoutError, match="held"):
        server.wait(timeout_s=0.01, held=1)


# Rejections


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("id", {"id": "r1", "error": ...}),
        ("_id", {"_id": "r1", "error": ...}),
        ("loan_id", {"loan_id": "r1", "error": ...}),
        ("lead_id", {"lead_id": "r1", "error": ...}),
        ("recordId", {"recordId": "r1", "error": ...}),
        ("index", {"index": 1, "error": ...}),
        ("nested", {"update": {"_id": "r1"}, "error": ...}),
        ("unknown-id", {"id": "no-such-record-1", "error": ...}),
        ("text", "Record r1: the record could not be updated"),
        ("unnamed", None),
    ],
)
def test_how_errors_name_their_record(server: StandInProcess, shape: str, expected: Any) -> None:
    server.change(reject=["r1"], error_shape=shape, partial_status=207)
    answer = put(server, records("r0", "r1", "r2"))
    results = answer.json["results"]
    assert (answer.status, answer.json["success"], results["successful"], results["failed"]) == (207, False, 2, 1)
    if expected is None:
        assert results["errors"] == []
        return
    [item] = results["errors"]
    if isinstance(item, dict):
        item["error"] = ...
    assert item == expected
    assert server.state(["r0", "r1", "r2"]).keys() == {"r0", "r2"}


def test_a_record_can_ask_to_be_rejected_and_all_rejected_can_be_500(server: StandInProcess) -> None:
    server.change(all_failed_status=500)
    ids = fresh_ids(2)
    assert put(server, [*records(ids[0], reject=True), *records(ids[1])]).json["results"]["failed"] == 1
    answer = put(server, records(ids[0], reject=True))
    assert (answer.status, answer.json["results"]["failed"]) == (500, 1)
    assert server.state(ids).keys() == {ids[1]}


def test_a_share_of_ids_is_rejected_every_time_the_same(server: StandInProcess) -> None:
    server.change(reject_share=0.1)
    named = [
        [error["id"] for error in put(server, records(*(f"share_{i}" for i in range(1000)))).json["results"]["errors"]]
        for _ in range(2)
    ]
    assert named[0] == named[1]
    assert 50 < len(named[0]) < 150


def test_one_poison_record_spoils_the_request(server: StandInProcess) -> None:
    server.change(poison=["p1"], poison_status=422)
    ids = fresh_ids(2)
    assert put(server, records(ids[0], "p1")).status == 422
    assert put(server, records(ids[1], poison=True)).status == 422
    assert not server.state([*ids, "p1"])
    assert put(server, records(ids[0])).status == 200


# Limits


@given(
    rate=st.floats(0.5, 100),
    burst=st.floats(1, 20),
    gaps_s=st.lists(st.floats(0, 1), max_size=100),
)
def test_a_bucket_never_lets_more_through_than_burst_and_rate_allow(
    rate: float, burst: float, gaps_s: list[float]
) -> None:
    limit, now, passed = RateLimit(rate, burst), 0.0, 0
    for gap_s in gaps_s:
        now += gap_s
        wait_s = limit.take(now)
        passed += wait_s == 0
        assert passed <= burst + rate * now + 1e-6
        if wait_s:
            assert RateLimit(rate).take(0) == 0
            assert wait_s <= 1 / rate


def test_a_refused_request_passes_after_the_wait_it_was_told() -> None:
    limit = RateLimit(4)
    assert limit.take(0) == 0
    assert limit.take(0) == pytest.approx(0.25)
    assert limit.take(0.2) == pytest.approx(0.05)
    assert limit.take(0.25) == 0


def test_windows_count_from_their_own_beginning() -> None:
    limit = RateLimit(2, window_s=2)
    assert [limit.take(at) for at in (0, 0.1, 1.8, 1.9)] == [0, 0, 0, 0]
    assert limit.take(1.95) == pytest.approx(0.05)
    assert limit.take(2.0) == 0
    assert limit.remaining(2.0) == 3


def test_a_schedule_halves_and_doubles_the_rate() -> None:
    limit = RateLimit(0, schedule="0:20,10:10,20:20")
    passed = [0, 0, 0]
    for tick in range(30_000):
        passed[tick // 10_000] += limit.take(tick / 1000) == 0
    assert passed == [pytest.approx(200, rel=0.03), pytest.approx(100, rel=0.03), pytest.approx(200, rel=0.03)]


@pytest.mark.parametrize("schedule", ["x", "1:2:3", "5:1,2:1", "0:0", "0:-1"])
def test_a_schedule_that_means_nothing_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="rate_schedule"):
        Settings(rate_schedule=schedule)


@pytest.mark.parametrize(
    ("kind", "header"),
    [("seconds", "3"), ("date", "Thu, 01 Jan 1970 00:16:43 GMT"), ("none", None), ("soon", "soon"), ("-5", "-5")],
)
def test_retry_after_in_every_form(kind: str, header: str | None) -> None:
    assert retry_after(kind, wait_s=2.5, clock=1000) == header


def test_too_many_requests_are_429_with_headers(server: StandInProcess) -> None:
    server.change(rate=0.01, burst=2, retry_after="date", rate_headers="x-ratelimit", clock_skew_s=86_400)
    answers = [put(server, records("limited")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    date, retry = (parsedate_to_datetime(answers[2].headers[name]) for name in ("Date", "Retry-After"))
    assert 90 < (retry - date).total_seconds() <= 101


async def test_slots_are_given_in_order_and_never_more_than_there_are() -> None:
    slots, order, busy, peak = Slots(2), [], 0, 0

    async def visit(number: int) -> None:
        nonlocal busy, peak
        async with slots:
            busy += 1
            peak = max(peak, busy)
            order.append(number)
            await asyncio.sleep(0)
            busy -= 1

    visitors = [asyncio.create_task(visit(number)) for number in range(10)]
    await asyncio.sleep(0)
    visitors[5].cancel()
    await asyncio.gather(*visitors, return_exceptions=True)
    assert order == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert peak == 2


async def test_more_slots_help_at_once_and_a_cancelled_holder_gives_back() -> None:
    slots = Slots(1)

    async def hold() -> None:
        async with slots:
            await asyncio.get_running_loop().create_future()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    assert repr(slots) == "<Slots 1 of 1 taken, 2 waiting>"
    slots.resize(2)
    assert repr(slots) == "<Slots 2 of 2 taken, 1 waiting>"
    for holder in holders:
        holder.cancel()
    await asyncio.gather(*holders, return_exceptions=True)
    assert repr(slots) == "<Slots 0 of 2 taken, 0 waiting>"


def test_capacity_makes_requests_queue(server: StandInProcess) -> None:
    server.change(capacity=1, latency_ms=30)
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda id_: put(server, records(id_)), fresh_ids(4)))
    assert [answer.status for answer in answers] == [200] * 4
    took_s = sorted(entry["took_s"] for entry in server.requests()[-4:])
    assert took_s[0] >= 0.03
    assert took_s[-1] >= 0.1  # the last one waited for the three before it


def test_conflicts_are_reported_above_a_number_in_flight(server: StandInProcess) -> None:
    server.change(conflicts_above=1, latency_ms=1)
    with ThreadPoolExecutor() as pool:
        server.change(hold="before-apply")
        held = [pool.submit(put, server, records(*fresh_ids(100))) for _ in range(3)]
        server.wait(held=3)
        server.change(hold="nothing")
        assert max(one.result(WAIT_S).json["results"]["retried"] for one in held) == 2
    assert put(server, records(*fresh_ids(100))).json["results"]["retried"] == 0


# Which requests a fault strikes


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ("hang", [1, 2, 3, 4, 5, 6]),
        ("hang:every=3", [3, 6]),
        ("hang:first=2", [1, 2]),
        ("hang:after=4", [5, 6]),
        ("hang:at=4", [4]),
        ("hang:0", []),
    ],
)
def test_when_a_rule_strikes(rule: str, struck: list[int]) -> None:
    plan = FaultPlan([rule], seed=1)
    assert [number for number in range(1, 7) if plan.draw()] == struck


def test_a_share_strikes_about_so_many_and_the_same_ones_by_seed() -> None:
    plans = [FaultPlan(["503:0.1"], seed) for seed in (1, 1, 2)]
    drawn = [[plan.draw() for _ in range(2000)] for plan in plans]
    assert drawn[0] == drawn[1] != drawn[2]
    assert 150 < sum(strike is not None for strike in drawn[0]) < 250


@pytest.mark.parametrize(
    "rule", ["nonsense", "NNN", "99", "hang:2", "hang:-1", "hang:every=0", "hang:every=x", "hang:x=1"]
)
def test_a_rule_that_means_nothing_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        FaultRule.parse(rule)


@pytest.mark.parametrize("name", ["503", "413-html", "500-after-apply", "hang", "500-results"])
def test_a_fault_is_called_what_it_was_asked_for_as(name: str) -> None:
    assert Strike.parse(name).label == name


# What faults look like on the wire


def assert_reset(connection: socket.socket) -> None:
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_reset_before_body(server: StandInProcess) -> None:
    server.change(fault=["reset-before-body"])
    connection = connect(server)
    connection.sendall(request_bytes(server, body_of(server, records("x")))[0])
    assert_reset(connection)


def test_reset_mid_body(server: StandInProcess) -> None:
    server.change(fault=["reset-mid-body"])
    before, (head, body) = server.stats(), request_bytes(server, body_of(server, records(*fresh_ids(1000))))
    connection = connect(server)
    connection.sendall(head + body[: len(body) // 4])
    stats = server.wait(requests=before["requests"] + 1)
    assert stats["answered"] == before["answered"]
    connection.sendall(body[len(body) // 4 : len(body) * 3 // 4])
    assert_reset(connection)


@pytest.mark.parametrize(("fault", "applied"), [("reset-after-body", False), ("reset-after-apply", True)])
def test_reset_instead_of_a_reply(server: StandInProcess, fault: str, applied: bool) -> None:
    server.change(fault=[fault])
    ids = fresh_ids(2)
    assert_reset(send_raw(server, records(*ids)))
    assert bool(server.state(ids)) is applied


@pytest.mark.parametrize(("fault", "applied"), [("hang", False), ("hang-after-apply", True)])
def test_hang(server: StandInProcess, fault: str, applied: bool) -> None:
    server.change(fault=[fault])
    before, ids = server.stats(), fresh_ids(2)
    connection = send_raw(server, records(*ids))
    server.wait(answered=before["answered"] + 1)
    connection.settimeout(0.1)
    with connection, pytest.raises(TimeoutError):
        connection.recv(1)
    assert bool(server.state(ids)) is applied


def test_truncated_reply(server: StandInProcess) -> None:
    server.change(fault=["truncated-reply"])
    ids = fresh_ids(2)
    with send_raw(server, records(*ids)) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    [announced] = [
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    assert 0 < len(body) < announced
    assert server.state(ids)


def test_close_after_reply(server: StandInProcess) -> None:
    server.change(fault=["close-after-reply"])
    with send_raw(server, records("x")) as connection:
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"connection: close" not in head.lower()
    assert json.loads(body)["success"] is True


def test_endless_reply(server: StandInProcess) -> None:
    server.change(fault=["endless-reply"])
    with send_raw(server, records("x")) as connection:
        got = b""
        while got.count(b"\r\n \r\n") < 3:
            got += connection.recv(1000)
    assert b'"successful":1' in got
    assert b"\r\n0\r\n" not in got


def test_huge_reply(server: StandInProcess) -> None:
    server.change(fault=["huge-reply"])
    with send_raw(server, records("x")) as connection:
        assert len(read_all(connection, bytes_max=20_000_000)) >= 20_000_000


def test_gzip_bomb(server: StandInProcess) -> None:
    server.change(fault=["gzip-bomb"])
    answer = put(server, records("x"))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 2_000_000
    unpacker, got = zlib.decompressobj(16 + zlib.MAX_WBITS), 0
    for _ in range(3):
        got += len(unpacker.decompress(unpacker.unconsumed_tail or answer.body, 20_000_000))
    assert got == 60_000_000


def test_not_json(server: StandInProcess) -> None:
    server.change(fault=["not-json"])
    ids = fresh_ids(1)
    answer = put(server, records(*ids))
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(ValueError):
        answer.json  # noqa: B018 - reading it is the point
    assert server.state(ids)


@pytest.mark.parametrize(("fault", "status"), [("html-200", 200), ("503-html", 503), ("502-html", 502)])
def test_html(server: StandInProcess, fault: str, status: int) -> None:
    server.change(fault=[fault])
    ids = fresh_ids(1)
    answer = put(server, records(*ids))
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.body.startswith(b"<html>")
    assert not server.state(ids)


@pytest.mark.parametrize(("fault", "applied"), [("503", False), ("200", False), ("500-after-apply", True)])
def test_error_replies(server: StandInProcess, fault: str, applied: bool) -> None:
    server.change(fault=[fault])
    ids = fresh_ids(1)
    answer = put(server, records(*ids))
    assert answer.status == int(fault[:3])
    assert answer.json.keys() == {"success", "error", "message"}
    assert answer.json["success"] is False
    assert bool(server.state(ids)) is applied


def lie(server: StandInProcess, fault: str, count: int) -> tuple[Answer, dict[str, Any], int]:
    """Return the reply to a request struck by that fault, its results, and how many records were applied."""
    server.change(fault=[fault])
    ids = fresh_ids(count)
    answer = put(server, records(*ids))
    return answer, answer.json["results"], len(server.state(ids))


def test_success_false(server: StandInProcess) -> None:
    answer, results, applied = lie(server, "success-false", 4)
    assert (answer.json["success"], results["successful"], results["failed"], applied) == (False, 4, 0, 4)


def test_counts_lie(server: StandInProcess) -> None:
    answer, results, applied = lie(server, "counts-lie", 4)
    assert (answer.json["success"], results["total"], results["errors"], applied) == (True, 4, [], 3)
    assert results["successful"] + results["failed"] == 3


def test_total_lie(server: StandInProcess) -> None:
    answer, results, applied = lie(server, "total-lie", 5)
    assert (answer.json["success"], results["total"], results["successful"], applied) == (True, 3, 3, 3)


def test_errors_unnamed(server: StandInProcess) -> None:
    answer, results, applied = lie(server, "errors-unnamed", 4)
    assert (answer.json["success"], results["failed"], results["errors"], applied) == (False, 1, [], 3)


def test_all_failed_500(server: StandInProcess) -> None:
    answer, results, applied = lie(server, "500-results", 4)
    assert (answer.status, results["failed"], len(results["errors"]), applied) == (500, 4, 4, 0)


def test_redirect(server: StandInProcess) -> None:
    server.change(fault=["redirect"], redirect_to="http://127.0.0.1:1/elsewhere")
    answer = put(server, records("x"))
    assert (answer.status, answer.headers["Location"]) == (307, "http://127.0.0.1:1/elsewhere")


def test_every_fault_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [fault for fault in Fault if f'"{fault.value.replace("NNN", "503")}"' not in text
            and f'"{fault.value.replace("NNN", "500")}"' not in text] == []  # fmt: skip


def test_the_log_says_what_happened_to_each_request(server: StandInProcess) -> None:
    server.change(fault=["reset-before-body:at=1", "reset-after-apply:at=2", "503:at=3"])
    for _ in range(2):
        with send_raw(server, records("x")) as connection, pytest.raises(ConnectionResetError):
            connection.recv(1)
    put(server, records("x"))
    put(server, records("x", "y"))
    log = server.requests()[-4:]
    assert [(entry["status"], entry["records"]) for entry in log] == [
        ("reset-before-body", 0),
        ("200 reset-after-apply", 1),
        ("503 503", 0),
        ("200", 2),
    ]


def test_413_is_the_page_of_a_gateway_and_leaves_the_connection_usable(server: StandInProcess) -> None:
    body = body_of(server, records(*fresh_ids(500)))
    server.change(max_body_bytes=len(body) - 1)
    answer = put_body(server, body)
    assert (answer.status, answer.headers["Content-Type"]) == (413, "text/html")
    server.change(max_body_bytes=len(body))
    assert put_body(server, body).status == 200


def test_the_token_rotates(server: StandInProcess) -> None:
    new = "".join(fresh_ids(1))
    server.change(rotate_after=server.stats()["requests"] + 1, next_token=new)
    assert [put(server, records("x")).status for _ in range(2)] == [200, 401]
    assert put(server, records("x"), Authorization=f"Bearer {new}").status == 200


def test_an_outage_has_a_beginning_and_an_end() -> None:
    with stand_in(outage="0:0.2") as server:
        statuses = [put(server, records("x")).status]
        while statuses[-1] != 200:
            statuses.append(put(server, records("x")).status)
        assert set(statuses) == {503, 200}
        server.change(outage="0:1000", outage_kind="reset")
        assert_reset(send_raw(server, records("x")))


def test_refused_connections_are_refused_and_then_accepted_on_the_same_port() -> None:
    with stand_in() as server, send_raw(server, records("x")) as old:
        assert old.recv(1)
        server.refuse(0.3)
        refused = 0
        while True:
            try:
                connect(server).close()
            except ConnectionRefusedError:
                refused += 1
            except ConnectionResetError:
                continue  # the port was closed between the two halves of connecting
            else:
                if refused:
                    break
        with pytest.raises(ConnectionResetError):
            read_all(old)
        assert put(server, records("y")).status == 200


def test_an_outage_can_refuse_connections() -> None:
    with stand_in(outage="0:0.3", outage_kind="refused") as server:
        assert_reset(send_raw(server, records("x")))
        refused = 0
        while True:
            try:
                if put(server, records("x")).status == 200:
                    break
            except ConnectionRefusedError:
                refused += 1
            except (ConnectionResetError, http.client.RemoteDisconnected):
                continue
        assert refused


# The process


@pytest.mark.parametrize("flags", [{}, {"sink": True}])
def test_it_stops_cleanly_when_told_to_or_left_alone(flags: dict[str, Any]) -> None:
    with stand_in(**flags) as server:
        assert server.stop() == 0
    with stand_in(**flags) as server:
        server.close_stdin()
        assert server.wait_for_end() == 0


def test_it_stops_on_ctrl_c_even_while_a_request_hangs() -> None:
    with stand_in(fault="hang") as server, send_raw(server, records("x")):
        server.wait(answered=1)
        server.signal(signal.SIGINT)
        assert server.wait_for_end() == 0


def test_the_sink_counts_and_agrees() -> None:
    with stand_in(sink=True) as server:
        body = body_of(server, records(*(f"s{i}" for i in range(10_000))))
        head, _ = request_bytes(server, body)
        with connect(server) as connection:
            for _ in range(2):
                connection.sendall(head[:7])
                connection.sendall(head[7:] + body[:100])
                connection.sendall(body[100:])
                reply = json.loads(connection.recv(100_000).partition(b"\r\n\r\n")[2])
                assert (reply["success"], reply["results"]["total"]) == (True, 10_000)
        assert server.stats() == {"requests": 2, "records": 20_000, "body_bytes": 2 * len(body)}


def test_counting_only_keeps_the_limits_but_no_state() -> None:
    with stand_in(count_only=True, rate=0.01, burst=1) as server:
        assert put(server, records("a", "b")).json["results"]["successful"] == 2
        assert put(server, records("a", "b")).status == 429
        assert (server.stats()["records"], server.stats()["ids"]) == (2, 0)


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--fault=nonsense", "nonsense"),
        ("--outage=5", "outage"),
        ("--token-file=/no/such", "/no/such"),
        ("--port=1", "listen"),
    ],
)
def test_a_flag_that_means_nothing_is_one_clear_error(flag: str, named: str) -> None:
    done = subprocess.run(
        ["python", "-m", "engine", "simulate", "--host=192.0.2.1", flag], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_that_mean_nothing_are_refused_and_change_nothing(server: StandInProcess) -> None:
    for changes in ({"nonsense": 1}, {"rate": "x"}, {"capacity": True}, {"error_shape": "x"}, {"fault": ["x"]}):
        with pytest.raises(HTTPError, match="400"):
            server.change(**changes)
    assert put(server, records("x")).status == 200


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    with stand_in(tls_cert=cert, tls_key=key) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(cert))
        parts = urlsplit(server.url)
        connection = http.client.HTTPSConnection(f"{parts.hostname}:{parts.port}", timeout=WAIT_S, context=context)
        headers = {"Authorization": f"Bearer {server.token}"}
        connection.request("PUT", f"{parts.path}/customer-data/bulk", body_of(server, records("x")), headers)
        assert connection.getresponse().status == 200
        connection.close()
