"""Starts the stand-in as a process of its own, and speaks to its control interface: for tests, demo and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from typing import Any
from urllib.error import HTTPError

import orjson

from engine.values import module_again, python_path

CONTROL_TIMEOUT_S = 120.0
WAIT_S = 60.0
"""How long `wait` waits unless told otherwise."""
STOP_TIMEOUT_S = 10.0
PIECE_BYTES = 1_000_000


class StandInProcess(AbstractContextManager["StandInProcess"]):
    """A running stand-in. As a context manager it stops at the end; it also stops if this process dies.

    `flags` are those of `python -m engine simulate`. `ready` is the line it printed: `url`, `campaign_id`, `token`.
    """

    def __init__(self, *flags: str) -> None:
        command = [*module_again("engine"), "simulate", "--until-stdin-closes", *flags]
        # A session of its own, so that a Ctrl-C at the terminal does not take the server from under its client.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            env=os.environ | {"PYTHONPATH": python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the stand-in did not start; see its message above")
        self.ready: dict[str, Any] = json.loads(line)
        self.url: str = self.ready["url"]
        self.campaign_id: str = self.ready["campaign_id"]
        self.token: str = self.ready["token"]

    def wait_for_end(self) -> int:
        """Wait for it to end by itself, kill it if it does not, and return its exit code."""
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def stop(self) -> int:
        """End it and return its exit code."""
        self._process.terminate()
        exit_code = self.wait_for_end()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        return exit_code

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stats(self) -> dict[str, Any]:
        """Return the counts (`ledger.Stats`)."""
        return self._ask("stats")

    def wait(self, timeout_s: float = WAIT_S, **at_least: float) -> dict[str, Any]:
        """Return the counts as soon as each named one is at least so high, as in `wait(held=2)`.

        Raises:
            TimeoutError: that did not happen in time.
        """
        try:
            return self._ask("wait?" + urllib.parse.urlencode({"timeout_s": timeout_s, **at_least}))
        except HTTPError as reply:
            if reply.code != 408:
                raise
            raise TimeoutError(f"waited {timeout_s} s for {at_least}; the counts are {reply.read().decode()}") from None

    def change(self, **settings: Any) -> None:
        """Change settings from now on (`settings.Settings`)."""
        self._ask("settings", settings)

    def release(self, count: int | None = None) -> int:
        """Let held requests go on, the first `count` or all; return how many did."""
        return int(self._ask("release", {"count": count})["released"])

    def refuse(self, for_s: float) -> None:
        """Have it drop every connection and refuse new ones for so long."""
        self._ask("refuse", {"for_s": for_s})

    def records(self, ids: Collection[str] = (), campaign: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield what the server holds: `{"id", "versions", "data"}` of every id, or of these if it knows them.

        By default, what it holds of the campaign that there always is.
        """
        return map(orjson.loads, self.record_lines(ids, campaign))

    def record_lines(self, ids: Collection[str] = (), campaign: str | None = None) -> Iterator[bytes]:
        """Yield the same as JSON lines, with each value as the text that was sent."""
        query = "" if campaign is None else "?" + urllib.parse.urlencode({"campaign": campaign})
        with self._open(f"state{query}", {"ids": list(ids)} if ids else None) as reply:
            rest = b""
            while piece := reply.read(PIECE_BYTES):  # reading line by line would be several times slower
                *lines, rest = (rest + piece).split(b"\n")
                yield from lines

    def state(self, ids: Collection[str] = (), campaign: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the data of every id that the server holds of a campaign, or of those asked for and known."""
        return {record["id"]: record["data"] for record in self.records(ids, campaign)}

    def campaigns(self) -> dict[str, int]:
        """Return how many ids each campaign holds that has any."""
        return self._ask("campaigns")

    def requests(self) -> list[dict[str, Any]]:
        """Return the log of bulk requests (`ledger.LogEntry`), in the order in which they ended."""
        with self._open("requests") as reply:
            return [json.loads(line) for line in reply]

    def _ask(self, path: str, body: object = None) -> dict[str, Any]:
        with self._open(path, body) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer

    def _open(self, path: str, body: object = None) -> Any:
        """Send a GET, or a POST with a JSON body, to the control interface and return the open reply."""
        base = self.url.removesuffix("/api/v1")
        data = None if body is None else json.dumps(body).encode()
        return _opener.open(f"{base}/_control/{path}", data, CONTROL_TIMEOUT_S)


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy: the stand-in is on this machine, whatever the environment says."""
