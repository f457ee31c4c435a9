"""The process that tells people: `python -m engine.outlets.messenger`, started by `alerts.py` and by nobody else.

Apprise stays here, because it and what it loads log addresses, and wait for servers as long as they like. This process
says nothing but the numbers of the addresses with which all went well, a line each.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import NoReturn

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat

ASSET = AppriseAsset(app_id="bulk-sync", app_desc="bulk-sync", app_url="", async_mode=False)


def main() -> NoReturn:
    """Do what standard input says, and leave: at the latest when the time is over, whoever else has gone."""
    order = json.load(sys.stdin)
    Timer(order["timeout_s"], os._exit, (1,)).start()
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever prints something must not get between the answers
    addresses = order["addresses"]
    with ThreadPoolExecutor(max_workers=len(addresses)) as pool:  # one that hangs keeps nobody from being told
        for number, address in enumerate(addresses):
            pool.submit(_attend, number, address, order["message"], answers)
    os._exit(0)


def _attend(number: int, address: str, message: dict[str, str] | None, answers: int) -> None:
    """Say the number of an address that is understood and, if there is a message, was told."""
    plugin = Apprise.instantiate(address, asset=ASSET)
    if plugin is not None and plugin.enabled and (message is None or _tell(plugin, message)):
        os.write(answers, b"%d\n" % number)


def _tell(plugin: NotifyBase, message: dict[str, str]) -> bool:
    """Whether the message has reached the server of an address, as far as that says so."""
    one = Apprise(asset=ASSET)
    one.add(plugin)
    return bool(
        one.notify(
            body=message["body"], title=message["title"], notify_type=message["kind"], body_format=NotifyFormat.TEXT
        )
    )


if __name__ == "__main__":
    main()
