"""A kept not-before: an API that asks for a silence longer than a run can wait is not asked again before it is over."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from engine.outlets import ProgressDisplay, get_logger
from engine.settings import RunSettings
from engine.state import Journal, OwnThread
from engine.values import Interrupted, Stop


class NotBefore(Struct, frozen=True):
    """The API asked for so many seconds of silence, which end at a moment of the wall clock (seconds since 1970)."""

    until: float
    asked_s: float

    @classmethod
    def of(cls, kept: Any) -> NotBefore | None:
        """Read what `to_json` gave."""
        return cls(kept["until"], kept["asked_s"]) if kept else None

    @classmethod
    def asked_now(cls, asked_s: float) -> NotBefore:
        """The API asks for it now."""
        return cls(time.time() + asked_s, asked_s)

    def to_json(self) -> dict[str, float]:
        """Return it as plain values."""
        return {"until": self.until, "asked_s": self.asked_s}

    def left_s(self, now: float) -> float:
        """Return the seconds that are left, never more than were asked for: clocks are moved."""
        return max(0.0, min(self.until - now, self.asked_s))


def name_of(settings: RunSettings) -> str:
    """Return under which name the journal keeps it: it is about an API and a campaign."""
    return f"not before of {settings.api.url} {settings.api.campaign_id}"


async def respect(settings: RunSettings, thread: OwnThread[Journal], stop: Stop, display: ProgressDisplay) -> float:
    """Wait until the API may be asked again, if that lies within the window; return how many seconds it took.

    Raises:
        Interrupted: it does not, or the run is to stop; nothing was sent.
    """
    kept = NotBefore.of(await thread.call(thread.value.learned, name_of(settings)))
    left_s = kept.left_s(time.time()) if kept else 0.0
    if kept is None or left_s <= 0:
        return 0.0
    until = f"{datetime.now().astimezone() + timedelta(seconds=left_s):%Y-%m-%d %H:%M:%S}"
    asked = f"the API asked for {kept.asked_s:.0f} s of silence (Retry-After), which end at {until}"
    if left_s > settings.upload.retry_window_s:
        raise Interrupted(f"{asked}; that is longer than upload.retry_window_s, run it again then; nothing was sent")
    display.message(f"Waiting: {asked}.")
    get_logger().info("waiting_for_not_before", message=asked, wait_s=round(left_s, 1))
    await stop.pause(left_s)
    if stop.requested:
        raise stop.error or Interrupted("stopped")
    return left_s
