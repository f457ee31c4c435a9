"""What the API says about a request: pure functions from what happened to the body of a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from engine.simulator.model.faults import Fault
from engine.simulator.model.request_body import Refused

HTML_PAGE = b"<html>\r\n<head><title>%b</title></head>\r\n<body><center><h1>%b</h1></center></body>\r\n</html>\r\n"

BATCH_RECORDS = 1000
"""How many records the server handles in one of its own inner batches."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply before it is sent: status, body, and headers beyond the usual ones."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"

    def with_headers(self, *more: tuple[str, str]) -> Reply:
        """Return the same reply with more headers."""
        return replace(self, headers=(*self.headers, *more))


@dataclass(frozen=True, slots=True)
class Results:
    """What became of the records of a request."""

    total: int
    invalid: Sequence[Refused] = ()
    """Records that failed the first validation."""
    rejected: Sequence[Refused] = ()
    """Valid records that were not updated."""
    retried: int = 0


def results_body(results: Results, error_shape: str) -> dict[str, Any]:
    """Return the reply to a request whose records were looked at one by one."""
    refused = sorted([*results.invalid, *results.rejected])
    successful = results.total - len(refused)
    return {
        "success": not refused,
        "message": f"Updated {successful} of {results.total} records",
        "results": {
            "total": results.total,
            "valid": results.total - len(results.invalid),
            "invalid": len(results.invalid),
            "successful": successful,
            "failed": len(refused),
            "retried": results.retried,
            "batchesProcessed": -(-results.total // BATCH_RECORDS),
            "errors": [] if error_shape == "unnamed" else [error_item(one, error_shape) for one in refused],
        },
    }


def error_item(refused: Refused, shape: str) -> Any:
    """Return one item of `errors`, in one of the shapes that `Settings.error_shape` lists."""
    position, id_, error = refused
    match shape:
        case "index":
            return {"index": position, "error": error}
        case "nested":
            return {"update": {"_id": id_}, "error": error}
        case "text":
            return f"Record {id_}: {error}"
        case "unknown-id":
            return {"id": f"no-such-record-{position}", "error": error}
        case _:
            return {shape: id_, "error": error}


def bend(body: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """Return a reply that lies in the way of `fault`; `body` is the honest reply."""
    results = body["results"]
    match fault:
        case Fault.SUCCESS_FALSE:
            return body | {"success": False}
        case Fault.COUNTS_LIE:
            return body | {"success": True, "results": results | {"failed": 0, "errors": []}}
        case Fault.ERRORS_UNNAMED:
            return body | {"results": results | {"errors": []}}
        case _:
            return body


def json_reply(status: int, body: Any) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, orjson.dumps(body))


def error_reply(status: int, error: str, message: str) -> Reply:
    """Return an error in the API's own form."""
    return json_reply(status, {"success": False, "error": error, "message": message})


def html_reply(status: int, title: str) -> Reply:
    """Return a page as gateways send it."""
    return Reply(status, HTML_PAGE % (title.encode(), title.encode()), content_type="text/html")


def campaigns_body(rows: Mapping[str, int], page: int, limit: int) -> dict[str, Any]:
    """Return a page of the list of campaigns, given with how many rows each holds."""
    listed = [{"id": id_, "name": "Simulated campaign", "rowsLen": count} for id_, count in rows.items()]
    pagination = {"page": page, "limit": limit, "total": len(listed), "totalPages": -(-len(listed) // limit)}
    return {"success": True, "campaigns": listed[(page - 1) * limit : page * limit], "pagination": pagination}
