"""A target of the Singer SDK, fed by the lines that a tap would print. `tuned` leaves validation out."""

# mypy: disable-error-code="import-not-found, import-untyped, misc"
# singer-sdk is a peer, not a dependency of the project.

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import orjson
import requests
from singer_sdk import Target, typing as th
from singer_sdk.sinks import BatchSink

from benchmarks.peers.reading import record_chunks

TUNED = sys.argv[4] == "tuned"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}, "data": {"type": "object"}}}


class BulkSink(BatchSink):
    """Sends ten thousand records at a time."""

    max_size = 10_000
    include_sdc_metadata_properties = False
    validate_schema = not TUNED
    validate_field_string_format = False

    def process_batch(self, context: dict[str, Any]) -> None:
        """Send one chunk."""
        reply = requests.put(
            os.environ["BENCH_URL"] + "/customer-data/bulk",
            json={"campaignId": os.environ["BENCH_CAMPAIGN"], "records": context["records"]},
            headers={"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"},
            timeout=120,
        )
        reply.raise_for_status()


class BulkTarget(Target):
    """A target with that one sink."""

    name = "target-bulk"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList().to_dict()
    default_sink_class = BulkSink


def messages(kind: str, path: str) -> Iterator[str]:
    """Yield the lines of a tap."""
    yield (
        orjson.dumps({"type": "SCHEMA", "stream": "portfolio", "schema": SCHEMA, "key_properties": ["id"]}).decode()
        + "\n"
    )
    for records in record_chunks(kind, path, 10_000):
        for record in records:
            yield orjson.dumps({"type": "RECORD", "stream": "portfolio", "record": record}).decode() + "\n"


if __name__ == "__main__":
    config = {"batch_size_rows": 10_000, "validate_records": not TUNED, "add_record_metadata": False}
    BulkTarget(config=config).listen(messages(sys.argv[1], sys.argv[2]))
