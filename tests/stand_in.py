"""The stand-in for tests: a real server in a process of its own, with the flags that a test needs.

    with stand_in(reject="loan_7", latency_ms=50) as server:
        ...  # server.url, server.campaign_id, server.token
        assert server.state()["loan_8"] == {...}

Inside a running event loop, call the blocking methods through `asyncio.to_thread`.
"""

from __future__ import annotations

from typing import Any

from engine.simulator.process import StandInProcess

SEED = 20261123
"""Whatever the stand-in does at random, it does the same way each time."""


def stand_in(**settings: Any) -> StandInProcess:
    """Start a stand-in with these settings: `fault="hang"` is `--fault hang`, `True` a bare flag, a list repeats."""
    return StandInProcess(*flags_of({"seed": SEED} | settings))


def flags_of(settings: dict[str, Any]) -> list[str]:
    """Return the flags that say the same as these settings."""
    flags = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        for one in value if isinstance(value, list | tuple) else [value]:
            flags += [flag] if one is True else [f"{flag}={one}"]
    return flags
