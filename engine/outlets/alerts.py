"""Telling people by chat or e-mail how the night went: within limits, and it never stops or fails a run.

An address is as good as a password, so no message repeats one: they are called by their place and kind. They reach
the process that tells (`messenger.py`) by its standard input, which nobody else sees.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Sequence
from importlib.util import find_spec

from msgspec import Struct

from engine.report import seconds_text
from engine.values import missing_extra, module_again, python_path

ALERT_TIMEOUT_S = 10.0

MESSENGER = "engine.outlets.messenger"


class Alert(Struct, frozen=True):
    """What people are told; `kind` is "success", "warning" or "failure", which chats show as a colour or a sign."""

    title: str
    body: str
    kind: str


class _Answer(Struct, frozen=True):
    """With which addresses all went well, by their numbers, and why no more is known of the others, if so."""

    good: set[int]
    cut_short: str = ""


def misunderstood(addresses: Sequence[str], *, timeout_s: float = ALERT_TIMEOUT_S) -> list[str]:
    """Return what to call each address that Apprise does not understand; none if that is not known in time.

    Raises:
        ConfigError: Apprise is not installed.
    """
    _demand_apprise()
    answer = _ask(addresses, None, (), timeout_s)
    return [] if answer.cut_short else _but(answer.good, addresses)


def send_alert(
    addresses: Sequence[str],
    alert: Alert,
    *,
    secret_names: Collection[str] = (),
    timeout_s: float = ALERT_TIMEOUT_S,
) -> str | None:
    """Tell everybody at once; return what went wrong, or None. Blocks, at most for `timeout_s`.

    Who tells does not get the variables `secret_names`.

    Raises:
        ConfigError: Apprise is not installed.
    """
    _demand_apprise()
    answer = _ask(addresses, alert, secret_names, timeout_s)
    missed = _but(answer.good, addresses)
    return f"{' and '.join(missed)} could not be told{answer.cut_short}" if missed else None


def _demand_apprise() -> None:
    if find_spec("apprise") is None:
        raise missing_extra("notify.urls needs Apprise, which is not installed", "notify")


def _but(good: Collection[int], addresses: Sequence[str]) -> list[str]:
    """Return what to call the addresses that are not among the good ones."""
    return [_called(number, addresses) for number in range(len(addresses)) if number not in good]


def _called(number: int, addresses: Sequence[str]) -> str:
    """Return what to call an address: its place, and its kind if what stands there looks like one."""
    kind = re.match(r"([A-Za-z0-9]{1,20})://", addresses[number])
    return f"address {number + 1} of {len(addresses)} in notify.urls" + (f" ({kind[1]})" if kind else "")


def _ask(addresses: Sequence[str], alert: Alert | None, secret_names: Collection[str], timeout_s: float) -> _Answer:
    """Have the messenger look at the addresses or, if there is an alert, tell them."""
    message = None if alert is None else {"title": alert.title, "body": alert.body, "kind": alert.kind}
    order = {"addresses": list(addresses), "message": message, "timeout_s": timeout_s}
    environment = {name: value for name, value in os.environ.items() if name not in secret_names}
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            module_again(MESSENGER),
            env=environment | {"PYTHONPATH": python_path(), "PYTHONWARNINGS": "ignore"},
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            start_new_session=True,  # a Ctrl-C is for the run, which is about to end
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return _Answer(_numbers(late.stdout), f" within {seconds_text(timeout_s)}")
    except OSError as error:
        return _Answer(set(), f": the process that tells could not be started ({error.strerror})")
    died = done.returncode and f": the process that tells has died (exit code {done.returncode})"
    return _Answer(_numbers(done.stdout), died or "")


def _numbers(answers: bytes | None) -> set[int]:
    return {int(line) for line in (answers or b"").splitlines() if line.isdigit()}
