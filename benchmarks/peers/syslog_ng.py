"""syslog-ng's http() destination (C): tails the file, sends ten thousand lines a request, eight workers. NDJSON only.

It never ends by itself, so this program stops it when the server has counted every record.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CONFIG = """\
@version: current
options {{ log-msg-size(65536); }};
source s {{ file("{path}" flags(no-parse) follow-freq(0.01) read-old-records(yes)
           log-iw-size(400000) log-fetch-limit(50000)); }};
destination d {{ http(url("{url}/customer-data/bulk") method("PUT")
    headers("Authorization: Bearer {token}", "Content-Type: application/json")
    body-prefix('{{"campaignId":"{campaign}","records":[') delimiter(",") body-suffix("]}}") body("$MSG")
    batch-lines(10000) batch-bytes(8000000) batch-timeout(1000) workers(8)
    log-fifo-size(400000)); }};
log {{ source(s); destination(d); flags(flow-control); }};
"""
GIVE_UP_S = 300.0


def received(url: str) -> int:
    """Return how many records the server has counted."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url.removesuffix("/api/v1") + "/_control/stats", timeout=60) as reply:
        records: int = json.load(reply)["records"]
        return records


def main(path: str, records: int) -> None:
    """Run syslog-ng until every record has arrived."""
    env = os.environ
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "syslog-ng.conf")
        values = {"url": env["BENCH_URL"], "token": env["BENCH_TOKEN"], "campaign": env["BENCH_CAMPAIGN"]}
        config.write_text(CONFIG.format(path=path, **values))
        files = [f"--{name}={directory}/{name}" for name in ("persist-file", "pidfile", "control")]
        wanted, deadline = received(env["BENCH_URL"]) + records, time.monotonic() + GIVE_UP_S
        process = subprocess.Popen(["syslog-ng", "-F", "-f", str(config), *files])
        while received(env["BENCH_URL"]) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is not None:
            raise SystemExit(f"syslog-ng ended with {process.returncode}")
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]))
