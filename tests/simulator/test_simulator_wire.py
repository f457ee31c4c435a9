"""Each fault is on the wire as its name says."""

from __future__ import annotations

import http.client
import json
import socket
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from engine.simulator.model.faults import Fault
from engine.simulator.process import StandInProcess
from tests.ports import free_port
from tests.stand_in import (
    Answer,
    body_of,
    connect,
    fresh_ids,
    put,
    put_body,
    read_all,
    records,
    request_bytes,
    send_raw,
    stand_in,
)


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


def test_what_a_gateway_gave_up_is_applied_later(server: StandInProcess) -> None:
    late_s = 0.3
    server.change(fault=["503-late"], late_s=late_s)
    ids, before, asked = fresh_ids(2), server.stats()["applied"], time.monotonic()
    answer = put(server, records(*ids))
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (503, "text/html")
    at_once = server.stats()["applied"] > before
    assert not at_once or time.monotonic() - asked >= late_s  # a machine that stalls looks when it is late
    server.wait(applied=before + 2)
    assert time.monotonic() - asked >= late_s
    assert set(server.state(ids)) == set(ids)


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
    with stand_in(outage="0:1000") as server:
        began = time.monotonic()
        assert put(server, records("x")).status == 503
        server.change(outage=f"0:{time.monotonic() - began + 0.2}")
        while put(server, records("x")).status == 503:
            pass
        assert put(server, records("x")).status == 200
        server.change(outage="0:1000", outage_kind="reset")
        assert_reset(send_raw(server, records("x")))


def test_refused_connections_are_refused_and_then_accepted_on_the_same_port() -> None:
    with stand_in(port=free_port()) as server, send_raw(server, records("x")) as old:
        assert old.recv(1)
        server.refuse(0.3)
        asked, refused = time.monotonic(), 0
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
                if time.monotonic() - asked > 3:  # it was over before anybody was refused: the machine is busy
                    server.refuse(0.3)
                    asked = time.monotonic()
        with pytest.raises(ConnectionResetError):
            read_all(old)
        assert put(server, records("y")).status == 200


def test_an_outage_can_refuse_connections() -> None:
    assert any(map(refused_in_an_outage, (0.5, 5, 50)))  # a short one can be over before a busy machine meets it


def refused_in_an_outage(seconds: float) -> int:
    """Return how often connections were refused until the outage was over."""
    with stand_in(outage=f"0:{seconds}", outage_kind="refused", port=free_port()) as server:
        assert_reset(send_raw(server, records("x")))
        refused = 0
        while True:
            try:
                if put(server, records("x")).status == 200:
                    return refused
            except ConnectionRefusedError:
                refused += 1
            except (ConnectionResetError, http.client.RemoteDisconnected):
                continue
