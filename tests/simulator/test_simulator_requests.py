"""What the stand-in accepts, refuses, keeps, notices and rejects."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import orjson
import pytest

from engine.simulator.process import StandInProcess
from tests.stand_in import WAIT_S, fresh_ids, put, put_body, records, send_raw

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
    [line] = server.record_lines([id_])
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
    with pytest.raises(HTTPError, match="400"):
        server.wait(nonsense=1)


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


def test_an_error_can_quote_what_it_refuses(server: StandInProcess) -> None:
    server.change(reject=["a"], poison=["b"], quote=True)
    told = "Record a refused: name Rani is invalid; n 7 is invalid"
    assert put(server, records("a", name="Rani", n=7)).json["results"]["errors"] == [{"id": "a", "error": told}]
    assert put(server, records("b", name="Rani")).json["message"] == "Record b refused: name Rani is invalid"


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
